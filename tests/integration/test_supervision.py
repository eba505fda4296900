"""A plugin's falls and how it gets up again: crashes, backoff, giving up, and bad health."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cores import PATIENT, Core, fresh_core, is_alive, wait_for

QUICK = """
[supervision]
backoff_first = 0.05
backoff_max = 0.1
health_interval = 0.2
stop_grace = 0.5
term_grace = 0.5
"""

# Notes each start, and falls at once unless there is a file of that name.
FALLING = """
note("starts", os.getpid())
if not is_there("mended"):
    print("no mercy", file=sys.stderr)
    sys.exit(3)
serve(lambda file, message: None)
"""

# Falls over when it is asked for `/fall`, having said something.
FRAGILE = """
def handle(file, message):
    if message["type"] == "http":
        if message["payload"]["path"] == "/fall":
            print("on standard output", flush=True)
            print("first words", file=sys.stderr)
            print("last words", file=sys.stderr)
            os._exit(0)
        answer(file, message)
serve(handle)
"""


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A running core, for all tests that need nothing of it but short times."""
    with fresh_core(tmp_path_factory.mktemp("q")) as core:
        core.settings(QUICK)
        core.start()
        yield core


def counts(core: Core, id: str, crashes: int) -> list[int]:
    """What the count was at each crash, once there were so many."""
    events = core.wait_events("crashed", plugin=id, count=crashes)
    return [event["details"]["consecutive_crashes"] for event in events]


def config(core: Core) -> dict[str, Any]:
    """What `config.json` holds; an empty object where there is none."""
    path = core.plugins / ".metadata" / "config.json"
    return json.loads(path.read_text()) if path.exists() else {}


def test_a_crash_hurts_nobody_else(quick: Core) -> None:
    quick.up("neighbour")
    neighbour = quick.status("neighbour")
    pid = quick.up("victim")

    os.kill(pid, signal.SIGKILL)

    second = quick.wait_pid("victim", other_than=pid)
    assert second != pid
    assert quick.route("victim").json()["pid"] == second
    status = quick.status("victim")
    assert (status["restarts"], status["consecutive_crashes"], status["health"]) == (1, 1, "healthy")
    assert (status["last_exit"]["signal"], status["last_exit"]["code"]) == ("SIGKILL", None)
    assert (status["problem"], status["next_restart_at"]) == (None, None)
    assert quick.route("neighbour").json()["pid"] == neighbour["pid"]
    assert quick.status("neighbour")["started_at"] == neighbour["started_at"]
    assert [event["type"] for event in quick.wait_events(plugin="victim", count=7)] == [
        "discovered",
        "started",
        "ready",
        "crashed",
        "restarting",
        "started",
        "ready",
    ]


def test_an_exit_with_code_0_that_nobody_asked_for_is_a_crash(quick: Core) -> None:
    pid = quick.up("leaver", FRAGILE)

    assert quick.route("leaver", "/fall").status == 502

    quick.wait_pid("leaver", other_than=pid)
    status = quick.status("leaver")
    assert status["consecutive_crashes"] == 1
    assert (status["last_exit"]["code"], status["last_exit"]["signal"]) == (0, None)
    assert "last words" in status["last_exit"]["detail"]


def test_what_is_shown_while_it_waits_to_be_started_again(core: Core) -> None:
    core.settings("[supervision]\nbackoff_first = 600\nbackoff_max = 600\n")
    core.plugin("fragile", FRAGILE)
    core.start()
    pid = core.wait_pid("fragile")
    before = datetime.now(UTC)

    assert core.route("fragile", "/fall").status == 502

    status = core.wait_state("fragile", "backoff")
    assert not is_alive(pid)
    assert (status["enabled"], status["running"], status["health"]) == (True, False, "unhealthy")
    assert (status["pid"], status["socket_path"], status["uptime_seconds"]) == (None, None, None)
    assert "last words" in status["problem"]
    assert "first words" not in status["problem"]
    assert "on standard output" not in status["problem"]
    due = datetime.fromisoformat(status["next_restart_at"])
    assert 590 < (due - before).total_seconds() < 660
    unavailable = core.route("fragile")
    assert (unavailable.status, unavailable.json()["code"]) == (503, "plugin-unavailable")
    assert 500 < int(unavailable.headers["retry-after"]) <= 600

    # A deliberate stop stays one; and a start by hand does not wait for the backoff.
    status = core.post("/api/plugins/fragile/disable").json()
    assert (status["state"], status["enabled"], status["next_restart_at"]) == ("disabled", False, None)
    assert (status["problem"], status["health"]) == (None, "disabled")
    assert core.route("fragile").status == 404
    status = core.post("/api/plugins/fragile/enable").json()
    assert (status["state"], status["consecutive_crashes"]) == ("running", 0)
    assert core.route("fragile", "/fall").status == 502
    core.wait_state("fragile", "backoff")
    assert core.post("/api/plugins/fragile/restart").json()["state"] == "running"


def test_a_disabled_plugin_is_not_started_when_the_backoff_would_end(quick: Core) -> None:
    quick.plugin("flapping", FALLING)
    quick.post("/api/plugins/rescan")
    quick.wait_events("crashed", plugin="flapping", count=1)

    quick.post("/api/plugins/flapping/disable")
    starts = quick.notes("starts")

    # The clock: another one falls and gets up more often than the longest backoff lasts.
    pid = None
    quick.up("ticking")
    for _ in range(3):
        pid = quick.wait_pid("ticking", other_than=pid)
        os.kill(pid, signal.SIGKILL)
    quick.wait_pid("ticking", other_than=pid)
    assert quick.notes("starts") == starts
    assert quick.status("flapping")["state"] == "disabled"


def test_ten_crashes_in_a_row_disable_it_for_good(core: Core) -> None:
    core.settings(QUICK)
    core.plugin("falling", FALLING)
    core.plugin("standing")
    core.start()

    wait_for(lambda: config(core).get("plugins", {}).get("falling") is False)
    status = core.status("falling")
    assert (status["state"], status["enabled"], status["consecutive_crashes"]) == ("disabled", False, 10)
    assert "10 crashes" in status["problem"]
    assert "no mercy" in status["problem"]
    assert core.route("falling").status == 404
    assert counts(core, "falling", 10) == list(range(1, 11))
    assert len(core.wait_events("disabled-after-crashes", plugin="falling", count=1)) == 1
    assert core.route("standing").status == 200
    assert len(core.notes("starts")) == 10

    core.stop()
    core.start()
    core.wait_state("falling", "disabled")
    core.wait_pid("standing")
    assert len(core.notes("starts")) == 10

    core.post("/api/plugins/falling/enable")
    core.wait_events("disabled-after-crashes", plugin="falling", count=2)
    assert counts(core, "falling", 20) == [*range(1, 11)] * 2
    assert len(core.notes("starts")) == 20

    core.tell("mended")
    status = core.post("/api/plugins/falling/enable").json()
    assert (status["state"], status["consecutive_crashes"], status["problem"]) == ("running", 0, None)
    assert config(core)["plugins"]["falling"] is True


def test_the_count_starts_anew_once_it_was_stable(core: Core) -> None:
    core.settings(QUICK + "stable_seconds = 0.3\n")
    core.plugin(
        "settling",
        'note("starts", os.getpid())\n'
        'if len(open(os.path.join(HERE, "starts")).readlines()) < 4: sys.exit("not yet")\n'
        "serve(lambda file, message: None)\n",
    )
    core.start()
    pid = core.wait_pid("settling")
    assert counts(core, "settling", 3) == [1, 2, 3]

    wait_for(lambda: core.status("settling")["consecutive_crashes"] == 0)
    os.kill(pid, signal.SIGKILL)

    core.wait_pid("settling", other_than=pid)
    assert counts(core, "settling", 4) == [1, 2, 3, 1]


def test_one_that_hangs_is_restarted_unless_a_request_is_in_flight(quick: Core) -> None:
    busy = quick.up("busy", PATIENT, capabilities=["ping"])
    hanging = quick.up("hanging", PATIENT, capabilities=["ping"])
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(quick.route, "busy", "/wait")
        wait_for(lambda: quick.notes("asked"))

        os.kill(hanging, signal.SIGSTOP)

        # Only the second time: the first may have begun before the request was on its way.
        second = quick.wait_pid("hanging", other_than=hanging)
        os.kill(second, signal.SIGSTOP)
        quick.wait_pid("hanging", other_than=second)
        assert not is_alive(hanging)
        status = quick.status("hanging")
        assert status["consecutive_crashes"] == 2
        assert "missed three pings" in status["last_exit"]["detail"]
        assert len(quick.wait_events("unhealthy", plugin="hanging", count=2)) == 2
        assert quick.status("busy")["pid"] == busy
        quick.tell("go")
        assert waiting.result().json()["pid"] == busy


def test_a_socket_file_that_somebody_deleted_is_healed(quick: Core) -> None:
    pid = quick.up("bereft")

    Path(quick.status("bereft")["socket_path"]).unlink()

    quick.wait_pid("bereft", other_than=pid)
    status = quick.status("bereft")
    assert "socket file is gone" in status["last_exit"]["detail"]
    assert Path(status["socket_path"]).exists()
    assert quick.route("bereft").status == 200
    assert not is_alive(pid)


def test_one_that_closes_its_listener_serves_as_long_as_it_is_connected(quick: Core) -> None:
    pid = quick.up(
        "deaf",
        "server = listen()\n"
        "def handle(file, message):\n"
        "    if message['type'] == 'http':\n"
        "        if message['payload']['path'] == '/close': server.close()\n"
        "        answer(file, message)\n"
        "        if message['payload']['path'] == '/hang-up':\n"
        "            connection.shutdown(socket.SHUT_RDWR)\n"
        "            time.sleep(3600)\n"
        "connection, _ = server.accept()\n"
        "file = connection.makefile('rwb')\n"
        "for line in file: handle(file, json.loads(line))\n",
    )
    assert quick.route("deaf", "/close").status == 200
    assert quick.route("deaf").status == 200
    assert quick.status("deaf")["health"] == "healthy"

    assert quick.route("deaf", "/hang-up").status == 200

    quick.wait_pid("deaf", other_than=pid)
    assert "socket does not answer" in quick.status("deaf")["last_exit"]["detail"]
    assert not is_alive(pid)


def test_one_that_never_makes_its_socket_is_a_crash(core: Core) -> None:
    core.settings(QUICK + "ready_timeout = 0.3\nmax_crashes = 2\n")
    core.plugin("mute", "while True: time.sleep(3600)\n")
    core.start()

    status = core.wait_state("mute", "disabled")

    assert "did not get ready within 0.3 s" in status["last_exit"]["detail"]
    assert "did not get ready within 0.3 s" in status["problem"]
    pids = [event["details"]["pid"] for event in core.wait_events("started", plugin="mute", count=2)]
    assert len(pids) == 2
    assert not any(map(is_alive, pids))
