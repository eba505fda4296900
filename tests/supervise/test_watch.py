"""When files count as complete, with a clock of our own; and the real inotify, with the real reactor."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import inotify
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from toru.supervise import watch
from toru.supervise.watch import SETTLE, TOGETHER, FolderWatch, Settling


class Settled:
    """A Settling on a clock, and the times at which it told of settled files."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.times: list[float] = []
        self.settling = Settling(self.clock, lambda: self.times.append(round(self.clock.seconds(), 3)))
        self.happened = self.settling.happened

    @property
    def unsettled(self) -> set[str]:
        return set(self.settling.unsettled(by_hand=False))

    @property
    def being_written(self) -> set[str]:
        return set(self.settling.unsettled(by_hand=True))


@pytest.fixture
def settled() -> Settled:
    return Settled()


def test_masks_are_those_of_the_system() -> None:
    for name in ("MODIFY", "ATTRIB", "CLOSE_WRITE", "MOVED_FROM", "MOVED_TO", "CREATE", "DELETE"):
        assert getattr(watch, name) == getattr(inotify, f"IN_{name}")
    for name in ("DELETE_SELF", "MOVE_SELF", "UNMOUNT", "IGNORED", "ONLYDIR"):
        assert getattr(watch, name) == getattr(inotify, f"IN_{name}")
    assert watch.OVERFLOW == inotify.IN_Q_OVERFLOW


class TestSettling:
    @pytest.mark.parametrize(
        "mask",
        [watch.CLOSE_WRITE, watch.ATTRIB, watch.CREATE, watch.MOVED_TO, watch.MOVED_FROM, watch.DELETE],
    )
    def test_300_ms_after_an_event(self, settled: Settled, mask: int) -> None:
        settled.happened("a.binary", mask)
        assert settled.unsettled == {"a.binary"}
        assert settled.being_written == set()
        settled.clock.advance(SETTLE - 0.01)
        assert settled.times == []
        settled.clock.advance(0.01)
        assert settled.times == [0.3]
        assert settled.unsettled == set()
        assert settled.clock.getDelayedCalls() == []

    def test_300_ms_after_the_last_event(self, settled: Settled) -> None:
        settled.happened("a.binary", watch.CREATE)
        settled.clock.pump([0.2])
        settled.happened("a.binary", watch.ATTRIB)
        settled.clock.pump([0.1])
        assert settled.times == []
        settled.clock.pump([0.2])
        assert settled.times == [0.5]

    def test_a_file_that_is_written_waits_for_its_writer(self, settled: Settled) -> None:
        settled.happened("a.binary", watch.CREATE)
        settled.happened("a.binary", watch.MODIFY)
        settled.happened("a.binary", watch.ATTRIB)
        settled.clock.pump([SETTLE] * 100)
        assert settled.times == []
        assert settled.unsettled == settled.being_written == {"a.binary"}
        settled.happened("a.binary", watch.CLOSE_WRITE)
        assert settled.being_written == set()
        settled.clock.advance(SETTLE)
        assert settled.times == [30.3]

    @pytest.mark.parametrize("mask", [watch.DELETE, watch.MOVED_FROM, watch.MOVED_TO])
    def test_a_file_that_goes_or_is_replaced_needs_no_writer(self, settled: Settled, mask: int) -> None:
        settled.happened("a.binary", watch.MODIFY)
        settled.happened("a.binary", mask)
        settled.clock.advance(SETTLE)
        assert settled.times == [0.3]

    def test_a_slow_one_delays_no_other(self, settled: Settled) -> None:
        settled.happened("slow.binary", watch.MODIFY)
        settled.happened("a.binary", watch.CLOSE_WRITE)
        settled.clock.advance(SETTLE)
        assert settled.times == [0.3]
        assert settled.unsettled == {"slow.binary"}

    def test_many_are_told_of_together_and_never_early(self, settled: Settled) -> None:
        for number in range(100):
            settled.happened(f"{number}.binary", watch.CLOSE_WRITE)
            settled.clock.advance(0.0001)
        settled.clock.pump([0.001] * 400)
        assert len(settled.times) == 2
        assert settled.times[1] - settled.times[0] == pytest.approx(TOGETHER, abs=0.002)
        assert settled.unsettled == set()

    def test_lost_events_mean_a_look_at_everything(self, settled: Settled) -> None:
        settled.happened("closed-unheard.binary", watch.MODIFY)
        settled.settling.events_were_lost(["there.binary"])
        assert settled.unsettled == {"closed-unheard.binary", "there.binary"}
        settled.clock.advance(SETTLE)
        assert settled.times == [0.3]
        assert settled.unsettled == set()

    def test_lost_events_of_an_empty_folder(self, settled: Settled) -> None:
        settled.settling.events_were_lost([])
        settled.clock.advance(SETTLE)
        assert settled.times == [0.3]

    def test_stop(self, settled: Settled) -> None:
        settled.happened("a.binary", watch.CREATE)
        settled.settling.stop()
        assert settled.clock.getDelayedCalls() == []


class Watched:
    """A FolderWatch on the real inotify, on a clock of our own, and events read when the test says."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.clock = Clock()
        self.looks = 0
        self.readers: list[Any] = []
        reactor: Any = self
        self.watch = FolderWatch(reactor, self.clock, folder, self.look)

    def look(self) -> None:
        self.looks += 1

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        if reader in self.readers:
            self.readers.remove(reader)

    def removeWriter(self, writer: Any) -> None:
        pass

    def read(self) -> None:
        for reader in list(self.readers):
            reader.doRead()

    @property
    def unsettled(self) -> set[str]:
        self.read()
        return set(self.watch.unsettled(by_hand=False))


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path / "plugins")
    watched.watch.start()
    yield watched
    watched.watch.stop()
    assert watched.readers == []
    assert watched.clock.getDelayedCalls() == []


class TestFolderWatch:
    @pytest.mark.parametrize(
        "change",
        [
            lambda file: file.write_bytes(b"new"),
            lambda file: file.unlink(),
            lambda file: file.chmod(0o755),
            lambda file: file.rename(file.with_name("old")),
            lambda file: (file.parent / "new").rename(file),
        ],
    )
    def test_what_happens_to_a_file(self, watched: Watched, change: Callable[[Path], object]) -> None:
        file = watched.folder / "a.binary"
        for path in (file, watched.folder / "new"):
            path.touch(0o644)
        assert watched.unsettled == {"a.binary"}
        watched.clock.advance(SETTLE)
        change(file)
        assert watched.unsettled == {"a.binary"}
        watched.clock.advance(SETTLE)
        assert watched.looks == 2

    def test_both_ends_of_a_rename_and_links(self, watched: Watched) -> None:
        (watched.folder / "a.binary").symlink_to("somewhere")
        (watched.folder / "a.binary").rename(watched.folder / "b.binary")
        assert watched.unsettled == {"a.binary", "b.binary"}

    def test_a_half_copied_file(self, watched: Watched) -> None:
        with (watched.folder / "a.binary").open("wb", buffering=0) as file:
            file.write(b"half")
            watched.read()
            watched.clock.advance(60)
            assert watched.looks == 0
            assert watched.watch.unsettled(by_hand=True) == {"a.binary"}
        watched.read()
        watched.clock.advance(SETTLE)
        assert watched.looks == 1

    def test_other_files_and_reading_say_nothing(self, watched: Watched) -> None:
        file = watched.folder / "a.binary"
        file.write_bytes(b"x")
        watched.read()
        watched.clock.advance(SETTLE)
        file.read_bytes()
        (watched.folder / ".a.binary.tmp").touch()
        (watched.folder / ".b.binary").touch()
        (watched.folder / "data").mkdir()
        watched.folder.chmod(0o700)
        assert watched.unsettled == set()
        assert watched.clock.getDelayedCalls() == []

    def test_an_overflow(self, watched: Watched) -> None:
        (watched.folder / "a.binary").touch()
        watched.read()
        watched.clock.advance(SETTLE)
        watched.readers[0]._doRead(struct.pack("=LLLL", 0xFFFFFFFF, inotify.IN_Q_OVERFLOW, 0, 0))
        assert watched.unsettled == {"a.binary"}
        watched.clock.advance(SETTLE)
        assert watched.looks == 2

    @pytest.mark.parametrize("remove", [Path.rmdir, lambda path: path.rename(path.with_name("old"))])
    def test_the_folder_goes_and_comes_back(self, watched: Watched, remove: Callable[[Path], object]) -> None:
        with capturedLogs() as logged:
            remove(watched.folder)
            watched.read()
        assert ["removed or renamed" in event["log_format"] for event in logged] == [True]
        assert watched.readers == []
        watched.clock.pump([0.1] * 50)
        assert watched.looks == 1
        watched.folder.mkdir()
        (watched.folder / "a.binary").touch()
        watched.clock.advance(1)
        assert watched.unsettled == {"a.binary"}
        watched.clock.advance(SETTLE)
        assert watched.looks == 2
        (watched.folder / "b.binary").touch()
        assert watched.unsettled == {"b.binary"}

    def test_the_folder_is_swapped_for_another(self, watched: Watched) -> None:
        new = watched.folder.with_name("new")
        new.mkdir()
        (new / "b.binary").touch()
        watched.folder.rename(watched.folder.with_name("old"))
        new.rename(watched.folder)
        watched.read()
        watched.clock.advance(0.9)
        assert watched.looks == 0
        watched.clock.advance(0.1)
        assert watched.unsettled == {"b.binary"}

    def test_the_folder_is_renamed_twice(self, watched: Watched) -> None:
        old = watched.folder.rename(watched.folder.with_name("old"))
        old.chmod(0o700)  # Keeps the system from making one event of the two.
        old.rename(watched.folder.with_name("older"))
        watched.read()
        assert len(watched.clock.getDelayedCalls()) == 1

    def test_stop_while_the_folder_is_away(self, watched: Watched) -> None:
        watched.folder.rmdir()
        watched.read()
        assert watched.clock.getDelayedCalls() != []

    def test_no_descriptor_is_left(self, watched: Watched) -> None:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            watched.watch.stop()
            watched.watch.start()
            watched.folder.rmdir()
            watched.read()
            watched.folder.mkdir()
            watched.clock.advance(1)
        assert len(os.listdir("/proc/self/fd")) == before

    @pytest.mark.parametrize(
        ("method", "words"), [("init", "max_user_instances"), ("add", "max_user_watches")]
    )
    def test_limits_of_the_system(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, words: str
    ) -> None:
        def refuse(*_: object) -> int:
            raise inotify.INotifyError

        monkeypatch.setattr(f"twisted.python._inotify.{method}", refuse)
        watched = Watched(tmp_path / "plugins")
        with capturedLogs() as logged:
            watched.watch.start()
        assert words in logged[0]["why"]
        watched.watch.stop()
        assert watched.clock.getDelayedCalls() == []

    def test_no_inotify(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "twisted.internet.inotify", None)
        watched = Watched(tmp_path / "plugins")
        with capturedLogs() as logged:
            watched.watch.start()
        assert logged[0]["why"] == "this system has no inotify"
        assert watched.watch.unsettled(by_hand=False) == frozenset()
        watched.watch.stop()


def test_with_the_real_reactor(tmp_path: Path) -> Deferred[None]:
    from twisted.internet import reactor as installed

    reactor: Any = installed
    settled: Deferred[None] = Deferred()
    watch = FolderWatch(reactor, reactor, tmp_path, lambda: settled.callback(None))

    def stop(result: Any) -> Any:
        watch.stop()
        return result

    watch.start()
    (tmp_path / "a.binary").write_bytes(b"x")
    return settled.addTimeout(5, reactor).addBoth(stop)
