"""Looking again: what is new, changed, gone, or still on its way."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from twisted.internet.defer import CancelledError
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from tests.supervise.plugins_folder import World, saying
from toru.supervise.discovery import MOST_TRIES
from toru.supervise.registry import Decision, Stamp, difference


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class TestChanges:
    def test_nothing_new(self, world: World) -> None:
        world.known("a.binary", "b.binary")
        assert world.look() == [world.discovery.decision]
        assert world.asked == []
        assert world.published == []

    def test_added_changed_removed(self, world: World) -> None:
        world.known("a.binary", "b.binary")
        before = world.discovery.decision
        world.file("a.binary")
        (world.folder / "b.binary").unlink()
        world.file("c.binary")
        done = world.look()
        assert world.ids == ["a"]
        assert world.discovery.decision.plugins["a"] == before.plugins["a"]
        world.answer("a.binary", saying("a"))
        world.answer("c.binary", saying("c"))
        rescan = difference(before, done[0])
        assert (rescan.added, rescan.changed, rescan.removed) == (("c",), ("a",), ("b",))

    def test_a_new_version_that_is_broken(self, world: World) -> None:
        world.known("a.binary")
        before = world.discovery.decision
        world.file("a.binary")
        done = world.look()
        world.answer("a.binary", b"nonsense")
        assert world.ids == []
        assert done[0].broken == {"a.binary"}
        assert difference(before, done[0]).removed == ()

    def test_bad_ones_are_asked_again_when_they_change_or_by_hand(self, world: World) -> None:
        world.file("a.binary")
        world.look()
        world.answer("a.binary", b"nonsense")
        world.look()
        assert world.asked == ["a.binary"]
        world.look(again=True)
        assert world.asked == ["a.binary"] * 2
        assert list(world.problems) == ["a.binary"]
        world.answer("a.binary", saying("a"))
        assert world.ids == ["a"]
        assert world.problems == {}
        world.look(again=True)
        assert world.asked == ["a.binary"] * 2

    def test_a_look_during_a_look(self, world: World) -> None:
        world.file("a.binary")
        first = world.look()
        world.file("b.binary")
        second = world.look()
        assert world.asked == ["a.binary", "b.binary"]
        world.answer("a.binary", saying("a"))
        assert first == second == []
        world.answer("b.binary", saying("b"))
        assert first == second == [world.discovery.decision]

    def test_cancelling_one_look_leaves_the_others(self, world: World) -> None:
        world.file("a.binary")
        first, second = world.discovery.look(), world.discovery.look()
        errors: list[Failure] = []
        first.addErrback(errors.append)
        first.cancel()
        assert errors[0].check(CancelledError)
        world.answer("a.binary", saying("a"))
        assert second.result is world.discovery.decision

    def test_a_look_that_finds_another_version_stops_asking_the_old_one(self, world: World) -> None:
        world.file("a.binary")
        world.look()
        world.file("a.binary")
        world.look()
        assert world.cancelled == ["a.binary"]
        assert world.asked == ["a.binary"] * 2

    def test_a_look_that_finds_the_old_version_again_stops_asking(self, world: World) -> None:
        world.known("a.binary")
        path = world.folder / "a.binary"
        old = path.stat().st_mtime_ns
        world.file("a.binary")
        world.look()
        os.utime(path, ns=(old, old))
        assert world.look() == [world.discovery.decision]
        assert (world.ids, world.cancelled) == (["a"], ["a.binary"])

    def test_a_file_that_cannot_be_asked_any_more(self, world: World) -> None:
        path = world.file("a.binary")
        world.look()
        path.chmod(0o644)
        assert world.look() == [world.discovery.decision]
        assert (list(world.problems), world.cancelled) == (["a.binary"], ["a.binary"])

    def test_an_unsettled_file_waits_for_none_that_is_gone(self, world: World) -> None:
        path = world.file("a.binary")
        world.file("b.binary")
        world.look()
        world.answer("b.binary", saying("b"))
        world.unsettled = frozenset({"b.binary"})
        path.unlink()
        world.look()
        assert world.ids == ["b"]

    def test_a_change_while_it_is_asked(self, world: World) -> None:
        world.file("a.binary")
        done = world.look()
        path = world.file("a.binary")
        world.answer("a.binary", saying("old"))
        assert (done, world.ids, world.asked) == ([], [], ["a.binary"] * 2)
        world.answer("a.binary", saying("new"))
        assert world.discovery.decision.plugins["new"].stamp == Stamp(2, path.stat().st_mtime_ns)

    def test_changes_without_end(self, world: World) -> None:
        world.file("a.binary")
        done = world.look()
        for _ in range(MOST_TRIES):
            world.file("a.binary")
            world.answer("a.binary", saying("a"))
        assert "it changes whenever it is asked" in world.problems["a.binary"]
        assert done == [world.discovery.decision]

    def test_unsettled_files_stay_as_they_are(self, world: World) -> None:
        world.known("a.binary", "b.binary")
        world.file("a.binary")
        (world.folder / "b.binary").unlink()
        world.file("c.binary")
        world.unsettled = frozenset({"a.binary", "b.binary", "c.binary"})
        assert world.look() == [world.discovery.decision]
        assert (world.ids, world.asked) == (["a", "b"], [])
        world.unsettled = frozenset()
        world.look()
        assert (world.ids, world.asked) == (["a"], ["a.binary", "c.binary"])

    def test_by_hand_only_files_that_are_being_written_are_left_alone(self, world: World) -> None:
        world.file("a.binary")
        world.file("b.binary")
        world.unsettled = frozenset({"a.binary", "b.binary"})
        world.being_written = frozenset({"b.binary"})
        world.look(again=True)
        assert world.asked == ["a.binary"]

    def test_a_file_that_becomes_unsettled_while_it_is_asked(self, world: World) -> None:
        world.file("a.binary")
        done = world.look()
        world.file("a.binary")
        world.unsettled = frozenset({"a.binary"})
        world.answer("a.binary", saying("a"))
        assert (done, world.ids, world.asked) == ([Decision()], [], ["a.binary"])

    def test_no_folder(self, world: World) -> None:
        world.known("a.binary")
        (world.folder / "a.binary").unlink()
        world.folder.rmdir()
        with capturedLogs() as logged:
            world.look()
        assert world.ids == []
        assert [event["log_format"] for event in logged] == ["the plugins folder is not there: make it again"]

    def test_a_folder_that_cannot_be_read_stops_nothing(self, world: World) -> None:
        world.known("a.binary")
        (world.folder / "a.binary").unlink()
        world.folder.rmdir()
        world.folder.touch()
        world.look()
        assert world.ids == ["a"]


class TestStop:
    def test_leaves_nothing(self, world: World) -> None:
        for name in ("a.binary", "b.binary", "c.binary"):
            world.file(name)
        done = world.look()
        world.answer("a.binary", saying("a"))
        stopped: list[None] = []
        world.discovery.stop().addCallback(stopped.append)
        assert stopped == [None]
        assert world.cancelled == ["b.binary", "c.binary"]
        assert done[0].check(CancelledError)
        assert world.clock.getDelayedCalls() == []
        assert len(json.loads(world.cache.read_bytes())["files"]) == 1
        assert world.look() == [world.discovery.decision]
        assert world.asked == ["a.binary", "b.binary", "c.binary"]

    def test_waits_for_a_write_and_writes_what_came_after(self, world: World) -> None:
        world.slow_disk = []
        world.known("a.binary").known("b.binary")
        stopped: list[None] = []
        world.discovery.stop().addCallback(stopped.append)
        world.slow_disk.pop(0)()
        assert stopped == []
        world.slow_disk.pop(0)()
        assert stopped == [None]
        assert len(json.loads(world.cache.read_bytes())["files"]) == 2
        assert world.clock.getDelayedCalls() == []
