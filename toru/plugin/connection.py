"""One connection's conversation: which messages mean what, and how each exchange goes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from socket import socket
from typing import Any

from toru.plugin.engine import END, Engine
from toru.plugin.messages import MAX_BODY, ClientGone, Request, Response, as_bytes
from toru.plugin.plugin import Plugin
from toru.plugin.websocket import MAX_MESSAGE, Session, WebSocketClosed
from toru.plugin.wire import MAX_PART, ProtocolError, Wire, read_body, whole

# A whole body up to that is sent in one message even where it may be a stream.
_SMALL = 64 * 1024
# What is left of a request that was answered early is read up to that; a longer one costs its connection.
_MAX_UNREAD = 2**20


class Connection:
    """What is said over one connection, from its first message to its end."""

    def __init__(
        self, plugin: Plugin, engine: Engine, connection: socket, live: Live, stop: Callable[[float], None]
    ) -> None:
        """`stop` is called with the grace time, in seconds, when toru asks the plugin to end."""
        self._plugin = plugin
        self._engine = engine
        self._connection = connection
        self._wire = Wire(engine, connection)
        self._live = live
        self._stop = stop
        self._requests: dict[str, Request] = {}
        self._over = False

    async def converse(self) -> None:
        """Read and answer until toru says no more; then what is being answered still is."""
        self._engine.watch(self._connection, self._gone)
        try:
            while (message := await self._wire.read_message()) is not None:
                await self._take(message)
        except ProtocolError as error:
            self._break(error)
        except ClientGone:
            self._gone()
        except self._engine.cancelled:
            raise
        except BaseException as error:
            # Whatever it is, what has no reader must not look as if it had one.
            self._plugin.log.failure("A connection from toru is closed", error)
            self._gone()
        self._over = True
        self._end_if_done()

    async def _take(self, message: dict[str, Any]) -> None:
        kind, payload = message.get("type"), message["payload"]
        if kind == "http":
            request_id = _asked(message)
            if payload.get("stream") is True:
                await self._stream(request_id, payload)
            else:
                request = _request(self._engine, payload, read_body(payload))
                self._begin(request_id, request)
                self._engine.spawn(self._answer(request_id, request))
        elif kind == "websocket":
            if payload.get("action") == "open":
                await self._websocket(_asked(message), payload)
        else:
            await self._notice(message)

    async def _notice(self, message: dict[str, Any]) -> None:
        """What may come at any time. A message that means nothing here is ignored."""
        kind, action = message.get("type"), message["payload"].get("action")
        if kind == "lifecycle" and action == "ping":
            await self._wire.write("lifecycle", message.get("request_id"), {"action": "pong"})
        elif kind == "lifecycle" and action == "shutdown":
            grace = message["payload"].get("grace_seconds")
            self._stop(float(grace) if isinstance(grace, (int, float)) else 0.0)
        elif kind == "cancel":
            request = self._requests.get(str(message.get("request_id")))
            if request is not None:
                request.cancel()

    async def _answer(self, request_id: str, request: Request) -> None:
        """A request among others."""
        try:
            if request.cancelled:
                return
            response, body = await answer_whole(self._plugin, self._engine, request)
            if not request.cancelled:
                await self._wire.write("http", request_id, whole(response.status, response.headers, body))
        except (ClientGone, self._engine.cancelled):
            pass
        except BaseException as error:
            # KeyboardInterrupt and the like, which mean nothing in a handler and end nothing but it.
            self._plugin.log.failure(f"{request.method} {request.path} could not be answered", error)
            with suppress(ClientGone):
                await self._wire.write("error", request_id, {"message": repr(error)})
        finally:
            self._finish(request_id, request)

    async def _stream(self, request_id: str, payload: dict[str, Any]) -> None:
        """A request that has the connection to itself, in parts both ways."""
        body = _Body(self, request_id)
        request = _request(self._engine, payload, b"", body.next)
        self._begin(request_id, request)
        try:
            response = await self._plugin.respond(self._engine, request)
            await self._send(request_id, request, response)
            await body.skip()
        except BaseException as error:
            if not isinstance(error, ClientGone) and not request.cancelled:
                self._plugin.log.failure(f"{request.method} {request.path} was broken off", error)
            self._gone()
        finally:
            self._finish(request_id, request)

    async def _send(self, request_id: str, request: Request, response: Response) -> None:
        if not response.streams and len(response.body) <= _SMALL:
            body = b"" if is_bare(request, response) else response.body
            await self._wire.write("http", request_id, whole(response.status, response.headers, body))
            return
        head = {"status": response.status, "headers": response.headers, "stream": True}
        parts = Parts(self._engine, request, response)
        try:
            await self._wire.write("http", request_id, head)
            while (part := await parts.next()) is not None:
                for start in range(0, len(part), MAX_PART):
                    data = part[start : start + MAX_PART]
                    await self._wire.write("body", request_id, {"length": len(data), "final": False}, data)
        finally:
            await parts.close()
        await self._wire.write("body", request_id, {"length": 0, "final": True})

    async def _websocket(self, request_id: str, payload: dict[str, Any]) -> None:
        """A WebSocket, which has the connection to itself until both sides have closed it."""
        request = _request(self._engine, {"method": "GET", **payload}, b"")
        channel = _SocketChannel(self, request_id, self._engine)
        offered = payload.get("subprotocols")
        session = Session(channel, request, offered if isinstance(offered, list) else [], self._engine)
        self._begin(request_id, request)
        try:
            await self._plugin.converse(self._engine, session)
            while session.accepted and channel.closed is None:
                await channel.receive()
        except ClientGone:
            self._gone()
        finally:
            self._finish(request_id, request)

    async def next_of(self, kind: str, request_id: str) -> dict[str, Any]:
        """The payload of the next message of that kind within the exchange that has the connection.

        Raises ClientGone where toru gives the exchange up, by `cancel` or by closing the connection.
        """
        request = self._requests[request_id]
        request.hears = True
        try:
            while (message := await self._wire.read_message()) is not None:
                if message.get("request_id") == request_id:
                    if message.get("type") == kind:
                        payload: dict[str, Any] = message["payload"]
                        return payload
                    if message.get("type") == "cancel":
                        break
                await self._notice(message)
        except ProtocolError as error:
            self._break(error)
        finally:
            request.hears = False
        request.cancelled = True
        raise ClientGone("the client has gone")

    async def data_of(self, payload: dict[str, Any], limit: int) -> bytes:
        """The raw bytes behind a message."""
        length = payload.get("length")
        if not isinstance(length, int) or not 0 <= length <= limit:
            self._break(ProtocolError(f"a length is from 0 to {limit:,}; it is {length!r}"))
            raise ClientGone("the client has gone")
        return await self._wire.read_bytes(length)

    async def say(self, kind: str, request_id: str, payload: dict[str, Any], data: bytes = b"") -> None:
        """A message that a handler sends, all of it even where the handler is interrupted: after half of one
        nothing could be said any more.
        """
        await self._engine.finished(self._wire.write(kind, request_id, payload, data))

    def _begin(self, request_id: str, request: Request) -> None:
        self._requests[request_id] = request
        self._live.add(request, self._gone)

    def _finish(self, request_id: str, request: Request) -> None:
        if self._requests.get(request_id) is request:
            del self._requests[request_id]
        self._live.discard(request)
        self._end_if_done()

    def _gone(self) -> None:
        """Nobody is there any more."""
        self._over = True
        for request in list(self._requests.values()):
            request.cancel()
        self._end_if_done(at_once=True)

    def _break(self, error: ProtocolError) -> None:
        self._plugin.log.warning(f"A connection from toru is closed: {error}")
        self._gone()

    def _end_if_done(self, *, at_once: bool = False) -> None:
        if self._over and (at_once or not self._requests):
            self._engine.unwatch(self._connection)
            self._wire.end()


class Live:
    """What is being answered, on all connections."""

    def __init__(self, idle: Callable[[], None]) -> None:
        """`idle` is called once nothing is left after `ask`."""
        self._idle = idle
        self._asked = False
        self._requests: dict[Request, Callable[[], None]] = {}

    def add(self, request: Request, give_up: Callable[[], None]) -> None:
        self._requests[request] = give_up

    def discard(self, request: Request) -> None:
        self._requests.pop(request, None)
        self._tell()

    def ask(self) -> None:
        """Tell when nothing is left."""
        self._asked = True
        self._tell()

    def cancel(self) -> None:
        """Give up what is left."""
        for give_up in list(self._requests.values()):
            give_up()

    def _tell(self) -> None:
        if self._asked and not self._requests:
            self._idle()


def is_bare(request: Request, response: Response) -> bool:
    """Whether it is an answer that has no body, whatever was returned as one."""
    return request.method == "HEAD" or response.status in (204, 304)


class Parts:
    """The parts of an answer's body. It has to be closed, wherever it stands."""

    def __init__(self, engine: Engine, request: Request, response: Response) -> None:
        self._engine = engine
        self._request = request
        self._body = response.body
        self._streams = response.streams
        self._over = is_bare(request, response)

    async def next(self) -> bytes | None:
        """The next part, None after the last."""
        if self._over:
            return None
        if not self._streams:
            self._over = True
            return bytes(self._body)
        part = await self._engine.advance(self._request, self._body)
        self._over = part is END
        return None if self._over else as_bytes(part)

    async def close(self) -> None:
        """Let the author's iterator end."""
        finish = getattr(self._body, "aclose", None) or getattr(self._body, "close", None)
        if finish is not None:
            # A generator that a thread is still in cannot be closed; it ends when nobody asks it any more.
            with suppress(ValueError):
                await self._engine.call(None, finish)


async def answer_whole(plugin: Plugin, engine: Engine, request: Request) -> tuple[Response, bytes]:
    """The answer to a request, and all of its body. Raises ClientGone."""
    response = await plugin.respond(engine, request)
    try:
        return response, await _collect(engine, request, response)
    except (Exception, SystemExit, engine.cancelled) as error:
        response = plugin.failed(request, error)
        return response, response.body


async def _collect(engine: Engine, request: Request, response: Response) -> bytes:
    parts, body = Parts(engine, request, response), bytearray()
    try:
        while (part := await parts.next()) is not None:
            body += part
            if len(body) > MAX_BODY:
                raise ValueError(
                    f"the body has more than {MAX_BODY:,} bytes; give its route stream=True, and an iterator"
                )
    finally:
        await parts.close()
    return bytes(body)


class _Body:
    """The parts of a request's body."""

    def __init__(self, connection: Connection, request_id: str) -> None:
        self._connection = connection
        self._request_id = request_id
        self._final = False
        # A message whose bytes are not all there: whoever waited for them may have been interrupted.
        self._coming: dict[str, Any] | None = None

    async def next(self) -> bytes | None:
        """The next part that has any bytes, None after the last."""
        while not self._final:
            if self._coming is None:
                self._coming = await self._connection.next_of("body", self._request_id)
            part = await self._connection.data_of(self._coming, MAX_PART)
            self._final, self._coming = self._coming.get("final") is True, None
            if part:
                return part
        return None

    async def skip(self) -> None:
        """Read what the handler did not want, unless it is too much: then the connection has to end."""
        unread = 0
        while (part := await self.next()) is not None:
            unread += len(part)
            if unread > _MAX_UNREAD:
                raise ClientGone("too much is left of the request")


class _SocketChannel:
    """A WebSocket on its connection."""

    def __init__(self, connection: Connection, request_id: str, engine: Engine) -> None:
        self.closed: WebSocketClosed | None = None
        self._connection = connection
        self._request_id = request_id
        # A handler may have ended while a thread of its own still listens.
        self._hearing = engine.lock()
        # As that of a body.
        self._coming: dict[str, Any] | None = None

    async def accept(self, subprotocol: str | None) -> None:
        chosen = {} if subprotocol is None else {"subprotocol": subprotocol}
        await self._write({"action": "accept", **chosen})

    async def refuse(self, response: Response) -> None:
        payload = whole(response.status, response.headers, response.body)
        await self._connection.say("http", self._request_id, payload)

    async def send(self, message: str | bytes) -> None:
        kind, data = ("text", message.encode()) if isinstance(message, str) else ("binary", bytes(message))
        await self._write({"action": "message", "length": len(data), "kind": kind}, data)

    async def receive(self) -> str | bytes | WebSocketClosed:
        async with self._hearing:
            while self.closed is None:
                if self._coming is None:
                    self._coming = await self._connection.next_of("websocket", self._request_id)
                payload, action = self._coming, self._coming.get("action")
                data = await self._connection.data_of(payload, MAX_MESSAGE) if action == "message" else b""
                self._coming = None
                if action == "message":
                    return data.decode(errors="replace") if payload.get("kind") == "text" else data
                if action == "close":
                    code, reason = payload.get("code"), payload.get("reason")
                    self.closed = WebSocketClosed(code if isinstance(code, int) else 1005, str(reason or ""))
            return self.closed

    async def close(self, code: int, reason: str) -> None:
        await self._write({"action": "close", "code": code, "reason": reason})

    async def _write(self, payload: dict[str, Any], data: bytes = b"") -> None:
        await self._connection.say("websocket", self._request_id, payload, data)


def _request(
    engine: Engine, payload: dict[str, Any], body: bytes, receive: Callable[[], Any] | None = None
) -> Request:
    method, path, headers = payload.get("method"), payload.get("path"), payload.get("headers")
    if not isinstance(method, str) or not isinstance(path, str) or not isinstance(headers, dict):
        raise ProtocolError("a request lacks its method, path or headers")
    return Request(method, path, headers, body, receive=receive, engine=engine)


def _asked(message: dict[str, Any]) -> str:
    request_id = message.get("request_id")
    if not isinstance(request_id, str):
        raise ProtocolError(f"a message of type `{message['type']}` has no `request_id`")
    return request_id
