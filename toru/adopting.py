"""Connections that are there already, with a protocol on the reactor."""

from __future__ import annotations

from socket import socket

from twisted.internet.interfaces import IAddress, IReactorSocket
from twisted.internet.protocol import Protocol, ServerFactory


class _One(ServerFactory):
    """Builds the one protocol that it was made for."""

    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        self._the_one = protocol

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self._the_one


def adopt(reactor: IReactorSocket, connection: socket, protocol: Protocol) -> None:
    """Give a connected socket to a protocol. It is closed here, also where this raises OSError: the reactor has its own."""
    with connection:
        reactor.adoptStreamConnection(connection.fileno(), connection.family, _One(protocol))
