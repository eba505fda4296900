"""Which plugin a request is for, from the raw request target: pure, and sure before anything else looks."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from toru.errors import BadRequest, BadRoute, RouteNotFound

PREFIX = "/api/plugins/route"

# Bytes of a target that is worth remembering.
_USUAL = 256

_PREFIX = PREFIX.encode()
_ABSOLUTE = re.compile(rb"https?://(?:[^/?#@]*@)?([^/?#@]+)(.*)", re.IGNORECASE)
_SEGMENT = re.compile(rb"/([^/?]*)")
_UNSAFE = re.compile(rb"\.\.|[/\\]")


class Routed(NamedTuple):
    """`segment` is the route without its slash, decoded; `prefix` the path up to and with it. `path` is what the plugin
    sees, with the query.

    `bare` says that not even a slash stood behind the route.
    """

    segment: str
    prefix: str
    path: str
    bare: bool


def origin_form(target: bytes) -> tuple[bytes, bytes | None]:
    """Path and query of a request target, and the authority where it named one (RFC 9112, 3.2).

    Raises BadRequest for the forms that name no resource here: `*` and `host:port`.
    """
    if target.startswith(b"/"):
        return target, None
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise BadRequest("The request target has to be a path, or a URL with http or https.")
    authority, rest = match.groups()
    return (rest if rest.startswith(b"/") else b"/" + rest), authority


def is_proxied(target: bytes) -> bool:
    """Whether a target in origin form lies under the plugins' routes."""
    return target.startswith(_PREFIX) and target[len(_PREFIX) : len(_PREFIX) + 1] in (b"", b"/", b"?")


def split(target: bytes) -> Routed:
    """Take a target in origin form apart. What lies behind the route stays as it was sent.

    Raises BadRoute for a segment that, decoded once, holds `..` or a separator, and RouteNotFound for
    one that no plugin can have.
    """
    return _split_usual(target) if len(target) <= _USUAL else _split(target)


def _split(target: bytes) -> Routed:
    match = _SEGMENT.match(target, len(_PREFIX)) if is_proxied(target) else None
    if match is None:
        raise RouteNotFound("There is no plugin route here.")
    name, prefix = _named(match[1])
    path = target[match.end() :].decode("iso-8859-1")
    bare = not path.startswith("/")
    return Routed(name, prefix, "/" + path if bare else path, bare)


@lru_cache(maxsize=512)
def _named(raw: bytes) -> tuple[str, str]:
    """The route that a segment names, and the path up to and with it."""
    segment = unquote_to_bytes(raw)
    if _UNSAFE.search(segment):
        raise BadRoute("A plugin's route cannot hold '..', a backslash or an encoded slash.")
    try:
        name = segment.decode("ascii")
    except UnicodeDecodeError:
        name = ""
    if not name:
        raise RouteNotFound("No plugin has this route.")
    return name, f"{PREFIX}/{name}"


# Many targets are asked for again and again.
_split_usual = lru_cache(maxsize=1024)(_split)
