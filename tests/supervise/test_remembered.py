"""What a core knows of the files from the core before it."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from twisted.logger import capturedLogs

from tests.supervise.plugins_folder import World, saying
from toru.supervise.registry import Stamp


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_unchanged_file_is_not_asked_after_a_restart(world: World) -> None:
    world.known("a.binary", "b.binary")
    world.file("b.binary")
    world.start_again()
    world.look()
    assert (world.ids, world.asked) == (["a"], ["b.binary"])


def test_bad_ones_are_asked_after_a_restart(world: World) -> None:
    world.file("a.binary")
    world.look()
    world.answer("a.binary", b"nonsense")
    world.clock.advance(1)
    world.start_again()
    world.look()
    assert world.asked == ["a.binary"] * 2


def test_the_file_is_private(world: World) -> None:
    world.known("a.binary")
    assert stat.S_IMODE(world.cache.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\xff", b'{"version": 0, "files": []}', b'{"version": 1, "files": {"/x": {}}}'],
)
def test_a_file_that_cannot_be_used_is_ignored_and_rewritten(world: World, content: bytes) -> None:
    world.known("a.binary")
    good = world.cache.read_bytes()
    world.cache.write_bytes(content)
    with capturedLogs() as logged:
        world.start_again()
    assert len(logged) == 1
    world.look()
    world.answer("a.binary", saying("a"))
    world.clock.advance(1)
    assert world.cache.read_bytes() == good


def test_what_is_gone_is_forgotten(world: World) -> None:
    world.known("a.binary", "b.binary")
    (world.folder / "a.binary").unlink()
    world.look()
    world.clock.advance(1)
    assert list(json.loads(world.cache.read_bytes())["files"]) == [str(world.folder / "b.binary")]


def test_a_burst_is_a_few_writes(world: World) -> None:
    for number in range(200):
        world.file(f"{number:03}.binary")
    world.look()
    for number in range(200):
        world.answer(f"{number:03}.binary", saying(f"p{number}"))
        world.clock.advance(0.01)
    world.clock.advance(1)
    assert world.writes <= 3
    assert len(json.loads(world.cache.read_bytes())["files"]) == 200


def test_one_write_at_a_time(world: World) -> None:
    world.slow_disk = []
    world.known("a.binary")
    assert len(world.slow_disk) == 1
    world.known("b.binary")
    world.clock.advance(10)
    assert len(world.slow_disk) == 1
    world.slow_disk.pop()()
    world.clock.advance(1)
    world.slow_disk.pop()()
    assert len(json.loads(world.cache.read_bytes())["files"]) == 2


def test_a_disk_that_fails(world: World) -> None:
    world.cache = world.cache.parent / "missing" / "discovery.json"
    world.start_again()
    with capturedLogs() as logged:
        world.known("a.binary")
    assert [event["log_level"].name for event in logged] == ["warn"]
    assert world.ids == ["a"]
    assert world.clock.getDelayedCalls() == []


def test_framing(world: World) -> None:
    world.known("a.binary")
    found = world.discovery.decision.plugins["a"]
    assert found.framing is None
    world.discovery.remember_framing(found.path, found.stamp, "1")
    assert world.discovery.decision.plugins["a"].framing == "1"
    world.look()
    assert world.published == []
    world.clock.advance(1)
    world.start_again()
    world.look()
    assert world.discovery.decision.plugins["a"].framing == "1"


def test_framing_of_a_version_that_is_gone(world: World) -> None:
    world.known("a.binary")
    found = world.discovery.decision.plugins["a"]
    world.discovery.remember_framing(found.path, Stamp(0, 0), "1")
    assert world.discovery.decision.plugins["a"].framing is None
    world.file("a.binary")
    world.look()
    world.answer("a.binary", saying("a"))
    world.discovery.remember_framing(found.path, found.stamp, "1")
    assert world.discovery.decision.plugins["a"].framing is None
