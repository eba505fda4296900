"""The engine of `async` handlers: everything in one asyncio loop, plain handlers in threads beside it."""

from __future__ import annotations

import asyncio
import select
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from socket import socket
from typing import Any

from toru.plugin.engine import END, Job, T, following
from toru.plugin.messages import Request
from toru.plugin.routes import is_async
from toru.plugin.threads import PAUSE_SECONDS, Pool, is_over, start_thread

_READ_BYTES = 64 * 1024


class AsyncioEngine:
    """Plain handlers have `threads` threads together; those of WebSockets have one each."""

    cancelled: type[BaseException] = asyncio.CancelledError

    def __init__(self, threads: int) -> None:
        self._pool = Pool(threads)
        self._holding = Pool(sys.maxsize)
        # Apart from both: these may wait for what is done here.
        self._beside = Pool(threads)
        self._tasks: set[asyncio.Task[None]] = set()
        self._watched: dict[int, Callable[[], None]] = {}
        self._epoll: select.epoll | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    def run(self, main: Callable[[], Job[None]], stop: Callable[[], None]) -> None:
        async def within() -> None:
            loop = asyncio.get_running_loop()

            def asked(number: int) -> None:
                loop.remove_signal_handler(number)
                stop()

            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, asked, number)
            await self._within(main())

        asyncio.run(within())

    def run_beside(self) -> Callable[[], None]:
        started, ended = threading.Event(), threading.Event()
        done: list[Callable[[], object]] = []

        async def main() -> None:
            over = asyncio.Event()
            loop = asyncio.get_running_loop()
            done.append(lambda: loop.call_soon_threadsafe(over.set))

            async def waiting() -> None:
                started.set()
                await over.wait()

            await self._within(waiting())

        def run() -> None:
            try:
                asyncio.run(main())
            finally:
                ended.set()

        def end() -> None:
            done[0]()
            ended.wait()

        start_thread(run)
        started.wait()
        return end

    async def _within(self, main: Job[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        if hasattr(select, "epoll"):
            self._epoll = select.epoll()
            self._loop.add_reader(self._epoll.fileno(), self._look)
        try:
            await main
        finally:
            if self._epoll is not None:
                self._loop.remove_reader(self._epoll.fileno())
                self._epoll.close()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that it runs in."""
        assert self._loop is not None
        return self._loop

    def flag(self) -> _Flag:
        return _Flag(self)

    def lock(self) -> asyncio.Lock:
        return asyncio.Lock()

    def spawn(self, job: Job[None]) -> None:
        # The loop itself holds tasks weakly.
        task = self.loop.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def serve(self, listener: socket, converse: Callable[[socket], Job[None]]) -> None:
        async def accept() -> None:
            listener.setblocking(False)
            while True:
                try:
                    connection, _ = await self.loop.sock_accept(listener)
                except OSError as error:
                    if is_over(error):
                        return
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
                connection.setblocking(False)
                self.spawn(converse(connection))

        self.spawn(accept())

    async def receive(self, connection: socket) -> bytes:
        # Not the loop's own, which loses what it has just read where it is cancelled in that moment.
        while True:
            try:
                return connection.recv(_READ_BYTES)
            except (BlockingIOError, InterruptedError):
                pass
            number, readable = connection.fileno(), self.loop.create_future()
            self.loop.add_reader(number, _tell, readable)
            try:
                await readable
            finally:
                self.loop.remove_reader(number)

    def send(self, connection: socket, data: bytes) -> Coroutine[Any, Any, None]:
        return self.loop.sock_sendall(connection, data)

    def watch(self, connection: socket, gone: Callable[[], None]) -> None:
        # Not by reading, for what was sent before it was closed may still be unread: a set of files
        # that is asked for nothing tells of those that are closed, and can be waited for as a file itself.
        if self._epoll is not None:
            self._watched[connection.fileno()] = gone
            self._epoll.register(connection.fileno(), 0)

    def unwatch(self, connection: socket) -> None:
        if self._watched.pop(connection.fileno(), None) is not None and self._epoll is not None:
            self._epoll.unregister(connection.fileno())

    def _look(self) -> None:
        assert self._epoll is not None
        for number, _ in self._epoll.poll(0):
            gone = self._watched.pop(number, None)
            self._epoll.unregister(number)
            if gone is not None:
                gone()

    async def call(
        self, request: Request | None, function: Callable[..., Any], *args: Any, **named: Any
    ) -> Any:
        return await self._call(self._pool, request, function, *args, **named)

    async def hold(self, request: Request, function: Callable[..., Any], *args: Any, **named: Any) -> None:
        await self._call(self._holding, request, function, *args, **named)

    async def _call(
        self, pool: Pool, request: Request | None, function: Callable[..., Any], *args: Any, **named: Any
    ) -> Any:
        if is_async(function):
            result = function(*args, **named)
            return result if hasattr(result, "__anext__") else await self._interruptible(request, result)
        result = await self._interruptible(request, self._within_thread(pool, function, *args, **named))
        return await self._interruptible(request, result) if hasattr(result, "__await__") else result

    async def advance(self, request: Request | None, iterator: Any) -> Any:
        if not hasattr(iterator, "__anext__"):
            return await self._interruptible(request, self._within_thread(self._pool, following, iterator))
        try:
            return await self._interruptible(request, iterator.__anext__())
        except StopAsyncIteration:
            return END

    async def _interruptible(self, request: Request | None, job: Any) -> Any:
        """What is awaited here, and nothing else, may be cancelled: half a message would be the end of a connection."""
        if request is None:
            return await job
        task = asyncio.current_task()
        assert task is not None
        request._interrupt = task.cancel
        try:
            return await job
        finally:
            request._interrupt = None

    async def finished(self, job: Job[T]) -> T:
        return await asyncio.shield(self.loop.create_task(job))

    async def block(self, function: Callable[..., T], *args: Any) -> T:
        return await self.in_thread(function, *args)

    def wait(self, job: Job[T]) -> T:
        if threading.get_ident() == self._thread:
            job.close()
            raise RuntimeError("an `async` handler has to await this: `async for`, an AsyncWebSocket")
        return asyncio.run_coroutine_threadsafe(job, self.loop).result()

    def awaitable(self, job: Job[T]) -> Job[T]:
        return job

    def hearing(self, receive: Callable[[], Job[T]]) -> Callable[[], Job[T]]:
        return receive

    async def in_thread(self, function: Callable[..., T], *args: Any) -> T:
        return await self._within_thread(self._beside, function, *args)

    async def _within_thread(self, pool: Pool, function: Callable[..., T], *args: Any, **named: Any) -> T:
        """Cancelled, it is no longer waited for; the thread goes on."""
        done: asyncio.Future[T] = self.loop.create_future()

        def work() -> None:
            try:
                result = function(*args, **named)
            except BaseException as error:
                self._settle(done, error=error)
            else:
                self._settle(done, result=result)

        pool.submit(work)
        return await done

    def _settle(
        self, done: asyncio.Future[T], *, result: Any = None, error: BaseException | None = None
    ) -> None:
        def settle() -> None:
            if done.cancelled():
                return
            if error is None:
                done.set_result(result)
            # A future does not take it: it would end a coroutine.
            elif isinstance(error, StopIteration):
                done.set_exception(RuntimeError(f"a handler raised {error!r}"))
            else:
                done.set_exception(error)

        with suppress(RuntimeError):  # where the loop has ended
            self.loop.call_soon_threadsafe(settle)


def _tell(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


class _Flag:
    def __init__(self, engine: AsyncioEngine) -> None:
        self._engine = engine
        self._event = asyncio.Event()

    def set(self) -> None:
        self._engine.loop.call_soon_threadsafe(self._event.set)

    async def wait(self, seconds: float | None = None) -> bool:
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return False
        return True
