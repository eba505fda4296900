"""`python -m benchmarks.peers`: toru and other proxies in turns; the figures go into docs/performance.md.

With peers by name, or anything else on the command line, it is a trial, which writes nothing there:
`python -m benchmarks.peers toru nginx --seconds 1 --rounds 1 --connections 1 32`.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from benchmarks import machine, page
from benchmarks.peers import goals, idle, proxies, rates, slow, streams
from benchmarks.peers.installing import Missing, debian, version
from benchmarks.peers.running import Peer, Plugins, plugins
from benchmarks.peers.table import Row, table
from benchmarks.peers.toru import toru, toru_for_many, toru_on_two

Start = Callable[[Plugins, Path], AbstractContextManager[Peer]]

PEERS: dict[str, Start] = {
    "nginx": proxies.nginx,
    "haproxy": proxies.haproxy,
    "caddy": proxies.caddy,
    "chp": proxies.chp,
    "jupyter": proxies.jupyter,
    "toru": toru,
    "toru2": toru_on_two,
    "direct": proxies.direct,
}
PARTS = ("idle", "rates", "slow", "streams", "websockets")
# jupyter-server-proxy keeps whole bodies in memory, and makes a client of its own for each WebSocket; toru's workers have
# nothing to do with streams.
WITHOUT_STREAMS = ("jupyter", "toru2")


def main() -> None:
    """Start those that are named, and measure them."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("peers", nargs="*", metavar="PEER", help=", ".join(PEERS))
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement with wrk (3)")
    parser.add_argument("--rounds", type=int, default=3, help="whose median counts (3)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="the parts to measure")
    parser.add_argument("--connections", type=int, nargs="+", help="only small answers, on so many")
    given = parser.parse_args()
    if unknown := [name for name in given.peers if name not in PEERS]:
        parser.error(f"there is no peer {unknown[0]}; there are {', '.join(PEERS)}")
    try:
        lines = _report(given)
    except Missing as error:
        sys.exit(str(error))
    print("\n".join(["", *lines]))
    if len(sys.argv) == 1:
        page.write("peers", lines)


def _report(given: argparse.Namespace) -> list[str]:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The client, and what it starts.
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    names = given.peers or list(PEERS)
    versions = [f"wrk {version(debian('wrk', 'wrk'), '-v')}"]
    missing: list[str] = []
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="t")))
        shared = stack.enter_context(plugins(scratch))
        peers = []
        for name in names:
            try:
                peers.append(stack.enter_context(PEERS[name](shared, scratch)))
            except Missing as error:
                if name == "toru":
                    raise
                missing.append(str(error))
        versions += [f"{peer.name} {peer.version}" for peer in peers if peer.version]
        rows = _measured(given, peers, shared, scratch)
    return [
        f"{machine.described()}; {', '.join(versions)}.",
        "",
        *table(rows, [peer.name for peer in peers]),
        "",
        *(f"- Not here: {each}" for each in missing),
        "",
        *goals.told({row.label: row for row in rows}),
    ]


def _measured(given: argparse.Namespace, peers: Sequence[Peer], shared: Plugins, scratch: Path) -> list[Row]:
    rows: list[Row] = []
    proxies_only = [peer for peer in peers if peer.name != "direct"]
    streaming = [peer for peer in peers if peer.name not in WITHOUT_STREAMS]
    if "idle" in given.only:
        # Before anything left memory behind that they could have.
        rows.append(idle.connections(proxies_only, say=_say))
    if "rates" in given.only:
        cases: Sequence[rates.Case] = rates.CASES
        if given.connections:
            cases = [rates.Case(connections, rates.SMALL) for connections in given.connections]
        rows += rates.measure(peers, cases, rounds=given.rounds, seconds=given.seconds, say=_say)
    if "slow" in given.only:
        rows += slow.measure(proxies_only, rounds=given.rounds, seconds=given.seconds, say=_say)
    if "streams" in given.only:
        rows += streams.measure(streaming, rounds=given.rounds, say=_say)
    if "websockets" in given.only:
        rows.append(_websockets([peer for peer in streaming if peer in proxies_only], shared, scratch))
    return rows


def _websockets(peers: Sequence[Peer], shared: Plugins, scratch: Path) -> Row:
    """toru for that is another one, for by default it does not take so many."""
    row = idle.websockets([peer for peer in peers if peer.name != "toru"], say=_say)
    if all(peer.name != "toru" for peer in peers):
        return row
    try:
        with toru_for_many(shared, scratch) as many:
            ours = idle.websockets([many], say=_say).values
    except Missing as error:
        ours = {"toru": str(error)}
    return row._replace(values={**row.values, **ours})


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
