"""What every request passes before it is routed: who sends it, and whether that one may."""

from __future__ import annotations

import re

from toru.access import roles
from toru.access.doors import Doors
from toru.access.origin import SAFE_METHODS, check_origin, is_foreign
from toru.errors import Forbidden, NotFound, NoWebSocket
from toru.http.headers import session_cookies
from toru.http.routes import PREFIX
from toru.http.server.exchange import Exchange
from toru.http.server.head import Head

# A page of another origin could sign its visitor in to an account of its own.
_LOGIN = "/api/auth/login"
# The storage of the plugin in the group.
STORAGE = re.compile(r"/api/plugins/([^/]+)/kv")


def admit(exchange: Exchange, path: str, doors: Doors) -> None:
    """Note on the request who sends it, and by which session. `path` is decoded, without its query.

    Raises Unauthenticated, Forbidden, NotFound, MethodNotAllowed or NoWebSocket.
    """
    cookies = recognise(exchange, doors)
    head = exchange.head
    if head.method not in SAFE_METHODS and (cookies or path == _LOGIN):
        front = exchange.front
        check_origin(
            head.method,
            cookie=True,
            origin=_text(head, b"origin"),
            sec_fetch_site=_text(head, b"sec-fetch-site"),
            scheme=front.scheme,
            host=front.host,
        )
    handshake = path == PREFIX and b"upgrade" in head.values and _opens_websocket(head)
    # A page of another origin could otherwise speak for its visitor, and read the answers too.
    if handshake and is_foreign(_text(head, b"origin"), exchange.front.scheme, exchange.front.host):
        raise Forbidden("This WebSocket was opened by a page of another origin.")
    roles.check(exchange.principal, head.method, path)
    if handshake:
        raise NoWebSocket("Plugins are not reached by WebSocket here.")


def recognise(exchange: Exchange, doors: Doors) -> list[bytes]:
    """Note on the request who sends it, as far as that is known, and by which session. Gives all its sessions."""
    head = exchange.head
    authorization = _authorization(head)
    cookies = session_cookies(head.all(b"cookie"))
    # All of them: whoever can set a cookie for a part of our paths can put one before the good one.
    for cookie in cookies if cookies and authorization is None else (None, *cookies):
        exchange.session, exchange.principal = cookie, doors.identify(cookie, authorization)
        if exchange.principal is not None:
            break
    return cookies


def admit_plugin(exchange: Exchange, path: str, doors: Doors) -> None:
    """As `admit`, where only plugins come in, and only to their own storage."""
    if not STORAGE.fullmatch(path):
        raise NotFound("Plugins find their storage here, and nothing else.")
    admit(exchange, path, doors)
    if exchange.principal is None or exchange.principal.kind != "plugin":
        raise Forbidden("Only plugins may call here, with the tokens that they are started with.")


def comes_from_plugin(exchange: Exchange, doors: Doors) -> bool:
    """Whether a running plugin sends it."""
    principal = doors.identify(None, _authorization(exchange.head))
    return principal is not None and principal.kind == "plugin"


def is_still_in(exchange: Exchange) -> bool:
    """Whether who sent it would still be let in: not after a sign-out, say."""
    doors, then = exchange.connection.site.doors, exchange.principal
    now = doors.identify(exchange.session, _authorization(exchange.head))
    return now is not None and then is not None and (now.kind, now.id) == (then.kind, then.id)


def _opens_websocket(head: Head) -> bool:
    offered = b",".join(head.all(b"upgrade")).lower()
    return b"websocket" in [each.strip(b" \t") for each in offered.split(b",")]


def _authorization(head: Head) -> bytes | None:
    values = head.all(b"authorization")
    return values[0] if values else None


def _text(head: Head, name: bytes) -> str | None:
    values = head.all(name)
    return values[0].decode("iso-8859-1") if values else None
