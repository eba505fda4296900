"""How long one waits after failures."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from toru.access.throttle import ADDRESS_FACTOR, WINDOW, Throttle, penalty

NAME, ADDRESS = "ann", "192.0.2.1"
HOME = 1_000_000_000.0


def fail_times(throttle: Throttle, times: int, at: float = HOME, address: str = ADDRESS) -> None:
    for _ in range(times):
        throttle.failed(NAME, address, at)


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(1, 0), (2, 0), (3, 60), (4, 0), (5, 0), (6, 180), (8, 0), (9, 600), (11, 0), (12, 1800), (13, 1800)],
)
def test_the_tiers(failures: int, seconds: float) -> None:
    assert penalty(failures) == seconds
    assert penalty(failures * 10, 10) == seconds


def test_between_the_tiers_of_an_address() -> None:
    assert [penalty(failures, 10) for failures in (29, 30, 31, 61, 119, 121)] == [0, 60, 0, 0, 0, 1800]


def test_nobody_waits_without_failures() -> None:
    assert Throttle().wait(NAME, ADDRESS, HOME) == 0


def test_each_tier_in_turn() -> None:
    throttle, now, waited = Throttle(), HOME, []
    for _ in range(4):
        for _ in range(3):
            assert throttle.wait(NAME, ADDRESS, now) == 0
            throttle.failed(NAME, ADDRESS, now)
        waited.append(throttle.wait(NAME, ADDRESS, now))
        now += waited[-1]
    assert waited == [60, 180, 600, 1800]


def test_the_wait_runs_out_to_the_second() -> None:
    throttle = Throttle()
    fail_times(throttle, 3)
    assert throttle.wait(NAME, ADDRESS, HOME + 59.5) == 0.5
    assert throttle.wait(NAME, ADDRESS, HOME + 60) == 0


def test_failures_count_for_an_hour() -> None:
    throttle = Throttle()
    fail_times(throttle, 2)
    throttle.failed(NAME, ADDRESS, HOME + WINDOW)
    assert throttle.wait(NAME, ADDRESS, HOME + WINDOW) == 0
    other = Throttle()
    fail_times(other, 2)
    other.failed(NAME, ADDRESS, HOME + WINDOW - 1)
    assert other.wait(NAME, ADDRESS, HOME + WINDOW - 1) == 60


def test_a_name_is_blocked_from_that_address_alone() -> None:
    throttle = Throttle()
    fail_times(throttle, 3)
    assert throttle.wait(NAME, "192.0.2.2", HOME) == 0
    assert throttle.wait("bob", ADDRESS, HOME) == 0


def test_names_that_differ_in_case_count_together() -> None:
    throttle = Throttle()
    for name in ("Ann", "ANN", "ann"):
        throttle.failed(name, ADDRESS, HOME)
    assert throttle.wait("aNN", ADDRESS, HOME) == 60


def test_an_address_is_blocked_for_all_names_after_ten_times_as_many() -> None:
    throttle = Throttle()
    for number in range(29):
        throttle.failed(f"user{number}", ADDRESS, HOME)
    assert throttle.wait("new", ADDRESS, HOME) == 0
    throttle.failed("user29", ADDRESS, HOME)
    assert throttle.wait("new", ADDRESS, HOME) == 60


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::1", "::2", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),
        ("no address", "another", False),
    ],
)
def test_which_addresses_are_one_client(one: str, other: str, *, same: bool) -> None:
    throttle = Throttle()
    fail_times(throttle, 3, address=one)
    assert (throttle.wait(NAME, other, HOME) > 0) is same


def test_memory_is_bounded() -> None:
    throttle = Throttle(most=10)
    for number in range(1000):
        throttle.failed(f"user{number}", f"192.0.{number // 250}.{number % 250}", HOME)
    assert len(throttle) == 20


def test_those_that_failed_last_are_remembered() -> None:
    throttle = Throttle(most=2)
    fail_times(throttle, 2)
    throttle.failed("bob", "192.0.2.2", HOME)
    throttle.failed(NAME, ADDRESS, HOME)
    throttle.failed("cid", "192.0.2.3", HOME)
    assert throttle.wait(NAME, ADDRESS, HOME) == 60


def test_a_clock_that_was_set_back_locks_nobody_out_for_long() -> None:
    throttle = Throttle()
    fail_times(throttle, 3, at=HOME + 10 * 365 * 86400)
    assert throttle.wait(NAME, ADDRESS, HOME) == 1800


@given(st.lists(st.floats(0, 2000), max_size=60))
def test_told_again_after_a_restart_it_says_the_same(gaps: list[float]) -> None:
    live, told, now = Throttle(), [], HOME
    for gap in gaps:
        now += gap
        if not live.wait(NAME, ADDRESS, now):
            live.failed(NAME, ADDRESS, now)
            told.append(now)
    # Only the last hour is told, so that a wait which began before it is over by then.
    again = Throttle()
    for at in told:
        again.failed(NAME, ADDRESS, at)
    assert again.wait(NAME, ADDRESS, now) == live.wait(NAME, ADDRESS, now)


@given(st.lists(st.floats(0, 100), min_size=13, max_size=200))
def test_no_more_than_twelve_tries_in_half_an_hour(gaps: list[float]) -> None:
    throttle, now, tried = Throttle(), HOME, []
    for gap in gaps:
        now += gap
        if not throttle.wait(NAME, ADDRESS, now):
            throttle.failed(NAME, ADDRESS, now)
            tried.append(now)
    assert all(later - earlier >= 0 for earlier, later in pairwise(tried))
    assert all(later - earlier >= 1800 for earlier, later in zip(tried, tried[12:], strict=False))


def test_an_address_is_allowed_ten_times_as_much() -> None:
    assert ADDRESS_FACTOR == 10
