"""What a plugin wrote to its pipes and its log file is read to the end before it counts as gone."""

from __future__ import annotations

import os
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


def test_what_it_said_last_is_told_while_the_disk_keeps_its_pipes_from_being_read(running: Stage) -> None:
    running.sink.write = lambda records: Deferred()  # type: ignore[method-assign]  # a database that takes its time
    process = running.process
    process.protocol.childDataReceived(1, b"one moment\n")
    assert process.calls == ["pause"]
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with open(reading, "rb", buffering=0) as process.pipes[2], open(writing, "wb", buffering=0) as its:
        its.write(b"Traceback\n" * 5_000 + b"RuntimeError: the disk is on fire\n")
        process.exit(1, pipes_closed=False)
    last_exit = running.plugin.status().last_exit
    assert last_exit is not None
    assert last_exit.detail.endswith("RuntimeError: the disk is on fire")


def test_nothing_is_waited_for_that_was_not_said(running: Stage) -> None:
    """Something that left the session holds the pipe, and says nothing."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with open(reading, "rb", buffering=0) as running.process.pipes[2], open(writing, "wb", buffering=0):
        running.process.exit(1, pipes_closed=False)
    last_exit = running.plugin.status().last_exit
    assert last_exit is not None
    assert last_exit.detail == "exited with code 1"
