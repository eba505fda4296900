"""The policies of waiting, as numbers."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given, strategies as st

from toru.config import Supervision
from toru.supervise.backoff import (
    change_delay,
    counted_crashes,
    poll_delay,
    reconnect_delay,
    restart_delay,
)

SETTINGS = Supervision()


class TestRestartDelay:
    def test_as_the_requirement_has_it(self) -> None:
        delays = [
            restart_delay(crashes, SETTINGS.backoff_first, SETTINGS.backoff_max) for crashes in range(1, 10)
        ]
        assert delays == [1, 2, 4, 8, 16, 16, 16, 16, 16]

    @pytest.mark.parametrize("crashes", [64, 65, 66, 1_000, 2**62])
    def test_huge_counts(self, crashes: int) -> None:
        assert restart_delay(crashes, 1.0, 16.0) == 16.0
        assert restart_delay(crashes, 1.0, 1_000_000.0) == 1_000_000.0

    def test_the_most_may_be_less_than_the_first(self) -> None:
        assert restart_delay(1, 5.0, 0.5) == 0.5

    @given(
        st.integers(1, 2**62),
        st.floats(0, 1_000_000, exclude_min=True, allow_subnormal=False),
        st.floats(0, 1_000_000, exclude_min=True, allow_subnormal=False),
    )
    def test_never_more_than_the_most_and_never_less_than_before(
        self, crashes: int, first: float, most: float
    ) -> None:
        delay = restart_delay(crashes, first, most)
        assert 0 < delay <= most
        assert delay <= restart_delay(crashes + 1, first, most)


class TestCountedCrashes:
    @pytest.mark.parametrize(
        ("healthy_for", "counted"), [(0.0, 9), (59.999, 9), (60.0, 0), (60.001, 0), (1e9, 0)]
    )
    def test_a_stable_process_is_forgiven_all(self, healthy_for: float, counted: int) -> None:
        assert counted_crashes(9, healthy_for, 60.0) == counted

    def test_nothing_to_forgive(self) -> None:
        assert counted_crashes(0, 0.0, 60.0) == 0


class TestChangeDelay:
    def test_the_first_five_in_a_minute_are_free(self) -> None:
        assert [change_delay(changes) for changes in range(1, 13)] == [0] * 5 + [1, 2, 4, 8, 16, 16, 16]

    @pytest.mark.parametrize("changes", [100, 10**6, 2**62])
    def test_huge_counts(self, changes: int) -> None:
        assert change_delay(changes) == 16.0


class TestReconnectDelay:
    def test_doubles_up_to_five_seconds(self) -> None:
        delays = [reconnect_delay(failures) for failures in range(9)]
        assert delays == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])

    @pytest.mark.parametrize("failures", [100, 10**6, 2**62])
    def test_huge_counts(self, failures: int) -> None:
        assert reconnect_delay(failures) == 5.0


class TestPollDelay:
    def test_looks_soon_and_then_less_and_less(self) -> None:
        assert poll_delay(0.0) == 0.005
        waits = [poll_delay(tenths / 10) for tenths in range(300)]
        assert all(one <= another for one, another in pairwise(waits))
        assert waits[-1] == 0.25

    def test_costs_little_over_the_whole_time_that_a_process_may_take(self) -> None:
        looks = accumulate(range(1000), lambda waited, _: waited + poll_delay(waited), initial=0.0)
        assert sum(1 for at in looks if at < SETTINGS.ready_timeout) < 180

    @given(st.floats(0, 30))
    def test_notices_a_socket_soon_compared_to_what_it_took(self, waited: float) -> None:
        assert poll_delay(waited) <= 0.005 + waited / 10
