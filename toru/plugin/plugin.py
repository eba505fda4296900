"""What a plugin is: its metadata, its handlers, its storage and its log, and how it is run."""

from __future__ import annotations

import sys

from toru.plugin.kv import KV, AsyncKV
from toru.plugin.log import Log
from toru.plugin.messages import ClientGone, HTTPError, Request, Response, as_response
from toru.plugin.routes import Route, is_async, is_generator, undecorated
from toru.plugin.websocket import AsyncWebSocket, Session, WebSocket, WebSocketClosed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from typing import Any, TypeVar

    from toru.plugin.engine import Engine

    H = TypeVar("H", bound=Callable[..., Any])
    # An application that answers what no route does, and one that takes the WebSockets.
    App = Callable[[Engine, Request], Awaitable[Response]]
    SocketApp = Callable[[Engine, Session], Awaitable[None]]

_CONCURRENCY = 64
_MAX_CONCURRENCY = 10_000


class Plugin:
    """A plugin.

    `route` is where its requests come in, `/api/plugins/route/<route>/…`, and `/<id>` unless given.
    `concurrency` is how many it takes at once, and so how many threads plain handlers have, 64 unless given.
    """

    def __init__(
        self,
        *,
        id: str,
        name: str,
        version: str,
        route: str | None = None,
        icon: str = "",
        author: str = "",
        description: str = "",
        concurrency: int | None = None,
    ) -> None:
        """Raises ValueError for what toru would refuse."""
        self.id = id
        self.name = name
        self.version = version
        self.route_segment = f"/{id}" if route is None else route
        self.icon = icon
        self.author = author
        self.description = description
        self.concurrency = concurrency
        _check(self)
        self.log = Log()
        self.kv = KV()
        self.async_kv = AsyncKV(self.kv, self._in_thread)
        self.engine: Engine | None = None
        self.init_hooks: list[Callable[[], Any]] = []
        self.shutdown_hooks: list[Callable[[], Any]] = []
        self._routes: list[Route] = []
        self._websockets: list[Route] = []
        self._app: App | None = None
        self._socket_app: SocketApp | None = None
        self.needs_asyncio = False

    # What an author writes.

    def route(
        self, path: str, methods: Iterable[str] = ("GET",), *, stream: bool = False
    ) -> Callable[[H], H]:
        """The decorated handler takes requests with these methods at this path; of several the first that fits.

        In `path`, `{name}` is one segment and `{name...}` at its end the rest: the handler gets them by name,
        after the request. It returns what a Response can be made of. With `stream`, and where it is a
        generator, the answer goes out in parts as they are made; with `stream` the body comes in parts, too.
        """

        def decorate(handler: H) -> H:
            self._routes.append(Route(path, handler, methods, stream=stream))
            return handler

        return decorate

    def get(self, path: str, *, stream: bool = False) -> Callable[[H], H]:
        """`route` with GET, which takes HEAD, too."""
        return self.route(path, ("GET",), stream=stream)

    def post(self, path: str, *, stream: bool = False) -> Callable[[H], H]:
        """`route` with POST."""
        return self.route(path, ("POST",), stream=stream)

    def put(self, path: str, *, stream: bool = False) -> Callable[[H], H]:
        """`route` with PUT."""
        return self.route(path, ("PUT",), stream=stream)

    def patch(self, path: str, *, stream: bool = False) -> Callable[[H], H]:
        """`route` with PATCH."""
        return self.route(path, ("PATCH",), stream=stream)

    def delete(self, path: str, *, stream: bool = False) -> Callable[[H], H]:
        """`route` with DELETE."""
        return self.route(path, ("DELETE",), stream=stream)

    def websocket(self, path: str) -> Callable[[H], H]:
        """The decorated handler takes WebSockets: it is called with a WebSocket, or an AsyncWebSocket if `async`."""

        def decorate(handler: H) -> H:
            self._websockets.append(Route(path, handler))
            return handler

        return decorate

    def on_init(self, hook: H) -> H:
        """Call it once, before the first request. Where it raises, the plugin does not start."""
        self.init_hooks.append(hook)
        return hook

    def on_shutdown(self, hook: H) -> H:
        """Call it once, when the plugin is asked to end and its requests are done or out of time."""
        self.shutdown_hooks.append(hook)
        return hook

    def asgi(self, app: Callable[..., Any]) -> Plugin:
        """Give what no handler takes to an ASGI application: Starlette, FastAPI, Django, Quart. Returns itself."""
        from toru.plugin.asgi import ASGI

        adapter = ASGI(app, self.log)
        self._app, self._socket_app, self.needs_asyncio = adapter.answer, adapter.converse, True
        self.init_hooks.append(adapter.startup)
        self.shutdown_hooks.append(adapter.shutdown)
        return self

    def wsgi(self, app: Callable[..., Any]) -> Plugin:
        """Give what no handler takes to a WSGI application: Flask, Django, Bottle. Returns itself."""
        from toru.plugin.wsgi import WSGI

        self._app = WSGI(app).answer
        return self

    def run(self, reactor: object = None) -> None:
        """Be a plugin: with `--metadata` on the command line say what it is, else serve until toru says stop.

        With Twisted's reactor, handlers are called in its thread and may return Deferreds.
        """
        import json

        if "--metadata" in sys.argv[1:]:
            print(json.dumps(self.metadata))
            return
        from toru.plugin.service import run

        run(self, reactor)

    # What the kit asks.

    @property
    def metadata(self) -> dict[str, object]:
        """What `--metadata` prints."""
        texts = {"icon": self.icon, "author": self.author, "description": self.description}
        capabilities = ["ping", "cancel"]
        if self._app or any(one.stream or is_generator(undecorated(one.handler)) for one in self._routes):
            capabilities.append("stream")
        if self._socket_app or self._websockets:
            capabilities.append("websocket")
        return {
            "id": self.id,
            "name": self.name,
            "version": self.version,
            "route": self.route_segment,
            **{name: text for name, text in texts.items() if text},
            "protocol": "2",
            "capabilities": capabilities,
            **({} if self.concurrency is None else {"concurrency": self.concurrency}),
        }

    @property
    def threads(self) -> int:
        """How many plain handlers run at once."""
        return self.concurrency or _CONCURRENCY

    @property
    def is_async(self) -> bool:
        """Whether anything in it needs an event loop."""
        handlers = [undecorated(one.handler) for one in self._routes + self._websockets]
        return self.needs_asyncio or any(map(is_async, handlers + self.init_hooks + self.shutdown_hooks))

    async def respond(self, engine: Engine, request: Request) -> Response:
        """The answer to a request, whatever goes wrong. Raises ClientGone where nobody waits any more."""
        try:
            try:
                return await self._dispatch(engine, request)
            except HTTPError as error:
                return _refusal(error)
        except (Exception, SystemExit, engine.cancelled) as error:
            return self.failed(request, error)

    async def converse(self, engine: Engine, session: Session) -> None:
        """Hold a WebSocket's conversation, whatever goes wrong."""
        request, code = session.request, 1000
        try:
            try:
                await self._dispatch_websocket(engine, session)
            except HTTPError as error:
                if session.accepted:
                    raise
                await session.refuse(_refusal(error))
        except (Exception, SystemExit, engine.cancelled) as error:
            code = 1011 if session.closed is None else 1000
            # Many handlers end so: the client is gone, and they wanted to send.
            if session.closed is None or not isinstance(error, (WebSocketClosed, ClientGone)):
                response = self.failed(request, error)
                if not session.accepted:
                    await session.refuse(response)
        await session.close(code)

    def failed(self, request: Request, error: BaseException) -> Response:
        """The answer where something went wrong, which the log tells. Raises ClientGone where nobody waits any more."""
        if request.cancelled or isinstance(error, ClientGone):
            raise ClientGone("nobody waits for this answer any more") from error
        self.log.failure(f"{request.method} {request.path} failed", error)
        return Response("The plugin failed here; its log says why.", 500)

    async def _dispatch(self, engine: Engine, request: Request) -> Response:
        allowed: set[str] = set()
        for route in self._routes:
            arguments = route.match(request.path)
            if arguments is None:
                continue
            if request.method in route.methods or (request.method == "HEAD" and "GET" in route.methods):
                if not route.stream:
                    await request.collect()
                return as_response(await engine.call(request, route.handler, request, **arguments))
            allowed.update(route.methods)
        if self._app is not None:
            return await self._app(engine, request)
        if allowed:
            raise HTTPError(
                405, f"{request.method} is not possible here.", {"allow": ", ".join(sorted(allowed))}
            )
        raise HTTPError(404, f"There is nothing at {request.path}")

    async def _dispatch_websocket(self, engine: Engine, session: Session) -> None:
        for route in self._websockets:
            arguments = route.match(session.request.path)
            if arguments is not None:
                face = AsyncWebSocket if is_async(undecorated(route.handler)) else WebSocket
                await engine.hold(session.request, route.handler, face(session, engine), **arguments)
                return
        if self._socket_app is None:
            raise HTTPError(404, f"There is no WebSocket at {session.request.path}")
        await self._socket_app(engine, session)

    def _in_thread(self, function: Callable[..., Any], *args: object) -> Awaitable[Any]:
        if self.engine is None:
            raise RuntimeError("async_kv works once the plugin runs, or in toru.plugin.testing.TestClient.")
        return self.engine.in_thread(function, *args)


def _refusal(error: HTTPError) -> Response:
    return Response(error.message, error.status, error.headers)


def _check(plugin: Plugin) -> None:
    """What toru asks of metadata, so that it is the author who learns of it, and not the operator."""
    for field in ("id", "name", "version", "icon", "author", "description"):
        if not isinstance(getattr(plugin, field), str):
            raise TypeError(f"`{field}` must be a string")
    bare = plugin.id.replace("-", "")
    if not (bare.isascii() and bare.isalnum() and len(plugin.id) <= 64 and plugin.id.strip("-") == plugin.id):
        raise ValueError(f"`id` must be 1 to 64 ASCII letters, digits and inner `-`; it is {plugin.id!r}")
    if plugin.id in ("route", "rescan", "problems"):
        raise ValueError(f"`id` cannot be {plugin.id!r}, which toru uses itself")
    for field in ("name", "version", "author"):
        text: str = getattr(plugin, field)
        if field != "author" and not text.strip():
            raise ValueError(f"`{field}` must not be empty")
        if field != "version" and len(text) >= 100:
            raise ValueError(f"`{field}` must have fewer than 100 characters; it has {len(text)}")
        if any(c < " " or "\x7f" <= c <= "\x9f" for c in text):
            raise ValueError(f"`{field}` must not hold control characters")
    segment = plugin.route_segment
    plain = segment[1:].replace("-", "").replace("_", "").replace(".", "")
    if (
        segment[:1] != "/"
        or not (plain.isascii() and (plain.isalnum() or not plain))
        or ".." in segment
        or segment in ("/", "/.")
    ):
        raise ValueError(
            f"`route` must be `/` and one segment of ASCII letters, digits, `-`, `_` and `.`, "
            f"without `..`; it is {segment!r}"
        )
    count = plugin.concurrency
    if count is not None and (type(count) is not int or not 1 <= count <= _MAX_CONCURRENCY):
        raise ValueError(
            f"`concurrency` must be a whole number from 1 to {_MAX_CONCURRENCY:,}; it is {count!r}"
        )
