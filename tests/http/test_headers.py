"""Which headers pass, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from toru.access.secret import new_secret
from toru.errors import ProtocolError
from toru.http.front import Front
from toru.http.headers import from_plugin, new_request_id, passed_on, to_plugin
from toru.wire.headers import MAX_HEADER_BYTES, MAX_HEADERS

PREFIX = "/api/plugins/route/hello"


def sent(*headers: tuple[bytes, bytes], trusted: bool = False, peer: str = "192.0.2.7") -> dict[str, str]:
    """What a plugin gets of `headers`, without what is always added."""
    fields = [(name.lower(), value) for name, value in headers]
    return to_plugin(passed_on(fields, Front(peer, "http", "toru.test"), trusted=trusted), PREFIX, None)


def ours(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("x-forwarded-")}


def others(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if not name.startswith("x-")}


def answered(*headers: tuple[str, str], bare: bool = False) -> list[tuple[bytes, bytes]]:
    lines = from_plugin(headers, PREFIX, bare=bare).split(b"\r\n")
    assert lines.pop() == b""
    return [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]


def test_repeated_headers_are_joined() -> None:
    assert others(
        sent((b"Accept", b"a"), (b"Cookie", b"a=1"), (b"ACCEPT", b"b"), (b"cookie", b"b=2"), (b"X", b"\xe9"))
    ) == {"accept": "a, b", "cookie": "a=1; b=2", "x": "\xe9"}


def test_hop_by_hop_headers_do_not_reach_the_plugin() -> None:
    hop_by_hop = [
        b"Keep-Alive",
        b"Proxy-Authenticate",
        b"Proxy-Authorization",
        b"Proxy-Connection",
        b"TE",
        b"Trailer",
        b"Transfer-Encoding",
        b"Upgrade",
    ]
    named = (b"Connection", b"close, X-Mine ,\tother")
    received = sent(
        (b"X-Mine", b"1"),
        (b"Accept", b"*/*"),
        named,
        (b"Other", b"2"),
        *((name, b"x") for name in hop_by_hop),
    )
    assert "x-mine" not in received
    assert others(received) == {"accept": "*/*"}


def test_connection_cannot_take_away_what_is_ours() -> None:
    received = sent((b"Connection", b"x-forwarded-for, x-request-id, x-forwarded-prefix"))
    assert received["x-forwarded-for"] == "192.0.2.7"
    assert received["x-forwarded-prefix"] == PREFIX


@pytest.mark.parametrize(
    "theirs", ["Bearer x", "Basic dG9ydV8=", 'Digest username="toru_admin"', "Token toru_x"]
)
def test_authorization_passes(theirs: str) -> None:
    assert others(sent((b"Authorization", theirs.encode()))) == {"authorization": theirs}


@pytest.mark.parametrize("form", ["Bearer %s", "Bearer %s, x", "Token %s", 'Digest username="%s"', "%s"])
@pytest.mark.parametrize("prefix", ["toru_", "toru_plugin_"])
def test_a_token_of_ours_passes_in_no_form(form: str, prefix: str) -> None:
    assert others(sent((b"Authorization", (form % new_secret(prefix)).encode()))) == {}


@pytest.mark.parametrize(
    ("cookies", "left"),
    [
        ([b"toru_session=secret"], None),
        ([b"a=1; toru_session=secret; b=2"], "a=1; b=2"),
        ([b"toru_session=secret", b"a=1"], "a=1"),
        ([b"a=1;toru_session = secret"], "a=1"),
        ([b"=toru_session=secret; a=1"], "a=1"),
        ([b"toru_session"], None),
        ([b"not_toru_session=1; toru_session2=2"], "not_toru_session=1; toru_session2=2"),
        ([b"a=toru_session=x"], "a=toru_session=x"),
    ],
)
def test_the_session_cookie_is_taken_out(cookies: list[bytes], left: str | None) -> None:
    assert sent(*((b"Cookie", cookie) for cookie in cookies)).get("cookie") == left


FORGED = [
    (b"X-Toru-User", b"admin"),
    (b"x_toru_role", b"admin"),
    (b"X-Forwarded-For", b"203.0.113.1"),
    (b"X-Forwarded-Proto", b"https"),
    (b"X-Forwarded-Host", b"toru.example"),
    (b"X-Forwarded-Prefix", b"/elsewhere"),
    (b"X-Forwarded-Port", b"443"),
    (b"X_Forwarded_For", b"203.0.113.2"),
]


def test_what_only_toru_may_say_is_dropped() -> None:
    received = sent(*FORGED)
    assert ours(received) == {
        "x-forwarded-for": "192.0.2.7",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "toru.test",
        "x-forwarded-prefix": PREFIX,
    }
    assert not [name for name in received if "toru" in name or "_" in name]


def test_a_trusted_proxy_is_believed() -> None:
    received = sent(*FORGED, trusted=True)
    assert ours(received) == {
        "x-forwarded-for": "203.0.113.1, 192.0.2.7",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "toru.example",
        "x-forwarded-prefix": PREFIX,
        "x-forwarded-port": "443",
    }
    assert not [name for name in received if "toru" in name or "_" in name]


def test_a_peer_without_an_address() -> None:
    assert sent(peer="")["x-forwarded-for"] == "unknown"


@pytest.mark.parametrize("value", [b"a", b"!~" * 64])
def test_a_sane_request_id_is_kept(value: bytes) -> None:
    assert sent((b"X-Request-Id", value))["x-request-id"] == value.decode()


@pytest.mark.parametrize("value", [b"", b"a b", b"x" * 129, b"\xe9", b"\x01", b"a\t"])
def test_another_request_id_is_dropped(value: bytes) -> None:
    assert "x-request-id" not in sent((b"X-Request-Id", value))


def test_ids_of_requests() -> None:
    first, second = new_request_id(), new_request_id()
    assert len(first) == len(second) == 32
    assert first != second


def test_headers_that_a_client_does_not_get() -> None:
    assert answered(
        ("Content-Type", "text/plain"),
        ("Connection", "close, x-inner"),
        ("X-Inner", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("Content-Length", "12"),
        ("Service-Worker-Allowed", "/"),
        ("Clear-Site-Data", '"*"'),
        ("Strict-Transport-Security", "max-age=1"),
        ("X-Other", " \xe9\t"),
    ) == [(b"content-type", b"text/plain"), (b"x-other", b"\xe9")]


@pytest.mark.parametrize(
    ("cookie", "becomes"),
    [
        ("a=1", "a=1"),
        ("a=1; HttpOnly; Max-Age=3", "a=1; HttpOnly; Max-Age=3"),
        ("a=1; Domain=example.com; Secure", "a=1; Secure"),
        ("a=1;DOMAIN = example.com", "a=1"),
        ("a=1; Path=/; Secure", f"a=1; Path={PREFIX}; Secure"),
        ("a=1; path=/api/plugins/route/hello2", f"a=1; Path={PREFIX}"),
        ("a=1; path=sub", f"a=1; Path={PREFIX}"),
        ("a=1; path", f"a=1; Path={PREFIX}"),
        (f"a=1; path={PREFIX}/sub", f"a=1; path={PREFIX}/sub"),
        (f"a=1; Path={PREFIX}; Path=/", f"a=1; Path={PREFIX}; Path={PREFIX}"),
        ("toru_session=stolen", None),
        (" toru_session = stolen; Path=/", None),
        ("=toru_session=stolen", None),
        ("toru_session", None),
        ("toru_session2=x", "toru_session2=x"),
    ],
)
def test_cookies_stay_in_the_plugin_s_place(cookie: str, becomes: str | None) -> None:
    expected = [] if becomes is None else [(b"set-cookie", becomes.encode())]
    assert answered(("Set-Cookie", cookie)) == expected


def test_several_cookies_stay_several() -> None:
    assert answered(("set-cookie", "a=1"), ("set-cookie", "b=2")) == [
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
    ]


def test_the_default_path_of_a_bare_route_would_be_the_folder_above() -> None:
    assert answered(("set-cookie", "a=1"), bare=True) == [(b"set-cookie", f"a=1; Path={PREFIX}".encode())]


@pytest.mark.parametrize(
    "header",
    [
        ("", "x"),
        ("a b", "x"),
        ("a:", "x"),
        ("a\r\nset-cookie", "x"),
        ("\xe9", "x"),
        ("a\n", "x"),
        ("a", "x\r\nb: y"),
        ("a", "x\n"),
        ("a", "\r"),
        ("a", "\0"),
        ("a", "\u20ac"),
        ("connection", "x\r\n"),
    ],
)
def test_forbidden_characters(header: tuple[str, str]) -> None:
    with pytest.raises(ProtocolError):
        answered(header)


def test_as_many_headers_as_a_client_may_take() -> None:
    most = [("x", "y")] * MAX_HEADERS
    assert len(answered(*most)) == MAX_HEADERS == 256
    for one_more in (("x", "y"), ("connection", "close")):
        with pytest.raises(ProtocolError, match="256 headers"):
            answered(*most, one_more)


def test_as_many_bytes_of_headers_as_a_client_may_take() -> None:
    value = "y" * (MAX_HEADER_BYTES - len("x"))
    assert answered(("x", value)) == [(b"x", value.encode())]
    for too_many in ([("x", value + "y")], [("x", value), ("", "")], [("x" * 1000, "y" * 1000)] * 33):
        with pytest.raises(ProtocolError):
            answered(*too_many)


def test_thousands_of_connection_options() -> None:
    options = ",".join(f"x-{number}" for number in range(5000))
    others = [(f"X-{number}", "") for number in range(4900, 5100)]
    assert answered(("connection", options), *others) == [
        (f"x-{number}".encode(), b"") for number in range(5000, 5100)
    ]


@given(st.lists(st.tuples(st.text(), st.text())))
def test_nothing_that_a_plugin_says_can_break_a_line(headers: list[tuple[str, str]]) -> None:
    try:
        kept = answered(*headers)
    except ProtocolError:
        return
    assert not {0, 10, 13} & set(b"".join(name + value for name, value in kept))


NAMES = st.sampled_from(
    [
        b"x-forwarded-for",
        b"X-Toru-Role",
        b"x_toru_user",
        b"connection",
        b"Upgrade",
        b"cookie",
        b"accept",
        b"x-y",
    ]
)
VALUES = st.one_of(
    st.sampled_from([b"toru_session=secret", b"a=1; toru_session=secret;b", b"x-y, cookie"]),
    st.binary(max_size=9),
)


@given(st.lists(st.tuples(NAMES, VALUES)))
def test_nothing_that_a_client_says_speaks_for_toru(headers: list[tuple[bytes, bytes]]) -> None:
    received = sent(*headers)
    assert ours(received)["x-forwarded-for"] == "192.0.2.7"
    assert not {"connection", "upgrade"} & received.keys()
    assert not [name for name in received if "toru" in name]
    assert "secret" not in received.get("cookie", "")
