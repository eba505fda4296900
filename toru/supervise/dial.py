"""A connection to a plugin's Unix socket, at once or not at all.

Connecting to a Unix socket never waits for a network: it works, or fails, in the call itself. Twisted's
connectUNIX treats a full backlog (EAGAIN) like a connection under way; here it is an error as any other.
"""

from __future__ import annotations

import os
import socket
from typing import Protocol as Interface

from twisted.internet.interfaces import IAddress, IReactorSocket
from twisted.internet.protocol import Protocol, ServerFactory


class Dial(Interface):
    """How a connection is made: `protocol` is connected to the socket at `path`, or OSError is raised."""

    def __call__(self, path: str, protocol: Protocol) -> None: ...


class _One(ServerFactory):
    """Builds the one protocol that it was made for."""

    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        self._the_one = protocol

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self._the_one


def dialler(reactor: IReactorSocket) -> Dial:
    """A `Dial` whose connections live on that reactor."""

    def dial(path: str, protocol: Protocol) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        with connection:  # the reactor adopts a duplicate
            if error := connection.connect_ex(path):
                raise OSError(error, os.strerror(error), path)
            reactor.adoptStreamConnection(connection.fileno(), socket.AF_UNIX, _One(protocol))

    return dial
