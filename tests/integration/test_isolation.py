"""A plugin that floods, stuffs or sleeps hurts itself alone: what its neighbours and the core feel of it."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import pytest

from tests.integration.bursts import ROUTE, Taken, burst, meanwhile, quantile
from tests.integration.cores import PATIENCE, Core, wait_for

MIB = 2**20

UNREADING = """
server = listen()
connection, _ = server.accept()
threading.Event().wait()
"""
FLOOD = """
def flood(connection):
    line = json.dumps(dict(FLOODED)).encode() + b"\\n"
    lines = line * max(1, 60_000 // len(line))
    while True:
        connection.sendall(lines)
server = listen()
while True:
    connection, _ = server.accept()
    threading.Thread(target=flood, args=(connection,), daemon=True).start()
    for line in connection.makefile("rb"):
        if b'"shutdown"' in line:
            os._exit(0)
"""
FLOODS = {
    "answers": 'type="http", request_id="none", payload={"status": 200, "body": "x" * 200}',
    "larger answers": 'type="http", request_id="none", payload={"status": 200, "body": "x" * 2000}',
    "unknown messages": 'type="noise"',
    "huge messages": 'type="noise", payload=["x" * 1000] * 10_000',
    "pongs": 'type="lifecycle", request_id="none", payload={"action": "pong"}',
    "log messages": 'type="log", payload={"level": "info", "message": "x" * 200}',
}
PRINTING = """
server = listen()
while True:
    os.write(1, b"all work and no play makes Jack a dull boy\\n" * 1000)
"""
LONG_WINDED = """
server = listen()
for _ in range(100):
    sys.stdout.write("x" * 2**20)
print()
print("the end", flush=True)
serve(lambda file, message: None, server)
"""


def latencies(core: Core, id: str, seconds: float) -> list[float]:
    """How long each of the plugin's answers takes, asked one after the other for that long."""
    taken: list[float] = []
    signed = {"Authorization": core.authorization()}
    connection = http.client.HTTPConnection("127.0.0.1", core.port, timeout=PATIENCE)
    give_up = time.monotonic() + seconds
    while (began := time.monotonic()) < give_up:
        connection.request("GET", f"{ROUTE}/{id}/", headers=signed)
        reply = connection.getresponse()
        reply.read()
        assert reply.status == 200
        taken.append(time.monotonic() - began)
    connection.close()
    return taken


def shown(what: str, taken: list[float]) -> str:
    """A line for whoever reads the figures (`pytest -s`)."""
    return f"{what}: median {median(taken) * 1e3:.2f} ms, p99 {quantile(taken, 0.99) * 1e3:.2f} ms, {len(taken)} answers"


@contextmanager
def most_memory(core: Core) -> Iterator[Callable[[], int]]:
    """Watches by how many bytes the core grows at most."""
    before, most, over = core.resident_bytes(), 0, threading.Event()

    def look() -> None:
        nonlocal most
        while not over.wait(0.005):
            most = max(most, core.resident_bytes() - before)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield lambda: most
    finally:
        over.set()
        watcher.join()


@pytest.mark.parametrize("protocol", ["2", "1"])
def test_a_plugin_that_never_reads(core: Core, protocol: str) -> None:
    core.plugin("unreading", UNREADING, protocol=protocol, concurrency=64)
    core.plugin("other")
    core.start()
    core.wait_state("unreading", "running")
    core.wait_state("other", "running")
    assert core.route("other").status == 200
    body = os.urandom(6 * MIB)  # ten of them fit into 64 MiB

    with most_memory(core) as grown:
        asked = [
            meanwhile(lambda: core.request("POST", f"{ROUTE}/unreading/", body).status) for _ in range(14)
        ]
        wait_for(lambda: sum(one.done() for one in asked) == 4)
        assert core.status("unreading")["traffic"]["in_flight"] == 10
        assert core.route("other").status == 200
        os.kill(core.status("unreading")["pid"], signal.SIGKILL)
        statuses = sorted(one.result(PATIENCE) for one in asked)

    print(f"never reads, protocol {protocol}: the core grew by {grown() / MIB:.0f} MiB at most")
    assert statuses == [502] * 10 + [503] * 4
    assert grown() < 170 * MIB


def test_a_plugin_that_floods_its_link(core: Core) -> None:
    core.plugin("other")
    core.start()
    core.wait_state("other", "running")
    quiet = latencies(core, "other", 0.7)
    print("\n" + shown("quiet", quiet))
    with most_memory(core) as grown:
        for kind, message in FLOODS.items():
            core.up("flood", FLOOD.replace("FLOODED", message))
            flooded = latencies(core, "other", 1.2)
            print(shown(f"flooded with {kind}", flooded))
            assert core.status("flood")["state"] == "running"
            assert median(flooded) < max(0.05, 10 * median(quiet))
            assert quantile(flooded, 0.99) < 0.5
            (core.plugins / "flood.binary").unlink()
            assert core.post("/api/plugins/rescan").status == 200
            wait_for(lambda: not core.status("flood"))
    print(f"the core grew by {grown() / MIB:.0f} MiB at most")
    assert grown() < 100 * MIB
    assert len(core.output) < 500  # it is told, not repeated for each


def test_a_plugin_that_floods_its_output(core: Core) -> None:
    core.plugin("other")
    core.start()
    core.wait_state("other", "running")
    quiet = latencies(core, "other", 0.7)
    with most_memory(core) as grown:
        core.up("printing", PRINTING)
        flooded = latencies(core, "other", 2.0)
    print("\n" + shown("quiet", quiet))
    print(shown("flooded with output", flooded))
    print(f"the core grew by {grown() / MIB:.0f} MiB at most")
    assert median(flooded) < max(0.05, 10 * median(quiet))
    assert quantile(flooded, 0.99) < 0.5
    assert grown() < 100 * MIB
    assert core.log("printing")


def test_a_line_of_100_mib(core: Core) -> None:
    core.plugin("other")
    core.start()
    core.wait_state("other", "running")
    with most_memory(core) as grown:
        core.up("winded", LONG_WINDED)
        wait_for(lambda: any(record["message"] == "the end" for record in core.log("winded")[-5:]))
        assert core.route("other").status == 200
    print(f"\na line of 100 MiB: the core grew by {grown() / MIB:.0f} MiB at most")
    assert grown() < 50 * MIB
    parts = [record for record in core.log("winded") if record["message"] != "the end"]
    assert all(len(record["message"]) <= 64 * 1024 for record in parts)


def test_a_thousand_at_once_while_one_of_ten_is_stopped(core: Core) -> None:
    ids = [f"p{number}" for number in range(10)]
    for id in ids:
        core.plugin(id)
    core.start()
    for id in ids:
        core.wait_state(id, "running")
    nine, stopped = ids[:9], ids[9]

    def nine_hundred() -> list[Taken]:
        return burst(core, [f"/{id}/{number}" for number in range(100) for id in nine])

    def hundred() -> list[Taken]:
        return burst(core, [f"/{stopped}/{number}" for number in range(100)])

    figures = []
    for what in ("all ten up", "one stopped"):
        if what == "one stopped":
            os.kill(core.status(stopped)["pid"], signal.SIGSTOP)
        tenth = meanwhile(hundred)
        taken = nine_hundred()
        assert [one.status for one in taken] == [200] * 900
        if what == "one stopped":
            assert not tenth.done()
            os.kill(core.status(stopped)["pid"], signal.SIGCONT)
        assert [one.status for one in tenth.result(PATIENCE)] == [200] * 100
        figures.append([one.seconds for one in taken])
    quiet, beside = figures
    print("\n" + shown("900 answers, all ten up", quiet))
    print(shown("900 answers, one stopped", beside))
    assert max(beside) < 10
