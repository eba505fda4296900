"""More processes that serve clients: real ones, and connections that move between them."""

from __future__ import annotations

import http.client
import json
import os
import re
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psutil
import pytest

from tests.integration.cores import PATIENCE, Core, Reply, fresh_core, wait_for
from tests.scraped import Scraped

SETTINGS = """
workers = 2
access_log = "access.log"

[supervision]
backoff_first = 0.05
backoff_max = 0.1
"""

# Serves any number of connections, and tells who is there at once. `/wait` is answered once the test says "go".
PARALLEL = """
import threading
here, most, lock = 0, 0, threading.Lock()

def handle(file, message, say):
    global here, most
    payload = message["payload"]
    if payload.get("action") == "ping":
        say(type="lifecycle", request_id=message["request_id"], payload={"action": "pong"})
    elif payload.get("action") == "shutdown":
        os._exit(0)
    elif message["type"] == "http":
        threading.Thread(target=answer_one, args=(message, say), daemon=True).start()

def answer_one(message, say):
    global here, most
    payload = message["payload"]
    with lock:
        here += 1
        most = max(most, here)
    if payload["path"].startswith("/wait"):
        note("asked", os.getpid())
        wait_until_there("go")
    if payload["path"].startswith("/log"):
        say(type="log", payload={"level": "info", "message": payload["path"], "fields": {"big": 10**30}})
    with lock:
        here -= 1
    told = {"pid": os.getpid(), "version": VERSION, "most": most, "path": payload["path"],
            "method": payload["method"], "length": len(payload["body"] or ""), "headers": payload["headers"]}
    say(type="http", request_id=message["request_id"],
        payload=dict(status=200, headers={"content-type": "application/json"}, body=json.dumps(told)))

def serve_one(connection):
    file, saying = connection.makefile("rwb"), threading.Lock()
    def say(**what):
        with saying, suppress(OSError, ValueError):
            send(file, **what)
    with suppress(OSError):
        for line in file:
            handle(file, json.loads(line), say)

from contextlib import suppress
server = listen()
while True:
    connection, _ = server.accept()
    threading.Thread(target=serve_one, args=(connection,), daemon=True).start()
"""

# Serves one connection after the other, and answers pings.
SERIAL = """
def handle(file, message):
    if message["payload"].get("action") == "ping":
        send(file, type="lifecycle", request_id=message["request_id"], payload={"action": "pong"})
    elif message["type"] == "http":
        answer(file, message, body="serial")
serve(handle)
"""

ROUTE = "/api/plugins/route/shared"


@contextmanager
def started(folder: Any, settings: str = SETTINGS) -> Iterator[Core]:
    """A core with a worker and a plugin that both ask."""
    with fresh_core(folder) as core:
        core.settings(settings)
        core.plugin("shared", PARALLEL, capabilities=["ping"])
        core.start()
        core.wait_pid("shared")
        yield core
        assert core.process is not None
        if core.process.poll() is None:
            core.stop()
        assert core.said("Traceback") == []
        assert core.said("Unhandled") == []


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """One that several tests use, and leave as it was."""
    with started(tmp_path_factory.mktemp("w")) as core:
        yield core


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """One for a test that does something to it."""
    with started(tmp_path_factory.mktemp("w")) as core:
        yield core


def ask(client: http.client.HTTPConnection, path: str, headers: dict[str, str], **more: Any) -> Reply:
    """A request on a connection that is there."""
    client.request(more.pop("method", "GET"), path, headers=headers, **more)
    reply = client.getresponse()
    return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())


def signed(core: Core) -> dict[str, str]:
    return {"Authorization": core.authorization()}


def worker(core: Core) -> int:
    """The pid of its worker."""
    [pid] = core.workers()
    return pid


def test_a_request_that_is_not_for_a_plugin_takes_its_connection_to_the_core(running: Core) -> None:
    client = running.lent("shared")
    for number in range(3):
        reply = ask(client, f"{ROUTE}/?{number}", signed(running))
        assert (reply.status, reply.json()["path"]) == (200, f"/?{number}")
    assert running.server_of(client) == worker(running)
    assert ask(client, "/api/health", {}).json() == {"status": "ok"}
    assert running.server_of(client) == running.pid
    assert ask(client, f"{ROUTE}/again", signed(running)).json()["path"] == "/again"
    assert running.server_of(client) == running.pid, "it does not go back and forth"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/nobody", {}, 404),
        (f"{ROUTE}/", {"Authorization": "Bearer toru_" + "x" * 43}, 401),
        (f"{ROUTE}/", {"Connection": "Upgrade", "Upgrade": "websocket", "Origin": "http://else.where"}, 403),
        ("/api/plugins/route/none/", {}, 404),
        ("/api/plugins/route/%2e%2e/", {}, 400),
    ],
)
def test_what_is_refused_is_refused_by_the_core(
    running: Core, path: str, headers: dict[str, str], status: int
) -> None:
    client = running.lent("shared")
    reply = ask(client, path, {**signed(running), **headers})
    assert reply.status == status
    assert running.server_of(client) == running.pid
    # As one that was never lent.
    assert running.request("GET", path, headers=headers).status == status


def test_bodies(running: Core) -> None:
    """A head and a body in pieces, long and short, stay with the worker; one of unknown length does not."""
    client = running.lent("shared")
    for size in (1, 1000, 300_000):
        assert (
            ask(client, f"{ROUTE}/", signed(running), method="POST", body=b"x" * size).json()["length"]
            == size
        )
    assert running.server_of(client) == worker(running)
    reply = ask(client, f"{ROUTE}/", signed(running), method="POST", body=iter([b"abc", b"def"]))
    assert reply.json()["length"] == 6
    assert running.server_of(client) == running.pid


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("first", [f"{ROUTE}/1", "/api/health"])
def test_requests_in_one_write_are_answered_once_and_in_their_order(
    running: Core, first: str, new: bool
) -> None:
    client = http.client.HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE)
    running.clients.append(client)
    if new:
        client.connect()
    else:
        client = running.lent("shared")
    name = running.authorization()
    paths = [first, "/api/health", f"{ROUTE}/2", "/api/plugins/shared", f"{ROUTE}/3", "/api/health"]
    text = "".join(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {name}\r\n\r\n" for path in paths)
    client.sock.sendall(text.encode())
    client.sock.shutdown(socket.SHUT_WR)
    replies = []
    with client.sock.makefile("rb") as file:
        while line := file.readline():
            length = int(http.client.parse_headers(file)["content-length"])
            reply = json.loads(file.read(length))
            assert line.startswith(b"HTTP/1.1 200 ")
            replies.append(reply.get("path") or reply.get("status") or reply["id"])
    assert replies == [
        first.removeprefix(ROUTE) if first != "/api/health" else "ok",
        "ok",
        "/2",
        "shared",
        "/3",
        "ok",
    ]


def test_a_head_in_two_pieces_goes_to_the_core(running: Core) -> None:
    client = running.lent("shared")
    head = (
        f"GET {ROUTE}/slow HTTP/1.1\r\nHost: x\r\nAuthorization: {running.authorization()}\r\n\r\n".encode()
    )
    client.sock.sendall(head[:30])
    wait_for(lambda: running.server_of(client) == running.pid)
    client.sock.sendall(head[30:])
    reply = http.client.HTTPResponse(client.sock)
    reply.begin()
    assert (reply.status, json.loads(reply.read())["path"]) == (200, "/slow")


def quickest_refusal(core: Core, headers: dict[str, str], end: Any) -> float:
    """Seconds from the end of a session or a token to the first request of a worker's client that is refused."""
    client = core.lent("shared", headers)
    end()
    ended = time.monotonic()
    while ask(client, f"{ROUTE}/", headers).status == 200:
        assert time.monotonic() < ended + PATIENCE
    return time.monotonic() - ended


def test_who_is_signed_out_is_heard_no_more_within_100_ms(running: Core) -> None:
    def once() -> float:
        cookie = {"Cookie": running.sign_in()}
        return quickest_refusal(
            running, cookie, lambda: running.request("POST", "/api/auth/logout", headers=cookie, as_=None)
        )

    # A machine that is busy may take longer, once or twice.
    assert min(once() for _ in range(3)) < 0.1


def test_a_token_that_is_removed_is_worth_nothing_within_100_ms(running: Core) -> None:
    def once() -> float:
        made = running.request("POST", "/api/tokens", b'{"name": "gone", "role": "admin"}').json()
        headers = {"Authorization": f"Bearer {made['token']}"}
        remove = f"/api/tokens/{made['id']}"
        return quickest_refusal(running, headers, lambda: running.request("DELETE", remove))

    assert min(once() for _ in range(3)) < 0.1


def test_who_signs_in_later_is_known_to_the_worker(running: Core) -> None:
    """The core lends one that it has let in, and it stays."""
    for _ in range(3):
        client = running.lent("shared", headers := {"Cookie": running.sign_in()})
        assert ask(client, f"{ROUTE}/", headers).status == 200
        assert running.server_of(client) == worker(running)


def test_logs_figures_and_the_access_log_are_whole(own: Core) -> None:
    def counted() -> set[float | None]:
        scraped = Scraped(own.get("/api/metrics").body)
        return {
            scraped.value("toru_plugin_requests_total", plugin="shared", status="2xx"),
            scraped.value("toru_plugin_request_duration_seconds_count", plugin="shared"),
            own.status("shared")["traffic"]["requests"],
        }

    client = own.lent("shared")
    for number in range(20):
        assert ask(client, f"{ROUTE}/log/{number}", signed(own)).status == 200
    assert own.server_of(client) == worker(own)
    wait_for(lambda: counted() == {own.asked + 20})
    assert own.status("shared")["traffic"]["in_flight"] == 0

    def logged() -> list[dict[str, Any]]:
        return [record for record in own.log("shared") if record["message"].startswith("/log/")]

    wait_for(lambda: len(logged()) >= 20)
    assert [record["message"] for record in logged()] == [f"/log/{number}" for number in range(20)]
    assert logged()[0]["fields"] == {"big": 10**30}
    path = own.folder / "access.log"

    def lines() -> list[str]:
        return re.findall(rf'"GET {ROUTE}/log/(\d+) HTTP/1.1" 200 ', path.read_text())

    wait_for(lambda: len(lines()) >= 20)
    assert lines() == [str(number) for number in range(20)]


def test_connections_are_counted(running: Core) -> None:
    def counts() -> tuple[float, float]:
        scraped = Scraped(running.get("/api/metrics").body)
        return (
            scraped.value("toru_connections_open") or 0,
            scraped.value("toru_worker_connections_open", worker="1") or 0,
        )

    client = running.lent("shared")
    everybody, lent = counts()
    assert lent >= 1
    assert everybody >= lent + 1, "with the one that asks"
    client.close()
    wait_for(lambda: counts()[1] == lent - 1)


def test_a_restart_has_no_gap_for_who_is_with_a_worker(own: Core) -> None:
    headers = signed(own)
    first, client, pid = own.wait_pid("shared"), own.lent("shared"), worker(own)
    done = threading.Event()
    replies: list[tuple[int, int]] = []

    def go_on() -> None:
        while not done.is_set():
            reply = ask(client, f"{ROUTE}/", headers)
            replies.append((reply.status, reply.json().get("pid", 0)))

    with ThreadPoolExecutor() as pool:
        asking = pool.submit(go_on)
        try:
            wait_for(lambda: len(replies) > 50)
            assert own.server_of(client) == pid
            # The worker's requests are the process's own: it is not asked to end before they are answered.
            waiting = own.lent("shared")
            late = pool.submit(ask, waiting, f"{ROUTE}/wait", headers)
            own.wait_notes("asked", 1)
            restarted = pool.submit(own.post, "/api/plugins/shared/restart")
            second = own.wait_pid("shared", other_than=first)
            assert restarted.result(PATIENCE).status == 200
            wait_for(lambda: replies[-1][1] == second)
            assert psutil.pid_exists(first)
            own.tell("go")
            answer = late.result(PATIENCE)
            assert (answer.status, answer.json()["pid"]) == (200, first)
        finally:
            done.set()
        asking.result(PATIENCE)
    assert {status for status, _ in replies} == {200}
    assert {pid for _, pid in replies} == {first, second}
    wait_for(lambda: not psutil.pid_exists(first))
    # And the new process is the worker's, too.
    after = own.lent("shared")
    assert (own.server_of(after), ask(after, f"{ROUTE}/", headers).json()["pid"]) == (pid, second)


@pytest.mark.parametrize("lent", [True, False])
def test_a_restart_has_no_gap_for_a_body_that_is_on_its_way(own: Core, lent: bool) -> None:
    headers = signed(own)
    first = own.wait_pid("shared")
    client = own.lent("shared")
    if not lent:
        client.request("GET", "/api/health")
        client.getresponse().read()
    client.putrequest("POST", f"{ROUTE}/up")
    for name, value in {**headers, "Content-Length": "6"}.items():
        client.putheader(name, value)
    client.endheaders(b"abc")
    assert own.server_of(client) == (worker(own) if lent else own.pid)
    assert own.post("/api/plugins/shared/restart").status == 200
    second = own.wait_pid("shared", other_than=first)
    wait_for(lambda: own.server_of(own.lent("shared")) == worker(own))
    client.send(b"def")
    reply = client.getresponse()
    text = reply.read()
    assert reply.status == 200, text
    assert json.loads(text)["pid"] == second


def test_a_plugin_that_dies_ends_what_a_worker_asked_it_and_is_asked_again(own: Core) -> None:
    headers = signed(own)
    first = own.wait_pid("shared")
    client = own.lent("shared")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(ask, client, f"{ROUTE}/wait", headers)
        own.wait_notes("asked", 1)
        assert wait_for(lambda: own.status("shared")["traffic"]["in_flight"]) == 1
        os.kill(first, signal.SIGKILL)
        reply = waiting.result(PATIENCE)
    assert (reply.status, reply.json()["code"]) == (502, "plugin-connection-lost")
    own.wait_pid("shared", other_than=first)
    assert own.status("shared")["traffic"]["in_flight"] == 0
    again = own.lent("shared")
    assert own.server_of(again) == worker(own)
    assert ask(again, f"{ROUTE}/", headers).status == 200


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_dies_or_hangs_is_replaced_and_costs_its_own_connections_alone(
    own: Core, signum: signal.Signals
) -> None:
    headers = signed(own)
    lent = own.lent("shared")
    pid = worker(own)
    kept = http.client.HTTPConnection("127.0.0.1", own.port, timeout=PATIENCE)
    own.clients.append(kept)
    assert ask(kept, "/api/health", {}).status == 200
    assert own.server_of(kept) == own.pid
    os.kill(pid, signum)
    # While it is not known that it hangs, a new client may get to it; then none does.
    wait_for(lambda: set(own.workers()) - {pid})
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(lent, f"{ROUTE}/", headers)
    assert ask(kept, f"{ROUTE}/", headers).status == 200
    again = own.lent("shared")
    assert own.server_of(again) == worker(own)
    assert worker(own) != pid
    assert own.status("shared")["traffic"]["in_flight"] == 0
    assert len(own.said("worker 1 has ended")) == 1


def test_the_concurrency_of_a_plugin_is_for_all_together(own: Core) -> None:
    own.up("narrow", PARALLEL, capabilities=["ping"], concurrency=4)
    headers = signed(own)
    own.lent("narrow")
    clients = [own.lent("narrow") for _ in range(6)]
    mine = [client for client in own.clients if client.sock is not None and client not in clients]
    assert {own.server_of(client) for client in clients} == {worker(own)}
    with ThreadPoolExecutor(20) as pool:
        waiting = [
            pool.submit(ask, client, "/api/plugins/route/narrow/wait", headers)
            for client in [*clients, *mine]
        ]
        own.wait_notes("asked", 4)

        def in_hand() -> Any:
            found = Scraped(own.get("/api/metrics").body)
            return [
                found.value(f"toru_plugin_requests_{name}", plugin="narrow")
                for name in ("in_flight", "queued")
            ]

        wait_for(lambda: in_hand() == [4, len(waiting) - 4])
        own.tell("go")
        replies = [each.result(PATIENCE) for each in waiting]
    assert {reply.status for reply in replies} == {200}
    assert max(reply.json()["most"] for reply in replies) == 4
    ids = [reply.json()["headers"]["x-request-id"] for reply in replies]
    assert len(set(ids)) == len(ids)


def test_a_plugin_that_serves_one_connection_is_the_cores_alone(own: Core) -> None:
    first = own.up("serial", SERIAL, capabilities=["ping"])
    wait_for(lambda: own.said("serial did not answer on one more connection"))
    client = http.client.HTTPConnection("127.0.0.1", own.port, timeout=PATIENCE)
    own.clients.append(client)
    for _ in range(3):
        assert ask(client, "/api/plugins/route/serial/", signed(own)).body == b"serial"
    assert own.server_of(client) == own.pid
    assert own.status("serial")["pid"] == first


def test_a_disabled_plugin_is_nobodys(own: Core) -> None:
    client = own.lent("shared")
    assert own.post("/api/plugins/shared/disable").status == 200
    assert ask(client, f"{ROUTE}/", signed(own)).status == 404
    assert own.post("/api/plugins/shared/enable").status == 200
    own.wait_pid("shared")
    assert ask(own.lent("shared"), f"{ROUTE}/", signed(own)).status == 200


def test_the_end_waits_for_what_a_worker_has_in_hand_and_leaves_nothing(own: Core) -> None:
    headers = signed(own)
    idle, busy = own.lent("shared"), own.lent("shared")
    processes = [own.pid, worker(own), own.wait_pid("shared")]
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(ask, busy, f"{ROUTE}/wait", headers)
        own.wait_notes("asked", 1)
        stopping = pool.submit(own.stop)
        # Who is idle is let go at once.
        assert idle.sock.recv(1) == b""
        assert not stopping.done()
        own.tell("go")
        reply = waiting.result(PATIENCE)
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert stopping.result(PATIENCE) == -signal.SIGINT
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in processes))
    assert own.sockets() == []
    last = (own.folder / "access.log").read_text().splitlines()[-1]
    assert f'"GET {ROUTE}/wait HTTP/1.1" 200' in last


def test_a_client_more_than_may_be_gets_the_place_of_one_that_is_idle_with_a_worker(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with (
        started(tmp_path_factory.mktemp("w"), "workers = 2\nmax_connections = 4\n") as core,
        ExitStack() as stack,
    ):
        lent = core.lent("shared")

        def is_closed() -> bool:
            """Once there is one more who is in the middle of a request, or was refused."""
            with suppress(OSError):
                one = stack.enter_context(socket.create_connection(("127.0.0.1", core.port), PATIENCE))
                one.sendall(b"GET / HTTP/1.1\r\n")
            return bool(select.select([lent.sock], [], [], 0.2)[0])

        wait_for(is_closed)
        assert lent.sock.recv(1) == b""
