"""Streams over real sockets, against a plugin of the Python kit: how much goes through, and how little is held."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from tests.plugin.driver import Running, running
from toru.errors import LinkLost, ToruError
from toru.supervise.dial import Dialler
from toru.supervise.streamconnection import StreamConnection
from toru.supervise.streamedrequest import StreamedRequest
from toru.supervise.streamedsocket import StreamedWebSocket
from toru.supervise.streampool import Room, Streams
from toru.supervise.traffic import TrafficCounter
from toru.wire.messages import StreamRequest, WebSocketRequest
from toru.wire.streams import StreamLines

from .fakes import INIT
from .streaming import FakeClient, FakeEars

F = TypeVar("F", bound=Callable[..., Awaitable[None]])
PIECE = 64 * 1024
MANY = 64 * 2**20
# A piece, what a transport holds before it says so, and the lines between.
MOST_HELD = 2 * PIECE + 1024
PATIENCE = 30.0

PLUGIN = """
import os, threading
from toru.plugin import Plugin

plugin = Plugin(id="p", name="P", version="1")

@plugin.post("/count", stream=True)
def count(request):
    return {"size": sum(len(part) for part in request)}

@plugin.get("/many")
def many(request):
    for _ in range(64):
        yield b"x" * 2**20

@plugin.post("/deaf", stream=True)
def deaf(request):
    plugin.log.info("deaf is here")
    yield "first"
    threading.Event().wait()

@plugin.get("/dies")
def dies(request):
    yield "first"
    os._exit(1)

@plugin.websocket("/echo")
def echo(socket):
    for message in socket:
        if message == "bye":
            return socket.close(4000, "as you wish")
        socket.send(message)

plugin.run()
"""


def in_reactor(test: F) -> F:
    """A coroutine as a test, which the reactor runs."""
    decorated: F = pytest_twisted.ensureDeferred(test)
    return decorated


class Caller(FakeClient):
    """Whoever asks. `upload` bytes go up while the plugin reads; each part is told to `on_part`."""

    def __init__(self, upload: int = 0) -> None:
        super().__init__()
        self.stream: StreamedRequest | None = None
        self.left = upload
        self.received = 0
        self.held = 0
        self.paused = False
        self.over: Deferred[None] = Deferred()
        self.blocked: Deferred[None] = Deferred()
        self.first: Deferred[None] = Deferred()
        self.on_part: Callable[[], None] = lambda: None
        self.error: ToruError | None = None

    def go(self, stream: StreamedRequest) -> None:
        self.stream = stream
        self.resume()

    def pause(self) -> None:
        self.paused = True
        if not self.blocked.called:
            self.blocked.callback(None)

    def resume(self) -> None:
        self.paused = False
        assert self.stream is not None
        while self.left and not self.paused:
            piece = b"x" * min(PIECE, self.left)
            self.left -= len(piece)
            self.stream.write(piece)
            self.held = max(self.held, held(self.stream))
        if not self.left:
            self.stream.finish()

    def part(self, data: bytes) -> None:
        self.received += len(data)
        self.on_part()
        if not self.first.called:
            self.first.callback(None)

    def answered(self, status: int, headers: tuple[tuple[str, str], ...], body: bytes | None) -> None:
        super().answered(status, headers, body)
        if body is not None:
            self.over.callback(None)

    def finished(self) -> None:
        self.over.callback(None)

    def failed(self, error: ToruError) -> None:
        self.error = error
        self.over.callback(None)


def held(stream: StreamedRequest) -> int:
    """Bytes that are in memory on our side, on their way to the plugin."""
    connection = stream._connection
    assert connection is not None
    transport: Any = connection.transport
    size: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
    return size


class Bench:
    def __init__(self, path: Path) -> None:
        self.dialled = 0
        self._dial = partial(Dialler(reactor), str(path))  # type: ignore[arg-type]  # the module is the reactor
        self.streams = Streams(
            "demo",
            reactor,
            TrafficCounter(),
            Room(100),
            StreamLines(2**20),
            FakeEars(),
            request_timeout=PATIENCE,
            idle_timeout=PATIENCE,
        )
        self.streams.open(self._connect, INIT, requests=True, websockets=True)

    def _connect(self, connection: StreamConnection) -> None:
        self.dialled += 1
        self._dial(connection)

    def ask(self, method: str, path: str, upload: int = 0) -> tuple[StreamedRequest, Caller]:
        caller = Caller(upload)
        stream = self.streams.request(StreamRequest(method, path, {}), caller)
        caller.go(stream)
        return stream, caller


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("p"), PLUGIN) as plugin:
        plugin.connect().close()
        yield plugin


@pytest.fixture
def bench(plugin: Running) -> Iterator[Bench]:
    bench = Bench(plugin.path)
    yield bench
    bench.streams.close()


@in_reactor
async def test_much_goes_up_and_little_is_held(bench: Bench) -> None:
    _, caller = bench.ask("POST", "/count", MANY)
    await caller.over
    ((_, status, body),) = caller.told
    assert (status, body) == (200, b'{"size": %d}' % MANY)
    assert 0 < caller.held <= MOST_HELD


@in_reactor
async def test_much_comes_down_as_fast_as_the_client_reads(bench: Bench) -> None:
    stream, caller = bench.ask("GET", "/many")
    since_pause = most = 0

    def on_part() -> None:
        nonlocal since_pause, most
        most = max(most, caller.received - since_pause)
        since_pause = caller.received
        stream.pause()
        reactor.callLater(0, stream.resume)

    caller.on_part = on_part
    await caller.over
    assert (caller.error, caller.received) == (None, MANY)
    assert most <= PIECE


@in_reactor
async def test_connections_are_used_again(bench: Bench) -> None:
    for _ in range(3):
        _, caller = bench.ask("POST", "/count", 10)
        await caller.over
        assert caller.told == [("answered", 200, b'{"size": 10}')]
    assert bench.dialled == 1


@in_reactor
async def test_a_plugin_that_never_reads(bench: Bench) -> None:
    stream, caller = bench.ask("POST", "/deaf", MANY)
    await caller.blocked
    await caller.first
    assert caller.left > 0
    assert caller.held <= MOST_HELD
    stream.cancel()
    _, other = bench.ask("POST", "/count", 10)
    await other.over
    assert other.error is None


@in_reactor
async def test_a_plugin_that_dies_in_the_middle(tmp_path: Path) -> None:
    with running(tmp_path, PLUGIN) as mortal:
        mortal.connect().close()
        bench = Bench(mortal.path)
        _, caller = bench.ask("GET", "/dies")
        await caller.over
        assert (caller.received, type(caller.error)) == (5, LinkLost)
        bench.streams.close()


class Talker(FakeClient):
    """Opens a WebSocket; `done` fires where it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.socket: StreamedWebSocket | None = None
        self.done: Deferred[None] = Deferred()

    def accepted(self, subprotocol: str | None) -> None:
        assert self.socket is not None
        self.socket.message(b"x" * 2**22, False)
        self.socket.message("grüß".encode(), True)
        self.socket.message(b"bye", True)

    def closed(self, code: int, reason: str) -> None:
        super().closed(code, reason)
        assert self.socket is not None
        self.socket.close(code, reason)
        self.done.callback(None)


@in_reactor
async def test_a_websocket_from_its_opening_to_its_end(bench: Bench) -> None:
    for _ in range(2):
        talker = Talker()
        talker.socket = bench.streams.websocket(WebSocketRequest("/echo", {}, []), talker)
        await talker.done
        assert [told for told in talker.told if told[0] not in ("pause", "resume")] == [
            ("message", b"x" * 2**22, False),
            ("message", "grüß".encode(), True),
            ("closed", 4000, "as you wish"),
        ]
    assert bench.dialled == 1
