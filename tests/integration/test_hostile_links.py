"""Plugins that break the protocol: what fails, what goes on, and what is said about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.bursts import meanwhile
from tests.integration.cores import PATIENCE, Core, fresh_core, is_alive, wait_for

SETTINGS = """
max_body_bytes = 1024
max_message_bytes = 70000
[supervision]
backoff_first = 0.05
"""

# `/bad` does what the test wants; `/hold` is answered with the next `/release`.
PLUGIN = """
held = []
def http(message, **payload):
    return dict(type="http", request_id=message["request_id"], payload=payload)
def raw(data):
    file.write(data)
    file.flush()
def hang_up():
    connection.shutdown(socket.SHUT_RDWR)
def handle(message):
    path = message["payload"].get("path")
    note(os.environ["TORU_PLUGIN_ID"], path or message["payload"]["action"])
    if path == "/hold":
        held.append(message)
    elif path == "/bad":
        bad(message)
    elif path:
        for each in [*held, message]:
            answer(file, each, body=each["payload"]["path"])
    elif message["payload"]["action"] == "shutdown":
        sys.exit(0)
def bad(message):
    BAD
server = listen()
while True:
    connection, _ = server.accept()
    file = connection.makefile("rwb")
    try:
        for line in file:
            handle(json.loads(line))
    except (BrokenPipeError, ConnectionResetError):
        pass
"""

# Each is a protocol error: the connection cannot be trusted any more.
BROKEN = {
    "no-json": 'raw(b"hello\\n")',
    "array": 'raw(b"[1, 2]\\n")',
    "empty-line": 'raw(b"\\n")',
    "no-type": 'raw(b"{}\\n")',
    "type-of-type": 'send(file, type=5, request_id=message["request_id"], payload={})',
    "type-of-id": 'send(file, type="http", request_id=5, payload={"status": 200})',
    "no-id": 'send(file, type="http", payload={"status": 200})',
    "payload-list": 'send(file, type="http", request_id=message["request_id"], payload=[])',
    "status-text": 'send(file, **http(message, status="200"))',
    "headers-list": 'send(file, **http(message, status=200, headers=[["a", "b"]]))',
    "header-number": 'send(file, **http(message, status=200, headers={"a": 1}))',
    "body-object": "send(file, **http(message, status=200, body={}))",
    "encoding": 'send(file, **http(message, status=200, body="", body_encoding="utf-16"))',
    "stream": "send(file, **http(message, status=200, stream=True))",
    "deep": 'raw(b\'{"type": "log", "payload": \' + b"[" * 30000 + b"]" * 30000 + b"}\\n")',
    "not-utf-8": 'raw(b\'{"type": "log", "payload": {"level": "info", "message": "\\xff"}}\\n\')',
    "long-line": 'send(file, **http(message, status=200, body="x" * 70000))',
    "no-newline-ever": """
    while True:
        raw(b"x" * 65536)""",
}
# Each is an answer that means nothing: it fails its own request and no other.
NONSENSE = {
    "status-99": "answer(file, message, status=99)",
    "status-600": "answer(file, message, status=600)",
    "status-half": "answer(file, message, status=200.5)",
    "bad-base64": 'answer(file, message, body="!", body_encoding="base64")',
    "header-newline": 'answer(file, message, headers={"a": "b\\r\\nset-cookie: c=d"})',
    "header-name": 'answer(file, message, headers={"a b": "c"})',
    "header-wide": 'answer(file, message, headers={"a": "\\u20ac"})',
    "an-error": 'send(file, type="error", request_id=message["request_id"], payload={"message": "my inside"})',
}
LOST = {
    "closed": "hang_up()",
    "half-a-line": 'raw(b\'{"type": "http", \'); hang_up()',
}


def plugin(bad: str) -> str:
    """The code of a plugin that does that for `/bad`."""
    return PLUGIN.replace("BAD", bad)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A core for all tests here; each has a plugin of its own beside one that nobody disturbs."""
    with fresh_core(tmp_path_factory.mktemp("c")) as core:
        core.settings(SETTINGS)
        core.start()
        core.up("bystander", plugin("pass"))
        yield core


def holding(core: Core, id: str) -> Callable[[], tuple[int, bytes]]:
    """Ask for `/hold`. Returns, once the plugin has it, what waits for its answer."""
    before = core.notes(id).count("/hold")
    future = meanwhile(lambda: core.route(id, "/hold"))
    wait_for(lambda: core.notes(id).count("/hold") > before)

    def answer() -> tuple[int, bytes]:
        reply = future.result(PATIENCE)
        return reply.status, reply.body

    return answer


@pytest.mark.parametrize("id", BROKEN)
def test_a_protocol_error(shared: Core, id: str) -> None:
    pid = shared.up(id, plugin(BROKEN[id]))
    bystander, held = holding(shared, "bystander"), holding(shared, id)

    reply = shared.route(id, "/bad")

    assert (reply.status, reply.json()["code"]) == (502, "plugin-protocol-error")
    assert held()[0] == 502  # it was on the same connection
    assert shared.route(id, "/next").status == 200
    heard = shared.notes(id)
    assert heard.count("init") == 2
    assert heard.index("/next") > heard.index("init", 1)
    assert shared.route("bystander", "/release").status == 200
    assert bystander() == (200, b"/hold")
    status = shared.status(id)
    assert (status["pid"], status["consecutive_crashes"]) == (pid, 0)
    assert len(shared.said("toru.link#warn", f"{id}: ")) == 1


@pytest.mark.parametrize("id", NONSENSE)
def test_an_answer_that_means_nothing(shared: Core, id: str) -> None:
    shared.up(id, plugin(NONSENSE[id]))
    held = holding(shared, id)

    reply = shared.route(id, "/bad")

    assert reply.status == 502
    assert b"inside" not in reply.body
    assert b"set-cookie" not in reply.body
    assert shared.route(id, "/release").status == 200
    assert held() == (200, b"/hold")
    assert shared.notes(id).count("init") == 1
    [line] = wait_for(lambda: shared.said(f"plugin {id} failed"))
    assert ("my inside" in line) == (id == "an-error")


@pytest.mark.parametrize("id", LOST)
def test_a_connection_that_is_lost(shared: Core, id: str) -> None:
    pid = shared.up(id, plugin(LOST[id]))
    held = holding(shared, id)

    reply = shared.route(id, "/bad")

    assert (reply.status, reply.json()["code"]) == (502, "plugin-connection-lost")
    assert held()[0] == 502
    assert shared.route(id, "/next").status == 200
    assert shared.notes(id).count("init") == 2
    assert shared.status(id)["pid"] == pid


def test_half_a_line_and_then_death(shared: Core) -> None:
    pid = shared.up("dying", plugin('raw(b\'{"type": "http", \'); os._exit(3)'))

    reply = shared.route("dying", "/bad")

    assert (reply.status, reply.json()["code"]) == (502, "plugin-connection-lost")
    assert shared.wait_pid("dying", other_than=pid)
    assert shared.route("dying", "/next").status == 200
    assert shared.status("dying")["consecutive_crashes"] == 1


def test_a_connection_closed_while_idle(shared: Core) -> None:
    code = plugin("answer(file, message); hang_up()")
    pid = shared.up("idle", code)
    assert shared.route("idle", "/bad").status == 200
    wait_for(lambda: shared.notes("idle").count("init") == 2)
    assert shared.route("idle", "/next").status == 200
    assert shared.status("idle")["pid"] == pid


RELISTENING = """
path = os.environ["TORU_PLUGIN_SOCKET"]
while True:
    server = listen()
    connection, _ = server.accept()
    file = connection.makefile("rwb")
    for line in file:
        message = json.loads(line)
        note("relisten", message["type"])
        if message["type"] == "http":
            answer(file, message)
            break
    server.close()
    new = socket.socket(socket.AF_UNIX)
    new.bind(path + ".new")
    os.rename(path + ".new", path)
    new.listen()
    file.close()
    connection.close()
    serve(lambda file, message: (note("relisten", message["type"]),
                                 message["type"] == "http" and answer(file, message, body="again")), new)
"""


def test_a_listener_made_anew_at_the_same_path(shared: Core) -> None:
    pid = shared.up("relisten", RELISTENING)
    assert shared.route("relisten").status == 200
    wait_for(lambda: shared.notes("relisten").count("lifecycle") == 2)
    reply = shared.route("relisten")
    assert (reply.status, reply.body) == (200, b"again")
    assert shared.status("relisten")["pid"] == pid


# Hands its connections to somebody who leaves its session, reads nothing and outlives it.
HEIR = """
def hand_over(*held):
    if os.fork() == 0:
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        note("heirs", os.getpid())
        signal.pause()
    os.wait()
server = listen()
held = []
while True:
    connection, _ = server.accept()
    held.append(connection)
    if len(held) == EXPECTED and not is_there("disinherited"):
        wait_until_there("asked")
        hand_over(*held)
        wait_until_there("die")
        os._exit(1)
"""


@pytest.mark.parametrize(("protocol", "expected"), [("2", 1), ("1", 2)])
def test_a_connection_that_outlives_the_plugin(core: Core, protocol: str, expected: int) -> None:
    """What the other end holds and does not read keeps no descriptor of the core's open."""
    core.settings("[supervision]\nbackoff_first = 0.05\n")
    core.plugin("heir", HEIR.replace("EXPECTED", str(expected)), protocol=protocol)
    core.start()
    pid = core.wait_pid("heir")
    assert core.process is not None
    folder = Path(f"/proc/{core.process.pid}/fd")

    def sockets() -> int:
        return sum(os.readlink(each).startswith("socket:") for each in folder.iterdir())

    asked = meanwhile(lambda: core.request("POST", "/api/plugins/route/heir/", bytes(2**22)).status)
    wait_for(lambda: core.status("heir")["traffic"]["in_flight"] == 1)
    core.tell("asked")
    [heir] = wait_for(lambda: core.notes("heirs"))
    core.tell("disinherited")
    held = sockets()
    core.tell("die")

    assert asked.result(PATIENCE) == 502
    wait_for(lambda: not is_alive(pid))
    core.wait_pid("heir", other_than=pid)
    assert is_alive(int(heir)), "what left the session is not ours to kill"
    # The client's is gone with its answer, and so is that to the dead one; protocol 1 keeps none open.
    wait_for(lambda: sockets() == held - (1 if protocol == "2" else 2))


def test_file_descriptors_that_are_passed(shared: Core) -> None:
    """A Unix socket can carry open files; whoever takes them in runs out of numbers."""
    assert shared.process is not None
    folder = f"/proc/{shared.process.pid}/fd"
    # Each goes with a byte of its own: an empty message carries nothing.
    code = plugin("""
    for byte in json.dumps({"type": "gift"}).encode() + b"\\n":
        socket.send_fds(connection, [bytes([byte])], [0] * 50)
    answer(file, message)""")
    shared.up("generous", code)
    shared.route("generous", "/next")
    before = len(os.listdir(folder))
    assert shared.route("generous", "/bad").status == 200
    assert wait_for(lambda: len(os.listdir(folder)) < before + 20)
