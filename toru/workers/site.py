"""What a worker serves: requests for plugins, on connections that the core lent it. All others go back."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable
from socket import socket

from twisted.internet.interfaces import IReactorTime

from toru.access.known import Known
from toru.errors import ToruError
from toru.http.front import Networks
from toru.http.gate import admit
from toru.http.messages import Outgoing
from toru.http.problems import problem
from toru.http.proxy import Asking
from toru.http.routes import PREFIX, Routed
from toru.http.server.connection import BEHIND, Connection
from toru.http.server.crowd import Crowd
from toru.http.server.exchange import Exchange, Taker
from toru.http.server.logged import Lines
from toru.http.server.serving import Serving
from toru.workers.plugins import AskedPlugin

_END_OF_HEAD = b"\r\n\r\n"


class WorkerSite(Serving):
    """All connections that were lent."""

    def __init__(
        self,
        reactor: IReactorTime,
        doors: Known,
        plugins: Callable[[str], AskedPlugin | None],
        max_body_bytes: int,
        trusted_proxies: Networks,
        access_log: Lines | None,
        *,
        ended: Callable[[], None],
        give_back: Callable[[socket, bytes, bytes], None],
    ) -> None:
        """`plugins` gives the plugin of a route, where it may be asked here. `ended` is called for each connection that
        is lost or given back; `give_back` gets its socket, what is still to be written there, and what it said.
        """
        super().__init__(reactor, doors, max_body_bytes, trusted_proxies, access_log)
        self.give_back = give_back
        self._plugins = plugins
        self._ended = ended
        self._crowd = Crowd(self.connections, 0, reactor)

    def take(self, exchange: Exchange) -> Taker | None:
        connection = exchange.connection
        assert isinstance(connection, LentConnection)
        taker = None if self.stopping else self._taker(exchange, connection)
        if taker is None:
            connection.give_back()
        return taker

    def _taker(self, exchange: Exchange, connection: LentConnection) -> Taker | None:
        head = exchange.head
        if not head.proxied or head.length is None or head.upgrades:
            return None
        try:
            admit(exchange, PREFIX, self.doors)
            admitted = head.admitted
            # Whoever has no key yet may be known to the core.
            if admitted is None or admitted.handshake:
                return None
            route = admitted.route(head.target)
            plugin = self._plugins(route.segment)
            return None if plugin is None else _Asking(exchange, connection, plugin, route)
        except ToruError:
            return None  # the core says why

    def refusal(self, exchange: Exchange, error: ToruError) -> Outgoing:
        return problem(error)

    def lost(self, connection: Connection) -> None:
        super().lost(connection)
        self._ended()

    def make_room(self) -> None:
        """Close the connection that has been idle longest."""
        self._crowd.make_room(self.ticks)

    def _tick(self) -> None:
        self._crowd.tick()
        super()._tick()


class _Asking(Asking):
    """A request whose body may take its time: its plugin may be asked here no more then."""

    __slots__ = ("_connection", "_plugin")

    def __init__(
        self, exchange: Exchange, connection: LentConnection, plugin: AskedPlugin, route: Routed
    ) -> None:
        super().__init__(exchange, plugin, route)
        self._connection = connection
        self._plugin = plugin

    def ready(self, body: bytes) -> None:
        if self._plugin.granted:
            super().ready(body)
        else:
            self._connection.give_back(body)


class LentConnection(Connection):
    """One request is read at a time: what stands behind it, and all that is not for here, goes back with the client."""

    site: WorkerSite

    def __init__(self, site: WorkerSite) -> None:
        super().__init__(site)
        # The head of the request in hand, what came behind that request, and how much of its body is still to come.
        self._head = self._behind = b""
        self._missing = 0

    def dataReceived(self, data: bytes) -> None:
        if self._reader is None:
            return
        if self._behind:
            self._behind += data
        elif self._exchanges:
            self._read_rest(data)
        else:
            self._read_one(data)

    def _read_one(self, data: bytes) -> None:
        end = data.find(_END_OF_HEAD) + len(_END_OF_HEAD)
        # A head that is not whole is the core's affair, as is an empty line before it.
        if end < len(_END_OF_HEAD) or data.startswith(b"\r\n"):
            self._behind = data
            self._give_back_rest()
            return
        self._head, self._behind = data[:end], data[end:]
        super().dataReceived(self._head)
        arriving = self._arriving
        # How long it is shows only when it is handled: a client that does not read has to wait for that.
        self._missing = arriving.head.length or 0 if arriving is not None and arriving.handled else 0
        if self._behind and self._reader is not None:
            self._read_rest(self._behind)

    def _read_rest(self, data: bytes) -> None:
        body, self._behind = data[: self._missing], data[self._missing :]
        if body:
            self._missing -= len(body)
            super().dataReceived(body)
        if self._behind and self._exchanges:
            self.hold(BEHIND)
        else:
            self._give_back_rest()

    def give_back(self, body: bytes = b"") -> None:
        """Leave the client to the core, with the request in hand, of whose body so much has come."""
        self._go_back(self._head + body + self._behind)

    def _go_back(self, data: bytes) -> None:
        self._behind = b""
        client, unsent = self.leave()
        self.site.give_back(client, unsent, data)

    def done(self, exchange: Exchange) -> None:
        super().done(exchange)
        self._give_back_rest()

    def resumeProducing(self) -> None:
        first = self._exchanges[0] if self._exchanges else None
        waited = first is not None and not first.handled
        super().resumeProducing()
        arriving = self._arriving
        if waited and arriving is not None and arriving is first and arriving.handled:
            self._missing = arriving.head.length or 0
            data, self._behind = self._behind, b""
            self.release(BEHIND)
            self._read_rest(data)
        else:
            self._give_back_rest()

    def _give_back_rest(self) -> None:
        if not self._behind or self._reader is None or self._exchanges:
            return
        if self.choked:
            # What its client has still to read would go through the channel, before everybody else's.
            self.hold(BEHIND)
        else:
            self._go_back(self._behind)
