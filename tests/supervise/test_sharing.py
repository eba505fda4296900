"""What one counter takes over from another, and links that are limited, or have one connection."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from toru.errors import PluginBusy, ToruError
from toru.supervise.link import Link
from toru.supervise.traffic import TrafficCounter
from toru.wire.messages import Answer, HttpRequest, Log, RequestHead

SECONDS = st.lists(st.floats(0.0001, 40.0), max_size=300)


@given(mine=SECONDS, theirs=st.lists(SECONDS, max_size=4))
def test_what_two_counted_is_what_one_would_have(mine: list[float], theirs: list[list[float]]) -> None:
    one, ours, other = TrafficCounter(), TrafficCounter(), TrafficCounter()

    def count(seconds: float, *counters: TrafficCounter) -> None:
        for counter in counters:
            counter.began()
            counter.served(200 if seconds < 1 else 502)
            if seconds < 30:
                counter.answered(seconds)
            else:
                counter.failed()

    for seconds in mine:
        count(seconds, one, ours)
    for batch in theirs:
        for seconds in batch:
            count(seconds, one, other)
        ours.absorb(other.hand_over())
        assert (other.requests, other.errors, other.durations.count) == (0, 0, 0)
    assert (ours.requests, ours.errors, ours.answers) == (one.requests, one.errors, one.answers)
    assert ours.durations.snapshot().buckets == one.durations.snapshot().buckets
    assert ours.durations.seconds == pytest.approx(one.durations.seconds)
    assert ours.snapshot().latency_ms.p50 == pytest.approx(one.snapshot().latency_ms.p50)
    assert ours.in_flight == other.in_flight == 0


def test_what_is_in_flight_is_not_handed_over() -> None:
    counter = TrafficCounter()
    counter.began()
    assert counter.hand_over().requests == 1
    assert (counter.in_flight, counter.requests) == (1, 0)


class Waiter:
    def answered(self, answer: Answer) -> None: ...

    def failed(self, error: ToruError) -> None: ...


def request() -> HttpRequest:
    return HttpRequest(RequestHead("GET", "/", {}), None)


def test_a_link_takes_as_many_as_it_may() -> None:
    link = Link("demo", Clock(), TrafficCounter(), request_timeout=30.0, heard_log=lambda _: succeed(None))
    link.limit(0, 2)
    for _ in range(2):
        link.ask(request(), Waiter())
    with pytest.raises(PluginBusy):
        link.ask(request(), Waiter())
    link.limit(1, 2)
    link.ask(request(), Waiter())
    assert link.waiting == 3


def test_long_logs_that_are_not_written_hold_up_their_plugin() -> None:
    written: list[Deferred[None]] = []

    def heard(_: Log) -> Deferred[None]:
        written.append(Deferred())
        return written[-1]

    link = Link("demo", Clock(), TrafficCounter(), request_timeout=30.0, heard_log=heard)
    for _ in range(4):
        link.received(Log("info", "x" * 2**20, None))
    assert not link.choked
    link.received(Log("info", "x", None))
    assert link.choked
    written[0].callback(None)
    assert not link.choked
