"""How plugins are, once and live, and switching them: what is printed, and the exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.cli.running import TORU, Cli
from tests.integration.cores import PATIENCE, Core, wait_for
from toru.cli.follow import Message
from toru.cli.status import _watch

BROKEN = "print('no \\x1b[31mluck\\x1b[0m', file=sys.stderr); sys.exit(3)"


def test_status(cli: Cli) -> None:
    shown = cli.ok("status").out.splitlines()
    assert [line.split()[:3] for line in shown] == [["PLUGIN", "STATE", "VERSION"], ["hello", "running", "1"]]

    told = cli.ok("status", "hello", "--json").json()
    assert [plugin["health"] for plugin in told["plugins"]] == ["healthy"]


def test_one_that_is_not_there(cli: Cli) -> None:
    assert "absent" in cli.run("status", "absent").failure(5)
    for command in ("enable", "disable", "restart", "logs"):
        assert "absent" in cli.run(command, "absent").failure(5)


def test_switching(cli: Cli, core: Core) -> None:
    before = core.wait_pid("hello")
    assert cli.ok("restart", "hello").out == "hello is running\n"
    assert core.wait_pid("hello") != before
    assert cli.ok("disable", "hello").out == "hello is disabled\n"
    assert cli.ok("status").out.splitlines()[1].split()[:2] == ["hello", "disabled"]
    assert [plugin["state"] for plugin in cli.ok("enable", "hello", "--json").json()] == ["running"]


def test_one_that_does_not_get_up(cli: Cli, core: Core) -> None:
    """The exit code is 6 for each command that finds it, and its words come without escape sequences."""
    core.plugin("broken", BROKEN)
    core.post("/api/plugins/rescan")
    core.wait_state("broken", "backoff")
    try:
        ended = cli.run("status", "broken")
        assert (ended.code, ended.err) == (6, "")
        assert ended.out.splitlines()[1].split()[:2] == ["broken", "backoff"]
        assert "crashed: exited with code 3: no luck" in ended.out
        assert cli.run("status", "--json").code == 6
        assert cli.run("restart", "broken").code == 6

        cli.ok("disable", "broken")
        ended = cli.run("enable", "broken")
        assert ended.code == 6
        assert "broken is backoff: crashed" in ended.out
    finally:
        cli.ok("disable", "broken")


def test_files_that_are_no_plugins(cli: Cli, core: Core) -> None:
    path = core.file("bad.binary", "#!/bin/sh\necho '{}'\n")
    core.post("/api/plugins/rescan")
    wait_for(core.problems)
    assert "no plugin: bad.binary: field `id`: is missing" in cli.ok("status").out
    assert cli.ok("status", "--json").json()["problems"][0]["file"] == "bad.binary"
    path.unlink()
    core.post("/api/plugins/rescan")


def test_watching_as_a_script(cli: Cli, core: Core) -> None:
    following = cli.start("status", "hello", "--watch")
    following.wait_for_lines(1)
    assert following.out == ["hello: running"]
    core.post("/api/plugins/hello/disable")
    following.wait_for_lines(3)
    core.post("/api/plugins/hello/enable")
    wait_for(lambda: following.out[-1] == "hello: running" and len(following.out) > 3)
    assert following.stop(signal.SIGINT) == 130
    assert following.out[:3] == ["hello: running", "hello: stopping", "hello: disabled"]
    assert following.err == ["toru: interrupted"]


def test_watching_a_plugin_that_a_new_core_has_not_found_yet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A core answers before it has looked at its plugins: no reason to end. Others are not watched."""
    hello = {"id": "hello", "state": "running", "problem": None}
    answers: dict[str, list[Any]] = {"/api/plugins/hello": [hello], "/api/plugins": [[], []]}

    class Asked:
        async def get(self, path: str) -> Any:
            return answers[path].pop(0)

    async def follow(asked: Asked, path: str) -> AsyncIterator[Message]:
        for _ in range(3):
            yield Message(5, "message", "")
        yield Message(None, "plugin", json.dumps(hello))
        for id in ("other", "hello"):
            removed = {"type": "removed", "plugin": id, "timestamp": "2026-01-31T12:00:00Z"}
            yield Message(6, "message", json.dumps(removed))

    monkeypatch.setattr("toru.cli.follow.follow", follow)
    watching: Any = _watch(Asked(), ("hello",), False)  # type: ignore[arg-type]
    with pytest.raises(StopIteration):
        watching.send(None)
    *states, removed = capsys.readouterr().out.splitlines()
    assert states == ["hello: running", "hello: running"]
    assert removed.startswith("hello: removed at ")


def test_watching_with_json(cli: Cli, core: Core) -> None:
    following = cli.start("status", "--watch", "--json")
    following.wait_for_lines(1)
    pid = core.wait_pid("hello")
    core.post("/api/plugins/hello/restart")
    told = wait_for(
        lambda: [
            line for line in map(json.loads, following.out) if line["id"] == "hello" and line["pid"] != pid
        ]
    )
    assert told[0]["name"] == "hello"
    following.stop(signal.SIGINT)


def test_an_output_that_takes_nothing(cli: Cli) -> None:
    """A disk that is full is told of in one line; a stream that is closed is nothing to stop for."""
    ended = subprocess.run(
        ["bash", "-c", f"{TORU} status > /dev/full; {TORU} status >&- <&-; echo $?"],
        env=cli.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert (ended.stdout, ended.stderr) == ("0\n", "toru: standard output: No space left on device\n")


@pytest.mark.parametrize("id", ["", "..", "../hello", "problems", "\x1b[31m"])
@pytest.mark.parametrize("command", ["status", "restart", "logs", "events"])
def test_what_is_the_id_of_no_plugin(cli: Cli, command: str, id: str) -> None:
    """Nothing else is asked in its place."""
    assert "There is no plugin '" in cli.run(command, id).failure(5)
