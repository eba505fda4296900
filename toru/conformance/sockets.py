"""A connection on which a WebSocket is carried: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import DecodeError, Struct, json

from toru.conformance.speech import MAX_MESSAGE_BYTES, Lines
from toru.errors import ProtocolError
from toru.wire.messages import Message, excerpt, rfc3339


class _Payload(Struct):
    action: str = ""
    length: int = 0
    kind: str = "text"
    code: int = 1000
    reason: str = ""
    subprotocol: str | None = None


class _Head(Struct):
    type: str
    request_id: str | None = None


class _Said(Struct):
    payload: _Payload


class WebSocketTalk(Lines):
    """`accepted` is the request_id of the `accept` that came, `heard_count` how many messages did."""

    def __init__(self) -> None:
        super().__init__()
        self.accepted: str | None = None
        self.closed = False
        self.heard_count = 0
        self._held = bytearray()
        self._wanted: int | None = None
        self._text = False

    def open(self, request_id: str, path: str, headers: Mapping[str, str]) -> bytes:
        return self._line(
            request_id, {"action": "open", "path": path, "headers": headers, "subprotocols": []}
        )

    def message(self, request_id: str, kind: Literal["text", "binary"], content: bytes) -> bytes:
        return self._line(request_id, {"action": "message", "kind": kind, "length": len(content)}) + content

    def close(self, request_id: str) -> bytes:
        return self._line(request_id, {"action": "close", "code": 1000, "reason": ""})

    def heard(self, data: bytes) -> Iterator[Message]:
        self._held += data
        while True:
            if self._wanted is not None:
                if len(self._held) < self._wanted:
                    return
                self._take_content(bytes(self._held[: self._wanted]))
                del self._held[: self._wanted]
                self._wanted = None
                continue
            end = self._held.find(b"\n")
            if end < 0:
                return
            line = bytes(self._held[:end])
            del self._held[: end + 1]
            try:
                if json.decode(line, type=_Head).type == "websocket":
                    self._take(json.decode(line, type=_Head), json.decode(line, type=_Said).payload)
                    continue
            except DecodeError as error:
                raise ProtocolError(f"a message cannot be used: {error}") from None
            yield self._codec.decode(line)

    def _take(self, head: _Head, said: _Payload) -> None:
        match said.action:
            case "accept":
                self.accepted = head.request_id or ""
            case "close":
                self.closed = True
            case "message":
                if said.kind not in ("text", "binary"):
                    raise ProtocolError(f"the kind of a WebSocket's message is {excerpt(said.kind)}")
                if not 0 <= said.length <= MAX_MESSAGE_BYTES:
                    raise ProtocolError(f"a WebSocket's message has {said.length:,} bytes")
                self._wanted, self._text = said.length, said.kind == "text"
            case _:
                raise ProtocolError(f"the action of a `websocket` message is {excerpt(said.action)}")

    def _take_content(self, content: bytes) -> None:
        if self._text:
            try:
                content.decode()
            except UnicodeDecodeError:
                raise ProtocolError("a WebSocket's message of the kind `text` is not UTF-8") from None
        self.heard_count += 1

    def _line(self, request_id: str, payload: Mapping[str, object]) -> bytes:
        now = rfc3339(0)
        message = {"type": "websocket", "timestamp": now, "request_id": request_id, "payload": payload}
        return json.encode(message) + b"\n"
