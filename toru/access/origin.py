"""Whether a browser sends a request for a page of somebody else: pure."""

from __future__ import annotations

import re

from toru.errors import Forbidden

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

_ORIGIN = re.compile(r"(https?)://([^/?#@\s]+)", re.IGNORECASE)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def is_foreign(origin: str | None, scheme: str, host: str) -> bool:
    """Whether `Origin` names another place than the one that was asked: `scheme` and `host` (with its port).

    A page over https is none of ours where we are asked over http only because a proxy in front of us ends
    TLS, so that is let pass; the other way round is not. No `Origin` is no browser, or a plain navigation.
    """
    if origin is None:
        return False
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        return True
    theirs = match[1].lower()
    if scheme == "https" and theirs == "http":
        return True
    # Both stand for the same port where they name none, and that is the one of the page's scheme.
    port = _DEFAULT_PORTS[theirs]
    return match[2].lower().removesuffix(port) != host.lower().removesuffix(port)


def check_origin(
    method: str, *, cookie: bool, origin: str | None, sec_fetch_site: str | None, scheme: str, host: str
) -> None:
    """Raises Forbidden for an unsafe method with our cookie that somebody else's page had sent.

    `cookie`: the request carries a session cookie of ours, good or not.
    """
    if not cookie or method in SAFE_METHODS:
        return
    if is_foreign(origin, scheme, host) or (sec_fetch_site or "").strip().lower() == "cross-site":
        raise Forbidden("This request was sent by a page of another origin.")
