"""How plugins end, and how the core does: of neither is anything left."""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.integration.cores import PATIENCE, PATIENT, Core, fresh_core, is_alive, wait_for
from toru.store.events import LIFE

PR_SET_CHILD_SUBREAPER = 36  # from <sys/prctl.h>

SHORT_GRACES = """
[supervision]
backoff_first = 0.05
stop_grace = 0.4
term_grace = 0.4
"""

# Notes what reaches it when it is to stop, and obeys only what is named in OBEYS.
STUBBORN = """
def on_term(*_):
    note(NAME, "SIGTERM")
    if "SIGTERM" in OBEYS: os._exit(0)
signal.signal(signal.SIGTERM, on_term)
server = listen()
connection, _ = server.accept()
for line in connection.makefile("rb"):
    message = json.loads(line)
    if message["payload"].get("action") == "shutdown":
        note(NAME, json.dumps(message))
        if "shutdown" in OBEYS: sys.exit(0)
while True: time.sleep(3600)
"""

# Has children of every kind that stays in the session, and notes their pids before it makes its socket.
PARENT = """
def child(*, group=False, orphan=False, stubborn=False):
    ours, theirs = os.pipe()
    if os.fork() == 0:
        if orphan and os.fork() != 0: os._exit(0)
        if group: os.setpgid(0, 0)
        if stubborn: signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(theirs, str(os.getpid()).encode())
        while True: time.sleep(3600)
    note("children", os.read(ours, 20).decode())
child()
child(group=True)
child(orphan=True)
child(group=True, orphan=True)
child(stubborn=True)
serve(lambda file, message: None)
"""

# Stores something once it is told to end, and then waits for the test.
CAREFUL = """
import urllib.request
server = listen()
connection, _ = server.accept()
for line in connection.makefile("rb"):
    if json.loads(line)["payload"].get("action") == "shutdown":
        request = urllib.request.Request(
            os.environ["TORU_API_URL"] + "/api/plugins/careful/kv",
            json.dumps({"action": "set", "key": "last words", "value": "goodbye"}).encode(),
            {"Authorization": "Bearer " + os.environ["TORU_PLUGIN_TOKEN"]})
        note("stored", urllib.request.urlopen(request).status)
        wait_until_there("go")
        sys.exit(0)
"""


def stubborn(name: str, *obeys: str) -> str:
    return f"NAME = {name!r}\nOBEYS = {obeys!r}\n{STUBBORN}"


@contextmanager
def inherited_orphans(*pids: int) -> Iterator[None]:
    """What loses its parent becomes our child and a zombie at its death, as where init reaps nothing.

    At the end none of `pids` is left.
    """
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        for pid in pids:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


@pytest.fixture(scope="module")
def curt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A running core that waits for nobody long."""
    with fresh_core(tmp_path_factory.mktemp("s")) as core:
        core.settings(SHORT_GRACES)
        core.start()
        yield core


def is_gone(core: Core, id: str, pid: int, path: str) -> bool:
    """Whether nothing is left of a plugin that was just disabled."""
    status = core.status(id)
    return (
        not is_alive(pid)
        and not Path(path).exists()
        and (status["state"], status["pid"], status["socket_path"]) == ("disabled", None, None)
        and core.route(id).status == 404
    )


def test_one_that_obeys_hears_of_it_first_and_gets_no_signal(curt: Core) -> None:
    pid = curt.up("obedient", stubborn("obedient", "shutdown"))
    path = curt.status("obedient")["socket_path"]

    answer = curt.post("/api/plugins/obedient/disable")

    assert is_gone(curt, "obedient", pid, path)
    assert (answer.status, answer.json()["state"]) == (200, "disabled")
    (said,) = curt.notes("obedient")
    message = json.loads(said)
    assert message["type"] == "lifecycle"
    assert message["payload"] == {"action": "shutdown", "grace_seconds": 0.4}
    assert [event["type"] for event in curt.wait_events(*LIFE, plugin="obedient", count=5)] == [
        "discovered",
        "started",
        "ready",
        "disabled",
        "stopped",
    ]


def test_one_that_ignores_the_message_gets_sigterm(curt: Core) -> None:
    pid = curt.up("reluctant", stubborn("reluctant", "SIGTERM"))
    path = curt.status("reluctant")["socket_path"]

    assert curt.post("/api/plugins/reluctant/disable").status == 200

    assert is_gone(curt, "reluctant", pid, path)
    said, then = curt.notes("reluctant")
    assert ("shutdown" in said, then) == (True, "SIGTERM")


def test_one_that_ignores_sigterm_too_is_killed(curt: Core) -> None:
    pid = curt.up("defiant", stubborn("defiant"))
    path = curt.status("defiant")["socket_path"]

    answer = curt.post("/api/plugins/defiant/disable").json()

    assert is_gone(curt, "defiant", pid, path)
    assert curt.notes("defiant")[1:] == ["SIGTERM"]
    assert answer["last_exit"]["signal"] == "SIGKILL"
    assert answer["consecutive_crashes"] == 0


def test_one_that_is_stopped_before_it_is_ready(curt: Core) -> None:
    curt.plugin("early", "note('early', os.getpid())\nwhile True: time.sleep(3600)\n")
    curt.post("/api/plugins/rescan")
    (pid,) = wait_for(lambda: curt.notes("early"))

    assert curt.post("/api/plugins/early/disable").json()["state"] == "disabled"

    assert not is_alive(int(pid))


def test_what_it_started_ends_with_it(curt: Core) -> None:
    curt.up("parent", PARENT)
    children = [int(pid) for pid in curt.notes("children")]
    assert len(children) == 5
    assert all(map(is_alive, children))

    assert curt.post("/api/plugins/parent/disable").status == 200

    assert not any(map(is_alive, children))


def test_what_it_started_ends_with_its_crash(curt: Core) -> None:
    pid = curt.up("parent-that-falls", PARENT)
    children = [int(pid) for pid in curt.notes("children")][-5:]

    os.kill(pid, signal.SIGKILL)

    # A new process is started only once nothing is left of the old one's.
    curt.wait_pid("parent-that-falls", other_than=pid)
    assert not any(map(is_alive, children))
    assert curt.status("parent-that-falls")["consecutive_crashes"] == 1


def test_disabled_again_and_again_while_it_is_enabled(curt: Core) -> None:
    """Everybody gets an answer, whoever has the last word."""
    pid = curt.up("torn", stubborn("torn"))
    with ThreadPoolExecutor() as threads:
        disabling = threads.submit(curt.post, "/api/plugins/torn/disable")
        curt.wait_state("torn", "stopping")
        assert curt.post("/api/plugins/torn/enable").status == 200
        assert disabling.result().status == 200
    assert curt.wait_pid("torn", other_than=pid) != pid
    assert not is_alive(pid)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_core_lets_requests_finish_and_leaves_nothing(core: Core, signum: signal.Signals) -> None:
    core.settings(SHORT_GRACES)
    core.plugin("slow", PATIENT)
    core.plugin("parent", PARENT)
    for number in range(6):
        core.plugin(f"defiant-{number}", stubborn("defiant"))
    core.plugin("mute", "note('children', os.getpid())\nwhile True: time.sleep(3600)\n")
    core.plugin("falling", "sys.exit(1)\n")
    core.start()
    pids = [core.wait_pid(id) for id in ("slow", "parent", *(f"defiant-{number}" for number in range(6)))]
    pids += [int(pid) for pid in core.wait_notes("children", 6)]
    assert core.process is not None
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(core.route, "slow", "/wait")
        wait_for(lambda: core.notes("asked"))

        core.process.send_signal(signum)

        wait_for(lambda: core.get("/api/health").status == 503)
        # Somebody impatient asks once more.
        core.process.send_signal(signal.SIGINT)
        wait_for(lambda: any("is stopping already" in line for line in core.output))
        assert all(map(is_alive, pids))
        core.tell("go")
        reply = waiting.result()
        assert (reply.status, reply.json()["pid"]) == (200, pids[0])
    began = time.monotonic()
    assert core.process.wait(30) in (0, -signum)
    # One after the other, those that ignore everything would take 0.8 s each.
    assert time.monotonic() - began < 4
    assert not any(map(is_alive, pids))
    assert core.sockets() == []
    assert not any("Traceback" in line or "Unhandled" in line for line in core.output)


def test_a_plugin_can_store_what_it_must_not_forget_until_it_ends(core: Core) -> None:
    core.plugin("careful", CAREFUL)
    core.start()
    core.wait_pid("careful")
    assert core.process is not None
    core.process.send_signal(signal.SIGTERM)
    core.wait_notes("stored", 1)
    reply = core.get("/api/health")
    assert (reply.status, reply.headers["connection"]) == (503, "close")
    assert core.route("careful").status == 503
    core.tell("go")
    core.process.wait(PATIENCE)
    assert core.notes("stored") == ["200"]
    with pytest.raises(ConnectionRefusedError):
        core.get("/api/health")
    core.start()
    kept = core.request("POST", "/api/plugins/careful/kv", b'{"action": "get", "key": "last words"}')
    assert kept.json() == {"value": "goodbye"}


def test_two_signals_in_one_moment_are_no_error(core: Core) -> None:
    core.start()
    assert core.process is not None
    core.process.send_signal(signal.SIGSTOP)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        core.process.send_signal(signum)
    assert core.process.wait(30) in (0, -signal.SIGINT, -signal.SIGTERM)
    assert not any("Traceback" in line or "Unhandled" in line for line in core.output)


def test_what_a_killed_core_left_is_killed_by_the_next(core: Core) -> None:
    core.plugin(
        "parent",
        """
for environment in (None, {}):
    child = subprocess.Popen(["sleep", "3600"], env=environment, process_group=0)
    note("children", child.pid)
serve(lambda file, message: None)
""",
    )
    core.plugin("other")
    core.start()
    pids = [core.wait_pid(id) for id in ("parent", "other")]
    children = [int(pid) for pid in core.notes("children")]
    sockets = core.sockets()
    assert len(sockets) == 2
    assert core.process is not None
    # In a session of their own, like a plugin; and with a socket like a plugin's, of another core.
    innocents = [
        subprocess.Popen(["sleep", "3600"], env=environment, start_new_session=True)
        for environment in (
            {},
            {"TORU_PLUGIN_SOCKET": f"{core.folder}/data/run-of-another/parent.1.sock"},
            {"NOT_TORU_PLUGIN_SOCKET": f"{core.folder}/data/run/parent.1.sock"},
        )
    ]
    try:
        with inherited_orphans(*pids, *children):
            core.process.kill()
            core.process.wait()

            wait_for(lambda: not any(map(is_alive, pids)))
            assert all(map(is_alive, children))
            assert core.sockets() == sockets

            core.start()

            assert not any(map(is_alive, children))
            assert all(innocent.poll() is None for innocent in innocents)
            assert any(re.search(f"left behind.*{children[0]}", line) for line in core.output)
        assert core.wait_pid("other") not in pids
        core.wait_pid("parent")
        assert core.route("other").status == 200
        assert len(core.sockets()) == 2
        core.stop()
        assert not any(is_alive(int(pid)) for pid in core.notes("children"))
    finally:
        for innocent in innocents:
            innocent.kill()
            innocent.wait()


def test_a_second_core_on_the_same_data_refuses(core: Core) -> None:
    core.plugin("hello")
    core.start()
    pid = core.wait_pid("hello")

    second = subprocess.run(
        [
            Path(sys.executable).with_name("twistd"),
            "-n",
            "--pidfile=",
            "toru",
            "--listen=tcp:0",
            "--logs=logs",
        ],
        cwd=core.folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert second.returncode == 1
    (line,) = second.stderr.splitlines()
    assert "another toru is using the data folder" in line
    assert str(core.folder / "data") in line
    assert core.route("hello").json()["pid"] == pid
    assert len(core.sockets()) == 1
