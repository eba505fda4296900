"""JSON lines on a real disk, rotated, and what happens when the disk fails."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from toru.model import Event, LogRecord
from toru.store.logfiles import COMPLAIN_AFTER, MOST_OPEN, LinesFile, LogFiles


class TestLinesFile:
    def test_made_when_first_written_to(self, tmp_path: Path) -> None:
        path = tmp_path / "plugins" / "x.log"
        file = LinesFile(path)
        assert not path.parent.exists()
        file.write([b"1\n", b"2\n"])
        file.write([b"3\n"])
        file.close()
        assert path.read_bytes() == b"1\n2\n3\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_opened_again(self, tmp_path: Path) -> None:
        file = LinesFile(tmp_path / "x.log")
        for line in (b"1\n", b"2\n"):
            file.write([line])
            file.close()
            file.close()
        assert (tmp_path / "x.log").read_bytes() == b"1\n2\n"

    def test_half_a_line_of_an_earlier_core(self, tmp_path: Path) -> None:
        (tmp_path / "x.log").write_bytes(b'1\n{"ha')
        file = LinesFile(tmp_path / "x.log")
        file.write([b"2\n"])
        file.close()
        assert (tmp_path / "x.log").read_bytes() == b'1\n{"ha\n2\n'

    def test_rotation(self, tmp_path: Path) -> None:
        file = LinesFile(tmp_path / "x.log", max_bytes=4, keep=2)
        file.write([b"1\n", b"2\n", b"3\n"])
        for number in (4, 5, 6, 7):
            file.write([b"%d\n" % number])
        file.close()
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
            "x.log": b"7\n",
            "x.log.1": b"5\n6\n",
            "x.log.2": b"3\n4\n",
        }
        assert stat.S_IMODE((tmp_path / "x.log").stat().st_mode) == 0o600

    def test_a_line_longer_than_a_file_has_one_of_its_own(self, tmp_path: Path) -> None:
        file = LinesFile(tmp_path / "x.log", max_bytes=4)
        file.write([b"long line\n", b"1\n"])
        file.close()
        assert (tmp_path / "x.log.1").read_bytes() == b"long line\n"
        assert (tmp_path / "x.log").read_bytes() == b"1\n"

    @pytest.mark.parametrize("remove", [Path.unlink, lambda path: path.rename(path.with_name("old"))])
    def test_somebody_removes_it(self, tmp_path: Path, remove: Callable[[Path], object]) -> None:
        path = tmp_path / "x.log"
        file = LinesFile(path)
        file.write([b"1\n"])
        remove(path)
        file.write([b"2\n"])
        file.close()
        assert path.read_bytes() == b"2\n"

    def test_a_full_disk_leaves_no_half_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = LinesFile(tmp_path / "x.log")
        file.write([b"1\n"])
        write = os.write
        room = [3]

        def full(descriptor: int, data: Any) -> int:
            if not room[0]:
                raise OSError(errno.ENOSPC, "full")
            room[0] -= (written := write(descriptor, bytes(data)[: room[0]]))
            return written

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="full"):
            file.write([b"second\n"])
        room[0] = 100
        file.write([b"3\n"])
        file.close()
        assert (tmp_path / "x.log").read_bytes() == b"1\n3\n"


class Pool:
    """Does at once what a pool of one thread would do, and the reactor's part of it."""

    def callInThreadWithCallback(
        self, done: Callable[[bool, Any], None], work: Callable[..., Any], *args: Any
    ) -> None:
        try:
            result = work(*args)
        except OSError:
            done(False, Failure())
        else:
            done(True, result)

    def callFromThread(self, call: Callable[..., object], *args: Any) -> None:
        call(*args)


class SlowPool(Pool):
    """Does it when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], None]] = []

    def callInThreadWithCallback(
        self, done: Callable[[bool, Any], None], work: Callable[..., Any], *args: Any
    ) -> None:
        self.jobs.append(lambda: Pool.callInThreadWithCallback(self, done, work, *args))


class Files:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.clock.advance(1_000_000)
        pool: Any = Pool()
        self.files = LogFiles(pool, self.clock, folder, pool)

    def lines(self, name: str) -> list[Any]:
        return [json.loads(line) for line in (self.folder / name).read_bytes().splitlines()]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def line(plugin: str, message: str) -> LogRecord:
    return LogRecord("2026-01-13T12:00:00.000Z", plugin, "info", message, "stdout", {"a": [1]}, 42)


class TestLogFiles:
    def test_records(self, files: Files) -> None:
        assert files.files.write([line("hello", "1"), line("hello", "2")]).called
        files.files.write([line("other", "3")])
        files.files.write([])
        assert [record["message"] for record in files.lines("plugins/hello.log")] == ["1", "2"]
        assert files.lines("plugins/other.log") == [
            {
                "timestamp": "2026-01-13T12:00:00.000Z",
                "plugin": "other",
                "level": "info",
                "message": "3",
                "stream": "stdout",
                "fields": {"a": [1]},
                "pid": 42,
            }
        ]

    def test_events(self, files: Files) -> None:
        files.files.append("plugin-supervisor", [Event("t", "hello", "crashed", {"code": 1})])
        assert files.lines("plugin-supervisor.log") == [
            {"timestamp": "t", "plugin": "hello", "type": "crashed", "details": {"code": 1}}
        ]

    def test_few_are_open_and_close_gives_them_back(self, files: Files) -> None:
        before = len(os.listdir("/proc/self/fd"))
        for number in [*range(MOST_OPEN + 10), 0]:
            files.files.write([line(f"p{number}", "x")])
        assert len(os.listdir("/proc/self/fd")) == before + MOST_OPEN
        assert len(files.lines("plugins/p0.log")) == 2
        files.files.close()
        assert len(os.listdir("/proc/self/fd")) == before

    def test_those_used_last_stay_open(self, files: Files) -> None:
        for number in range(MOST_OPEN):
            files.files.write([line(f"p{number}", "x")])
        files.files.write([line("p0", "x")])
        files.files.write([line("one-more", "x")])
        assert "plugins/p0" in files.files._files
        assert "plugins/p1" not in files.files._files

    def test_a_failing_disk_is_told_of_once_a_minute(self, files: Files) -> None:
        (files.folder / "plugins").touch()
        with capturedLogs() as logged:
            for _ in range(3):
                assert files.files.write([line("hello", "1"), line("hello", "2")]).called
            files.clock.advance(COMPLAIN_AFTER)
            files.files.write([line("hello", "3")])
            files.files.write([line("hello", "4")])
            files.files.append("plugin-supervisor", [Event("t", "hello", "started", {})])
            assert [event["lost"] for event in logged] == [2, 5]
            files.files.close()
        assert [event["lost"] for event in logged] == [2, 5, 1]
        assert len(files.lines("plugin-supervisor.log")) == 1

    def test_what_comes_during_a_write_is_one_more(self, tmp_path: Path) -> None:
        pool = SlowPool()
        files = LogFiles(cast(Any, pool), Clock(), tmp_path, cast(Any, pool))
        written_ones = [files.write([line(f"p{number % 2}", str(number))]) for number in range(5)]
        assert len(pool.jobs) == 1
        pool.jobs.pop()()
        assert [one.called for one in written_ones] == [True, False, False, False, False]
        assert len(pool.jobs) == 1
        pool.jobs.pop()()
        assert all(one.called for one in written_ones)
        assert pool.jobs == []
        written = (tmp_path / "plugins" / "p0.log").read_text().splitlines()
        assert [json.loads(one)["message"] for one in written] == ["0", "2", "4"]

    def test_a_file_that_fails_holds_no_other_up(self, tmp_path: Path) -> None:
        pool = SlowPool()
        files = LogFiles(cast(Any, pool), Clock(), tmp_path, cast(Any, pool))
        (tmp_path / "plugins" / "bad.log").mkdir(parents=True)
        files.write([line("first", "1")])
        for plugin in ("bad", "good"):
            files.write([line(plugin, "1")])
        with capturedLogs() as logged:
            pool.jobs.pop()()
            pool.jobs.pop()()
        assert [event["lost"] for event in logged] == [1]
        assert (tmp_path / "plugins" / "good.log").exists()

    @pytest.mark.parametrize("bad", ["\ud800", {"deep": "\udfff"}, {"what": object()}, []])
    def test_what_cannot_be_encoded_is_lost_with_its_own_batch_alone(self, tmp_path: Path, bad: Any) -> None:
        if bad == []:
            for _ in range(100_000):
                bad = [bad]
        pool = SlowPool()
        files = LogFiles(cast(Any, pool), Clock(), tmp_path, cast(Any, pool))
        files.write([line("first", "1")])
        record = LogRecord("2026-01-13T12:00:00.000Z", "bad", "info", "x", "stdout", {"a": bad}, 42)
        waiting = [files.write([line("good", "1")]), files.write([record]), files.write([line("other", "1")])]
        with capturedLogs() as logged:
            pool.jobs.pop()()
            pool.jobs.pop()()
            waiting.append(files.write([line("bad", "2")]))
            pool.jobs.pop()()
        assert all(one.called for one in waiting)
        assert [event["lost"] for event in logged] == [1]
        messages = {
            path.stem: [json.loads(each)["message"] for each in path.read_text().splitlines()]
            for path in (tmp_path / "plugins").iterdir()
        }
        assert messages == {"first": ["1"], "good": ["1"], "other": ["1"], "bad": ["2"]}

    def test_it_goes_on_when_the_disk_does(self, files: Files) -> None:
        (files.folder / "plugins").touch()
        files.files.write([line("hello", "1")])
        (files.folder / "plugins").unlink()
        files.files.write([line("hello", "2")])
        assert [record["message"] for record in files.lines("plugins/hello.log")] == ["2"]


def test_with_a_real_thread(tmp_path: Path) -> Deferred[None]:
    from twisted.internet import reactor

    main: Any = reactor

    async def story() -> None:
        pool = ThreadPool(1, 1, "logs")
        pool.start()
        try:
            files = LogFiles(main, main, tmp_path, pool)
            for number in range(50):
                writing = files.write([line("hello", str(number))])
            await writing
            await files.close()
        finally:
            pool.stop()
        lines = (tmp_path / "plugins" / "hello.log").read_bytes().splitlines()
        assert [json.loads(each)["message"] for each in lines] == [str(number) for number in range(50)]

    return Deferred.fromCoroutine(story())
