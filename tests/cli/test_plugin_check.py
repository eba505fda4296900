"""`toru plugin check` as an author and as CI use it: what it prints, its files and its exit codes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.running import Cli
from tests.conformance.samples import BASE, END
from tests.integration.cores import wait_for


@pytest.fixture
def author(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


def written(folder: Path, code: str = "") -> Path:
    path = folder / "sample.binary"
    path.write_text(f"{BASE}{code}{END}")
    path.chmod(0o755)
    return path


def test_a_plugin_that_is_right(author: Cli) -> None:
    written(author.folder)
    ended = author.ok("plugin", "check", "sample.binary")
    *lines, last = ended.out.splitlines()
    assert last.startswith("sample.binary: ")
    assert ", 0 failures, " in last
    assert any(line.startswith(" ✓ Start and socket") for line in lines)
    assert not any(line.startswith(" ✗") for line in lines)
    assert not list(author.folder.glob("toru-*"))


def test_a_plugin_that_is_wrong_as_json_and_as_junit(author: Cli) -> None:
    written(author.folder, "def shutdown(): print('\\x1b[31mred\\ufffe', file=sys.stderr); sys.exit(4)")
    ended = author.run("plugin", "check", "sample.binary", "--json", "--junit", "found.xml")
    assert (ended.code, ended.err) == (1, "")
    told = ended.json()
    assert told["plugin"] == "sample.binary"
    assert (told["failures"], len(told["checks"])) == (
        1,
        told["passed"] + told["warnings"] + 1 + told["skipped"],
    )
    [wrong] = [check for check in told["checks"] if check["outcome"] == "failed"]
    assert wrong["id"] == "shutdown"
    assert {finding["outcome"] for finding in wrong["findings"]} == {"passed", "failed", "warning"}
    assert all(finding["mend"] for finding in wrong["findings"] if finding["outcome"] != "passed")

    [suite] = ElementTree.parse(author.folder / "found.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == (str(len(told["checks"])), "1")
    [failure] = suite.iter("failure")
    assert failure.get("message") == "told to shut down it exited with code 4: red\ufffd"


def test_for_people_each_failure_says_how_to_mend_it(author: Cli) -> None:
    written(author.folder, "def listen(): sys.exit('no \\x1b[2Jway')")
    ended = author.run("plugin", "check", "sample.binary")
    assert ended.code == 1
    lines = ended.out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(" ✗"))
    assert "it exited with code 1: no way, before there was a socket" in lines[at]
    assert lines[at + 1].strip().startswith("to mend it: without arguments it listens at $TORU_PLUGIN_SOCKET")


@pytest.mark.parametrize("arguments", [["no-such-file"], ["sample.binary", "--more"], ["a", "b"]])
def test_a_wrong_command_line(author: Cli, arguments: list[str]) -> None:
    assert author.run("plugin", "check", *arguments).code == 2


def test_a_folder_without_a_plugin(author: Cli) -> None:
    why = author.run("plugin", "check").failure(1)
    assert "holds no plugin" in why


def test_a_report_that_cannot_be_written(author: Cli) -> None:
    written(author.folder).chmod(0o644)
    ended = author.run("plugin", "check", "sample.binary", "--json", "--junit", "nowhere/found.xml")
    assert ended.code == 1
    assert ended.err.splitlines() == ["toru: nowhere/found.xml: No such file or directory"]


# Out of its session, away from its parent, and with nothing in its environment by which to know it.
AWAY = """
if PATH and not os.fork():
    os.setsid()
    if not os.fork():
        with open(METADATA["description"], "w") as file:
            file.write(str(os.getpid()))
        os.execve("/bin/sleep", ["sleep", "1000"], {})
    os._exit(0)
"""


def test_what_gets_away_is_killed(author: Cli) -> None:
    noted = author.folder / "pid"
    written(author.folder, f"METADATA['description'] = {str(noted)!r}\n{AWAY}\ndef listen(): sys.exit()")
    author.run("plugin", "check", "sample.binary")
    assert not Path(f"/proc/{noted.read_text()}").exists()


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_that_is_interrupted_leaves_nothing(author: Cli, signum: int, code: int) -> None:
    noted = author.folder / "pid"
    written(
        author.folder,
        f"open({str(noted)!r}, 'w').write(str(os.getpid())) if PATH else None\nlisten = signal.pause",
    )
    temporary = author.folder / "tmp"
    temporary.mkdir()
    author.environ["TMPDIR"] = os.fspath(temporary)
    running = author.start("plugin", "check", "sample.binary")
    pid = wait_for(lambda: noted.read_text() if noted.exists() else None)
    assert running.stop(signum) == code
    assert not Path(f"/proc/{pid}").exists()
    assert list(temporary.iterdir()) == []
