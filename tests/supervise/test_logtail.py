"""Lines that a plugin appends to its own file: each once and in order, whatever becomes of the file."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.logger import capturedLogs

from tests.http.fakes import in_reactor
from toru.model import LogRecord
from toru.supervise import logtail
from toru.supervise.logtail import CHUNK, POLL_SECONDS, LogTail
from toru.supervise.output import MOST_LINE

T = TypeVar("T")


class Sink:
    """Keeps what it is given; may hold on to it, or refuse it."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        self.hold: Deferred[None] | None = None
        self.error: Exception | None = None

    def write(self, records: Sequence[LogRecord]) -> Deferred[None]:
        if self.error is not None:
            return fail(self.error)
        self.records.extend(records)
        return self.hold if self.hold is not None else succeed(None)

    @property
    def messages(self) -> list[str]:
        return [record.message for record in self.records]


class Folder:
    """A file, whoever follows it, and time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = Clock()
        self.sink = Sink()
        self.reads = 0
        self.tail = self.make()

    def at_once(self, work: Callable[[], T]) -> Deferred[T]:
        self.reads += 1
        return maybeDeferred(work)

    def make(self) -> LogTail:
        return LogTail(self.clock, self.at_once, self.path, "hello", self.sink, lambda: 42)

    def append(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def poll(self) -> list[str]:
        self.clock.advance(POLL_SECONDS)
        self.settle()
        return self.sink.messages

    def settle(self) -> None:
        while any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
            self.clock.advance(0)

    def stop(self) -> list[str]:
        stopped = self.tail.stop()
        self.settle()
        assert stopped.called
        assert self.clock.getDelayedCalls() == []
        return self.sink.messages

    def another_core(self, *, killed: bool) -> None:
        if killed:
            for call in self.clock.getDelayedCalls():
                call.cancel()
            self.tail._file.close()
        else:
            self.stop()
        self.tail = self.make()
        self.tail.start()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / "hello.log")
    folder.tail.start()
    return folder


def test_no_file_and_then_one(folder: Folder) -> None:
    assert folder.poll() == []
    folder.append(b'one\r\n{"level":"error","msg":"two","n":1}\n')
    assert folder.poll() == ["one", "two"]
    first, second = folder.sink.records
    assert (first.level, first.stream, first.plugin, first.pid) == ("info", "file", "hello", 42)
    assert (second.level, second.fields) == ("error", {"n": 1})
    folder.append(b"three\n")
    assert folder.poll() == ["one", "two", "three"]


def test_a_line_without_its_end(folder: Folder) -> None:
    folder.append(b"half")
    assert folder.poll() == []
    folder.append(b" a line\nrest")
    assert folder.poll() == ["half a line"]
    assert folder.stop() == ["half a line", "rest"]


def test_what_a_process_leaves(folder: Folder) -> None:
    folder.append(b"dying words")
    flushed = folder.tail.flush()
    folder.settle()
    assert flushed.called
    folder.append(b"first words\n")
    assert folder.poll() == ["dying words", "first words"]
    assert folder.stop() == ["dying words", "first words"]


def test_nothing_is_read_while_nothing_changes(folder: Folder) -> None:
    folder.append(b"one\n")
    folder.poll()
    before = folder.reads
    assert before > 0
    for _ in range(5):
        folder.poll()
    assert folder.reads == before


def test_more_than_is_read_at_once(folder: Folder) -> None:
    expected = [f"{number} {'x' * (number % 300)}" for number in range(3000)]
    folder.append("".join(f"{one}\n" for one in expected).encode())
    assert folder.path.stat().st_size > 5 * CHUNK
    assert folder.poll() == expected


def test_a_line_that_is_too_long(folder: Folder) -> None:
    folder.append(b"x" * (MOST_LINE + 10) + b"\nshort\n")
    assert [len(message) for message in folder.poll()] == [MOST_LINE, 10, 5]


def test_it_waits_until_what_was_read_is_safe(folder: Folder) -> None:
    folder.sink.hold = held = Deferred[None]()
    folder.append(b"one\n")
    folder.poll()
    folder.append(b"two\n")
    assert folder.poll() == ["one"]
    folder.sink.hold = None
    held.callback(None)
    folder.settle()
    assert folder.poll() == ["one", "two"]


@pytest.mark.parametrize("collapses", [True, False])
def test_cut_once_it_is_read(folder: Folder, monkeypatch: pytest.MonkeyPatch, collapses: bool) -> None:
    """Nothing is lost, nothing comes twice, and the file stays small, whoever appends to it."""
    if not collapses:
        monkeypatch.setattr(logtail, "_collapse", lambda descriptor, length: False)
    monkeypatch.setattr(logtail, "TRUNCATE_AFTER", 20_000)
    dice = random.Random(1)
    expected = []
    with folder.path.open("ab", buffering=0) as file:
        for number in range(400):
            expected.append(f"{number} {'x' * dice.randrange(500)}")
            file.write(f"{expected[-1]}\n".encode())
            if number % 7 == 0:
                folder.poll()
                assert folder.path.stat().st_size < 30_000
            if number % 50 == 0:
                folder.another_core(killed=False)
    assert folder.stop() == expected


def test_half_a_line_where_it_is_cut(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logtail, "TRUNCATE_AFTER", 8000)
    folder.append(b"".join(b"%d\n" % number for number in range(3000)) + b"half")
    folder.poll()
    folder.another_core(killed=True)
    folder.append(b" and half\n")
    assert folder.poll()[-1] == "half and half"
    assert folder.sink.messages[:3000] == [str(number) for number in range(3000)]


def test_a_core_that_was_killed(folder: Folder) -> None:
    """What was recorded, and known to be, does not come again; half a line does, as a whole one."""
    folder.append(b"one\ntwo\nthr")
    folder.poll()
    folder.another_core(killed=True)
    folder.append(b"ee\n")
    assert folder.poll() == ["one", "two", "three"]


def test_one_that_was_stopped(folder: Folder) -> None:
    folder.append(b"one\n")
    folder.poll()
    folder.append(b"two\n")
    folder.another_core(killed=False)
    folder.append(b"three\n")
    assert folder.poll() == ["one", "two", "three"]
    assert (folder.path.parent / "hello.log.read").stat().st_mode & 0o777 == 0o600


def test_a_note_that_is_damaged(folder: Folder) -> None:
    folder.append(b"one\n")
    folder.poll()
    folder.stop()
    (folder.path.parent / "hello.log.read").write_bytes(b"{")
    folder.another_core(killed=True)
    assert folder.poll() == ["one", "one"]


def test_rotated_by_the_plugin(folder: Folder) -> None:
    folder.append(b"one\n")
    folder.poll()
    folder.append(b"two\nhalf")
    folder.path.rename(folder.path.with_name("hello.log.1"))
    folder.append(b"three\n")
    assert folder.poll() == ["one", "two", "half", "three"]
    folder.path.unlink()
    assert folder.poll() == ["one", "two", "half", "three"]
    folder.append(b"four\n")
    assert folder.poll()[-1] == "four"


@pytest.mark.parametrize("killed", [None, True, False])
def test_another_file_with_the_number_of_the_one_before(folder: Folder, killed: bool | None) -> None:
    """A file system gives the number of a file that was removed to the next one, also in another core's time."""
    folder.append(b"one\n")
    folder.poll()
    aside = folder.path.rename(folder.path.with_name("aside"))
    assert folder.poll() == ["one"]
    if killed is not None:
        folder.another_core(killed=killed)
    aside.write_bytes(b"two and more\n")
    aside.rename(folder.path)
    assert folder.poll() == ["one", "two and more"]


def test_emptied_by_the_plugin(folder: Folder) -> None:
    folder.append(b"one and more\n")
    folder.poll()
    folder.path.write_bytes(b"two\n")
    assert folder.poll() == ["one and more", "two"]


def test_one_that_does_not_append(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes on at its own place, so that a hole comes before what it writes after a cut."""
    monkeypatch.setattr(logtail, "TRUNCATE_AFTER", 10_000)
    expected = [f"line {number}" for number in range(4000)]
    with folder.path.open("wb", buffering=0) as file:
        for start in range(0, 4000, 500):
            file.write("".join(f"{one}\n" for one in expected[start : start + 500]).encode())
            folder.poll()
    assert folder.stop() == expected


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file(folder: Folder, kind: str) -> None:
    match kind:
        case "link":
            (folder.path.parent / "secret").write_bytes(b"secret\n")
            folder.path.symlink_to(folder.path.parent / "secret")
        case "pipe":
            os.mkfifo(folder.path)
        case _:
            folder.path.mkdir()
    with capturedLogs() as said:
        assert folder.poll() == []
    assert [event["plugin"] for event in said if "log_format" in event] == ["hello"]
    if kind == "folder":
        folder.path.rmdir()
    else:
        folder.path.unlink()
    folder.append(b"one\n")
    assert folder.poll() == ["one"]


def test_a_sink_that_fails(folder: Folder) -> None:
    """It comes again with the next change."""
    folder.append(b"one\nha")
    folder.sink.error = ValueError("out of order")
    with capturedLogs() as said:
        assert folder.poll() == []
    assert len(said) == 1
    folder.sink.error = None
    folder.append(b"lf\n")
    assert folder.poll() == ["one", "half"]


@in_reactor
async def test_a_writer_that_never_pauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through many cuts, against the clock of the system and in real threads."""
    monkeypatch.setattr(logtail, "TRUNCATE_AFTER", 50_000)
    path, sink = tmp_path / "hello.log", Sink()
    # Any: no one interface of Twisted's has all of a reactor.
    clock: Any = reactor
    tail = LogTail(clock, deferToThread, path, "hello", sink, lambda: None)

    def write() -> None:
        with path.open("ab", buffering=0) as file:
            for number in range(20_000):
                file.write(b"line %d\n" % number)

    writer = threading.Thread(target=write)
    writer.start()
    tail.start()
    while writer.is_alive():
        await tail._next(tail._read)
    await tail.stop()
    numbers = [int(message.removeprefix("line ")) for message in sink.messages]
    if collapses_in(tmp_path):
        assert numbers == list(range(20_000))
    else:  # there, what is written in the instant of a cut is lost
        assert numbers == sorted(set(numbers))
        assert len(numbers) > 19_900
    assert path.stat().st_size < 100_000


def collapses_in(folder: Path) -> bool:
    with (folder / "trial").open("w+b") as file:
        file.write(b"x" * 8193)
        file.flush()
        return logtail._collapse(file.fileno(), 4096)
