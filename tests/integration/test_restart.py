"""Restarts and upgrades without a gap, and what happens when the new process does not get ready."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.integration.cores import HELLO, PATIENT, Core, Reply, fresh_core, is_alive, wait_for

SETTINGS = """
[supervision]
backoff_first = 0.05
backoff_max = 0.1
stop_grace = 1
term_grace = 0.5

[plugin.lock]
restart = "stop-first"

[plugin.stuck]
restart = "stop-first"
"""

# Does not come up while there is a file of that name.
CHOOSY = (
    """
if is_there("no-database"):
    print("cannot reach the database", file=sys.stderr)
    sys.exit(4)
"""
    + HELLO
)

# Cannot run twice at once.
LOCKING = (
    """
import fcntl
lock = open(os.path.join(HERE, "the-lock"), "w")
fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""
    + HELLO
)

# Comes up the first time and never again.
ONCE = (
    """
note("once", os.getpid())
if len(open(os.path.join(HERE, "once")).readlines()) > 1:
    while True: time.sleep(3600)
"""
    + HELLO
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A running core, for all tests of this file."""
    with fresh_core(tmp_path_factory.mktemp("r")) as core:
        core.settings(SETTINGS)
        core.start()
        yield core


@dataclass
class Hammer:
    """Asks a plugin again and again, and keeps what it was answered."""

    replies: list[Reply] = field(default_factory=list)

    def versions(self) -> list[tuple[int, str]]:
        """(pid, version) of each answer."""
        answers: list[dict[str, Any]] = [reply.json() for reply in list(self.replies)]
        return [(answer["pid"], answer["version"]) for answer in answers]

    def wait_more(self, count: int) -> None:
        """Until so many more answers are there."""
        wanted = len(self.replies) + count
        wait_for(lambda: len(self.replies) >= wanted)


@contextmanager
def hammering(core: Core, id: str) -> Iterator[Hammer]:
    """Requests from four threads at once; at the end every one of them had a 200."""
    hammer = Hammer()
    enough = threading.Event()

    def hit() -> None:
        while not enough.is_set():
            hammer.replies.append(core.route(id))

    with ThreadPoolExecutor(4) as threads:
        hits = [threads.submit(hit) for _ in range(4)]
        try:
            hammer.wait_more(20)
            yield hammer
            hammer.wait_more(20)
        finally:
            enough.set()
        for each in hits:
            each.result()
    assert {reply.status for reply in hammer.replies} == {200}


def test_no_request_fails_while_it_is_restarted(running: Core) -> None:
    pids = [running.up("busy", concurrency=2)]

    with hammering(running, "busy") as hammer:
        for _ in range(3):
            answer = running.post("/api/plugins/busy/restart")
            assert answer.status == 200
            assert (answer.json()["state"], answer.json()["health"]) == ("running", "healthy")
            pids.append(answer.json()["pid"])
            hammer.wait_more(20)

    assert len(set(pids)) == 4
    assert {pid for pid, _ in hammer.versions()} == set(pids)
    wait_for(lambda: not any(map(is_alive, pids[:-1])))
    running.wait_events("stopped", plugin="busy", count=3)
    sockets = [path for path in running.sockets() if path.name.startswith("busy.")]
    assert [str(path) for path in sockets] == [running.status("busy")["socket_path"]]
    assert running.route("busy").json()["pid"] == pids[-1]
    status = running.status("busy")
    assert (status["restarts"], status["consecutive_crashes"], status["problem"]) == (3, 0, None)
    assert running.events("crashed", plugin="busy") == []


def test_what_the_old_process_was_asked_it_still_answers(running: Core) -> None:
    old = running.up("slow", PATIENT)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(running.route, "slow", "/wait")
        wait_for(lambda: running.notes("asked"))

        new = running.post("/api/plugins/slow/restart").json()["pid"]

        assert new != old
        assert running.route("slow").json()["pid"] == new
        assert is_alive(old)
        assert not waiting.done()
        running.tell("go")
        reply = waiting.result()
        assert (reply.status, reply.json()["pid"]) == (200, old)
    wait_for(lambda: not is_alive(old))
    assert running.status("slow")["traffic"]["errors"] == 0


def test_to_disable_it_does_not_wait_for_what_the_old_process_was_asked(running: Core) -> None:
    old = running.up("endless", PATIENT.replace('"go"', '"never"'))
    asked = len(running.notes("asked"))
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(running.route, "endless", "/wait")
        running.wait_notes("asked", asked + 1)
        new = running.post("/api/plugins/endless/restart").json()["pid"]

        assert running.post("/api/plugins/endless/disable").json()["state"] == "disabled"

        assert not is_alive(old)
        assert not is_alive(new)
        assert waiting.result().status == 502


def test_the_old_process_stays_when_the_new_one_does_not_get_ready(running: Core) -> None:
    pid = running.up("choosy", CHOOSY)
    running.tell("no-database")

    with hammering(running, "choosy") as hammer:
        answer = running.post("/api/plugins/choosy/restart")

    assert (answer.status, answer.json()["code"]) == (502, "plugin-restart-failed")
    assert "cannot reach the database" in answer.json()["detail"]
    assert {pid for pid, _ in hammer.versions()} == {pid}
    status = running.status("choosy")
    assert (status["pid"], status["health"], status["consecutive_crashes"]) == (pid, "healthy", 0)

    # Nor does an upgrade that does not come up end what runs; and it shows.
    running.plugin("choosy", CHOOSY, version="2")
    wait_for(lambda: "cannot reach the database" in (running.status("choosy")["problem"] or ""))
    assert running.route("choosy").json()["version"] == "1"
    (running.folder / "no-database").unlink()
    assert running.post("/api/plugins/choosy/restart").json()["problem"] is None
    assert running.route("choosy").json()["version"] == "2"


def test_the_old_process_stays_when_the_new_one_takes_too_long(core: Core) -> None:
    core.settings("[supervision]\nready_timeout = 2\nterm_grace = 0.5\n")
    core.plugin("once", ONCE)
    core.start()
    pid = core.wait_pid("once")

    answer = core.post("/api/plugins/once/restart")

    assert (answer.status, answer.json()["code"]) == (502, "plugin-restart-failed")
    assert "did not get ready within 2 s" in answer.json()["detail"]
    status = core.status("once")
    assert (status["pid"], status["health"], status["problem"]) == (pid, "healthy", None)
    assert core.route("once").json()["pid"] == pid
    assert not is_alive(int(core.notes("once")[1]))


def test_one_that_holds_a_lock_is_stopped_first(running: Core) -> None:
    old = running.up("lock", LOCKING)

    answer = running.post("/api/plugins/lock/restart")

    assert answer.status == 200
    new = answer.json()["pid"]
    assert new != old
    assert not is_alive(old)
    assert running.route("lock").json()["pid"] == new
    assert running.events("crashed", plugin="lock") == []


def test_a_restart_of_one_that_is_removed_meanwhile_is_answered(running: Core) -> None:
    running.up("stuck", ONCE)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(running.post, "/api/plugins/stuck/restart")
        (_, second) = running.wait_notes("once", 2)
        (running.plugins / "stuck.binary").unlink()
        answer = waiting.result()
    assert (answer.status, answer.json()["code"]) == (502, "plugin-restart-failed")
    assert running.get("/api/plugins/stuck").status == 404
    assert not is_alive(int(second))


def test_a_restart_takes_an_enabled_plugin(running: Core) -> None:
    pid = running.up("off")
    running.post("/api/plugins/off/disable")

    refused = running.post("/api/plugins/off/restart")

    assert (refused.status, refused.json()["code"]) == (409, "plugin-disabled")
    assert running.status("off")["state"] == "disabled"
    assert not is_alive(pid)
    missing = running.post("/api/plugins/nobody/restart")
    assert (missing.status, missing.json()["code"]) == (404, "plugin-not-found")


def test_no_request_fails_while_it_is_upgraded(running: Core) -> None:
    old = running.up("growing")

    with hammering(running, "growing") as hammer:
        running.plugin("growing", version="2")
        wait_for(lambda: hammer.versions()[-1][1] == "2")

    new = running.status("growing")["pid"]
    assert set(hammer.versions()) == {(old, "1"), (new, "2")}
    assert running.status("growing")["version"] == "2"
    wait_for(lambda: not is_alive(old))
    types = [event["type"] for event in running.wait_events(plugin="growing", count=8)]
    assert types == ["discovered", "started", "ready", "changed", "started", "ready", "upgraded", "stopped"]


def test_one_that_does_not_get_ready_is_replaced_at_once(running: Core) -> None:
    running.plugin("hopeless", "note('hopeless', os.getpid())\nwhile True: time.sleep(3600)\n")
    running.post("/api/plugins/rescan")
    (old,) = running.wait_notes("hopeless", 1)

    running.up("hopeless", version="2")

    assert running.route("hopeless").json()["version"] == "2"
    assert not is_alive(int(old))
    assert running.status("hopeless")["consecutive_crashes"] == 0


def test_two_who_restart_at_once_both_get_a_new_process(running: Core) -> None:
    old = running.up("popular")
    with ThreadPoolExecutor() as threads:
        answers = list(threads.map(running.post, ["/api/plugins/popular/restart"] * 2))
    assert [answer.status for answer in answers] == [200, 200]
    pids = {answer.json()["pid"] for answer in answers}
    assert old not in pids
    # Whoever came while the first was under way shares it.
    assert len(running.wait_events("upgraded", plugin="popular", count=len(pids))) == len(pids)
    wait_for(lambda: not is_alive(old))
    assert running.route("popular").json()["pid"] in pids
