"""Turns what a plugin writes to standard output and standard error into log records."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.model import LogRecord, LogStream
from toru.wire.messages import LogLevel, nests_deeply, rfc3339

Stream = Literal["stdout", "stderr"]

# Bytes of one line after which it becomes several records.
MOST_LINE = 64 * 1024
# Lines that become records in one turn of the reactor, and rows in one transaction: few, because all others wait that long.
SLICE = 50
# How much of the last line on standard error is kept for the report of a crash.
LAST_ERROR_BYTES = 500

_DEFAULT_LEVEL: dict[LogStream, LogLevel] = {"stdout": "info", "stderr": "warn", "file": "info"}
_LEVELS: dict[str, LogLevel] = {
    "trace": "trace",
    "debug": "debug",
    "info": "info",
    "information": "info",
    "notice": "info",
    "warn": "warn",
    "warning": "warn",
    "error": "error",
    "err": "error",
    "critical": "error",
    "crit": "error",
    "alert": "error",
    "emergency": "error",
    "emerg": "error",
    "fatal": "error",
    "panic": "error",
}


class LogSink(Protocol):
    """Where log records go."""

    def write(self, records: Sequence[LogRecord]) -> Deferred[None]:
        """Takes records of one plugin. Fires when they are safe; until then the plugin's pipes are paused."""


class Line(NamedTuple):
    """A line without its end. `part` counts from 1 where a line was too long to be one record."""

    content: bytes
    part: int | None = None


class Lines:
    """Splits what comes from one pipe into lines, the same however it was cut into chunks.

    Keeps at most one part of a line, 64 KiB.
    """

    def __init__(self) -> None:
        self._partial = bytearray()
        self._parts = 0

    @property
    def partial(self) -> bytes:
        """The start of a line that has not ended yet, or of the last part of it."""
        return bytes(self._partial)

    def feed(self, data: bytes) -> list[Line]:
        """The lines, and parts of lines, that end in this chunk."""
        lines: list[Line] = []
        *ended, rest = data.split(b"\n")
        for content in ended:
            if not self._partial and not self._parts and len(content) <= MOST_LINE:
                lines.append(Line(content.removesuffix(b"\r")))
            else:
                self._partial += content
                self._cut(lines)
                lines.append(self._last())
        self._partial += rest
        self._cut(lines)
        return lines

    def finish(self) -> list[Line]:
        """What is left when the pipe is closed: a last line that nothing ended."""
        last = self._last()
        return [last] if last.content else []

    def _cut(self, lines: list[Line]) -> None:
        while len(self._partial) > MOST_LINE:
            end = MOST_LINE
            # A character of UTF-8 has at most three bytes after its first.
            while end > MOST_LINE - 3 and self._partial[end] & 0xC0 == 0x80:
                end -= 1
            self._parts += 1
            lines.append(Line(bytes(self._partial[:end]), self._parts))
            del self._partial[:end]

    def _last(self) -> Line:
        line = Line(bytes(self._partial).removesuffix(b"\r"), self._parts + 1 if self._parts else None)
        self._partial.clear()
        self._parts = 0
        return line


def record(line: Line, stream: LogStream, plugin: str, pid: int | None, timestamp: str) -> LogRecord:
    """The log record of a line.

    Of a JSON object `level` and `message` (or `msg`) are taken where they are text, and the rest is kept
    as fields, a time of its own too. Bytes that are no UTF-8, and NUL, which not every database
    holds, are shown as escapes.
    """
    level, message = _DEFAULT_LEVEL[stream], None
    fields = _json_object(line)
    if fields is not None:
        theirs = fields.get("level")
        if isinstance(theirs, str) and theirs.lower() in _LEVELS:
            level = _LEVELS[theirs.lower()]
            del fields["level"]
        for name in ("message", "msg"):
            if isinstance(fields.get(name), str):
                message = _without_nul(fields.pop(name))
                break
    elif line.part is not None:
        fields = {"part": line.part}
    if message is None:
        message = _text(line.content)
    return LogRecord(timestamp, plugin, level, message, stream, fields or None, pid)


def _json_object(line: Line) -> dict[str, Any] | None:
    content = line.content
    # Most lines are no JSON, and trying costs far more than looking at two bytes.
    if line.part is not None or not (content.startswith(b"{") and content.endswith(b"}")):
        return None
    if nests_deeply(content):
        return None
    try:
        decoded = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) else None


def _text(content: bytes) -> str:
    return _without_nul(content.decode("utf-8", "backslashreplace"))


def _without_nul(text: str) -> str:
    return text.replace("\0", "\\x00")


class Output:
    """What one process writes, on its way to the sink: nothing is dropped, and little is kept.

    The pipes stay paused while a chunk is on its way, so that a plugin that floods waits for the disk,
    and everybody else has a turn between two slices of it.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        plugin_id: str,
        pid: int,
        sink: LogSink,
        pause: Callable[[], None],
        resume: Callable[[], None],
    ) -> None:
        """`pause` and `resume` stop both pipes of the process and let them go on."""
        self._clock = clock
        self._plugin_id = plugin_id
        self._pid = pid
        self._sink = sink
        self._pause = pause
        self._resume = resume
        self._lines: dict[Stream, Lines] = {"stdout": Lines(), "stderr": Lines()}
        self._last_error = b""
        self._pending: deque[tuple[Line, Stream, str]] = deque()
        self._busy = False
        self._paused = False
        self._finished = False
        self._waiting: set[Deferred[None]] = set()

    def received(self, stream: Stream, data: bytes) -> None:
        """Take a chunk from one of the pipes."""
        self._take(stream, self._lines[stream].feed(data))

    def finish(self) -> Deferred[None]:
        """Both pipes are closed. Fires when all that came from them is safe; `resume` is not called again."""
        self._finished = True
        for stream, lines in self._lines.items():
            self._take(stream, lines.finish())
        if not self._busy:
            return succeed(None)
        waiter: Deferred[None] = Deferred(self._waiting.discard)
        self._waiting.add(waiter)
        return waiter

    @property
    def last_error(self) -> str:
        """The last line on standard error that says something, ended or not; shortened; empty where there was none."""
        partial = self._lines["stderr"].partial[:LAST_ERROR_BYTES]
        return _text(partial if partial.strip() else self._last_error)

    def _take(self, stream: Stream, lines: Sequence[Line]) -> None:
        if not lines:
            return
        if stream == "stderr":
            said = (line.content for line in reversed(lines) if line.content.strip())
            self._last_error = next(said, self._last_error)[:LAST_ERROR_BYTES]
        timestamp = rfc3339(self._clock.seconds())
        self._pending.extend((line, stream, timestamp) for line in lines)
        if not self._busy:
            self._busy = True
            self._write_slice()

    def _write_slice(self) -> None:
        count = min(SLICE, len(self._pending))
        records = []
        for _ in range(count):
            line, stream, timestamp = self._pending.popleft()
            records.append(record(line, stream, self._plugin_id, self._pid, timestamp))
        writing = maybeDeferred(self._sink.write, records)
        writing.addErrback(self._failed, count)
        writing.addCallback(self._written)
        if self._busy and not self._paused and not self._finished:
            self._paused = True
            self._pause()

    def _failed(self, failure: Failure, count: int) -> None:
        self._log.failure(
            "{count} log records of {plugin} are lost", failure, count=count, plugin=self._plugin_id
        )

    def _written(self, _: None) -> None:
        if self._pending:
            self._clock.callLater(0, self._write_slice)
            return
        self._busy = False
        if self._paused and not self._finished:
            self._paused = False
            self._resume()
        while self._waiting:
            self._waiting.pop().callback(None)
