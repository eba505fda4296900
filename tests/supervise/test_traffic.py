"""Counts and quantiles."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from toru.model import Latency, Traffic
from toru.supervise.traffic import TrafficCounter


def after(*seconds: float) -> Latency:
    counter = TrafficCounter()
    for each in seconds:
        counter.began()
        counter.answered(each)
    return counter.snapshot().latency_ms


class TestCounts:
    def test_nothing_yet(self) -> None:
        assert TrafficCounter().snapshot() == Traffic(0, 0, 0, Latency(None, None))

    def test_every_end_of_a_request(self) -> None:
        counter = TrafficCounter()
        for _ in range(4):
            counter.began()
        counter.answered(0.001)
        counter.failed()
        counter.over()
        assert counter.snapshot() == Traffic(4, 1, 1, Latency(1.0, 1.0))


class TestLatency:
    def test_quantiles(self) -> None:
        assert after(*(n / 1000 for n in range(100))) == Latency(50.0, 99.0)

    def test_one_slow_answer_in_a_thousand_does_not_show_for_long(self) -> None:
        assert after(9.0, *[0.001] * 256) == Latency(1.0, 1.0)
        assert after(9.0, 9.0, 9.0, *[0.001] * 253).p99 == 9000.0

    def test_the_order_does_not_matter(self) -> None:
        assert after(0.003, 0.001, 0.002) == Latency(2.0, 3.0)

    @given(st.lists(st.floats(0, 60), min_size=1, max_size=600))
    def test_the_latest_256(self, seconds: list[float]) -> None:
        latest = sorted(seconds[-256:])
        latency = after(*seconds)
        assert latency.p50 is not None
        assert latency.p99 is not None
        # They are kept as 32 bits and told to the microsecond.
        assert latency.p50 == pytest.approx(latest[len(latest) // 2] * 1000, rel=1e-6, abs=1e-3)
        assert latency.p99 == pytest.approx(latest[len(latest) * 99 // 100] * 1000, rel=1e-6, abs=1e-3)


class TestForMetrics:
    def test_answers_by_class_of_status(self) -> None:
        counter = TrafficCounter()
        for status in (200, 299, 304, 404, 499, 413, 500, 599):
            counter.served(status)
        assert counter.answers == [2, 1, 3, 2]

    def test_only_answers_have_a_duration(self) -> None:
        counter = TrafficCounter()
        for _ in range(3):
            counter.began()
        counter.answered(0.5)
        counter.failed()
        counter.over()
        assert (counter.durations.count, counter.durations.seconds) == (1, 0.5)
