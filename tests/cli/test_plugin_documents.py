"""The documents on a first plugin and on testing, followed to the letter: every command in them is run."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import TORU, Cli, Following
from tests.cli.test_plugin_new import LANGUAGES
from tests.conformance.samples import BASE, END
from tests.integration.cores import Core, fresh_core, wait_for
from toru.cli.plugin.new import TEMPLATES
from toru.conformance.checks import CHECKS

AUTHORS = Path(__file__).parents[2] / "docs" / "authors"
FIRST = (AUTHORS / "first-plugin.md").read_text()
TESTING = (AUTHORS / "testing.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    return [
        line[2:] for block in blocks(text, "console") for line in block.splitlines() if line.startswith("$ ")
    ]


class Reader:
    """Somebody who types what the document says, in a folder of their own."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.cli = Cli(core.folder)
        self.typed: list[str] = []
        self.shown: list[str] = []

    def type(self, line: str) -> None:
        self.typed.append(line)
        match shlex.split(line):
            case ["cd", place]:
                self.cli.folder = (self.cli.folder / place).resolve()
            case ["twistd", "-n", "toru"]:
                self.core.start(environ={"TORU_ADMIN_USERNAME": "admin"})
                self.cli.environ["TORU_URL"] = f"http://127.0.0.1:{self.core.port}"
                self.core.wait_events("ready", plugin="hello", count=1)
            case ["toru", "plugin", "dev"]:
                # A port of our own, as another toru may run here.
                running = self.cli.start("plugin", "dev", "--listen", "tcp:0:interface=127.0.0.1")
                self._watch(running)
            case ["toru", "login"]:
                self.shown += self.cli.ok("login", stdin=f"{self.core.password}\n").out.splitlines()
            case ["toru", *arguments]:
                self.shown += self.cli.ok(*arguments).out.splitlines()
            case other:
                raise AssertionError(f"who runs {other}?")

    def _watch(self, running: Following) -> None:
        try:
            wait_for(lambda: any("ready" in line for line in running.out) or None)
            self.shown += running.out
        finally:
            assert running.stop(signal.SIGINT) == 0, running.err


@pytest.fixture
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with fresh_core(tmp_path_factory.mktemp("d")) as core:
        yield Reader(core)


def test_the_first_plugin(reader: Reader) -> None:
    for line in commands(FIRST):
        reader.type(line)
    assert {"toru plugin check", "toru plugin dev", "toru status hello"} <= set(reader.typed)
    signed_in = {"Cookie": reader.core.sign_in("admin")}
    reply = reader.core.request("GET", "/api/plugins/route/hello/?name=Ada", headers=signed_in, as_=None)
    assert reply.body == b"Hello, Ada, from Python!\n"
    # What the document shows of what is printed, but for figures and what is made up anew.
    said = [_bare(line) for line in reader.shown]
    for block in blocks(FIRST, "console"):
        for line in block.splitlines():
            assert line.startswith("$ ") or _bare(line) in said, line
    source = (reader.core.folder / "hello/plugin.py").read_text()
    [snippet] = blocks(FIRST, "python")
    assert snippet in source


def _bare(line: str) -> str:
    return re.sub(r"\d+|Dev-\w+", "…", line)


def test_what_each_language_is_edited_in() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)`", FIRST, re.MULTILINE)
    assert [lang for lang, _ in rows] == ["python", "rust", "node", "go", "shell"]
    assert {lang for lang, _ in rows} == set(LANGUAGES)
    for lang, file in rows:
        names = {file, f"{file}.in", file.replace("hello.go", "hello-go.go")}
        assert any((TEMPLATES / lang / name).is_file() for name in names), file


def test_the_commands_on_testing(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    plugin = tmp_path / "hello.binary"
    plugin.write_text(f"{BASE}{END}")
    plugin.chmod(0o755)
    printed = [cli.ok(*shlex.split(line)[1:]).out for line in commands(TESTING)]
    assert (tmp_path / "report.xml").is_file()
    [shown] = blocks(TESTING, "json")
    told, example = json.loads(printed[-1]), json.loads(shown)
    assert told.keys() == example.keys()
    assert told["checks"][0].keys() == example["checks"][0].keys()
    assert told["checks"][0]["findings"][0].keys() == example["checks"][0]["findings"][0].keys()


def test_every_check_is_in_the_document() -> None:
    _, _, table = TESTING.partition("| check |")
    rows = [row.split("|")[1] for row in table.partition("\n\n")[0].splitlines()[2:]]
    assert [id for row in rows for id in re.findall(r"`([^`]+)`", row)] == [check.id for check in CHECKS]
    titles = {check.title for check in CHECKS}
    for document in (FIRST, TESTING):
        for title in re.findall(r"^ [✓✗] (.{40}) ", document, re.MULTILINE):
            assert title.strip() in titles


def test_help_is_quick_to_have() -> None:
    """The commands for authors load what they need when they are run."""
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, toru.cli.main; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"twisted", "toru.conformance.runner", "rich.console"} & set(loaded)
    assert TORU.exists()
