"""Lines on their way to the file of the access log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent

from toru.errors import StartError
from toru.store.accesslog import MOST_BYTES, WRITE_AFTER, WRITE_BYTES, AccessLog
from toru.store.logfiles import COMPLAIN_AFTER

Job = tuple[Callable[[], None], Deferred[None]]


class Bench:
    """An access log whose thread does its next job when it is told to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = Clock()
        self.jobs: list[Job] = []
        self.log = AccessLog(path, self.clock, self._in_thread)
        self.log.open()

    def _in_thread(self, work: Callable[[], None]) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self.jobs.append((work, done))
        return done

    def work(self) -> None:
        [(work, done)], self.jobs = self.jobs, []
        maybeDeferred(work).chainDeferred(done)

    def tick(self) -> None:
        self.clock.advance(WRITE_AFTER)

    def close(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.log.close())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "new" / "access.log")


def told(logged: Sequence[LogEvent]) -> list[tuple[int, str]]:
    return [(event["lost"], event["why"]) for event in logged]


def test_lines_are_written_together_and_nobody_waits(bench: Bench) -> None:
    assert bench.path.stat().st_mode & 0o777 == 0o600
    bench.log.add(b"one\n")
    bench.log.add(b"two\n")
    assert bench.jobs == []
    bench.tick()
    bench.log.add(b"three\n")
    bench.tick()
    bench.work()
    assert bench.path.read_bytes() == b"one\ntwo\n"
    bench.tick()
    bench.work()
    assert bench.path.read_bytes() == b"one\ntwo\nthree\n"
    assert bench.clock.getDelayedCalls() == []


def test_many_lines_do_not_wait_for_the_second(bench: Bench) -> None:
    line = b"x" * 1023 + b"\n"
    for _ in range(WRITE_BYTES // 1024 + 1):
        bench.log.add(line)
    assert bench.clock.getDelayedCalls() == []
    bench.work()
    assert bench.path.stat().st_size == WRITE_BYTES + 1024


def test_what_a_stuck_disk_does_not_take_is_counted(bench: Bench, logged: Sequence[LogEvent]) -> None:
    bench.log.add(b"first\n")
    bench.tick()
    line = b"x" * 1023 + b"\n"
    for _ in range(MOST_BYTES // 1024 + 7):
        bench.log.add(line)
    assert len(bench.jobs) == 1
    bench.clock.advance(COMPLAIN_AFTER)
    bench.work()
    assert told(logged) == [(7, "it is written more slowly than it grows")]
    bench.tick()
    bench.work()
    assert bench.path.stat().st_size == 6 + MOST_BYTES


def test_a_full_disk_is_told_once_a_minute_and_ends_nothing(
    bench: Bench, logged: Sequence[LogEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("toru.store.logfiles.os.write", full)
        for _ in range(3):
            bench.log.add(b"lost\n")
            bench.tick()
            bench.work()
    assert told(logged) == [(1, "[Errno 28] No space left on device")]
    bench.log.add(b"kept\n")
    bench.tick()
    bench.work()
    assert bench.path.read_bytes() == b"kept\n"
    closing = bench.close()
    bench.work()
    assert closing.called
    assert told(logged)[1:] == [(2, "it is closed now")]


def test_a_file_that_was_renamed_is_made_anew(bench: Bench) -> None:
    bench.log.add(b"old\n")
    bench.tick()
    bench.work()
    kept = bench.path.rename(bench.path.with_name("access.log.1"))
    bench.log.add(b"new\n")
    bench.tick()
    bench.work()
    assert (kept.read_bytes(), bench.path.read_bytes()) == (b"old\n", b"new\n")


def test_the_end_writes_what_there_is(bench: Bench) -> None:
    bench.log.add(b"one\n")
    bench.tick()
    bench.log.add(b"two\n")
    closing = bench.close()
    for _ in range(3):
        assert not closing.called
        bench.work()
    assert closing.called
    assert bench.path.read_bytes() == b"one\ntwo\n"
    bench.log.add(b"late\n")
    assert (bench.jobs, bench.clock.getDelayedCalls()) == ([], [])


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("folder", "/folder is no file; set the path of one, or none"),
        ("file/access.log", "/file is no folder; set another path"),
        ("x" * 300, f"/{'x' * 300} cannot be written to: File name too long; set another path"),
    ],
)
def test_a_path_that_cannot_be(tmp_path: Path, name: str, line: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(StartError) as caught:
        Bench(tmp_path / name)
    assert str(caught.value) == f"toru: access_log: {tmp_path}{line}"
