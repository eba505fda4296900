"""The three ways in which plugins are spoken to: bytes for what is asked, messages from what is answered; pure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Protocol as Interface

from msgspec import DecodeError, Struct, json
from msgspec.structs import replace

from toru.errors import ProtocolError
from toru.wire.messages import Answer, HttpRequest, Init, Message, Nonsense, Unknown, excerpt, rfc3339
from toru.wire.protocol1 import LengthPrefixed
from toru.wire.protocol2 import JsonLines

MAX_MESSAGE_BYTES = 16 * 2**20
MAX_PART_BYTES = 2**20
GRACE_SECONDS = 5.0
_STRANGE = "strange"


class Speech(Interface):
    """What is said on one connection, in both directions."""

    def init(self, init: Init) -> bytes: ...

    def shutdown(self) -> bytes: ...

    def request(self, request_id: str, request: HttpRequest) -> bytes: ...

    def strange(self) -> list[bytes]:
        """Messages that mean nothing to a plugin and should not disturb it."""

    def heard(self, data: bytes) -> Iterator[Message]:
        """The messages that these next bytes complete. Raises ProtocolError."""


def _strange(action: str) -> list[dict[str, object]]:
    now = rfc3339(time.time())
    return [
        {
            "type": "toru-check",
            "timestamp": now,
            "request_id": f"{_STRANGE}-1",
            "payload": {"more": [1, None]},
        },
        {"type": "lifecycle", "timestamp": now, "request_id": f"{_STRANGE}-2", "payload": {"action": action}},
    ]


class _Framed:
    """One message in each frame."""

    def __init__(self, codec: JsonLines | LengthPrefixed) -> None:
        self._codec = codec
        self._framer = codec.framer()

    def init(self, init: Init) -> bytes:
        return self._codec.init(init)

    def shutdown(self) -> bytes:
        return self._codec.shutdown(GRACE_SECONDS)

    def request(self, request_id: str, request: HttpRequest) -> bytes:
        return self._codec.request(request_id, request)

    def heard(self, data: bytes) -> Iterator[Message]:
        for frame in self._framer.feed(data):
            yield self._codec.decode(frame)


class Lines(_Framed):
    """Protocol 2: requests of all kinds share a connection."""

    def __init__(self) -> None:
        self._lines = JsonLines(MAX_MESSAGE_BYTES)
        super().__init__(self._lines)

    def ping(self, request_id: str) -> bytes:
        return self._lines.ping(request_id)

    def cancel(self, request_id: str) -> bytes:
        return self._lines.cancel(request_id)

    def strange(self) -> list[bytes]:
        return [json.encode(message) + b"\n" for message in _strange("toru-check")]


class Lengths(_Framed):
    """Protocol 1: a connection carries one message, and its answer."""

    def __init__(self) -> None:
        super().__init__(LengthPrefixed(MAX_MESSAGE_BYTES))

    def strange(self) -> list[bytes]:
        messages = map(json.encode, _strange("toru-check"))
        return [len(message).to_bytes(4, "big") + message for message in messages]


class _Head(Struct):
    type: str
    request_id: str | None = None


class _StreamedPayload(Struct):
    stream: bool = False


class _Streamed(Struct):
    payload: _StreamedPayload


class _PartPayload(Struct):
    length: int
    final: bool = False


class _Part(Struct):
    payload: _PartPayload


class Streams(Lines):
    """Protocol 2 with the capability `stream`: one exchange at a time, bodies in parts behind their lines.

    What was streamed is one Answer, with all of its parts.
    """

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()
        self._answer: Answer | None = None
        self._parts: list[bytes] = []
        self._wanted: int | None = None
        self._final = False

    def request(self, request_id: str, request: HttpRequest) -> bytes:
        body = request.body or b""
        parts = [body[at : at + MAX_PART_BYTES] for at in range(0, len(body), MAX_PART_BYTES)]
        return self.begin(request_id, request) + b"".join(
            self.part(request_id, part, final=number == len(parts))
            for number, part in enumerate([*parts, b""])
        )

    def begin(self, request_id: str, request: HttpRequest) -> bytes:
        """The line that a request starts with, its parts to follow."""
        payload = {"method": request.method, "path": request.path, "headers": request.headers, "stream": True}
        return self._line("http", request_id, payload)

    def part(self, request_id: str, part: bytes, *, final: bool) -> bytes:
        """A part of a body: its line and its bytes."""
        return self._line("body", request_id, {"length": len(part), "final": final}) + part

    def heard(self, data: bytes) -> Iterator[Message]:
        self._held += data
        while (message := self._next()) is not None:
            yield message

    def _line(self, type: str, request_id: str, payload: object) -> bytes:
        now = rfc3339(time.time())
        message = {"type": type, "timestamp": now, "request_id": request_id, "payload": payload}
        return json.encode(message) + b"\n"

    def _next(self) -> Message | None:
        while True:
            if self._wanted is not None:
                if len(self._held) < self._wanted:
                    return None
                self._parts.append(self._cut(self._wanted))
                self._wanted = None
                if self._final:
                    return self._whole()
                continue
            end = self._held.find(b"\n")
            if end < 0:
                if len(self._held) > MAX_MESSAGE_BYTES:
                    raise ProtocolError(f"a line is longer than {MAX_MESSAGE_BYTES:,} bytes")
                return None
            message = self._take(self._cut(end + 1)[:-1])
            if message is not None:
                return message

    def _cut(self, length: int) -> bytes:
        taken = bytes(self._held[:length])
        del self._held[:length]
        return taken

    def _take(self, line: bytes) -> Message | None:
        try:
            head = json.decode(line, type=_Head)
            if head.type == "body":
                self._part(head, json.decode(line, type=_Part).payload)
                return None
            streamed = head.type == "http" and json.decode(line, type=_Streamed).payload.stream
        except DecodeError as error:
            raise ProtocolError(f"a message cannot be used: {error}") from None
        message = self._codec.decode(_without_stream(line) if streamed else line)
        if not streamed or not isinstance(message, Answer):
            return message
        if self._answer is not None:
            raise ProtocolError("an `http` message comes in the middle of another answer")
        self._answer, self._parts = message, []
        return None

    def _part(self, head: _Head, part: _PartPayload) -> None:
        if self._answer is None:
            raise ProtocolError("a `body` message comes where no answer with `stream: true` is under way")
        if head.request_id != self._answer.request_id:
            raise ProtocolError(
                f"a `body` message has the request_id {excerpt(str(head.request_id))} "
                f"in the answer to {excerpt(self._answer.request_id)}"
            )
        if not 0 <= part.length <= MAX_PART_BYTES:
            raise ProtocolError(f"a part has {part.length:,} bytes; at most {MAX_PART_BYTES:,} are allowed")
        self._wanted, self._final = part.length, part.final

    def _whole(self) -> Answer:
        assert self._answer is not None
        answer, self._answer = self._answer, None
        return replace(answer, body=b"".join(self._parts))


def _without_stream(line: bytes) -> bytes:
    """The same message as one that carries no body of its own, for the codec of messages that do."""
    message = json.decode(line)
    message["payload"].pop("stream")
    return json.encode(message)


def to_stranger(message: Message) -> bool:
    """Whether it answers what nobody has to answer, and may, however late."""
    return getattr(message, "request_id", "").startswith(_STRANGE)


def describe(message: Message) -> str:
    """A message in words, for a sentence."""
    match message:
        case Answer():
            return f"an answer to the request_id {excerpt(message.request_id)}"
        case Nonsense():
            return f"an answer that means nothing: {message.why}"
        case Unknown():
            return f"a message of the type {message.type}"
        case _:
            return f"a message `{type(message).__name__.lower()}`"
