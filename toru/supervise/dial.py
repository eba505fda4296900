"""A connection to a plugin's Unix socket, at once or not at all.

Connecting to a Unix socket never waits for a network: it works, or fails, in the call itself. Twisted's
connectUNIX treats a full backlog (EAGAIN) like a connection under way; here it is an error as any other.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
from contextlib import suppress
from pathlib import Path
from typing import Protocol as Interface

from twisted.internet.interfaces import IReactorSocket
from twisted.internet.protocol import Protocol

from toru.adopting import adopt


class Dial(Interface):
    """How plugins' sockets are reached."""

    def __call__(self, path: str, protocol: Protocol) -> None:
        """Connect `protocol` to the socket at `path`, or raise OSError."""

    def is_listening(self, path: str) -> bool:
        """Whether somebody listens on the socket at `path`, told where possible without disturbing who does."""


class Dialler:
    """A `Dial` whose connections live on a reactor."""

    def __init__(self, reactor: IReactorSocket) -> None:
        self._reactor = reactor

    def __call__(self, path: str, protocol: Protocol) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        with connection:
            if error := connection.connect_ex(path):
                raise OSError(error, os.strerror(error), path)
            adopt(self._reactor, connection, protocol)

    def is_listening(self, path: str) -> bool:
        """True also where the system does not say."""
        try:
            table = Path("/proc/net/unix").read_bytes()
        except OSError:
            return True
        # Num RefCount Protocol Flags Type St Inode Path; the flag is __SO_ACCEPTCON of linux/net.h.
        end = b" " + os.fsencode(path)
        if any(line.endswith(end) and int(line.split()[3], 16) & 0x10000 for line in table.splitlines()):
            return True
        # The table has what was bound in this network namespace, by the name that was bound; what came to its
        # place in another way shows in a connection alone, which disturbs nobody where nobody listens.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as connection:
            return connection.connect_ex(path) in (0, errno.EAGAIN)


def remove_socket(path: str | os.PathLike[str]) -> None:
    """Remove what a plugin left where its socket was, whatever it made of it."""
    with suppress(OSError):
        os.unlink(path)
        return
    shutil.rmtree(path, ignore_errors=True)
