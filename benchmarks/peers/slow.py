"""A plugin that is stopped and asked a thousand times, and what that costs another plugin."""

from __future__ import annotations

import os
import signal
import socket
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from http.client import HTTPResponse

from benchmarks.peers import wrk
from benchmarks.peers.client import Refused, asking, readable
from benchmarks.peers.rates import SMALL
from benchmarks.peers.running import Peer
from benchmarks.peers.table import Row

REQUESTS = 1_000
CLIENTS = 32
# Who has not been answered after as long a silence, in seconds, waits.
SILENCE = 2.0

KEPT = f"share of its rate that a plugin keeps beside a stopped one with {REQUESTS:,} requests"
WAITING = f"of these {REQUESTS:,} requests, how many wait"


def measure(peers: Sequence[Peer], *, rounds: int, seconds: int, say: Callable[[str], None]) -> list[Row]:
    """The median of the ratios, each of two measurements that follow each other."""
    kept: dict[str, float | str] = {}
    waiting: dict[str, float | str] = {}
    for peer in peers:
        shares = []
        try:
            for _ in range(rounds):
                quiet = _rate(peer, seconds)
                beside, statuses = _beside(peer, seconds)
                shares.append(beside / quiet)
        except (Refused, wrk.WrkError) as error:
            kept[peer.name] = str(error)
            say(f"{peer.name}: {error}")
            continue
        kept[peer.name] = statistics.median(shares)
        waiting[peer.name] = float(REQUESTS - statuses.total())
        answered = ", ".join(f"{count} answered {status}" for status, count in sorted(statuses.items()))
        say(
            f"{peer.name}: {kept[peer.name]:.3f} of its rate; {waiting[peer.name]:.0f} wait, {answered or 'none answered'}"
        )
    return [Row(KEPT, kept, compared=False), Row(WAITING, waiting, compared=False)]


def _rate(peer: Peer, seconds: int) -> float:
    return wrk.run(peer.url("fast", f"/{SMALL}"), peer.headers, CLIENTS, seconds).rate


def _beside(peer: Peer, seconds: int) -> tuple[float, Counter[int]]:
    """Answers a second of the fast plugin, and how those of the stopped one were answered at once."""
    stopped = peer.plugins["slow"]
    os.kill(stopped, signal.SIGSTOP)
    try:
        with asking(peer, REQUESTS, peer.head("GET", "slow", f"/{SMALL}")) as connections:
            statuses = _answered(connections)
            return _rate(peer, seconds), statuses
    finally:
        os.kill(stopped, signal.SIGCONT)


def _answered(connections: Sequence[socket.socket]) -> Counter[int]:
    left, statuses = set(connections), Counter[int]()
    while came := readable(list(left), SILENCE):
        for connection in came:
            left.remove(connection)
            answer = HTTPResponse(connection)
            answer.begin()
            statuses[answer.status] += 1
    return statuses
