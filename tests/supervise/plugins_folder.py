"""A plugins folder on disk and a Discovery that looks at it, for tests that answer in place of the files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from toru.supervise.discovery import Discovery
from toru.supervise.registry import Decision


def saying(id: str, route: str | None = None) -> bytes:
    return json.dumps({"id": id, "name": id, "version": "1", "route": route or f"/{id}"}).encode()


class World:
    """A folder, a Discovery, and the files that wait for the test to answer for them."""

    def __init__(self, tmp_path: Path, max_asking: int = 2) -> None:
        self.folder = tmp_path / "plugins"
        self.folder.mkdir(exist_ok=True)
        self.cache = tmp_path / "discovery.json"
        self.max_asking = max_asking
        self.clock = Clock()
        self.asked: list[str] = []
        self.cancelled: list[str] = []
        self.open: dict[str, Deferred[bytes]] = {}
        self.at_once: Callable[[str], bytes] | None = None
        self.unsettled: frozenset[str] = frozenset()
        self.being_written: frozenset[str] = frozenset()
        self.published: list[tuple[Decision, Decision]] = []
        self.slow_disk: list[Callable[[], None]] | None = None
        self.writes = 0
        self.version = 0
        self.discovery = self.start_again()

    def start_again(self) -> Discovery:
        self.discovery = Discovery(
            folder=self.folder,
            cache=self.cache,
            clock=self.clock,
            ask=self.ask,
            max_asking=self.max_asking,
            in_thread=self.in_thread,
            unsettled=lambda by_hand: self.being_written if by_hand else self.unsettled,
            publish=lambda before, after: self.published.append((before, after)),
        )
        return self.discovery

    def ask(self, path: Path) -> Deferred[bytes]:
        name = path.name
        self.asked.append(name)
        answer: Deferred[bytes] = Deferred(lambda _: self.cancelled.append(name))
        self.open[name] = answer
        if self.at_once is not None:
            self.answer(name, self.at_once(name))
        return answer

    def answer(self, name: str, output: bytes) -> None:
        self.open.pop(name).callback(output)

    def fail(self, name: str, error: Exception) -> None:
        self.open.pop(name).errback(Failure(error))

    def in_thread(self, work: Callable[[], None]) -> Deferred[None]:
        done: Deferred[None] = Deferred()

        def run() -> None:
            self.writes += 1
            try:
                work()
            except OSError:
                done.errback()
            else:
                done.callback(None)

        if self.slow_disk is None:
            run()
        else:
            self.slow_disk.append(run)
        return done

    def file(self, name: str, mode: int = 0o755) -> Path:
        """Write a file, in another version than any that was there."""
        self.version += 1
        path = self.folder / name
        path.write_bytes(b"#!")
        path.chmod(mode)
        os.utime(path, ns=(self.version, self.version))
        return path

    def look(self, again: bool = False) -> list[Any]:
        results: list[Any] = []
        self.discovery.look(again=again).addBoth(results.append)
        return results

    def known(self, *names: str) -> World:
        """These files are there, have answered with their name as id, and are saved."""
        self.at_once = lambda name: saying(name.removesuffix(".binary"))
        for name in names:
            self.file(name)
        self.look()
        self.at_once = None
        self.clock.advance(1)
        self.asked.clear()
        self.published.clear()
        return self

    @property
    def ids(self) -> list[str]:
        return sorted(self.discovery.decision.plugins)

    @property
    def problems(self) -> dict[str, str]:
        return {problem.file: problem.error for problem in self.discovery.decision.problems}
