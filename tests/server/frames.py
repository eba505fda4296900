"""Frames of a WebSocket as a client sends them, good ones and such as must not be (RFC 6455, 5.2)."""

from __future__ import annotations

import zlib

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
# RSV1, which says that a message is compressed (RFC 7692, 6).
RSV1, RSV2, RSV3 = 0x40, 0x20, 0x10
_MASK = b"\x37\xfa\x21\x3d"


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    masked: bool = True,
    form: int | None = None,
    claims: int | None = None,
) -> bytes:
    """`form`: in how many bits the length stands (7, 16 or 64), in place of the fewest; `claims`: another length."""
    length = len(payload) if claims is None else claims
    if form is None:
        form = 7 if length < 126 else 16 if length < 65536 else 64
    mark = 0x80 if masked else 0
    first = bytes([(0x80 if fin else 0) | rsv | opcode])
    if form == 7:
        head = first + bytes([mark | length])
    elif form == 16:
        head = first + bytes([mark | 126]) + length.to_bytes(2)
    else:
        head = first + bytes([mark | 127]) + length.to_bytes(8)
    return head + (_MASK + _masked(payload) if masked else payload)


def _masked(payload: bytes) -> bytes:
    mask = (_MASK * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload) ^ int.from_bytes(mask)).to_bytes(len(payload))


def text(payload: bytes) -> bytes:
    return frame(TEXT, payload)


def binary(payload: bytes) -> bytes:
    return frame(BINARY, payload)


def pieces(opcode: int, *payloads: bytes, between: bytes = b"", rsv: int = 0) -> bytes:
    """One message in fragments; `between` stands between any two of them."""
    last = len(payloads) - 1
    return between.join(
        frame(CONTINUATION if number else opcode, each, fin=number == last, rsv=0 if number else rsv)
        for number, each in enumerate(payloads)
    )


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    return frame(CLOSE, b"" if code is None else code.to_bytes(2) + reason)


def deflated(payload: bytes) -> bytes:
    """Compressed as RFC 7692, 7.2.1 has it."""
    deflate = zlib.compressobj(wbits=-15)
    return (deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")
