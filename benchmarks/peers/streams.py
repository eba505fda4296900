"""One large body up and one down: how fast, and how much memory it takes."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import psutil

from benchmarks.peers.client import Refused, download, upload
from benchmarks.peers.running import Peer
from benchmarks.peers.table import Row

LENGTH = 2**30
MIB = 2**20

UP, DOWN = "1 GiB up, MiB/s", "1 GiB down, MiB/s"
GREW_UP, GREW_DOWN = "1 GiB up, growth of its memory in MiB", "1 GiB down, growth of its memory in MiB"

_WAYS: tuple[tuple[str, str, Callable[[Peer, int], None]], ...] = (
    (UP, GREW_UP, lambda peer, length: upload(peer, "/up", length)),
    (DOWN, GREW_DOWN, lambda peer, length: download(peer, f"/down/{length}", length)),
)


def measure(peers: Sequence[Peer], *, rounds: int, say: Callable[[str], None]) -> list[Row]:
    """Medians over the rounds, in turns; of memory the most in any of them."""
    rows = []
    for rate_label, grew_label, stream in _WAYS:
        rates: dict[str, list[float]] = {peer.name: [] for peer in peers}
        grown: dict[str, list[float]] = {peer.name: [] for peer in peers}
        failed: dict[str, str] = {}
        for turn in range(rounds):
            for peer in peers:
                if peer.name in failed:
                    continue
                try:
                    if not turn:
                        # What is made once is made before.
                        stream(peer, MIB)
                    with _growth(peer) as grew:
                        began = time.perf_counter()
                        stream(peer, LENGTH)
                        took = time.perf_counter() - began
                except Refused as error:
                    failed[peer.name] = str(error)
                    continue
                rates[peer.name].append(LENGTH / MIB / took)
                grown[peer.name] += grew
        rate = Row(
            rate_label, {name: failed.get(name) or statistics.median(all) for name, all in rates.items()}
        )
        # The plugin alone has no proxy whose memory could grow.
        grew_row = Row(
            grew_label,
            {peer.name: max(grown[peer.name]) for peer in peers if peer.processes() and grown[peer.name]},
            compared=False,
        )
        rows += [rate, grew_row]
        say(str(rate))
        say(str(grew_row))
    return rows


@contextmanager
def _growth(peer: Peer) -> Iterator[list[float]]:
    """In MiB what its processes had at the most over what they had before; filled at the end."""
    processes = peer.processes()
    before = most = _resident(processes)
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.02):
            most = max(most, _resident(processes))

    watcher = threading.Thread(target=watch)
    watcher.start()
    grew: list[float] = []
    try:
        yield grew
    finally:
        done.set()
        watcher.join()
        grew.append((max(most, _resident(processes)) - before) / MIB)


def _resident(processes: Sequence[psutil.Process]) -> float:
    return float(sum(process.memory_info().rss for process in processes))
