"""Rows on what is said over a WebSocket: RFC 6455, 5 to 8, and RFC 7692. Behind each stands an echo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.server.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    binary,
    close,
    deflated,
    frame,
    pieces,
    text,
)
from tests.server.talker import MAX_MESSAGE, NO_CODE

# Kind, and a payload or the codes that are as good as each other.
Wanted = tuple[str, bytes | tuple[int, ...]]


@dataclass(frozen=True)
class Talk:
    """What is sent at once on a new WebSocket, and all that has to come. Where that is no goodbye, ours is answered."""

    section: str
    name: str
    sent: bytes
    want: tuple[Wanted, ...]
    deflate: bool = False

    @property
    def id(self) -> str:
        return f"{self.section} {self.name}"


def said(section: str, name: str, sent: bytes, *want: Wanted, deflate: bool = False) -> Talk:
    return Talk(section, name, sent, want, deflate)


def fails(section: str, name: str, sent: bytes, *codes: int, deflate: bool = False) -> Talk:
    """It ends the WebSocket: with 1002, a protocol error, where no other code is named."""
    return Talk(section, name, sent, (("close", codes or (1002,)),), deflate)


def both(section: str, name: str, payload: bytes) -> list[Talk]:
    """A message of that many bytes, as text and as bytes."""
    return [
        said(section, f"{name}, as text", text(payload), ("text", payload)),
        said(section, f"{name}, as bytes", binary(payload), ("binary", payload)),
    ]


HELLO = b"hello"
ECHO: Wanted = ("text", HELLO)
END = close(1000)

SIZES: list[Talk] = [
    row
    for size in (0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 1_000_000)
    for row in both("6455 5.2", f"{size} bytes", b"*" * size)
] + [
    fails("6455 7.4.1", "more than 16 MiB, announced", frame(BINARY, b"", claims=MAX_MESSAGE + 1), 1009),
    fails("6455 7.4.1", "as much as can be announced", frame(BINARY, b"", claims=2**63 - 1), 1009),
    fails("6455 5.2", "a length with the first bit set", frame(BINARY, b"", claims=2**63), 1002, 1009),
    fails("6455 5.2", "a short length in 16 bits", frame(TEXT, HELLO, form=16)),
    fails("6455 5.2", "a short length in 64 bits", frame(TEXT, HELLO, form=64)),
    fails("6455 5.2", "a length of 16 bits in 64", frame(TEXT, b"*" * 200, form=64)),
]

FRAGMENTS: list[Talk] = [
    said("6455 5.4", "two pieces", pieces(TEXT, b"hel", b"lo"), ECHO),
    said("6455 5.4", "two pieces of bytes", pieces(BINARY, b"hel", b"lo"), ("binary", HELLO)),
    said("6455 5.4", "a hundred pieces", pieces(TEXT, *[b"x"] * 100), ("text", b"x" * 100)),
    said("6455 5.4", "empty pieces", pieces(TEXT, b"", HELLO, b"", b""), ECHO),
    said("6455 5.4", "nothing, in pieces", pieces(TEXT, b"", b"", b""), ("text", b"")),
    said("6455 5.4", "two messages in pieces", pieces(TEXT, b"hel", b"lo") * 2, ECHO, ECHO),
    said(
        "6455 5.4",
        "messages in a row",
        text(HELLO) + binary(b"\0") + text(HELLO),
        ECHO,
        ("binary", b"\0"),
        ECHO,
    ),
    said("6455 5.4", "a thousand messages at once", text(HELLO) * 1000, *[ECHO] * 1000),
    said(
        "6455 5.4",
        "a ping between pieces",
        pieces(TEXT, b"hel", b"lo", between=frame(PING, b"p")),
        ("pong", b"p"),
        ECHO,
    ),
    said("6455 5.4", "a pong between pieces", pieces(TEXT, b"hel", b"lo", between=frame(PONG, b"p")), ECHO),
    said(
        "6455 5.5.1",
        "a goodbye between pieces",
        pieces(TEXT, b"hel", b"lo", between=END),
        ("close", (1000, 1002)),
    ),
    fails("6455 5.4", "a continuation of nothing", frame(CONTINUATION, HELLO)),
    fails("6455 5.4", "a continuation of nothing, and not the last", frame(CONTINUATION, HELLO, fin=False)),
    fails("6455 5.4", "a message within another", frame(TEXT, b"hel", fin=False) + text(b"lo")),
    fails(
        "6455 5.4", "bytes within a text", frame(TEXT, b"hel", fin=False) + frame(BINARY, b"lo", fin=False)
    ),
]

CONTROLS: list[Talk] = [
    said("6455 5.5.2", "a ping", frame(PING), ("pong", b"")),
    said("6455 5.5.2", "a ping with 125 bytes", frame(PING, b"\xff" * 125), ("pong", b"\xff" * 125)),
    said("6455 5.5.3", "a pong that nobody asked for", frame(PONG, b"p") + text(HELLO), ECHO),
    said(
        "6455 5.5.2",
        "pings and a message",
        frame(PING, b"1") + frame(PING, b"2") + text(HELLO),
        ("pong", b"1"),
        ("pong", b"2"),
        ECHO,
    ),
    *(
        fails("6455 5.5", f"{name} with 126 bytes", frame(opcode, b"\x03\xe8" + b"x" * 124))
        for name, opcode in (("a ping", PING), ("a pong", PONG), ("a goodbye", CLOSE))
    ),
    *(
        fails("6455 5.5", f"{name} in pieces", frame(opcode, b"", fin=False))
        for name, opcode in (("a ping", PING), ("a pong", PONG), ("a goodbye", CLOSE))
    ),
    *(
        fails("6455 5.2", f"opcode {opcode}", frame(opcode, HELLO))
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    ),
    *(
        fails("6455 5.2", f"RSV {rsv:#x} on opcode {opcode}", frame(opcode, b"", rsv=rsv))
        for rsv in (RSV1, RSV2, RSV3, RSV1 | RSV2 | RSV3)
        for opcode in (TEXT, BINARY, PING, CLOSE)
    ),
    *(
        fails("6455 5.1", f"opcode {opcode} without a mask", frame(opcode, b"", masked=False))
        for opcode in (TEXT, BINARY, PING, PONG, CLOSE)
    ),
]

CLOSES: list[Talk] = [
    said("6455 5.5.1", "no code", close(), ("close", (NO_CODE, 1000))),
    *(
        said("6455 7.4", f"the code {code}", close(code), ("close", (code,)))
        for code in (
            1000,
            1001,
            1002,
            1003,
            1007,
            1008,
            1009,
            1010,
            1011,
            1012,
            1013,
            1014,
            3000,
            3999,
            4000,
            4999,
        )
    ),
    *(
        fails("6455 7.4", f"the code {code}", close(code))
        for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    ),
    said("6455 5.5.1", "a reason", close(1000, b"done"), ("close", (1000,))),
    said("6455 5.5.1", "the longest reason", close(1000, b"x" * 123), ("close", (1000,))),
    said("6455 5.5.1", "a reason that is not ASCII", close(1000, "schön".encode()), ("close", (1000,))),
    fails("6455 5.5.1", "one byte in place of a code", frame(CLOSE, b"\x03")),
    fails("6455 5.5.1", "a reason that is no UTF-8", close(1000, b"\xff"), 1002, 1007),
    fails("6455 5.5.1", "a reason that ends within a character", close(1000, b"\xe2\x82"), 1002, 1007),
    said("6455 5.5.1", "a message behind it", END + text(HELLO), ("close", (1000,))),
    said("6455 5.5.1", "a ping behind it", END + frame(PING), ("close", (1000,))),
    said("6455 5.5.1", "another one behind it", END + close(1001), ("close", (1000,))),
    said("6455 5.5.1", "what must not be behind it", END + frame(3), ("close", (1000,))),
]

VALID: Mapping[str, bytes] = {
    "κόσμε": "κόσμε".encode(),
    "the first of two bytes": "\x80".encode(),
    "the last of two bytes": "\u07ff".encode(),
    "the first of three bytes": "\u0800".encode(),
    "the last of three bytes": "\uffff".encode(),
    "the first of four bytes": "\U00010000".encode(),
    "the last there is": "\U0010ffff".encode(),
    "before the surrogates": "\ud7ff".encode(),
    "behind the surrogates": "\ue000".encode(),
    "the sign for what cannot be read": "\ufffd".encode(),
    "a byte order mark": "\ufeffx".encode(),
    "no character": "\ufdd0\ufffe".encode(),
    "NUL": b"a\0b",
}
INVALID: Mapping[str, bytes] = {
    "a continuation alone": b"\x80",
    "two continuations": b"\xbf\x80",
    "a start alone": b"\xc3",
    "a start and a letter": b"\xc3x",
    "two of three bytes": b"\xe2\x82",
    "three of four bytes": b"\xf0\x9f\x98",
    "two bytes for NUL": b"\xc0\x80",
    "two bytes for a slash": b"\xc0\xaf",
    "three bytes for a slash": b"\xe0\x80\xaf",
    "four bytes for a slash": b"\xf0\x80\x80\xaf",
    "two bytes for DEL": b"\xc1\xbf",
    "three bytes for what needs two": b"\xe0\x9f\xbf",
    "four bytes for what needs three": b"\xf0\x8f\xbf\xbf",
    "the first surrogate": b"\xed\xa0\x80",
    "the last surrogate": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa0\x80\xed\xb0\x80",
    "past the last there is": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "FE": b"\xfe",
    "FF": b"\xff",
    "Latin-1": b"sch\xf6n",
}

UTF8: list[Talk] = [
    *(said("6455 8.1", name, text(payload), ("text", payload)) for name, payload in VALID.items()),
    *(
        said(
            "6455 8.1",
            f"{name}, in bytes",
            pieces(TEXT, *[bytes([byte]) for byte in payload]),
            ("text", payload),
        )
        for name, payload in VALID.items()
    ),
    *(fails("6455 8.1", name, text(b"ok " + payload), 1007) for name, payload in INVALID.items()),
    *(
        fails("6455 8.1", f"{name}, in bytes", pieces(TEXT, *[bytes([byte]) for byte in payload]), 1007)
        for name, payload in INVALID.items()
    ),
    said(
        "6455 8.1",
        "in bytes anything goes",
        binary(b"".join(INVALID.values())),
        ("binary", b"".join(INVALID.values())),
    ),
    fails("6455 8.1", "a character that is cut off at the end", pieces(TEXT, b"ok", b"\xe2", b"\x82"), 1007),
]


def packed(payload: bytes, opcode: int = TEXT, rsv: int = RSV1) -> bytes:
    return frame(opcode, deflated(payload), rsv=rsv)


HALVES = deflated(HELLO * 100)[:5], deflated(HELLO * 100)[5:]

DEFLATE: list[Talk] = [
    said("7692 7.2.2", "a compressed text", packed(HELLO), ECHO, deflate=True),
    said(
        "7692 7.2.2",
        "compressed bytes",
        packed(b"\xff" * 1000, BINARY),
        ("binary", b"\xff" * 1000),
        deflate=True,
    ),
    said("7692 6.1", "one that is not", text(HELLO), ECHO, deflate=True),
    said(
        "7692 6.1",
        "one that is, and one that is not",
        packed(HELLO) + text(HELLO) + packed(HELLO),
        *[ECHO] * 3,
        deflate=True,
    ),
    said("7692 7.2.3.6", "nothing", frame(TEXT, b"\0", rsv=RSV1), ("text", b""), deflate=True),
    said(
        "7692 7.2.3.1", "in two pieces", pieces(TEXT, *HALVES, rsv=RSV1), ("text", HELLO * 100), deflate=True
    ),
    said(
        "7692 7.2.3.1",
        "a ping between pieces",
        pieces(TEXT, *HALVES, rsv=RSV1, between=frame(PING)),
        ("pong", b""),
        ("text", HELLO * 100),
        deflate=True,
    ),
    fails(
        "7692 6.1",
        "a continuation that says it, too",
        frame(TEXT, HALVES[0], fin=False, rsv=RSV1) + frame(CONTINUATION, HALVES[1], rsv=RSV1),
        deflate=True,
    ),
    fails("7692 6.1", "a ping that says it", frame(PING, b"p", rsv=RSV1), deflate=True),
    fails("7692 6.1", "a goodbye that says it", frame(CLOSE, rsv=RSV1), deflate=True),
    fails("7692 6.1", "RSV2 beside it", frame(TEXT, deflated(HELLO), rsv=RSV1 | RSV2), deflate=True),
    fails(
        "7692 7.2.2",
        "what was never compressed",
        frame(TEXT, b"\xff\xff\xff\xff", rsv=RSV1),
        1002,
        1003,
        1007,
        deflate=True,
    ),
    fails("6455 8.1", "no UTF-8 inside", packed(b"\xff"), 1007, deflate=True),
    fails("7692 5", "without an agreement", packed(HELLO)),
]

# Made when they are asked for: this much would be in memory wherever tests are looked for.
LARGE: Mapping[str, Callable[[], Talk]] = {
    "16 MiB": lambda: said("6455 5.2", "", binary(b"\xfe" * MAX_MESSAGE), ("binary", b"\xfe" * MAX_MESSAGE)),
    "a byte more than 16 MiB": lambda: fails("6455 7.4.1", "", binary(b"\xfe" * (MAX_MESSAGE + 1)), 1009),
    "more in pieces": lambda: fails("6455 7.4.1", "", pieces(BINARY, *[b"\xfe" * 2**22] * 4, b"x"), 1009),
    "16 MiB of zeros": lambda: said(
        "7692 7.2.2", "", packed(b"\0" * MAX_MESSAGE, BINARY), ("binary", b"\0" * MAX_MESSAGE), deflate=True
    ),
    "a byte more of zeros": lambda: fails(
        "7692 8", "", packed(b"\0" * (MAX_MESSAGE + 1), BINARY), 1009, deflate=True
    ),
    "64 MiB in 64 KiB": lambda: fails("7692 8", "", packed(b"\0" * 2**26, BINARY), 1009, deflate=True),
    "more in pieces of zeros": lambda: fails(
        "7692 8", "", _halves(b"\0" * (MAX_MESSAGE + 1)), 1009, deflate=True
    ),
}


def _halves(payload: bytes) -> bytes:
    small = deflated(payload)
    return pieces(BINARY, small[: len(small) // 2], small[len(small) // 2 :], rsv=RSV1)


TALKS: list[Talk] = [*SIZES, *FRAGMENTS, *CONTROLS, *CLOSES, *UTF8, *DEFLATE]
