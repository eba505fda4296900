"""Logs and events: chosen, followed through a restart of the core, and harmless to a terminal."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import TORU, Cli
from tests.integration.cores import PATIENCE, Core, fresh_core, wait_for

# Writes a line for each request: what stands behind the first slash of its path.
TALKER = """
from urllib.parse import unquote
def handle(file, message):
    if message["type"] == "http":
        level, _, text = unquote(message["payload"]["path"][1:]).partition("/")
        send(file, type="log", payload={"level": level, "message": text, "fields": {"n": 7}})
        answer(file, message)
serve(handle)
"""


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A core with the plugin `talker`, which wrote three lines."""
    with fresh_core(tmp_path_factory.mktemp("c")) as core:
        core.plugin("talker", TALKER)
        core.start()
        core.wait_pid("talker")
        for path in ("/info/One", "/warn/tWo", "/error/three"):
            write(core, path)
        yield core


def write(core: Core, path: str) -> None:
    """Have the plugin write a line, which is in its log when this returns."""
    before = total(core)
    assert core.route("talker", path).status == 200
    wait_for(lambda: total(core) > before)


def total(core: Core) -> int:
    count: int = core.get("/api/plugins/talker/logs?page_size=1").json()["total"]
    return count


def messages(lines: list[dict[str, str]]) -> list[str]:
    return [line["message"] for line in lines]


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        ([], ["One", "tWo", "three"]),
        (["-n", "2"], ["tWo", "three"]),
        (["-n", "0"], []),
        (["--level", "warn"], ["tWo", "three"]),
        (["--grep", "TWO"], ["tWo"]),
        (["--since", "1h"], ["One", "tWo", "three"]),
        (["--since", "2100-01-01"], []),
    ],
)
def test_what_is_chosen(cli: Cli, flags: list[str], shown: list[str]) -> None:
    assert messages(cli.ok("logs", "talker", "--json", *flags).lines()) == shown


def test_for_people(cli: Cli) -> None:
    line = cli.ok("logs", "talker", "-n", "1").out
    assert line.endswith(" ERROR three n=7\n")


def test_a_moment_that_is_none(cli: Cli) -> None:
    ended = cli.run("logs", "talker", "--since", "soon")
    assert ended.code == 2
    assert "10m" in ended.err
    for early in ("999999d", "0001-01-01T00:00:00+14:00"):
        ended = cli.run("logs", "talker", "--since", early)
        assert ended.code == 2
        assert "first year" in ended.err


def test_escape_sequences(cli: Cli, core: Core) -> None:
    """None reaches a terminal or whatever else, and no line passes for another record."""
    write(core, "/info/%1B[2J%1B]0;title%07%C2%9B31mred%0Anext%0D%08")
    shown = cli.ok("logs", "talker", "-n", "1").out
    first, second = shown.splitlines()
    assert first.endswith(" INFO  red")
    assert second == "    next\\x0d\\x08 n=7"
    raw = cli.ok("logs", "talker", "-n", "1", "--json")
    assert raw.out.isascii()
    assert raw.json()["message"] == "\x1b[2J\x1b]0;title\x07\x9b31mred\nnext\r\x08"


def test_more_than_a_page(cli: Cli, core: Core) -> None:
    """Each once and in order, however many pages that takes, while more are written."""
    stop = threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            core.route("talker", "/debug/later")

    for number in range(0, 2000, 100):
        core.route("talker", "/trace/" + "%0A".join(map(str, range(number, number + 100))))
    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        ids = [
            line["id"] for line in cli.ok("logs", "talker", "--json", "--since", "1h", "-n", "5000").lines()
        ]
    finally:
        stop.set()
        writer.join()
    assert ids == sorted(set(ids))
    assert len(ids) >= 23


def test_followed_through_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What was there, what comes, and what was written while the connection was gone: each once, in order."""
    with fresh_core(tmp_path_factory.mktemp("c")) as core:
        core.plugin("talker", TALKER)
        core.start()
        core.wait_pid("talker")
        cli = signed_in(core, tmp_path_factory.mktemp("a"))
        write(core, "/info/before")
        following = cli.start("logs", "talker", "-f", "--json", "--level", "info", "--grep", "E")
        following.wait_for_lines(1)
        write(core, "/debug/never")
        write(core, "/info/skip")
        write(core, "/info/live")
        following.wait_for_lines(2)
        port = core.port
        core.stop()
        core.start("--listen", f"tcp:{port}:interface=127.0.0.1")
        core.wait_pid("talker")
        for number in range(20):
            write(core, f"/warn/later-{number}")
        following.wait_for_lines(22)
        assert following.stop(signal.SIGINT) == 130
    told = [json.loads(line) for line in following.out]
    assert messages(told) == ["before", "live", *(f"later-{number}" for number in range(20))]
    assert following.err == ["toru: the connection is lost; trying again", "toru: interrupted"]


def signed_in(core: Core, folder: Path) -> Cli:
    token = core.authorization().removeprefix("Bearer ")
    return Cli(folder, {"TORU_URL": f"http://127.0.0.1:{core.port}", "TORU_TOKEN": token})


def test_following_ends_where_it_may_not_go_on(core: Core, url: str, tmp_path: Path) -> None:
    made = core.request("POST", "/api/tokens", json.dumps({"name": "short", "role": "admin"}).encode()).json()
    following = Cli(tmp_path, {"TORU_URL": url, "TORU_TOKEN": made["token"]}).start("logs", "talker", "-f")
    following.wait_for_lines(1)
    core.request("DELETE", f"/api/tokens/{made['id']}")
    assert following.end() == 4
    assert "token is none" in following.err[-1]


def test_events(cli: Cli, core: Core) -> None:
    types = [event["type"] for event in cli.ok("events", "talker", "--json").lines()]
    assert types[:3] == ["discovered", "started", "ready"]
    assert cli.ok("events", "-n", "1", "--json").lines()[0]["id"] > 3
    assert "talker: discovered file=talker.binary" in cli.ok("events", "talker").out.splitlines()[0]

    following = cli.start("events", "talker", "-f", "-n", "1", "--json")
    following.wait_for_lines(1)
    core.post("/api/plugins/talker/restart")
    wait_for(lambda: [line for line in following.out if json.loads(line)["type"] == "upgraded"])
    following.stop(signal.SIGINT)
    ids = [json.loads(line)["id"] for line in following.out]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("flags", [[], ["-n", "0"], ["-f"], ["-f", "-n", "0"]])
def test_of_no_plugin(cli: Cli, flags: list[str]) -> None:
    for command in ("logs", "events"):
        assert "absent" in cli.run(command, "absent", *flags).failure(5)


def test_a_reader_that_goes_away(cli: Cli) -> None:
    """As in `toru logs x | head -1`: nothing is said of it."""
    ended = subprocess.run(
        ["bash", "-c", f"{TORU} logs talker --json | head -1"],
        env=cli.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (ended.returncode, len(ended.stdout.splitlines()), ended.stderr) == (0, 1, "")
