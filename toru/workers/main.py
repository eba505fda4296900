"""A worker process: where its parts are put together. `toru.workers.hired` starts it."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

import gc
import importlib
import socket
from ipaddress import ip_network
from typing import Any

from msgspec import json
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogBeginner
from zope.interface import implementer

from toru.access.known import Known
from toru.store.logtable import cut_fields
from toru.supervise.dial import Dialler
from toru.supervise.spawn import raise_open_files
from toru.wire.messages import Log
from toru.workers.channel import Channel
from toru.workers.hired import CHANNEL
from toru.workers.messages import (
    Begin,
    Ended,
    Finished,
    Granted,
    Keys,
    MakeRoom,
    Moved,
    Noted,
    Offered,
    Ready,
    Reports,
    Routes,
    Said,
    Spoke,
    Stop,
    ToCore,
    Withdrawn,
    Written,
    encode,
    to_worker,
)
from toru.workers.moving import take_over
from toru.workers.plugins import AskedPlugins
from toru.workers.site import LentConnection, WorkerSite

# How often the core hears what was done, and that there is life.
_REPORT_SECONDS = 0.5
# How long a line for the access log waits for others, and how many bytes of them wait for none.
_LINES_SECONDS = 0.2
_LINES_BYTES = 64 * 1024
# Bytes that may wait for the core to read before plugins may say no more than they have begun.
_CHOKED_BYTES = 8 * 2**20


class Lines:
    """Lines for the access log, on their way to the core. As `http.server.logged.Lines`."""

    def __init__(self, clock: Any, tell: Any) -> None:
        self.clock = clock
        self._tell = tell
        self._lines: list[bytes] = []
        self._bytes = 0
        self._timer: Any = None

    def add(self, line: bytes) -> None:
        """Take a line, with its newline."""
        self._lines.append(line)
        self._bytes += len(line)
        if self._bytes >= _LINES_BYTES:
            self.flush()
        elif self._timer is None:
            self._timer = self.clock.callLater(_LINES_SECONDS, self.flush)

    def flush(self) -> None:
        """Send what there is."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if self._lines:
            lines, self._lines, self._bytes = self._lines, [], 0
            self._tell(Noted(b"".join(lines)))


@implementer(ILogObserver)
class Worker:
    """What the core says becomes what it does. As `workers.plugins.Desk` it is what its plugins share."""

    def __init__(self, reactor: Any, end: socket.socket) -> None:
        # Any: Twisted has no one interface for a reactor that can do everything.
        self.clock = reactor
        self.number = 0
        self.max_message_bytes = 0
        self.dial = Dialler(reactor)
        self._reactor = reactor
        self._known = Known(reactor)
        self._plugins = AskedPlugins(self)
        self._site: WorkerSite | None = None
        self._lines: Lines | None = None
        self._reporting = LoopingCall(self._report)
        self._reporting.clock = reactor
        self._ended = 0
        self._said = 0
        self._unwritten: dict[int, Deferred[None]] = {}
        self._channel = Channel(reactor, end, self._hear, self._over)
        globalLogBeginner.beginLoggingTo([self])

    @property
    def choked(self) -> bool:
        """Whether the core has to read before plugins may say more."""
        return self._channel.waiting > _CHOKED_BYTES

    # -- what it tells

    def tell(self, message: ToCore) -> None:
        """Tell the core."""
        self._channel.send(encode(message))

    def said(self, share: int, log: Log) -> Deferred[None]:
        """A plugin wrote that. Fires when it is safe."""
        self._said += 1
        fields = cut_fields(log.fields)
        encoded = None if fields is None else json.encode(fields)
        self.tell(Said(share, self._said, log.level, log.message, encoded))
        written: Deferred[None] = Deferred()
        self._unwritten[self._said] = written
        return written

    def __call__(self, event: LogEvent) -> None:
        # What is logged here stands in the core's log.
        level: LogLevel = event.get("log_level", LogLevel.info)
        text = formatEvent(event)
        if "log_failure" in event:
            text = f"{text}\n{event['log_failure'].getTraceback()}"
        self.tell(Spoke(level.name, event.get("log_namespace", "toru.workers"), text))

    def _report(self) -> None:
        self.tell(Reports(self._plugins.reports()))

    def _lost_one(self) -> None:
        self._ended += 1
        if self._ended == 1:
            # Of many that end together the core hears once.
            self._reactor.callLater(0, self._tell_ended)

    def _tell_ended(self) -> None:
        count, self._ended = self._ended, 0
        self.tell(Ended(count))

    def _give_back(self, client: socket.socket, unsent: bytes, data: bytes) -> None:
        self._channel.send(encode(Moved(unsent, data)), client)

    # -- what it is told

    def _hear(self, data: bytes, carried: socket.socket | None) -> None:
        match to_worker.decode(data):
            case Moved() as moved:
                self._take(moved, carried)
            case Keys(ring, added, removed):
                (self._known.sessions if ring == "sessions" else self._known.tokens).change(added, removed)
            case Routes(plugins):
                self._plugins.route(plugins)
            case Offered() as offered:
                self._plugins.offer(offered)
            case Granted() as granted:
                self._plugins.grant(granted)
            case Withdrawn(share):
                self._plugins.withdraw(share)
            case Written(number):
                self._unwritten.pop(number).callback(None)
            case MakeRoom():
                self._serving.make_room()
            case Begin() as begin:
                self._begin(begin)
            case Stop():
                self._stop()

    @property
    def _serving(self) -> WorkerSite:
        assert self._site is not None  # `Begin` comes first
        return self._site

    def _begin(self, begin: Begin) -> None:
        self.number = begin.number
        self.max_message_bytes = begin.max_message_bytes
        if begin.access_log:
            self._lines = Lines(self._reactor, self.tell)
        self._site = WorkerSite(
            self._reactor,
            self._known,
            self._plugins.find,
            begin.max_body_bytes,
            [ip_network(network) for network in begin.trusted_proxies],
            self._lines,
            ended=self._lost_one,
            give_back=self._give_back,
        )
        self._reporting.start(_REPORT_SECONDS)
        # As in the core.
        gc.freeze()
        self.tell(Ready())

    def _take(self, moved: Moved, carried: socket.socket | None) -> None:
        if not take_over(self._reactor, LentConnection(self._serving), moved, carried):
            self._lost_one()

    def _stop(self) -> None:
        self._serving.begin_stop()
        self._serving.drained().addCallback(lambda _: self._finished())

    def _finished(self) -> None:
        self._report()
        if self._lines is not None:
            self._lines.flush()
        self.tell(Finished())

    def _over(self) -> None:
        """The core is gone, or wants nothing more."""
        self._reactor.stop()


def main() -> None:
    """Serve until the other end of the channel is closed."""
    # Any: it takes a reactor that can do everything, for which Twisted has no one interface.
    reactor: Any = importlib.import_module("twisted.internet.reactor")
    raise_open_files()
    end = socket.socket(fileno=CHANNEL)
    end.set_inheritable(False)
    Worker(reactor, end)
    reactor.run(installSignalHandlers=False)


if __name__ == "__main__":
    main()
