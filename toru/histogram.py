"""How long things took, counted in fixed buckets: an addition for each, and no lock."""

from __future__ import annotations

from array import array
from bisect import bisect_left

from toru.model import Durations

# Upper bounds in seconds, each within its bucket; what took longer is in one more.
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Histogram:
    """Written by one thread; `count` and `seconds`, the sum, never go back."""

    __slots__ = ("_buckets", "seconds")

    def __init__(self) -> None:
        self._buckets = array("Q", [0] * (len(BOUNDS) + 1))
        self.seconds = 0.0

    def observe(self, seconds: float) -> None:
        """One more took that long."""
        self._buckets[bisect_left(BOUNDS, seconds)] += 1
        # Below 0 where the clock was set back meanwhile.
        if seconds > 0:
            self.seconds += seconds

    def add(self, durations: Durations) -> None:
        """Count those that somebody else observed."""
        for number, observed in enumerate(durations.buckets):
            self._buckets[number] += observed
        self.seconds += durations.seconds

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self._buckets)

    def snapshot(self) -> Durations:
        """The numbers as they are now."""
        return Durations(tuple(self._buckets), self.seconds)
