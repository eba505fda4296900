"""Buckets, as Prometheus means them."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from toru.histogram import BOUNDS, Histogram


def test_nothing_yet() -> None:
    histogram = Histogram()
    assert histogram.count == 0
    assert histogram.snapshot().buckets == (0,) * (len(BOUNDS) + 1)


@pytest.mark.parametrize("at", range(len(BOUNDS)))
def test_a_bound_is_within_its_bucket(at: int) -> None:
    histogram = Histogram()
    histogram.observe(BOUNDS[at])
    histogram.observe(BOUNDS[at] * 1.001)
    assert histogram.snapshot().buckets[at : at + 2] == (1, 1)


def test_a_snapshot_stays_as_it_is() -> None:
    histogram = Histogram()
    histogram.observe(1.0)
    seen = histogram.snapshot()
    histogram.observe(2.0)
    assert (sum(seen.buckets), seen.seconds) == (1, 1.0)


# What took less than nothing began before a clock was set back.
@given(st.lists(st.floats(-60, 600), max_size=50))
def test_nothing_goes_back(durations: list[float]) -> None:
    histogram = Histogram()
    for number, seconds in enumerate(durations, 1):
        before = histogram.snapshot()
        histogram.observe(seconds)
        now = histogram.snapshot()
        assert histogram.count == number
        assert now.seconds >= before.seconds
        assert all(then <= there for then, there in zip(before.buckets, now.buckets, strict=True))
