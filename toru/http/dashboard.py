"""The dashboard's built files, read once, with every answer made beforehand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from twisted.web.http_headers import Headers

from toru.errors import NotFound
from toru.http.answers import COMMON_HEADERS
from toru.http.bundle import etag, is_known
from toru.http.codings import IDENTITY, preferred
from toru.http.messages import Outgoing

# Where the build puts what `npm run build` made of web/.
BUILT = Path(__file__).with_name("static")

INDEX, ROBOTS = "index.html", "robots.txt"

# A plugin's bundle runs in our pages, so this says what it may load as well. Scripts, and whatever is asked,
# come from here alone; nothing becomes code that was text. Bundles do write styles into the page, draw pictures,
# sound and fonts from memory, put their work into a Worker made of a Blob, and show a page of their own route
# in a frame.
_POLICY = (
    b"default-src 'none'; "
    b"script-src 'self'; "
    b"style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data: blob:; "
    b"media-src 'self' data: blob:; "
    b"font-src 'self' data:; "
    b"connect-src 'self'; "
    b"worker-src 'self' blob:; "
    b"frame-src 'self'; "
    b"manifest-src 'self'; "
    b"form-action 'self'; "
    b"base-uri 'none'; "
    b"frame-ancestors 'none'"
)
# What a browser allows here it allows to every plugin, all of them being of one origin.
_DEVICES = ", ".join(
    f"{device}=()"
    for device in (
        "camera",
        "display-capture",
        "geolocation",
        "hid",
        "microphone",
        "midi",
        "payment",
        "serial",
        "usb",
    )
)
_SECURITY: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", _POLICY),
    (b"permissions-policy", _DEVICES.encode("ascii")),
    *COMMON_HEADERS,
)

# The smaller first: among those that a client likes as much as each other it is the one.
_CODINGS = {b"br": ".br", b"gzip": ".gz", IDENTITY: ""}

_TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".json": b"application/json",
    ".png": b"image/png",
    ".svg": b"image/svg+xml",
    ".txt": b"text/plain; charset=utf-8",
    ".webmanifest": b"application/manifest+json",
    ".woff2": b"font/woff2",
}
_UNKNOWN_TYPE = b"application/octet-stream"

# Such a name changes with what is in the file.
_HASHED = re.compile(r"assets/.+-[\w-]{8}\.\w+")
_FOR_EVER = b"public, max-age=31536000, immutable"
_ASK_FIRST = b"no-cache"

_NO_ROBOTS = b"User-agent: *\nDisallow: /\n"
_NOT_BUILT = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>toru has no dashboard here</title>
<style>
:root { color-scheme: light dark }
body { max-width: 34em; margin: 15vh auto 0; padding: 0 1em; font: 1rem/1.6 system-ui, sans-serif }
</style>
<h1>The dashboard is not built</h1>
<p>toru runs from a folder with its source, in which nobody has built the dashboard yet.
Run <code>make web</code> in that folder, and start toru again.</p>
<p>All else works: plugins run, and the interface under <code>/api</code> answers.</p>
</html>
"""


class _Variant(NamedTuple):
    """One file in one coding: the answer with it, and the one to those who have it."""

    tag: bytes
    whole: Outgoing
    unchanged: Outgoing


class Dashboard:
    """Answers with files, by their path in `npm run build`'s folder."""

    def __init__(self, built: Mapping[str, bytes]) -> None:
        """`built`: what is in each file. Without an `index.html` the pages say how to build one."""
        files = {ROBOTS: _NO_ROBOTS, **built}
        self._files = {
            name: dict(_variants(name, files)) for name in files if not _is_compressed(name, files)
        }
        self._not_built = None if INDEX in files else _not_built()

    def page(self, asked: Headers) -> Outgoing:
        """The document that all pages are; `asked` are the headers of the request."""
        return self._not_built or self.file(INDEX, asked)

    def file(self, name: str, asked: Headers) -> Outgoing:
        """The file at that path, in the coding that the client likes best. Raises NotFound."""
        variants = self._files.get(name)
        if variants is None:
            raise NotFound("The dashboard has no such file.")
        coding = preferred(asked.getRawHeaders(b"accept-encoding", []), [*variants])
        tag, whole, unchanged = variants[coding]
        return unchanged if is_known(asked.getRawHeaders(b"if-none-match", []), tag) else whole


def read_built(folder: Path = BUILT) -> dict[str, bytes]:
    """What is in each file under `folder`, by its path there; nothing where there is no such folder. Blocks."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def _is_compressed(name: str, files: Mapping[str, bytes]) -> bool:
    return any(name.endswith(ending) and name.removesuffix(ending) in files for ending in (".br", ".gz"))


def _variants(name: str, files: Mapping[str, bytes]) -> Iterator[tuple[bytes, _Variant]]:
    """By coding, with `identity` always among them."""
    content_type = _TYPES.get(PurePosixPath(name).suffix, _UNKNOWN_TYPE)
    cached = _FOR_EVER if _HASHED.fullmatch(name) else _ASK_FIRST
    there = {coding: name + suffix for coding, suffix in _CODINGS.items() if name + suffix in files}
    for coding, file in there.items():
        body = files[file]
        tag = etag(body)
        # Those of a 304 take the place of what a browser has kept, so that they are the same.
        headers = [(b"cache-control", cached), (b"etag", tag), *_SECURITY]
        if len(there) > 1:
            headers.append((b"vary", b"accept-encoding"))
        typed = [(b"content-type", content_type), *headers]
        if coding != IDENTITY:
            typed.append((b"content-encoding", coding))
        yield coding, _Variant(tag, Outgoing(200, typed, body), Outgoing(304, headers, b""))


def _not_built() -> Outgoing:
    headers = [(b"content-type", _TYPES[".html"]), (b"cache-control", b"no-store"), *_SECURITY]
    return Outgoing(503, headers, _NOT_BUILT)
