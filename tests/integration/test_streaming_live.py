"""Bodies in pieces through a real core, to a plugin of the Python kit and back: of any size, and as fast as the slower side."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator

import psutil
import pytest

from tests.integration.cores import PATIENCE, Core, fresh_core, wait_for
from tests.integration.test_python_kit import pack

STREAMING = """
import hashlib, time
from toru.plugin import Plugin, Response

plugin = Plugin(id="ID", name="Streaming", version="1")

@plugin.route("/sum", ("POST",), stream=True)
def sum_up(request):
    found, size = hashlib.sha256(), 0
    for part in request:
        found.update(part)
        size += len(part)
    return {"size": size, "sha256": found.hexdigest()}

@plugin.get("/blocks")
def blocks(request):
    for _ in range(int(request.query["count"])):
        yield b"x" * 65536

@plugin.get("/told")
def told(request):
    return Response((b"x" for _ in range(int(request.query["real"]))), headers={"content-length": "3"})

@plugin.get("/ticks")
def ticks(request):
    try:
        yield "data: 1\\n\\n"
        while True:
            time.sleep(0.05)
            yield "data: more\\n\\n"
    finally:
        plugin.log.info("nobody listens any more")

@plugin.route("/early", ("POST",), stream=True)
def early(request):
    return Response("no thanks", 403)

def main():
    plugin.run()
"""


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    folder = tmp_path_factory.mktemp("s")
    with fresh_core(folder) as core:
        core.plugins.mkdir()
        pack(STREAMING, "streaming", folder, core.plugins)
        core.start()
        core.wait_pid("streaming")
        yield core


def connect(core: Core) -> socket.socket:
    return socket.create_connection(("127.0.0.1", core.port), timeout=PATIENCE)


def head(core: Core, method: str, path: str, *more: str) -> bytes:
    lines = [f"{method} /api/plugins/route/streaming{path} HTTP/1.1", "Host: x", *more]
    return "\r\n".join([*lines, f"Authorization: {core.authorization()}", "", ""]).encode()


def until(client: socket.socket, end: bytes) -> bytes:
    received = b""
    while end not in received:
        data = client.recv(65536)
        assert data, received
        received += data
    return received


def resident(core: Core) -> int:
    assert core.process is not None
    return psutil.Process(core.process.pid).memory_info().rss


def test_a_large_body_goes_up_with_flat_memory(core: Core) -> None:
    block, count = b"0123456789abcdef" * 65536, 64
    before = resident(core)
    with connect(core) as client:
        client.sendall(head(core, "POST", "/sum", f"Content-Length: {len(block) * count}"))
        for _ in range(count):
            client.sendall(block)
        received = until(client, b"}")
    assert hashlib.sha256(block * count).hexdigest().encode() in received
    assert resident(core) - before < 16 * 2**20


def test_a_chunked_body_goes_up(core: Core) -> None:
    with connect(core) as client:
        client.sendall(head(core, "POST", "/sum", "Transfer-Encoding: chunked", "Expect: 100-continue"))
        assert until(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        for piece in (b"abc", b"d" * 100_000):
            client.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        client.sendall(b"0\r\n\r\n")
        assert hashlib.sha256(b"abc" + b"d" * 100_000).hexdigest().encode() in until(client, b"}")


def test_a_large_body_comes_down_as_fast_as_it_is_read(core: Core) -> None:
    before = resident(core)
    with connect(core) as client:
        client.sendall(head(core, "GET", "/blocks?count=1024", "Connection: close"))
        # Nothing is read but the first byte, while others are served.
        assert client.recv(1) == b"H"
        for _ in range(20):
            assert core.route("streaming", "/blocks?count=1").body == b"x" * 65536
        assert resident(core) - before < 16 * 2**20
        received = 0
        while data := client.recv(2**20):
            received += data.count(b"x")
    assert received == 1024 * 65536
    assert resident(core) - before < 16 * 2**20


def test_events_come_as_they_are_sent_and_end_with_their_client(core: Core) -> None:
    with connect(core) as client:
        client.sendall(head(core, "GET", "/ticks"))
        received = until(client, b"data: more\n\n")
        assert b"transfer-encoding: chunked\r\n" in received
    wait_for(lambda: "nobody listens any more" in [record["message"] for record in core.log("streaming")])
    assert core.status("streaming")["traffic"]["in_flight"] == 0


def test_a_connection_serves_one_stream_after_another(core: Core) -> None:
    with connect(core) as client:
        for _ in range(5):
            client.sendall(head(core, "GET", "/blocks?count=2"))
            assert until(client, b"0\r\n\r\n").count(b"x") == 2 * 65536
            client.sendall(head(core, "POST", "/sum", "Content-Length: 3") + b"abc")
            assert hashlib.sha256(b"abc").hexdigest().encode() in until(client, b"}")


@pytest.mark.parametrize(("real", "got"), [(3, b"xxx"), (2, b"xx"), (5, b"")])
def test_a_length_that_is_no_length_ends_the_connection(core: Core, real: int, got: bytes) -> None:
    with connect(core) as client:
        client.sendall(head(core, "GET", f"/told?real={real}", "Connection: close"))
        received = b""
        while data := client.recv(65536):
            received += data
    answer, _, body = received.partition(b"\r\n\r\n")
    assert b"content-length: 3" in answer
    assert len(body) <= 3
    assert body.startswith(got)


def test_an_answer_before_the_body_is_read(core: Core) -> None:
    with connect(core) as client:
        client.sendall(head(core, "POST", "/early", "Content-Length: 100000000") + b"x" * 1000)
        received = b""
        while data := client.recv(65536):
            received += data
    assert received.startswith(b"HTTP/1.1 403 ")
    assert received.endswith(b"no thanks")


def test_head_and_old_clients(core: Core) -> None:
    with connect(core) as client:
        client.sendall(head(core, "HEAD", "/blocks?count=1"))
        assert until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        client.sendall(head(core, "GET", "/blocks?count=1").replace(b"HTTP/1.1", b"HTTP/1.0"))
        received = b""
        while data := client.recv(65536):
            received += data
    assert received.endswith(b"x" * 65536)
    assert b"chunked" not in received
