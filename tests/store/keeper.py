"""A program that uses a database until it is killed or the disk is full; run as `command` says.

    keeper.py write URL PREFIX       32 writers, each acknowledged write a line on standard output
    keeper.py fill URL ROOM          until the disk is full, then with room again; what happened as JSON
    keeper.py open URL               only opens it
    keeper.py open-as-nobody URL     likewise; what root may do, it gives up

ROOM is the path of a file that takes room and may be removed, or `quota`: then no file may grow further.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from itertools import count
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from toru.config import KvLimits
from toru.errors import ToruError
from toru.store.database import Database
from toru.store.kv import KeyValues

WRITERS = 32
NOBODY = 65534


def command(*arguments: str) -> list[str]:
    """By its path: where tests run, this package need not be on Python's."""
    return [sys.executable, __file__, *arguments]


def say(line: str) -> None:
    """At once: what is said must not wait in a buffer that dies with the process."""
    os.write(1, f"{line}\n".encode())


async def write(reactor: Any, url: str, prefix: str) -> None:
    database = Database(url, reactor)
    database.open()
    kv = KeyValues(database, reactor, KvLimits())

    async def keep_writing(writer: int) -> None:
        for number in count():
            key, value = f"{writer}-{number % 50}", f"{prefix}-{number:08}"
            await kv.set("p", key, value)
            say(f"{key} {value}")

    await gatherResults([Deferred.fromCoroutine(keep_writing(writer)) for writer in range(WRITERS)])


async def fill(reactor: Any, url: str, room: str) -> None:
    database = Database(url, reactor)
    database.open()
    kv = KeyValues(database, reactor, KvLimits())
    kept: list[str] = []
    await kv.set("p", "first", "x")
    if room == "quota":
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, resource.RLIM_INFINITY))
    told = ""
    for number in range(2000):
        try:
            await kv.set("p", f"k{number}", "x" * 50_000)
        except ToruError as error:
            told = error.code
            break
        kept.append(f"k{number}")
    while_full = await kv.get("p", "first")
    if room == "quota":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        Path(room).unlink()
    await kv.set("p", "last", "y")
    lost = [key for key in kept if await kv.get("p", key) is None]
    with_room = await kv.get("p", "last")
    await database.close()
    say(json.dumps([told, len(kept) > 0, lost, while_full, with_room]))


def only_open(url: str, *, as_nobody: bool) -> None:
    from twisted.internet import reactor

    database = Database(url, reactor)
    if as_nobody and os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    database.open()
    database.give_up()
    say("open")


def main(reactor: Any, action: str, *arguments: str) -> Deferred[None]:
    """What `react` runs."""
    return Deferred.fromCoroutine({"write": write, "fill": fill}[action](reactor, *arguments))


if __name__ == "__main__":
    if sys.argv[1].startswith("open"):
        only_open(sys.argv[2], as_nobody=sys.argv[1] == "open-as-nobody")
    else:
        react(main, sys.argv[1:])
