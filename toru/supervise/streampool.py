"""The streams of one process: each exchange on a connection of its own, and how long each may take."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from typing import Protocol as Interface

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from toru.errors import LinkLost, PluginBusy, PluginTimeout, PluginUnavailable, ProtocolError, ToruError
from toru.supervise.channels import AGAIN_SECONDS
from toru.supervise.expiry import Expiry
from toru.supervise.streamconnection import StreamConnection
from toru.supervise.streamedrequest import StreamClient, StreamedRequest
from toru.supervise.streamedsocket import StreamedWebSocket, WebSocketClient
from toru.supervise.streamexchange import StreamExchange
from toru.supervise.traffic import TrafficCounter
from toru.supervise.waiting import within
from toru.wire.exchanges import MAX_WAITING
from toru.wire.messages import Init, StreamRequest, WebSocketRequest
from toru.wire.streamreader import Aside
from toru.wire.streams import StreamLines

MAX_IDLE = 8
CLOSE_SECONDS = 10.0
# How much later than it might an exchange is failed: little for requests, more where nobody waits for a word.
_ANSWER_SLACK, _IDLE_SLACK = 0.05, 1.0
# The codes of RFC 6455, 7.4.1, and of IANA's registry.
_GOING_AWAY, _SERVICE_RESTART = 1001, 1012


class Room:
    """How many streams may be open at once, over the whole core."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0

    def take(self) -> None:
        """Raises PluginBusy where there is none left."""
        if self.taken >= self.limit:
            raise PluginBusy(
                f"As many streams are open as `max_streams` allows: {self.limit:,}.", retry_after=1
            )
        self.taken += 1

    def leave(self) -> None:
        """One is over."""
        self.taken -= 1


class Ears(Interface):
    """Who hears what the plugin says aside: its link."""

    @property
    def choked(self) -> bool: ...

    def received(self, message: Aside, /) -> bool: ...


class Streams:
    """Closed to the plugin until `open`: what is asked before waits."""

    def __init__(
        self,
        plugin_id: str,
        clock: IReactorTime,
        traffic: TrafficCounter,
        room: Room,
        lines: StreamLines,
        ears: Ears,
        *,
        request_timeout: float,
        idle_timeout: float,
    ) -> None:
        self.lines = lines
        # What the process takes, once it is known: streamed requests, WebSockets.
        self.requests = False
        self.websockets = False
        self.resting = 0
        self._plugin_id = plugin_id
        self._clock = clock
        self._traffic = traffic
        self._room = room
        self._ears = ears
        self._dial: Callable[[StreamConnection], None] | None = None
        self._init: Init | None = None
        self._ids = count(1)
        self._live: OrderedDict[StreamExchange, None] = OrderedDict()
        self._waiting: OrderedDict[StreamExchange, None] = OrderedDict()
        self._idle: list[StreamConnection] = []
        self._answers = Expiry(clock, request_timeout, _ANSWER_SLACK, self._no_answer)
        self._moves = Expiry(clock, idle_timeout, _IDLE_SLACK, self._no_move)
        self._closings = Expiry(clock, CLOSE_SECONDS, _IDLE_SLACK, self._not_closed)
        self._again: IDelayedCall | None = None
        self._serving = False
        self._closed = False
        self._drained: list[Deferred[None]] = []
        self._log = Logger(namespace="toru.link")

    @property
    def waiting(self) -> int:
        """How many have no connection yet."""
        return len(self._waiting)

    @property
    def unanswered(self) -> int:
        """How many wait for the beginning of an answer."""
        return len(self._answers)

    def __len__(self) -> int:
        """How many are open."""
        return len(self._live)

    # -- asking

    def request(self, request: StreamRequest, client: StreamClient) -> StreamedRequest:
        """Ask the plugin, the body to be written to what is returned.

        Raises PluginUnavailable, PluginBusy. The client is told of PluginTimeout where no answer begins within
        `request_timeout` of the request or of the last piece of its body, or where later nothing moves for
        `idle_timeout`; of LinkLost, ProtocolError or PluginError where the plugin is at fault: that may be before
        this returns.
        """
        self._enter()
        exchange = StreamedRequest(self, client, self._id(), request, self._clock.seconds())
        self._admit(exchange)
        return exchange

    def websocket(self, request: WebSocketRequest, client: WebSocketClient) -> StreamedWebSocket:
        """Open a WebSocket; as `request`, without any time for an idle one."""
        self._enter()
        exchange = StreamedWebSocket(self, client, self._id(), request, self._clock.seconds())
        self._admit(exchange)
        return exchange

    def _id(self) -> str:
        return f"s{next(self._ids)}"

    def _enter(self) -> None:
        if self._closed:
            raise PluginUnavailable("The plugin is not running.", retry_after=1)
        if len(self._waiting) >= MAX_WAITING:
            raise PluginBusy(
                f"The plugin is busy: {MAX_WAITING:,} requests wait for it already.", retry_after=1
            )
        self._room.take()

    def _admit(self, exchange: StreamExchange) -> None:
        self._traffic.began()
        self._live[exchange] = self._waiting[exchange] = None
        self._answers.give(exchange)
        self._serve()

    # -- connections

    def open(
        self,
        dial: Callable[[StreamConnection], None],
        init: Init,
        *,
        requests: bool,
        websockets: bool,
    ) -> None:
        """From now on the plugin is reached: `dial` connects, or raises OSError."""
        self.requests = requests
        self.websockets = websockets
        self._dial = dial
        self._init = init
        self._serve()

    def _serve(self) -> None:
        if self._serving or self._dial is None:
            return  # one that fails at once comes back here; the loop below goes on with the next
        self._serving = True
        try:
            while self._waiting and self._again is None:
                try:
                    connection = self._idle.pop() if self._idle else self._connect(self._dial)
                except BlockingIOError:
                    # The plugin's backlog is full.
                    self._again = self._clock.callLater(AGAIN_SECONDS, self._try_again)
                except OSError as error:
                    exchange, _ = self._waiting.popitem(last=False)
                    exchange.fail(LinkLost(f"the plugin's socket takes no connection: {error.strerror}"))
                else:
                    exchange, _ = self._waiting.popitem(last=False)
                    exchange.begin(connection)
        finally:
            self._serving = False

    def _connect(self, dial: Callable[[StreamConnection], None]) -> StreamConnection:
        assert self._init is not None
        connection = StreamConnection(self.lines, self.lines.init(self._init), self, self._clock)
        dial(connection)
        return connection

    def _try_again(self) -> None:
        self._again = None
        self._serve()

    def give_back(self, connection: StreamConnection) -> None:
        if self._closed or connection.blocked or (len(self._idle) >= MAX_IDLE and not self._waiting):
            connection.close()
            return
        self._idle.append(connection)
        if self._waiting:
            if self._again is not None:
                self._again.cancel()
                self._again = None
            self._serve()

    # -- what connections tell: streamconnection.Home

    @property
    def choked(self) -> bool:
        return self._ears.choked

    def aside(self, message: Aside) -> None:
        self._ears.received(message)

    def gone(self, connection: StreamConnection, error: ToruError) -> None:
        if isinstance(error, ProtocolError):
            self._log.warn("{plugin}: {error}", plugin=self._plugin_id, error=error.detail)
        if connection in self._idle:
            self._idle.remove(connection)

    # -- what exchanges tell: streamexchange.Keeper

    def allow(self, exchange: StreamExchange) -> None:
        self._answers.give(exchange)

    def moved(self, exchange: StreamExchange) -> None:
        self._moves.give(exchange)

    def answering(self, exchange: StreamExchange) -> None:
        self._answers.forget(exchange)
        self._traffic.headed(self._clock.seconds() - exchange.began)

    def closing(self, exchange: StreamExchange) -> None:
        self._closings.give(exchange)

    def ended(self, exchange: StreamExchange, *, failed: bool = False) -> None:
        if failed:
            self._traffic.failed()
        else:
            self._traffic.over()
        del self._live[exchange]
        self._waiting.pop(exchange, None)
        for times in (self._answers, self._moves, self._closings):
            times.forget(exchange)
        self._room.leave()
        if not self._live:
            if self._closed:
                self._stop_clocks()
            self._drained, waiting = [], self._drained
            for waiter in waiting:
                if not waiter.called:
                    waiter.callback(None)

    # -- time

    def _no_answer(self, exchange: StreamExchange) -> None:
        exchange.fail(PluginTimeout(f"no answer within {self._answers.seconds:g} s"))

    def _no_move(self, exchange: StreamExchange) -> None:
        exchange.fail(PluginTimeout(f"nothing moved on the stream for {self._moves.seconds:g} s"))

    def _not_closed(self, exchange: StreamExchange) -> None:
        exchange.fail(
            PluginTimeout(f"the WebSocket was not closed from both sides within {CLOSE_SECONDS:g} s")
        )

    # -- the end

    def drained(self) -> Deferred[None]:
        """A newer process takes what comes from now on: fires when this one has nothing open any more.

        WebSockets are closed at once, for their clients open them anew; what else is open has the time that
        a request has, and no longer, for a stream may never end.
        """
        self._say_goodbye(_SERVICE_RESTART, "the plugin is being restarted")
        waiter: Deferred[None] = Deferred()
        if not self._live:
            waiter.callback(None)
            return waiter
        self._drained.append(waiter)
        return within(waiter, self._answers.seconds, self._clock)

    def goodbye(self) -> None:
        """The process is about to be asked to exit: what is open has as long as that takes."""
        self._say_goodbye(_GOING_AWAY, "the plugin is being stopped")

    def _say_goodbye(self, code: int, reason: str) -> None:
        for exchange in list(self._live):
            exchange.goodbye(code, reason)

    def end(self) -> bool:
        """The process is gone. What it wrote is still read; nothing is asked any more.

        Returns whether there is anything left: it ends with its connection, unless something else holds that.
        """
        self._shut()
        for exchange in list(self._waiting):
            exchange.fail(_ended())
        if not self._live:
            self._stop_clocks()
        return bool(self._live)

    def close(self, error: ToruError | None = None) -> None:
        """Whoever waits is told, and so is whoever asks later."""
        self._shut()
        for exchange in list(self._live):
            exchange.fail(error or _ended())
        self._stop_clocks()

    def _stop_clocks(self) -> None:
        for times in (self._answers, self._moves, self._closings):
            times.stop()

    def _shut(self) -> None:
        self._closed = True
        if self._again is not None:
            self._again.cancel()
            self._again = None
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def _ended() -> LinkLost:
    return LinkLost("the plugin's process ended before it answered")
