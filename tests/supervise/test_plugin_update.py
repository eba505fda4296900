"""What becomes of one plugin among fakes when its file changes: once, and again and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from .fakes import FakeProcess, Stage, results

pytestmark = pytest.mark.usefixtures("sessions")


@pytest.fixture
def running(tmp_path: Path) -> Stage:
    """A plugin that is up."""
    stage = Stage(tmp_path)
    stage.plugin.begin()
    stage.come_up()
    stage.told()
    return stage


def leave(stage: Stage, process: FakeProcess, code: int = 0) -> None:
    """That process exits, and is gone."""
    process.exit(code)
    stage.bury()


def test_the_new_version_takes_over(running: Stage) -> None:
    old = running.process
    running.plugin.update(running.file(2, protocol="2", name="Better"))
    assert running.state() == "running"
    running.come_up()
    leave(running, old)
    status = running.plugin.status()
    assert (status.name, status.version, status.state) == ("Better", "2", "running")
    assert running.told() == ["changed", "started", "ready", "upgraded", "stopped"]


def test_a_new_version_that_does_not_start(running: Stage) -> None:
    old = running.process
    running.plugin.update(running.file(2, protocol="2"))
    running.crash()
    status = running.plugin.status()
    assert (status.state, status.pid) == ("running", old.pid)
    assert status.problem is not None
    assert "did not get ready: exited with code 1" in status.problem
    assert running.told() == ["changed", "started", "problem"]


def test_changed_once_more_before_the_new_version_is_ready(running: Stage) -> None:
    running.plugin.update(running.file(2, protocol="2"))
    second = running.process
    running.plugin.update(running.file(3, protocol="2"))
    third = running.come_up()
    leave(running, second, 1)
    assert running.plugin.pid == third.pid
    assert running.plugin.status().version == "3"


def test_while_the_old_version_starts(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.plugin.begin()
    stage.plugin.update(stage.file(2, protocol="2"))
    leave(stage, stage.process)
    assert len(stage.spawner.processes) == 2, "the new version is what comes up"
    stage.come_up()
    assert stage.state() == "running"


def test_after_crashes_it_begins_anew(running: Stage) -> None:
    for _ in range(5):
        running.crash()
        running.clock.advance(16)
    running.crash()
    running.plugin.update(running.file(2, protocol="2"))
    assert running.state() == "starting"
    running.crash()
    assert running.plugin.status().consecutive_crashes == 1


def replace(stage: Stage, size: int) -> None:
    """Its file changes, and the new version takes over at once where it may."""
    old, before = stage.process, len(stage.spawner.processes)
    stage.plugin.update(stage.file(size, protocol="2"))
    if len(stage.spawner.processes) > before:
        stage.come_up()
        leave(stage, old)


def test_one_whose_file_keeps_changing_is_replaced_less_and_less_often(running: Stage) -> None:
    for size in range(2, 7):
        replace(running, size)
    assert (running.plugin.status().version, len(running.spawner.processes)) == ("6", 6)
    for size, delay in ((7, 1), (8, 2), (9, 4), (10, 8)):
        started = len(running.spawner.processes)
        replace(running, size)
        running.clock.advance(delay - 0.001)
        assert len(running.spawner.processes) == started, "what runs goes on"
        assert running.state() == "running"
        old = running.process
        running.clock.advance(0.001)
        assert len(running.spawner.processes) == started + 1
        running.come_up()
        leave(running, old)
        assert running.plugin.status().version == str(size)


def test_many_changes_in_a_row_are_one_replacement(running: Stage) -> None:
    for size in range(2, 12):
        replace(running, size)
    assert len(running.spawner.processes) == 6
    running.clock.advance(15.9)
    assert len(running.spawner.processes) == 6
    running.clock.advance(0.1)
    running.come_up()
    assert len(running.spawner.processes) == 7
    assert running.plugin.status().version == "11"


def test_a_minute_later_changes_are_free_again(running: Stage) -> None:
    for size in range(2, 7):
        replace(running, size)
    running.clock.advance(60)
    replace(running, 7)
    assert len(running.spawner.processes) == 7


@pytest.mark.parametrize("how", ["stop", "disable"])
def test_a_delayed_one_comes_to_nothing_where_it_is_ended(running: Stage, how: str) -> None:
    for size in range(2, 8):
        replace(running, size)
    done = results(getattr(running.plugin, how)())
    leave(running, running.process)
    assert done == [None]
    running.clock.advance(100)
    assert len(running.spawner.processes) == 6
    assert running.idle_calls() == []


def test_of_one_that_is_disabled(tmp_path: Path) -> None:
    stage = Stage(tmp_path, enabled=False)
    stage.plugin.begin()
    stage.plugin.update(stage.file(2))
    assert stage.spawner.processes == []
    assert stage.plugin.status().version == "2"
