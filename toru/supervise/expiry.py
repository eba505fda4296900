"""Whose time is up: one timer for all who have equally long."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime

T = TypeVar("T")


class Expiry(Generic[T]):
    """Each has `seconds` from when it was last given them: never less, and at most `slack` and a turn more."""

    def __init__(
        self, clock: IReactorTime, seconds: float, slack: float, expired: Callable[[T], None]
    ) -> None:
        """`expired` is told of each whose time is up; it is forgotten by then."""
        self._clock = clock
        self.seconds = seconds
        self._slack = slack
        self._expired = expired
        # Who was given time last stands last, and so they are in the order of their ends.
        self._due: OrderedDict[T, float] = OrderedDict()
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._due)

    def give(self, who: T) -> None:
        """The time begins, or begins anew."""
        due = self._due
        due[who] = self._clock.seconds() + self.seconds
        due.move_to_end(who)
        if self._timer is None:
            self._watch()

    def forget(self, who: T) -> None:
        """It needs no time any more, if it had any."""
        self._due.pop(who, None)

    def stop(self) -> None:
        """Nobody's time is up any more."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self) -> None:
        first = next(iter(self._due.values()), None)
        if first is not None:
            delay = max(first - self._clock.seconds(), 0.0) + self._slack
            self._timer = self._clock.callLater(delay, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        late = []
        for who, due in self._due.items():
            if due > now:
                break
            late.append(who)
        try:
            for who in late:
                # Whoever was told before may have seen to it.
                if self._due.pop(who, None) is not None:
                    self._expired(who)
        finally:
            if self._timer is None:
                self._watch()
