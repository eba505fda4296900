"""What metrics show of one plugin, among fakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from toru.config import PluginSettings
from toru.model import Usage

from .fakes import REQUEST, Stage, json_line, results

pytestmark = pytest.mark.usefixtures("sessions")


def up(run: Path, concurrency: int = 64) -> Stage:
    stage = Stage(run, settings=PluginSettings(concurrency=concurrency))
    stage.plugin.begin()
    stage.come_up()
    return stage


def test_a_plugin_that_is_up(tmp_path: Path) -> None:
    stage = up(tmp_path)
    numbers = stage.plugin.numbers()
    assert (numbers.id, numbers.state, numbers.health) == ("demo", "running", "healthy")
    assert (numbers.restarts, numbers.consecutive_crashes) == (0, 0)
    assert numbers.usage == Usage(1.0, stage.process.pid)


def test_one_that_is_disabled(tmp_path: Path) -> None:
    stage = Stage(tmp_path, enabled=False)
    stage.plugin.begin()
    numbers = stage.plugin.numbers()
    assert (numbers.state, numbers.health, numbers.usage) == ("disabled", "disabled", None)


def test_what_waits_and_what_is_in_flight(tmp_path: Path) -> None:
    stage = up(tmp_path, concurrency=2)
    for _ in range(5):
        results(stage.plugin.request(REQUEST))
    assert (stage.plugin.numbers().in_flight, stage.plugin.numbers().queued) == (2, 3)
    stage.clock.advance(0.25)
    stage.wire.hear(json_line("http", "1", status=200))
    numbers = stage.plugin.numbers()
    assert (numbers.in_flight, numbers.queued) == (2, 2)
    assert (sum(numbers.latency.buckets), numbers.latency.seconds) == (1, 0.25)


def test_what_waits_for_a_process_that_leaves(tmp_path: Path) -> None:
    stage = up(tmp_path, concurrency=1)
    old = stage.wire
    for _ in range(2):
        results(stage.plugin.request(REQUEST))
    results(stage.plugin.restart())
    stage.come_up()
    results(stage.plugin.request(REQUEST))
    assert stage.wire is not old
    numbers = stage.plugin.numbers()
    assert (numbers.in_flight, numbers.queued, numbers.restarts) == (2, 1, 1)
    old.hear(json_line("http", "1", status=200), json_line("http", "2", status=200))
    assert (stage.plugin.numbers().in_flight, stage.plugin.numbers().queued) == (1, 0)


def test_a_crash_takes_no_count_back(tmp_path: Path) -> None:
    stage = up(tmp_path)
    results(stage.plugin.request(REQUEST))
    stage.wire.hear(json_line("http", "1", status=200))
    stage.plugin.served(200)
    stage.crash()
    numbers = stage.plugin.numbers()
    assert (numbers.state, numbers.health, numbers.consecutive_crashes) == ("backoff", "unhealthy", 1)
    assert (numbers.answers, sum(numbers.latency.buckets), numbers.usage) == ((1, 0, 0, 0), 1, None)
    stage.clock.advance(1)
    stage.come_up()
    numbers = stage.plugin.numbers()
    assert (numbers.state, numbers.restarts, numbers.consecutive_crashes) == ("running", 1, 1)
    assert (numbers.answers, sum(numbers.latency.buckets)) == ((1, 0, 0, 0), 1)
    stage.plugin.update(stage.file(2, protocol="2"))
    stage.come_up()
    numbers = stage.plugin.numbers()
    assert (numbers.answers, sum(numbers.latency.buckets), numbers.restarts) == ((1, 0, 0, 0), 1, 2)
