"""Plugins written for the product before: length and JSON, one connection for each message."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.integration.bursts import burst, meanwhile
from tests.integration.cores import PATIENCE, Core, fresh_core, wait_for
from tests.integration.protocol1 import plugin

SETTINGS = """
[supervision]
backoff_first = 0.05
[plugin.wide]
concurrency = 3
[plugin.slow]
request_timeout = 0.5
[plugin.tiny]
concurrency = 3
[plugin.hasty]
request_timeout = 5
"""

ANSWERS = """
def handle(connection, message):
    path = message["payload"]["payload"]["path"]
    inner = {"status": 201, "headers": {"x-kind": path}, "body": "plain"}
    if path == "/object":
        inner["body"] = {"a": [1, None]}
    if path == "/nothing":
        inner["body"] = None
    if path == "/flat":
        reply(connection, message, inner)
    elif path.startswith("/shown"):
        flat(connection, message)
    elif path == "/closed":
        pass
    elif path == "/half":
        connection.sendall(struct.pack(">I", 1000) + b"{")
    elif path == "/garbage":
        put(connection, b"no json")
    elif path == "/too-long":
        connection.sendall(b"\\xff" * 100)
    else:
        reply(connection, message, {"type": "http", "request_id": message["request_id"],
                                    "payload": {"body": json.dumps(inner)}})
serve_1(handle)
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A core for most tests here; each has plugins of its own."""
    with fresh_core(tmp_path_factory.mktemp("c")) as core:
        core.settings(SETTINGS)
        core.start()
        core.up("answers", plugin(ANSWERS), protocol="1")
        yield core


# -- health


LISTENING_FOR_A_WHILE = """
server = listen()
def mostly(server):
    while not (is_there("deaf") and not is_there("cured")):
        ready, _, _ = select.select([server], [], [], 0.02)
        if ready:
            connection, _ = server.accept()
            with connection:
                try:
                    message = receive(connection)
                except EOFError:
                    note("empty", 1)
                    continue
                if message["type"] == "http":
                    flat(connection, message)
                else:
                    note(ME, message["payload"]["action"])
                    if message["payload"]["action"] == "shutdown":
                        sys.exit(0)
    server.close()
    signal.pause()
import select
mostly(server)
"""


def test_one_that_closes_its_listener_while_nobody_asks_is_restarted(core: Core) -> None:
    core.settings("[supervision]\nhealth_interval = 0.1\nbackoff_first = 0.05\nterm_grace = 0.3\n")
    core.plugin("idle", plugin(LISTENING_FOR_A_WHILE), protocol="1")
    # One that binds elsewhere and moves the socket is as well as any.
    moved = LISTENING_FOR_A_WHILE.replace(
        "server = listen()",
        """
path = os.environ["TORU_PLUGIN_SOCKET"]
server = socket.socket(socket.AF_UNIX)
server.bind(path + ".new")
server.listen()
os.rename(path + ".new", path)
""",
    ).replace('is_there("deaf")', "False")
    core.plugin("moved", plugin(moved), protocol="1")
    core.start()
    pid, other = core.wait_pid("idle"), core.wait_pid("moved")
    core.wait_notes("empty", 4)
    assert core.events("unhealthy") == []
    assert core.notes("idle") == ["init"], "looking at it says nothing"

    core.tell("deaf")
    [unhealthy] = core.wait_events("unhealthy", plugin="idle", count=1)
    core.tell("cured")

    assert unhealthy["details"]["why"] == "its socket does not answer"
    assert core.wait_pid("idle", other_than=pid) != pid
    assert core.route("idle").status == 200
    assert core.status("moved")["pid"] == other
    assert core.route("moved").status == 200


# -- messages


def test_what_a_plugin_is_told(shared: Core) -> None:
    [line] = wait_for(lambda: shared.notes("answers-lifecycle"))
    init = json.loads(line)
    status = shared.status("answers")
    assert init["type"] == init["payload"]["type"] == "lifecycle"
    assert init["timestamp"].endswith("Z")
    assert init["payload"]["action"] == "init"
    assert init["payload"]["plugin_socket"] == status["socket_path"]
    assert {"instance_id", "log_path"} <= init["payload"].keys()
    assert all(isinstance(value, str) for value in init["payload"].values())
    assert status["protocol"] == "1"


def test_what_a_plugin_is_asked(shared: Core) -> None:
    reply = shared.request("POST", "/api/plugins/route/answers/shown?q", b"text", {"X-Mine": "1"})
    asked = reply.json()
    assert asked["type"] == asked["payload"]["type"] == "http"
    assert asked["request_id"] == asked["payload"]["request_id"]
    assert asked["timestamp"].endswith("Z")
    request = asked["payload"]["payload"]
    assert (request["method"], request["path"], request["body"]) == ("POST", "/shown?q", "text")
    assert request["headers"]["x-mine"] == "1"
    assert all(isinstance(value, str) for value in request["headers"].values())
    assert shared.get("/api/plugins/route/answers/shown").json()["payload"]["payload"]["body"] is None


@pytest.mark.parametrize(
    ("path", "body"),
    [("/flat", b"plain"), ("/wrapped", b"plain"), ("/object", b'{"a": [1, null]}'), ("/nothing", b"")],
)
def test_both_forms_of_answers(shared: Core, path: str, body: bytes) -> None:
    reply = shared.route("answers", path)
    assert (reply.status, reply.body, reply.headers["x-kind"]) == (201, body, path)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/closed", "plugin-connection-lost"),
        ("/half", "plugin-connection-lost"),
        ("/garbage", "plugin-protocol-error"),
        ("/too-long", "plugin-protocol-error"),
    ],
)
def test_no_answer_and_no_use(shared: Core, path: str, code: str) -> None:
    pid = shared.status("answers")["pid"]
    reply = shared.route("answers", path)
    assert (reply.status, reply.json()["code"]) == (502, code)
    assert shared.route("answers", "/flat").status == 201
    assert shared.status("answers")["pid"] == pid


def test_large_bodies(shared: Core) -> None:
    shared.up("large", plugin(), protocol="1")
    body = b"a line of text, as good as any\n" * 100_000
    reply = shared.request("POST", "/api/plugins/route/large/", body)
    assert reply.json()["payload"]["payload"]["body"].encode() == body


# -- connections

# Looks for connections that ended before it counts the one that came: its peer closes one, then opens the next.
COUNTING = """
import select
server, connections, answered = listen(), [], set()
def is_over(connection):
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
while True:
    for ready in select.select([server, *connections], [], [], 0.05)[0]:
        if ready is server:
            new, _ = server.accept()
            connections = [one for one in connections if not is_over(one)] + [new]
            note(ME + "-open", len(connections))
        elif not is_over(ready) and ready in connections:
            message = receive(ready)
            if message["type"] == "http":
                flat(ready, message)
            elif message["payload"]["action"] == "shutdown":
                sys.exit(0)
    connections = [one for one in connections if not is_over(one)]
"""


@pytest.mark.parametrize(("id", "most"), [("narrow", 1), ("wide", 3)])
def test_so_many_connections_at_once(shared: Core, id: str, most: int) -> None:
    shared.up(id, plugin(COUNTING), protocol="1")
    taken = burst(shared, [f"/{id}/"] * 40)
    assert {one.status for one in taken} == {200}
    opened = [int(line) for line in shared.notes(f"{id}-open")]
    assert len(opened) == 41  # and one for `init`
    assert max(opened) == most


# Reads what there is, takes the first message of it, and loses the rest.
LOSING = """
def receive(connection, strange=refuse):
    data = connection.recv(2**20)
    length, = struct.unpack(">I", data[:4])
    while len(data) < 4 + length:
        data += connection.recv(2**20)
    note(ME + "-lost", len(data) - 4 - length)
    return json.loads(data[4:4 + length])
serve_1()
"""


def test_nothing_follows_a_message(shared: Core) -> None:
    shared.up("losing", plugin(LOSING), protocol="1")
    taken = burst(shared, ["/losing/"] * 30)
    assert {one.status for one in taken} == {200}
    assert shared.post("/api/plugins/losing/disable").status == 200
    assert shared.notes("losing") == ["init", *["GET"] * 30, "shutdown"]
    assert set(shared.notes("losing-lost")) == {"0"}


SLOW = """
def handle(connection, message):
    if message["payload"]["payload"]["path"] == "/slow":
        note("slow-ended", repr(connection.recv(1)))
    else:
        flat(connection, message)
serve_1(handle)
"""


def test_one_that_is_slow(shared: Core) -> None:
    pid = shared.up("slow", plugin(SLOW), protocol="1")
    began = time.monotonic()
    reply = shared.route("slow", "/slow")
    assert (reply.status, reply.json()["code"]) == (504, "plugin-timeout")
    assert time.monotonic() - began >= 0.5
    wait_for(lambda: shared.notes("slow-ended") == ["b''"])
    assert shared.route("slow", "/quick").status == 200
    assert shared.status("slow")["pid"] == pid


# Answers before it has read much, and leaves the closing to the core.
HASTY = """
server, open_ones = listen(), []
while True:
    connection, _ = server.accept()
    open_ones.append(connection)
    if b'"lifecycle"' not in connection.recv(200):
        reply(connection, {"request_id": "1"}, {"status": 413, "headers": {}, "body": "too much for me"})
"""


def test_an_answer_before_the_request_was_read(shared: Core) -> None:
    shared.up("hasty", plugin(HASTY), protocol="1")
    body = b"x" * (4 * 2**20)
    for _ in range(2):
        reply = shared.request("POST", "/api/plugins/route/hasty/", body)
        assert (reply.status, reply.body) == (413, b"too much for me")


def test_a_full_backlog(shared: Core) -> None:
    pid = shared.up("tiny", plugin("serve_1(server=listen(0))"), protocol="1")
    assert shared.route("tiny").status == 200
    os.kill(pid, signal.SIGSTOP)
    asked = [meanwhile(lambda: shared.route("tiny").status) for _ in range(5)]
    wait_for(lambda: shared.status("tiny")["traffic"]["in_flight"] == 5)

    before = shared.cpu_seconds()
    with pytest.raises(TimeoutError):
        asked[0].result(1)
    assert shared.cpu_seconds() - before < 0.3

    os.kill(pid, signal.SIGCONT)
    assert [one.result(PATIENCE) for one in asked] == [200] * 5


RELISTENING = """
path = os.environ["TORU_PLUGIN_SOCKET"]
def handle(connection, message):
    flat(connection, message)
    old.close()
    new = socket.socket(socket.AF_UNIX)
    new.bind(path + ".new")
    os.rename(path + ".new", path)
    new.listen()
    note(ME, "new")
    serve_1(server=new)
old = listen()
serve_1(handle, server=old)
"""


def test_a_listener_made_anew_at_the_same_path(shared: Core) -> None:
    pid = shared.up("anew", plugin(RELISTENING), protocol="1")
    assert shared.route("anew").status == 200
    wait_for(lambda: "new" in shared.notes("anew"))
    assert shared.route("anew").status == 200
    assert shared.status("anew")["pid"] == pid
