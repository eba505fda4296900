"""Appends log records to JSON-lines files that are rotated by size, for whatever watches log folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from toru.model import LogRecord

MOST_OPEN = 64
# Seconds between two log lines about records that could not be written.
COMPLAIN_AFTER = 60.0


class LinesFile:
    """One file, and its predecessors `x.log.1` (the latest) to `x.log.<keep>`. Blocks: for a thread.

    `logging.handlers.RotatingFileHandler` formats, locks and flushes for each record, hides failures
    of the disk from its caller, and leaves the mode of its files to the umask; here a batch is one write.
    """

    def __init__(self, path: Path, *, max_bytes: int = 10 * 2**20, keep: int = 5) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._descriptor: int | None = None
        self._size = 0

    def write(self, lines: Sequence[bytes]) -> None:
        """Append lines, each with its newline. OSError where that failed: then the last of them are not there."""
        self._open()
        batch: list[bytes] = []
        waiting = 0
        for line in lines:
            if self._size + waiting and self._size + waiting + len(line) > self._max_bytes:
                self._append(b"".join(batch))
                self._rotate()
                batch, waiting = [], 0
            batch.append(line)
            waiting += len(line)
        self._append(b"".join(batch))

    def close(self) -> None:
        """Give back the file descriptor. The next write opens the file again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> None:
        if self._descriptor is not None:
            if self._still_there():
                return
            self.close()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._descriptor).st_size
        if self._size and os.pread(self._descriptor, 1, self._size - 1) != b"\n":
            # A core that was killed left half a line, which must not spoil the next one.
            self._append(b"\n")

    def _still_there(self) -> bool:
        # Somebody may have removed the file to make room; what goes on into it would be lost.
        assert self._descriptor is not None
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def _append(self, data: bytes) -> None:
        assert self._descriptor is not None
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            # A full disk takes a part; half a line would spoil the next one.
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(data)

    def _rotate(self) -> None:
        self.close()
        for number in range(self._keep - 1, 0, -1):
            with suppress(FileNotFoundError):
                os.replace(self._numbered(number), self._numbered(number + 1))
        os.replace(self._path, self._numbered(1))
        self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


class LogFiles:
    """All log files of one folder. Where the disk fails, records are lost, and one line a minute says how many.

    Nothing waits for a broken disk, because the files are a copy for others: a plugin goes on without.
    """

    _log = Logger()

    def __init__(
        self, reactor: IReactorFromThreads, clock: IReactorTime, folder: Path, pool: ThreadPool
    ) -> None:
        """`pool` has one thread, so that batches are written in the order in which they came."""
        self._reactor = reactor
        self._clock = clock
        self._folder = folder
        self._pool = pool
        # Only that thread touches it. The files used last are at the end.
        self._files: dict[str, LinesFile] = {}
        self._pending: dict[str, list[Struct]] = {}
        self._waiting: list[Deferred[None]] = []
        self._writing = False
        self._lost = 0
        self._complain_at = 0.0

    def write(self, records: Sequence[LogRecord]) -> Deferred[None]:
        """Append records of one plugin to `plugins/<id>.log`. Fires once they are in the file, or lost."""
        return self.append(f"plugins/{records[0].plugin}", records) if records else succeed(None)

    def append(self, name: str, values: Sequence[Struct]) -> Deferred[None]:
        """Append values as JSON lines to `<name>.log`. Fires once they are in the file, or lost."""
        self._pending.setdefault(name, []).extend(values)
        return self._all_written()

    def close(self) -> Deferred[None]:
        """Close all files, after what was handed over is written. The pool must still be running."""
        closing = self._all_written()
        closing.addCallback(lambda _: deferToThreadPool(self._reactor, self._pool, self._close))
        return closing.addCallback(self._closed)

    def _all_written(self) -> Deferred[None]:
        """Fires once everything that was handed over by now is in its file, or lost."""
        waiter: Deferred[None] = Deferred()
        self._waiting.append(waiter)
        if not self._writing:
            self._write_pending()
        return waiter

    def _write_pending(self) -> None:
        """One job for the thread at a time, with all that came while it did the one before."""
        self._writing = True
        pending, self._pending = self._pending, {}
        waiting, self._waiting = self._waiting, []
        writing = deferToThreadPool(self._reactor, self._pool, self._write_all, pending)
        writing.addErrback(lambda failure: [(sum(map(len, pending.values())), failure.getErrorMessage())])
        writing.addCallback(self._written, waiting)

    def _write_all(self, pending: dict[str, list[Struct]]) -> list[tuple[int, str]]:
        """Returns how many were lost and why: a file that fails is no reason not to write the others."""
        lost = []
        for name, values in pending.items():
            try:
                self._write(name, values)
            # What cannot be encoded is as lost as what the disk does not take.
            except (OSError, ValueError, TypeError, RecursionError, msgspec.MsgspecError) as error:
                lost.append((len(values), str(error) or type(error).__name__))
        return lost

    def _written(self, lost: list[tuple[int, str]], waiting: list[Deferred[None]]) -> None:
        self._writing = False
        for count, why in lost:
            self._failed(count, why)
        if self._waiting:
            self._write_pending()
        for waiter in waiting:
            waiter.callback(None)

    def _write(self, name: str, values: Sequence[Struct]) -> None:
        file = self._files.pop(name, None) or LinesFile(self._folder / f"{name}.log")
        self._files[name] = file
        if len(self._files) > MOST_OPEN:
            self._files.pop(next(iter(self._files))).close()
        file.write([msgspec.json.encode(value) + b"\n" for value in values])

    def _close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _failed(self, count: int, why: str) -> None:
        self._lost += count
        now = self._clock.seconds()
        if now >= self._complain_at:
            self._complain_at = now + COMPLAIN_AFTER
            self._complain(why)

    def _closed(self, _: None) -> None:
        if self._lost:
            self._complain("the log files are closed now")

    def _complain(self, why: str) -> None:
        self._log.error("up to {lost} log records could not be written: {why}", lost=self._lost, why=why)
        self._lost = 0
