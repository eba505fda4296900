"""A plugin's life as a process: initialised, listening, asked to end, its requests finished, gone."""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import suppress
from functools import partial

from toru.plugin.connection import Connection, Live
from toru.plugin.engine import Engine, Flag
from toru.plugin.plugin import Plugin
from toru.plugin.threads import start_thread

# Seconds after a signal that nobody announced: toru sends SIGKILL two seconds after its SIGTERM.
_GRACE = 1.5
# Streams have a connection each, and may all come at once.
_BACKLOG = 1024


def run(plugin: Plugin, reactor: object = None) -> None:
    """Serve at TORU_PLUGIN_SOCKET until toru or a signal says stop. Exits with 1 where it cannot start."""
    path = os.environ.get("TORU_PLUGIN_SOCKET")
    if path is None:
        sys.exit(
            "This is a plugin, which toru starts: put it into its plugins folder as a file that ends in .binary. "
            "With --metadata it says what it is. (TORU_PLUGIN_SOCKET is not set.)"
        )
    for stream in (sys.stdout, sys.stderr):
        # What is printed is the log, and should not come late.
        getattr(stream, "reconfigure", lambda **_: None)(line_buffering=True)
    plugin.engine = engine = make_engine(plugin, reactor)
    life = Life(plugin, engine, path)
    engine.run(life.live, life.stop)
    if life.abandoned:
        # What is left behind may write just while Python ends, which Python does not survive.
        _leave()
    if life.failure:
        # On standard error, the last line of which toru shows as the reason of an exit.
        sys.exit(life.failure)


def make_engine(plugin: Plugin, reactor: object = None) -> Engine:
    """What fits the plugin's handlers."""
    if reactor is not None:
        if plugin.needs_asyncio:
            raise RuntimeError("an ASGI application runs on asyncio: start the plugin with plugin.run()")
        from toru.plugin.tx import TwistedEngine

        return TwistedEngine(plugin.threads, reactor)
    if plugin.is_async:
        from toru.plugin.aio import AsyncioEngine

        return AsyncioEngine(plugin.threads)
    from toru.plugin.threads import ThreadEngine

    return ThreadEngine(plugin.threads)


class Life:
    """One run of a plugin."""

    def __init__(self, plugin: Plugin, engine: Engine, path: str) -> None:
        # Why it could not begin, and whether handlers were still at work when it ended.
        self.failure = ""
        self.abandoned = False
        self._plugin = plugin
        self._engine = engine
        self._path = path
        self._grace = _GRACE
        self._until = 0.0
        # A signal may come before there is anything to tell of it.
        self._stopping = False
        self._asked: Flag | None = None

    def stop(self, grace_seconds: float = _GRACE) -> None:
        """End, within so many seconds. Any thread may call it."""
        self._grace = grace_seconds
        self._until = time.monotonic() + grace_seconds
        self._stopping = True
        if self._asked is not None:
            self._asked.set()

    async def live(self) -> None:
        """From the first hook to the last."""
        self._asked, idle = self._engine.flag(), self._engine.flag()
        if self._stopping:
            return
        try:
            await initialise(self._plugin, self._engine)
        except (Exception, SystemExit) as error:
            self._plugin.log.failure("The plugin cannot start", error)
            self.failure = f"The plugin cannot start: {type(error).__name__}: {error}"
            return
        live = Live(idle.set)
        with socket.socket(socket.AF_UNIX) as listener:
            try:
                with suppress(FileNotFoundError):
                    os.unlink(self._path)
                listener.bind(self._path)
                listener.listen(_BACKLOG)
            except OSError as error:
                self.failure = f"The plugin cannot listen at {self._path}: {error.strerror or error}"
                return
            try:
                self._engine.serve(listener, partial(self._converse, live))
                await self._asked.wait()
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(self._path)
            listener.shutdown(socket.SHUT_RDWR)
            # Half of the time for what is being answered, a quarter for it to be given up, the rest for the hooks.
            live.ask()
            if not await idle.wait(self._grace / 2):
                live.cancel()
                self.abandoned = not await idle.wait(self._grace / 4)
            await shut_down(self._plugin, self._engine)
            # Python waits for threads that handlers started, and for tasks that will not end; toru does not.
            left = self._until - time.monotonic() - self._grace / 10
            start_thread(partial(_leave, max(left, 0.0)))

    async def _converse(self, live: Live, connection: socket.socket) -> None:
        await Connection(self._plugin, self._engine, connection, live, self.stop).converse()


def _leave(seconds: float = 0.0) -> None:
    """End the process, whatever still goes on in it, after so many seconds."""
    time.sleep(seconds)
    sys.stdout.flush()
    os._exit(0)


async def initialise(plugin: Plugin, engine: Engine) -> None:
    """All hooks, in order. Raises what they do."""
    for hook in plugin.init_hooks:
        await engine.call(None, hook)


async def shut_down(plugin: Plugin, engine: Engine) -> None:
    """All hooks, the last one first; one that fails is no reason to leave out the others."""
    for hook in reversed(plugin.shutdown_hooks):
        try:
            await engine.call(None, hook)
        except (Exception, SystemExit) as error:
            plugin.log.failure("Something went wrong while the plugin ended", error)
