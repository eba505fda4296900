"""The raw target taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from toru.errors import BadRequest, BadRoute, RouteNotFound
from toru.http.routes import PREFIX, is_proxied, origin_form, split


@pytest.mark.parametrize(
    ("target", "segment", "path"),
    [
        (b"/api/plugins/route/hello", "hello", "/"),
        (b"/api/plugins/route/hello/", "hello", "/"),
        (b"/api/plugins/route/hello?x=1", "hello", "/?x=1"),
        (b"/api/plugins/route/hello/?x=1", "hello", "/?x=1"),
        (b"/api/plugins/route/hello/a%20b?c=%2f&d", "hello", "/a%20b?c=%2f&d"),
        (b"/api/plugins/route/%68ello/x", "hello", "/x"),
        (b"/api/plugins/route/hello//a//", "hello", "//a//"),
        (b"/api/plugins/route/hello/%2f/..%2f/%2e%2e", "hello", "/%2f/..%2f/%2e%2e"),
        (b"/api/plugins/route/hello/../../x", "hello", "/../../x"),
        (b"/api/plugins/route/hello/\\", "hello", "/\\"),
        (b"/api/plugins/route/hello/%ff", "hello", "/%ff"),
        (b"/api/plugins/route/hello/?a?b/c", "hello", "/?a?b/c"),
        (b"/api/plugins/route/%252e%252e/x", "%2e%2e", "/x"),
    ],
)
def test_split(target: bytes, segment: str, path: str) -> None:
    routed = split(target)
    assert (routed.segment, routed.path) == (segment, path)
    assert routed.prefix == f"{PREFIX}/{segment}"


@pytest.mark.parametrize(
    "segment",
    [
        b"..",
        b"a..b",
        b"%2e%2e",
        b"%2E%2e",
        b".%2e",
        b"%2e.",
        b"hello%2fx",
        b"hello%2Fx",
        b"%2f",
        b"\\",
        b"hello%5cx",
        b"hello%5Cx",
    ],
)
@pytest.mark.parametrize("rest", [b"", b"/x", b"?x"])
def test_a_segment_that_tries_to_leave(segment: bytes, rest: bytes) -> None:
    with pytest.raises(BadRoute):
        split(b"/api/plugins/route/" + segment + rest)


@pytest.mark.parametrize(
    "target",
    [
        b"/api/plugins/route",
        b"/api/plugins/route?x",
        b"/api/plugins/route/",
        b"/api/plugins/route/?x",
        b"/api/plugins/route//hello",
        b"/api/plugins/route/%ff",
        b"/api/plugins/routes/hello",
        b"/api/plugins%2froute/hello",
    ],
)
def test_no_route(target: bytes) -> None:
    with pytest.raises(RouteNotFound):
        split(target)


def test_only_the_prefix_is_proxied() -> None:
    assert is_proxied(b"/api/plugins/route")
    assert is_proxied(b"/api/plugins/route/..")
    assert not is_proxied(b"/api/plugins/router")
    assert not is_proxied(b"/api/plugins/hello/route/x")


def test_bare() -> None:
    assert split(b"/api/plugins/route/hello?x").bare
    assert not split(b"/api/plugins/route/hello/?x").bare


@given(
    st.lists(
        st.sampled_from([b".", b"%2e", b"%2E", b"/", b"%2f", b"\\", b"%5c", b"%", b"25", b"a", b"?", b"\xff"])
    ).map(b"".join)
)
def test_no_segment_gets_through_that_could_leave(tail: bytes) -> None:
    try:
        routed = split(b"/api/plugins/route/" + tail)
    except (BadRoute, RouteNotFound):
        return
    assert routed.segment
    assert not {"/", "\\"} & set(routed.segment)
    assert ".." not in routed.segment
    assert routed.path.startswith("/")
    assert tail.endswith(routed.path[routed.bare :].encode("iso-8859-1"))


@pytest.mark.parametrize(
    ("target", "form"),
    [
        (b"/x?y", (b"/x?y", None)),
        (b"//x", (b"//x", None)),
        (b"http://there:3000/x?y", (b"/x?y", b"there:3000")),
        (b"HTTPS://me:secret@there", (b"/", b"there")),
        (b"http://there?y", (b"/?y", b"there")),
    ],
)
def test_origin_form(target: bytes, form: tuple[bytes, bytes | None]) -> None:
    assert origin_form(target) == form


@pytest.mark.parametrize("target", [b"*", b"there:443", b"ftp://there/x", b"http://", b"http:///x", b"?x"])
def test_other_forms(target: bytes) -> None:
    with pytest.raises(BadRequest):
        origin_form(target)
