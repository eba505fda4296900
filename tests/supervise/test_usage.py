"""What processes cost, measured on this one and on one that ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import psutil
import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from toru.model import Usage
from toru.supervise.usage import SAMPLE_SECONDS, Sample, UsageSampler


class Bench:
    """`pending` are looks whose thread has not come back yet, where `slow` is set."""

    def __init__(self, *pids: int) -> None:
        self.clock = Clock()
        self.pids = list(pids)
        self.looks = 0
        self.error: Exception | None = None
        self.slow = False
        self.pending: list[tuple[Deferred[Sample], Sample]] = []
        self.sampled = 0
        self.sampler = UsageSampler(self.clock, self.in_thread, lambda: self.pids, self.count)

    def count(self) -> None:
        self.sampled += 1

    def in_thread(self, look: Callable[[], Sample]) -> Deferred[Sample]:
        self.looks += 1
        if self.error is not None:
            return fail(self.error)
        sample = look()
        if not self.slow:
            return succeed(sample)
        done: Deferred[Sample] = Deferred()
        self.pending.append((done, sample))
        return done

    def look(self) -> None:
        self.clock.advance(SAMPLE_SECONDS)


@pytest.fixture
def bench() -> Bench:
    bench = Bench(os.getpid())
    bench.sampler.start()
    return bench


def test_the_first_figure_is_there_after_the_second_look(bench: Bench) -> None:
    assert bench.sampler(os.getpid()) is None
    bench.look()
    usage = bench.sampler(os.getpid())
    assert isinstance(usage, Usage)
    # Other threads of this process may take and give back memory between the two looks.
    assert usage.rss_bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)
    assert usage.cpu_percent >= 0


def test_the_share_of_the_cpu_is_that_since_the_look_before(bench: Bench) -> None:
    before = os.times()
    while os.times().user + os.times().system - before.user - before.system < 0.1:
        sum(range(10_000))
    bench.look()
    usage = bench.sampler(os.getpid())
    assert usage is not None
    assert usage.cpu_percent > 5


def test_nobody_knows_a_process_that_was_not_named(bench: Bench) -> None:
    bench.look()
    assert bench.sampler(1) is None


def test_a_process_that_is_gone_is_forgotten(bench: Bench) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        bench.pids.append(process.pid)
        bench.look()
        bench.look()
        assert bench.sampler(process.pid) is not None
    bench.look()
    assert bench.sampler(process.pid) is None
    assert bench.sampler(os.getpid()) is not None
    bench.pids.clear()
    bench.look()
    assert bench.sampler(os.getpid()) is None
    assert bench.sampler._processes == {}


def test_a_slow_look_is_not_overtaken(bench: Bench) -> None:
    bench.slow = True
    for _ in range(5):
        bench.look()
    assert bench.looks == 2
    done, sample = bench.pending[0]
    assert bench.sampler(os.getpid()) is None
    done.callback(sample)
    assert bench.sampler(os.getpid()) is not None
    bench.look()
    assert bench.looks == 3


def test_a_look_that_fails_is_logged_and_is_not_the_last(bench: Bench) -> None:
    bench.error = OSError("no /proc today")
    with capturedLogs() as logged:
        bench.look()
    assert [one["log_format"] for one in logged] == ["processes could not be sampled"]
    bench.error = None
    bench.look()
    assert bench.sampler(os.getpid()) is not None


def test_stopping(bench: Bench) -> None:
    bench.sampler.stop()
    bench.sampler.stop()
    assert bench.clock.getDelayedCalls() == []


def test_stopping_while_a_look_is_under_way(bench: Bench) -> None:
    bench.slow = True
    bench.look()
    bench.sampler.stop()
    done, sample = bench.pending[0]
    done.callback(sample)
    assert bench.clock.getDelayedCalls() == []


def test_stopping_before_it_began() -> None:
    Bench().sampler.stop()


def test_it_is_told_when_there_are_figures(bench: Bench) -> None:
    assert bench.sampled == 1
    bench.look()
    assert bench.sampled == 2
