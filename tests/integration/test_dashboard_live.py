"""The dashboard as it was built into the package: what a browser finds that comes to `/login`."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator

import pytest

from tests.integration.cores import Core, Reply, fresh_core
from toru.http.dashboard import BUILT

# What a page names in its head, and a module by `import`.
_NAMED = re.compile(r"""["'`(](?:\./|/)?((?:assets/)?[\w.-]+\.(?:js|css|woff2|svg))["'`)]""")
_FOR_EVER = "public, max-age=31536000, immutable"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A running core without plugins."""
    with fresh_core(tmp_path_factory.mktemp("d")) as core:
        core.start()
        yield core


def fetched(core: Core, path: str, method: str = "GET", **headers: str) -> Reply:
    """As somebody who is not signed in."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return core.request(method, path, headers=named, as_=None)


def followed(core: Core) -> dict[str, Reply]:
    """Whatever the page names, and what that names, by path."""
    found: dict[str, Reply] = {}
    waiting = ["/login"]
    while waiting:
        path = waiting.pop()
        reply = found[path] = fetched(core, path)
        assert reply.status == 200, path
        if reply.headers["content-type"].startswith("text/"):
            for name in _NAMED.findall(reply.body.decode()):
                # Modules and styles name what lies beside them.
                target = f"/{name}" if "/" in name or path == "/login" else f"/assets/{name}"
                if target not in found and target not in waiting and (BUILT / target[1:]).exists():
                    waiting.append(target)
    return found


def test_everything_that_the_page_names_is_there(started: Core) -> None:
    found = followed(started)
    page = found.pop("/login")
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    in_page = re.findall(r'(?:src|href)="([^"]*)"', page.body.decode())
    assert in_page
    # From this host alone, by a path that is right on each page.
    assert in_page == [path for path in in_page if path in found]
    # Each of them is needed by somebody.
    files = {
        f"/assets/{path.name}" for pattern in ("*.js", "*.css") for path in (BUILT / "assets").glob(pattern)
    }
    assert files
    assert files <= found.keys()
    for path, reply in found.items():
        expected = "no-cache" if path == "/favicon.svg" else _FOR_EVER
        assert reply.headers["cache-control"] == expected, path
        assert reply.headers["x-content-type-options"] == "nosniff"


def test_nothing_of_the_page_breaks_its_own_policy(started: Core) -> None:
    page = fetched(started, "/plugins")
    assert "script-src 'self';" in page.headers["content-security-policy"]
    document = page.body.decode()
    for attributes, content in re.findall(r"<script([^>]*)>(.*?)</script>", document, re.DOTALL):
        assert "src=" in attributes
        assert not content.strip()
    assert not re.search(r"<[^>]*\son\w+=|javascript:", document)


def test_each_file_in_each_coding(started: Core) -> None:
    for path, plain in followed(started).items():
        assert "content-encoding" not in plain.headers
        sizes = {"identity": len(plain.body)}
        for coding in ("br", "gzip"):
            reply = fetched(started, path, accept_encoding=f"{coding}, identity;q=0.1")
            assert reply.headers["content-type"] == plain.headers["content-type"]
            # What is compressed in itself is served as it is.
            if path.endswith(".woff2"):
                assert reply.body == plain.body
                continue
            assert (reply.headers["content-encoding"], reply.headers["vary"]) == (coding, "accept-encoding")
            if coding == "gzip":
                assert gzip.decompress(reply.body) == plain.body
            sizes[coding] = len(reply.body)
        if len(plain.body) > 1000:
            assert sizes.get("br", 0) <= sizes.get("gzip", 0) <= sizes["identity"], path


def test_what_has_not_changed_is_not_sent_again(started: Core) -> None:
    for path in followed(started):
        for coding in ("br", "identity"):
            first = fetched(started, path, accept_encoding=coding)
            again = fetched(started, path, accept_encoding=coding, if_none_match=first.headers["etag"])
            assert (again.status, again.body) == (304, b"")
            for name in ("etag", "cache-control", "content-security-policy"):
                assert again.headers[name] == first.headers[name]
            head = fetched(started, path, "HEAD", accept_encoding=coding)
            assert (head.status, head.body) == (200, b"")
            assert head.headers["content-length"] == str(len(first.body))


@pytest.mark.parametrize(
    "path",
    [
        "/assets/nothing.js",
        "/assets/..",
        "/assets/../index.html",
        "/assets/%2e%2e/index.html",
        "/assets/..%2findex.html",
        "/assets/%2e%2e%2f%2e%2e%2fdashboard.py",
        "/assets/../../dashboard.py",
        "/assets/.made-of",
        "/.made-of",
        "/index.html",
    ],
)
def test_nothing_else_can_be_fetched(started: Core, path: str) -> None:
    signed_in = started.get(path)
    assert (signed_in.status, signed_in.json()["code"]) == (404, "not-found")
    assert fetched(started, path).status in (401, 404)
