"""Protocol 2 on a connection that one exchange at a time has to itself: lines, with raw bytes behind some of them."""

from __future__ import annotations

from collections.abc import Callable
from time import time

from msgspec import Struct, json

from toru.wire import payloads
from toru.wire.messages import Outgoing, StreamRequest, WebSocketRequest
from toru.wire.protocol2 import JsonLines
from toru.wire.streamreader import MOST_UNFINISHED, StreamReader
from toru.wire.unfinished import Unfinished

# The most bytes that follow one line.
MAX_PART = 2**20

_encode = json.Encoder().encode


class StreamLines(JsonLines):
    """What toru says there, to one process. The bytes that a line announces are for the caller to send behind it."""

    def __init__(self, max_message_bytes: int, wall_clock: Callable[[], float] = time) -> None:
        super().__init__(max_message_bytes, wall_clock)
        self._unfinished = Unfinished(MOST_UNFINISHED)

    def reader(self) -> StreamReader:
        """A new one, for what the plugin says on a new connection."""
        return StreamReader(self._max_message_bytes, self._unfinished)

    def streamed(self, request_id: str, request: StreamRequest) -> bytes:
        """The first line of a request whose body follows in parts."""
        payload = payloads.StreamedRequest(request.method, request.path, request.headers, True)
        return self._line("http", request_id, payload)

    def part(self, request_id: str, length: int, *, final: bool) -> bytes:
        """That many bytes of the body follow, at most MAX_PART."""
        return self._line("body", request_id, payloads.BodyPart(length, final))

    def open(self, request_id: str, request: WebSocketRequest) -> bytes:
        """Somebody opens a WebSocket."""
        payload = payloads.WebSocketOpen("open", request.path, request.headers, request.subprotocols)
        return self._line("websocket", request_id, payload)

    def message(self, request_id: str, length: int, *, text: bool) -> bytes:
        """A message of that many bytes follows."""
        payload = payloads.WebSocketMessage("message", "text" if text else "binary", length)
        return self._line("websocket", request_id, payload)

    def close(self, request_id: str, code: int, reason: str) -> bytes:
        """The WebSocket is closed from the client's side."""
        return self._line("websocket", request_id, payloads.WebSocketClose("close", code, reason))

    def _line(self, type: str, request_id: str, payload: Struct) -> bytes:
        return _encode(Outgoing(type, self._now(), payload, request_id)) + b"\n"
