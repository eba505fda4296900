"""Where a request came from, through proxies that are trusted and others."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from toru.http.front import Front, seen_from_outside, trusts

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
INSIDE = Front("10.0.0.1", "http", "inside:3000")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], INSIDE),
        ([(b"X-Forwarded-For", b"192.0.2.1")], INSIDE._replace(address="192.0.2.1")),
        ([(b"x-forwarded-for", b"6.6.6.6, 192.0.2.1 , 10.9.9.9")], INSIDE._replace(address="192.0.2.1")),
        (
            [(b"x-forwarded-for", b"192.0.2.1"), (b"X-Forwarded-For", b"fd00::1")],
            INSIDE._replace(address="192.0.2.1"),
        ),
        ([(b"x-forwarded-for", b"192.0.2.1, unknown")], INSIDE),
        ([(b"x-forwarded-for", b"10.2.3.4")], INSIDE._replace(address="10.2.3.4")),
        ([(b"x-forwarded-proto", b"HTTPS")], INSIDE._replace(scheme="https")),
        ([(b"x-forwarded-proto", b"gopher")], INSIDE),
        ([(b"x-forwarded-host", b"outside.test, inside")], INSIDE._replace(host="outside.test")),
    ],
)
def test_what_a_trusted_proxy_tells(headers: list[tuple[bytes, bytes]], expected: Front) -> None:
    assert seen_from_outside(INSIDE, headers, TRUSTED) == expected


@pytest.mark.parametrize("peer", ["11.0.0.1", "", "no address"])
def test_nobody_else_is_believed(peer: str) -> None:
    front = INSIDE._replace(address=peer)
    headers = [
        (b"x-forwarded-for", b"192.0.2.1"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"h"),
    ]
    assert seen_from_outside(front, headers, TRUSTED) == front


@pytest.mark.parametrize(
    ("peer", "expected"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("fd12::1", True), ("9.1.2.3", False), ("", False)],
)
def test_trust(peer: str, expected: bool) -> None:
    assert trusts(TRUSTED, peer) == expected
    assert not trusts([], peer)
