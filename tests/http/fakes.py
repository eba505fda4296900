"""Plugins that record what is asked of them, a client that sends bytes as they are, and a way to wait."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from http.client import HTTPResponse
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeVar, cast

import pytest_twisted
from argon2 import profiles
from msgspec import json, structs
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure

from toru.access.doors import Doors
from toru.access.passwords import Hasher, Passwords
from toru.access.secret import PluginTokens, digest
from toru.errors import PluginNotFound, RouteNotFound, ToruError
from toru.histogram import BOUNDS
from toru.http._interfaces import (
    Plugins,
    PluginStream,
    PluginWebSocket,
    StreamClient,
    Waiter,
    WebSocketClient,
)
from toru.http.audit import Audit
from toru.http.dashboard import Dashboard
from toru.http.site import Site
from toru.model import (
    Durations,
    Event,
    Latency,
    PluginNumbers,
    PluginStatus,
    Principal,
    Problem,
    Rescan,
    Traffic,
)
from toru.store.accounttable import Key, Keys
from toru.wire.messages import Answer, HttpRequest, StreamRequest, WebSocketRequest

TIMEOUT = 10.0

# Who can be known by an API token here, and one who can by a session.
PRINCIPALS = {
    "admin": Principal("admin", "1", "root-script", "root-script", "token"),
    "client": Principal("client", "2", "script", "script", "token"),
    "monitor": Principal("monitor", "3", "watcher", "watcher", "token"),
}
ANN = Principal("client", "7", "ann", "Ann", "session")
SESSION = "session-of-ann"

F = TypeVar("F", bound=Callable[..., Any])

Reaction = Callable[[HttpRequest], "Deferred[Answer]"]


def in_reactor(test: F) -> F:
    """Run a coroutine as a test (pytest-twisted's own decorator has no types)."""
    decorated: F = pytest_twisted.ensureDeferred(test)
    return decorated


def token(who: str) -> str:
    return f"toru_token-of-{who}"


def signed(who: str = "admin") -> str:
    """The line of a request's head that says who sends it."""
    return f"Authorization: Bearer {token(who)}"


def known() -> Keys:
    """The keys of PRINCIPALS and ANN."""
    return Keys(
        [Key(digest(SESSION.encode()), ANN)],
        [Key(digest(token(who).encode()), principal) for who, principal in PRINCIPALS.items()],
    )


def doors_of(clock: Any, accounts: Any) -> tuple[Doors, Passwords]:
    """Doors that are started, with hashes that cost little. `accounts` is only asked for what a test does."""
    passwords = Passwords(clock, Hasher(profiles.CHEAPEST))
    doors = Doors(clock, accounts, passwords, PluginTokens())
    doors.start(known(), [])
    return doors, passwords


class FakeEvents:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.appended: list[Event] = []

    def append(self, event: Event) -> Deferred[None]:
        self.appended.append(event)
        return succeed(None)


def unrecorded(clock: Any) -> dict[str, Any]:
    """Arguments of a site where nothing is stored, for tests that do not ask for it."""
    events: Any = FakeEvents()
    return {
        "records": SimpleNamespace(storage=None),
        "streams": None,
        "audit": Audit(clock, events),
        "dashboard": Dashboard({}),
        "metrics": None,
        "max_connections": 1000,
        "access_log": None,
    }


def status(id: str, **changes: Any) -> PluginStatus:
    plain = PluginStatus(
        id=id,
        name=id.title(),
        version="1.0.0",
        author="",
        description="",
        icon="",
        route=f"/{id}",
        capabilities=(),
        protocol="2",
        enabled=True,
        state="running",
        running=True,
        health="healthy",
        pid=4242,
        socket_path=None,
        started_at=None,
        uptime_seconds=1.5,
        restarts=0,
        consecutive_crashes=0,
        next_restart_at=None,
        last_exit=None,
        problem=None,
        usage=None,
        traffic=Traffic(0, 0, 0, Latency(None, None)),
    )
    return structs.replace(plain, **changes)


def numbers(id: str, **changes: Any) -> PluginNumbers:
    none = Durations((0,) * (len(BOUNDS) + 1), 0.0)
    plain = PluginNumbers(
        id=id,
        state="running",
        health="healthy",
        restarts=0,
        consecutive_crashes=0,
        answers=(0, 0, 0, 0),
        latency=none,
        queued=0,
        in_flight=0,
        usage=None,
    )
    return structs.replace(plain, **changes)


def answer(
    body: bytes = b"", status: int = 200, headers: Sequence[tuple[str, str]] = ()
) -> Callable[[HttpRequest], Deferred[Answer]]:
    """A reaction that always gives this answer."""
    return lambda _: succeed(Answer("1", status, tuple(headers), body))


class FakePlugins:
    """Plugins whose calls stand in `calls`, in order; `reaction` is what a proxied request meets.

    `served` has the statuses that their clients got, each with the id of its plugin.
    """

    def __init__(self, *plugins: PluginStatus) -> None:
        self.statuses = {plugin.id: plugin for plugin in plugins}
        self.calls: list[tuple[str, Any]] = []
        self.served: list[tuple[str, int]] = []
        self.reaction: Reaction = answer(b"hello")
        self._waiting: list[tuple[str, Deferred[Any]]] = []

    def called(self, name: str) -> Deferred[Any]:
        """Fires with the argument of the next call of this name."""
        waiter: Deferred[Any] = Deferred()
        self._waiting.append((name, waiter))
        return waiter

    def note(self, name: str, argument: Any) -> None:
        self.calls.append((name, argument))
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if each[0] == name:
                # Not at once: the test would go on inside the call that it waits for.
                reactor.callLater(0, each[1].callback, argument)
            else:
                self._waiting.append(each)

    def never(self, request: HttpRequest) -> Deferred[Answer]:
        """A reaction that waits until it is cancelled, and notes that."""
        return Deferred(lambda _: self.note("cancelled", request.path))

    @property
    def requests(self) -> list[HttpRequest]:
        return [argument for name, argument in self.calls if name == "request"]

    def route(self, segment: str, /) -> FakeTarget:
        for plugin in self.statuses.values():
            if plugin.enabled and plugin.route == f"/{segment}":
                return FakeTarget(self, plugin.id)
        raise RouteNotFound(f"No enabled plugin has the route '/{segment}'.")

    def get(self, id: str, /) -> PluginStatus:
        try:
            return self.statuses[id]
        except KeyError:
            raise PluginNotFound(f"There is no plugin '{id}'.") from None

    def require(self, id: str, /) -> None:
        self.get(id)

    def problems(self) -> Sequence[Problem]:
        return [Problem("bad.binary", "id: missing")]

    def enable(self, id: str, /) -> Deferred[PluginStatus]:
        return self._do("enable", id)

    def disable(self, id: str, /) -> Deferred[PluginStatus]:
        return self._do("disable", id)

    def restart(self, id: str, /) -> Deferred[PluginStatus]:
        return self._do("restart", id)

    def rescan(self) -> Deferred[Rescan]:
        self.note("rescan", None)
        return succeed(Rescan(("new",), (), (), ()))

    def list(self) -> Sequence[PluginStatus]:
        return list(self.statuses.values())

    def numbers(self) -> Sequence[PluginNumbers]:
        return [numbers(id) for id in self.statuses]

    def _do(self, name: str, id: str) -> Deferred[PluginStatus]:
        self.note(name, id)
        return succeed(self.get(id))


class FakeTarget:
    def __init__(self, plugins: FakePlugins, id: str) -> None:
        self._plugins = plugins
        self.id = id

    def request(self, request: HttpRequest, /) -> Deferred[Answer]:
        self._plugins.note("request", request)
        return self._plugins.reaction(request)

    def ask(self, request: HttpRequest, waiter: Waiter, /) -> Callable[[], None]:
        asked = self.request(request)

        def failed(failure: Failure) -> None:
            if not failure.check(CancelledError):
                waiter.failed(cast(ToruError, failure.value))

        asked.addCallbacks(waiter.answered, failed)
        return asked.cancel

    streams = websockets = False

    def open(self, request: StreamRequest, client: StreamClient, /) -> PluginStream:
        raise AssertionError("this plugin takes no streams")

    def open_websocket(self, request: WebSocketRequest, client: WebSocketClient, /) -> PluginWebSocket:
        raise AssertionError("this plugin takes no WebSockets")

    def served(self, status: int, /) -> None:
        self._plugins.served.append((self.id, status))


def conforms(plugins: FakePlugins) -> Plugins:
    """Holds for the type checker that the fakes are what the face asks for."""
    return plugins


class Reply(NamedTuple):
    """`headers` have lower-case names. `rest` is what came behind this answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    rest: bytes

    def header(self, name: str) -> str | None:
        values = [value for each, value in self.headers if each == name]
        assert len(values) <= 1, f"{name} stands there {len(values)} times"
        return values[0] if values else None

    @property
    def problem(self) -> dict[str, Any]:
        assert self.header("content-type") == "application/problem+json"
        found = json.decode(self.body, type=dict[str, Any])
        assert found["status"] == self.status
        assert found["type"] == "about:blank"
        assert found["title"]
        assert found["detail"]
        return found


def parsed(received: bytes, method: str = "GET") -> Reply:
    """The first answer in what came from a server."""

    class Received:
        def makefile(self, *_: object) -> BytesIO:
            return stream

    stream = BytesIO(received)
    stream.close = lambda: None  # type: ignore[method-assign]  # the rest is still to be read
    # It reads from whatever has a makefile.
    response = HTTPResponse(Received(), method=method)  # type: ignore[arg-type]
    response.begin()
    body = response.read()
    headers = [(name.lower(), value) for name, value in response.getheaders()]
    return Reply(response.status, headers, body, stream.read())


class Door(NamedTuple):
    """A site that listens, and what is behind it."""

    plugins: FakePlugins
    site: Site
    folder: Path
    port: int

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), TIMEOUT)

    def exchange(self, sent: bytes) -> Deferred[bytes]:
        """Send these bytes, and give all that comes until the server closes."""

        def blocking() -> bytes:
            with self.connect() as client:
                client.sendall(sent)
                return everything(client)

        return deferToThread(blocking)

    async def ask(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        as_: str | None = "admin",
    ) -> Reply:
        """One request on a connection of its own, with that one's API token. The target goes out as it is written."""
        lines = [f"{method} {target} HTTP/1.1", "Host: toru.test:3000", "Connection: close"]
        lines += [signed(as_)] if as_ else []
        lines += [f"{name}: {value}" for name, value in headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, "", ""]).encode("iso-8859-1")
        return parsed(await self.exchange(head + body), method)


def everything(client: socket.socket) -> bytes:
    """All that a server sends until it closes."""
    received = []
    while data := client.recv(65536):
        received.append(data)
    return b"".join(received)


def until(client: socket.socket, end: bytes) -> bytes:
    """What a server sends, up to and with `end`."""
    received = b""
    while not received.endswith(end):
        data = client.recv(65536)
        assert data, f"the server closed after {received!r}"
        received += data
    return received
