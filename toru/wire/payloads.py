"""The payloads of protocol 2, as their JSON has them. The published schema is made of these.

What stands in `extra_json_schema` is for that schema: such values are read whatever they are, and judged later, so
that one of them fails its own request and not the whole connection.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from toru.wire.messages import BodyEncoding

Headers: TypeAlias = dict[str, str | list[str]]
Length: TypeAlias = Annotated[int, Meta(description="How many raw bytes follow the line.", ge=0)]

_Level: TypeAlias = Annotated[
    str, Meta(extra_json_schema={"enum": ["trace", "debug", "info", "warn", "error"], "default": "info"})
]
_Status: TypeAlias = Annotated[
    int | float, Meta(extra_json_schema={"type": "integer", "minimum": 200, "maximum": 599})
]
_Encoding: TypeAlias = Annotated[
    str, Meta(description="How `body` stands for bytes.", extra_json_schema={"enum": ["utf-8", "base64"]})
]
_Path: TypeAlias = Annotated[
    str, Meta(description="What is behind the route, percent-encoded, with `?query` where there is one.")
]
_Names: TypeAlias = Annotated[dict[str, str], Meta(description="By lower-case name.")]


class Init(Struct):
    """The first message on every connection."""

    action: Literal["init"]
    protocol: Literal["2"]
    plugin_id: str
    instance_id: str
    socket_path: str
    log_path: str
    api_url: str
    token: str


class Shutdown(Struct):
    """Exit within that time."""

    action: Literal["shutdown"]
    grace_seconds: float


class Ping(Struct):
    """Asks whether the plugin is there. Only for one with the capability `ping`."""

    action: Literal["ping"]


class Cancel(Struct):
    """Nobody waits for the answer any more. Only for a plugin with the capability `cancel`."""


class RequestHead(Struct):
    """How a request for the plugin begins."""

    method: str
    path: _Path
    headers: _Names


class Request(RequestHead):
    """A request for the plugin."""

    body: str | None
    body_encoding: BodyEncoding


class Answer(Struct):
    """The answer to a request."""

    status: _Status
    headers: Headers = {}
    body: str | None = None
    body_encoding: _Encoding = "utf-8"
    stream: Annotated[
        bool, Meta(description="Whether `body` messages follow. Only with the capability `stream`.")
    ] = False


class Error(Struct):
    """The request failed inside the plugin: the client gets 502, toru's log the message."""

    message: str
    code: str | None = None


class Lifecycle(Struct):
    """What a plugin says of itself."""

    action: Annotated[str, Meta(extra_json_schema={"const": "pong"})] = ""


class Log(Struct):
    """A line for the plugin's log."""

    level: _Level
    message: str
    fields: dict[str, Any] | None = None


class StreamedRequest(RequestHead):
    """A request whose body follows in parts. Only for a plugin with the capability `stream`."""

    stream: Literal[True]


class BodyPart(Struct):
    """A part of a body, whose bytes follow the line; at most 1 MiB."""

    length: Annotated[Length, Meta(le=2**20)]
    final: bool = False


class WebSocketOpen(Struct):
    """Somebody opens a WebSocket. Only for a plugin with the capability `websocket`."""

    action: Literal["open"]
    path: _Path
    headers: _Names
    subprotocols: list[str]


class WebSocketAccept(Struct):
    """The plugin takes it; one that does not answers with `http`."""

    action: Literal["accept"]
    subprotocol: str | None = None


class WebSocketMessage(Struct):
    """A message, whose bytes follow the line; at most 16 MiB."""

    action: Literal["message"]
    kind: Literal["text", "binary"]
    length: Annotated[Length, Meta(le=2**24)]


class WebSocketClose(Struct):
    """The end of a WebSocket."""

    action: Literal["close"]
    code: int = 1000
    reason: str = ""
