"""The plugins' logs: takes records, keeps them within limits, finds them again, and follows them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.config import LogLimits
from toru.errors import BadRequest, StorageFull, StorageUnavailable, ToruError
from toru.model import LogLevel, LogPage, LogRecord, StoredLog
from toru.store import logtable
from toru.store.database import Database
from toru.store.livefeed import LiveFeed, Stream, start_stream
from toru.store.logtable import Kept, LogFilter
from toru.wire.messages import rfc3339

T = TypeVar("T")

# Records of one transaction, where that many wait.
MOST_AT_ONCE = 2000
# Old records of one plugin that are removed in one transaction, beside as many as it writes there.
PRUNE_STEP = 500
# Seconds between two looks for records that have become too old.
SWEEP_SECONDS = 60.0
# How often, and after how many seconds each, records are tried again that the database did not take.
TRY_AGAIN = (0.1, 0.3, 1.0, 3.0)
# Seconds between two log lines about records that are lost.
COMPLAIN_AFTER = 60.0
# Characters that may be searched for.
MOST_SEARCHED = 1000
_DAY = 86400.0


class Sink(Protocol):
    """Where a copy of the records goes. It fails for nobody."""

    def write(self, records: Sequence[LogRecord]) -> Deferred[None]: ...


class _Batch(NamedTuple):
    records: Sequence[LogRecord]
    safe: Deferred[None]


class Logs:
    """Every record that it is given is in the database, in the order in which it was given, or said to be lost.

    Whoever writes waits for the commit, which is the back pressure: nothing is dropped while the database is
    slow, and no more is kept here than what they wrote without waiting.
    """

    _log = Logger()

    def __init__(
        self, database: Database, clock: IReactorTime, limits: LogLimits, copy: Sink, feed: LiveFeed
    ) -> None:
        """`copy` also gets all records, whatever becomes of the database."""
        self._database = database
        self._clock = clock
        self._limits = limits
        self._copy = copy
        self._feed = feed
        self.lines_written = 0
        # By plugin.
        self.levels_written: dict[str, Counter[LogLevel]] = {}
        self.lines_lost = 0
        self._unsaid = 0
        self._complain_at = 0.0
        self._waiting: deque[_Batch] = deque()
        self._to_sweep: deque[str] = deque()
        self._busy = False
        self._broken = False
        self._until_idle: list[Deferred[None]] = []
        # As of the last commit. The database's thread reads it, and meanwhile nobody changes it.
        self._kept: dict[str, Kept] = {}
        self._timer: IDelayedCall | None = None
        self._ending = False
        self._closed = False

    def start(self) -> None:
        """Remove what is over the limits or too old, now and once a minute."""
        self._timer = self._clock.callLater(0, self._sweep)

    def end_soon(self) -> None:
        """From now on whatever follows records that the database did not take is lost without a try.

        Each try may take seconds, and plugins that end have thousands of lines to be tried by the dozen.
        """
        self._ending = True

    def close(self) -> Deferred[None]:
        """Fires when all that was given is written or lost. The database must still be open."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._to_sweep.clear()
        if not self._busy:
            return succeed(None)
        waiter: Deferred[None] = Deferred()
        self._until_idle.append(waiter)
        return waiter

    # -- writing: toru.supervise.output.LogSink

    def write(self, records: Sequence[LogRecord]) -> Deferred[None]:
        """Takes records of one plugin. Fires when they are committed and copied, or lost; never with a failure."""
        if not records:
            return succeed(None)
        if records[0].stream == "link":
            records = [part for record in records for part in logtable.cut(record)]
        batch = _Batch(records, Deferred())
        self._waiting.append(batch)
        self._go_on()
        return gatherResults([batch.safe, self._copy.write(records)]).addCallback(lambda _: None)

    def _go_on(self) -> None:
        if not self._busy and (self._waiting or self._to_sweep):
            self._busy = True
            Deferred.fromCoroutine(self._write_all()).addErrback(self._unexpected)

    async def _write_all(self) -> None:
        # One transaction after the other: what was given first is there first, also where it has to be tried
        # again, and what is known of the limits is never older than the last commit.
        while self._waiting or self._to_sweep:
            await self._write_some()
        self._busy = False
        idle, self._until_idle = self._until_idle, []
        for waiter in idle:
            waiter.callback(None)

    async def _write_some(self) -> None:
        batches = self._take()
        records = [record for batch in batches for record in batch.records]
        sweep = self._to_sweep.popleft() if self._to_sweep else None
        try:
            kept, more = await self._patiently(partial(self._work, records=records, sweep=sweep), records)
        except ToruError as error:
            self._lose(len(records), error.detail)
        except Exception as error:  # noqa: BLE001  whatever it is, the plugins must not wait for ever
            self._unexpected(Failure())
            self._lose(len(records), type(error).__name__)
        else:
            self._kept.update(kept)
            self.lines_written += len(records)
            for batch in batches:
                levels = self.levels_written.setdefault(batch.records[0].plugin, Counter())
                levels.update(record.level for record in batch.records)
            if sweep is not None and more and not self._closed:
                self._to_sweep.append(sweep)
            for plugin in {batch.records[0].plugin for batch in batches}:
                self._feed.committed(topic(plugin))
        for batch in batches:
            batch.safe.callback(None)

    def _take(self) -> list[_Batch]:
        batches: list[_Batch] = []
        room = MOST_AT_ONCE
        while self._waiting and (not batches or len(self._waiting[0].records) <= room):
            batches.append(self._waiting.popleft())
            room -= len(batches[-1].records)
        return batches

    async def _patiently(self, work: Callable[[Connection], T], records: Sequence[LogRecord]) -> T:
        if self._ending and self._broken and records:
            raise StorageUnavailable("the database did not take those before them, and toru is stopping")
        # Plugins wait for a database that is out of order, but not at each line anew.
        for seconds in TRY_AGAIN if records and not self._broken else ():
            try:
                return await self._database.write(work)
            except (StorageUnavailable, StorageFull):
                if self._closed:
                    break
                await deferLater(self._clock, seconds)
        self._broken = bool(records) or self._broken
        result = await self._database.write(work)
        self._broken = False
        return result

    def _work(
        self, connection: Connection, *, records: Sequence[LogRecord], sweep: str | None
    ) -> tuple[dict[str, Kept], bool]:
        """In the database's thread: append, and remove in turn. What is then kept, and whether to sweep on."""
        rows = [logtable.row(record) for record in records]
        by_plugin: dict[str, list[dict[str, Any]]] = {} if sweep is None else {sweep: []}
        for row in rows:
            by_plugin.setdefault(row["plugin"], []).append(row)
        kept = {name: self._kept.get(name) or logtable.kept(connection, name) for name in by_plugin}
        if rows:
            logtable.write(connection, rows)
        oldest = rfc3339(self._clock.seconds() - self._limits.max_age_days * _DAY)
        more = False
        for name, theirs in by_plugin.items():
            size = sum(row["size"] for row in theirs)
            now = kept[name].changed(1, (row["severity"] for row in theirs), size)
            if name == sweep or now.records > self._limits.max_records or now.size > self._limits.max_bytes:
                # More than it wrote, so that one that never pauses gets below its limits as well.
                most = PRUNE_STEP + len(theirs)
                kept[name] = logtable.prune(connection, name, now, self._limits, oldest, most)
                more = more or (name == sweep and now.records - kept[name].records == most)
            else:
                kept[name] = now
        return kept, more

    def _lose(self, count: int, why: str) -> None:
        self.lines_lost += count
        self._unsaid += count
        now = self._clock.seconds()
        if self._unsaid and now >= self._complain_at:
            self._complain_at = now + COMPLAIN_AFTER
            self._log.error("{lost} log records are lost: {why}", lost=self._unsaid, why=why)
            self._unsaid = 0

    def _unexpected(self, failure: Failure) -> None:
        self._log.failure("log records could not be kept", failure)

    # -- old records

    def _sweep(self) -> None:
        self._timer = self._clock.callLater(SWEEP_SECONDS, self._sweep)
        # Where it cannot be read now, there is a next time.
        self._database.read(_plugins).addCallbacks(self._sweep_these, lambda _: None)

    def _sweep_these(self, plugins: Sequence[str]) -> None:
        if not self._closed:
            self._to_sweep = deque(plugins)
            self._go_on()

    # -- finding

    def page(
        self,
        plugin: str,
        wanted: LogFilter,
        *,
        page: int = 0,
        page_size: int = 100,
        before: int | None = None,
    ) -> Deferred[LogPage]:
        """The records that match, newest first: that page of them, or with `before` the first of smaller ids.

        There is no `total` where a text is looked for. Fails with BadRequest where that is too long, and with
        StorageUnavailable.
        """
        _check(wanted)
        offset = 0 if before is not None else page * page_size
        found = logtable.page(plugin, wanted, before=before, offset=offset, limit=page_size)

        # Counting takes longer than finding a page, and is not needed where only the level matters.
        kept = self._kept.get(plugin)
        known = None if kept is None else logtable.known_count(kept, wanted)

        def work(connection: Connection) -> LogPage:
            logs = logtable.shown(connection.execute(found))
            if wanted.text:
                total = None
            elif known is not None:
                total = known
            else:
                total = connection.scalar(logtable.count(plugin, wanted))
            return LogPage(logs, page, page_size, total)

        return self._database.read(work)

    def part(
        self, plugin: str, wanted: LogFilter, *, before: int | None, limit: int
    ) -> Deferred[tuple[StoredLog, ...]]:
        """The next records of a download of all that match: as `page` with `before`, but nothing is counted."""
        _check(wanted)
        found = logtable.page(plugin, wanted, before=before, offset=0, limit=limit)
        return self._database.read(lambda connection: logtable.shown(connection.execute(found)))

    def follow(self, plugin: str, after: int | None = None) -> Deferred[Stream[StoredLog]]:
        """A stream, to be closed, of what comes after that id; None: of what comes from now on."""
        listener = self._feed.listen(topic(plugin))

        def read(after: int, limit: int) -> Deferred[Sequence[StoredLog]]:
            found = logtable.following(plugin, after, limit)
            return self._database.read(lambda connection: logtable.shown(connection.execute(found)))

        return start_stream(self._database, listener, read, logtable.newest_id(), after)


def topic(plugin: str) -> str:
    """What the feed calls the log of a plugin."""
    return f"logs/{plugin}"


def _check(wanted: LogFilter) -> None:
    if wanted.text is not None and len(wanted.text) > MOST_SEARCHED:
        raise BadRequest(f"`q` may have {MOST_SEARCHED} characters and has {len(wanted.text)}")


def _plugins(connection: Connection) -> Sequence[str]:
    """The ids of all plugins that have records, known now or not."""
    plugins: list[str] = []
    while (name := connection.scalar(logtable.next_plugin(plugins[-1] if plugins else ""))) is not None:
        plugins.append(name)
    return plugins
