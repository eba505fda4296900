"""Durable sets a second: one in flight, and 32, without HTTP; run as `python -m benchmarks.kv [FOLDER]`."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from toru.config import KvLimits
from toru.store.database import Database
from toru.store.kv import KeyValues

SETS = 4000


async def measure(reactor: Any, folder: str) -> None:
    """Print one line for each number in flight."""
    database = Database(f"sqlite:///{folder}/toru.db", reactor)
    database.open()
    kv = KeyValues(database, reactor, KvLimits())

    async def keep_setting(name: str, times: int) -> None:
        for number in range(times):
            await kv.set("bench", f"{name}-{number % 100}", "x" * 100)

    for in_flight in (1, 32):
        transactions = database.transactions.count
        begun = perf_counter()
        each = SETS // in_flight
        writers = [Deferred.fromCoroutine(keep_setting(str(name), each)) for name in range(in_flight)]
        await gatherResults(writers)
        rate = each * in_flight / (perf_counter() - begun)
        transactions = database.transactions.count - transactions
        print(
            f"{in_flight} in flight: {rate:,.0f} durable sets/s, {each * in_flight / transactions:.1f} a commit"
        )
    await database.close()


def main(reactor: Any, folder: str) -> Deferred[None]:
    """What `react` runs."""
    return Deferred.fromCoroutine(measure(reactor, folder))


if __name__ == "__main__":
    with TemporaryDirectory(dir=Path(sys.argv[1]) if sys.argv[1:] else None) as temporary:
        react(main, [temporary])
