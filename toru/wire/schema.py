"""The JSON Schema of protocol 2 and of `--metadata`: `python -m toru.wire.schema > docs/protocol.schema.json`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from msgspec import Struct, json

from toru.model import PluginMetadata
from toru.wire import metadata, payloads

Schema = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """One kind of message: who says it, its type and its payload, and whether it belongs to a request."""

    name: str
    word: str
    payload: type[Struct]
    asked: bool = True


TO_PLUGIN = (
    Kind("init", "lifecycle", payloads.Init, asked=False),
    Kind("shutdown", "lifecycle", payloads.Shutdown, asked=False),
    Kind("ping", "lifecycle", payloads.Ping),
    Kind("request", "http", payloads.Request),
    Kind("cancel", "cancel", payloads.Cancel),
    Kind("streamed-request", "http", payloads.StreamedRequest),
    Kind("websocket-open", "websocket", payloads.WebSocketOpen),
)
TO_TORU = (
    Kind("answer", "http", payloads.Answer),
    Kind("error", "error", payloads.Error),
    Kind("pong", "lifecycle", payloads.Lifecycle),
    Kind("log", "log", payloads.Log, asked=False),
    Kind("websocket-accept", "websocket", payloads.WebSocketAccept),
)
BOTH_WAYS = (
    Kind("body", "body", payloads.BodyPart),
    Kind("websocket-message", "websocket", payloads.WebSocketMessage),
    Kind("websocket-close", "websocket", payloads.WebSocketClose),
)


def schema() -> Schema:
    """All messages, each way, and the metadata, under `$defs`; the whole takes any one of the messages."""
    kinds = [*TO_PLUGIN, *TO_TORU, *BOTH_WAYS]
    _, found = json.schema_components([kind.payload for kind in kinds], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The plugin protocol of toru, version 2",
        "description": "One message a line. `to-plugin` is what toru says, `to-toru` what a plugin says, and "
        "`metadata` what it prints when it is asked with `--metadata`. Members that are not named here are ignored.",
        "anyOf": [{"$ref": "#/$defs/to-plugin"}, {"$ref": "#/$defs/to-toru"}],
        "$defs": {
            "to-plugin": {"anyOf": list(_references(TO_PLUGIN + BOTH_WAYS))},
            "to-toru": {"anyOf": list(_references(TO_TORU + BOTH_WAYS))},
            "metadata": _metadata(),
            **{kind.name: _message(kind) for kind in kinds},
            **{name: _described(payload) for name, payload in found.items()},
        },
    }


def _references(kinds: tuple[Kind, ...]) -> Iterator[Schema]:
    return ({"$ref": f"#/$defs/{kind.name}"} for kind in kinds)


def _message(kind: Kind) -> Schema:
    return {
        "type": "object",
        "properties": {
            "type": {"const": kind.word},
            "timestamp": {"type": "string", "format": "date-time"},
            "request_id": {"type": "string"},
            "payload": {"$ref": f"#/$defs/{kind.payload.__name__}"},
        },
        "required": ["type", "request_id", "payload"] if kind.asked else ["type", "payload"],
    }


def _described(payload: Schema) -> Schema:
    """Without the titles, which say the names of Structs, and with the action that tells one payload from another."""
    shown = {name: value for name, value in payload.items() if name != "title"}
    action = shown["properties"].get("action", {})
    if "const" in action:
        shown["properties"]["action"] = {"const": action["const"]}
        shown["required"] = ["action"]
    return shown


def _metadata() -> Schema:
    _, found = json.schema_components([PluginMetadata])
    properties = found["PluginMetadata"]["properties"]
    line = {"type": "string", "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"}
    short = {**line, "maxLength": metadata.NAME_LENGTH - 1}
    named = {"allOf": [{"pattern": r"\S"}]}
    return {
        "type": "object",
        "properties": {
            **{name: {"type": ["string", "null"]} for name in ("icon", "description")},
            "id": {
                "type": "string",
                "pattern": f"^{metadata.ID.pattern}$",
                "not": {"enum": sorted(metadata.RESERVED_IDS)},
            },
            "name": {**short, **named},
            "version": {**line, **named},
            "route": {
                "type": "string",
                "pattern": f"^{metadata.ROUTE.pattern}$",
                "not": {"pattern": r"\.\.|^/\.$"},
            },
            "author": {**short, "type": ["string", "null"]},
            "protocol": {"enum": ["1", "2", None]},
            "capabilities": {
                "type": ["array", "null"],
                "items": {"type": "string"},
                "description": "Those that count are "
                + ", ".join(f"`{word}`" for word in metadata.CAPABILITIES)
                + "; others are ignored.",
            },
            "concurrency": {"type": ["integer", "null"], "minimum": 1, "maximum": metadata.MAX_CONCURRENCY},
        },
        "required": [name for name, shown in properties.items() if "default" not in shown],
    }


def text() -> str:
    """What docs/protocol.schema.json holds."""
    return json.format(json.encode(schema()), indent=2).decode() + "\n"


if __name__ == "__main__":
    print(text(), end="")
