"""Requests and answers on a link: who may ask, how many at once, how long, and which answer is whose."""

from __future__ import annotations

from traceback import walk_stack
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import capturedLogs

from toru.errors import BodyTooLarge, LinkLost, PluginBusy, PluginError, PluginTimeout, ProtocolError
from toru.wire.messages import (
    MOST_OF_A_REFUSAL,
    Answer,
    HttpRequest,
    Nonsense,
    Pong,
    Refusal,
    RequestHead,
    Unknown,
)

from .fakes import REQUEST, results
from .links import TIMEOUT, Bench

MIB = 2**20


def sized(bytes: int) -> HttpRequest:
    return HttpRequest(RequestHead("POST", "/", {}), b"x" * (bytes - 1))


class TestAnswers:
    @given(st.permutations(range(1, 9)))
    def test_any_order(self, order: list[int]) -> None:
        bench = Bench()
        got = {str(n): bench.ask() for n in range(1, 9)}
        assert bench.channel.sent() == list(got)
        for n in order:
            assert bench.answer(str(n), b"%d" % n)
        assert got == {id: [Answer(id, 200, (), id.encode())] for id in got}
        assert bench.link.idle

    def test_what_nobody_waits_for_is_dropped(self) -> None:
        bench = Bench()
        got = bench.ask()
        assert bench.answer("1")
        late = bench.link.request(REQUEST)
        late.addErrback(lambda failure: failure.trap(CancelledError))
        late.cancel()
        assert not bench.answer("1"), "double"
        assert not bench.answer("2"), "late"
        assert not bench.answer("made up")
        assert not bench.answer("")
        assert len(got) == 1
        assert bench.traffic.errors == 0

    def test_dropped_ones_are_logged_once_a_second(self) -> None:
        bench = Bench()
        with capturedLogs() as logged:
            for _ in range(1000):
                bench.answer("x" * 100)
            assert len(logged) == 1
            bench.clock.advance(0.999)
            bench.answer("1")
            assert len(logged) == 1
            bench.clock.advance(0.001)
            bench.answer("1")
        assert len(logged) == 2
        assert (logged[0]["plugin"], logged[0]["request_id"], logged[0]["dropped"]) == ("demo", "x" * 40, 1)
        assert logged[1]["dropped"] == 1002

    def test_what_is_no_answer_leaves_the_request_waiting(self) -> None:
        bench = Bench()
        got = bench.ask()
        assert not bench.link.received(Pong("1"))
        assert not bench.link.received(Unknown("greeting"))
        assert got == []

    def test_failures_of_one_request(self) -> None:
        bench = Bench()
        refused, senseless, fine = bench.ask(), bench.ask(), bench.ask()
        assert bench.link.received(Refusal("1", "out of tea", None))
        assert bench.link.received(Nonsense("2", "its status is 42"))
        assert bench.answer("3")
        assert isinstance(refused[0], PluginError)
        assert refused[0].detail == "'out of tea'"
        assert isinstance(senseless[0], ProtocolError)
        assert isinstance(fine[0], Answer)
        numbers = bench.traffic.snapshot()
        assert (numbers.requests, numbers.errors, numbers.in_flight) == (3, 2, 0)

    def test_long_words_of_a_failure_are_cut(self) -> None:
        bench = Bench()
        refused = bench.ask()
        assert bench.link.received(Refusal("1", "\n" + "x" * 2**20, None))
        assert isinstance(refused[0], PluginError)
        assert len(refused[0].detail) == MOST_OF_A_REFUSAL
        assert refused[0].detail.isprintable()

    def test_latency_counts_from_the_asking(self) -> None:
        bench = Bench(concurrency=1)
        bench.ask()
        bench.ask()
        bench.clock.advance(0.5)
        bench.answer("1")
        bench.clock.advance(0.25)
        bench.answer("2")
        assert bench.traffic.snapshot().latency_ms.p99 == 750.0


class TestRoom:
    def test_concurrency(self) -> None:
        bench = Bench(concurrency=2)
        got = [bench.ask() for _ in range(4)]
        assert bench.channel.sent() == ["1", "2"]
        assert bench.link.in_flight == 2
        bench.answer("2")
        assert bench.channel.sent() == ["1", "2", "3"]
        bench.answer("1")
        bench.answer("3")
        bench.answer("4")
        assert all(got)

    @pytest.mark.parametrize("end", ["answer", "cancel", "timeout"])
    def test_a_slot_is_free_again_however_its_request_ended(self, end: str) -> None:
        bench = Bench(concurrency=1)
        first = bench.link.request(REQUEST)
        results(first)
        bench.clock.advance(1)
        bench.ask()
        if end == "answer":
            bench.answer("1")
        elif end == "cancel":
            first.cancel()
        else:
            bench.clock.advance(TIMEOUT - 1 + 0.1)
        assert bench.channel.sent() == ["1", "2"]

    def test_queue(self) -> None:
        bench = Bench(concurrency=3)
        got = [bench.ask() for _ in range(3 + 256)]
        too_many = bench.ask()
        assert isinstance(too_many[0], PluginBusy)
        assert too_many[0].retry_after == 1
        assert not any(got)
        assert bench.traffic.requests == 259
        bench.answer("1")
        assert bench.ask() == []

    def test_bytes(self) -> None:
        bench = Bench(concurrency=1)
        for _ in range(8):
            assert bench.ask(sized(8 * MIB)) == []
        assert isinstance(bench.ask(sized(2))[0], PluginBusy)
        bench.answer("1")
        assert bench.ask(sized(8 * MIB)) == []
        assert isinstance(bench.ask(sized(2))[0], PluginBusy)

    def test_bytes_that_were_sent_count_until_they_are_answered(self) -> None:
        bench = Bench()
        for _ in range(8):
            bench.ask(sized(8 * MIB))
        assert len(bench.channel.sent()) == 8
        assert isinstance(bench.ask(sized(2))[0], PluginBusy)

    def test_one_alone_may_be_of_any_size(self) -> None:
        bench = Bench()
        assert bench.ask(sized(100 * MIB)) == []

    def test_a_plugin_that_does_not_read_makes_requests_wait(self) -> None:
        bench = Bench()
        bench.channel.can_send = False
        bench.ask()
        bench.ask()
        assert bench.channel.sent() == []
        assert bench.link.in_flight == 0
        bench.channel.can_send = True
        bench.link.writable()
        assert bench.channel.sent() == ["1", "2"]

    def test_no_more_is_sent_than_it_takes(self) -> None:
        bench = Bench()
        channel = bench.channel

        def full(request_id: str) -> None:
            channel.can_send = False

        channel.refuse = full
        bench.ask()
        bench.ask()
        assert channel.sent() == ["1"]


class TestRefusals:
    def test_a_request_that_fits_into_no_message(self) -> None:
        bench = Bench()

        def too_large(request_id: str) -> None:
            raise BodyTooLarge("too large")

        bench.channel.refuse = too_large
        got = bench.ask()
        assert isinstance(got[0], BodyTooLarge)
        assert bench.link.idle

    @pytest.mark.parametrize("way", ["raise", "tell"])
    def test_a_whole_queue_that_cannot_be_sent_fails_without_recursion(self, way: str) -> None:
        bench = Bench()
        bench.channel.can_send = False
        got = [bench.ask() for _ in range(256)]

        depths: set[int] = set()

        def refuse(request_id: str) -> None:
            depths.add(sum(1 for _ in walk_stack(None)))
            error = LinkLost("no")
            if way == "raise":
                raise error
            bench.link.failed(request_id, error)

        bench.channel.refuse = refuse
        bench.channel.can_send = True
        bench.link.writable()
        assert [type(one[0]) for one in got] == [LinkLost] * 256
        assert len(depths) == 1
        assert bench.link.idle

    def test_whoever_asks_again_in_answer_to_a_failure_gets_a_turn(self) -> None:
        bench = Bench(concurrency=1)
        again: list[Any] = []

        def refuse_the_first(request_id: str) -> None:
            if request_id == "1":
                raise LinkLost("no")

        bench.channel.refuse = refuse_the_first
        bench.link.request(REQUEST).addErrback(lambda _: again.append(bench.ask()))
        assert bench.channel.sent() == ["1", "2"]
        bench.answer("2")
        assert isinstance(again[0][0], Answer)

    def test_an_error_for_a_request_that_is_settled(self) -> None:
        bench = Bench()
        bench.ask()
        bench.answer("1")
        bench.link.failed("1", LinkLost("late"))
        assert bench.traffic.errors == 0


class TestDeadlines:
    @settings(deadline=None)
    @given(st.lists(st.floats(0, 1.0), min_size=1, max_size=30), st.floats(0.001, 0.05))
    def test_never_early_and_hardly_late(self, pauses: list[float], step: float) -> None:
        bench = Bench(concurrency=2)
        asked: list[float] = []
        ended: list[float] = []

        def ask() -> None:
            asked.append(bench.clock.seconds())
            bench.link.request(REQUEST).addErrback(lambda _: ended.append(bench.clock.seconds()))

        for pause in pauses:
            ask()
            bench.clock.advance(pause)
            assert bench.timers == 1
        bench.clock.advance(asked[0] + TIMEOUT - bench.clock.seconds() - step)
        while len(ended) < len(asked):
            bench.clock.advance(step)
        waits = [then - now for now, then in zip(asked, ended, strict=True)]
        assert min(waits) >= TIMEOUT - 1e-9
        # 50 ms of the link's own, and one step of the clock.
        assert max(waits) <= TIMEOUT + 0.05 + step + 1e-9
        assert bench.timers == 0

    def test_one_timer_however_many(self) -> None:
        bench = Bench()
        for _ in range(300):
            bench.ask()
        assert bench.timers == 1
        for n in range(1, 301):
            bench.answer(str(n))
        assert bench.timers <= 1
        bench.clock.advance(TIMEOUT + 0.1)
        assert bench.timers == 0

    def test_the_plugin_hears_of_those_that_it_was_sent(self) -> None:
        bench = Bench(concurrency=1)
        got = [bench.ask(), bench.ask()]
        bench.clock.advance(TIMEOUT + 0.1)
        assert [type(one[0]) for one in got] == [PluginTimeout, PluginTimeout]
        assert bench.channel.calls == [("send", "1"), ("cancel", "1")]
        assert bench.traffic.snapshot().errors == 2
        assert bench.link.idle

    def test_an_answered_request_does_not_expire(self) -> None:
        bench = Bench()
        got = bench.ask()
        bench.clock.advance(TIMEOUT - 0.001)
        bench.answer("1")
        bench.clock.advance(1)
        assert len(got) == 1
        assert isinstance(got[0], Answer)

    def test_whoever_asks_again_in_answer_to_a_timeout_is_watched_too(self) -> None:
        bench = Bench()
        again: list[Any] = []
        bench.link.request(REQUEST).addErrback(lambda _: again.append(bench.ask()))
        bench.clock.advance(TIMEOUT + 0.1)
        assert bench.timers == 1
        bench.clock.advance(TIMEOUT + 0.1)
        assert isinstance(again[0][0], PluginTimeout)


class TestCancelling:
    def test_a_request_that_was_sent(self) -> None:
        bench = Bench()
        waiter = bench.link.request(REQUEST)
        got = results(waiter)
        waiter.cancel()
        assert isinstance(got[0], CancelledError)
        assert bench.channel.calls == [("send", "1"), ("cancel", "1")]
        assert bench.link.idle
        assert bench.traffic.snapshot().errors == bench.traffic.in_flight == 0

    def test_a_request_that_waits(self) -> None:
        bench = Bench(concurrency=1)
        bench.ask()
        waiter = bench.link.request(REQUEST)
        results(waiter)
        waiter.cancel()
        assert bench.channel.calls == [("send", "1")]
        bench.answer("1")
        assert bench.channel.sent() == ["1"]

    def test_after_the_answer(self) -> None:
        bench = Bench()
        waiter = bench.link.request(REQUEST)
        got = results(waiter)
        bench.answer("1")
        waiter.cancel()
        assert len(got) == 1
        assert bench.channel.calls == [("send", "1")]

    @pytest.mark.parametrize("end", ["timeout", "lost", "closed"])
    def test_one_that_cancels_another_as_both_fail(self, end: str) -> None:
        bench = Bench()
        others: list[Deferred[Answer]] = []
        first = bench.link.request(REQUEST)
        first.addErrback(lambda _: others[0].cancel())
        others.append(bench.link.request(REQUEST))
        second, third = results(others[0]), bench.ask()
        if end == "timeout":
            bench.clock.advance(TIMEOUT + 0.1)
        elif end == "lost":
            bench.link.lost(LinkLost("gone"))
        else:
            bench.link.close()
        assert isinstance(second[0], CancelledError)
        assert len(third) == 1
        assert bench.traffic.in_flight == 0


def test_ids_are_the_links_own() -> None:
    bench = Bench()
    bench.ask()
    bench.link.ping()
    bench.ask()
    assert bench.channel.calls == [("send", "1"), ("ping", "2"), ("send", "3")]
