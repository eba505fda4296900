"""Ten thousand restarts leave behind what one idle plugin needs, and nothing else."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from toru.supervise.channels import Multiplexed, PerMessage
from toru.supervise.child import Child
from toru.supervise.health import Health
from toru.supervise.link import Link
from toru.supervise.output import Output
from toru.wire.exchanges import Exchange

from .fakes import REQUEST, FakeProcess, FakeSessions, Stage, Wire, json_line, prefixed, results

MANY, SOME = 10_000, 1_000
KINDS = (
    *(Child, Link, Health, Output, Exchange, Multiplexed, PerMessage),
    *(Failure, Deferred, FakeProcess, Wire),
)


def crash(stage: Stage) -> None:
    """It crashes with a request in flight, after it was up long enough for that to be the first crash."""
    results(stage.plugin.request(REQUEST))
    stage.process.protocol.errReceived(b"panic\n")
    stage.process.exit(1)
    stage.wire.end()
    stage.clock.pump([0.03, 1])
    stage.come_up()
    stage.clock.advance(61)


def crash_in_protocol_1(stage: Stage) -> None:
    """The same, with one request that was answered and one that was not."""
    for said in (prefixed("http", status=200), b""):
        results(stage.plugin.request(REQUEST))
        stage.wire.hear(said)
        if said:
            stage.wire.end()
    stage.process.exit(1)
    for wire in stage.dial.wires:
        if wire.connected:
            wire.end()
    stage.clock.pump([0.03, 1])
    stage.come_up()
    stage.clock.advance(61)


def overlap(stage: Stage) -> None:
    """The new process takes over while the old one has a request to answer."""
    old, wire = stage.process, stage.wire
    results(stage.plugin.request(REQUEST))
    done = results(stage.plugin.restart())
    stage.come_up()
    assert done == [None]
    wire.hear(json_line("http", "1", status=200))
    old.exit(0)
    wire.end()
    stage.clock.advance(0.03)


def overlap_in_vain(stage: Stage) -> None:
    """The new process crashes, or cannot even be started; the old one stays."""
    done = results(stage.plugin.restart())
    stage.process.exit(1)
    stage.clock.advance(0.03)
    stage.spawner.error = OSError(24, "Too many open files")
    results(stage.plugin.restart())
    stage.spawner.error = None
    assert len(done) == 1
    # What serves is the first process still.
    del stage.spawner.processes[1:]


def off_and_on(stage: Stage) -> None:
    """Disabled while it starts and while it is up, and enabled again."""
    stage.plugin.disable()
    stage.process.exit(0)
    stage.wire.end()
    stage.clock.advance(0.03)
    stage.plugin.enable()
    stage.plugin.disable()
    stage.plugin.enable()
    stage.process.exit(0)
    stage.clock.advance(0.03)
    stage.come_up()
    stage.clock.advance(3)


@pytest.fixture(autouse=True)
def only_new_objects() -> Iterator[None]:
    """What was there before is neither counted nor looked through again and again."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def count(stage: Stage) -> Counter[str]:
    """What there is, by kind."""
    gc.collect()
    found = Counter(kind.__name__ for kind in map(type, gc.get_objects()) if kind in KINDS)
    found["delayed calls"] = len(stage.clock.getDelayedCalls())
    found["file descriptors"] = len(os.listdir("/proc/self/fd"))
    found["files"] = len(os.listdir(stage.process.socket.parent))
    found["free slots"] = stage.starting.tokens
    return found


@pytest.mark.parametrize(
    ("protocol", "restart", "times"),
    [
        ("2", crash, MANY),
        ("2", overlap, MANY),
        ("1", crash_in_protocol_1, SOME),
        ("2", overlap_in_vain, SOME),
        ("2", off_and_on, SOME),
    ],
)
def test_nothing_is_left(
    tmp_path: Path, sessions: FakeSessions, protocol: str, restart: Callable[[Stage], None], times: int
) -> None:
    stage = Stage(tmp_path, protocol=protocol, capabilities=("cancel",))
    stage.plugin.begin()
    stage.come_up()
    stage.clock.advance(1)
    idle = count(stage)

    def run(times: int) -> None:
        for _ in range(times):
            restart(stage)
            # What the fakes wrote down is no growth of the plugin's.
            del stage.spawner.processes[:-1], stage.dial.wires[:-1]
            for notes in (stage.events, stage.spawner.limits, stage.sink.records, sessions.calls):
                notes.clear()

    run(times // 10)
    # Time for what may be left for a while after a restart, and after a request.
    stage.clock.pump([5] * 20)
    warm = count(stage)
    objects = len(gc.get_objects())
    run(times - times // 10)
    stage.clock.pump([5] * 20)
    assert count(stage) == warm
    # The odd cache of somebody else's may have got an entry.
    assert len(gc.get_objects()) - objects < 100
    assert warm == idle
    assert stage.state() == "running"
    assert stage.plugin.status().restarts >= times
