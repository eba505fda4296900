"""A worker as the core sees it, over a real channel whose other end is the test; its process is none."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import pytest
from msgspec import msgpack
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.logger import LogEvent
from twisted.python.failure import Failure

from toru.workers.hired import BEGIN_LOOKS, CHANNEL, DOUBTFUL_LOOKS, END_SECONDS, SILENT_LOOKS, Hired
from toru.workers.messages import Ended, Moved, Ready, Reports, Stop, ToCore, encode, to_worker

from .test_channel import FakeReactor


class Process:
    """Remembers the signals that it got."""

    def __init__(self) -> None:
        self.signals: list[signal.Signals] = []
        self.gone = False

    def signalProcess(self, number: int) -> None:
        if self.gone:
            raise ProcessExitedAlready
        self.signals.append(signal.Signals(number))


class FakeSpawner:
    """Starts nothing, and keeps the other end of the channel."""

    def __init__(self) -> None:
        self.process = Process()
        self.error: OSError | None = None
        self.end: socket.socket | None = None

    def spawn(
        self,
        protocol: Any,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        descriptors: Mapping[int, int],
    ) -> None:
        if self.error is not None:
            raise self.error
        assert list(descriptors) == [CHANNEL]
        with socket.socket(fileno=descriptors[CHANNEL]) as theirs:
            self.end = theirs.dup()
            theirs.detach()
        self.end.setblocking(False)
        protocol.makeConnection(self.process)


class Bench:
    """A worker, which reports to the test."""

    def __init__(self) -> None:
        self.reactor = FakeReactor()
        self.spawner = FakeSpawner()
        self.told: list[tuple[ToCore, socket.socket | None]] = []
        self.why: list[str] = []
        self.hired = Hired(3, self.reactor, cast(Any, self.spawner), self)
        assert self.spawner.end is not None
        self.end = self.spawner.end

    # -- hired.Office

    def heard(self, worker: Hired, message: ToCore, carried: socket.socket | None) -> None:
        assert worker is self.hired
        self.told.append((message, carried))
        if isinstance(message, Ready):
            worker.ready = True

    def gone(self, worker: Hired, why: str) -> None:
        assert worker is self.hired
        self.why.append(why)

    # -- the worker

    def says(self, *messages: ToCore) -> None:
        for message in messages:
            self.end.send(b"\1" + encode(message))
        self.reactor.go_on()

    def hears(self) -> list[Any]:
        """What it was told, None for the end."""
        heard: list[Any] = []
        while True:
            try:
                packet = self.end.recv(100_000)
            except BlockingIOError:
                return heard
            if not packet:
                return [*heard, None]
            heard.append(to_worker.decode(packet[1:]))

    def look(self, times: int) -> None:
        for _ in range(times):
            self.hired.look()

    def dies(self) -> None:
        self.spawner.process.gone = True
        self.hired.processExited(Failure(ProcessTerminated(None, signal.SIGKILL)))

    @property
    def signals(self) -> list[signal.Signals]:
        return self.spawner.process.signals


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.end.close()
    if not bench.hired.over:
        bench.dies()


def client() -> socket.socket:
    ours, theirs = socket.socketpair()
    theirs.close()
    return ours


def test_it_is_told_and_says_what_there_is(bench: Bench) -> None:
    bench.hired.tell(Stop())
    assert bench.hears() == [Stop()]
    bench.says(Ready(), Reports([]))
    assert bench.told == [(Ready(), None), (Reports([]), None)]
    assert bench.signals == []


def test_its_connections_are_counted(bench: Bench) -> None:
    for _ in range(3):
        bench.hired.tell(Moved(b"", b"GET"), client())
    bench.hired.tell(Stop())
    assert bench.hired.connections == 3
    bench.says(Ended(2))
    assert (bench.hired.connections, bench.told) == (1, [])
    bench.says(Ended(2))
    assert bench.hired.connections == 0


def test_it_takes_clients_while_it_has_said_something_of_late(bench: Bench) -> None:
    assert not bench.hired.is_fresh()
    bench.says(Ready())
    bench.look(DOUBTFUL_LOOKS)
    assert bench.hired.is_fresh()
    bench.look(1)
    assert not bench.hired.is_fresh()
    bench.says(Ended(1))
    assert bench.hired.is_fresh()


def test_one_that_is_silent_is_killed(bench: Bench) -> None:
    bench.says(Ready())
    bench.look(SILENT_LOOKS)
    assert bench.signals == []
    bench.look(1)
    assert bench.signals == [signal.SIGKILL]
    assert bench.hears() == [None]
    bench.dies()
    assert bench.why == [f"nothing was heard of it for {SILENT_LOOKS} s"]


def test_one_that_begins_may_take_longer(bench: Bench) -> None:
    bench.look(BEGIN_LOOKS)
    assert bench.signals == []
    bench.look(1)
    assert bench.signals == [signal.SIGKILL]


@pytest.mark.parametrize(
    "nonsense",
    [b"", b"\xc1", b"x" * 100, msgpack.encode({"type": "Begin"}), msgpack.encode({"type": "None"})],
)
def test_one_that_cannot_be_understood_is_killed(bench: Bench, nonsense: bytes) -> None:
    bench.says(Ready())
    carried = client()
    socket.send_fds(bench.end, [b"\1" + nonsense], [carried.fileno()])
    carried.close()
    bench.reactor.go_on()
    assert bench.signals == [signal.SIGKILL]
    assert bench.hears() == [None]
    assert bench.told == [(Ready(), None)]
    bench.dies()
    [why] = bench.why
    assert why.startswith("it cannot be understood: ")


def test_nobody_is_lent_to_one_that_was_killed_or_has_closed_its_channel(bench: Bench) -> None:
    """Its process has not ended yet, as far as is known, but a client would be lost."""
    bench.says(Ready())
    bench.end.close()
    bench.reactor.go_on()
    assert bench.signals == [signal.SIGKILL]
    assert not bench.hired.is_fresh()


def test_how_it_ended_is_told_where_its_channel_ended_first(bench: Bench) -> None:
    bench.says(Ready())
    bench.hired.tell(Moved(b"", b"GET"), client())
    bench.end.close()
    bench.reactor.go_on()
    bench.dies()
    assert bench.why == ["killed by SIGKILL"]
    assert (bench.hired.connections, bench.hired.over, bench.hired.is_fresh()) == (0, True, False)
    bench.hired.processExited(Failure(ProcessDone(0)))
    assert len(bench.why) == 1


def test_its_end_is_waited_for_and_its_channel_says_so(bench: Bench) -> None:
    ended: list[object] = []
    bench.hired.end().addCallback(ended.append)
    assert bench.hears() == [None]
    assert (ended, bench.signals) == ([], [])
    bench.dies()
    assert len(ended) == 1
    assert bench.why == ["it was told to end"]
    assert bench.reactor.getDelayedCalls() == []
    assert bench.hired.end().called


def test_one_that_does_not_end_is_killed(bench: Bench) -> None:
    waiter = bench.hired.end()
    bench.reactor.advance(END_SECONDS - 0.1)
    assert bench.signals == []
    bench.reactor.advance(0.1)
    assert bench.signals == [signal.SIGKILL]
    bench.dies()
    assert waiter.called


def test_one_that_has_ended_already_is_killed_in_vain(bench: Bench) -> None:
    bench.spawner.process.gone = True
    bench.hired.kill("no reason")
    assert bench.signals == []


def test_where_it_cannot_be_started_nothing_is_left(bench: Bench) -> None:
    spawner, reactor = FakeSpawner(), FakeReactor()
    spawner.error = OSError("no more processes")
    with pytest.raises(OSError, match="no more processes"):
        Hired(1, reactor, cast(Any, spawner), bench)
    assert (reactor.readers, reactor.writers) == (set(), set())


def test_what_python_says_there_is_logged_line_by_line(bench: Bench, logged: Sequence[LogEvent]) -> None:
    bench.hired.errReceived(b"Trace")
    bench.hired.outReceived(b"back\n" + b"x" * 5000 + b"\nbad \xff\nrest")
    lines = [event["line"] for event in logged if "line" in event]
    assert lines == ["Traceback", "x" * 1000, "bad \\xff"]
