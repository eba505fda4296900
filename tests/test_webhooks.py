"""Webhooks: what arrives, how it is signed, when it is tried again, and that one delays no other."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from msgspec import Struct
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from tests.http.fakes import in_reactor
from tests.store.followed import Copies
from toru.errors import StorageUnavailable
from toru.model import Event, StoredEvent
from toru.store.database import Database
from toru.store.deliveries import Deliveries, Delivery
from toru.store.events import Events
from toru.store.livefeed import LiveFeed
from toru.webhooks import (
    ANSWER_WITHIN,
    GIVE_UP_AFTER,
    QUEUE_AGAIN,
    RETRY_MOST,
    TreqPost,
    Webhooks,
    describe,
    headers,
    retry_delay,
    signature,
)
from toru.webhooksettings import Webhook

URL = "https://a.example/hook?key=hidden"
ANY_REACTOR: Any = reactor


def test_the_delays() -> None:
    assert [retry_delay(attempt) for attempt in (1, 2, 3, 12)] == [1.0, 2.0, 4.0, 2048.0]
    assert [retry_delay(attempt) for attempt in (13, 10_000)] == [RETRY_MOST] * 2


def test_the_signature() -> None:
    """The example that RFC 4231 has as its second."""
    assert signature("Jefe", b"what do ya want for nothing?") == (
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


def test_the_headers() -> None:
    webhook = Webhook(url=URL, secret="s")
    assert headers(webhook, Delivery(7, "crashed", "€", 0, 0, 0)) == {
        "content-type": "application/json",
        "user-agent": headers(webhook, Delivery(1, "", "", 0, 0, 0))["user-agent"],
        "x-toru-event": "crashed",
        "x-toru-delivery": "7",
        "x-toru-signature": "sha256=" + hmac.new(b"s", "€".encode(), hashlib.sha256).hexdigest(),
    }


def test_a_secret_is_not_shown() -> None:
    shown = repr(Webhook(url=URL, secret="very-secret"))
    assert "secret" not in shown
    assert "hidden" not in shown
    assert "a.example" in shown


def test_why() -> None:
    class Several(Exception):
        reasons = (type("Reason", (), {"value": ConnectionRefusedError()})(),)

    assert "refused" in describe(Several())
    assert describe(ValueError()) == "ValueError"
    assert describe(ValueError("a\n b")) == "a b"


class Queue:
    """A queue in memory, which may be out of order."""

    def __init__(self, *deliveries: Delivery) -> None:
        self.waiting = list(deliveries)
        self.calls: list[tuple[Any, ...]] = []
        self.error: Exception | None = None

    def keep_only(self, urls: Any) -> Deferred[None]:
        self.calls.append(("keep_only", *urls))
        return self._answer(None)

    def next(self, url: str) -> Deferred[Delivery | None]:
        return self._answer(min(self.waiting, key=lambda one: (one.due_at, one.id), default=None))

    def delivered(self, id: int) -> Deferred[None]:
        self.calls.append(("delivered", id))
        if self.error is None:
            self.waiting = [one for one in self.waiting if one.id != id]
        return self._answer(None)

    def postpone(self, id: int, due_at: float, why: str) -> Deferred[None]:
        self.calls.append(("postpone", id, due_at, why))
        self.waiting = [
            one._replace(due_at=due_at, attempts=one.attempts + 1) if one.id == id else one
            for one in self.waiting
        ]
        return self._answer(None)

    def _answer(self, value: Any) -> Deferred[Any]:
        return succeed(value) if self.error is None else fail(self.error)


class Post:
    """A receiver that answers when it is told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, str]] = []
        self.answers: list[Deferred[int]] = []
        self.cancelled = 0
        self.error: Exception | None = None

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Deferred[int]:
        if self.error is not None:
            raise self.error
        self.sent.append((url, body, headers["x-toru-delivery"]))
        self.answers.append(Deferred(self._cancel))
        return self.answers[-1]

    def _cancel(self, _: object) -> None:
        self.cancelled += 1


def delivery(id: int, created_at: float = 0.0, attempts: int = 0) -> Delivery:
    return Delivery(id, "crashed", f"body {id}", created_at, attempts, created_at)


class Hall(Struct):
    clock: Clock
    queue: Queue
    post: Post
    webhooks: Webhooks


def make(*deliveries: Delivery) -> Hall:
    clock, queue, post = Clock(), Queue(*deliveries), Post()
    webhooks = Webhooks([Webhook(url=URL, secret="s")], queue, clock, post)
    webhooks.start()
    return Hall(clock, queue, post, webhooks)


def ids(post: Post) -> list[str]:
    return [id for _, _, id in post.sent]


class TestSender:
    def test_one_after_the_other(self) -> None:
        hall = make(delivery(1), delivery(2))
        assert hall.post.sent == [(URL, b"body 1", "1")]
        hall.post.answers[0].callback(204)
        assert ids(hall.post) == ["1", "2"]
        hall.post.answers[1].callback(200)
        assert hall.queue.calls == [("keep_only", URL), ("delivered", 1), ("delivered", 2)]
        assert hall.webhooks.senders[0].delivered == 2

    def test_it_is_woken(self) -> None:
        hall = make()
        hall.queue.waiting.append(delivery(1))
        assert ids(hall.post) == []
        hall.webhooks.enqueued()
        assert ids(hall.post) == ["1"]
        hall.queue.waiting.append(delivery(2))
        hall.webhooks.enqueued()
        hall.webhooks.enqueued()
        hall.post.answers[0].callback(200)
        hall.post.answers[1].callback(200)
        assert ids(hall.post) == ["1", "2"]
        assert hall.clock.getDelayedCalls() == []

    def test_stopped_while_it_sends(self) -> None:
        """Whatever the client makes of being cancelled."""
        hall = make(delivery(1))
        hall.post.answers[0].addErrback(lambda failure: fail(OSError("aborted")))
        assert hall.webhooks.stop().called
        assert hall.clock.getDelayedCalls() == []
        assert hall.queue.calls == [("keep_only", URL)]

    @pytest.mark.parametrize("status", [199, 300, 302, 404, 410, 500])
    def test_tried_again(self, status: int) -> None:
        hall = make(delivery(1))
        with capturedLogs() as said:
            hall.post.answers[0].callback(status)
            hall.clock.advance(0.9)
            assert ids(hall.post) == ["1"]
            hall.clock.advance(0.1)
            hall.post.answers[1].errback(ConnectionRefusedError())
            hall.clock.advance(2)
            hall.post.answers[2].callback(200)
        assert hall.queue.waiting == []
        assert [call[:3] for call in hall.queue.calls if call[0] == "postpone"] == [
            ("postpone", 1, 1.0),
            ("postpone", 1, 3.0),
        ]
        # That it fails is told once, and that it goes again; the URL never.
        assert len(said) == 2
        assert str(status) in said[0]["why"]
        assert "hidden" not in str(said)

    def test_no_answer(self) -> None:
        hall = make(delivery(1))
        hall.clock.advance(ANSWER_WITHIN)
        assert hall.post.cancelled == 1
        assert hall.queue.calls[-1][:3] == ("postpone", 1, ANSWER_WITHIN + 1)

    def test_a_client_that_cannot_begin(self) -> None:
        hall = make()
        hall.post.error = UnicodeError("no such label")
        hall.queue.waiting.append(delivery(1))
        hall.webhooks.enqueued()
        assert hall.queue.calls[-1] == ("postpone", 1, 1.0, "no such label")
        hall.post.error = None
        hall.clock.advance(1)
        assert ids(hall.post) == ["1"]

    def test_another_goes_between(self) -> None:
        hall = make(delivery(1))
        hall.post.answers[0].callback(500)
        hall.queue.waiting.append(delivery(2))
        hall.webhooks.enqueued()
        assert ids(hall.post) == ["1", "2"]
        hall.post.answers[1].callback(200)
        hall.clock.advance(1)
        assert ids(hall.post) == ["1", "2", "1"]

    def test_given_up(self) -> None:
        hall = make(delivery(1, created_at=0.0, attempts=80))
        with capturedLogs() as said:
            hall.clock.rightNow = GIVE_UP_AFTER
            hall.post.answers[0].callback(500)
        assert hall.queue.calls[-1] == ("delivered", 1)
        assert hall.webhooks.senders[0].given_up == 1
        assert "crashed" in [event.get("event") for event in said]

    def test_a_queue_that_is_out_of_order(self) -> None:
        hall = make(delivery(1))
        hall.queue.error = StorageUnavailable("out of order")
        hall.post.answers[0].callback(200)
        assert ids(hall.post) == ["1"]
        hall.clock.advance(QUEUE_AGAIN)
        hall.queue.error = None
        hall.clock.advance(QUEUE_AGAIN)
        assert hall.queue.waiting == []
        # What has arrived is not sent again only because that could not be written down.
        assert ids(hall.post) == ["1"]

    def test_stopped(self) -> None:
        for waiting in ([], [delivery(1)], [delivery(1, created_at=50.0)]):
            hall = make(*waiting)
            stopped = hall.webhooks.stop()
            assert stopped.called
            assert hall.clock.getDelayedCalls() == []
            assert hall.queue.waiting == waiting


class Receiver(Resource):
    """Answers with the statuses it was given, then with 200; 0 is no answer at all."""

    isLeaf = True

    def __init__(self, *statuses: int) -> None:
        super().__init__()
        self.statuses = list(statuses)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.waiter: Deferred[None] = Deferred()
        self.most = 1

    def render(self, request: Request) -> Any:
        assert request.content is not None
        values = {
            name.decode().lower(): value[0].decode()
            for name, value in request.requestHeaders.getAllRawHeaders()
        }
        self.got.append((values, request.content.read()))
        status = self.statuses.pop(0) if self.statuses else 200
        request.setResponseCode(status or 200)
        if len(self.got) == self.most:
            self.waiter.callback(None)
        if status == 0:
            request.write(b"endless")
            return NOT_DONE_YET
        return b"thank you" * 100_000

    async def until(self, count: int) -> None:
        if len(self.got) < count:
            self.most, self.waiter = count, Deferred()
            await self.waiter.addTimeout(10, ANY_REACTOR)


class Quick(Clock):
    """Time that passes as soon as somebody waits for it."""

    def callLater(self, delay: float, callable: Any, *args: Any, **kwargs: Any) -> Any:
        if delay == ANSWER_WITHIN:
            return super().callLater(delay, callable, *args, **kwargs)
        call = super().callLater(delay, callable, *args, **kwargs)
        ANY_REACTOR.callLater(0, self.pass_until, call.getTime())
        return call

    def pass_until(self, time: float) -> None:
        self.advance(max(0.0, time - self.seconds()))


@in_reactor
async def test_from_an_event_to_a_receiver(tmp_path: Any) -> None:
    """Over a real database and real sockets, with a receiver that is out of order at first."""
    receiver, other = Receiver(500, 302), Receiver()
    ports = [ANY_REACTOR.listenTCP(0, Site(each), interface="127.0.0.1") for each in (receiver, other)]
    urls = [f"http://127.0.0.1:{port.getHost().port}/hook?key=1" for port in ports]
    database = Database(f"sqlite:///{tmp_path}/toru.db", reactor)
    database.open()
    clock = Quick()
    webhooks = Webhooks(
        [
            Webhook(url=urls[0], secret="eins"),
            Webhook(url=urls[1], secret="zwei", events=frozenset({"crashed"})),
        ],
        Deliveries(database),
        clock,
        TreqPost(reactor),
    )
    events = Events(database, Copies(), LiveFeed(), webhooks)
    webhooks.start()
    await events.append(Event("2026-01-02T03:04:05.678Z", "hello", "started", {"pid": 1}))
    await receiver.until(3)
    await events.append(Event("2026-01-02T03:04:06.000Z", "hello", "crashed", {"why": "€"}))
    await receiver.until(4)
    await other.until(1)
    await webhooks.stop()
    bodies = [msgspec.json.decode(body, type=StoredEvent) for _, body in receiver.got]
    assert [event.type for event in bodies] == ["started"] * 3 + ["crashed"]
    assert bodies[3] == StoredEvent(2, "2026-01-02T03:04:06.000Z", "hello", "crashed", {"why": "€"})
    for values, body in receiver.got:
        assert values["x-toru-signature"] == signature("eins", body)
        assert values["content-type"] == "application/json"
    assert [values["x-toru-delivery"] for values, _ in receiver.got[:3]] == ["1"] * 3
    ((values, body),) = other.got
    assert values["x-toru-event"] == "crashed"
    assert values["x-toru-signature"] == signature("zwei", body)
    for port in ports:
        await port.stopListening()
    await database.close()


@in_reactor
async def test_an_answer_without_an_end() -> None:
    receiver = Receiver(0)
    port = ANY_REACTOR.listenTCP(0, Site(receiver), interface="127.0.0.1")
    url = f"http://127.0.0.1:{port.getHost().port}/"
    assert await TreqPost(reactor)(url, b"{}", {"x": "y"}) == 200
    await port.stopListening()


@in_reactor
async def test_nobody_there() -> None:
    port = ANY_REACTOR.listenTCP(0, Site(Receiver()), interface="127.0.0.1")
    url = f"http://127.0.0.1:{port.getHost().port}/"
    await port.stopListening()
    with pytest.raises(Exception, match=r"[Rr]efused"):
        await TreqPost(reactor)(url, b"{}", {})
