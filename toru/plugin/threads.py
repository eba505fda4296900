"""The engine of plain handlers: each runs in a thread, and each connection is read by one of its own."""

from __future__ import annotations

import errno
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from socket import socket, socketpair
from types import TracebackType
from typing import Any

from toru.plugin.engine import Job, T, drive, following
from toru.plugin.messages import Request

# A thread's stack counts against what memory the operator allows, used or not; 8 MiB are usual.
STACK_BYTES = 2 * 2**20
_READ_BYTES = 64 * 1024
# When as many files are open as may be, until there are less.
PAUSE_SECONDS = 0.1


class _NeverRaised(BaseException):
    """Nothing interrupts a plain handler."""


class ThreadEngine:
    """Plain handlers have `threads` threads together; streams and WebSockets have their connection's own."""

    cancelled: type[BaseException] = _NeverRaised

    def __init__(self, threads: int) -> None:
        self._pool = Pool(threads)
        self._waker = _Waker()

    def run(self, main: Callable[[], Job[None]], stop: Callable[[], None]) -> None:
        threading.stack_size(STACK_BYTES)
        on_signals(stop)
        self._waker.wake_at_signals()
        drive(main())

    def run_beside(self) -> Callable[[], None]:
        return lambda: None

    def flag(self) -> _Flag:
        return _Flag(self._waker)

    def lock(self) -> _Lock:
        return _Lock()

    def spawn(self, job: Job[None]) -> None:
        self._pool.submit(lambda: drive(job))

    def serve(self, listener: socket, converse: Callable[[socket], Job[None]]) -> None:
        def begin(connection: socket) -> None:
            drive(converse(connection))

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError as error:
                    if is_over(error):
                        return
                    threading.Event().wait(PAUSE_SECONDS)
                    continue
                try:
                    start_thread(partial(begin, connection))
                except RuntimeError:  # no memory for one more
                    connection.close()

        start_thread(accept)

    async def receive(self, connection: socket) -> bytes:
        return connection.recv(_READ_BYTES)

    async def send(self, connection: socket, data: bytes) -> None:
        connection.sendall(data)

    def watch(self, connection: socket, gone: Callable[[], None]) -> None:
        """Nothing would be interrupted."""

    def unwatch(self, connection: socket) -> None:
        """Nothing is watched."""

    async def call(
        self, request: Request | None, function: Callable[..., Any], *args: Any, **named: Any
    ) -> Any:
        result = function(*args, **named)
        if hasattr(result, "addCallbacks"):
            raise TypeError(
                "a handler returned a Deferred; for that, start the plugin with plugin.run(reactor)"
            )
        if hasattr(result, "__await__"):
            raise TypeError("a handler returned something to be awaited; write it with `async def`")
        return result

    async def hold(self, request: Request, function: Callable[..., Any], *args: Any, **named: Any) -> None:
        # A connection that carries a WebSocket has a thread already.
        await self.call(request, function, *args, **named)

    async def advance(self, request: Request | None, iterator: Any) -> Any:
        if hasattr(iterator, "__anext__"):
            raise TypeError("a plain handler returned an async iterator; write it with `async def`")
        return following(iterator)

    async def finished(self, job: Job[T]) -> T:
        return await job

    async def block(self, function: Callable[..., T], *args: Any) -> T:
        return function(*args)

    def wait(self, job: Job[T]) -> T:
        return drive(job)

    def awaitable(self, job: Job[T]) -> Job[T]:
        return job

    def hearing(self, receive: Callable[[], Job[T]]) -> Callable[[], Job[T]]:
        return receive

    def in_thread(self, function: Callable[..., T], *args: Any) -> Awaitable[T]:
        async def call() -> T:
            return function(*args)

        return call()


class Pool:
    """Daemon threads, made as they are needed, at most `size`: one that hangs keeps no process alive."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._threads = 0
        self._unfinished = 0
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def submit(self, job: Callable[[], object]) -> None:
        """Have it called; it handles its own errors. It waits its turn while all threads are busy."""
        self._jobs.put(job)
        with self._lock:
            self._unfinished += 1
            grows = self._threads < min(self._unfinished, self._size)
            self._threads += grows
        if grows:
            try:
                start_thread(self._work)
            except RuntimeError:  # no memory for one more
                with self._lock:
                    self._threads -= 1
                if not self._threads:
                    raise

    def _work(self) -> None:
        while True:
            self._jobs.get()()
            with self._lock:
                self._unfinished -= 1


class _Waker:
    """What the main thread waits for: a byte. An Event would not do.

    A signal's handler runs in the main thread, which has to be out of its waiting for that. What waits for
    a lock may miss that there was a signal; what waits for a byte is sent one by the signal itself.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socketpair()
        self._writer.setblocking(False)

    def wake_at_signals(self) -> None:
        """From now on, signals send a byte."""
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)

    def wake(self) -> None:
        with suppress(BlockingIOError):  # as many bytes as there is room for are enough
            self._writer.send(b"\0")

    def wait(self, seconds: float | None) -> None:
        """Until there is a byte; sooner or for nothing, now and then."""
        self._reader.settimeout(seconds)
        with suppress(TimeoutError):
            self._reader.recv(4096)


class _Flag:
    def __init__(self, waker: _Waker) -> None:
        self._waker = waker
        self._is_set = False

    def set(self) -> None:
        self._is_set = True
        self._waker.wake()

    async def wait(self, seconds: float | None = None) -> bool:
        until = None if seconds is None else time.monotonic() + seconds
        while not self._is_set and (until is None or time.monotonic() < until):
            self._waker.wait(None if until is None else max(until - time.monotonic(), 0.001))
        return self._is_set


class _Lock:
    def __init__(self) -> None:
        self._lock = threading.Lock()

    async def __aenter__(self) -> None:
        self._lock.acquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._lock.release()


def start_thread(job: Callable[[], object]) -> None:
    """In a thread that ends with the process."""
    threading.Thread(target=job, daemon=True).start()


def is_over(error: OSError) -> bool:
    """Whether a listener takes no connection any more, because it was shut down."""
    return error.errno in (errno.EINVAL, errno.EBADF)


def on_signals(stop: Callable[[], None]) -> None:
    """The first SIGTERM or SIGINT asks to end, the next one ends."""

    def asked(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked)
