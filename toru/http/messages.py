"""A request and an answer as values, so that no policy depends on the HTTP server in front."""

from __future__ import annotations

from msgspec import Struct

from toru.model import Principal


class Incoming(Struct, frozen=True):
    """One whole request.

    `target` is path and query as they were sent, percent-encoded, always starting with `/`.
    `headers` are in the order of arrival; names in any case. `peer` is the address at the other end of
    the connection, empty where it has none (a Unix socket). `scheme` is `http` or `https`. `host` is
    what the client asked for, with its port where it named one; empty where it did not say. `principal`
    is who asks.
    """

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    peer: str
    scheme: str
    host: str
    principal: Principal | None = None


class Outgoing(Struct, frozen=True):
    """One whole answer; every header name and value is safe to put on the wire.

    `content-length` is the server's to add: the length of `body`. It stands in `headers` only in an
    answer to HEAD, whose body was left out by whoever knew its length. A server adds none to 204 and
    304, and none to an answer to HEAD that has neither body nor `content-length`.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
