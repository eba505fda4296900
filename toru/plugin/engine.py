"""How a plugin waits: what the kit asks of threads, of asyncio and of Twisted.

What a plugin says and hears is written once, in coroutines; an engine gives them what they await. With
threads nothing ever suspends them: whatever they await blocks its thread, and `drive` runs them to their end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from socket import socket
from typing import Any, Protocol, TypeVar

from toru.plugin.messages import Request

T = TypeVar("T")
Job = Coroutine[Any, Any, T]


class Flag(Protocol):
    """Something that happens once, and that the main thread waits for. Any thread may set it."""

    def set(self) -> None: ...

    async def wait(self, seconds: float | None = None) -> bool:
        """Whether it is set, at the latest after so many seconds."""


class Engine(Protocol):
    """One of the three ways to wait."""

    # What is raised in a handler that is interrupted.
    cancelled: type[BaseException]

    def run(self, main: Callable[[], Job[None]], stop: Callable[[], None]) -> None:
        """Run it to its end, in the main thread; `stop` is called where the process is told to end."""

    def run_beside(self) -> Callable[[], None]:
        """Be there without a `main`, for tests. Returns what ends it."""

    def flag(self) -> Flag: ...

    def lock(self) -> AbstractAsyncContextManager[object]: ...

    def spawn(self, job: Job[None]) -> None:
        """Have it done beside; it handles its own errors."""

    def serve(self, listener: socket, converse: Callable[[socket], Job[None]]) -> None:
        """Have every connection conversed with, beside, until the listener is closed."""

    async def receive(self, connection: socket) -> bytes:
        """What there is to read, empty at the end. Interrupted, it has read nothing. Raises OSError."""

    async def send(self, connection: socket, data: bytes) -> None:
        """Returns once all of it is with the kernel. Raises OSError."""

    def watch(self, connection: socket, gone: Callable[[], None]) -> None:
        """Have `gone` called when the other side has closed it both ways, where that can be noticed beside."""

    def unwatch(self, connection: socket) -> None: ...

    async def call(
        self, request: Request | None, function: Callable[..., Any], *args: Any, **named: Any
    ) -> Any:
        """Call what the author wrote where it belongs, and wait for what it returns.

        `request.cancel()` interrupts it meanwhile, where that is possible.
        """

    async def hold(self, request: Request, function: Callable[..., Any], *args: Any, **named: Any) -> None:
        """`call` for what takes as long as a client stays, and so must not take a thread from what does not."""

    async def advance(self, request: Request | None, iterator: Any) -> Any:
        """The next of an author's iterator, plain or async; END after the last."""

    async def finished(self, job: Job[T]) -> T:
        """For the kit itself: what goes on to its end even where whoever waits for it is interrupted."""

    async def block(self, function: Callable[..., T], *args: Any) -> T:
        """For the kit itself: something that blocks."""

    def wait(self, job: Job[T]) -> T:
        """For plain handlers: block until it is done."""

    def awaitable(self, job: Job[T]) -> Job[T]:
        """For handlers that await: the same as something that they can."""

    def hearing(self, receive: Callable[[], Job[T]]) -> Callable[[], Job[T]]:
        """For handlers that await: what receives as `receive` does, and has received nothing where it is given up."""

    def in_thread(self, function: Callable[..., T], *args: Any) -> Awaitable[T]:
        """For handlers that await: something that blocks, done in a thread."""


class End:
    """What comes after the last."""


END = End()


def following(iterator: Any) -> Any:
    """The next of a plain iterator; END after the last."""
    # StopIteration cannot pass through a coroutine.
    return next(iterator, END)


def drive(job: Job[T]) -> T:
    """Run a coroutine that nothing suspends to its end."""
    try:
        job.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    job.close()
    raise RuntimeError("this waits for an event loop, and the plugin has none: its handlers are all plain")
