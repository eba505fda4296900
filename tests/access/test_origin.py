"""Requests that a page of somebody else sends."""

from __future__ import annotations

import pytest

from toru.access.origin import check_origin, is_foreign
from toru.errors import Forbidden


@pytest.mark.parametrize(
    ("origin", "scheme", "host"),
    [
        (None, "http", "localhost:3000"),
        ("http://localhost:3000", "http", "localhost:3000"),
        ("http://LOCALHOST:3000", "http", "localhost:3000"),
        ("https://toru.example", "https", "toru.example"),
        ("https://toru.example", "https", "toru.example:443"),
        ("http://toru.example", "http", "toru.example:80"),
        ("https://toru.example", "http", "toru.example"),
        ("http://[::1]:3000", "http", "[::1]:3000"),
    ],
)
def test_own_pages(origin: str | None, scheme: str, host: str) -> None:
    assert not is_foreign(origin, scheme, host)


@pytest.mark.parametrize(
    ("origin", "scheme", "host"),
    [
        ("null", "http", "localhost:3000"),
        ("", "http", "localhost:3000"),
        ("http://evil.example", "http", "localhost:3000"),
        ("http://localhost:3001", "http", "localhost:3000"),
        ("http://localhost", "http", "localhost:3000"),
        ("http://toru.example", "https", "toru.example"),
        ("https://toru.example.evil", "https", "toru.example"),
        ("https://eviltoru.example", "https", "toru.example"),
        ("https://toru.example@evil.example", "https", "toru.example"),
        ("https://toru.example:80", "https", "toru.example"),
        ("file://", "http", ""),
        ("http://", "http", ""),
        ("https://toru.example, https://evil.example", "https", "toru.example"),
    ],
)
def test_foreign_pages(origin: str, scheme: str, host: str) -> None:
    assert is_foreign(origin, scheme, host)


def check(method: str, origin: str | None, sec_fetch_site: str | None = None, *, cookie: bool = True) -> None:
    check_origin(
        method,
        cookie=cookie,
        origin=origin,
        sec_fetch_site=sec_fetch_site,
        scheme="http",
        host="localhost:3000",
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "post", "PURGE"])
@pytest.mark.parametrize(
    ("origin", "site"),
    [
        ("http://evil.example", "cross-site"),
        ("http://evil.example", None),
        (None, "cross-site"),
        ("http://localhost:3000", " Cross-Site"),
    ],
)
def test_what_could_do_harm_with_a_cookie(method: str, origin: str | None, site: str | None) -> None:
    with pytest.raises(Forbidden):
        check(method, origin, site)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_safe_methods(method: str) -> None:
    check(method, "http://evil.example", "cross-site")


def test_without_a_cookie_there_is_nothing_to_abuse() -> None:
    check("POST", "http://evil.example", "cross-site", cookie=False)


@pytest.mark.parametrize("site", ["same-origin", "none", None])
def test_own_requests(site: str | None) -> None:
    check("POST", "http://localhost:3000", site)
    check("POST", None, site)
