"""What a person at a terminal gets: questions without an echo, a table that lives, and word of what takes long."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.cli.running import TORU, Cli
from tests.integration.cores import ADMIN, ADMIN_PASSWORD, PATIENCE, Core, wait_for


class Terminal:
    """A command at a terminal of its own, 100 columns wide unless `environ` says otherwise."""

    def __init__(self, cli: Cli, *arguments: str, **environ: str) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [TORU, *arguments],
            cwd=cli.folder,
            env=cli.environment(**{"TERM": "xterm", "COLUMNS": "100", **environ}),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            # Without a terminal that controls it a password is asked for at standard input.
            start_new_session=True,
        )
        os.close(slave)
        self.shown = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        # The end of a terminal that nobody has any more is an error.
        with suppress(OSError):
            while data := os.read(self._master, 65536):
                self.shown += data.decode("utf-8", "replace")

    def wait_for(self, text: str) -> None:
        """Until that is shown."""
        wait_for(lambda: text in self.shown)

    def type(self, text: str) -> None:
        """As from the keyboard."""
        os.write(self._master, text.encode())

    def end(self, signum: int | None = None) -> int:
        """The exit code."""
        if signum is not None:
            self.process.send_signal(signum)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def close(self) -> None:
        """Nothing of it is left."""
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@contextmanager
def terminal(cli: Cli, *arguments: str, **environ: str) -> Iterator[Terminal]:
    opened = Terminal(cli, *arguments, **environ)
    try:
        yield opened
    finally:
        opened.close()


def test_a_password_is_not_shown(stranger: Cli) -> None:
    with terminal(stranger, "login", "--username", ADMIN) as person:
        person.wait_for("Password: ")
        person.type(f"{ADMIN_PASSWORD}\n")
        assert person.end() == 0
        assert "signed in" in person.shown
        assert ADMIN_PASSWORD not in person.shown


def test_a_new_password_is_asked_for_twice(cli: Cli) -> None:
    with terminal(cli, "user", "add", "typist") as person:
        person.wait_for("Password: ")
        person.type("First-pass1\n")
        person.wait_for("Repeat for confirmation: ")
        person.type("Other-pass1\n")
        person.wait_for("do not match")
        assert person.end(signal.SIGINT) == 130
        assert "interrupted" in person.shown


def test_a_table_that_lives(cli: Cli, core: Core) -> None:
    with terminal(cli, "status", "--watch") as person:
        person.wait_for("running")
        core.post("/api/plugins/hello/disable")
        person.wait_for("disabled")
        core.post("/api/plugins/hello/enable")
        assert person.end(signal.SIGINT) == 130
        # The cursor is there again.
        assert person.shown.rfind("\x1b[?25h") > person.shown.rfind("\x1b[?25l")
        assert "Traceback" not in person.shown


def test_a_narrow_terminal(cli: Cli) -> None:
    """It has fewer columns, and each plugin in one line."""
    with terminal(cli, "status", "hello", COLUMNS="40", NO_COLOR="1") as person:
        assert person.end() == 0
        [_, plugin] = person.shown.splitlines()
        assert plugin.split()[:2] == ["hello", "running"]
        assert len(plugin) <= 40


def test_without_colours(cli: Cli) -> None:
    for environ, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        with terminal(cli, "events", "hello", **environ) as person:
            assert person.end() == 0
            assert ("\x1b" in person.shown) == coloured


def test_what_takes_long_is_told(cli: Cli, core: Core) -> None:
    """And gone again from the terminal when it is done."""
    slow = "import time\nwhile not is_there('up'): time.sleep(0.01)\n"
    core.plugin("slow", f"{slow}def handle(file, message): pass\nserve(handle)")
    core.post("/api/plugins/rescan")
    core.wait_state("slow", "starting")
    with terminal(cli, "enable", "slow") as person:
        person.wait_for("enable slow …")
        core.tell("up")
        assert person.end() == 0
        assert person.shown.rstrip().endswith("slow is running")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(stranger: Cli, shell: str) -> None:
    assert "_TORU_COMPLETE" in stranger.ok("completion", shell).out


def test_plugins_are_completed(cli: Cli) -> None:
    words = {"_TORU_COMPLETE": "bash_complete", "COMP_WORDS": "toru restart he", "COMP_CWORD": "2"}
    assert cli.run(environ=words).out.split() == ["plain,hello"]


def test_what_an_export_lacks(cli: Cli) -> None:
    """The person who makes it is told then."""
    cli.ok("kv", "set", "hello", "colour", "blue")
    with terminal(cli, "kv", "export", "hello", "out.jsonl") as person:
        assert person.end() == 0
        assert person.shown.startswith("toru: the time to live of keys is not in an export")
    cli.ok("kv", "delete", "hello", "colour")
