"""Which files are asked, when, and when their answers count."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from twisted.logger import capturedLogs

from tests.supervise.plugins_folder import World, saying
from toru.errors import InvalidMetadata
from toru.supervise.discovery import CROWD, PATIENCE, examine
from toru.supervise.registry import Decision, Stamp


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class TestExamine:
    def test_executable_file(self, world: World) -> None:
        path = world.file("a.binary")
        os.utime(path, ns=(5, 7))
        assert examine(world.folder, "a.binary") == Stamp(2, 7)

    def test_gone(self, world: World) -> None:
        assert examine(world.folder, "a.binary") is None

    def test_link_inside(self, world: World) -> None:
        world.file("real", 0o755)
        (world.folder / "a.binary").symlink_to("real")
        assert isinstance(examine(world.folder, "a.binary"), Stamp)

    def test_folder_that_is_a_link_itself(self, world: World, tmp_path: Path) -> None:
        world.file("real")
        (world.folder / "a.binary").symlink_to("real")
        (tmp_path / "link").symlink_to(world.folder)
        assert isinstance(examine(tmp_path / "link", "a.binary"), Stamp)

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda path: path.touch(0o644), "chmod +x"),
            (lambda path: path.mkdir(), "it is a folder"),
            (os.mkfifo, "not a regular file"),
            (lambda path: path.symlink_to("nothing"), "link to a file that is not there"),
            (lambda path: path.symlink_to(path), "cannot be examined"),
            (lambda path: path.symlink_to("/bin/sh"), "leads out of the plugins folder"),
            (lambda path: path.symlink_to("../discovery.json"), "leads out of the plugins folder"),
        ],
    )
    def test_no_plugin(self, world: World, make: Callable[[Path], object], words: str) -> None:
        make(world.folder / "a.binary")
        verdict = examine(world.folder, "a.binary")
        assert isinstance(verdict, str)
        assert words in verdict

    def test_name_that_is_no_utf8(self, world: World) -> None:
        name = os.fsdecode(b"\xff.binary")
        assert examine(world.folder, name) == "its name is not UTF-8: rename it"


class TestAsking:
    def test_in_order_of_names_and_bounded(self, world: World) -> None:
        for name in ("c.binary", "a.binary", "b.binary", ".d.binary", ".binary", "e.bin", "f.binary~"):
            world.file(name)
        world.look()
        assert world.asked == ["a.binary", "b.binary"]
        world.answer("b.binary", saying("b"))
        assert world.asked == ["a.binary", "b.binary", "c.binary"]

    def test_path_is_absolute(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World(tmp_path)
        monkeypatch.chdir(tmp_path)
        world.folder = Path("plugins")
        world.start_again()
        world.known("a.binary")
        assert world.discovery.decision.plugins["a"].path == tmp_path / "plugins" / "a.binary"

    def test_each_is_published_as_soon_as_it_is_known(self, world: World) -> None:
        world.file("a.binary")
        world.file("b.binary")
        done = world.look()
        world.answer("a.binary", saying("a"))
        assert [sorted(after.plugins) for _, after in world.published] == [["a"]]
        assert not done
        world.answer("b.binary", saying("b"))
        assert [sorted(after.plugins) for _, after in world.published] == [["a"], ["a", "b"]]
        assert done == [world.discovery.decision]
        assert world.published[1][0] is world.published[0][1]

    @pytest.mark.parametrize(
        ("output", "error"),
        [
            (InvalidMetadata("`--metadata` did not exit"), "a.binary: `--metadata` did not exit"),
            (ValueError("surprise"), "a.binary: it could not be asked what it is: surprise"),
            (b"nonsense", "a.binary: "),
            (b'{"id": "-", "name": "x", "version": "1", "route": "/x"}', "a.binary: "),
        ],
    )
    def test_bad_answers(self, world: World, output: bytes | Exception, error: str) -> None:
        world.file("a.binary")
        done = world.look()
        if isinstance(output, bytes):
            world.answer("a.binary", output)
        else:
            world.fail("a.binary", output)
        assert world.problems["a.binary"].startswith(error)
        assert world.discovery.decision.broken == {"a.binary"}
        assert done == [world.discovery.decision]

    def test_files_that_cannot_be_asked(self, world: World) -> None:
        world.file("a.binary", 0o644)
        assert world.look()
        assert world.asked == []
        assert world.problems["a.binary"].startswith("a.binary: it is not executable")
        (world.folder / "a.binary").chmod(0o755)
        world.look()
        assert world.asked == ["a.binary"]

    def test_a_file_that_goes_while_it_waits_or_is_asked(self, tmp_path: Path) -> None:
        world = World(tmp_path, max_asking=1)
        first, second = world.file("a.binary"), world.file("b.binary")
        done = world.look()
        second.unlink()
        first.unlink()
        world.answer("a.binary", saying("a"))
        assert done == [Decision()]
        assert world.asked == ["a.binary"]

    def test_ask_that_raises_at_once_for_thousands(self, world: World) -> None:
        for number in range(1500):
            world.file(f"{number:04}.binary")
        world.at_once = lambda name: b"nonsense"
        assert world.look()
        assert len(world.problems) == 1500
        assert len(world.asked) == 1500

    def test_a_consumer_that_fails_is_logged_and_stops_nothing(self, world: World) -> None:
        def publish(before: Decision, after: Decision) -> None:
            raise ZeroDivisionError

        world.discovery._publish = publish
        world.file("a.binary")
        done = world.look()
        with capturedLogs() as logged:
            world.answer("a.binary", saying("a"))
        assert [event["log_failure"].type for event in logged] == [ZeroDivisionError]
        assert done == [world.discovery.decision]

    def test_a_consumer_may_look_again_at_once(self, world: World) -> None:
        world.file("a.binary")
        nested: list[Any] = []
        world.discovery._publish = lambda before, after: nested.append(world.look())
        done = world.look()
        world.answer("a.binary", saying("a"))
        assert done == nested[0] == [world.discovery.decision]


class TestHolding:
    def test_a_later_named_file_waits_for_an_earlier_one(self, world: World) -> None:
        world.file("a.binary")
        world.file("b.binary")
        world.look()
        world.answer("b.binary", saying("same"))
        assert world.published == []
        world.answer("a.binary", saying("same", "/other"))
        assert [after.plugins["same"].path.name for _, after in world.published] == ["a.binary"]
        assert list(world.problems) == ["b.binary"]

    def test_but_not_for_long(self, world: World) -> None:
        world.file("a.binary")
        world.file("b.binary")
        world.look()
        world.answer("b.binary", saying("b"))
        world.clock.advance(PATIENCE - 0.01)
        assert world.ids == []
        world.clock.advance(0.01)
        assert world.ids == ["b"]
        world.fail("a.binary", InvalidMetadata("too slow"))
        assert list(world.problems) == ["a.binary"]

    def test_one_that_hangs_holds_nobody_twice(self, world: World) -> None:
        for name in ("a.binary", "b.binary", "c.binary"):
            world.file(name)
        world.look()
        world.answer("b.binary", saying("b"))
        world.clock.advance(PATIENCE)
        world.answer("c.binary", saying("c"))
        assert world.ids == ["b", "c"]

    def test_what_is_recalled_does_not_wait(self, world: World) -> None:
        """It was a plugin the last time; a start where nothing changed but one hangs is not to be held up."""
        world.known("b.binary")
        world.file("a.binary")
        world.start_again()
        world.look()
        assert world.ids == ["b"]
        world.answer("a.binary", saying("b"))
        assert world.discovery.decision.plugins["b"].path.name == "a.binary"

    def test_what_is_published_already_stays(self, world: World) -> None:
        world.known("b.binary")
        world.file("a.binary")
        world.look()
        assert world.ids == ["b"]
        assert world.published == []

    def test_a_bad_answer_releases(self, world: World) -> None:
        world.file("a.binary")
        world.file("b.binary")
        world.look()
        world.answer("b.binary", saying("b"))
        world.answer("a.binary", b"")
        assert world.ids == ["b"]

    def test_a_removed_file_releases(self, world: World) -> None:
        path = world.file("a.binary")
        world.file("b.binary")
        done = world.look()
        world.answer("b.binary", saying("b"))
        path.unlink()
        assert world.look() == done == [world.discovery.decision]
        assert world.ids == ["b"]
        assert world.cancelled == ["a.binary"]

    @settings(deadline=None)
    @given(
        st.lists(st.sampled_from("xyz"), min_size=2, max_size=6),
        st.data(),
    )
    def test_no_order_of_answers_publishes_a_loser(
        self, tmp_path_factory: pytest.TempPathFactory, ids: list[str], data: st.DataObject
    ) -> None:
        world = World(tmp_path_factory.mktemp("world"), max_asking=len(ids))
        names = [f"{number}.binary" for number in range(len(ids))]
        for name in names:
            world.file(name)
        world.look()
        for name in data.draw(st.permutations(names)):
            world.answer(name, saying(ids[int(name[0])]))
        winners = {id: f"{ids.index(id)}.binary" for id in ids}
        for _, after in world.published:
            assert {id: found.path.name for id, found in after.plugins.items()}.items() <= winners.items()
        assert set(world.ids) == set(winners)


class TestHanging:
    def test_gives_its_place_to_others(self, world: World) -> None:
        for name in ("a.binary", "b.binary", "c.binary", "d.binary"):
            world.file(name)
        world.look()
        world.clock.advance(PATIENCE)
        assert world.asked == ["a.binary", "b.binary", "c.binary", "d.binary"]

    def test_but_there_is_a_limit(self, world: World) -> None:
        for number in range(20):
            world.file(f"{number:02}.binary")
        world.look()
        for _ in range(20):
            world.clock.advance(PATIENCE)
        assert len(world.asked) == CROWD * world.max_asking

    def test_one_that_was_slow_in_a_crowd_is_asked_again_last(self, tmp_path: Path) -> None:
        world = World(tmp_path, max_asking=1)
        for name in ("a.binary", "b.binary", "c.binary"):
            world.file(name)
        done = world.look()
        world.clock.advance(PATIENCE)
        world.fail("a.binary", InvalidMetadata("too slow"))
        assert world.problems == {}
        world.answer("b.binary", saying("b"))
        world.answer("c.binary", saying("c"))
        assert world.asked == ["a.binary", "b.binary", "c.binary", "a.binary"]
        world.clock.advance(PATIENCE)
        world.fail("a.binary", InvalidMetadata("too slow"))
        assert world.problems == {"a.binary": "a.binary: too slow"}
        assert done == [world.discovery.decision]

    def test_a_second_chance_keeps_nobody_new_waiting(self, tmp_path: Path) -> None:
        world = World(tmp_path, max_asking=1)
        world.file("a.binary")
        world.file("b.binary")
        world.look()
        world.clock.advance(PATIENCE)
        world.fail("a.binary", InvalidMetadata("too slow"))
        world.answer("b.binary", saying("b"))
        world.clock.advance(PATIENCE)
        world.file("c.binary")
        world.look()
        assert world.asked == ["a.binary", "b.binary", "a.binary", "c.binary"]

    def test_second_chances_are_not_given_in_a_crowd(self, tmp_path: Path) -> None:
        world = World(tmp_path, max_asking=1)
        world.file("a.binary")
        world.file("b.binary")
        world.look()
        world.clock.pump([PATIENCE] * 2)
        world.fail("a.binary", InvalidMetadata("too slow"))
        world.fail("b.binary", InvalidMetadata("too slow"))
        world.clock.advance(PATIENCE)
        assert world.asked == ["a.binary", "b.binary", "a.binary"]
        world.answer("a.binary", saying("a"))
        world.answer("b.binary", saying("b"))
        assert world.ids == ["a", "b"]

    def test_one_that_was_slow_alone_had_its_chance(self, world: World) -> None:
        world.file("a.binary")
        world.look()
        world.clock.advance(5)
        world.fail("a.binary", InvalidMetadata("too slow"))
        assert world.asked == ["a.binary"]
        assert list(world.problems) == ["a.binary"]
