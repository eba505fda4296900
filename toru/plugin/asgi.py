"""ASGI applications as plugins: HTTP, WebSockets and lifespan of ASGI 3."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from toru.plugin.engine import Engine
from toru.plugin.log import Log
from toru.plugin.messages import ClientGone, Request, Response
from toru.plugin.websocket import Session, WebSocketClosed
from toru.plugin.wsgi import address, response_of, seen_headers

Event = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Event, Receive, Send], Awaitable[None]]

_ASGI = {"version": "3.0", "spec_version": "2.4"}


class ASGI:
    """One application, in the plugin's own loop."""

    def __init__(self, app: App, log: Log) -> None:
        self._app = app
        self._log = log
        self._state: dict[str, Any] = {}
        self._lifespan: _Lifespan | None = None

    async def startup(self) -> None:
        """Its lifespan begins. Raises RuntimeError where the application says that it failed."""
        self._state.clear()
        self._lifespan = _Lifespan(self._app, self._state)
        await self._lifespan.ask("startup")

    async def shutdown(self) -> None:
        """Its lifespan ends."""
        if self._lifespan is not None:
            await self._lifespan.ask("shutdown")

    async def answer(self, engine: Engine, request: Request) -> Response:
        """The application's answer: whole where it is there at once, else in parts."""
        exchange = _Exchange(request, self._log)
        response: Response = await engine.call(
            request, exchange.begin, self._app, self._scope("http", request)
        )
        return response

    async def converse(self, engine: Engine, session: Session) -> None:
        """Let the application hold the conversation."""
        scope = self._scope("websocket", session.request)
        scope["subprotocols"] = session.subprotocols
        scope["extensions"] = {"websocket.http.response": {}}
        socket = _Socket(session)

        async def converse() -> None:
            await self._app(scope, socket.receive, socket.send)

        # Not to be interrupted: where the client goes away, the application hears that when it next listens.
        await engine.call(None, converse)

    def _scope(self, kind: str, request: Request) -> Event:
        scheme, host, port, client = address(request)
        schemes = {"http": scheme, "websocket": "wss" if scheme == "https" else "ws"}
        path = request.prefix + request.path
        return {
            "type": kind,
            "asgi": _ASGI,
            "http_version": "1.1",
            "method": request.method,
            "scheme": schemes[kind],
            "path": unquote(path),
            "raw_path": path.encode("latin-1"),
            "query_string": request.query_string.encode("latin-1"),
            "root_path": unquote(request.prefix),
            "headers": [
                (name.encode("latin-1"), value.encode("latin-1"))
                for name, value in seen_headers(request).items()
            ],
            "client": (client, 0) if client else None,
            "server": (host, port),
            "state": self._state.copy(),
            "extensions": {},
        }


class _Lifespan:
    """The application's own start and end. One that does not know of them is left alone."""

    def __init__(self, app: App, state: dict[str, Any]) -> None:
        self._asked: asyncio.Queue[Event] = asyncio.Queue()
        self._answers: asyncio.Queue[Event] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": _ASGI, "state": state}

        async def live() -> None:
            await app(scope, self._asked.get, self._answers.put)

        self._task = asyncio.ensure_future(live())

    async def ask(self, what: str) -> None:
        """Tell it `startup` or `shutdown`, and wait until it is done."""
        if self._task.done():
            return
        self._asked.put_nowait({"type": f"lifespan.{what}"})
        answer = asyncio.ensure_future(self._answers.get())
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            # What it raises instead of an answer means that it has no lifespan.
            self._task.exception()
        elif answer.result()["type"] == f"lifespan.{what}.failed":
            raise RuntimeError(f"{what} of the application failed: {answer.result().get('message', '')}")


async def _contained(job: Awaitable[None]) -> None:
    """As a task: one that ends with SystemExit would end the loop, and the plugin with it."""
    try:
        await job
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"the ASGI application raised {error!r}") from error


class _Exchange:
    """One request: the application runs as a task beside, and is slowed by whoever takes its parts."""

    def __init__(self, request: Request, log: Log) -> None:
        self._request = request
        self._log = log
        self._read = request.reader()
        self._received = False
        self._start: Event | None = None
        self._started = asyncio.Event()
        self._parts: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue(1)
        # Whether the answer is complete, or nobody wants it any more.
        self._over = asyncio.Event()
        self._complete = False
        self._task: asyncio.Future[None] | None = None

    async def begin(self, app: App, scope: Event) -> Response:
        self._task = asyncio.ensure_future(_contained(app(scope, self._receive, self._send)))
        started = asyncio.ensure_future(self._started.wait())
        try:
            await asyncio.wait({started, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if self._start is None:
                self._task.result()
                raise RuntimeError("the ASGI application returned without an answer")
        except BaseException:
            await self.aclose()
            raise
        finally:
            started.cancel()
        headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in self._start["headers"]
        ]
        body: object = self
        if not self._parts.empty():
            part, more = self._parts.get_nowait()
            if more:
                self._parts.put_nowait((part, more))
            else:
                body = part
                self._finish()
        return response_of(self._start["status"], headers, body)

    def __aiter__(self) -> _Exchange:
        return self

    async def __anext__(self) -> bytes:
        if self._complete:
            raise StopAsyncIteration
        assert self._task is not None
        following = asyncio.ensure_future(self._parts.get())
        either: set[asyncio.Future[Any]] = {following, self._task}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                self._task.result()
                raise RuntimeError("the ASGI application returned before its answer was complete")
        finally:
            following.cancel()
        part, more = following.result()
        if not more:
            self._finish()
        return part

    async def aclose(self) -> None:
        """Nobody wants the rest, if there is one."""
        self._over.set()
        if not self._complete and self._task is not None:
            # A task holds what it ended with, and that all that it was about, generators too.
            task, self._task = self._task, None
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                # What it makes of that is its own affair.
                task.exception()

    def _finish(self) -> None:
        self._complete = True
        self._over.set()
        assert self._task is not None
        # It may go on, with what Starlette calls background tasks.
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            request = self._request
            self._log.failure(f"{request.method} {request.path} failed after its answer", error)

    async def _receive(self) -> Event:
        if not self._received:
            try:
                part = await self._read()
            except ClientGone:
                return {"type": "http.disconnect"}
            self._received = part is None
            return {"type": "http.request", "body": part or b"", "more_body": part is not None}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def _send(self, event: Event) -> None:
        if event["type"] == "http.response.start":
            self._start = {"headers": [], **event}
            self._started.set()
        elif event["type"] == "http.response.body":
            if self._over.is_set():
                raise ClientGone("the client has gone")
            await self._parts.put((event.get("body", b""), event.get("more_body", False)))


class _Socket:
    """A WebSocket as an application sees it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._connected = False
        self._refusal: Event = {}
        self._body = b""

    async def receive(self) -> Event:
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        try:
            message = await self._session.receive()
        except WebSocketClosed as closed:
            return {"type": "websocket.disconnect", "code": closed.code, "reason": closed.reason}
        return {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message}

    async def send(self, event: Event) -> None:
        kind = event["type"]
        if kind == "websocket.accept":
            await self._session.accept(event.get("subprotocol"))
        elif kind == "websocket.send":
            text = event.get("text")
            await self._session.send(event["bytes"] if text is None else text)
        elif kind == "websocket.close":
            await self._session.close(event.get("code") or 1000, event.get("reason") or "")
        elif kind == "websocket.http.response.start":
            self._refusal = event
        elif kind == "websocket.http.response.body":
            self._body += event.get("body", b"")
            if not event.get("more_body", False):
                headers = self._refusal.get("headers", [])
                pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
                await self._session.refuse(response_of(self._refusal["status"], pairs, self._body))
