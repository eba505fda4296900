"""Messages that are compressed (RFC 7692), each by itself: between two of them there is nothing to keep."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits

MAX_MESSAGE = 16 * 2**20
# What stands at the end of each compressed message, and is not sent (RFC 7692, 7.2.1).
_TAIL = b"\x00\x00\xff\xff"
# Shorter messages hardly shrink without those before them; longer ones would take too long on the reactor's thread.
_SHORT, _LONG = 128, 256 * 1024
# zlib makes no smaller window than this.
_MIN_BITS, _BITS = 9, 15


class Agreement(NamedTuple):
    """`said` is the value of the header that tells the client; `bits` are those of our window."""

    said: bytes
    bits: int


def agree(offers: bytes) -> Agreement | None:
    """The first of a client's offers, the values of `Sec-WebSocket-Extensions`, that can be kept."""
    for offer in offers.split(b","):
        name, *parameters = [each.strip(b" \t") for each in offer.split(b";")]
        if name == b"permessage-deflate" and (bits := _bits(parameters)) is not None:
            said = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"
            if b"server_max_window_bits" in offer:
                said += b"; server_max_window_bits=%d" % bits
            return Agreement(said, bits)
    return None


def _bits(parameters: list[bytes]) -> int | None:
    """Those of our window, None where the offer is not understood or asks for too few."""
    found: dict[bytes, bytes] = {}
    for parameter in parameters:
        name, _, value = parameter.partition(b"=")
        value = value.strip(b' \t"')
        if name.strip(b" \t") in found or not _is_known(name.strip(b" \t"), value):
            return None
        found[name.strip(b" \t")] = value
    bits = int(found.get(b"server_max_window_bits", b"15"))
    return bits if bits >= _MIN_BITS else None


def _is_known(name: bytes, value: bytes) -> bool:
    is_size = value in (b"8", b"9", b"10", b"11", b"12", b"13", b"14", b"15")
    match name:
        case b"server_no_context_takeover" | b"client_no_context_takeover":
            return not value
        case b"server_max_window_bits":
            return is_size
        case b"client_max_window_bits":
            return is_size or not value
    return False


def squeeze(data: bytes, agreement: Agreement) -> bytes | None:
    """A message compressed; None where it had better be sent as it is."""
    if not _SHORT <= len(data) <= _LONG:
        return None
    deflate = zlib.compressobj(1, zlib.DEFLATED, -agreement.bits)
    small = deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)
    return small[: -len(_TAIL)] if len(small) < len(data) else None


class Payloads(Extension):
    """What the frames of a message hold: inflated where that was agreed on, and never more than MAX_MESSAGE.

    wsproto's own inflates without a limit, and forgets at a ping that the message around it is compressed.
    """

    name = "permessage-deflate"

    __slots__ = ("_agreed", "_control", "_inflate", "_size")

    def __init__(self, *, agreed: bool) -> None:
        self._agreed = agreed
        self._control = False
        # While a compressed message comes.
        self._inflate: Any = None
        self._size = 0

    def offer(self) -> bool | str:
        return False

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        self._control = opcode.iscontrol()
        begins = not self._control and opcode is not Opcode.CONTINUATION
        if begins and rsv.rsv1 and self._agreed:
            self._inflate = zlib.decompressobj(-_BITS)
        elif not self._control and self._inflate is None:
            self._size += payload_length
            if self._size > MAX_MESSAGE:
                return CloseReason.MESSAGE_TOO_BIG
        return RsvBits(begins and self._agreed, False, False)

    def frame_inbound_payload_data(
        self, proto: FrameDecoder | FrameProtocol, data: bytes
    ) -> bytes | CloseReason:
        return data if self._control or self._inflate is None else self._inflated(data)

    def frame_inbound_complete(
        self, proto: FrameDecoder | FrameProtocol, fin: bool
    ) -> bytes | CloseReason | None:
        if self._control or not fin:
            return None
        rest = None if self._inflate is None else self._inflated(_TAIL)
        self._inflate = None
        self._size = 0
        return rest

    def _inflated(self, data: bytes) -> bytes | CloseReason:
        if self._inflate.eof:
            return b""  # zlib would collect what stands behind the end
        try:
            # One byte more than there may be tells that there is more.
            found: bytes = self._inflate.decompress(data, MAX_MESSAGE - self._size + 1)
        except zlib.error:
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        self._size += len(found)
        return found if self._size <= MAX_MESSAGE else CloseReason.MESSAGE_TOO_BIG
