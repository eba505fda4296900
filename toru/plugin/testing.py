"""A client that runs a plugin within a test: no toru, no process, no socket."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Condition, Lock
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

from toru.plugin.connection import Parts, answer_whole
from toru.plugin.engine import Engine
from toru.plugin.kv import KVConflict, KVError
from toru.plugin.messages import Request, Response
from toru.plugin.plugin import Plugin
from toru.plugin.service import initialise, make_engine, shut_down
from toru.plugin.websocket import Session, WebSocketClosed

# How long the client of a WebSocket waits for the plugin, in seconds.
PATIENCE = 10.0
# How long a thread waits at most for a message that nobody may want any more.
_LOOK_SECONDS = 0.05
_MAX_KEY, _MAX_VALUE = 512, 2**20


class Record(NamedTuple):
    """A line of the plugin's log."""

    level: str
    message: str
    fields: dict[str, Any]


class Reply:
    """An answer, read whole. Names in `headers` are lower-case; several of one name are a list."""

    def __init__(self, response: Response, body: bytes) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = body

    def __repr__(self) -> str:
        return f"<Reply {self.status} {self.body[:100]!r}>"

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class StreamedReply:
    """An answer, its body read part by part: iterate over it."""

    def __init__(self, engine: Engine, response: Response, parts: Parts) -> None:
        self.status = response.status
        self.headers = response.headers
        self._engine = engine
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        while (part := self._engine.wait(self._parts.next())) is not None:
            yield part


class WebSocketRefused(Exception):
    """The plugin does not take this WebSocket; `reply` is what it said instead."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.reply = reply


class TestClient:
    """Runs a plugin while it is entered: hooks, handlers, a storage and a log of its own.

    `kv` is the storage, a dictionary; `logs` what was logged so far. Requests come from `user`, an admin.
    For a plugin that runs on Twisted give the reactor, and use the client in another thread than the reactor's.
    """

    # What it is called is no reason for pytest to collect it.
    __test__ = False

    def __init__(
        self, plugin: Plugin, reactor: object = None, *, user: str = "ada", role: str = "admin"
    ) -> None:
        self.logs: list[Record] = []
        self._storage = _Storage()
        self.kv = self._storage.values
        self._plugin = plugin
        self._engine = make_engine(plugin, reactor)
        self._headers = {
            "host": "localhost",
            "x-toru-user": user,
            "x-toru-role": role,
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-host": "localhost",
            "x-forwarded-proto": "http",
            "x-forwarded-prefix": f"/api/plugins/route{plugin.route_segment}",
        }

    def __enter__(self) -> Self:
        plugin = self._plugin
        self._kept = plugin.engine, plugin.log.write, plugin.kv.ask
        plugin.engine, plugin.kv.ask = self._engine, self._storage.ask
        plugin.log.write = lambda level, message, fields: self.logs.append(Record(level, message, fields))
        self._end = self._engine.run_beside()
        try:
            self._engine.wait(initialise(plugin, self._engine))
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        try:
            self._engine.wait(shut_down(self._plugin, self._engine))
        finally:
            self._leave()

    def _leave(self) -> None:
        self._end()
        self._plugin.engine, self._plugin.log.write, self._plugin.kv.ask = self._kept

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: str | bytes | Iterable[bytes] = b"",
        json: object = None,
    ) -> Reply:
        """One request. `path` is what stands behind the plugin's route; `json` is sent as the body."""
        request = self._request(method, path, query, headers, body, json)
        if not self._streams:
            return Reply(*self._engine.wait(answer_whole(self._plugin, self._engine, request)))
        with self._answered(request) as reply:
            return Reply(Response(None, reply.status, reply.headers), b"".join(reply))

    def get(self, path: str, **more: Any) -> Reply:
        """GET. `more` is what `request` takes."""
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> Reply:
        """POST."""
        return self.request("POST", path, **more)

    def put(self, path: str, **more: Any) -> Reply:
        """PUT."""
        return self.request("PUT", path, **more)

    def patch(self, path: str, **more: Any) -> Reply:
        """PATCH."""
        return self.request("PATCH", path, **more)

    def delete(self, path: str, **more: Any) -> Reply:
        """DELETE."""
        return self.request("DELETE", path, **more)

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: str | bytes | Iterable[bytes] = b"",
    ) -> Iterator[StreamedReply]:
        """One request whose answer is read part by part; leaving early is what a client does that goes away."""
        with self._answered(self._request(method, path, query, headers, body, None)) as reply:
            yield reply

    @contextmanager
    def websocket(
        self,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (),
    ) -> Iterator[ClientWebSocket]:
        """A WebSocket, open. Raises WebSocketRefused."""
        request = self._request("GET", path, query, headers, b"", None)
        channel = _Channel(self._engine)
        session = Session(channel, request, subprotocols, self._engine)

        async def begin() -> None:
            self._engine.spawn(self._plugin.converse(self._engine, session))

        self._engine.wait(begin())
        socket = ClientWebSocket(channel)
        try:
            yield socket
        finally:
            socket.close()

    @property
    def _streams(self) -> bool:
        capabilities = self._plugin.metadata["capabilities"]
        assert isinstance(capabilities, list)
        return "stream" in capabilities

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        body: str | bytes | Iterable[bytes],
        said: object,
    ) -> Request:
        given = {name.lower(): value for name, value in (headers or {}).items()}
        if said is not None:
            given.setdefault("content-type", "application/json")
            body = json.dumps(said)
        if isinstance(body, str):
            body = body.encode()
        target = f"{path}?{urlencode(query)}" if query else path
        make = partial(Request, method, target, {**self._headers, **given}, engine=self._engine)
        if not self._streams:
            return make(body if isinstance(body, bytes) else b"".join(body))
        parts = iter([body] if isinstance(body, bytes) else body)

        async def receive() -> bytes | None:
            return next(parts, None)

        return make(receive=receive)

    @contextmanager
    def _answered(self, request: Request) -> Iterator[StreamedReply]:
        response = self._engine.wait(self._plugin.respond(self._engine, request))
        parts = Parts(self._engine, request, response)
        try:
            yield StreamedReply(self._engine, response, parts)
        finally:
            self._engine.wait(parts.close())


class ClientWebSocket:
    """The client's side of a WebSocket. `subprotocol` is the one that the plugin chose."""

    def __init__(self, channel: _Channel) -> None:
        self._channel = channel
        self._closed: WebSocketClosed | None = None
        first = channel.heard()
        if isinstance(first, Reply):
            raise WebSocketRefused(first)
        self.subprotocol = first.subprotocol if isinstance(first, _Accepted) else None

    def send(self, message: str | bytes) -> None:
        """Text or bytes."""
        self._channel.say(message)

    def receive(self) -> str | bytes:
        """The next message. Raises WebSocketClosed after the last, TimeoutError where none comes."""
        if self._closed is None:
            message = self._channel.heard()
            if isinstance(message, (str, bytes)):
                return message
            assert isinstance(message, WebSocketClosed)
            self._closed = message
        raise self._closed

    def __iter__(self) -> Iterator[str | bytes]:
        """Messages until it is closed."""
        while True:
            try:
                yield self.receive()
            except WebSocketClosed:
                return

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye, and wait until the plugin has."""
        if self._closed is None:
            self._channel.say(WebSocketClosed(code, reason))
            for _ in self:
                pass


class _Accepted(NamedTuple):
    subprotocol: str | None


class _Channel:
    """A WebSocket that nothing carries."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._to_plugin: deque[str | bytes | WebSocketClosed] = deque()
        self._sent = Condition()
        self._to_client: SimpleQueue[str | bytes | WebSocketClosed | _Accepted | Reply] = SimpleQueue()

    def say(self, message: str | bytes | WebSocketClosed) -> None:
        """What the client does next."""
        with self._sent:
            self._to_plugin.append(message)
            self._sent.notify_all()

    def heard(self) -> str | bytes | WebSocketClosed | _Accepted | Reply:
        """What the plugin did next."""
        with suppress(Empty):
            return self._to_client.get(timeout=PATIENCE)
        raise TimeoutError(f"the plugin said nothing for {PATIENCE:.0f} s")

    async def accept(self, subprotocol: str | None) -> None:
        self._to_client.put(_Accepted(subprotocol))

    async def refuse(self, response: Response) -> None:
        self._to_client.put(Reply(response, response.body))

    async def send(self, message: str | bytes) -> None:
        self._to_client.put(message if isinstance(message, str) else bytes(message))

    async def receive(self) -> str | bytes | WebSocketClosed:
        # Taken only where it is waited for: a thread that nobody listens to any more would lose it.
        while not self._to_plugin:
            await self._engine.block(self._look)
        return self._to_plugin.popleft()

    async def close(self, code: int, reason: str) -> None:
        self._to_client.put(WebSocketClosed(code, reason))

    def _look(self) -> None:
        with self._sent:
            self._sent.wait_for(lambda: self._to_plugin, _LOOK_SECONDS)


class _Storage:
    """What toru keeps for a plugin, in memory."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self._until: dict[str, float] = {}
        self._lock = Lock()

    def ask(self, action: str, members: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            return self._ask(action, members)

    def _ask(self, action: str, members: dict[str, Any]) -> dict[str, Any]:
        for key in [key for key, until in self._until.items() if until <= time.monotonic()]:
            self._forget(key)
        if action == "list":
            prefix, after = members["prefix"], members.get("after", "")
            found = sorted(key for key in self.values if key.startswith(prefix) and key > after)
            return {"keys": found, "next": None}
        key = members["key"]
        if not isinstance(key, str) or not 1 <= len(key) <= _MAX_KEY:
            raise KVError(f"{action} was refused (400): a key has 1 to {_MAX_KEY} characters", 400)
        if action == "set":
            self._set(key, members)
        elif action == "delete":
            self._forget(key)
        return {"value": self.values.get(key)}

    def _set(self, key: str, members: dict[str, Any]) -> None:
        value = members["value"]
        if not isinstance(value, str):
            raise KVError("set was refused (400): a value is a string", 400)
        if len(value.encode()) > _MAX_VALUE:
            raise KVError(f"set was refused (413): a value has at most {_MAX_VALUE:,} bytes", 413)
        if "expect" in members and self.values.get(key) != members["expect"]:
            raise KVConflict("set was refused (409): the value is not the expected one", 409)
        self._forget(key)
        self.values[key] = value
        if "ttl_seconds" in members:
            self._until[key] = time.monotonic() + members["ttl_seconds"]

    def _forget(self, key: str) -> None:
        self.values.pop(key, None)
        self._until.pop(key, None)
