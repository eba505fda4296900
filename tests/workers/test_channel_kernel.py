"""A channel on the real reactor, and what the kernel does with a connection for which no file is free."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from toru.workers.channel import Channel, pair


class Ends:
    """Both ends, and what `there` heard of how many messages it waits for."""

    def __init__(self, expected: int) -> None:
        self.heard: list[tuple[bytes, bytes | None]] = []
        self.lost: list[str] = []
        self.all: Deferred[None] = Deferred()
        self.over: Deferred[None] = Deferred()
        self._expected = expected
        ours, theirs = pair()
        self.here = Channel(reactor, ours, self._hear, lambda: self.lost.append("here"))
        self.there = Channel(reactor, theirs, self._hear, self._lost)

    def _lost(self) -> None:
        self.lost.append("there")
        self.over.callback(None)

    def _hear(self, message: bytes, carried: socket.socket | None) -> None:
        said = None
        if carried is not None:
            with carried:
                said = carried.recv(100)
        self.heard.append((message, said))
        if len(self.heard) == self._expected:
            self.all.callback(None)

    def close(self) -> None:
        self.here.close()
        self.there.close()


def client(says: bytes) -> socket.socket:
    ours, theirs = socket.socketpair()
    theirs.sendall(says)
    theirs.close()
    return ours


@contextmanager
def ends(expected: int) -> Iterator[Ends]:
    both = Ends(expected)
    try:
        yield both
    finally:
        both.close()


async def test_many_messages_of_all_sizes_with_connections_and_without() -> None:
    sizes = [0, 1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 128 * 1024, 3_000_000, 5]
    wanted = [
        (bytes([number % 256]) * size, b"client %d" % number if number % 3 else None)
        for number, size in enumerate(sizes * 5)
    ]
    with ends(len(wanted)) as both:
        clients = [None if said is None else client(said) for _, said in wanted]
        for (message, _), carried in zip(wanted, clients, strict=True):
            both.here.send(message, carried)
        await both.all
        assert both.heard == wanted
        assert {carried.fileno() for carried in clients if carried is not None} == {-1}
        assert both.here.waiting == 0


async def test_an_end_is_heard_behind_all_that_was_sent_and_once() -> None:
    with ends(2) as both:
        both.here.send(b"one")
        both.here.send(b"x" * 100_000)
        both.here.close()
        await both.over
        assert [len(message) for message, _ in both.heard] == [3, 100_000]
        assert both.lost == ["there"]
        assert both.there.fileno() == -1
        late = client(b"late")
        both.there.send(b"late", late)
        assert late.fileno() == -1


@contextmanager
def no_file_free() -> Iterator[None]:
    """All files that this process may have are open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 20, hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        while True:
            try:
                descriptor = os.dup(0)
            except OSError:
                break
            stack.callback(os.close, descriptor)
        yield


@pytest.mark.parametrize("size", [5, 200_000])
def test_a_connection_for_which_no_file_is_free_is_lost_and_no_other(size: int) -> None:
    heard: list[tuple[int, Any]] = []
    ours, theirs = pair()

    def hear(message: bytes, carried: socket.socket | None) -> None:
        heard.append((len(message), None if carried is None else carried.recv(100)))
        if carried is not None:
            carried.close()

    here = Channel(reactor, ours, hear, lambda: None)
    there = Channel(reactor, theirs, hear, lambda: heard.append((-1, "lost")))
    try:
        clients = [client(b"first"), client(b"second")]
        here.send(b"x" * size, clients[0])
        here.doWrite()
        with no_file_free():
            there.doRead()
        for _ in range(20):
            there.doRead()
            here.doWrite()
        here.send(b"next", clients[1])
        for _ in range(20):
            here.doWrite()
            there.doRead()
        assert heard == [(size, None), (4, b"second")]
    finally:
        here.close()
        there.close()
