"""Frames of a WebSocket and the messages in them (RFC 6455, 5 to 8), from the server's side. Pure."""

from __future__ import annotations

from codecs import IncrementalDecoder, getincrementaldecoder
from typing import NamedTuple

from wsproto.frame_protocol import CloseReason, Frame, FrameDecoder, Opcode, ParseFailed

from toru.http.server.deflate import Agreement, Payloads, squeeze
from toru.wire.unfinished import Unfinished

# Bytes of an incomplete message that count for nothing, and of all of them beyond that.
_FREE = 64 * 1024
MOST_UNFINISHED = 256 * 2**20
# A goodbye that says no code.
NO_CODE = 1005
INTERNAL = 1011
_TRY_LATER = 1013
# RFC 6455, 7.4.1, and what was registered since; the others there never stand in a frame.
_REGISTERED = frozenset((*range(1000, 1004), *range(1007, 1015)))
_MAX_REASON = 123
_WHY = {
    CloseReason.PROTOCOL_ERROR: "this is against the protocol",
    CloseReason.INVALID_FRAME_PAYLOAD_DATA: "a message cannot be decoded",
    CloseReason.MESSAGE_TOO_BIG: "a message may have 16 MiB here",
}
_new_decoder = getincrementaldecoder("utf-8")


class Said(NamedTuple):
    """A whole message, in UTF-8 where it is `text`."""

    data: bytes
    text: bool


class Ping(NamedTuple):
    data: bytes


class Goodbye(NamedTuple):
    """`code` is one that may stand in a frame, or NO_CODE."""

    code: int
    reason: str


class Broken(Exception):
    """The client cannot be understood any more. `code` and `reason` are what it is told."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Frames:
    """What a client says, as its bytes come, and what it is told, as bytes. `unfinished` is the room of all clients."""

    __slots__ = ("_agreement", "_borrowed", "_decoder", "_kind", "_parts", "_unfinished", "_utf8")

    def __init__(self, unfinished: Unfinished, agreement: Agreement | None) -> None:
        self._unfinished = unfinished
        self._borrowed = 0
        self._agreement = agreement
        self._decoder = FrameDecoder(False, [Payloads(agreed=agreement is not None)])
        # Of the message that has begun: pieces by themselves would each have a price, however short they are.
        self._kind: Opcode | None = None
        self._utf8: IncrementalDecoder | None = None
        self._parts: bytearray | None = None

    def feed(self, data: bytes) -> None:
        self._decoder.receive_bytes(data)

    def next(self) -> Said | Ping | Goodbye | None:
        """What comes next in what was fed; None where there has to be more. Raises Broken."""
        try:
            while (frame := self._decoder.process_buffer()) is not None:
                event = self._one(frame)
                if event is not None:
                    return event
        except ParseFailed as error:
            raise Broken(error.code, _WHY[error.code]) from None
        return None

    def drop(self) -> None:
        """Nothing more is read."""
        self._unfinished.give_back(self._borrowed)
        self._borrowed = 0
        self._parts = None

    # -- what the client says

    def _one(self, frame: Frame) -> Said | Ping | Goodbye | None:
        assert isinstance(frame.payload, bytes)
        match frame.opcode:
            case Opcode.PING:
                return Ping(frame.payload)
            case Opcode.PONG:
                return None
            case Opcode.CLOSE:
                return _goodbye(frame.payload)
        if (frame.opcode is Opcode.CONTINUATION) is (self._kind is None):
            raise ParseFailed("a message within another, or the rest of none")
        if self._kind is None:
            self._kind = frame.opcode
            self._utf8 = _new_decoder() if frame.opcode is Opcode.TEXT else None
        return self._piece(frame.payload, final=frame.frame_finished and frame.message_finished)

    def _piece(self, payload: bytes, *, final: bool) -> Said | None:
        if self._utf8 is not None:
            try:
                self._utf8.decode(payload, final)
            except UnicodeDecodeError:
                raise ParseFailed("no UTF-8", CloseReason.INVALID_FRAME_PAYLOAD_DATA) from None
        if final:
            if self._parts is not None:
                self._parts += payload
                payload = bytes(self._parts)
                self.drop()
            said = Said(payload, self._kind is Opcode.TEXT)
            self._kind = self._utf8 = None
            return said
        if self._parts is None:
            self._parts = bytearray()
        self._parts += payload
        more = len(self._parts) - _FREE - self._borrowed
        if more > 0:
            if not self._unfinished.take(more):
                raise Broken(_TRY_LATER, "there are too many long messages on their way")
            self._borrowed += more
        return None

    # -- what it is told

    def message(self, data: bytes, *, text: bool) -> bytes:
        """A message in one frame."""
        small = None if self._agreement is None else squeeze(data, self._agreement)
        first = Opcode.TEXT if text else Opcode.BINARY
        return _frame(first, data) if small is None else _frame(first | 0x40, small)


def ping(data: bytes = b"") -> bytes:
    return _frame(Opcode.PING, data)


def pong(data: bytes) -> bytes:
    return _frame(Opcode.PONG, data)


def goodbye(code: int, reason: str) -> bytes:
    """The frame that says so; a code that none may have becomes 1011, and the reason is cut to what fits."""
    if code == NO_CODE:
        return _frame(Opcode.CLOSE, b"")
    if not _may_be_said(code):
        code = INTERNAL
    short = reason.encode("utf-8", "replace")[:_MAX_REASON].decode("utf-8", "ignore").encode()
    return _frame(Opcode.CLOSE, code.to_bytes(2, "big") + short)


def _frame(first: int, data: bytes) -> bytes:
    length = len(data)
    if length < 126:
        return b"%c%c%b" % (0x80 | first, length, data)
    if length < 2**16:
        return b"%c\x7e%b%b" % (0x80 | first, length.to_bytes(2, "big"), data)
    return b"%c\x7f%b%b" % (0x80 | first, length.to_bytes(8, "big"), data)


def _goodbye(payload: bytes) -> Goodbye:
    if not payload:
        return Goodbye(NO_CODE, "")
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not _may_be_said(code):
        raise ParseFailed("no such code")
    try:
        return Goodbye(code, payload[2:].decode())
    except UnicodeDecodeError:
        raise ParseFailed("no UTF-8", CloseReason.INVALID_FRAME_PAYLOAD_DATA) from None


def _may_be_said(code: int) -> bool:
    return code in _REGISTERED or 3000 <= code <= 4999
