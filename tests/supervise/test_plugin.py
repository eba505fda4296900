"""One plugin's life among fakes: starts, crashes, stops, and who is told what."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from toru.config import PluginSettings, Supervision
from toru.errors import LinkLost, PluginUnavailable
from toru.wire.messages import Answer

from .fakes import REQUEST, FakeSessions, Stage, json_line, results

pytestmark = pytest.mark.usefixtures("sessions")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A plugin that is starting."""
    stage = Stage(tmp_path)
    stage.plugin.begin()
    return stage


@pytest.fixture
def running(stage: Stage) -> Stage:
    """One that is up."""
    stage.come_up()
    stage.told()
    return stage


class TestStarting:
    def test_what_it_is_started_with(self, tmp_path: Path) -> None:
        settings = PluginSettings(env={"MODE": "test", "TORU_PLUGIN_ID": "mine"}, memory_max=2**20, nofile=64)
        stage = Stage(tmp_path, settings=settings)
        stage.plugin.begin()
        process = stage.process
        assert process.command == ["/plugins/demo.binary"]
        environment = dict(process.environment)
        assert environment.pop("TORU_PLUGIN_TOKEN").startswith("toru_plugin_")
        assert environment == {
            "MODE": "test",
            "TORU_PLUGIN_ID": "demo",
            "TORU_PLUGIN_SOCKET": str(tmp_path / "demo.1.sock"),
            "TORU_INSTANCE_ID": "instance",
            "TORU_LOG_PATH": str(tmp_path / "demo.log"),
            "TORU_API_URL": "http://127.0.0.1:1",
        }
        assert stage.spawner.limits == [{"memory_max": 2**20, "nofile": 64}]

    def test_it_is_up_when_its_socket_takes_a_connection(self, stage: Stage) -> None:
        assert stage.state() == "starting"
        stage.clock.advance(1)
        assert stage.dial.wires == []
        stage.process.listen()
        stage.dial.refusal = errno.ECONNREFUSED
        stage.clock.advance(0.25)
        assert stage.state() == "starting"
        stage.dial.refusal = None
        stage.clock.pump([0.25, 0])
        assert stage.state() == "running"
        assert stage.wire.path == str(stage.process.socket)
        assert stage.told() == ["started", "ready"]
        assert stage.plugin.status().health == "healthy"

    def test_one_that_is_disabled_is_not_started(self, tmp_path: Path) -> None:
        stage = Stage(tmp_path, enabled=False)
        stage.plugin.begin()
        assert stage.spawner.processes == []
        assert (stage.state(), stage.plugin.status().health) == ("disabled", "disabled")

    def test_requests_before_it_is_up(self, stage: Stage) -> None:
        (error,) = results(stage.plugin.request(REQUEST))
        assert isinstance(error, PluginUnavailable)
        assert "'demo' is starting" in error.detail
        assert error.retry_after == 1

    def test_one_that_does_not_get_ready(self, stage: Stage, sessions: FakeSessions) -> None:
        stage.clock.pump([0.25] * 119)
        assert sessions.calls == []
        stage.clock.advance(0.25)
        pid = stage.process.pid
        assert sessions.calls == [("group", pid, "SIGTERM")]
        stage.clock.advance(2)
        assert sessions.calls == [("group", pid, "SIGTERM"), ("session", pid, "SIGKILL")]
        stage.process.exit(signal=9)
        stage.bury()
        status = stage.plugin.status()
        assert (status.state, status.consecutive_crashes) == ("backoff", 1)
        assert status.problem == "crashed: it did not get ready within 30 s: killed by SIGKILL"
        assert stage.told() == ["started", "unhealthy", "crashed", "restarting"]

    def test_what_it_said_last_explains_a_crash(self, stage: Stage) -> None:
        stage.process.protocol.outReceived(b"fine so far\n")
        stage.process.protocol.errReceived(b"Traceback\nKeyError: 'x'")
        stage.crash()
        assert stage.plugin.status().problem == "crashed: exited with code 1: KeyError: 'x'"

    def test_the_system_cannot_start_a_process(self, tmp_path: Path) -> None:
        stage = Stage(tmp_path)
        stage.spawner.error = OSError(errno.EAGAIN, "Resource temporarily unavailable")
        stage.plugin.begin()
        status = stage.plugin.status()
        assert (status.state, status.pid) == ("backoff", None)
        assert status.problem == "crashed: cannot be started: Resource temporarily unavailable"
        stage.spawner.error = None
        stage.clock.advance(1)
        assert stage.state() == "starting"
        assert stage.starting.tokens == 3


class TestRoomAmongTheStarters:
    def test_it_waits_for_a_slot(self, tmp_path: Path) -> None:
        stage = Stage(tmp_path, max_starting=1)
        stage.starting.acquire()
        stage.plugin.begin()
        assert (stage.state(), stage.spawner.processes) == ("starting", [])
        stage.clock.advance(100)
        assert stage.state() == "starting"
        stage.starting.release()
        assert len(stage.spawner.processes) == 1

    @pytest.mark.parametrize("how", ["stop", "disable"])
    def test_stopped_while_it_waits(self, tmp_path: Path, how: str) -> None:
        stage = Stage(tmp_path, max_starting=1)
        stage.starting.acquire()
        stage.plugin.begin()
        done = results(getattr(stage.plugin, how)())
        assert done == [None]
        assert stage.state() == {"stop": "stopped", "disable": "disabled"}[how]
        assert stage.starting.waiting == []
        stage.starting.release()
        assert stage.spawner.processes == []
        assert stage.starting.tokens == 1

    @pytest.mark.parametrize("end", ["ready", "crash", "stop"])
    def test_the_slot_is_given_back_once(self, stage: Stage, end: str) -> None:
        assert stage.starting.tokens == 3
        if end == "ready":
            stage.come_up()
        elif end == "stop":
            stage.plugin.stop()
        if end != "ready":
            stage.crash()
        assert stage.starting.tokens == 4
        stage.clock.pump([0.25] * 5)
        assert stage.starting.tokens == (3 if end == "crash" else 4)

    def test_one_that_takes_long_does_not_keep_the_others_waiting(self, stage: Stage) -> None:
        stage.clock.advance(0.99)
        assert stage.starting.tokens == 3
        stage.clock.advance(0.01)
        assert (stage.starting.tokens, stage.state()) == (4, "starting")
        stage.come_up()
        assert (stage.starting.tokens, stage.state()) == (4, "running")


class TestCrashes:
    def test_one_that_is_dead_before_anybody_looked(self, tmp_path: Path) -> None:
        stage = Stage(tmp_path)
        stage.spawner.dead_at_once = True
        stage.plugin.begin()
        stage.process.close_pipes()
        stage.bury()
        assert stage.told() == ["started", "crashed", "restarting"]
        assert stage.state() == "backoff"
        assert stage.starting.tokens == 4
        assert len(stage.idle_calls()) == 1, "nothing but the next start"

    def test_ten_and_no_more(self, stage: Stage) -> None:
        waits = []
        for _ in range(10):
            assert stage.plugin.enabled
            stage.crash()
            due = stage.plugin.status().next_restart_at
            if due is not None:
                waits.append(stage.clock.getDelayedCalls()[0].getTime() - stage.clock.seconds())
                stage.clock.advance(waits[-1])
        assert [round(wait) for wait in waits] == [1, 2, 4, 8, 16, 16, 16, 16, 16]
        assert len(stage.spawner.processes) == 10
        assert stage.gave_up == [stage.plugin.id]
        status = stage.plugin.status()
        assert (status.enabled, status.state, status.health) == (False, "disabled", "disabled")
        assert status.problem is not None
        assert status.problem.startswith("disabled after 10 crashes in a row; the last: crashed: exited")
        assert stage.told()[-2:] == ["crashed", "disabled-after-crashes"]
        stage.clock.advance(1000)
        assert len(stage.spawner.processes) == 10
        assert stage.idle_calls() == []

    def test_exit_0_is_one_too(self, running: Stage) -> None:
        running.process.exit(0)
        running.bury()
        assert running.state() == "backoff"

    def test_a_stable_process_is_forgiven_what_was_before(self, stage: Stage) -> None:
        for _ in range(9):
            stage.crash()
            stage.clock.advance(16)
        stage.come_up()
        stage.clock.advance(60)
        assert stage.plugin.status().consecutive_crashes == 0
        stage.crash()
        assert (stage.state(), stage.plugin.status().consecutive_crashes) == ("backoff", 1)

    def test_one_that_was_up_for_less_is_not(self, stage: Stage) -> None:
        for _ in range(9):
            stage.crash()
            stage.clock.advance(16)
        stage.come_up()
        stage.clock.advance(59)
        stage.crash()
        assert stage.state() == "disabled"

    def test_the_time_to_get_ready_is_no_time_of_health(self, tmp_path: Path) -> None:
        stage = Stage(tmp_path, supervision=Supervision(stable_seconds=1.0))
        stage.plugin.begin()
        for crashes in range(1, 4):
            stage.clock.advance(20)
            stage.crash()
            assert stage.plugin.status().consecutive_crashes == crashes
            stage.clock.advance(16)

    def test_requests_in_flight_fail_and_later_ones_are_told_when(self, running: Stage) -> None:
        got = results(running.plugin.request(REQUEST))
        running.process.exit(1)
        assert isinstance(got[0], LinkLost)
        running.bury()
        running.clock.advance(0.2)
        (error,) = results(running.plugin.request(REQUEST))
        assert isinstance(error, PluginUnavailable)
        assert "will be restarted" in error.detail
        assert error.retry_after == 1

    def test_the_next_one_has_a_socket_of_its_own(self, running: Stage) -> None:
        old = running.process.socket
        running.crash()
        assert not old.exists()
        running.clock.advance(1)
        assert running.process.socket != old

    def test_what_is_left_of_the_session_is_killed_before_the_end_is_told(
        self, running: Stage, sessions: FakeSessions
    ) -> None:
        sessions.left = [3, 1]
        pid = running.process.pid
        running.process.exit(1)
        running.clock.advance(0.01)
        assert sessions.calls == [("bury", pid)] * 2
        assert running.told() == []
        running.clock.pump([0.01] * 5)
        assert sessions.calls == [("bury", pid)] * 3
        assert running.told() == ["crashed", "restarting"]
        assert running.idle_calls() != []
        running.plugin.disable()
        assert running.idle_calls() == []

    def test_pipes_that_somebody_holds_are_closed_after_a_while(self, running: Stage) -> None:
        process = running.process
        process.exit(1, pipes_closed=False)
        running.bury()
        assert running.state() == "backoff", "their end is not waited for"
        running.clock.advance(4)
        assert "close" not in process.calls
        running.clock.advance(1)
        assert process.calls.count("close") == 1
        process.close_pipes()
        assert running.told().count("crashed") == 1


class TestStopping:
    def test_asked_first_then_told_then_killed(self, running: Stage, sessions: FakeSessions) -> None:
        done = results(running.plugin.stop())
        pid = running.process.pid
        assert running.wire.said()[-1]["payload"]["action"] == "shutdown"
        assert running.state() == "stopping"
        running.clock.advance(4.999)
        assert sessions.calls == []
        running.clock.advance(0.001)
        assert sessions.calls == [("group", pid, "SIGTERM")]
        running.clock.advance(2)
        assert sessions.calls == [("group", pid, "SIGTERM"), ("session", pid, "SIGKILL")]
        assert done == []
        running.process.exit(signal=9)
        running.bury()
        assert done == [None]
        assert running.state() == "stopped"
        assert running.told() == ["stopped"]
        assert running.idle_calls() == []
        status = running.plugin.status()
        assert (status.consecutive_crashes, status.problem) == (0, None)

    def test_one_that_goes_when_asked_gets_no_signal(self, running: Stage, sessions: FakeSessions) -> None:
        running.plugin.stop()
        pid = running.process.pid
        running.process.exit(0)
        running.bury()
        running.clock.advance(100)
        assert sessions.calls == [("bury", pid)]

    def test_one_that_is_not_ready_cannot_be_asked(self, stage: Stage, sessions: FakeSessions) -> None:
        stage.plugin.stop()
        assert sessions.calls == [("group", stage.process.pid, "SIGTERM")]
        stage.process.exit(signal=15)
        stage.bury()
        assert stage.state() == "stopped"
        assert stage.idle_calls() == []

    def test_during_the_backoff(self, stage: Stage) -> None:
        stage.crash()
        assert results(stage.plugin.stop()) == [None]
        stage.clock.advance(1000)
        assert stage.state() == "stopped"
        assert len(stage.spawner.processes) == 1

    def test_requests_that_it_still_answers(self, running: Stage) -> None:
        got = results(running.plugin.request(REQUEST))
        running.plugin.stop()
        running.wire.hear(json_line("http", "1", status=200))
        assert isinstance(got[0], Answer)

    @pytest.mark.parametrize("how", ["stop", "disable"])
    def test_of_one_that_ended_a_moment_ago(self, running: Stage, sessions: FakeSessions, how: str) -> None:
        """It is dead, and what it left behind is still being looked for."""
        sessions.left = [1, 1, 1]
        running.process.exit(1)
        done = results(getattr(running.plugin, how)())
        running.clock.pump([0.01] * 2)
        assert done == []
        assert running.state() == "stopping"
        running.bury()
        assert sessions.calls == [("bury", running.process.pid)] * 4
        assert done == [None]
        assert running.told().count("stopped") == 1
        assert running.idle_calls() == []
