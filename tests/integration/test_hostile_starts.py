"""Plugins that make a mess of their start: what the core makes of it, and that it gets over it."""

from __future__ import annotations

import resource
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cores import HELLO, Core, fresh_core, is_alive

SETTINGS = """
[supervision]
backoff_first = 0.05
backoff_max = 0.05
health_interval = 0.2
stop_grace = 0.3
term_grace = 0.3
ready_timeout = 1
max_crashes = 100
"""

# Python's and the C library's names end before it: a real-time signal.
NAMELESS = 40

# Falls at once until the test says "mended"; what it is left with is BEFORE's doing.
CLUMSY = """
note("starts", os.environ["TORU_PLUGIN_SOCKET"])
if not is_there("mended"):
    BEFORE
"""

# Holds a lock for as long as it lives, and notes whom it finds holding it.
ALONE = """
import fcntl
lock = open(os.path.join(HERE, "alone"), "w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    note("not-alone", os.getpid())
signal.signal(signal.SIGTERM, signal.SIG_IGN)
server = listen()
note("alone-starts", os.getpid())
while True:
    connection, _ = server.accept()
    for line in connection.makefile("rb"):
        pass
"""

LIMITS = """
def handle(file, message):
    if message["type"] == "http":
        answer(file, message, body=open("/proc/self/limits").read())
serve(handle)
"""


@pytest.fixture
def quick(core: Core) -> Core:
    """One that has little patience, and is not started yet."""
    core.settings(SETTINGS)
    return core


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A running core, for the tests that need no start of their own."""
    with fresh_core(tmp_path_factory.mktemp("h")) as core:
        core.settings(SETTINGS)
        core.start()
        yield core


def complaints(core: Core) -> list[str]:
    """What stands in its own log that must not."""
    return [line for line in core.output if "Traceback" in line or "Unhandled" in line]


def open_files(limits: str) -> tuple[str, str]:
    """The soft and the hard limit, of what stands in `/proc/<pid>/limits`."""
    [line] = [line for line in limits.splitlines() if line.startswith("Max open files")]
    soft, hard = line.split()[3:5]
    return soft, hard


def test_a_death_by_a_signal_without_a_name(quick: Core) -> None:
    quick.plugin("nameless", CLUMSY.replace("BEFORE", f"os.kill(os.getpid(), {NAMELESS})") + HELLO)
    quick.start()

    crashed = quick.wait_events("crashed", plugin="nameless", count=2)
    last_exit = quick.status("nameless")["last_exit"]
    quick.tell("mended")

    quick.wait_pid("nameless")
    assert quick.route("nameless").status == 200
    assert (last_exit["signal"], last_exit["code"]) == ("SIG40", None)
    assert crashed[0]["details"]["exit"]["detail"] == "killed by SIG40"
    assert [event["details"]["consecutive_crashes"] for event in crashed[:2]] == [1, 2]
    assert quick.stop() in (0, -signal.SIGINT)
    assert complaints(quick) == []


def test_a_question_that_dies_by_a_signal_without_a_name(running: Core) -> None:
    running.file("a-nameless.binary", f"#!/bin/sh\nkill -{NAMELESS} $$\n")
    running.up("named")

    problem = running.problems()["a-nameless.binary"]
    assert "killed by SIG40" in problem
    assert running.route("named").status == 200
    assert complaints(running) == []


def test_a_folder_where_the_socket_should_be(quick: Core) -> None:
    folder = 'os.makedirs(os.environ["TORU_PLUGIN_SOCKET"] + "/inner"); note("made", 1)'
    run = quick.folder / "data" / "run"
    # One that falls, and one that waits until it is killed for not being ready.
    quick.plugin("falling", CLUMSY.replace("BEFORE", f"{folder}; sys.exit(1)") + HELLO)
    quick.plugin("waiting", CLUMSY.replace("BEFORE", f"{folder}; signal.pause()") + HELLO)
    quick.start()
    quick.wait_events("crashed", plugin="falling", count=2)
    [crashed, *_] = quick.wait_events("crashed", plugin="waiting", count=1)
    assert "did not get ready" in crashed["details"]["exit"]["detail"]

    # Whether a plugin removed it in time or not: the next core finds some, too.
    assert quick.process is not None
    quick.process.kill()
    quick.process.wait()
    (run / "falling.1.sock" / "inner").mkdir(parents=True, exist_ok=True)
    quick.tell("mended")
    quick.start()

    for id in ("falling", "waiting"):
        quick.wait_pid(id)
        assert quick.route(id).status == 200
    assert len(list(run.glob("*.sock"))) == len(quick.sockets()) == 2
    assert quick.stop() in (0, -signal.SIGINT)
    assert list(run.glob("*.sock")) == []
    assert complaints(quick) == []


def test_those_that_never_listen_do_not_keep_a_good_one_from_coming_up(core: Core) -> None:
    core.settings("[supervision]\nmax_starting = 1\nready_timeout = 30\nstop_grace = 0.3\n")
    for id in ("a-mute", "b-mute"):
        core.plugin(id, "signal.pause()\n")
    core.plugin("good")
    core.start()

    core.wait_pid("good")
    assert core.route("good").status == 200
    assert [core.status(id)["state"] for id in ("a-mute", "b-mute")] == ["starting"] * 2
    assert core.events("crashed") == []


def test_the_core_may_open_more_files_than_what_it_starts(core: Core) -> None:
    core.settings("[plugin.set]\nnofile = 64\n")
    for id in ("plain", "set"):
        core.plugin(id, LIMITS)
    ours = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert ours[1] > 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, ours[1]))
    try:
        core.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, ours)

    assert core.process is not None
    hard = str(ours[1])
    assert open_files(Path(f"/proc/{core.process.pid}/limits").read_text()) == (hard, hard)
    limits = {}
    for id in ("plain", "set"):
        core.wait_pid(id)
        limits[id] = open_files(core.route(id).body.decode())
    assert limits == {"plain": ("200", hard), "set": ("64", "64")}


@pytest.mark.parametrize("times", [1, 2])
def test_a_file_that_comes_again_while_the_process_before_takes_long_to_die(core: Core, times: int) -> None:
    core.settings("[supervision]\nstop_grace = 0.7\nterm_grace = 0.7\nstart_timeout = 0.1\n")
    path = core.plugin("alone", ALONE)
    text = path.read_text()
    core.start()
    pid = core.wait_pid("alone")

    for _ in range(times):
        path.unlink()
        assert core.post("/api/plugins/rescan").json()["removed"] == ["alone"]
        core.file("alone.binary", text)
        assert core.post("/api/plugins/rescan").json()["added"] == ["alone"]
        assert core.post("/api/plugins/alone/enable").status == 200
    assert is_alive(pid), "it was to take long to die"
    assert core.status("alone")["pid"] is None

    core.wait_pid("alone")
    assert not is_alive(pid)
    assert core.notes("not-alone") == []
    assert len(core.notes("alone-starts")) == 2
    # What was removed before it could start left nothing of its own.
    assert len(core.events("started", plugin="alone")) == 2


def test_the_run_folder_is_removed(quick: Core) -> None:
    ids = [f"one-{number}" for number in range(3)]
    for id in ids:
        quick.plugin(id)
    quick.start()
    before = {id: quick.wait_pid(id) for id in ids}

    shutil.rmtree(quick.folder / "data" / "run")

    for id, pid in before.items():
        quick.wait_pid(id, other_than=pid)
        assert quick.route(id).status == 200
        status = quick.status(id)
        assert (status["health"], status["problem"]) == ("healthy", None)
    assert not any(map(is_alive, before.values()))
    assert len(quick.sockets()) == 3
    assert (quick.folder / "data" / "run").stat().st_mode & 0o777 == 0o700
    assert quick.stop() in (0, -signal.SIGINT)
    assert quick.sockets() == []
    assert complaints(quick) == []
