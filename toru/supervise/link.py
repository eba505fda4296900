"""The link to one process: who may ask, how many at once, how long, and which answer is whose.

A request waits for its turn, is sent when the plugin has a slot and reads, and is settled exactly once:
by its answer, its deadline, its waiter's going away, or the end of what carried it. Whoever asks holds a
Deferred; cancelling it is how one goes away, and it takes the same path as everything else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Protocol

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from toru.errors import (
    LinkLost,
    PluginError,
    PluginTimeout,
    PluginUnavailable,
    ProtocolError,
    ToruError,
)
from toru.supervise.backoff import reconnect_delay
from toru.supervise.channels import Channel, Owner
from toru.supervise.traffic import TrafficCounter
from toru.wire.exchanges import Exchange, Exchanges
from toru.wire.messages import Answer, HttpRequest, Log, Message, Nonsense, Pong, Refusal, Unknown

# Deadlines are looked at together: the timer goes off that much after the first of them.
_DEADLINE_SLACK = 0.05
# So many `log` messages, and so many characters in them, may wait to be written before the plugin is read on only once
# they are.
_UNWRITTEN_ALLOWED = 200
_UNWRITTEN_LENGTH = 4 * 2**20
# How long a connection has to last for its loss not to count as one more failure in a row.
_LASTING_SECONDS = 5.0

Connect = Callable[[Owner], Channel]


class Waiter(Protocol):
    """Whoever asks. It is told once, unless it went away before."""

    def answered(self, answer: Answer) -> None: ...

    def failed(self, error: ToruError) -> None: ...


def deferred(
    ask: Callable[[HttpRequest, Waiter], Callable[[], None]], request: HttpRequest
) -> Deferred[Answer]:
    """Ask, for who awaits. Cancelling is how one goes away; it fails with what `ask` raises, too."""
    try:
        answer: Deferred[Answer] = Deferred(lambda _: give_up())
        give_up = ask(request, _Deferring(answer))
    except ToruError as error:
        return fail(error)
    return answer


class _Deferring:
    """Waits on behalf of a Deferred, which may have been cancelled when it is told."""

    def __init__(self, deferred: Deferred[Answer]) -> None:
        self._deferred = deferred

    def answered(self, answer: Answer) -> None:
        self._deferred.callback(answer)

    def failed(self, error: ToruError) -> None:
        # Where several fail at once, one whose waiter was told before may have cancelled this one.
        if not self._deferred.called:
            self._deferred.errback(error)


class Link:
    """Requests in, answers out, over whatever channel there is at the moment.

    It starts closed to the plugin: requests wait until `open`. When a channel is lost, the requests on it
    fail and those that wait go on waiting while the link connects again.
    """

    def __init__(
        self,
        plugin_id: str,
        clock: IReactorTime,
        traffic: TrafficCounter,
        *,
        request_timeout: float,
        heard_log: Callable[[Log], Deferred[None]],
        first_id: int = 1,
    ) -> None:
        """`first_id`: the number of the first request, which tells it from those of other links to the same process."""
        self._plugin_id = plugin_id
        self._clock = clock
        self._traffic = traffic
        self._timeout = request_timeout
        self._heard_log = heard_log
        self._exchanges: Exchanges[HttpRequest, Waiter] = Exchanges(concurrency=0)
        self._connect: Connect | None = None
        self._channel: Channel | None = None
        self._since = 0.0
        self._failures = 0
        self._ids = count(first_id)
        self._timer: IDelayedCall | None = None
        self._retry: IDelayedCall | None = None
        self._pumping = False
        self._closed = False
        self._drained: list[Deferred[None]] = []
        self._unknown_types: set[str] = set()
        self._unwritten = self._unwritten_length = 0
        self._dropped = 0
        self._dropped_logged = 0.0
        self.heard_at = clock.seconds()
        self._log = Logger(namespace="toru.link")

    @property
    def answering(self) -> bool:
        """Whether the plugin took what was last brought to it."""
        return self._channel is not None and self._channel.answering

    @property
    def in_flight(self) -> int:
        """How many requests have been sent and not answered."""
        return self._exchanges.in_flight

    @property
    def waiting(self) -> int:
        """How many requests wait to be sent."""
        return self._exchanges.waiting

    @property
    def idle(self) -> bool:
        """Whether nobody waits for anything."""
        return not self._exchanges

    # -- asking

    def request(self, request: HttpRequest) -> Deferred[Answer]:
        """As `ask`, for who awaits."""
        return deferred(self.ask, request)

    def ask(self, request: HttpRequest, waiter: Waiter) -> Callable[[], None]:
        """Ask the plugin. What is returned takes the request out, and tells the plugin where it wants to know.

        Raises PluginUnavailable, and PluginBusy where the queue is full. The waiter is told of PluginTimeout after
        `request_timeout`, of LinkLost, ProtocolError or PluginError where the plugin is at fault, of
        BodyTooLarge where the body fits into no message: that may be before this returns.
        """
        if self._closed:
            raise PluginUnavailable("The plugin is not running.", retry_after=1)
        request_id = str(next(self._ids))
        began = self._clock.seconds()
        exchange = Exchange(request_id, request, request.size, began + self._timeout, waiter)
        channel = self._channel
        at_once = self._exchanges.admit(
            exchange, sendable=channel is not None and channel.can_send and not self._pumping
        )
        self._traffic.began()
        if self._timer is None:
            self._watch_deadlines()
        if at_once and channel is not None:
            self._send(channel, exchange)
        return partial(self._cancelled, request_id)

    def _pump(self) -> None:
        if self._pumping:
            return  # a request that fails at once comes back here; the loop below goes on with the next
        self._pumping = True
        try:
            while (channel := self._channel) is not None and channel.can_send:
                exchange = self._exchanges.next()
                if exchange is None:
                    return
                self._send(channel, exchange)
        finally:
            self._pumping = False

    def _send(self, channel: Channel, exchange: Exchange[HttpRequest, Waiter]) -> None:
        request = exchange.request
        # A message is made of it: its body is not to be held twice until it is answered.
        del exchange.request
        try:
            channel.send(exchange.request_id, request, alone=len(self._exchanges) == 1)
        except ToruError as error:
            self.failed(exchange.request_id, error)

    def _cancelled(self, request_id: str) -> None:
        exchange = self._exchanges.settle(request_id)
        if exchange is not None:
            self._traffic.over()
            self._abandoned(exchange)

    def _abandoned(self, exchange: Exchange[HttpRequest, Waiter]) -> None:
        if exchange.sent and self._channel is not None:
            self._channel.cancel(exchange.request_id)
        self._settled()

    def _fail(self, exchange: Exchange[HttpRequest, Waiter], error: ToruError) -> None:
        self._traffic.failed()
        exchange.waiter.failed(error)

    def _settled(self) -> None:
        if self._exchanges.waiting:
            self._pump()
        if self._drained and self.idle:
            self._drained, waiting = [], self._drained
            for waiter in waiting:
                waiter.callback(None)

    # -- deadlines: one timer for all, because all have the same timeout and so expire in order

    def _watch_deadlines(self) -> None:
        deadline = self._exchanges.next_deadline()
        if deadline is not None:
            delay = max(deadline - self._clock.seconds(), 0.0) + _DEADLINE_SLACK
            self._timer = self._clock.callLater(delay, self._expire)

    def _expire(self) -> None:
        self._timer = None
        for exchange in self._exchanges.expired(self._clock.seconds()):
            self._fail(exchange, PluginTimeout(f"no answer within {self._timeout:g} s"))
            self._abandoned(exchange)
        if self._timer is None:
            self._watch_deadlines()

    # -- what a channel tells

    def received(self, message: Message) -> bool:
        self.heard_at = self._clock.seconds()
        match message:
            case Answer() | Nonsense() | Refusal():
                return self._answered(message)
            case Pong():
                pass  # that it came is all that counts
            case Log():
                self._unwritten += 1
                self._unwritten_length += len(message.message)
                self._heard_log(message).addBoth(self._wrote_log, len(message.message))
            case Unknown():
                self._heard_unknown(message.type)
        return False

    @property
    def choked(self) -> bool:
        """Whether what the plugin said has to be dealt with before it may say more."""
        return self._unwritten > _UNWRITTEN_ALLOWED or self._unwritten_length > _UNWRITTEN_LENGTH

    def _wrote_log(self, _: object, length: int) -> None:
        self._unwritten -= 1
        self._unwritten_length -= length

    def _answered(self, message: Answer | Nonsense | Refusal) -> bool:
        exchange = self._exchanges.settle(message.request_id)
        if exchange is None:
            self._drop(message.request_id)
            return False
        began = exchange.deadline - self._timeout
        match message:
            case Answer():
                self._traffic.answered(self.heard_at - began)
                exchange.waiter.answered(message)
            case Nonsense():
                self._fail(exchange, ProtocolError(message.why))
            case Refusal():
                self._fail(exchange, PluginError(message.why))
        self._settled()
        return True

    def failed(self, request_id: str, error: ToruError) -> None:
        exchange = self._exchanges.settle(request_id)
        if exchange is not None:
            self._fail(exchange, error)
            self._settled()

    def lost(self, error: ToruError) -> None:
        if isinstance(error, ProtocolError):
            self._log.warn("{plugin}: {error}", plugin=self._plugin_id, error=error.detail)
        if self._clock.seconds() - self._since >= _LASTING_SECONDS:
            self._failures = 0
        self._channel = None
        self._connect_later()
        for exchange in self._exchanges.fail_in_flight():
            self._fail(exchange, error)
        self._settled()

    def writable(self) -> None:
        self._pump()

    def _drop(self, request_id: str) -> None:
        """Nobody waits for that answer (any more): late, double or made up. Said once a second at most."""
        self._dropped += 1
        now = self._clock.seconds()
        if self._dropped == 1 or now - self._dropped_logged >= 1.0:
            self._log.info(
                "{plugin}: dropped an answer that nobody waits for (request_id {request_id!r}, {dropped} so far)",
                plugin=self._plugin_id,
                request_id=request_id[:40],
                dropped=self._dropped,
            )
            self._dropped_logged = now

    def _heard_unknown(self, type_: str) -> None:
        # A plugin that makes up a new type for each message is not to fill our memory with them.
        if type_ not in self._unknown_types and len(self._unknown_types) < 10:
            self._unknown_types.add(type_)
            self._log.info(
                "{plugin}: ignoring messages of type {type!r}", plugin=self._plugin_id, type=type_[:40]
            )

    # -- connecting

    def open(self, connect: Connect | None, concurrency: int, channel: Channel | None = None) -> None:
        """From now on the plugin is reached through `connect`, or through `channel` where it is there.

        With a channel alone it is reached until that is lost.
        """
        self._connect = connect
        self._exchanges.concurrency = concurrency
        if channel is None:
            self._try_to_connect()
        else:
            channel.owner = self
            self._up(channel)

    def limit(self, concurrency: int, max_waiting: int) -> None:
        """Have at most so many in flight from now on, and as many more waiting."""
        self._exchanges.concurrency = concurrency
        self._exchanges.max_waiting = max_waiting
        self._pump()

    def _try_to_connect(self) -> None:
        self._retry = None
        assert self._connect is not None
        try:
            channel = self._connect(self)
        except OSError:
            self._connect_later()
        else:
            self._up(channel)

    def _up(self, channel: Channel) -> None:
        self._channel = channel
        self._since = self.heard_at = self._clock.seconds()
        self._pump()

    def _connect_later(self) -> None:
        if not self._closed and self._connect is not None:
            self._retry = self._clock.callLater(reconnect_delay(self._failures), self._try_to_connect)
            self._failures += 1

    # -- lifecycle messages

    def ping(self) -> None:
        """Ask for a sign of life; any message that comes moves `heard_at`."""
        if self._channel is not None:
            self._channel.ping(str(next(self._ids)))

    def look(self) -> None:
        """See anew whether the plugin is `answering`."""
        if self._channel is not None:
            self._channel.look()

    def shutdown(self, grace_seconds: float) -> bool:
        """Ask the process to exit. Returns whether there was a way to ask."""
        if not self.answering:
            return False
        assert self._channel is not None
        self._channel.shutdown(grace_seconds)
        return True

    def drained(self) -> Deferred[None]:
        """Fires when nobody waits for anything; at the latest after `request_timeout`, if nobody asks anew."""
        waiter: Deferred[None] = Deferred()
        self._drained.append(waiter)
        self._settled()
        return waiter

    def close(self, error: ToruError | None = None) -> None:
        """The process is gone, or about to be: whoever waits is told, and so is whoever asks later."""
        if self._closed:
            return
        self._closed = True
        for timer in (self._timer, self._retry):
            if timer is not None:
                timer.cancel()
        self._timer = self._retry = None
        if self._channel is not None:
            channel, self._channel = self._channel, None
            channel.close()
        for exchange in self._exchanges.fail_all():
            self._fail(exchange, error or LinkLost("the plugin's process ended before it answered"))
        self._settled()
