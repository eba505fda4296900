"""The engine of plugins that run on Twisted: handlers in the reactor's thread, all that waits in others."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any

import txaio as _untyped
from twisted.internet.defer import CancelledError, Deferred, DeferredQueue
from twisted.python.threadable import isInIOThread

from toru.plugin.engine import END, Job, T, drive, following
from toru.plugin.messages import Request
from toru.plugin.threads import STACK_BYTES, Pool, ThreadEngine, start_thread

# Half of its functions appear once it knows whose futures it is about.
txaio: Any = _untyped
txaio.use_twisted()


class TwistedEngine(ThreadEngine):
    """What handlers return, Deferred or not, is waited for in one of `threads` threads."""

    cancelled: type[BaseException] = CancelledError

    def __init__(self, threads: int, reactor: Any) -> None:
        super().__init__(threads)
        self._reactor = reactor
        # Apart from those that wait for handlers: these may wait for what is done here.
        self._beside = Pool(threads)
        # And apart from both: each open WebSocket may wait for its client, as long as that takes.
        self._hearing = Pool(sys.maxsize)

    def run(self, main: Callable[[], Job[None]], stop: Callable[[], None]) -> None:
        threading.stack_size(STACK_BYTES)
        ended: Deferred[None] = txaio.create_future()
        errors: list[BaseException] = []
        asked: list[bool] = []

        def work() -> None:
            try:
                drive(main())
            except BaseException as error:
                errors.append(error)
            self._reactor.callFromThread(finish)

        def finish() -> None:
            txaio.resolve(ended, None)
            if not asked:
                self._reactor.stop()

        def end() -> Deferred[None]:
            asked.append(True)
            stop()
            return ended

        self._reactor.callWhenRunning(start_thread, work)
        # SIGTERM and Ctrl-C are the reactor's own affair, and stop it.
        self._reactor.addSystemEventTrigger("before", "shutdown", end)
        self._reactor.run()
        if errors:
            raise errors[0]

    async def call(
        self, request: Request | None, function: Callable[..., Any], *args: Any, **named: Any
    ) -> Any:
        done: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

        def start() -> None:
            future = txaio.as_future(function, *args, **named)
            if request is not None:
                request._interrupt = partial(self._reactor.callFromThread, txaio.cancel, future)
                # The function may have told the world that it is there, and been given up, before it returned.
                if request.cancelled and not request.hears:
                    request._interrupt()
            txaio.add_callbacks(
                future,
                lambda result: done.put((result, None)),
                lambda failure: done.put((None, failure.value)),
            )

        self._reactor.callFromThread(start)
        result, error = done.get()
        if request is not None:
            request._interrupt = None
        if error is not None:
            raise error
        return result

    async def advance(self, request: Request | None, iterator: Any) -> Any:
        if not hasattr(iterator, "__anext__"):
            return await self.call(request, following, iterator)

        async def step() -> Any:
            return await iterator.__anext__()

        try:
            return await self.call(request, step)
        except StopAsyncIteration:
            return END

    def wait(self, job: Job[T]) -> T:
        if isInIOThread():
            job.close()
            raise RuntimeError(
                "this would block the reactor; await it in an `async` handler: `async for`, an AsyncWebSocket"
            )
        return drive(job)

    def awaitable(self, job: Job[T]) -> Job[T]:
        async def waiting() -> T:
            return await self._within(self._hearing, drive, job)

        return waiting()

    def hearing(self, receive: Callable[[], Job[T]]) -> Callable[[], Job[T]]:
        return _Hearing(lambda: self._within(self._hearing, drive, receive())).next

    def in_thread(self, function: Callable[..., T], *args: Any) -> Deferred[T]:
        return self._within(self._beside, function, *args)

    def _within(self, pool: Pool, function: Callable[..., T], *args: Any) -> Deferred[T]:
        future: Deferred[T] = txaio.create_future()

        def work() -> None:
            try:
                result = function(*args)
            except Exception as error:
                self._reactor.callFromThread(txaio.reject, future, error)
            else:
                self._reactor.callFromThread(txaio.resolve, future, result)

        pool.submit(work)
        return future


class _Hearing:
    """What one thread receives at a time, in the reactor's: it goes on where somebody gave up, for whoever asks next."""

    def __init__(self, receive: Callable[[], Deferred[Any]]) -> None:
        self._receive = receive
        self._receiving = False
        self._received: DeferredQueue[Any] = DeferredQueue()

    async def next(self) -> Any:
        coming = self._received.get()
        self._proceed()
        return await coming

    def _proceed(self) -> None:
        if self._received.waiting and not self._receiving:
            self._receiving = True
            self._receive().addBoth(self._take)

    def _take(self, result: Any) -> None:
        self._receiving = False
        self._received.put(result)
        self._proceed()
