"""A link on a clock, over channels that record."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from toru.supervise.channels import Channel, Owner
from toru.supervise.link import Link
from toru.supervise.streampool import Room, Streams
from toru.supervise.traffic import TrafficCounter
from toru.wire.messages import Answer, HttpRequest, Log
from toru.wire.streams import StreamLines

from .fakes import REQUEST, FakeChannel, results

TIMEOUT = 30.0


class Bench:
    """`channels` are those that the link opened, `refusals` how many of the next it does not get."""

    def __init__(self, concurrency: int = 64, *, opened: bool = True) -> None:
        self.clock = Clock()
        self.traffic = TrafficCounter()
        self.channels: list[FakeChannel] = []
        self.refusals = 0
        self.tries: list[float] = []
        self.logs: list[tuple[Log, Deferred[None]]] = []
        self.link = Link("demo", self.clock, self.traffic, request_timeout=TIMEOUT, heard_log=self.heard_log)
        self.streams = Streams(
            "demo",
            self.clock,
            self.traffic,
            Room(1000),
            StreamLines(2**20),
            self.link,
            request_timeout=TIMEOUT,
            idle_timeout=300.0,
        )
        if opened:
            self.link.open(self.connect, concurrency)

    def heard_log(self, message: Log) -> Deferred[None]:
        written: Deferred[None] = Deferred()
        self.logs.append((message, written))
        return written

    def connect(self, owner: Owner) -> Channel:
        self.tries.append(round(self.clock.seconds(), 3))
        if self.refusals:
            self.refusals -= 1
            raise ConnectionRefusedError(111, "Connection refused")
        self.channels.append(FakeChannel(owner))
        return self.channels[-1]

    @property
    def channel(self) -> FakeChannel:
        return self.channels[-1]

    @property
    def timers(self) -> int:
        return len(self.clock.getDelayedCalls())

    def next_timer(self) -> None:
        """Let the time go by until the next timer is due, exactly."""
        due = min(call.getTime() for call in self.clock.getDelayedCalls())
        self.clock.advance(due - self.clock.seconds())

    def ask(self, request: HttpRequest = REQUEST) -> list[object]:
        """A list that gets the answer, or the error."""
        return results(self.link.request(request))

    def answer(self, request_id: str, body: bytes = b"") -> bool:
        return self.link.received(Answer(request_id, 200, (), body))
