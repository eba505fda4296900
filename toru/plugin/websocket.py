"""WebSockets as a handler sees them, plain and `async`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
    from typing import Any, Protocol

    from toru.plugin.engine import Engine
    from toru.plugin.messages import Request, Response

    class Channel(Protocol):
        """What carries a WebSocket. Raises ConnectionError where the client is gone."""

        async def accept(self, subprotocol: str | None) -> None: ...
        async def refuse(self, response: Response) -> None: ...
        async def send(self, message: str | bytes) -> None: ...
        async def receive(self) -> str | bytes | WebSocketClosed: ...
        async def close(self, code: int, reason: str) -> None: ...


MAX_MESSAGE = 16 * 2**20


class WebSocketClosed(ConnectionError):
    """It is closed. `code` and `reason` say why; 1006 where the client just went away."""

    def __init__(self, code: int = 1006, reason: str = "") -> None:
        super().__init__(f"the WebSocket is closed ({code}{f', {reason}' if reason else ''})")
        self.code = code
        self.reason = reason


class Session:
    """One WebSocket from its opening to its end, whoever looks at it. For the kit itself."""

    def __init__(
        self, channel: Channel, request: Request, subprotocols: Sequence[str], engine: Engine
    ) -> None:
        self.request = request
        self.subprotocols = list(subprotocols)
        self.accepted = False
        self.refused = False
        # Why nothing comes any more, and whether the client was told goodbye.
        self.closed: WebSocketClosed | None = None
        self._said_close = False
        self._channel = channel
        self._accepting = engine.lock()

    async def accept(self, subprotocol: str | None = None) -> None:
        if self.refused:
            raise WebSocketClosed(1006, "it was refused")
        # Whoever sends meanwhile waits until that was said.
        async with self._accepting:
            if not self.accepted:
                # Said even where it is interrupted, and not said where it fails.
                self.accepted = True
                try:
                    await self._channel.accept(subprotocol)
                except Exception:
                    self.accepted = False
                    raise

    async def refuse(self, response: Response) -> None:
        self.refused = True
        self.closed = WebSocketClosed(1006, "it was refused")
        await self._channel.refuse(response)

    async def receive(self) -> str | bytes:
        await self.accept()
        if self.closed is None:
            try:
                message = await self._channel.receive()
            except ConnectionError:
                message = WebSocketClosed()
            if not isinstance(message, WebSocketClosed):
                return message
            self.closed = self.closed or message
        raise self.closed

    async def send(self, message: str | bytes) -> None:
        if len(message) > MAX_MESSAGE or (
            isinstance(message, str)
            and len(message) > MAX_MESSAGE // 4
            and len(message.encode()) > MAX_MESSAGE
        ):
            raise ValueError(f"a message has at most {MAX_MESSAGE:,} bytes")
        await self.accept()
        if self.closed is not None:
            raise self.closed
        try:
            await self._channel.send(message)
        except ConnectionError:
            self.closed = WebSocketClosed()
            raise self.closed from None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if not self.accepted:
            from toru.plugin.messages import Response

            if not self.refused:
                await self.refuse(Response("The plugin refused this WebSocket.", 403))
        elif not self._said_close:
            self._said_close = True
            self.closed = self.closed or WebSocketClosed(code, reason)
            from contextlib import suppress

            with suppress(ConnectionError):
                await self._channel.close(code, reason)


class _Face:
    def __init__(self, session: Session, engine: Engine) -> None:
        self._session = session
        self._engine = engine

    @property
    def request(self) -> Request:
        """The request that opened it: its path, its headers, its user."""
        return self._session.request

    @property
    def subprotocols(self) -> list[str]:
        """What the client offers; `accept` takes one of them."""
        return self._session.subprotocols


class WebSocket(_Face):
    """A WebSocket in a plain handler. It is accepted when it is used first, and closed where the handler ends.

    Raise HTTPError before to refuse it. Other threads may send.
    """

    def accept(self, subprotocol: str | None = None) -> None:
        """Take it, with one of its subprotocols where that matters."""
        self._engine.wait(self._session.accept(subprotocol))

    def receive(self) -> str | bytes:
        """The next message. Raises WebSocketClosed after the last."""
        return self._engine.wait(self._session.receive())

    def send(self, message: str | bytes) -> None:
        """Text or bytes, at most 16 MiB. Waits while the client does not read. Raises WebSocketClosed."""
        self._engine.wait(self._session.send(message))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye."""
        self._engine.wait(self._session.close(code, reason))

    def __iter__(self) -> Iterator[str | bytes]:
        """Messages until it is closed."""
        while True:
            try:
                yield self.receive()
            except WebSocketClosed:
                return


class AsyncWebSocket(_Face):
    """The same in an `async` handler. Other tasks may send."""

    def __init__(self, session: Session, engine: Engine) -> None:
        super().__init__(session, engine)
        self._receive = engine.hearing(session.receive)

    def accept(self, subprotocol: str | None = None) -> Coroutine[Any, Any, None]:
        """Take it, with one of its subprotocols where that matters."""
        return self._engine.awaitable(self._session.accept(subprotocol))

    def receive(self) -> Coroutine[Any, Any, str | bytes]:
        """The next message. Raises WebSocketClosed after the last. One that was given up takes none with it."""
        return self._receive()

    def send(self, message: str | bytes) -> Coroutine[Any, Any, None]:
        """Text or bytes, at most 16 MiB. Waits while the client does not read. Raises WebSocketClosed."""
        return self._engine.awaitable(self._session.send(message))

    def close(self, code: int = 1000, reason: str = "") -> Coroutine[Any, Any, None]:
        """Say goodbye."""
        return self._engine.awaitable(self._session.close(code, reason))

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Messages until it is closed."""
        while True:
            try:
                yield await self.receive()
            except WebSocketClosed:
                return
