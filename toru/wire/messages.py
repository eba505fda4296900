"""What the core and a plugin say to each other, as values, and what both protocols do alike."""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from time import gmtime, strftime
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from msgspec import UNSET, DecodeError, Raw, Struct, UnsetType, json

from toru import model
from toru.errors import BodyTooLarge, ProtocolError
from toru.wire.framing import Framer

BodyEncoding = Literal["utf-8", "base64"]
LogLevel = Literal["trace", "debug", "info", "warn", "error"]

# Arrays and objects within each other that a log record may have.
MOST_NESTED = 100
_STRING_OR_BRACKET = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{\]}]', re.DOTALL)

# The most of a plugin's own characters that a sentence of ours repeats; and that is kept of what went wrong in it.
EXCERPT_LENGTH = 100
MOST_OF_A_REFUSAL = 1000

NULL = Raw(b"null")

# The header that tells one request from all others, in the logs of whoever has it in hand.
REQUEST_ID = "x-request-id"

# Names and values of headers, in the order in which a plugin wrote them.
Pairs: TypeAlias = tuple[tuple[str, str], ...]

T = TypeVar("T")


class Init(Struct, frozen=True):
    """What a plugin is told first on every connection. The token stays out of logs and tracebacks."""

    plugin_id: str
    instance_id: str
    socket_path: str
    log_path: str
    api_url: str
    token: str

    def __repr__(self) -> str:
        return f"Init(plugin_id={self.plugin_id!r}, socket_path={self.socket_path!r})"


class RequestHead:
    """What is alike in requests for a plugin that come again and again.

    `path` starts with `/`, is still percent-encoded and ends with `?query` where there was one.
    Names in `headers` are lower-case, values are bytes read as ISO-8859-1. `encoded` is kept by the codec that made it.
    """

    __slots__ = ("encoded", "headers", "method", "own_id", "path")

    def __init__(self, method: str, path: str, headers: dict[str, str]) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        # The id that its client gave it.
        self.own_id = headers.get(REQUEST_ID)
        self.encoded: str | None = None


class HttpRequest(Struct, frozen=True):
    """A request on its way to a plugin. `id` stands in its header `x-request-id`, where it has one."""

    head: RequestHead
    body: bytes | None
    id: str = ""

    @property
    def method(self) -> str:
        return self.head.method

    @property
    def path(self) -> str:
        return self.head.path

    @property
    def headers(self) -> dict[str, str]:
        """All of them."""
        return {**self.head.headers, REQUEST_ID: self.id} if self.id else self.head.headers

    @property
    def size(self) -> int:
        """Bytes, about, that it holds in memory while it waits. Headers are not counted: a head is small."""
        return len(self.head.path) + (0 if self.body is None else len(self.body))


class StreamRequest(Struct, frozen=True):
    """As `HttpRequest`, its body in parts that follow."""

    method: str
    path: str
    headers: dict[str, str]


class WebSocketRequest(Struct, frozen=True):
    """Somebody opens a WebSocket. `path` and `headers` as in `HttpRequest`; `subprotocols` are those offered."""

    path: str
    headers: dict[str, str]
    subprotocols: list[str]


class Answer(Struct, frozen=True):
    """A plugin's answer, its status between 200 and 599.

    `headers` are as the plugin wrote them: whether they may stand in a response is not checked here.
    `request_id` is "" where protocol 1 left it out.
    """

    request_id: str
    status: int
    headers: Pairs
    body: bytes


class Nonsense(Struct, frozen=True):
    """An answer in the right form whose values mean nothing: it fails its own request and no other."""

    request_id: str
    why: str


class Refusal(Struct, frozen=True):
    """The plugin says that it could not answer. `message` is for the log, not for the client."""

    request_id: str
    message: str
    code: str | None

    @property
    def why(self) -> str:
        """The message, as an `excerpt`."""
        return excerpt(self.message, MOST_OF_A_REFUSAL)


class Pong(Struct, frozen=True):
    """The answer to a ping."""

    request_id: str


class Log(Struct, frozen=True):
    """A line for the plugin's log."""

    level: LogLevel
    message: str
    fields: dict[str, Any] | None


class Unknown(Struct, frozen=True):
    """A message of a type that means nothing here. `type` is an excerpt, safe to log."""

    type: str


Message: TypeAlias = Answer | Nonsense | Refusal | Pong | Log | Unknown


class Codec(Protocol):
    """One protocol of the two. What it returns is a whole frame, with its newline or its length."""

    @property
    def protocol(self) -> model.Protocol: ...

    def framer(self) -> Framer:
        """A new framer, for what the plugin sends on a new connection."""

    def init(self, init: Init) -> bytes: ...

    def shutdown(self, grace_seconds: float) -> bytes: ...

    def request(self, request_id: str, request: HttpRequest) -> bytes:
        """Raises BodyTooLarge where the message would be over the limit however the body is encoded."""

    def decode(self, frame: bytes) -> Message:
        """Raises ProtocolError with a sentence that says what was wrong, and where."""


class Envelope(Struct):
    """What a plugin sent, as far as all messages are alike."""

    type: str
    request_id: str | None = None
    payload: Raw = NULL


class Outgoing(Struct):
    """What a plugin is sent. `payload` is always an object, so that a reader may look into it unasked."""

    type: str
    timestamp: str
    payload: Struct
    request_id: str | UnsetType = UNSET


_envelopes = json.Decoder(Envelope)


def read_envelope(frame: bytes) -> Envelope:
    """Raises ProtocolError where `frame` is no JSON object with a `type`."""
    if not frame:
        raise ProtocolError("a message is empty; each is one JSON object")
    return read(_envelopes, frame, "a message")


def read(decoder: json.Decoder[T], data: bytes, what: str) -> T:
    """Decode, or raise a ProtocolError that says what is wrong with `what` (a few words, for a sentence)."""
    try:
        return decoder.decode(data)
    except RecursionError:
        why = "it is nested too deeply"
    except UnicodeDecodeError:
        why = "it is not UTF-8"
    except DecodeError as error:
        # It may quote what it could not use; where that was stands behind it.
        why = str(error)
        if len(why) > 2 * EXCERPT_LENGTH:
            why = f"{why[:EXCERPT_LENGTH]}…{why[-EXCERPT_LENGTH:]}"
    raise ProtocolError(f"{what} cannot be used: {why}")


def excerpt(text: str, most: int = EXCERPT_LENGTH) -> str:
    """The beginning of what a plugin wrote, quoted, harmless to a terminal, at most so long."""
    shown = repr(text[:most])
    if len(text) <= most and len(shown) <= most:
        return shown
    return f"{shown[: most - 1]}…"


def nests_deeply(text: bytes) -> bool:
    """Whether JSON has more arrays and objects within each other than a log record may have.

    How many of them can be read and written depends on how deep the program is in calls itself: what was
    read here could not be shown there.
    """
    if text.count(b"[") + text.count(b"{") <= MOST_NESTED:
        return False
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        token = match[0]
        if token in (b"[", b"{"):
            depth += 1
            if depth > MOST_NESTED:
                return True
        elif token in (b"]", b"}"):
            depth -= 1
    return False


def rfc3339(seconds: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC, with milliseconds."""
    whole, milliseconds = divmod(int(seconds * 1000), 1000)
    return f"{_to_the_second(whole)}.{milliseconds:03}Z"


# Thousands of messages share a second.
@lru_cache(maxsize=2)
def _to_the_second(seconds: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds))


def encode_within(
    limit: int, body: bytes | None, encode: Callable[[str | None, BodyEncoding], bytes]
) -> bytes:
    """The message that `encode` makes of a body, as text where it can be, at most `limit` bytes long.

    Text of control characters grows six-fold in JSON, base64 by a third only: so it is the way out
    for what is over the limit as text. Raises BodyTooLarge where that does not help.
    """
    if body is None:
        message = encode(None, "utf-8")
        if len(message) <= limit:
            return message
    else:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            pass
        else:
            message = encode(text, "utf-8")
            if len(message) <= limit:
                return message
        message = encode(b2a_base64(body, newline=False).decode("ascii"), "base64")
        if len(message) <= limit:
            return message
    raise BodyTooLarge(
        f"the request does not fit into {limit:,} bytes, the most that a message to a plugin may have"
    )


def make_answer(
    request_id: str,
    status: float,
    headers: Pairs,
    body: str | None,
    body_encoding: str,
) -> Answer | Nonsense:
    """What a plugin means with these values. Raises ProtocolError for an encoding that does not exist."""
    code = int(status)
    if code != status or not 200 <= code <= 599:
        return Nonsense(
            request_id, f"its status is {excerpt(str(status))}; a whole number from 200 to 599 is allowed"
        )
    if body_encoding == "utf-8":
        content = b"" if body is None else body.encode()
    elif body_encoding == "base64":
        try:
            content = b"" if body is None else a2b_base64(body, strict_mode=True)
        except ValueError:
            return Nonsense(request_id, "its body is not the base64 that `body_encoding` promises")
    else:
        raise ProtocolError(
            f"the `body_encoding` of an `http` message is {excerpt(body_encoding)}; "
            "`utf-8` and `base64` are allowed"
        )
    return Answer(request_id, code, headers, content)


def pairs_of(headers: Mapping[str, str | Sequence[str]]) -> Pairs:
    """Headers as they stand in a message, where one may have several values."""
    return tuple(
        (name, one)
        for name, value in headers.items()
        for one in ([value] if isinstance(value, str) else value)
    )
