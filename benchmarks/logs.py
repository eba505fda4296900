"""Times listings of logs: a million records over ten plugins, 100,000 each, on a real database.

Prints the median and the slowest of each kind of listing in milliseconds, its total counted where the interface
counts it, and how many records a second a flood writes at the limit, where each new record pushes an old one out.
"""

from __future__ import annotations

import random
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred, gatherResults, succeed

from toru.config import LogLimits
from toru.model import LogLevel, LogRecord
from toru.store.database import Database
from toru.store.livefeed import LiveFeed
from toru.store.logs import Logs
from toru.store.logtable import LogFilter
from toru.wire.messages import rfc3339

PLUGINS = [f"plugin-{number}" for number in range(10)]
EACH = 100_000
SLICE = 200
REPEAT = 15
START = 1_700_000_000.0
LEVELS: tuple[LogLevel, ...] = ("trace", "debug", "info", "warn", "error")
SHARES = (5, 20, 60, 14, 1)
WORDS = ("request", "answered", "in time", "for user", "customer", "slow", "cache miss", "retry", "closed")


class NoCopy:
    """Log files are measured elsewhere."""

    def write(self, records: object) -> Deferred[None]:
        return succeed(None)


def make_records(plugin: str, count: int, first: int, dice: random.Random) -> list[LogRecord]:
    return [
        LogRecord(
            timestamp=rfc3339(START + (first + number) * 0.5),
            plugin=plugin,
            level=dice.choices(LEVELS, SHARES)[0],
            message=f"{' '.join(dice.choices(WORDS, k=9))} {first + number}",
            stream="stdout",
            fields={"status": 200, "path": f"/orders/{number}"} if number % 3 == 0 else None,
            pid=4242,
        )
        for number in range(count)
    ]


async def fill(logs: Logs) -> None:
    dice = random.Random(1)
    for first in range(0, EACH, SLICE):
        # All plugins write at the same time, so that their rows lie mixed, as they do in life.
        await gatherResults([logs.write(make_records(plugin, SLICE, first, dice)) for plugin in PLUGINS])


async def timed(name: str, list_: Callable[[random.Random], Deferred[Any]]) -> None:
    dice = random.Random(2)
    took = []
    for _ in range(REPEAT):
        begun = perf_counter()
        await list_(dice)
        took.append((perf_counter() - begun) * 1000)
    print(f"{name:44} median {statistics.median(took):7.1f} ms   slowest {max(took):7.1f} ms", flush=True)


async def listings(logs: Logs) -> None:
    def some(dice: random.Random) -> str:
        return dice.choice(PLUGINS)

    every = LogFilter()
    since, until = rfc3339(START + EACH * 0.2), rfc3339(START + EACH * 0.3)
    await timed("first page", lambda dice: logs.page(some(dice), every))
    await timed("any page", lambda dice: logs.page(some(dice), every, page=dice.randrange(1000)))
    await timed("last page", lambda dice: logs.page(some(dice), every, page=999))
    await timed("last page of 1000", lambda dice: logs.page(some(dice), every, page=99, page_size=1000))
    await timed("before an id", lambda dice: logs.page(some(dice), every, before=dice.randrange(10**6)))
    warn, error = LogFilter(level="warn"), LogFilter(level="error")
    await timed("level warn", lambda dice: logs.page(some(dice), warn))
    await timed("level warn, hundredth page", lambda dice: logs.page(some(dice), warn, page=99))
    await timed("level error", lambda dice: logs.page(some(dice), error))
    await timed("level error, tenth page", lambda dice: logs.page(some(dice), error, page=9))
    await timed("since and until", lambda dice: logs.page(some(dice), LogFilter(since=since, until=until)))
    await timed(
        "level, since, until, fifth page",
        lambda dice: logs.page(some(dice), LogFilter("warn", None, since, until), page=4),
    )
    await timed("text, frequent", lambda dice: logs.page(some(dice), LogFilter(text="Customer")))
    await timed(
        "text, one hit", lambda dice: logs.page(some(dice), LogFilter(text=f" {dice.randrange(EACH)}"))
    )
    await timed("text, no hit", lambda dice: logs.page(some(dice), LogFilter(text="nowhere")))
    await timed("text, hundredth page", lambda dice: logs.page(some(dice), LogFilter(text="cache"), page=99))


async def flood(logs: Logs) -> None:
    dice = random.Random(3)
    batches = [make_records("plugin-0", SLICE, EACH + first, dice) for first in range(0, 20_000, SLICE)]
    begun = perf_counter()
    for batch in batches:
        await logs.write(batch)
    print(
        f"{'written at the limit, one plugin':44} {20_000 / (perf_counter() - begun):7.0f} records a second"
    )


async def measure(reactor: Any, folder: Path) -> None:
    database = Database(f"sqlite:///{folder.resolve()}/toru.db", reactor)
    database.open()
    logs = Logs(database, reactor, LogLimits(max_age_days=36_500.0), NoCopy(), LiveFeed())
    logs.start()
    begun = perf_counter()
    await fill(logs)
    took = perf_counter() - begun
    print(f"{'filled':44} {len(PLUGINS) * EACH / took:7.0f} records a second")
    await listings(logs)
    await flood(logs)
    await logs.close()
    await database.close()


def main() -> None:
    """Ends the program: a reactor runs once."""
    with tempfile.TemporaryDirectory() as folder:
        task.react(lambda reactor: Deferred.fromCoroutine(measure(reactor, Path(folder))))


if __name__ == "__main__":
    main()
