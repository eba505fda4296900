"""How a plugin that does not say what it speaks is spoken to, among fakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from toru.config import PluginSettings
from toru.wire.messages import Answer

from .fakes import REQUEST, Stage, Wire, json_line, prefixed, results

pytestmark = pytest.mark.usefixtures("sessions")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """One that has just taken the first connection, over which it was asked in JSON lines."""
    stage = Stage(tmp_path, protocol=None)
    stage.plugin.begin()
    stage.come_up()
    return stage


def speaks(wire: Wire) -> str:
    """What the core said first on it: the protocol, and what it was about."""
    message = wire.said()[0]
    return f"{message['payload'].get('protocol', '1')} {message['payload'].get('action', message['type'])}"


class TestProbing:
    def test_it_is_up_once_it_has_answered(self, stage: Stage) -> None:
        assert stage.state() == "starting"
        assert stage.plugin.status().protocol is None
        assert stage.starting.tokens == stage.starting.limit, "others may start while it is asked"
        stage.wire.hear(json_line("http", "probe", status=404))
        stage.clock.advance(0)
        assert stage.state() == "running"
        got = results(stage.plugin.request(REQUEST))
        assert [one["type"] for one in stage.wire.said()] == ["lifecycle", "http", "http"]
        stage.wire.hear(json_line("http", "1", status=200))
        assert isinstance(got[0], Answer)
        assert (stage.framed, stage.plugin.status().protocol) == (["2"], "2")
        assert len(stage.dial.wires) == 1

    def test_the_other_framing(self, stage: Stage) -> None:
        stage.clock.advance(1)
        assert "abort" in stage.dial.wires[0].calls
        assert [speaks(wire) for wire in stage.dial.wires] == ["2 init", "1 init", "1 http"]
        stage.wire.hear(prefixed("http", status=200))
        stage.wire.end()
        assert (stage.framed, stage.plugin.status().protocol) == (["1"], "1")
        stage.clock.advance(0)
        got = results(stage.plugin.request(REQUEST))
        stage.wire.hear(prefixed("http", status=200))
        stage.wire.end()
        assert isinstance(got[0], Answer)
        stage.clock.pump([5] * 10)
        assert stage.plugin.status().health == "healthy"

    def test_neither_answers(self, stage: Stage) -> None:
        stage.clock.pump([1, 1, 1, 0])
        assert stage.framed == [], "nothing was found out that is to be remembered"
        assert stage.plugin.status().protocol == "2"
        got = results(stage.plugin.request(REQUEST))
        assert [one["type"] for one in stage.wire.said()] == ["lifecycle", "http"]
        stage.wire.hear(json_line("http", "1", status=200))
        assert isinstance(got[0], Answer)

    def test_the_connection_is_closed(self, stage: Stage) -> None:
        stage.wire.end()
        assert speaks(stage.dial.wires[1]) == "1 init"

    def test_what_was_found_is_not_asked_again(self, stage: Stage) -> None:
        stage.wire.hear(json_line("http", "probe", status=200))
        stage.crash()
        stage.clock.advance(1)
        stage.come_up()
        assert [one["type"] for one in stage.wire.said()] == ["lifecycle"]

    def test_a_new_version_is_asked_anew(self, stage: Stage) -> None:
        stage.wire.hear(json_line("http", "probe", status=200))
        stage.clock.advance(0)
        stage.plugin.update(stage.file(2))
        stage.come_up()
        assert [one["type"] for one in stage.wire.said()] == ["lifecycle", "http"]

    @pytest.mark.parametrize("protocol", ["1", "2"])
    def test_what_the_operator_set_is_not_asked(self, tmp_path: Path, protocol: str) -> None:
        settings = PluginSettings(protocol="1" if protocol == "1" else "2")
        stage = Stage(tmp_path, settings=settings, protocol=None)
        stage.plugin.begin()
        stage.come_up()
        assert speaks(stage.wire) == f"{protocol} init"
        assert len(stage.dial.wires) == 1
        assert stage.framed == []


class TestDeath:
    def test_of_the_first_question_is_no_crash(self, stage: Stage) -> None:
        stage.told()
        stage.crash()
        status = stage.plugin.status()
        assert (status.state, status.consecutive_crashes, status.problem) == ("starting", 0, None)
        assert "crashed" not in stage.told()
        stage.come_up()
        assert speaks(stage.dial.wires[1]) == "1 init"

    def test_can_be_looked_up_though_it_is_no_crash(self, stage: Stage) -> None:
        pid = stage.process.pid
        stage.told()
        stage.crash()
        [stopped] = [event for event in stage.events if event.type == "stopped"]
        last_exit = stage.plugin.status().last_exit
        assert last_exit is not None
        assert (last_exit.code, last_exit.detail) == (1, "exited with code 1")
        assert stopped.details == {
            "pid": pid,
            "exit": {"at": last_exit.at, "code": 1, "signal": None, "detail": "exited with code 1"},
            "asked_in": "protocol 2",
        }

    def test_of_the_first_question_once_the_second_is_asked(self, stage: Stage) -> None:
        stage.clock.advance(1)
        stage.wire.end()
        stage.crash()
        status = stage.plugin.status()
        assert (status.state, status.consecutive_crashes) == ("starting", 0)
        stage.come_up()
        assert [speaks(wire) for wire in stage.dial.wires] == ["2 init", *["1 init", "1 http"] * 2]

    def test_of_both_questions(self, stage: Stage) -> None:
        stage.crash()
        stage.come_up()
        stage.crash()
        assert stage.plugin.status().consecutive_crashes == 0
        stage.come_up()
        assert stage.state() == "running"
        assert [one["type"] for one in stage.wire.said()] == ["lifecycle"], "nothing is asked any more"
        assert stage.plugin.status().protocol == "2"
        assert stage.framed == []
        stage.crash()
        assert stage.plugin.status().consecutive_crashes == 1

    def test_forgiven_once_for_each_version(self, stage: Stage) -> None:
        stage.crash()
        stage.plugin.update(stage.file(2))
        stage.crash()
        stage.come_up()
        assert [one["type"] for one in stage.wire.said()] == ["lifecycle", "http"]
        stage.crash()
        assert stage.plugin.status().consecutive_crashes == 0

    def test_before_it_was_asked_is_a_crash(self, tmp_path: Path) -> None:
        stage = Stage(tmp_path, protocol=None)
        stage.plugin.begin()
        stage.crash()
        assert stage.plugin.status().consecutive_crashes == 1

    def test_after_it_answered_is_a_crash(self, stage: Stage) -> None:
        stage.wire.hear(json_line("http", "probe", status=200))
        stage.crash()
        assert stage.plugin.status().consecutive_crashes == 1

    def test_while_it_is_stopped_is_its_end(self, stage: Stage) -> None:
        done = results(stage.plugin.disable())
        stage.crash()
        assert done == [None]
        assert stage.state() == "disabled"
        assert stage.idle_calls() == []

    def test_of_a_new_version_leaves_the_old_one_serving(self, tmp_path: Path) -> None:
        """What is to take over is ready only once it is known what it speaks: so there is no gap."""
        stage = Stage(tmp_path)
        stage.plugin.begin()
        old = stage.come_up()
        stage.plugin.update(stage.file(2))
        stage.come_up()
        stage.crash()
        status = stage.plugin.status()
        assert (status.state, status.pid, status.consecutive_crashes) == ("running", old.pid, 0)
        stage.come_up()
        assert speaks(stage.dial.wires[2]) == "1 init", "its next try is asked in the other framing"

    def test_of_the_socket_while_it_is_asked(self, stage: Stage) -> None:
        stage.process.socket.unlink()
        stage.wire.end()
        stage.clock.advance(30)
        assert stage.plugin.status().problem == "unhealthy: it did not get ready within 30 s"

    def test_of_one_that_is_killed_for_its_health_counts(self, stage: Stage) -> None:
        stage.wire.hear(json_line("http", "probe", status=200))
        stage.process.socket.unlink()
        stage.clock.advance(5)
        stage.crash()
        assert stage.plugin.status().consecutive_crashes == 1


def test_the_probe_ends_with_the_process(stage: Stage) -> None:
    stage.plugin.disable()
    stage.process.exit(0)
    for wire in stage.dial.wires:
        wire.end()
    stage.bury()
    assert stage.idle_calls() == []
