"""What every request passes before it is routed: who sends it, and whether that one may."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from toru.access import roles
from toru.access.doors import Doors
from toru.access.origin import SAFE_METHODS, check_origin, is_foreign
from toru.errors import Forbidden, NotFound, NoWebSocket
from toru.http.headers import session_cookies
from toru.http.routes import PREFIX

if TYPE_CHECKING:
    from toru.http.request import Request

# A page of another origin could sign its visitor in to an account of its own.
_LOGIN = "/api/auth/login"
# The storage of the plugin in the group.
STORAGE = re.compile(r"/api/plugins/([^/]+)/kv")


def admit(request: Request, path: str, doors: Doors) -> None:
    """Note on the request who sends it, and by which session. `path` is decoded, without its query.

    Raises Unauthenticated, Forbidden, NotFound, MethodNotAllowed or NoWebSocket.
    """
    cookies = recognise(request, doors)
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
    handshake = path == PREFIX and _opens_websocket(request)
    # A page of another origin could otherwise speak for its visitor, and read the answers too.
    if handshake and is_foreign(_first(request, b"origin"), request.front.scheme, request.front.host):
        raise Forbidden("This WebSocket was opened by a page of another origin.")
    roles.check(request.principal, method, path)
    if handshake:
        raise NoWebSocket("Plugins are not reached by WebSocket here.")


def recognise(request: Request, doors: Doors) -> list[bytes]:
    """Note on the request who sends it, as far as that is known, and by which session. Gives all its sessions."""
    authorization = _authorization(request)
    cookies = session_cookies(request.requestHeaders.getRawHeaders(b"cookie", []))
    # All of them: whoever can set a cookie for a part of our paths can put one before the good one.
    for cookie in (None, *cookies):
        request.session, request.principal = cookie, doors.identify(cookie, authorization)
        if request.principal is not None:
            break
    return cookies


def admit_plugin(request: Request, path: str, doors: Doors) -> None:
    """As `admit`, where only plugins come in, and only to their own storage."""
    if not STORAGE.fullmatch(path):
        raise NotFound("Plugins find their storage here, and nothing else.")
    admit(request, path, doors)
    if request.caller.kind != "plugin":
        raise Forbidden("Only plugins may call here, with the tokens that they are started with.")


def comes_from_plugin(request: Request, doors: Doors) -> bool:
    """Whether a running plugin sends it."""
    principal = doors.identify(None, _authorization(request))
    return principal is not None and principal.kind == "plugin"


def is_still_in(request: Request) -> bool:
    """Whether who sent it would still be let in: not after a sign-out, say."""
    authorization = _authorization(request)
    now, then = request.site.doors.identify(request.session, authorization), request.principal
    return now is not None and then is not None and (now.kind, now.id) == (then.kind, then.id)


def methods(path: str) -> list[str]:
    """Those that a path knows."""
    known = roles.rules_at(path)
    return [*known, "HEAD"] if "GET" in known else [*known]


def _opens_websocket(request: Request) -> bool:
    offered = b",".join(request.requestHeaders.getRawHeaders(b"upgrade", [])).lower()
    return b"websocket" in [each.strip(b" \t") for each in offered.split(b",")]


def _authorization(request: Request) -> bytes | None:
    return next(iter(request.requestHeaders.getRawHeaders(b"authorization", [])), None)


def _first(request: Request, name: bytes) -> str | None:
    values = request.requestHeaders.getRawHeaders(name)
    return values[0].decode("iso-8859-1") if values else None
