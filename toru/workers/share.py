"""A plugin's process that workers ask beside the core, and how its concurrency is divided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as Interface

from twisted.internet.defer import Deferred

from toru.supervise.link import Link
from toru.supervise.sharing import Offer
from toru.supervise.traffic import TrafficCounter
from toru.supervise.waiting import Waiting
from toru.wire.exchanges import MAX_WAITING
from toru.wire.messages import Log
from toru.workers.messages import Granted, Offered, Report, ToWorker, Withdrawn


class Told(Interface):
    """A worker, as far as a share needs it."""

    def tell(self, message: ToWorker, /) -> None: ...


class Share:
    """One process. Each of `parties`, which are the core and its workers, may ask an equal part of its concurrency.

    A worker asks only once the process has answered it, on a connection of its own: not all plugins serve more than
    one. Until then, and when it has gone, its part is the core's.
    """

    def __init__(
        self,
        number: int,
        offer: Offer,
        link: Link,
        traffic: TrafficCounter,
        heard_log: Callable[[Log], Deferred[None]],
        parties: int,
        over: Callable[[Share], None],
    ) -> None:
        """`over` is called once it was withdrawn, and nobody waits for it any more."""
        self.number = number
        self.offer = offer
        self.heard_log = heard_log
        self.granted: set[Told] = set()
        self.withdrawn = False
        self._link = link
        self._traffic = traffic
        self._over = over
        self._part = offer.concurrency // parties
        self._waiting_part = MAX_WAITING // parties
        self._offered: set[Told] = set()
        # With the number of the proof, for a grant.
        self._proven: dict[Told, int] = {}
        # Requests in hand and waiting, by worker.
        self._busy: dict[Told, tuple[int, int]] = {}
        self._drained = Waiting()

    # -- supervise.sharing.Share

    @property
    def in_flight(self) -> int:
        return sum(in_flight for in_flight, _ in self._busy.values())

    @property
    def waiting(self) -> int:
        return sum(waiting for _, waiting in self._busy.values())

    def withdraw(self) -> Deferred[None]:
        if not self.withdrawn:
            self.withdrawn = True
            self.granted.clear()
            for worker in self._offered:
                worker.tell(Withdrawn(self.number))
            self._look()
        return self._drained.when(lambda: not self._offered)

    # -- what workers tell

    def offer_to(self, worker: Told) -> None:
        """There is one more worker."""
        if not self.withdrawn:
            self._offered.add(worker)
            worker.tell(Offered(self.number, self.offer))

    def proven(self, worker: Told, proof: int) -> None:
        """The process answered it, for the `proof`th time."""
        if worker in self._offered and not self.withdrawn:
            self._proven[worker] = proof
            self._divide()

    def lost(self, worker: Told) -> None:
        """It has no connection to the process any more."""
        self._proven.pop(worker, None)
        self.granted.discard(worker)
        if not self.withdrawn:
            self._divide()

    def drained(self, worker: Told) -> None:
        """Nobody there waits for the process, or the worker is gone."""
        self.lost(worker)
        self._offered.discard(worker)
        in_flight, waiting = self._busy.pop(worker, (0, 0))
        self._traffic.in_flight -= in_flight + waiting
        self._look()

    def reported(self, worker: Told, report: Report) -> None:
        """What it did."""
        if worker not in self._offered:
            return
        before = sum(self._busy.get(worker, (0, 0)))
        self._busy[worker] = report.in_flight, report.waiting
        self._traffic.in_flight += report.in_flight + report.waiting - before
        self._traffic.absorb(report.counted)

    # -- inside

    def _divide(self) -> None:
        count = len(self._proven)
        self._link.limit(
            self.offer.concurrency - count * self._part, MAX_WAITING - count * self._waiting_part
        )
        self.grant()

    def grant(self) -> None:
        """Let those ask that may, once the core has no more in hand than it is left."""
        if self._proven.keys() == self.granted or self.withdrawn:
            return
        if self._link.in_flight > self.offer.concurrency - len(self._proven) * self._part:
            return
        for worker in self._proven.keys() - self.granted:
            self.granted.add(worker)
            worker.tell(Granted(self.number, self._proven[worker], self._part, self._waiting_part))

    def _look(self) -> None:
        if self.withdrawn and not self._offered:
            self._over(self)
            self._drained.look()
