"""The file with a line for each answered request, which no request waits for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.errors import StartError
from toru.store.logfiles import COMPLAIN_AFTER, LinesFile

InThread = Callable[[Callable[[], None]], Deferred[None]]

# Seconds that a line may wait for others, and bytes that wait for none.
WRITE_AFTER = 1.0
WRITE_BYTES = 256 * 1024
# Bytes that may wait for a disk that is slow or stuck.
MOST_BYTES = 8 * 2**20
# Bytes of one file: where somebody else rotates it, that comes first.
_FILE_BYTES = 100 * 2**20


class AccessLog:
    """Collects lines, and writes them in a thread. Where the disk fails they are lost, and one line a minute says so.

    A file that somebody renamed or removed is made anew at the next write; one of 100 MiB is rotated here.
    """

    _log = Logger()

    def __init__(self, path: Path, clock: IReactorTime, in_thread: InThread) -> None:
        self.clock = clock
        self._path = path
        self._in_thread = in_thread
        # One thread touches it at a time.
        self._file = LinesFile(path, max_bytes=_FILE_BYTES)
        self._lines: list[bytes] = []
        self._bytes = 0
        self._timer: IDelayedCall | None = None
        self._written: Deferred[None] = succeed(None)
        self._writing = self._closed = False
        self._lost = 0
        self._complain_at = 0.0

    def open(self) -> None:
        """Raises StartError where there can be no such file."""
        try:
            # A pipe may have nobody who reads it, and a device cannot be rotated.
            if self._path.exists() and not self._path.is_file():
                raise StartError(f"access_log: {self._path} is no file; set the path of one, or none")
            self._file.write([])
        except FileExistsError as error:
            raise StartError(f"access_log: {self._path.parent} is no folder; set another path") from error
        except OSError as error:
            raise StartError(
                f"access_log: {self._path} cannot be written to: {error.strerror}; set another path"
            ) from error

    def add(self, line: bytes) -> None:
        """Take a line, with its newline."""
        if self._bytes + len(line) > MOST_BYTES:
            self._lost += 1
            return
        self._bytes += len(line)
        self._lines.append(line)
        if self._writing or self._closed:
            return
        if self._bytes > WRITE_BYTES:
            self._write()
        elif self._timer is None:
            self._timer = self.clock.callLater(WRITE_AFTER, self._write)

    async def close(self) -> None:
        """Write what there is, and give back the file."""
        self._closed = True
        await self._written
        self._write()
        await self._written
        await self._in_thread(self._file.close)
        if self._lost:
            self._complain("it is closed now")

    def _write(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if not self._lines:
            return
        lines, self._lines, self._bytes = self._lines, [], 0
        self._writing = True
        # In one piece: where it fails, nothing of it is there.
        self._written = self._in_thread(lambda: self._file.write([b"".join(lines)]))
        self._written.addErrback(self._failed, len(lines))
        self._written.addCallback(self._go_on)

    def _go_on(self, _: None) -> None:
        self._writing = False
        if self._lost and self.clock.seconds() >= self._complain_at:
            self._complain("it is written more slowly than it grows")
        if self._lines and not self._closed:
            self._timer = self.clock.callLater(WRITE_AFTER, self._write)

    def _failed(self, failure: Failure, count: int) -> None:
        self._lost += count
        if self.clock.seconds() >= self._complain_at:
            self._complain(failure.getErrorMessage())

    def _complain(self, why: str) -> None:
        self._complain_at = self.clock.seconds() + COMPLAIN_AFTER
        self._log.warn("{lost} lines of the access log are lost: {why}", lost=self._lost, why=why)
        self._lost = 0
