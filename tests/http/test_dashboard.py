"""The dashboard's files: which coding, which headers, what is unchanged, and what is no file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.web.http_headers import Headers

from toru.errors import NotFound
from toru.http.dashboard import Dashboard, read_built
from toru.http.messages import Outgoing
from toru.http.site import make_site

from .fakes import Door, FakePlugins, Reply, conforms, doors_of, in_reactor, unrecorded
from .keeping import listening

SCRIPT = "assets/index-1a2b3c4d.js"
FONT = "assets/inter-5e6f7a8b.woff2"
BUILT = {
    "index.html": b"<!doctype html>",
    "index.html.br": b"page in br",
    "index.html.gz": b"page in gzip",
    SCRIPT: b"let script",
    f"{SCRIPT}.br": b"script in br",
    f"{SCRIPT}.gz": b"script in gzip",
    "assets/main-9c0d1e2f.css": b"a {}",
    "assets/main-9c0d1e2f.css.gz": b"style in gzip",
    FONT: b"wOF2",
    "assets/licences.txt": b"MIT",
    "favicon.svg": b"<svg/>",
}
PAGES = [
    "/",
    "/login",
    "/plugins",
    "/plugin/hello",
    "/plugin/hello/logs",
    "/plugin/%C3%A9%20!",
    "/events",
    "/users",
    "/account",
]
TYPES = {
    "index.html": "text/html; charset=utf-8",
    SCRIPT: "text/javascript; charset=utf-8",
    "assets/main-9c0d1e2f.css": "text/css; charset=utf-8",
    FONT: "font/woff2",
    "assets/licences.txt": "text/plain; charset=utf-8",
    "favicon.svg": "image/svg+xml",
    "robots.txt": "text/plain; charset=utf-8",
}
# Those of a page, which scripts of bundles live in.
FOR_PAGES = "content-security-policy", "permissions-policy", "x-content-type-options", "referrer-policy"


def asked(**headers: str) -> Headers:
    return Headers({name.replace("_", "-"): [value] for name, value in headers.items()})


def header(outgoing: Outgoing, name: str) -> str | None:
    values = [value for each, value in outgoing.headers if each == name.encode()]
    assert len(values) <= 1, name
    return values[0].decode() if values else None


def policy(value: str | None) -> dict[str, list[str]]:
    """By directive, what it allows."""
    assert value is not None
    parts = [part.split() for part in value.split(";")]
    assert len({part[0] for part in parts}) == len(parts)
    return {part[0]: part[1:] for part in parts}


async def _serving(tmp_path: Path) -> AsyncIterator[Door]:
    plugins = FakePlugins()
    doors, _ = doors_of(reactor, None)
    site = make_site(
        reactor,
        conforms(plugins),
        plugins_folder=tmp_path,
        max_body_bytes=1000,
        trusted_proxies=(),
        in_thread=deferToThread,
        doors=doors,
        accounts=cast(Any, None),
        **{**unrecorded(reactor), "dashboard": Dashboard(BUILT)},
    )
    async with listening(site) as port:
        yield Door(plugins, site, tmp_path, port)
    doors.stop()


# Called and not used as a decorator: it has no types.
serving = pytest_twisted.async_yield_fixture(name="serving")(_serving)


# -- which coding


@pytest.mark.parametrize(
    ("accepted", "body", "coding"),
    [
        ("gzip, br", b"script in br", "br"),
        ("gzip", b"script in gzip", "gzip"),
        ("deflate", b"let script", None),
    ],
)
def test_a_file_in_the_coding_that_is_asked_for(accepted: str, body: bytes, coding: str | None) -> None:
    outgoing = Dashboard(BUILT).file(SCRIPT, asked(accept_encoding=accepted))
    assert (outgoing.status, outgoing.body) == (200, body)
    assert header(outgoing, "content-encoding") == coding
    assert header(outgoing, "content-type") == TYPES[SCRIPT]
    assert header(outgoing, "vary") == "accept-encoding"


def test_a_coding_that_was_not_made_is_not_offered() -> None:
    dashboard = Dashboard(BUILT)
    style = dashboard.file("assets/main-9c0d1e2f.css", asked(accept_encoding="br, gzip;q=0.1"))
    assert (style.body, header(style, "content-encoding")) == (b"style in gzip", "gzip")
    font = dashboard.file(FONT, asked(accept_encoding="br, gzip"))
    assert (font.body, header(font, "content-encoding"), header(font, "vary")) == (b"wOF2", None, None)


# -- what is unchanged


@pytest.mark.parametrize("name", ["index.html", SCRIPT])
def test_each_coding_has_a_tag_of_its_own_and_is_unchanged_by_it(name: str) -> None:
    dashboard = Dashboard(BUILT)
    tags = set()
    for coding in ("br", "gzip", "identity"):
        whole = dashboard.file(name, asked(accept_encoding=coding))
        tag = header(whole, "etag")
        assert tag is not None
        tags.add(tag)
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            unchanged = dashboard.file(name, asked(accept_encoding=coding, if_none_match=known))
            assert (unchanged.status, unchanged.body) == (304, b"")
            # What a browser has kept takes over what a 304 says.
            kept = {n: v for n, v in whole.headers if n not in (b"content-type", b"content-encoding")}
            assert dict(unchanged.headers) == kept
        changed = dashboard.file(name, asked(accept_encoding=coding, if_none_match='"other"'))
        assert changed.status == 200
    assert len(tags) == 3


def test_another_build_has_another_tag() -> None:
    first, second = Dashboard(BUILT), Dashboard({**BUILT, "index.html": b"<!doctype html><title>"})
    assert header(first.page(Headers()), "etag") != header(second.page(Headers()), "etag")


def test_only_what_has_its_hash_in_its_name_is_kept_for_ever() -> None:
    dashboard = Dashboard(BUILT)
    for name, content_type in TYPES.items():
        outgoing = dashboard.file(name, Headers())
        hashed = name not in ("index.html", "assets/licences.txt", "favicon.svg", "robots.txt")
        expected = "public, max-age=31536000, immutable" if hashed else "no-cache"
        assert header(outgoing, "cache-control") == expected
        assert header(outgoing, "content-type") == content_type


# -- what is no file


@pytest.mark.parametrize(
    "name", ["", "assets", "assets/", "assets/x.js", "../index.html", "assets/../index.html"]
)
def test_an_unknown_file(name: str) -> None:
    with pytest.raises(NotFound):
        Dashboard(BUILT).file(name, Headers())


def test_what_was_compressed_is_no_file_of_its_own() -> None:
    for name in (f"{SCRIPT}.br", f"{SCRIPT}.gz", "index.html.br"):
        with pytest.raises(NotFound):
            Dashboard(BUILT).file(name, Headers())


def test_what_is_in_a_folder(tmp_path: Path) -> None:
    assert read_built(tmp_path / "nothing") == {}
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(b"page")
    (tmp_path / "assets" / "a.js").write_bytes(b"\xff")
    assert read_built(tmp_path) == {"index.html": b"page", "assets/a.js": b"\xff"}


# -- what a page may do


def test_scripts_come_from_here_alone() -> None:
    allowed = policy(header(Dashboard(BUILT).page(Headers()), "content-security-policy"))
    assert allowed["default-src"] == ["'none'"]
    assert allowed["script-src"] == ["'self'"]
    assert allowed["connect-src"] == ["'self'"]
    assert allowed["base-uri"] == allowed["frame-ancestors"] == ["'none'"]
    for directive, sources in allowed.items():
        # No other host, and no scheme by which one could be reached.
        assert set(sources) <= {"'none'", "'self'", "data:", "blob:", "'unsafe-inline'"}
        assert ("'unsafe-inline'" in sources) == (directive == "style-src")


# -- through the door


@pytest.mark.parametrize("who", [None, "client", "monitor"])
@pytest.mark.parametrize("path", [*PAGES, "/login/", "/plugin/hello/", "/login?next=%2Fusers"])
@in_reactor
async def test_every_page_is_the_same_document(serving: Door, path: str, who: str | None) -> None:
    reply = await serving.ask("GET", path, [("Accept-Encoding", "br")], as_=who)
    assert (reply.status, reply.body) == (200, b"page in br")
    assert reply.header("cache-control") == "no-cache"
    assert reply.header("content-type") == "text/html; charset=utf-8"
    assert reply.header("content-length") == "10"
    for name in FOR_PAGES:
        assert reply.header(name)
    tag = reply.header("etag")
    assert tag is not None
    known = [("Accept-Encoding", "br"), ("If-None-Match", tag)]
    unchanged = await serving.ask("GET", path, known, as_=who)
    assert (unchanged.status, unchanged.body, unchanged.header("etag")) == (304, b"", tag)
    assert unchanged.header("content-length") is None
    for name in FOR_PAGES:
        assert unchanged.header(name) == reply.header(name)


@pytest.mark.parametrize("path", ["/", f"/{SCRIPT}", "/favicon.svg", "/robots.txt"])
@in_reactor
async def test_head_says_what_get_would_say(serving: Door, path: str) -> None:
    def told(reply: Reply) -> list[tuple[str, str]]:
        return [(name, value) for name, value in reply.headers if name != "date"]

    for accepted in ("br", "identity"):
        head, get = [
            await serving.ask(method, path, [("Accept-Encoding", accepted)], as_=None)
            for method in ("HEAD", "GET")
        ]
        assert (head.status, head.body, told(head)) == (200, b"", told(get))
        assert get.body


@in_reactor
async def test_files_are_open_to_all(serving: Door) -> None:
    for path, body in ((f"/{SCRIPT}", b"let script"), ("/favicon.svg", b"<svg/>")):
        assert (await serving.ask("GET", path, as_=None)).body == body
    robots = await serving.ask("GET", "/robots.txt", as_=None)
    assert robots.body.splitlines() == [b"User-agent: *", b"Disallow: /"]


@pytest.mark.parametrize(
    "path",
    [
        "/assets/nothing.js",
        f"/{SCRIPT}.br",
        "/assets/..",
        "/assets/%2e%2e",
        "/assets/../index.html",
        "/assets/%2e%2e/index.html",
        "/assets/..%2findex.html",
        "/assets/%2e%2e%2findex.html",
        "/assets/..%5cindex.html",
        "/assets//etc/passwd",
        "/assets/%00",
        "/assets",
        "/index.html",
        "//assets/x",
    ],
)
@in_reactor
async def test_what_is_not_there_is_never_a_page(serving: Door, path: str) -> None:
    reply = await serving.ask("GET", path)
    assert (reply.status, reply.problem["code"]) == (404, "not-found")
    assert reply.header("cache-control") == "no-store"


@pytest.mark.parametrize("path", ["/plugin", "/no/such/page", "/plugins/x", "//evil", "/a%2fb"])
@in_reactor
async def test_a_person_with_a_wrong_address_gets_a_page(serving: Door, path: str) -> None:
    navigating = [("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")]
    for who in (None, "client"):
        reply = await serving.ask("GET", path, navigating, as_=who)
        assert (reply.status, reply.body) == (404, BUILT["index.html"])
        assert reply.header("content-security-policy") is not None
    for method, headers in (("GET", [("Accept", "*/*")]), ("POST", navigating)):
        assert (await serving.ask(method, path, headers)).header("content-type") == "application/problem+json"
    api = await serving.ask("GET", "/api/no/such/call", navigating, as_=None)
    assert (api.status, api.problem["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/", f"/{SCRIPT}"])
@in_reactor
async def test_nothing_can_be_sent_there(serving: Door, path: str, method: str) -> None:
    reply = await serving.ask(method, path, as_=None)
    assert (reply.status, reply.header("allow")) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", PAGES)
@in_reactor
async def test_without_a_dashboard_the_pages_say_how_to_build_one(door: Door, path: str) -> None:
    reply = await door.ask("GET", path, as_=None)
    assert reply.status == 503
    assert reply.header("content-type") == "text/html; charset=utf-8"
    assert reply.header("cache-control") == "no-store"
    assert b"<code>make web</code>" in reply.body
    assert "script-src" in policy(reply.header("content-security-policy"))
    # Robots are kept out of the interface, too, and all else is as ever.
    assert (await door.ask("GET", "/robots.txt", as_=None)).status == 200
    assert (await door.ask("GET", "/favicon.svg", as_=None)).status == 404
    assert (await door.ask("GET", "/api/health", as_=None)).status == 200
