"""A channel over a real socket, whose reactor is the test itself."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent
from twisted.python.failure import Failure

from toru.workers import channel
from toru.workers.channel import Channel, pair


class FakeReactor(Clock):
    """Knows who wants to read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()

    def addReader(self, reader: Any) -> None:
        self.readers.add(reader)

    def addWriter(self, writer: Any) -> None:
        self.writers.add(writer)

    def removeReader(self, reader: Any) -> None:
        self.readers.discard(reader)

    def removeWriter(self, writer: Any) -> None:
        self.writers.discard(writer)

    def go_on(self) -> None:
        """Let all that want to write and read, until nobody does anything any more."""
        for _ in range(100):
            for writer in list(self.writers):
                writer.doWrite()
            for reader in list(self.readers):
                reader.doRead()
            self.advance(0)


class Ends:
    """Both ends, and what `there` heard: messages, and what the other side of a connection says that came with one."""

    def __init__(self) -> None:
        self.reactor = FakeReactor()
        self.heard: list[tuple[bytes, bytes | None]] = []
        self.lost: list[str] = []
        ours, theirs = pair()
        self.here = Channel(self.reactor, ours, self._hear, lambda: self.lost.append("here"))
        self.there = Channel(self.reactor, theirs, self._hear, lambda: self.lost.append("there"))

    def _hear(self, message: bytes, carried: socket.socket | None) -> None:
        if carried is None:
            self.heard.append((message, None))
        else:
            with carried:
                self.heard.append((message, carried.recv(100)))

    @staticmethod
    def carried(says: bytes) -> socket.socket:
        """A connection whose other side said that, and is closed."""
        ours, theirs = socket.socketpair()
        theirs.sendall(says)
        theirs.close()
        return ours


@pytest.fixture
def ends() -> Iterator[Ends]:
    both = Ends()
    yield both
    both.here.close()
    both.there.close()


def test_messages_come_whole_and_in_their_order(ends: Ends) -> None:
    messages = [b"one", b"x" * 1_000_000, b"", b"three", b"y" * 64 * 1024]
    for message in messages:
        ends.here.send(message)
    ends.reactor.go_on()
    assert [message for message, _ in ends.heard] == messages


def test_a_connection_comes_with_its_message_and_is_closed_here(ends: Ends) -> None:
    clients = [ends.carried(b"client %d" % number) for number in range(5)]
    for number, client in enumerate(clients):
        ends.here.send(b"x" * number * 100_000, client)
        ends.here.send(b"between")
    ends.reactor.go_on()
    assert [said for message, said in ends.heard if message != b"between"] == [
        b"client %d" % number for number in range(5)
    ]
    assert all(said is None for message, said in ends.heard if message == b"between")
    assert [client.fileno() for client in clients] == [-1] * 5


def test_where_no_file_is_free_a_connection_is_lost_and_the_next_is_not_mistaken_for_it(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel drops what it finds no number for, and says so with the packet."""
    real, dropped = socket.recv_fds, [True, False]

    def short(*arguments: Any) -> Any:
        packet, descriptors, flags, address = real(*arguments)
        if descriptors and dropped.pop(0):
            for descriptor in descriptors:
                os.close(descriptor)
            return packet, [], flags | socket.MSG_CTRUNC, address
        return packet, descriptors, flags, address

    monkeypatch.setattr(socket, "recv_fds", short)
    ends.here.send(b"first", ends.carried(b"of the first"))
    ends.here.send(b"second", ends.carried(b"of the second"))
    ends.reactor.go_on()
    assert ends.heard == [(b"first", None), (b"second", b"of the second")]


def test_the_end_is_told_to_the_other_side_once(ends: Ends) -> None:
    ends.here.send(b"last")
    ends.here.close()
    ends.reactor.go_on()
    assert ends.heard == [(b"last", None)]
    assert ends.lost == ["there"]
    ends.there.connectionLost(Failure(ConnectionError()))
    assert ends.lost == ["there"]
    assert (ends.reactor.readers, ends.reactor.writers) == (set(), set())
    assert (ends.here.fileno(), ends.there.fileno()) == (-1, -1)


def test_what_is_sent_when_it_is_closed_goes_nowhere_and_is_closed(ends: Ends) -> None:
    ends.here.close()
    client = ends.carried(b"late")
    ends.here.send(b"late", client)
    assert client.fileno() == -1
    ends.reactor.go_on()
    assert ends.heard == []


def test_a_side_that_does_not_read_is_given_up_and_nothing_is_left_open(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "MOST_WAITING", 2**20)
    clients = []
    for _ in range(100):
        clients.append(ends.carried(b"client"))
        ends.here.send(b"x" * 50_000, clients[-1])
    assert ends.lost == ["here"]
    assert {client.fileno() for client in clients} == {-1}
    assert ends.here.waiting <= 2**20 + 60_000


def test_a_side_that_reads_late_gets_all(ends: Ends) -> None:
    for number in range(100):
        ends.here.send(b"%d" % number * 10_000)
    assert ends.here.waiting > 0
    ends.reactor.go_on()
    assert len(ends.heard) == 100
    assert ends.here.waiting == 0
    assert ends.reactor.writers == set()


def test_a_message_that_cannot_be_sent_is_the_end_in_a_turn_of_its_own(ends: Ends) -> None:
    ends.there.close()
    ends.here.send(b"to nobody")
    assert ends.lost == []
    ends.reactor.advance(0)
    assert ends.lost == ["here"]


@pytest.mark.parametrize("error", [errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM])
def test_what_the_system_has_no_room_for_is_sent_later_and_in_its_order(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    real = socket.send_fds

    def full(*arguments: Any) -> Any:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(socket, "send_fds", full)
    ends.here.send(b"first", ends.carried(b"of the first"))
    ends.here.send(b"second")
    ends.reactor.go_on()
    assert (ends.heard, ends.lost, ends.reactor.writers) == ([], [], set())
    ends.reactor.advance(0.05)
    ends.reactor.go_on()
    assert ends.heard == []
    monkeypatch.setattr(socket, "send_fds", real)
    ends.reactor.advance(0.05)
    ends.reactor.go_on()
    assert ends.heard == [(b"first", b"of the first"), (b"second", None)]
    assert ends.reactor.getDelayedCalls() == []


def test_a_fault_of_who_hears_costs_one_message(ends: Ends, logged: Sequence[LogEvent]) -> None:
    heard: list[bytes] = []

    def hear(message: bytes, _: object) -> None:
        if message == b"bad":
            raise ValueError("a fault of ours")
        heard.append(message)

    ends.there._hear = hear
    for message in (b"one", b"bad", b"two"):
        ends.here.send(message)
    ends.reactor.go_on()
    assert heard == [b"one", b"two"]
    assert ends.lost == []
    assert "could not be dealt with" in str(logged)


def test_whoever_closes_it_while_it_is_heard_hears_nothing_more(ends: Ends) -> None:
    heard: list[bytes] = []

    def hear(message: bytes, _: object) -> None:
        heard.append(message)
        ends.there.close()

    ends.there._hear = hear
    ends.here.send(b"one")
    ends.here.send(b"two")
    ends.reactor.go_on()
    assert heard == [b"one"]
