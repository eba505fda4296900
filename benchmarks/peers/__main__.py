"""`python -m benchmarks.peers [PEER ...]`: without names all peers, and the figures go into docs/performance.md."""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.peers import proxies, rates
from benchmarks.peers.running import plugins
from benchmarks.peers.toru import toru

PEERS = {
    "direct": proxies.direct,
    "nginx": proxies.nginx,
    "haproxy": proxies.haproxy,
    "caddy": proxies.caddy,
    "toru": toru,
}


def main() -> None:
    """Start those that are named, and measure them in turns."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("peers", nargs="*", metavar="PEER", help=", ".join(PEERS))
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement (default 3)")
    parser.add_argument("--rounds", type=int, default=3, help="whose median counts (default 3)")
    parser.add_argument(
        "--connections", type=int, nargs="*", help="only rates of small answers, with so many connections"
    )
    given = parser.parse_args()
    cases = rates.CASES
    if given.connections:
        cases = tuple(rates.Case(connections, rates.SMALL) for connections in given.connections)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="t")))
        shared = stack.enter_context(plugins(scratch))
        running = [stack.enter_context(PEERS[name](shared, scratch)) for name in given.peers or PEERS]
        rates.measure(running, cases, rounds=given.rounds, seconds=given.seconds, scratch=scratch, say=print)


if __name__ == "__main__":
    main()
