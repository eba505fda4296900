"""What every request passes before it is routed: who sends it, and whether that one may."""

from __future__ import annotations

import re
from typing import NamedTuple

from toru.access import roles
from toru.access.known import Known
from toru.access.origin import SAFE_METHODS, check_origin, is_foreign
from toru.access.secret import digest, own_token
from toru.errors import Forbidden, NotFound, NoWebSocket, Unauthenticated
from toru.http.admitted import Admitted
from toru.http.headers import session_cookies
from toru.http.routes import PREFIX
from toru.http.server.exchange import Exchange
from toru.http.server.fields import Fields
from toru.store.accounttable import Key

# A page of another origin could sign its visitor in to an account of its own.
_LOGIN = "/api/auth/login"
# The storage of the plugin in the group.
STORAGE = re.compile(r"/api/plugins/([^/]+)/kv")


def admit(exchange: Exchange, path: str, doors: Known) -> None:
    """Note on the request who sends it, and by which session. `path` is decoded, without its query.

    Raises Unauthenticated, Forbidden, NotFound, MethodNotAllowed or NoWebSocket.
    """
    admitted = exchange.head.admitted
    if admitted is None or not doors.open_to(admitted.key):
        _judge(exchange, path, doors)
    else:
        exchange.session, exchange.principal = admitted.session, admitted.key.principal


def _judge(exchange: Exchange, path: str, doors: Known) -> None:
    head = exchange.head
    head.admitted = None
    told = head.fields.once(_read)
    key: Key | None = None
    if told.token is not None:
        key = doors.find(None, told.token)
    else:
        # All of them: whoever can set a cookie for a part of our paths can put one before the good one.
        for exchange.session, found in told.sessions:
            key = doors.find(found, None)
            if key is not None:
                break
    exchange.principal = None if key is None else key.principal
    if head.method not in SAFE_METHODS and (told.sessions or path == _LOGIN):
        front = exchange.front
        check_origin(
            head.method,
            cookie=True,
            origin=told.origin,
            sec_fetch_site=told.sec_fetch_site,
            scheme=front.scheme,
            host=front.host,
        )
    # A page of another origin could otherwise speak for its visitor, and read the answers too.
    if told.handshake and is_foreign(told.origin, exchange.front.scheme, exchange.front.host):
        raise Forbidden("This WebSocket was opened by a page of another origin.")
    roles.check(exchange.principal, head.method, path)
    if told.handshake and path != PREFIX:
        raise NoWebSocket("Only plugins take WebSockets here.")
    if key is not None:
        # All else that was looked at here is the head's own, and its connection's.
        head.admitted = Admitted(key, exchange.session, handshake=told.handshake)


class _Told(NamedTuple):
    """What the fields of a request say of who sends it."""

    # Each with its digest.
    sessions: tuple[tuple[bytes, bytes], ...]
    # That of a token of ours.
    token: bytes | None
    origin: str | None
    sec_fetch_site: str | None
    handshake: bool


def _read(fields: Fields) -> _Told:
    token = own_token(fields.first(b"authorization"))
    return _Told(
        tuple([(cookie, digest(cookie)) for cookie in session_cookies(fields.all(b"cookie"))]),
        None if token is None else digest(token),
        _text(fields.first(b"origin")),
        _text(fields.first(b"sec-fetch-site")),
        _opens_websocket(fields),
    )


def admit_plugin(exchange: Exchange, path: str, doors: Known) -> None:
    """As `admit`, where only plugins come in, and only to their own storage."""
    if not STORAGE.fullmatch(path):
        raise NotFound("Plugins find their storage here, and nothing else.")
    admit(exchange, path, doors)
    if exchange.principal is None or exchange.principal.kind != "plugin":
        raise Forbidden("Only plugins may call here, with the tokens that they are started with.")


def comes_from_plugin(exchange: Exchange, doors: Known) -> bool:
    """Whether a running plugin sends it."""
    principal = doors.identify(None, exchange.head.fields.first(b"authorization"))
    return principal is not None and principal.kind == "plugin"


def is_still_in(exchange: Exchange) -> bool:
    """Whether who sent it would be let in now, where that was asked at all."""
    admitted = exchange.head.admitted
    return admitted is None or exchange.connection.site.doors.still_knows(admitted.key)


def signed_out() -> Unauthenticated:
    """What they are told who were let in, and would not be any more."""
    return Unauthenticated("Who sends this was signed out meanwhile.")


def _opens_websocket(fields: Fields) -> bool:
    """Whether the request is a handshake, or means to be one."""
    offered = b",".join(fields.all(b"upgrade")).lower()
    return b"websocket" in [each.strip(b" \t") for each in offered.split(b",")]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("iso-8859-1")
