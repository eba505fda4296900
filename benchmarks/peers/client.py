"""A client that costs little beside what it measures: plain sockets, and the kernel's buffers."""

from __future__ import annotations

import io
import select
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPException, HTTPResponse

from benchmarks.peers.running import Peer

# How long anything here is waited for, in seconds.
PATIENCE = 60.0

_PIECE = 2**20


class Refused(Exception):
    """A peer did not do what was asked of it."""


def connected(peer: Peer) -> socket.socket:
    """A connection to it."""
    return socket.create_connection(("127.0.0.1", peer.port), PATIENCE)


@contextmanager
def asking(peer: Peer, count: int, head: bytes) -> Iterator[list[socket.socket]]:
    """So many connections, each of which has sent that; they are closed at the end. Raises Refused."""
    with ExitStack() as stack:
        connections = []
        try:
            for _ in range(count):
                connections.append(stack.enter_context(connected(peer)))
                connections[-1].sendall(head)
        except OSError as error:
            raise Refused(f"after {len(connections)} connections: {error}") from error
        yield connections


def status_of(connection: socket.socket, wanted: int) -> None:
    """Read an answer's head, and its body where it has one. Raises Refused where its status is another."""
    try:
        answer = HTTPResponse(connection)
        answer.begin()
        if answer.status != 101:
            answer.read()
    except (OSError, HTTPException) as error:
        raise Refused(f"no answer: {error!r}") from error
    if answer.status != wanted:
        raise Refused(f"answered {answer.status} {answer.reason}")


def closed(connections: Sequence[socket.socket]) -> int:
    """How many of them the other side has closed."""
    gone = 0
    for connection in readable(connections):
        try:
            gone += not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:
            gone += 1
    return gone


def readable(connections: Sequence[socket.socket], seconds: float = 0.0) -> list[socket.socket]:
    """Those on which something came, waiting so long for the first."""
    poll = select.poll()
    by_number = {connection.fileno(): connection for connection in connections}
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(seconds * 1000)]


def download(peer: Peer, path: str, length: int) -> None:
    """Read so many bytes of an answer, and throw them away. Raises Refused."""
    with connected(peer) as connection:
        try:
            connection.sendall(peer.head("GET", "streams", path))
            answer = HTTPResponse(connection)
            answer.begin()
            if answer.status != 200:
                raise Refused(f"answered {answer.status}: {answer.read(200)!r}")
            discard(answer, connection, length)
        except (OSError, HTTPException) as error:
            raise Refused(repr(error)) from error


def discard(answer: HTTPResponse, connection: socket.socket, length: int) -> None:
    """Read a body of so many bytes, each of them "x". Raises Refused where it is cut.

    Chunks are not taken apart, which would cost more than to read them: only what ends the last of them is looked for.
    """
    view = memoryview(bytearray(_PIECE))
    # What was read together with the head.
    last = answer.fp.read1(io.DEFAULT_BUFFER_SIZE)
    got = read = len(last)
    while got < length or (answer.chunked and not last.endswith(b"0\r\n\r\n")):
        if not read:
            raise Refused(f"{got:,} bytes came instead of {length:,}")
        read = connection.recv_into(view)
        got += read
        last = last[-4:] + bytes(view[max(0, read - 5) : read])


def upload(peer: Peer, path: str, length: int) -> None:
    """Send so many bytes, in whole MiB. Raises Refused where the answer is not their number."""
    piece = b"x" * _PIECE
    headers: Mapping[str, str] = {"Content-Length": str(length), "Content-Type": "application/octet-stream"}
    with connected(peer) as connection:
        try:
            try:
                connection.sendall(peer.head("POST", "streams", path, headers))
                for _ in range(length // _PIECE):
                    connection.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                # It may have been answered early.
                pass
            answer = HTTPResponse(connection)
            answer.begin()
            said = answer.read(200)
        except (OSError, HTTPException) as error:
            raise Refused(repr(error)) from error
    if answer.status != 200 or said != str(length).encode():
        raise Refused(f"answered {answer.status}: {said!r}")
