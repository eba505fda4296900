"""Many requests at once: which answer is whose, how many a plugin has in hand, and how long anybody waits."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.integration.bursts import ROUTE, burst, connect, meanwhile
from tests.integration.cores import PATIENCE, Core, fresh_core, wait_for

SETTINGS = """
[plugin.set]
concurrency = 2
[plugin.late]
request_timeout = 0.5
[plugin.mute]
request_timeout = 0.4
[plugin.deaf]
request_timeout = 0.6
"""

# Answers only once it has all twenty, the last one first.
BACKWARDS = """
held = []
def handle(file, message):
    if message["type"] == "http":
        held.append(message)
        if len(held) == 20:
            for each in reversed(held):
                answer(file, each, body=each["payload"]["path"])
            held.clear()
serve(handle)
"""
# Takes all it gets, and answers all that it has in hand once nothing more comes.
COUNTING = """
import select
server = listen()
connection, _ = server.accept()
file, buffer, hand = connection.makefile("wb"), b"", []
while True:
    if select.select([connection], [], [], 0.1)[0]:
        data = connection.recv(65536)
        if not data:
            break
        *lines, buffer = (buffer + data).split(b"\\n")
        hand += [message for message in map(json.loads, lines) if message["type"] == "http"]
        note("most-" + os.environ["TORU_PLUGIN_ID"], len(hand))
    else:
        while hand:
            answer(file, hand.pop(0))
"""
PLUGGED = """
def handle(file, message):
    if message["type"] == "http":
        wait_until_there("unplug")
        answer(file, message)
serve(handle)
"""
# What nobody asked for surrounds each answer, and what was asked long ago comes with the next request.
CONFUSED = """
held = []
def handle(file, message):
    if message["type"] != "http":
        return
    path = message["payload"]["path"]
    if path == "/late":
        held.append(message)
        return
    for one in held:
        answer(file, one, body="late")
    answer(file, {"request_id": "made-up"}, body="made up")
    answer(file, {"request_id": ""}, body="made up")
    answer(file, message, body=path)
    answer(file, message, body="double")
serve(handle)
"""
# Never answers what wants no answer; notes all it hears.
MUTE = """
def handle(file, message):
    path = message["payload"].get("path")
    note("heard-" + os.environ["TORU_PLUGIN_ID"], json.dumps([message["type"], message.get("request_id"), path]))
    if message["type"] == "http" and not path.startswith("/never"):
        answer(file, message, body=str(os.getpid()))
serve(handle)
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A core for all tests here; each has plugins of its own."""
    with fresh_core(tmp_path_factory.mktemp("c")) as core:
        core.settings(SETTINGS)
        core.start()
        yield core


def heard(core: Core, id: str, type: str) -> list[tuple[str, str | None]]:
    """The ids and paths of the messages of that type that a MUTE plugin heard."""
    messages = [json.loads(line) for line in core.notes(f"heard-{id}")]
    return [(request_id, path) for kind, request_id, path in messages if kind == type]


def test_answers_in_any_order_are_matched(shared: Core) -> None:
    shared.up("back", BACKWARDS)
    taken = burst(shared, [f"/back/{number}" for number in range(20)])
    assert [(one.status, one.body) for one in taken] == [(200, f"/{number}".encode()) for number in range(20)]


@pytest.mark.parametrize(("id", "declared", "most"), [("three", 3, 3), ("set", 5, 2), ("free", None, 64)])
def test_so_many_at_once_and_no_more(shared: Core, id: str, declared: int | None, most: int) -> None:
    shared.up(id, COUNTING, concurrency=declared)
    taken = burst(shared, [f"/{id}/"] * (most + 10))
    assert {one.status for one in taken} == {200}
    assert max(map(int, shared.notes(f"most-{id}"))) == most


def test_a_full_queue(shared: Core) -> None:
    shared.up("plugged", PLUGGED, concurrency=2)
    shared.up("open")
    waiting = meanwhile(lambda: burst(shared, ["/plugged/"] * 258))
    wait_for(lambda: shared.status("plugged")["traffic"]["in_flight"] == 258)

    began = time.monotonic()
    refused = shared.route("plugged")
    assert (refused.status, refused.json()["code"]) == (503, "plugin-busy")
    assert int(refused.headers["retry-after"]) >= 1
    assert time.monotonic() - began < 5
    assert shared.route("open").status == 200

    shared.tell("unplug")
    assert {one.status for one in waiting.result(PATIENCE)} == {200}
    assert shared.route("plugged").status == 200


def test_answers_that_nobody_waits_for(shared: Core) -> None:
    pid = shared.up("late", CONFUSED)
    for path in ("/a", "/b"):
        reply = shared.route("late", path)
        assert (reply.status, reply.body.decode()) == (200, path)
    assert shared.route("late", "/late").status == 504
    for path in ("/c", "/d"):
        reply = shared.route("late", path)
        assert (reply.status, reply.body.decode()) == (200, path)
    assert wait_for(lambda: shared.said("late: dropped an answer that nobody waits for"))
    assert shared.status("late")["pid"] == pid


@pytest.mark.parametrize(
    ("id", "seconds", "capabilities"),
    [("mute", 0.4, ["cancel"]), ("deaf", 0.6, [])],
    ids=["told", "not-told"],
)
def test_a_request_that_takes_too_long(
    shared: Core, id: str, seconds: float, capabilities: list[str]
) -> None:
    pid = shared.up(id, MUTE, capabilities=capabilities, concurrency=1)

    began = time.monotonic()
    reply = shared.route(id, "/never")
    took = time.monotonic() - began

    assert (reply.status, reply.json()["code"]) == (504, "plugin-timeout")
    assert seconds <= took < seconds + 5
    # Its only slot is free, and its process is the same.
    assert shared.route(id, "/").body.decode() == str(pid)
    [request_id] = [one for one, path in heard(shared, id, "http") if path == "/never"]
    assert heard(shared, id, "cancel") == ([(request_id, None)] if capabilities else [])
    assert shared.status(id)["consecutive_crashes"] == 0
    traffic = shared.status(id)["traffic"]
    assert (traffic["requests"], traffic["errors"], traffic["in_flight"]) == (2, 1, 0)


def test_a_client_that_goes_away(core: Core) -> None:
    core.plugin("mute", MUTE, capabilities=["cancel"], concurrency=1)
    core.start()
    core.wait_state("mute", "running")

    def in_flight() -> int:
        return int(core.status("mute")["traffic"]["in_flight"])

    signed = f"Authorization: {core.authorization()}"

    def ask(path: str) -> bytes:
        return f"GET {ROUTE}/mute{path} HTTP/1.1\r\nHost: x\r\n{signed}\r\n\r\n".encode()

    with connect(core.port) as first, connect(core.port) as second:
        first.sendall(ask("/never-1"))
        wait_for(lambda: heard(core, "mute", "http"))
        second.sendall(ask("/never-2"))
        wait_for(lambda: in_flight() == 2)
        second.close()  # it waits in the queue: the plugin never hears of it
        wait_for(lambda: in_flight() == 1)
        first.close()
        cancelled = wait_for(lambda: heard(core, "mute", "cancel"))

    assert core.route("mute", "/next").status == 200
    [(request_id, path), (_, after)] = heard(core, "mute", "http")
    assert (path, after) == ("/never-1", "/next")
    assert cancelled == [(request_id, None)]
    assert core.status("mute")["traffic"]["errors"] == 0
    core.stop()
    assert not [line for line in core.output if "#warn" in line or "#error" in line or "#critical" in line]
    assert not core.said("Traceback")
    assert not core.said("Unhandled")
