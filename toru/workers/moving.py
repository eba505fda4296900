"""A client that comes from another process."""

from __future__ import annotations

from socket import socket

from twisted.internet.interfaces import IReactorSocket
from twisted.logger import Logger

from toru.adopting import adopt
from toru.http.server.connection import Connection
from toru.workers.messages import Moved

_log = Logger()


def take_over(reactor: IReactorSocket, connection: Connection, moved: Moved, client: socket | None) -> bool:
    """Go on with a client on that connection, which is new. Returns whether there is one: it may have gone meanwhile.

    `client` is None where no file was free for it.
    """
    if client is None:
        _log.warn("a client is lost on its way between two processes: no file was free for it")
        return False
    try:
        adopt(reactor, client, connection)
    except OSError:
        return False
    connection.go_on(moved.unsent, moved.data)
    return True
