"""Answers of our own: the headers that all of them have, and JSON."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, json

from toru.http.messages import Outgoing

# For pages as well.
COMMON_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
# A browser that shows one of our answers as a page runs nothing of it and shows it in no frame.
_SECURITY_HEADERS = (
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
    *COMMON_HEADERS,
)


class Alive(Struct, frozen=True):
    """What a toru answers that is up."""

    status: Literal["ok"]


def ours(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> Outgoing:
    """An answer that is no plugin's."""
    return Outgoing(status, [*headers, *_SECURITY_HEADERS], body)


def as_json(value: Any, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Outgoing:
    """`value` as JSON, for this client alone and only this time."""
    plain = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *headers]
    return ours(status, plain, json.encode(value))
