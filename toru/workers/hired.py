"""One worker, as the core sees it: its process, the channel to it, and what it has in hand."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from socket import socket
from typing import Any, Protocol as Interface

from msgspec import DecodeError
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.process import Process
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.supervise.spawn import Spawner, describe_end
from toru.supervise.waiting import Waiting
from toru.workers.channel import Channel, pair
from toru.workers.messages import Ended, Moved, ToCore, ToWorker, encode, to_core

# The descriptor of its end of the channel in a worker.
CHANNEL = 3
# Looks, of which there is one a second, without a sign of life between them, after which no more clients are lent to it,
# and after which it is replaced; signs come twice a second. Counted, because a clock may jump, and we may be stopped.
DOUBTFUL_LOOKS = 2
SILENT_LOOKS = 10
# And how many it may take to begin; and how many seconds to end once it is told.
BEGIN_LOOKS = 60
END_SECONDS = 2.0
# Bytes of a line of its standard error that are logged.
_LINE = 1000


class Office(Interface):
    """Whom it reports to."""

    def heard(self, worker: Hired, message: ToCore, carried: socket | None, /) -> None:
        """It said something."""

    def gone(self, worker: Hired, why: str, /) -> None:
        """Its process has ended, and with it its connections."""


class Hired(ProcessProtocol):
    """A process that is started when this is made."""

    transport: Process

    def __init__(self, number: int, reactor: Any, spawner: Spawner, office: Office) -> None:
        """Raises OSError where it cannot be started."""
        self.number = number
        self.ready = False
        # The connections that it has.
        self.connections = 0
        self.began_at = reactor.seconds()
        self._looks = 0
        self._reactor = reactor
        self._office = office
        self._log = Logger(namespace="toru.workers")
        self._errors = b""
        self._why: str | None = None
        # Its process has ended.
        self.over = False
        self._waiting = Waiting()
        ours, theirs = pair()
        self._channel = Channel(reactor, ours, self._hear, self._lost)
        try:
            spawner.spawn(
                self,
                [sys.executable, "-P", "-m", "toru.workers.main"],
                # What this process can import, the other can.
                {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                descriptors={CHANNEL: theirs.fileno()},
            )
        except OSError:
            self._channel.close()
            raise
        finally:
            theirs.close()

    def tell(self, message: ToWorker, carried: socket | None = None) -> None:
        """Say something, and leave a connection to it."""
        if isinstance(message, Moved):
            self.connections += 1
        self._channel.send(encode(message), carried)

    def is_fresh(self) -> bool:
        """Whether it takes connections, and has said so of late."""
        return self.ready and self._looks <= DOUBTFUL_LOOKS

    def look(self) -> None:
        """A second has passed: replace it where it is silent."""
        self._looks += 1
        if self._looks > (SILENT_LOOKS if self.ready else BEGIN_LOOKS):
            self.kill(f"nothing was heard of it for {self._looks - 1} s")

    def kill(self, why: str) -> None:
        """End it now."""
        self._why = self._why or why
        # Its process may have ended or not: whoever is lent to it now would be lost.
        self.ready = False
        self._channel.close()
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess(signal.SIGKILL)

    def end(self) -> Deferred[None]:
        """Fires once it has ended, by itself or killed after 2 s."""
        if self.over:
            return succeed(None)
        self._why = "it was told to end"
        self._channel.close()
        late = self._reactor.callLater(END_SECONDS, self.kill, "it did not end")
        return self._waiting.when(lambda: self.over).addCallback(lambda _: late.active() and late.cancel())

    # -- the channel

    def _hear(self, data: bytes, carried: socket | None) -> None:
        self._looks = 0
        try:
            message = to_core.decode(data)
        except DecodeError as error:
            if carried is not None:
                carried.close()
            self.kill(f"it cannot be understood: {error}")
            return
        if isinstance(message, Ended):
            self.connections = max(0, self.connections - message.count)
        else:
            self._office.heard(self, message, carried)

    def _lost(self) -> None:
        # Its process has ended, most likely, and how that says more.
        self.kill("")

    # -- the process

    def outReceived(self, data: bytes) -> None:
        self.errReceived(data)

    def errReceived(self, data: bytes) -> None:
        # What it logs comes by the channel; this is what Python says where it gets no further.
        *lines, self._errors = (self._errors + data).split(b"\n")
        self._errors = self._errors[-_LINE:]
        for line in lines:
            self._log.warn(
                "worker {number}: {line}",
                number=self.number,
                line=line[:_LINE].decode("utf-8", "backslashreplace"),
            )

    def processExited(self, reason: Failure) -> None:
        if self.over:
            return
        self.over = True
        self._channel.close()
        self.ready = False
        self.connections = 0
        _, _, how = describe_end(reason)
        self._office.gone(self, self._why or how)
        self._waiting.look()
