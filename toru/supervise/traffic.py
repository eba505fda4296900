"""What comes through a plugin's link, as plain numbers."""

from __future__ import annotations

from array import array

from msgspec import Struct

from toru.histogram import Histogram
from toru.model import Durations, Latency, Traffic

_REMEMBERED = 256
# From 2xx to 5xx.
_STATUS_CLASSES = 4


class Counted(Struct, frozen=True):
    """What one counter takes over from another: what it counted, and its latest latencies in milliseconds."""

    requests: int
    errors: int
    answers: tuple[int, ...]
    durations: Durations
    latencies: tuple[float, ...]


class TrafficCounter:
    """Counts for one plugin, over all its processes; latency quantiles over the last 256 answers."""

    __slots__ = ("_latencies", "_next", "answers", "durations", "errors", "in_flight", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.errors = 0
        self.in_flight = 0
        self.answers = [0] * _STATUS_CLASSES
        self.durations = Histogram()
        self._latencies = array("f")
        self._next = 0

    def began(self) -> None:
        """A request was taken in."""
        self.requests += 1
        self.in_flight += 1

    def answered(self, seconds: float) -> None:
        """It was answered after that long."""
        self.in_flight -= 1
        self.headed(seconds)

    def headed(self, seconds: float) -> None:
        """Its answer began after that long."""
        self.durations.observe(seconds)
        self._remember(seconds * 1000)

    def _remember(self, milliseconds: float) -> None:
        if len(self._latencies) < _REMEMBERED:
            self._latencies.append(milliseconds)
        else:
            self._latencies[self._next] = milliseconds
            self._next = (self._next + 1) % _REMEMBERED

    def failed(self) -> None:
        """It got no answer, or not all of it, through the plugin's fault."""
        self.in_flight -= 1
        self.errors += 1

    def over(self) -> None:
        """It came to its end, or whoever asked went away: nobody's fault."""
        self.in_flight -= 1

    def served(self, status: int) -> None:
        """A client of the plugin's route got that status, 200 to 599, whoever gave it."""
        self.answers[status // 100 - 2] += 1

    def hand_over(self) -> Counted:
        """What was counted since the last time, for `absorb`. What is in flight stays."""
        counted = Counted(
            self.requests,
            self.errors,
            tuple(self.answers),
            self.durations.snapshot(),
            (*self._latencies[self._next :], *self._latencies[: self._next]),
        )
        self.requests = self.errors = self._next = 0
        self.answers = [0] * _STATUS_CLASSES
        self.durations = Histogram()
        self._latencies = array("f")
        return counted

    def absorb(self, counted: Counted) -> None:
        """Count what another counter did."""
        self.requests += counted.requests
        self.errors += counted.errors
        for number, answers in enumerate(counted.answers):
            self.answers[number] += answers
        self.durations.add(counted.durations)
        for milliseconds in counted.latencies:
            self._remember(milliseconds)

    def snapshot(self) -> Traffic:
        """The numbers as they are now."""
        ordered = sorted(self._latencies)

        def quantile(share: float) -> float | None:
            return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)], 3) if ordered else None

        return Traffic(
            requests=self.requests,
            errors=self.errors,
            in_flight=self.in_flight,
            latency_ms=Latency(p50=quantile(0.50), p99=quantile(0.99)),
        )
