"""What every request passes before it is routed: who sends it, and whether that one may."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from toru.access import roles
from toru.access.doors import Doors
from toru.access.origin import SAFE_METHODS, check_origin
from toru.errors import Forbidden, NotFound
from toru.http.headers import session_cookies

if TYPE_CHECKING:
    from toru.http.site import Request

# A page of another origin could sign its visitor in to an account of its own.
_LOGIN = "/api/auth/login"
_STORAGE = re.compile(r"/api/plugins/[^/]+/kv")


def admit(request: Request, path: str, doors: Doors) -> None:
    """Note on the request who sends it, and by which session. `path` is decoded, without its query.

    Raises Unauthenticated, Forbidden, NotFound or MethodNotAllowed.
    """
    headers = request.requestHeaders
    authorization = next(iter(headers.getRawHeaders(b"authorization", [])), None)
    cookies = session_cookies(headers.getRawHeaders(b"cookie", []))
    request.principal = doors.identify(None, authorization)
    # Whoever can set a cookie for a part of our paths could otherwise put one before the good one.
    for cookie in cookies:
        if request.principal is not None:
            break
        request.session = cookie
        request.principal = doors.identify(cookie, authorization)
    method = request.method.decode("ascii")
    if method not in SAFE_METHODS and (cookies or path == _LOGIN):
        front = request.front
        check_origin(
            method,
            cookie=True,
            origin=_first(request, b"origin"),
            sec_fetch_site=_first(request, b"sec-fetch-site"),
            scheme=front.scheme,
            host=front.host,
        )
    roles.check(request.principal, method, path)


def admit_plugin(request: Request, path: str, doors: Doors) -> None:
    """As `admit`, where only plugins come in, and only to their own storage."""
    if not _STORAGE.fullmatch(path):
        raise NotFound("Plugins find their storage here, and nothing else.")
    admit(request, path, doors)
    if request.caller.kind != "plugin":
        raise Forbidden("Only plugins may call here, with the tokens that they are started with.")


def is_still_in(request: Request) -> bool:
    """Whether who sent it would still be let in: not after a sign-out, say."""
    authorization = next(iter(request.requestHeaders.getRawHeaders(b"authorization", [])), None)
    now, then = request.site.doors.identify(request.session, authorization), request.principal
    return now is not None and then is not None and (now.kind, now.id) == (then.kind, then.id)


def methods(path: str) -> list[str]:
    """Those that a path knows."""
    known = roles.rules_at(path)
    return [*known, "HEAD"] if "GET" in known else [*known]


def _first(request: Request, name: bytes) -> str | None:
    values = request.requestHeaders.getRawHeaders(name)
    return values[0].decode("iso-8859-1") if values else None
