"""An answer as a value, so that nothing that makes one depends on the HTTP server in front."""

from __future__ import annotations

from msgspec import Struct


class Outgoing(Struct, frozen=True):
    """One whole answer; every header name and value is safe to put on the wire.

    `content-length` is the server's to add: the length of `body`. It stands in `headers` only in an
    answer to HEAD, whose body was left out by whoever knew its length. A server adds none to 204 and
    304, and none to an answer to HEAD that has neither body nor `content-length`.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
