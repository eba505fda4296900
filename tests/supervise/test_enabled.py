"""Which plugins are enabled, on disk."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import capturedLogs

from toru.errors import ToruError
from toru.store.enabled import EnabledPlugins

from .fakes import results


class Threads:
    """Runs what it is given at once, or, where `slow`, one by one when told to."""

    def __init__(self) -> None:
        self.slow = False
        self.waiting: list[tuple[Callable[[], None], Deferred[None]]] = []

    def __call__(self, work: Callable[[], None]) -> Deferred[None]:
        if not self.slow:
            return maybeDeferred(work)
        done: Deferred[None] = Deferred()
        self.waiting.append((work, done))
        return done

    def run(self) -> None:
        work, done = self.waiting.pop(0)
        maybeDeferred(work).chainDeferred(done)


class Folder:
    """A plugins folder. `write` is what stands in the file beforehand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path / ".metadata" / "config.json"
        self.threads = Threads()

    def write(self, content: bytes) -> None:
        self.file.parent.mkdir()
        self.file.write_bytes(content)

    def open(self) -> EnabledPlugins:
        return EnabledPlugins(self.path, self.threads)

    @property
    def content(self) -> Any:
        return json.loads(self.file.read_bytes())

    @property
    def set_aside(self) -> list[bytes]:
        return [file.read_bytes() for file in self.file.parent.glob("config.json.broken-*")]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def switch(enabled: EnabledPlugins, id: str, on: bool) -> list[Any]:
    return results(Deferred.fromCoroutine(enabled.set(id, on)))


class TestReading:
    def test_without_a_file_all_are_enabled(self, folder: Folder) -> None:
        assert "demo" in folder.open()
        assert stat.S_IMODE(folder.file.parent.stat().st_mode) == 0o700
        assert not folder.file.exists()

    def test_those_that_it_does_not_name_are_enabled(self, folder: Folder) -> None:
        folder.write(b'{"plugins": {"on": true, "off": false}}')
        enabled = folder.open()
        assert [id in enabled for id in ("on", "off", "other")] == [True, False, True]

    @pytest.mark.parametrize("content", [b"{}", b'{"plugins": {}}', b'{"comment": "mine"}'])
    def test_files_that_say_little(self, folder: Folder, content: bytes) -> None:
        folder.write(content)
        assert "demo" in folder.open()
        assert folder.set_aside == []

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b"\xff\xfe",
            b'{"plugins": null}',
            b'{"plugins": ["demo"]}',
            b'{"plugins": {"demo": "off"}}',
            b'{"plugins": {"demo": 0}}',
            b'{"plugins": {"demo": null}}',
            b'{"x": ' * 20_000,
        ],
    )
    def test_a_broken_file_is_set_aside(self, folder: Folder, content: bytes) -> None:
        folder.write(content)
        with capturedLogs() as logged:
            enabled = folder.open()
        assert "demo" in enabled
        assert folder.set_aside == [content]
        assert not folder.file.exists()
        assert [one["log_level"].name for one in logged] == ["error"]
        switch(enabled, "demo", False)
        assert folder.content == {"plugins": {"demo": False}}
        assert folder.set_aside == [content]

    def test_two_broken_files_are_both_kept(self, folder: Folder) -> None:
        folder.write(b"one")
        folder.open()
        folder.file.write_bytes(b"two")
        folder.open()
        assert sorted(folder.set_aside) == [b"one", b"two"]

    def test_a_file_that_cannot_be_read_is_no_broken_file(self, folder: Folder) -> None:
        folder.file.mkdir(parents=True)
        with pytest.raises(IsADirectoryError):
            folder.open()
        assert folder.set_aside == []


class TestWriting:
    def test_it_is_on_disk_when_it_is_done(self, folder: Folder) -> None:
        enabled = folder.open()
        assert switch(enabled, "demo", False) == [None]
        assert folder.content == {"plugins": {"demo": False}}
        assert stat.S_IMODE(folder.file.stat().st_mode) == 0o600
        assert "demo" not in folder.open()
        assert switch(enabled, "demo", True) == [None]
        assert folder.content == {"plugins": {"demo": True}}

    def test_what_else_stands_in_the_file_is_kept(self, folder: Folder) -> None:
        folder.write(b'{"version": 3, "plugins": {"other": false}, "notes": {"by": ["hand", null, 1.5]}}')
        switch(folder.open(), "demo", False)
        assert folder.content == {
            "version": 3,
            "plugins": {"other": False, "demo": False},
            "notes": {"by": ["hand", None, 1.5]},
        }

    def test_it_counts_at_once(self, folder: Folder) -> None:
        enabled = folder.open()
        folder.threads.slow = True
        assert switch(enabled, "demo", False) == []
        assert "demo" not in enabled

    def test_several_at_once_are_written_one_after_the_other(self, folder: Folder) -> None:
        enabled = folder.open()
        folder.threads.slow = True
        done = [switch(enabled, "a", False), switch(enabled, "b", False), switch(enabled, "a", True)]
        for turn in range(3):
            assert len(folder.threads.waiting) == 1
            assert [len(one) for one in done] == [1] * turn + [0] * (3 - turn)
            folder.threads.run()
        assert folder.threads.waiting == []
        assert done == [[None]] * 3
        assert folder.content == {"plugins": {"a": True, "b": False}}

    def test_a_disk_that_takes_nothing(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        enabled = folder.open()
        switch(enabled, "before", False)

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch, capturedLogs() as logged:
            patch.setattr("os.fsync", full)
            (error,) = switch(enabled, "demo", False)
        assert isinstance(error, ToruError)
        assert error.detail.startswith("'demo' is disabled until toru starts anew")
        assert error.detail.endswith("No space left on device.")
        assert [one["log_level"].name for one in logged] == ["error"]
        assert folder.content == {"plugins": {"before": False}}
        assert [file.name for file in folder.file.parent.iterdir()] == ["config.json"]
        assert switch(enabled, "later", False) == [None]
        assert folder.content["plugins"]["later"] is False

    def test_after_one_that_failed_the_others_have_their_turn(self, folder: Folder) -> None:
        enabled = folder.open()
        folder.threads.slow = True
        first, second = switch(enabled, "a", False), switch(enabled, "b", False)
        _, waiting = folder.threads.waiting.pop(0)
        waiting.errback(OSError(5, "Input/output error"))
        assert isinstance(first[0], ToruError)
        folder.threads.run()
        assert second == [None]
