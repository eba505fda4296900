"""Enabling, disabling, and health of one plugin among fakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from toru.config import Supervision

from .fakes import REQUEST, FakeSessions, Stage, json_line, results

pytestmark = pytest.mark.usefixtures("sessions")


@pytest.fixture
def running(tmp_path: Path) -> Stage:
    """A plugin that is up."""
    stage = Stage(tmp_path)
    stage.plugin.begin()
    stage.come_up()
    stage.told()
    return stage


@pytest.fixture
def disabled(tmp_path: Path) -> Stage:
    stage = Stage(tmp_path, enabled=False)
    stage.plugin.begin()
    return stage


class TestEnabling:
    def test_fires_when_it_is_up(self, disabled: Stage) -> None:
        done = results(disabled.plugin.enable())
        assert done == []
        disabled.come_up()
        assert done == [None]
        assert disabled.state() == "running"
        assert disabled.told() == ["enabled", "started", "ready"]
        assert len(disabled.idle_calls()) == 1, "nothing but the looks at its health"

    def test_waits_two_seconds(self, disabled: Stage) -> None:
        done = results(disabled.plugin.enable())
        disabled.clock.advance(1.999)
        assert done == []
        disabled.clock.advance(0.001)
        assert done == [None]
        assert disabled.state() == "starting"
        disabled.come_up()
        assert disabled.state() == "running"

    def test_fires_when_it_has_crashed(self, disabled: Stage) -> None:
        done = results(disabled.plugin.enable())
        disabled.crash()
        assert done == [None]
        assert disabled.state() == "backoff"

    def test_of_one_that_is_up(self, running: Stage) -> None:
        assert results(running.plugin.enable()) == [None]
        assert running.told() == []
        assert len(running.spawner.processes) == 1

    def test_ends_a_backoff(self, running: Stage) -> None:
        running.crash()
        running.plugin.enable()
        assert running.state() == "starting"
        running.clock.advance(1.9)
        assert len(running.spawner.processes) == 2

    def test_what_was_before_is_forgiven(self, tmp_path: Path) -> None:
        stage = Stage(tmp_path, supervision=Supervision(max_crashes=2))
        stage.plugin.begin()
        stage.crash()
        stage.clock.advance(1)
        stage.crash()
        assert stage.state() == "disabled"
        stage.plugin.enable()
        assert stage.plugin.status().problem is None
        stage.crash()
        status = stage.plugin.status()
        assert (status.state, status.enabled, status.consecutive_crashes) == ("backoff", True, 1)

    def test_told_that_it_is_disabled_where_one_crash_was_too_many(self, tmp_path: Path) -> None:
        stage = Stage(tmp_path, enabled=False, supervision=Supervision(max_crashes=1))
        stage.plugin.begin()
        seen = results(stage.plugin.enable().addCallback(lambda _: stage.plugin.status()))
        stage.crash()
        (status,) = seen
        assert (status.state, status.enabled, status.health) == ("disabled", False, "disabled")


class TestDisabling:
    def test_fires_when_nothing_is_left(self, running: Stage, sessions: FakeSessions) -> None:
        done = results(running.plugin.disable())
        assert not running.plugin.enabled
        sessions.left = [1]
        running.process.exit(0)
        assert done == []
        running.bury()
        assert done == [None]
        status = running.plugin.status()
        assert (status.state, status.running, status.pid) == ("disabled", False, None)
        assert running.told() == ["disabled", "stopped"]
        assert running.idle_calls() == []

    def test_twice(self, running: Stage) -> None:
        first, second = results(running.plugin.disable()), results(running.plugin.disable())
        running.process.exit(0)
        running.bury()
        assert (first, second) == ([None], [None])
        assert running.told() == ["disabled", "stopped"]
        assert results(running.plugin.disable()) == [None]

    def test_of_one_whose_file_is_removed_before_it_is_down(
        self, running: Stage, sessions: FakeSessions
    ) -> None:
        sessions.left = [1]
        done = results(running.plugin.disable())
        gone = results(running.plugin.stop())
        running.process.exit(0)
        assert (done, gone) == ([], [])
        running.bury()
        assert (done, gone) == ([None], [None])
        assert running.told() == ["disabled", "stopped"]
        assert results(running.plugin.disable()) == [None], "also once it is gone"
        assert running.idle_calls() == []

    def test_wins_over_an_earlier_enable(self, disabled: Stage) -> None:
        disabled.plugin.enable()
        done = results(disabled.plugin.disable())
        disabled.process.exit(signal=15)
        disabled.bury()
        assert done == [None]
        assert disabled.state() == "disabled"

    def test_an_enable_that_comes_later_wins(self, running: Stage) -> None:
        off = results(running.plugin.disable())
        on = results(running.plugin.enable())
        running.process.exit(0)
        running.bury()
        assert running.state() == "starting"
        assert off == [None], "whoever asked for the opposite does not wait for ever"
        running.come_up()
        assert on == [None]
        assert (running.state(), running.plugin.enabled) == ("running", True)

    def test_during_the_backoff(self, running: Stage) -> None:
        running.crash()
        assert results(running.plugin.disable()) == [None]
        running.clock.advance(1000)
        assert running.state() == "disabled"
        assert len(running.spawner.processes) == 1

    def test_a_crash_while_it_stops_is_none(self, running: Stage) -> None:
        running.plugin.disable()
        running.crash()
        status = running.plugin.status()
        assert (status.state, status.consecutive_crashes, status.problem) == ("disabled", 0, None)


class TestHealth:
    def test_a_socket_file_that_somebody_deleted(self, running: Stage, sessions: FakeSessions) -> None:
        got = results(running.plugin.request(REQUEST))
        running.process.socket.unlink()
        running.clock.advance(5)
        assert "its socket file is gone" in got[0].detail
        assert sessions.calls == [("group", running.process.pid, "SIGTERM")]
        running.process.exit(signal=15)
        running.bury()
        status = running.plugin.status()
        assert status.problem == "crashed: its socket file is gone: killed by SIGTERM"
        assert (status.state, status.consecutive_crashes) == ("backoff", 1)
        assert running.told() == ["unhealthy", "crashed", "restarting"]

    def test_one_that_hangs(self, tmp_path: Path, sessions: FakeSessions) -> None:
        stage = Stage(tmp_path, capabilities=("ping",))
        stage.plugin.begin()
        stage.come_up()
        stage.clock.pump([5] * 3)
        assert stage.plugin.status().health == "unhealthy"
        assert sessions.calls == []
        stage.clock.advance(5)
        assert stage.plugin.status().problem == "unhealthy: it missed three pings"
        assert sessions.calls == [("group", stage.process.pid, "SIGTERM")]

    def test_one_that_answers_pings(self, tmp_path: Path, sessions: FakeSessions) -> None:
        stage = Stage(tmp_path, capabilities=("ping",))
        stage.plugin.begin()
        stage.come_up()
        stage.wire.said()
        for _ in range(20):
            stage.clock.advance(5)
            (ping,) = stage.wire.said()
            stage.wire.hear(json_line("lifecycle", ping["request_id"], action="pong"))
        assert sessions.calls == []
        assert stage.plugin.status().health == "healthy"

    def test_protocol_1_has_no_ping_whatever_the_metadata_says(
        self, tmp_path: Path, sessions: FakeSessions
    ) -> None:
        stage = Stage(tmp_path, protocol="1", capabilities=("ping",))
        stage.plugin.begin()
        stage.come_up()
        stage.clock.pump([5] * 20)
        assert sessions.calls == []
        assert stage.plugin.status().health == "healthy"
        assert len(stage.dial.wires) == 1

    def test_stopping_one_that_is_being_killed_for_its_health(
        self, running: Stage, sessions: FakeSessions
    ) -> None:
        running.process.socket.unlink()
        running.clock.advance(5)
        done = results(running.plugin.disable())
        running.process.exit(signal=15)
        running.bury()
        assert done == [None]
        assert running.state() == "disabled"
        assert running.idle_calls() == []


class TestStatus:
    def test_of_one_that_is_up(self, running: Stage) -> None:
        running.clock.advance(1.5)
        status = running.plugin.status()
        assert (status.id, status.route, status.protocol) == ("demo", "/demo", "2")
        assert (status.enabled, status.state, status.running, status.health) == (
            True,
            "running",
            True,
            "healthy",
        )
        assert status.pid == running.process.pid
        assert status.socket_path == str(running.process.socket)
        assert status.started_at == "1970-01-01T00:00:00.000Z"
        assert status.uptime_seconds == 1.75
        assert status.restarts == 0
        assert status.usage is not None
        assert (status.last_exit, status.problem, status.next_restart_at) == (None, None, None)

    def test_of_one_that_waits_to_be_restarted(self, running: Stage) -> None:
        running.crash()
        now = running.clock.seconds()
        status = running.plugin.status()
        assert (status.state, status.running, status.health) == ("backoff", False, "unhealthy")
        assert (status.pid, status.socket_path, status.started_at, status.usage) == (None, None, None, None)
        assert status.next_restart_at is not None
        assert "1970-01-01T00:00:01" <= status.next_restart_at < f"1970-01-01T00:00:{now + 1.01:06.3f}Z"
        assert status.last_exit is not None
        assert (status.last_exit.code, status.last_exit.signal) == (1, None)
        running.clock.advance(1)
        assert running.plugin.status().restarts == 1

    def test_traffic_is_that_of_all_processes(self, running: Stage) -> None:
        for _ in range(2):
            results(running.plugin.request(REQUEST))
            running.wire.hear(json_line("http", "1", status=200))
            running.crash()
            running.clock.advance(16)
            running.come_up()
        traffic = running.plugin.status().traffic
        assert (traffic.requests, traffic.errors, traffic.in_flight) == (2, 0, 0)

    def test_log_messages_become_records(self, running: Stage) -> None:
        running.wire.hear(json_line("log", level="warn", message="careful", fields={"n": 1}))
        running.process.protocol.outReceived(b"hello\n")
        link, stdout = running.sink.records
        assert (link.stream, link.level, link.message, link.fields) == ("link", "warn", "careful", {"n": 1})
        assert (stdout.stream, stdout.message) == ("stdout", "hello")
        assert link.pid == stdout.pid == running.process.pid
