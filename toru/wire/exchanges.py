"""Which requests a plugin has been asked, which wait their turn, and when each has waited too long."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from toru.errors import PluginBusy

# How many requests may wait for a plugin beside those that it has in hand.
MAX_WAITING = 256

R = TypeVar("R")
T = TypeVar("T")


class Exchange(Generic[R, T]):
    """One request and whoever waits for its answer.

    `request` and `waiter` are the owner's own, `size` is what it counts in bytes, `deadline` is in
    seconds on the owner's clock. `sent` is True once the exchange was given out to be
    written; it stays so when it is settled, for then the plugin may want to hear of it.
    """

    __slots__ = ("deadline", "request", "request_id", "sent", "size", "waiter")

    def __init__(self, request_id: str, request: R, size: int, deadline: float, waiter: T) -> None:
        self.request_id = request_id
        self.request = request
        self.size = size
        self.deadline = deadline
        self.waiter = waiter
        self.sent = False


class Exchanges(Generic[R, T]):
    """All exchanges of one plugin that are not settled: at most `concurrency` in flight, the others waiting.

    All of them have the same timeout, so they expire in the order in which they were admitted. Its owner
    may change `concurrency` and `max_waiting`; with a concurrency of 0 all wait.
    """

    __slots__ = ("_bytes", "_live", "_max_bytes", "_waiting", "concurrency", "max_waiting")

    def __init__(self, concurrency: int, max_waiting: int = MAX_WAITING, max_bytes: int = 64 * 2**20) -> None:
        self.concurrency = concurrency
        self.max_waiting = max_waiting
        self._max_bytes = max_bytes
        self._bytes = 0
        # Both are in order of admission. A plain dict keeps a gap for each entry taken from its front,
        # and looking for the first one walks over them.
        self._live: OrderedDict[str, Exchange[R, T]] = OrderedDict()
        self._waiting: OrderedDict[str, Exchange[R, T]] = OrderedDict()

    def __len__(self) -> int:
        """How many wait or are in flight."""
        return len(self._live)

    @property
    def in_flight(self) -> int:
        return len(self._live) - len(self._waiting)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def bytes(self) -> int:
        """The sizes of all that wait or are in flight: what buffers may hold while a plugin does not read."""
        return self._bytes

    def admit(self, exchange: Exchange[R, T], *, sendable: bool = False) -> bool:
        """Let it wait its turn. Where it is `sendable`, nobody waits and a slot is free, it is in flight at once: returns
        whether it is.

        Raises PluginBusy where too many do, or too many bytes; one alone is always let in. Raises
        ValueError where another exchange has the same request id.
        """
        live = self._live
        if exchange.request_id in live:
            raise ValueError(f"{exchange.request_id!r} is being asked already")
        if len(live) >= self.concurrency + self.max_waiting:
            raise PluginBusy(
                f"The plugin is busy: {self.max_waiting:,} requests wait for it already.", retry_after=1
            )
        if live and self._bytes + exchange.size > self._max_bytes:
            raise PluginBusy(
                f"The plugin is busy: the requests that it has not answered hold {self._bytes:,} bytes.",
                retry_after=1,
            )
        exchange.sent = sendable and not self._waiting and len(live) < self.concurrency
        live[exchange.request_id] = exchange
        if not exchange.sent:
            self._waiting[exchange.request_id] = exchange
        self._bytes += exchange.size
        return exchange.sent

    def next(self) -> Exchange[R, T] | None:
        """The oldest that waits, now in flight; None where none waits or no slot is free."""
        if not self._waiting or self.in_flight >= self.concurrency:
            return None
        _, exchange = self._waiting.popitem(last=False)
        exchange.sent = True
        return exchange

    def settle(self, request_id: str) -> Exchange[R, T] | None:
        """Take it out, answered or given up; None where it is not here: late, double or made up."""
        exchange = self._live.pop(request_id, None)
        if exchange is not None:
            if not exchange.sent:
                del self._waiting[request_id]
            self._bytes -= exchange.size
        return exchange

    def fail_in_flight(self) -> list[Exchange[R, T]]:
        """Take out all that were given out, the oldest first: their connection is gone."""
        return self._take([one for one in self._live.values() if one.sent])

    def fail_all(self) -> list[Exchange[R, T]]:
        """Take out everything, the oldest first."""
        return self._take(list(self._live.values()))

    def expired(self, now: float) -> list[Exchange[R, T]]:
        """Take out all whose deadline has come, the oldest first."""
        late: list[Exchange[R, T]] = []
        for exchange in self._live.values():
            if exchange.deadline > now:
                break
            late.append(exchange)
        return self._take(late)

    def next_deadline(self) -> float | None:
        """When `expired` will next have something, unless it is settled before."""
        return next(iter(self._live.values())).deadline if self._live else None

    def _take(self, exchanges: list[Exchange[R, T]]) -> list[Exchange[R, T]]:
        for exchange in exchanges:
            self.settle(exchange.request_id)
        return exchanges
