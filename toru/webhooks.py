"""Tells other programs what happened: each event, signed, to each webhook that wants it, until it arrives."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import Connection
from treq.client import HTTPClient
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    TimeoutError as TookTooLong,
    gatherResults,
    succeed,
)
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol as ByteProtocol
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, _HTTP11ClientFactory
from twisted.web.http_headers import Headers

from toru import __version__
from toru.errors import ToruError
from toru.model import StoredEvent
from toru.store.deliveries import Delivery, enqueue
from toru.webhooksettings import Webhook

P = ParamSpec("P")
T = TypeVar("T")

# Seconds for a receiver to answer in.
ANSWER_WITHIN = 10.0
# Seconds before the second try, twice as many before each further one, and never more than the last of these.
RETRY_FIRST, RETRY_MOST = 1.0, 3600.0
# Seconds after which an event is given up.
GIVE_UP_AFTER = 3 * 86400.0
# Seconds until the queue is looked at again where the database could not tell what is in it.
QUEUE_AGAIN = 5.0


def retry_delay(attempts: int) -> float:
    """Seconds between the failed try of that number, from 1, and the next."""
    # 2**32 seconds are far more than the most.
    return min(RETRY_FIRST * 2.0 ** min(attempts - 1, 32), RETRY_MOST)


def signature(secret: str, body: bytes) -> str:
    """What `X-Toru-Signature` says of a body: `sha256=` and the HMAC-SHA256 of its bytes in hexadecimal."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(webhook: Webhook, delivery: Delivery) -> Mapping[str, str]:
    """What goes with a delivery. The number in `X-Toru-Delivery` stays the same when it is tried again."""
    return {
        "content-type": "application/json",
        "user-agent": f"toru/{__version__}",
        "x-toru-event": delivery.event,
        "x-toru-delivery": str(delivery.id),
        "x-toru-signature": signature(webhook.secret, delivery.body.encode()),
    }


class Post(Protocol):
    """How a body gets to a receiver."""

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Deferred[int]:
        """Fires with the status of the answer; fails where there is none."""


class Queue(Protocol):
    """What is asked of the durable queue: see `toru.store.deliveries.Deliveries`."""

    def keep_only(self, urls: Sequence[str]) -> Deferred[None]: ...
    def next(self, url: str) -> Deferred[Delivery | None]: ...
    def delivered(self, id: int) -> Deferred[None]: ...
    def postpone(self, id: int, due_at: float, why: str) -> Deferred[None]: ...


class Webhooks:
    """All webhooks of the settings. Each has a sender of its own, so that a slow receiver delays no other."""

    def __init__(self, webhooks: Sequence[Webhook], queue: Queue, clock: IReactorTime, post: Post) -> None:
        self._types = {webhook.url: webhook.events for webhook in webhooks}
        self._queue = queue
        self._clock = clock
        self.senders = [Sender(webhook, queue, clock, post) for webhook in webhooks]

    # -- toru.store.events.Outgoing

    def enqueue(self, connection: Connection, event: StoredEvent) -> None:
        """Put an event into the queue, in the transaction that keeps it. For the database's thread."""
        if self._types:
            body = msgspec.json.encode(event).decode()
            enqueue(connection, event, body, self._types, self._clock.seconds())

    def enqueued(self) -> None:
        """That transaction is committed."""
        for sender in self.senders:
            sender.wake()

    # -- its life

    def start(self) -> None:
        """Send what waits since the last core, and from now on what comes."""
        # Where that fails, what nobody wants any more stays until the next start, and nobody sends it.
        self._queue.keep_only(list(self._types)).addErrback(lambda failure: failure.trap(ToruError))
        for sender in self.senders:
            sender.start()

    def stop(self) -> Deferred[None]:
        """Break off what is being sent; the next core sends it again. The database must still be open."""
        stopped = gatherResults([sender.stop() for sender in self.senders])
        return stopped.addCallback(lambda _: None)


class Sender:
    """One webhook: one event at a time, and one that failed again when it is due, between the others."""

    _log = Logger()

    def __init__(self, webhook: Webhook, queue: Queue, clock: IReactorTime, post: Post) -> None:
        self._webhook = webhook
        # The rest of a URL often is a secret.
        self._host = urlsplit(webhook.url).hostname
        self._queue = queue
        self._clock = clock
        self._post = post
        self._failing = False
        self._stopping = False
        self._running: Deferred[None] = succeed(None)
        self._waiter: Deferred[None] | None = None
        self._woken = False
        self.delivered = 0
        self.failed = 0
        self.given_up = 0

    def start(self) -> None:
        """Send, until it is stopped."""
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(self._ended)

    def stop(self) -> Deferred[None]:
        """Fires when nothing is sent any more."""
        self._stopping = True
        self._running.cancel()
        return self._running

    def wake(self) -> None:
        """There is something in the queue."""
        self._woken = True
        if self._waiter is not None:
            self._waiter.callback(None)

    async def _run(self) -> None:
        while True:
            self._woken = False
            delivery = await self._surely(self._queue.next, self._webhook.url)
            if delivery is None:
                await self._sleep(None)
            elif delivery.due_at > self._clock.seconds():
                await self._sleep(delivery.due_at - self._clock.seconds())
            else:
                await self._send(delivery)

    async def _send(self, delivery: Delivery) -> None:
        why = await self._try(delivery)
        if why is None:
            self.delivered += 1
            self._say(False, "the webhook at {host} takes events again")
            await self._surely(self._queue.delivered, delivery.id)
            return
        self.failed += 1
        self._say(True, "the webhook at {host} does not take events, which wait for it: {why}", why=why)
        now = self._clock.seconds()
        due_at = now + retry_delay(delivery.attempts + 1)
        if due_at - delivery.created_at <= GIVE_UP_AFTER:
            await self._surely(self._queue.postpone, delivery.id, due_at, why)
            return
        self.given_up += 1
        self._log.error(
            "the webhook at {host} is not told of an event, {event}, that waited for it too long: {why}",
            host=self._host,
            event=delivery.event,
            why=why,
        )
        await self._surely(self._queue.delivered, delivery.id)

    async def _try(self, delivery: Delivery) -> str | None:
        """Why it did not arrive; None where it did."""
        body, about = delivery.body.encode(), headers(self._webhook, delivery)
        try:
            # Within, because a client that cannot even begin may say so without a Deferred.
            status = await self._post(self._webhook.url, body, about).addTimeout(ANSWER_WITHIN, self._clock)
        except CancelledError:
            raise
        except TookTooLong:
            return f"no answer within {ANSWER_WITHIN:g} s"
        except Exception as error:
            if self._stopping:  # a request that is cancelled tells so in errors of its own
                raise CancelledError from error
            return describe(error)
        return None if 200 <= status < 300 else f"it answered with status {status}"

    def _say(self, failing: bool, line: str, **fields: str) -> None:
        if failing != self._failing:
            self._failing = failing
            (self._log.warn if failing else self._log.info)(line, host=self._host, **fields)

    async def _surely(self, ask: Callable[P, Deferred[T]], *arguments: P.args, **named: P.kwargs) -> T:
        """What the queue says, as soon as the database can."""
        while True:
            try:
                return await ask(*arguments, **named)
            except ToruError:
                await deferLater(self._clock, QUEUE_AGAIN)

    async def _sleep(self, seconds: float | None) -> None:
        """Until it is woken, or that long."""
        if self._woken:
            return
        self._waiter = Deferred()
        timer = None if seconds is None else self._clock.callLater(seconds, self._waiter.callback, None)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None and timer.active():
                timer.cancel()

    def _ended(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._log.failure("the webhook at {host} is told nothing any more", failure, host=self._host)


def describe(error: BaseException) -> str:
    """Why a request failed, in a few words for operators."""
    reasons = getattr(error, "reasons", None)
    if reasons:
        return describe(reasons[0].value)
    return " ".join(str(error).split()) or type(error).__name__


class _QuietFactory(_HTTP11ClientFactory):
    """One that does not log each connection: Twisted's own documentation names this way."""

    noisy = False


class TreqPost:
    """Posts over a connection of its own for each body, follows no redirect, and reads no body of an answer."""

    def __init__(self, reactor: Any) -> None:
        pool = HTTPConnectionPool(reactor, persistent=False)
        pool._factory = _QuietFactory
        self._reactor = reactor
        self._client = HTTPClient(Agent(reactor, connectTimeout=ANSWER_WITHIN, pool=pool))

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Deferred[int]:
        posting = self._client.post(
            url,
            data=body,
            headers=Headers({name: [value] for name, value in headers.items()}),
            allow_redirects=False,
            unbuffered=True,
            reactor=self._reactor,
        )
        return posting.addCallback(_status)


def _status(response: Any) -> int:
    response.deliverBody(_Unread())
    code: int = response.code
    return code


class _Unread(ByteProtocol):
    """Takes no answer's body, which may be endless."""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()
