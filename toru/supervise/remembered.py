"""Remembers across restarts what files said of themselves, so that an unchanged one is not asked again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.model import PluginMetadata, Protocol
from toru.store.files import write_atomically
from toru.supervise.registry import Found, Stamp

InThread = Callable[[Callable[[], None]], Deferred[None]]

# To be raised whenever what `--metadata` may say changes, because remembered answers are not checked again.
VERSION = 1
SAVE_AFTER = 1.0


class _Entry(Struct, frozen=True):
    size: int
    mtime_ns: int
    metadata: PluginMetadata
    framing: Protocol | None


class _File(Struct, frozen=True):
    version: int
    files: dict[str, _Entry]


class _Version(Struct, frozen=True):
    version: int


class Remembered:
    """Good answers by path, in memory and in `file`, which is written at most once a second."""

    _log = Logger()

    def __init__(self, file: Path, clock: IReactorTime, in_thread: InThread) -> None:
        self._file = file
        self._clock = clock
        self._in_thread = in_thread
        self._timer: IDelayedCall | None = None
        self._writing: Deferred[None] | None = None
        self._dirty = False
        self._found: dict[Path, Found] = {}
        self._load()

    def get(self, path: Path, stamp: Stamp) -> Found | None:
        """What this version of the file is known to be."""
        found = self._found.get(path)
        return found if found is not None and found.stamp == stamp else None

    def put(self, found: Found) -> None:
        """Remember this in place of what was known of the file."""
        if self._found.get(found.path) != found:
            self._found[found.path] = found
            self._save_soon()

    def keep(self, paths: Collection[Path]) -> None:
        """Forget every file but these."""
        if gone := self._found.keys() - set(paths):
            for path in gone:
                del self._found[path]
            self._save_soon()

    def stop(self) -> Deferred[None]:
        """Fires when all that is known is in the file, or could not be written. Starts no timer again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing is not None:
            stopped: Deferred[None] = Deferred()
            self._writing.addCallback(stopped.callback)
            return stopped.addCallback(lambda _: self.stop())
        return self._write() if self._dirty else succeed(None)

    def _load(self) -> None:
        try:
            content = self._file.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            self._log.warn("what plugins said of themselves could not be read: {error}", error=error)
            return
        try:
            version = msgspec.json.decode(content, type=_Version).version
            if version != VERSION:
                self._log.info(
                    "{file} has version {version}: plugins are asked anew",
                    file=self._file.name,
                    version=version,
                )
                return
            entries = msgspec.json.decode(content, type=_File).files
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            self._log.warn(
                "{file} is broken, plugins are asked anew: {error}", file=self._file.name, error=error
            )
            return
        for name, entry in entries.items():
            path = Path(name)
            self._found[path] = Found(path, Stamp(entry.size, entry.mtime_ns), entry.metadata, entry.framing)

    def _save_soon(self) -> None:
        self._dirty = True
        if self._timer is None and self._writing is None:
            self._timer = self._clock.callLater(SAVE_AFTER, self._due)

    def _due(self) -> None:
        self._timer = None
        self._write()

    def _write(self) -> Deferred[None]:
        self._dirty = False
        files = {
            str(found.path): _Entry(found.stamp.size, found.stamp.mtime_ns, found.metadata, found.framing)
            for found in self._found.values()
        }
        content = msgspec.json.encode(_File(VERSION, files))
        self._writing = writing = self._in_thread(lambda: write_atomically(self._file, content))
        return writing.addErrback(self._failed).addBoth(self._written)

    def _failed(self, failure: Failure) -> None:
        # The next change tries again; until then a restart asks some plugins anew, and that is all.
        self._log.warn(
            "what plugins said of themselves could not be saved: {error}",
            error=failure.getErrorMessage(),
        )

    def _written(self, _: object) -> None:
        self._writing = None
        if self._dirty:
            self._save_soon()
