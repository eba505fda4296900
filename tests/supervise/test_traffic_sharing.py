"""Latencies that one counter takes over from another, where there are more of them than are kept."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from toru.supervise.traffic import TrafficCounter


def answers(counter: TrafficCounter, *milliseconds: int) -> None:
    """So many answers."""
    for each in milliseconds:
        counter.began()
        counter.answered(each / 1000)


def kept(counter: TrafficCounter) -> list[int]:
    """The latencies that it has, sorted."""
    return sorted(round(each) for each in counter.hand_over().latencies)


def test_those_that_are_handed_over_are_the_latest() -> None:
    counter = TrafficCounter()
    answers(counter, *range(1, 301))
    assert kept(counter) == list(range(45, 301))
    assert kept(counter) == []


def test_a_counter_begins_anew_once_it_has_handed_over() -> None:
    counter = TrafficCounter()
    answers(counter, *range(1, 301))
    counter.hand_over()
    answers(counter, 7, 9)
    latency = counter.snapshot().latency_ms
    assert (latency.p50, latency.p99) == pytest.approx((9.0, 9.0))
    answers(counter, *range(1000, 1256))
    assert kept(counter) == list(range(1000, 1256))


def test_they_are_handed_over_in_their_order() -> None:
    """Whoever takes them over forgets the oldest first."""
    counter = TrafficCounter()
    answers(counter, *range(1, 301))
    assert [round(each) for each in counter.hand_over().latencies] == list(range(45, 301))


@given(st.lists(st.integers(0, 600), max_size=5))
def test_of_several_batches_the_latest_are_kept(sizes: list[int]) -> None:
    ours, other = TrafficCounter(), TrafficCounter()
    count = 0
    for size in sizes:
        answers(other, *range(count, count + size))
        count += size
        ours.absorb(other.hand_over())
    assert kept(ours) == list(range(max(0, count - 256), count))


@given(own=st.integers(0, 600), theirs=st.integers(0, 600))
def test_they_take_the_place_of_the_oldest_of_ours(own: int, theirs: int) -> None:
    ours, other = TrafficCounter(), TrafficCounter()
    answers(ours, *range(own))
    answers(other, *range(own, own + theirs))
    ours.absorb(other.hand_over())
    assert kept(ours) == list(range(max(0, own + theirs - 256), own + theirs))


def test_sums_and_what_is_in_flight_are_not_mixed_up() -> None:
    ours, other = TrafficCounter(), TrafficCounter()
    for counter in (ours, other):
        counter.began()
        answers(counter, 5)
        counter.began()
        counter.failed()
        for status in (200, 304, 404, 404, 502):
            counter.served(status)
    ours.absorb(other.hand_over())
    ours.absorb(other.hand_over())
    assert (ours.requests, ours.errors, ours.answers) == (6, 2, [2, 2, 4, 2])
    assert (ours.durations.count, ours.in_flight) == (2, 1)
    assert (other.requests, other.errors, other.answers, other.in_flight) == (0, 0, [0, 0, 0, 0], 1)
