"""All connections of a server: their ticks, who takes what they ask, and an end without a cut answer."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory, Protocol

from toru.access.known import Known
from toru.errors import ToruError
from toru.http.front import Networks
from toru.http.messages import Outgoing
from toru.http.server.connection import Connection
from toru.http.server.exchange import Exchange, Taker
from toru.http.server.logged import Lines, Logged

_TICK_SECONDS = 1.0


class Serving(Factory):
    """Whoever inherits says who takes a request (`take`), and what is answered where nobody does (`refusal`).

    `stopping` says that no new request is taken.

    `ticks` are seconds, about, since it was made, and `second` is the time of the last of them; both stand still while
    nobody is connected.
    """

    # Who listens says so; this would name an object's address.
    noisy = False

    def __init__(
        self,
        reactor: IReactorTime,
        doors: Known,
        max_body_bytes: int,
        trusted_proxies: Networks,
        access_log: Lines | None,
    ) -> None:
        """`max_body_bytes`: a request with more in its body gets 413. `doors` know who sends a request."""
        self.doors = doors
        self.max_body_bytes = max_body_bytes
        self.trusted_proxies = trusted_proxies
        self.access_log = access_log
        # Where there is no such log, it costs a request nothing.
        self.make_exchange = Exchange if access_log is None else Logged
        self.stopping = False
        self.ticks = 0
        self.second = 0
        self.connections: set[Connection] = set()
        self._reactor = reactor
        self._timer: IDelayedCall | None = None
        self._waiting: list[Deferred[None]] = []

    # -- requests

    def take(self, exchange: Exchange) -> Taker | None:
        """Whoever takes a request whose head has come; None where its connection was left to somebody else.

        Raises ToruError where nobody takes it.
        """
        raise NotImplementedError

    def refusal(self, exchange: Exchange, error: ToruError) -> Outgoing:
        """The answer to a request that nobody takes."""
        raise NotImplementedError

    # -- connections

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return Connection(self)

    def opened(self, connection: Connection) -> None:
        """A client is there."""
        self.connections.add(connection)
        if self._timer is None:
            self.second = int(self._reactor.seconds())
            self._timer = self._reactor.callLater(_TICK_SECONDS, self._tick)

    def lost(self, connection: Connection) -> None:
        """It has gone."""
        self.connections.discard(connection)
        self._tell_drained()
        if not self.connections and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        # One look at all instead of a timer for each, which every request would have to move.
        self._timer = self._reactor.callLater(_TICK_SECONDS, self._tick)
        self.ticks += 1
        self.second = int(self._reactor.seconds())
        for connection in list(self.connections):
            connection.look()

    # -- the end

    def begin_stop(self) -> None:
        """Take no new requests, close idle connections and WebSockets, and let the others close with their answer."""
        self.stopping = True
        for connection in list(self.connections):
            connection.stop()

    def drained(self) -> Deferred[None]:
        """Fires when no request is in progress, and all answers have left; asked after `begin_stop`."""
        waiter: Deferred[None] = Deferred()
        self._waiting.append(waiter)
        self._tell_drained()
        return waiter

    def _tell_drained(self) -> None:
        if self._waiting and not any(connection.holds_up for connection in self.connections):
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                waiter.callback(None)
