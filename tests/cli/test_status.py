"""How plugins are, once and live, and switching them: what is printed, and the exit codes."""

from __future__ import annotations

import json
import signal

from tests.cli.running import Cli
from tests.integration.cores import Core, wait_for

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
