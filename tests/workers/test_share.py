"""How the concurrency of one process is divided, and how its end is waited for."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from tests.supervise.fakes import FakeDial
from toru.model import Durations
from toru.supervise.channels import Multiplexed
from toru.supervise.link import Link
from toru.supervise.sharing import Offer
from toru.supervise.traffic import Counted, TrafficCounter
from toru.wire.messages import Answer, HttpRequest, Init, RequestHead
from toru.wire.protocol2 import JsonLines
from toru.workers.messages import Granted, Offered, Report, ToWorker, Withdrawn
from toru.workers.share import Share

NONE = Counted(0, 0, (0, 0, 0, 0), Durations((0,) * 16, 0.0), ())
INIT = Init("demo", "instance", "/x.sock", "/x.log", "http://127.0.0.1:1", "secret")


class Worker:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[ToWorker] = []

    def tell(self, message: ToWorker) -> None:
        self.told.append(message)


class Waiter:
    def answered(self, answer: Answer) -> None: ...

    def failed(self, error: Any) -> None: ...


class Bench:
    """A share among a core and two workers, of a process that takes 12 requests at once."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.traffic = TrafficCounter()
        self.over: list[Share] = []
        self.one, self.two = Worker(), Worker()
        self.link = Link(
            "demo", self.clock, self.traffic, request_timeout=30.0, heard_log=lambda _: succeed(None)
        )
        dial = FakeDial()
        channel = Multiplexed(JsonLines(2**20), INIT, self.link, self.clock, cancel=True)
        dial("/x.sock", channel)
        [self.wire] = dial.wires
        self.link.open(None, 12, channel)
        offer = Offer("demo", "/x.sock", INIT, 12, 30.0, False)
        self.share = Share(7, offer, self.link, self.traffic, lambda _: succeed(None), 3, self.over.append)
        for worker in (self.one, self.two):
            self.share.offer_to(worker)

    def ask(self, count: int) -> None:
        """So many requests of the core's own."""
        for _ in range(count):
            self.link.ask(HttpRequest(RequestHead("GET", "/", {}), None), Waiter())

    def answer(self) -> None:
        """All that it was asked."""
        self.clock.advance(0)
        for message in self.wire.said():
            if message["type"] == "http":
                answer = '{"type":"http","request_id":"%s","payload":{"status":200}}\n'
                self.wire.hear((answer % message["request_id"]).encode())

    def report(self, worker: Worker, in_flight: int, waiting: int, counted: Counted = NONE) -> None:
        self.share.reported(worker, Report(7, counted, in_flight, waiting))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def fired(waiting: Deferred[None]) -> bool:
    done: list[None] = []
    waiting.addCallback(done.append)
    return bool(done)


def test_all_is_the_cores_until_the_process_has_answered_somebody_else(bench: Bench) -> None:
    assert [type(told) for told in bench.one.told] == [Offered]
    assert bench.share.granted == set()
    bench.ask(13)
    assert (bench.link.in_flight, bench.link.waiting) == (12, 1)


def test_what_is_granted_is_for_the_connection_that_was_proven(bench: Bench) -> None:
    bench.share.proven(bench.one, 1)
    bench.share.lost(bench.one)
    bench.share.proven(bench.one, 2)
    assert bench.one.told[1:] == [Granted(7, 1, 4, 85), Granted(7, 2, 4, 85)]


def test_each_gets_an_equal_part(bench: Bench) -> None:
    for worker in (bench.one, bench.two):
        bench.share.proven(worker, 1)
        assert worker.told[1:] == [Granted(7, 1, 4, 85)]
    assert bench.share.granted == {bench.one, bench.two}
    bench.ask(5)
    assert (bench.link.in_flight, bench.link.waiting) == (4, 1)


def test_a_part_is_given_only_once_the_core_has_no_more_in_hand(bench: Bench) -> None:
    bench.ask(10)
    bench.share.proven(bench.one, 1)
    assert bench.share.granted == set()
    bench.share.grant()
    assert bench.share.granted == set()
    bench.answer()
    bench.share.grant()
    assert bench.share.granted == {bench.one}
    assert len(bench.one.told) == 2
    bench.share.grant()
    assert len(bench.one.told) == 2


def test_the_part_of_one_that_lost_its_connection_is_the_cores_again(bench: Bench) -> None:
    bench.share.proven(bench.one, 1)
    bench.share.lost(bench.one)
    assert bench.share.granted == set()
    bench.ask(12)
    assert bench.link.in_flight == 12
    bench.answer()
    bench.share.proven(bench.one, 1)
    assert bench.share.granted == {bench.one}


def test_what_they_have_in_hand_counts_and_is_nobodys_when_they_are_gone(bench: Bench) -> None:
    bench.share.proven(bench.one, 1)
    bench.report(bench.one, 3, 2)
    bench.report(bench.two, 1, 0)
    bench.report(bench.one, 4, 5)
    assert (bench.share.in_flight, bench.share.waiting, bench.traffic.in_flight) == (5, 5, 10)
    bench.share.drained(bench.one)
    assert (bench.share.in_flight, bench.share.waiting, bench.traffic.in_flight) == (1, 0, 1)
    bench.report(bench.one, 9, 9)
    assert bench.traffic.in_flight == 1, "nobody believes one that is gone"
    bench.ask(12)
    assert bench.link.in_flight == 12


def test_what_they_counted_is_counted(bench: Bench) -> None:
    bench.report(bench.one, 0, 0, Counted(5, 1, (4, 0, 0, 1), Durations((5, *[0] * 15), 0.001), (0.2, 0.3)))
    assert (bench.traffic.requests, bench.traffic.errors, bench.traffic.answers) == (5, 1, [4, 0, 0, 1])
    assert bench.traffic.durations.count == 5
    assert bench.traffic.snapshot().latency_ms.p99 == pytest.approx(0.3)


def test_the_end_waits_for_all_that_were_told_of_it(bench: Bench) -> None:
    bench.share.proven(bench.one, 1)
    bench.report(bench.two, 1, 0)
    ended, again = bench.share.withdraw(), bench.share.withdraw()
    assert [worker.told[-1] for worker in (bench.one, bench.two)] == [Withdrawn(7)] * 2
    assert bench.share.granted == set()
    assert not fired(ended)
    bench.share.drained(bench.one)
    bench.share.proven(bench.two, 1)
    assert not fired(ended)
    assert bench.over == []
    bench.share.drained(bench.two)
    assert fired(ended)
    assert fired(again)
    assert bench.over == [bench.share]
    assert bench.traffic.in_flight == 0
    assert bench.share.granted == set()


def test_whoever_comes_later_is_offered_nothing_that_was_withdrawn(bench: Bench) -> None:
    bench.share.withdraw()
    late = Worker()
    bench.share.offer_to(late)
    assert late.told == []


def test_where_nobody_was_told_the_end_is_at_once(bench: Bench) -> None:
    bench.share.drained(bench.one)
    bench.share.drained(bench.two)
    assert fired(bench.share.withdraw())
    assert bench.over == [bench.share]
