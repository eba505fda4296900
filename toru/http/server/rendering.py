"""The head of an answer as bytes (RFC 9112, 4 and 6.3)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus

from twisted.web.http import datetimeToString

SERVER = b"toru"
# Twisted knows none for 429.
REASONS = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
BODILESS = frozenset((204, 304))
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def status_line(status: int) -> bytes:
    return b"HTTP/1.1 %d %s\r\n" % (status, REASONS.get(status, b"Unknown"))


@lru_cache(maxsize=64)
def start(status: int, second: int) -> bytes:
    """Status line and the headers that every answer has. `second`: when, so that it is made once in each."""
    return b"%sserver: %s\r\ndate: %s\r\n" % (status_line(status), SERVER, datetimeToString(second))


def as_lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The headers, each with the end of its line."""
    return b"".join([b"%s: %s\r\n" % field for field in headers])


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body; it must not be empty, for that is the end."""
    return b"%x\r\n%s\r\n" % (len(data), data)
