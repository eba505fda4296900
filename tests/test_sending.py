"""Writing at once, to real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure

from tests.http.fakes import in_reactor
from toru.sending import send_now, unsent

# More than what the two sockets hold.
MUCH = b"0123456789abcdef" * 2**20


class Sender(Protocol):
    def __init__(self) -> None:
        self.made: Deferred[None] = Deferred()
        self.lost: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self.made.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.callback(None)


class Pair:
    """One end of a connection of Twisted's, and the other, which blocks."""

    def __init__(self) -> None:
        self.sender = Sender()
        factory: Any = Factory.forProtocol(lambda: self.sender)
        factory.noisy = False
        network: Any = reactor
        self.port = network.listenTCP(0, factory, interface="127.0.0.1")
        self.client = socket.create_connection(("127.0.0.1", self.port.getHost().port), 10)

    @property
    def transport(self) -> Any:
        return self.sender.transport

    def received(self, length: int) -> bytes:
        """The next so many bytes; fewer where the connection ends before."""
        data = b""
        while len(data) < length and (more := self.client.recv(2**20)):
            data += more
        return data


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.client.close()
    made.transport.abortConnection()
    made.port.stopListening()


@in_reactor
async def test_what_fits_leaves_at_once(pair: Pair) -> None:
    await pair.sender.made
    send_now(pair.transport, b"hello")
    # Read before the reactor has a turn.
    assert pair.client.recv(100) == b"hello"
    assert unsent(pair.transport) == 0


@in_reactor
async def test_what_does_not_fit_follows_in_order(pair: Pair) -> None:
    await pair.sender.made
    send_now(pair.transport, MUCH)
    assert 0 < unsent(pair.transport) < len(MUCH)
    send_now(pair.transport, b"the end")
    received = await deferToThread(pair.received, len(MUCH) + 7)
    assert received == MUCH + b"the end"
    assert unsent(pair.transport) == 0


@in_reactor
async def test_who_has_gone_is_noticed(pair: Pair) -> None:
    await pair.sender.made
    # With something unread, so that the other end is reset.
    pair.transport.write(b"x")
    await deferToThread(pair.client.recv, 1, socket.MSG_PEEK)
    pair.client.close()
    send_now(pair.transport, MUCH)
    send_now(pair.transport, MUCH)
    await pair.sender.lost


def test_nothing_waits_in_what_is_no_socket() -> None:
    assert unsent(object()) == 0
