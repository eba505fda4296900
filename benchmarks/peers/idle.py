"""What a connection costs on which nothing happens."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from benchmarks.peers.client import Refused, closed, connected, status_of
from benchmarks.peers.running import Peer
from benchmarks.peers.table import Row

CONNECTIONS = 1_000
WEBSOCKETS = 5_000
WARM = 20

CONNECTION_KIB = f"{CONNECTIONS:,} idle connections, KiB each"
WEBSOCKET_KIB = f"{WEBSOCKETS:,} idle WebSockets, KiB each"

_HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def connections(peers: Sequence[Peer], *, say: Callable[[str], None]) -> Row:
    """After one answer on each, kept alive."""
    return _row(CONNECTION_KIB, peers, CONNECTIONS, lambda peer: peer.head("GET", "fast", "/13"), 200, say)


def websockets(peers: Sequence[Peer], *, say: Callable[[str], None]) -> Row:
    """After the handshake."""
    return _row(
        WEBSOCKET_KIB,
        peers,
        WEBSOCKETS,
        lambda peer: peer.head("GET", "streams", "/websocket", _HANDSHAKE),
        101,
        say,
    )


def _row(
    label: str,
    peers: Sequence[Peer],
    count: int,
    head: Callable[[Peer], bytes],
    status: int,
    say: Callable[[str], None],
) -> Row:
    row = Row(label, {peer.name: _kib_each(peer, count, head(peer), status) for peer in peers})
    say(str(row))
    return row


def _kib_each(peer: Peer, count: int, head: bytes, status: int) -> float | str:
    with ExitStack() as stack:

        def open_one() -> socket.socket:
            opened = stack.enter_context(connected(peer))
            opened.sendall(head)
            status_of(opened, status)
            return opened

        try:
            # What is made once is made before.
            for _ in range(WARM):
                open_one()
            before = peer.memory_kib()
            opened = [open_one() for _ in range(count)]
            after = peer.memory_kib()
        except (Refused, OSError) as error:
            return str(error)
        if gone := closed(opened):
            return f"{gone} of {count} were closed meanwhile"
    return (after - before) / count
