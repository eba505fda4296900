"""The HTTP server in front: whose request is whose."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol as Interface
from urllib.parse import unquote_to_bytes

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Protocol

from toru.access.doors import Doors
from toru.errors import (
    BadRequest,
    CoreStopping,
    NotFound,
    ToruError,
    Unauthenticated,
)
from toru.http._interfaces import InThread, Lender, Plugins
from toru.http.accounts import AccountCalls
from toru.http.app import Face
from toru.http.audit import Audit
from toru.http.dashboard import Dashboard
from toru.http.front import Networks
from toru.http.gate import STORAGE, admit, admit_plugin, comes_from_plugin
from toru.http.messages import Outgoing
from toru.http.metrics import Metrics
from toru.http.problems import problem
from toru.http.proxy import Proxy
from toru.http.records import Records
from toru.http.request import Visit
from toru.http.routes import PREFIX
from toru.http.server.connection import Connection
from toru.http.server.crowd import Crowd
from toru.http.server.exchange import Exchange, Taker
from toru.http.server.logged import Lines
from toru.http.server.serving import Serving
from toru.http.storage import Storage
from toru.http.streams import Streams
from toru.store.accounts import Accounts

# The most that is taken in from somebody unknown: far more than a sign-in needs.
STRANGERS_BYTES = 256 * 1024
# Bytes of a path that is worth remembering.
_USUAL = 256


class Site(Serving):
    """The whole of toru over HTTP.

    While it is `stopping` each new request gets 503, on a connection that is then closed. Only plugins
    may still reach their storage, to put their affairs in order.
    """

    doors: Doors

    def __init__(
        self,
        face: Face,
        proxy: Proxy,
        storage: Storage,
        reactor: IReactorTime,
        doors: Doors,
        max_body_bytes: int,
        trusted_proxies: Networks,
        audit: Audit,
        max_connections: int,
        access_log: Lines | None,
        lender: Lender | None,
    ) -> None:
        """`max_connections`: so many are served, and another is told of no room; those that were lent count, too."""
        super().__init__(reactor, doors, max_body_bytes, trusted_proxies, access_log)
        self.face = face
        self.proxy = proxy
        self.storage = storage
        self.audit = audit
        self.max_connections = max_connections
        self._admit = admit
        self._lender = lender
        self._crowd = Crowd(self.connections, max_connections, reactor, self._lent)

    def for_plugins(self) -> Site:
        """One with the same calls, of which it serves to each plugin its own storage, and to others nothing."""
        site = Site(
            self.face,
            self.proxy,
            self.storage,
            self._reactor,
            self.doors,
            self.max_body_bytes,
            self.trusted_proxies,
            self.audit,
            self.max_connections,
            self.access_log,
            None,
        )
        site._admit = admit_plugin
        return site

    # -- connections

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        if self._crowd.has_room(self.ticks):
            return Connection(self)
        if self._lender is not None:
            self._lender.make_room()
        return self._crowd.refuse()

    def lost(self, connection: Connection) -> None:
        super().lost(connection)
        if self._lender is not None:
            self._lender.ended(connection)

    def _lent(self) -> int:
        return 0 if self._lender is None else self._lender.lent

    def _tick(self) -> None:
        self._crowd.tick()
        super()._tick()

    # -- requests

    def take(self, exchange: Exchange) -> Taker | None:
        if self.stopping and not comes_from_plugin(exchange, self.doors):
            raise CoreStopping("toru is stopping and takes no new requests.")
        if exchange.head.proxied:
            self._admit(exchange, PREFIX, self.doors)
            return self.proxy.take(exchange)
        path, segments = _own_path(exchange.head.target)
        self._admit(exchange, path, self.doors)
        stored = STORAGE.fullmatch(path)
        if stored is not None:
            return self.storage.take(exchange, stored[1])
        limit = self.max_body_bytes if exchange.principal is not None else STRANGERS_BYTES
        return Visit(exchange, min(limit, self.max_body_bytes), path, list(segments))

    def refusal(self, exchange: Exchange, error: ToruError) -> Outgoing:
        return self.face.lost(exchange.head) if _is_lost(exchange, error) else problem(error)


def make_site(
    reactor: IReactorTime,
    plugins: Plugins,
    *,
    plugins_folder: Path,
    max_body_bytes: int,
    max_connections: int,
    trusted_proxies: Networks,
    in_thread: InThread,
    doors: Doors,
    accounts: Accounts,
    records: Records,
    streams: Streams,
    audit: Audit,
    dashboard: Dashboard,
    metrics: Metrics,
    access_log: Lines | None,
    lender: Lender | None = None,
) -> Site:
    """The factory to listen with. `in_thread` is `deferToThread`, or does as it does."""
    face = Face(
        plugins,
        plugins_folder=plugins_folder,
        in_thread=in_thread,
        accounts=AccountCalls(doors, accounts),
        records=records,
        streams=streams,
        dashboard=dashboard,
        metrics=metrics,
    )
    proxy = Proxy(plugins, lender)
    return Site(
        face,
        proxy,
        records.storage,
        reactor,
        doors,
        max_body_bytes,
        trusted_proxies,
        audit,
        max_connections,
        access_log,
        lender,
    )


class Stoppable(Interface):
    """Who has clients."""

    def begin_stop(self) -> None:
        """Take no new requests."""

    def drained(self) -> Deferred[None]:
        """Fires when no request is in progress."""


def all_drained(sites: Sequence[Stoppable], seconds: float, clock: IReactorTime) -> Deferred[None]:
    """Fires when no request is in progress on any of them. Fails with Twisted's TimeoutError after that long."""

    async def one_by_one() -> None:
        # Gathered they would wrap the end of our patience in an error of their own.
        for site in sites:
            await site.drained()

    return Deferred.fromCoroutine(one_by_one()).addTimeout(seconds, clock)


def _own_path(target: bytes) -> tuple[str, tuple[bytes, ...]]:
    """The decoded path of a target that is no plugin's, and its segments. Raises NotFound or BadRequest."""
    path = target.partition(b"?")[0]
    return _usual_path(path) if len(path) <= _USUAL else _path(path)


def _path(path: bytes) -> tuple[str, tuple[bytes, ...]]:
    # The router drops slashes in front, and takes an encoded one for a separator.
    if path.startswith(b"//") or b"%2f" in path.lower():
        raise NotFound("There is nothing at this path.")
    try:
        decoded = unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The path is not UTF-8.") from None
    # As for the router, a slash behind changes nothing.
    return "/" + decoded[1:].removesuffix("/"), tuple(decoded.encode().split(b"/")[1:])


# Many are asked for again and again.
_usual_path = lru_cache(maxsize=1024)(_path)


def _is_lost(exchange: Exchange, error: ToruError) -> bool:
    """Whether a person follows a wrong address."""
    head = exchange.head
    return (
        # All pages that there are, are open to all.
        isinstance(error, (NotFound, Unauthenticated))
        and head.method in ("GET", "HEAD")
        and b"text/html" in b",".join(head.fields.all(b"accept"))
        and not head.target.startswith(b"/api/")
    )
