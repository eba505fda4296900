"""Restarts of one plugin among fakes: with two processes for a while, or one after the other."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from toru.config import PluginSettings, Supervision
from toru.errors import LinkLost, PluginDisabled, RestartFailed
from toru.model import PluginStatus
from toru.wire.messages import Answer

from .fakes import REQUEST, FakeProcess, FakeSessions, Stage, json_line, results

pytestmark = pytest.mark.usefixtures("sessions")


def up(run: Path, *, settings: PluginSettings | None = None, supervision: Supervision | None = None) -> Stage:
    stage = Stage(run, settings=settings, supervision=supervision)
    stage.plugin.begin()
    stage.come_up()
    stage.told()
    return stage


@pytest.fixture
def running(tmp_path: Path) -> Stage:
    """A plugin that is up."""
    return up(tmp_path)


def leave(stage: Stage, process: FakeProcess, code: int = 0) -> None:
    """That process exits, and is gone."""
    process.exit(code)
    stage.bury()


class TestOverlap:
    def test_the_new_one_takes_over_when_it_is_ready(self, running: Stage) -> None:
        old, old_wire = running.process, running.wire
        done = results(running.plugin.restart())
        new = running.process
        assert new is not old
        assert new.socket != old.socket
        results(running.plugin.request(REQUEST))
        assert old_wire.said()[-1]["type"] == "http"
        old_wire.hear(json_line("http", "1", status=200))
        assert done == []
        running.come_up()
        assert done == [None]
        assert running.plugin.pid == new.pid
        results(running.plugin.request(REQUEST))
        assert running.wire.said()[-1]["type"] == "http"
        assert old_wire.said()[-1]["payload"]["action"] == "shutdown"
        leave(running, old)
        assert running.told() == ["started", "ready", "upgraded", "stopped"]
        status = running.plugin.status()
        assert (status.state, status.restarts, status.consecutive_crashes) == ("running", 1, 0)
        assert not old.socket.exists()
        assert new.socket.exists()

    def test_the_old_one_answers_what_it_had_before_it_is_stopped(
        self, running: Stage, sessions: FakeSessions
    ) -> None:
        old, old_wire = running.process, running.wire
        got = results(running.plugin.request(REQUEST))
        running.plugin.restart()
        running.come_up()
        running.clock.advance(20)
        old_wire.said()
        assert sessions.calls == []
        old_wire.hear(json_line("http", "1", status=200))
        assert isinstance(got[0], Answer)
        assert old_wire.said()[-1]["payload"]["action"] == "shutdown"
        running.clock.pump([5, 2])
        assert sessions.calls == [("group", old.pid, "SIGTERM"), ("session", old.pid, "SIGKILL")]

    def test_for_as_long_as_a_request_may_take(self, running: Stage) -> None:
        old_wire = running.wire
        results(running.plugin.request(REQUEST))
        running.plugin.restart()
        running.come_up()
        old_wire.said()
        running.clock.advance(29)
        assert old_wire.said() == []
        running.clock.advance(1)
        assert [one["payload"].get("action") for one in old_wire.said()] == ["shutdown"]

    def test_an_old_one_that_dies_with_requests_is_buried_before_its_end_is_told(
        self, running: Stage, sessions: FakeSessions
    ) -> None:
        old = running.process
        got = results(running.plugin.request(REQUEST))
        running.plugin.restart()
        running.come_up()
        running.told()
        sessions.left = [2, 1]
        old.exit(1)
        assert isinstance(got[0], LinkLost)
        assert running.told() == []
        running.bury()
        assert sessions.calls == [("bury", old.pid)] * 3
        assert running.told() == ["stopped"]
        assert running.plugin.status().consecutive_crashes == 0

    @pytest.mark.parametrize("how", ["exit", "spawn", "never ready"])
    def test_the_new_one_fails_and_the_old_one_stays(self, running: Stage, how: str) -> None:
        old, old_wire = running.process, running.wire
        if how == "spawn":
            running.spawner.error = OSError(errno.EMFILE, "Too many open files")
        done = results(running.plugin.restart())
        if how == "exit":
            running.process.protocol.errReceived(b"port in use\n")
            running.crash()
        elif how == "never ready":
            running.clock.pump([1] * 30)
            running.crash()
        (error,) = done
        assert isinstance(error, RestartFailed)
        why = {"exit": "port in use", "spawn": "Too many open files", "never ready": "within 30 s"}[how]
        assert why in error.detail
        status = running.plugin.status()
        assert (status.state, status.pid, status.health) == ("running", old.pid, "healthy")
        assert (status.problem, status.consecutive_crashes) == (None, 0)
        results(running.plugin.request(REQUEST))
        assert old_wire.said()[-1]["type"] == "http"
        assert running.starting.tokens == 4

    def test_two_at_once_are_one(self, running: Stage) -> None:
        first, second = results(running.plugin.restart()), results(running.plugin.restart())
        running.come_up()
        assert (first, second) == ([None], [None])
        assert len(running.spawner.processes) == 2

    def test_a_second_one_while_the_old_one_drains(self, running: Stage) -> None:
        results(running.plugin.request(REQUEST))
        for _ in range(3):
            running.plugin.restart()
            running.come_up()
        first, second, third, last = running.spawner.processes
        assert running.plugin.pid == last.pid
        for process in (third, first, second):
            leave(running, process)
        assert running.state() == "running"
        assert running.told().count("stopped") == 3

    def test_the_old_one_crashes_meanwhile_and_the_new_one_is_ready_before_the_backoff_ends(
        self, running: Stage
    ) -> None:
        old = running.process
        seen: list[PluginStatus] = []
        running.plugin.restart().addCallback(lambda _: seen.append(running.plugin.status()))
        new = running.process
        running.crash(old)
        assert running.state() == "backoff"
        running.come_up()
        (status,) = seen
        assert (status.state, status.pid, status.next_restart_at) == ("running", new.pid, None)
        running.clock.advance(100)
        assert len(running.spawner.processes) == 2
        assert running.state() == "running"

    def test_the_backoff_ends_before_the_new_one_is_ready(self, running: Stage) -> None:
        old = running.process
        done = results(running.plugin.restart())
        new = running.process
        running.crash(old)
        running.clock.advance(1)
        third = running.process
        assert third is not new
        new.listen()
        running.clock.pump([0.25, 0.25, 0])
        assert done == [None]
        assert running.plugin.pid == new.pid
        assert running.state() == "running"
        leave(running, third, 1)
        assert running.plugin.status().consecutive_crashes == 1
        assert running.state() == "running"

    def test_the_old_one_crashes_once_too_often(self, tmp_path: Path) -> None:
        stage = up(tmp_path, supervision=Supervision(max_crashes=1))
        old = stage.process
        done = results(stage.plugin.restart())
        new = stage.process
        stage.crash(old)
        assert isinstance(done[0], RestartFailed)
        assert stage.state() == "disabled"
        new.listen()
        leave(stage, new)
        assert stage.state() == "disabled"
        assert stage.idle_calls() == []

    @pytest.mark.parametrize("how", ["stop", "disable"])
    def test_given_up_meanwhile(self, running: Stage, how: str) -> None:
        old = running.process
        restarted = results(running.plugin.restart())
        new = running.process
        done = results(getattr(running.plugin, how)())
        assert isinstance(restarted[0], RestartFailed)
        leave(running, old)
        assert done == [], "its successor is still there"
        leave(running, new, 1)
        assert done == [None]
        assert running.state() == {"stop": "stopped", "disable": "disabled"}[how]
        assert running.idle_calls() == []

    @pytest.mark.parametrize("how", ["stop", "disable"])
    def test_given_up_while_the_new_one_waits_for_a_slot(self, running: Stage, how: str) -> None:
        for _ in range(4):
            running.starting.acquire()
        restarted = results(running.plugin.restart())
        done = results(getattr(running.plugin, how)())
        assert isinstance(restarted[0], RestartFailed)
        leave(running, running.process)
        assert done == [None]
        assert running.starting.waiting == []

    def test_stopped_while_the_old_one_drains(self, running: Stage, sessions: FakeSessions) -> None:
        old, old_wire = running.process, running.wire
        results(running.plugin.request(REQUEST))
        running.plugin.restart()
        new = running.come_up()
        old_wire.said()
        done = results(running.plugin.stop())
        assert [one["payload"]["action"] for one in old_wire.said()] == ["shutdown"]
        leave(running, new)
        assert done == []
        leave(running, old)
        assert done == [None]

    def test_disabled_while_the_old_one_drains(self, running: Stage) -> None:
        """It is not served out: a disabled plugin is down as soon as its processes can be."""
        old, old_wire = running.process, running.wire
        results(running.plugin.request(REQUEST))
        running.plugin.restart()
        new = running.come_up()
        old_wire.said()
        done = results(running.plugin.disable())
        assert [one["payload"]["action"] for one in old_wire.said()] == ["shutdown"]
        leave(running, new)
        leave(running, old)
        assert done == [None]


class TestStopFirst:
    def test_one_after_the_other(self, tmp_path: Path) -> None:
        stage = up(tmp_path, settings=PluginSettings(restart="stop-first"))
        old = stage.process
        done = results(stage.plugin.restart())
        assert stage.state() == "stopping"
        assert stage.spawner.processes == [old]
        leave(stage, old)
        assert stage.state() == "starting"
        assert done == []
        stage.come_up()
        assert done == [None]
        assert stage.told() == ["stopped", "started", "ready"]
        assert stage.plugin.status().consecutive_crashes == 0

    def test_the_new_one_crashes(self, tmp_path: Path) -> None:
        stage = up(tmp_path, settings=PluginSettings(restart="stop-first"))
        done = results(stage.plugin.restart())
        leave(stage, stage.process)
        stage.crash()
        assert isinstance(done[0], RestartFailed)
        assert stage.state() == "backoff"

    @pytest.mark.parametrize("how", ["stop", "disable"])
    def test_given_up_meanwhile(self, tmp_path: Path, how: str) -> None:
        stage = up(tmp_path, settings=PluginSettings(restart="stop-first"))
        restarted = results(stage.plugin.restart())
        done = results(getattr(stage.plugin, how)())
        leave(stage, stage.process)
        assert done == [None]
        assert isinstance(restarted[0], RestartFailed)
        assert len(stage.spawner.processes) == 1
        assert stage.idle_calls() == []


class TestWhereItIsNotUp:
    def test_disabled(self, tmp_path: Path) -> None:
        stage = Stage(tmp_path, enabled=False)
        stage.plugin.begin()
        assert isinstance(results(stage.plugin.restart())[0], PluginDisabled)
        assert stage.spawner.processes == []

    def test_during_the_backoff(self, running: Stage) -> None:
        running.crash()
        done = results(running.plugin.restart())
        running.come_up()
        assert done == [None]
        assert len(running.spawner.processes) == 2

    def test_while_it_starts(self, tmp_path: Path) -> None:
        stage = Stage(tmp_path)
        stage.plugin.begin()
        done = results(stage.plugin.restart())
        leave(stage, stage.process)
        stage.come_up()
        assert done == [None]
        assert stage.plugin.status().consecutive_crashes == 0

    def test_while_it_waits_for_a_slot(self, tmp_path: Path) -> None:
        stage = Stage(tmp_path, max_starting=1)
        stage.starting.acquire()
        stage.plugin.begin()
        done = results(stage.plugin.restart())
        assert stage.state() == "starting"
        stage.starting.release()
        assert len(stage.spawner.processes) == 1
        stage.come_up()
        assert done == [None]
