"""Reads the lines that a plugin appends to its own log file, and keeps that file small."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.supervise.output import SLICE, Line, Lines, LogSink, record
from toru.wire.messages import rfc3339

T = TypeVar("T")

# Seconds between two looks at the file.
POLL_SECONDS = 0.5
# Bytes that are read at once.
CHUNK = 64 * 1024
# Bytes that were read after which they are cut off.
TRUNCATE_AFTER = 10 * 2**20

# From <linux/falloc.h>. Python has no call for it.
_COLLAPSE_RANGE = 0x08


class InThread(Protocol):
    """Runs a function that blocks: `twisted.internet.threads.deferToThread`."""

    def __call__(self, work: Callable[[], T], /) -> Deferred[T]: ...


class Place(Struct, frozen=True):
    """How far a file was read and recorded. It stands beside the file, for the next core."""

    inode: int
    offset: int


# No file has this number.
_NOWHERE = Place(0, 0)


class Chunk(NamedTuple):
    """What was read; `fresh` where it is the beginning of a file that is another than before."""

    data: bytes
    fresh: bool


class LogFile:
    """The file itself, which may be missing, be replaced, or be cut by others. Blocks: for a thread, one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._note = path.with_name(f"{path.name}.read")
        self._descriptor: int | None = None
        self._inode = 0
        self._offset = 0
        self._noted: Place | None = None

    def read(self, unfinished: int) -> Chunk:
        """What comes next, empty where there is nothing yet.

        All that was read before is recorded by now, but for its last `unfinished` bytes. Raises OSError.
        """
        fresh = False
        if self._descriptor is None:
            if not self._open():
                return Chunk(b"", False)
            fresh = True
        else:
            self._recorded(self._offset - unfinished)
        assert self._descriptor is not None
        size = os.fstat(self._descriptor).st_size
        if size < self._offset:  # somebody else cut it
            self._offset, fresh = 0, True
        data = self._next(self._descriptor)
        if not data and self._replaced():
            self.close()
            # Its number is free now, and may be that of the next file.
            self._write_note(_NOWHERE)
            return self.read(0)._replace(fresh=True)
        return Chunk(data, fresh)

    def finish(self) -> None:
        """All that was read is recorded, the last line too. Raises OSError."""
        if self._descriptor is not None:
            self._recorded(self._offset)

    def close(self) -> None:
        """Give back the descriptor. The next read opens the file again where it was left."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> bool:
        # No link to somewhere else, and no pipe, which would block.
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self._path, flags)
        except FileNotFoundError:
            return False
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise OSError(f"{self._path.name} is no file")
        self._descriptor, self._inode = descriptor, found.st_ino
        noted = self._noted or self._read_note()
        known = noted is not None and noted.inode == found.st_ino and noted.offset <= found.st_size
        self._offset = noted.offset if noted is not None and known else 0
        return True

    def _next(self, descriptor: int) -> bytes:
        try:
            # Who does not append writes on at the old place after a cut, and leaves a hole before that.
            self._offset = os.lseek(descriptor, self._offset, os.SEEK_DATA)
        except OSError:
            return b""
        data = os.pread(descriptor, CHUNK, self._offset)
        self._offset += len(data)
        return data

    def _replaced(self) -> bool:
        try:
            return os.lstat(self._path).st_ino != self._inode
        except FileNotFoundError:
            return True

    def _recorded(self, offset: int) -> None:
        if offset > TRUNCATE_AFTER:
            offset -= self._cut(offset)
        place = Place(self._inode, offset)
        if place != self._noted:
            self._write_note(place)

    def _cut(self, offset: int) -> int:
        """Cut off what is before that offset, and give how many bytes of it are gone."""
        assert self._descriptor is not None
        block = os.fstat(self._descriptor).st_blksize
        # At least a byte must stay, and whole blocks can go.
        whole = (min(offset, os.fstat(self._descriptor).st_size - 1) // block) * block
        # Taking them out of the front loses nothing, whoever writes at that moment.
        if _collapse(self._descriptor, whole):
            self._offset -= whole
            return whole
        # Where the file system cannot do that, there is an instant in which a line would be lost.
        if os.fstat(self._descriptor).st_size == offset == self._offset:
            os.ftruncate(self._descriptor, 0)
            self._offset = 0
            return offset
        return 0

    def _read_note(self) -> Place | None:
        try:
            return msgspec.json.decode(self._note.read_bytes(), type=Place)
        except (OSError, msgspec.MsgspecError):
            return None

    def _write_note(self, place: Place) -> None:
        # Of one length, so that it is replaced as a whole where the core is killed.
        data = msgspec.json.encode(place).ljust(64) + b"\n"
        descriptor = os.open(self._note, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)
        self._noted = place


def _collapse(descriptor: int, length: int) -> bool:
    """Take that many bytes out of the front of a file; False where the system cannot."""
    try:
        fallocate = ctypes.CDLL(None, use_errno=True).fallocate
    except (OSError, AttributeError):
        return False
    done: int = fallocate(descriptor, _COLLAPSE_RANGE, ctypes.c_int64(0), ctypes.c_int64(length))
    return done == 0


class LogTail:
    """Follows the file of one plugin, through all its processes: every line that ended once, and in order.

    Where the core was killed, the lines of the last chunk may come twice. The plugin never waits.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        in_thread: InThread,
        path: Path,
        plugin_id: str,
        sink: LogSink,
        pid: Callable[[], int | None],
    ) -> None:
        """`pid` is what records say of the process, as far as that is known."""
        self._clock = clock
        self._in_thread = in_thread
        self._path = path
        self._plugin_id = plugin_id
        self._sink = sink
        self._pid = pid
        self._file = LogFile(path)
        self._lines = Lines()
        self._seen: tuple[int, int] | None = None
        self._timer: IDelayedCall | None = None
        self._last: Deferred[None] = succeed(None)
        self._stopped = True
        self._complained = False

    def start(self) -> None:
        """Read what there is, and from now on what comes."""
        self._stopped = False
        self._look()

    def flush(self) -> Deferred[None]:
        """Whoever wrote is gone: read the rest, a last line without its end too. Fires when that is safe."""
        return self._next(self._flush)

    def stop(self) -> Deferred[None]:
        """The same, and look no more. Leaves no timer and no file descriptor."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return self._next(self._flush).addCallback(lambda _: self._next(self._close))

    def _next(self, work: Callable[[], Coroutine[Deferred[Any], Any, None]]) -> Deferred[None]:
        """Do that once all before it is done, as nothing else touches the file meanwhile. Never fails."""
        done: Deferred[None] = Deferred()
        self._last.addCallback(lambda _: Deferred.fromCoroutine(work()))
        self._last.addErrback(self._failed)
        self._last.addCallback(lambda _: done.callback(None))
        return done

    def _look(self) -> None:
        self._timer = None
        try:
            found = os.lstat(self._path)
            seen = (found.st_ino, found.st_size)
        except OSError:
            seen = None
        if seen == self._seen:
            self._look_later(None)
            return
        self._seen = seen
        self._next(self._read).addCallback(self._look_later)

    def _look_later(self, _: None) -> None:
        if not self._stopped:
            self._timer = self._clock.callLater(POLL_SECONDS, self._look)

    async def _read(self) -> None:
        while True:
            chunk = await self._in_thread(partial(self._file.read, len(self._lines.partial)))
            if chunk.fresh:
                await self._record(self._lines.finish())
            if not chunk.data:
                return
            await self._record(self._lines.feed(chunk.data))

    async def _flush(self) -> None:
        await self._read()
        await self._record(self._lines.finish())
        await self._in_thread(self._file.finish)

    async def _close(self) -> None:
        self._seen = None
        await self._in_thread(self._file.close)

    async def _record(self, lines: list[Line]) -> None:
        for start in range(0, len(lines), SLICE):
            timestamp, pid = rfc3339(self._clock.seconds()), self._pid()
            slice_ = lines[start : start + SLICE]
            records = [record(_visible(line), "file", self._plugin_id, pid, timestamp) for line in slice_]
            await self._sink.write(records)
            # Everybody else has a turn between two slices.
            await deferLater(self._clock, 0)

    def _failed(self, failure: Failure) -> None:
        # Begun anew at the next change, behind what is known to be recorded.
        self._lines = Lines()
        self._file.close()
        if not self._complained:
            self._complained = True
            self._log.warn(
                "{plugin}: the lines that it appends to its log file cannot be read: {why}",
                plugin=self._plugin_id,
                why=failure.getErrorMessage(),
            )


def _visible(line: Line) -> Line:
    """Without the NULs that a hole leaves before it."""
    return line._replace(content=line.content.lstrip(b"\0"))
