"""The short way: a request for a plugin's route in, the plugin's answer out."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from toru.errors import NoWebSocket, ProtocolError, ToruError
from toru.http._interfaces import Askable, Lender, Plugins, ProxyTarget
from toru.http.messages import Outgoing
from toru.http.passing import declared_length, lines_from, request_for, told
from toru.http.problems import problem
from toru.http.relay import Relay
from toru.http.routes import Routed
from toru.http.server.exchange import Exchange, Taker
from toru.http.server.websocket import MOST_UNFINISHED
from toru.http.server.whole import Whole
from toru.http.sockets import Opening
from toru.wire.messages import Answer, HttpRequest
from toru.wire.unfinished import Unfinished


class Proxy:
    """Hands requests under `/api/plugins/route` to the plugins whose routes they name."""

    def __init__(self, plugins: Plugins, lender: Lender | None = None) -> None:
        """`lender`: who may take a client, with its first request, where there are other processes."""
        self._plugins = plugins
        self._lender = lender
        self._unfinished = Unfinished(MOST_UNFINISHED)

    def take(self, exchange: Exchange) -> Taker | None:
        """Whoever takes a request that was let in; None where another process has its client now.

        Raises BadRoute, RouteNotFound or BodyTooLarge; where the plugin streams PluginUnavailable or PluginBusy; of a
        WebSocket NoWebSocket, BadRequest or UpgradeRequired.
        """
        head = exchange.head
        admitted = head.admitted
        assert admitted is not None  # nobody else gets here
        route = admitted.route(head.target)
        target = self._plugins.route(route.segment)
        try:
            if admitted.handshake:
                if not target.websockets:
                    raise NoWebSocket("This plugin takes no WebSockets.")
                return Opening(exchange, target, route, self._unfinished)
            if target.streams:
                return Relay(exchange, target, route)
            connection, lender = exchange.connection, self._lender
            # To move one that ends with this request would cost more than it spares.
            can_move = bool(connection.first) and not exchange.closes
            if lender is not None and can_move and lender.lend(connection, target.id):
                return None
            return Asking(exchange, target, route)
        except ToruError as error:
            target.served(error.status)
            raise


class Asking(Whole):
    """A request for one plugin, whole in memory until the plugin has it in hand."""

    __slots__ = ("_give_up", "_over", "_request_id", "_route", "_target")

    def __init__(self, exchange: Exchange, target: Askable, route: Routed) -> None:
        super().__init__(exchange, exchange.connection.site.max_body_bytes)
        self._target = target
        self._route = route
        self._request_id = "-"
        self._give_up: Callable[[], None] | None = None
        self._over = False

    def ready(self, body: bytes) -> None:
        request = request_for(self.exchange, self._route, body or None)
        self._request_id = request.id
        # Nothing here holds the request itself, and so its body, while the plugin has it in hand.
        try:
            self._give_up = self._target.ask(request, self)
        except ToruError as error:
            self.failed(error)

    def refused(self, status: int) -> None:
        self._target.served(status)
        self.gone()

    def gone(self) -> None:
        if self._give_up is not None and not self._over:
            self._over = True
            self._give_up()

    def answered(self, answer: Answer) -> None:
        if not self._over:
            self.exchange.attempt(self._answered, answer)

    def _answered(self, answer: Answer) -> None:
        exchange, status, body = self.exchange, answer.status, answer.body
        try:
            if not 200 <= status <= 599:
                raise ProtocolError(f"its answer has the status {status}, which is not in 200 to 599")
            lines = lines_from(answer.headers, self._route)
        except ProtocolError as error:
            self.failed(error)
            return
        self._over = True
        self._target.served(status)
        asks_for_length = not body and exchange.head.method == "HEAD"
        exchange.answer_lines(
            status, lines, body, declared_length(answer.headers) if asks_for_length else None
        )

    def failed(self, error: ToruError) -> None:
        if not self._over:
            self._over = True
            error = told(self._target.id, self._request_id, error)
            self._target.served(error.status)
            self.exchange.answer(problem(error))


def ask(target: ProxyTarget, request: HttpRequest, shape: Callable[[Answer], Outgoing]) -> Deferred[Outgoing]:
    """Ask a plugin for ourselves, and give its answer a shape. It fails as a client would be told."""
    request_id = request.id or "-"

    def failed(failure: Failure) -> Failure:
        error = failure.value
        return Failure(told(target.id, request_id, error)) if isinstance(error, ToruError) else failure

    return maybeDeferred(target.request, request).addCallback(shape).addErrback(failed)
