"""Those who wait until something holds: each has a Deferred of its own."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime


class Waiting:
    """Whoever may have changed something says `look`."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def when(self, holds: Callable[[], bool]) -> Deferred[None]:
        """A Deferred of the caller's own, which fires as soon as that holds."""
        waiter: Deferred[None] = Deferred()
        self._waiting.append((holds, waiter))
        self.look()
        return waiter

    def look(self) -> None:
        """Tell those for whom it holds now."""
        ready = [entry for entry in self._waiting if entry[1].called or entry[0]()]
        self._waiting = [entry for entry in self._waiting if entry not in ready]
        for _, waiter in ready:
            if not waiter.called:
                waiter.callback(None)


def within(waiter: Deferred[None], seconds: float, clock: IReactorTime) -> Deferred[None]:
    """The same, or fired without more ado after that long."""

    def enough() -> None:
        if not waiter.called:
            waiter.callback(None)

    timer = clock.callLater(seconds, enough)

    def done(result: None) -> None:
        if timer.active():
            timer.cancel()

    return waiter.addBoth(done)
