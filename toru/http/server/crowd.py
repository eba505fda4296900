"""How many clients may be connected at once, and what becomes of one more."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

import resource
from collections.abc import Callable
from operator import itemgetter

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Server
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.errors import TooManyConnections
from toru.http.problems import problem
from toru.http.server.connection import LINGER_SECONDS, Connection
from toru.http.server.rendering import as_lines, start
from toru.sending import say_no_more

# Ticks that a connection is idle for before it has to make room: on a younger one a request may be on its way.
_RESTED = 2
_RETRY_SECONDS = 2
# Seconds between two log lines about clients that were turned away.
COMPLAIN_AFTER = 60.0

_log = Logger()


def affordable(connections: int) -> int:
    """How many of so many this process has open files for: half of them are for plugins, streams and the database."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(1, files // 2)
    if most < connections:
        _log.warn(
            "{most} clients may be connected, not {wanted}: toru may have {files} files open",
            most=most,
            wanted=connections,
            files=files,
        )
    return min(most, connections)


class Crowd:
    """All connections of a site, `most` at once.

    At the limit the one that has been idle longest makes room, and where none has been, the new one is told so. Beside
    them there may be, for a moment, a tenth as many that were told to go, and as many that are being told of no room.
    """

    def __init__(
        self,
        connections: set[Connection],
        most: int,
        clock: IReactorTime,
        elsewhere: Callable[[], int] = lambda: 0,
    ) -> None:
        """`connections` are kept by the site; so many more are `elsewhere`, and count as well."""
        self.connections = connections
        self.clock = clock
        self.telling = 0
        self._most = most
        self._elsewhere = elsewhere
        self._margin = most // 10 + 1
        # Those that may make room, the one that waits longest last, and since when; None: not looked for in this tick.
        self._idle: list[tuple[int, Connection]] | None = None
        self._refused = 0
        self._complain_at = 0.0

    def has_room(self, ticks: int) -> bool:
        """Whether one more may come. `ticks` are the site's."""
        count = len(self.connections) + self._elsewhere()
        return count < self._most or (count < self._most + self._margin and self.make_room(ticks))

    def tick(self) -> None:
        """Time has gone on: others may be idle now."""
        self._idle = None

    def refuse(self) -> Protocol:
        """Who turns the next client away."""
        self._refused += 1
        now = self.clock.seconds()
        if now >= self._complain_at:
            self._complain_at = now + COMPLAIN_AFTER
            _log.warn(
                "{count} new connections were refused: {most} are in use, which is what `max_connections` allows",
                count=self._refused,
                most=len(self.connections) + self._elsewhere(),
            )
            self._refused = 0
        return _Refusing(self) if self.telling < self._margin else _Dropping()

    def make_room(self, ticks: int) -> bool:
        """Close the one that has been idle longest; whether there is one."""
        if self._idle is None:
            # A look at all, once a second and only at the limit: to keep them in order would cost each request something.
            self._idle = [
                (since, connection)
                for connection in self.connections
                if (since := connection.idle_since) is not None
                and ticks - since >= _RESTED
                and not connection.choked
            ]
            self._idle.sort(key=itemgetter(0), reverse=True)
        while self._idle:
            since, connection = self._idle.pop()
            if connection.idle_since == since:
                connection.close()
                return True
        return False


class _Refusing(Protocol):
    """Tells a client that there is no room, whatever it asks, and drops what it says until it has seen that."""

    transport: Server

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._end: IDelayedCall | None = None

    def connectionMade(self) -> None:
        crowd, transport = self._crowd, self.transport
        crowd.telling += 1
        self._end = crowd.clock.callLater(LINGER_SECONDS, transport.abortConnection)
        transport.write(_answer(int(crowd.clock.seconds())))
        say_no_more(transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._crowd.telling -= 1
        if self._end is not None and self._end.active():
            self._end.cancel()


class _Dropping(Protocol):
    """Closes a connection at once. A factory that made none for it would break those that wrap it, for TLS say."""

    transport: Server

    def connectionMade(self) -> None:
        self.transport.abortConnection()


def _answer(second: int) -> bytes:
    outgoing = problem(
        TooManyConnections("As many clients are connected as may be.", retry_after=_RETRY_SECONDS)
    )
    head = start(outgoing.status, second), as_lines(outgoing.headers), len(outgoing.body)
    return b"%s%scontent-length: %d\r\nconnection: close\r\n\r\n%s" % (*head, outgoing.body)
