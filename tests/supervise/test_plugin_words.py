"""What a plugin wrote to its pipes and its log file is read to the end before it counts as gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from .fakes import Stage, results

pytestmark = pytest.mark.usefixtures("sessions")


@pytest.fixture
def running(tmp_path: Path) -> Stage:
    stage = Stage(tmp_path)
    stage.plugin.begin()
    stage.come_up()
    return stage


def test_its_file_is_read_from_the_start_to_the_end(running: Stage) -> None:
    assert running.tail.calls == ["start"]
    running.crash()
    assert running.tail.calls == ["start", "flush"]
    stopped = running.plugin.stop()
    assert results(stopped) == [None]
    assert running.tail.calls == ["start", "flush", "stop"]


def test_its_file_is_not_read_to_the_end_while_another_process_writes(running: Stage) -> None:
    old = running.process
    running.plugin.restart()
    running.come_up()
    old.exit(0)
    running.bury()
    assert running.tail.calls == ["start"]


def test_it_is_not_gone_while_its_last_words_are_on_their_way(running: Stage) -> None:
    safe: Deferred[None] = Deferred()
    running.sink.write = lambda records: safe  # type: ignore[method-assign]  # a database that takes its time
    process = running.process
    process.protocol.childDataReceived(1, b"last words\n")
    stopped = running.plugin.stop()
    process.exit(0)
    running.bury()
    running.clock.advance(1)
    assert running.state() == "stopped"
    assert results(stopped) == []
    safe.callback(None)
    assert results(stopped) == [None]
