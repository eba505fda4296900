"""The database behind plain methods: one writer that commits everything waiting at once, readers beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.histogram import Histogram
from toru.store import migrations, sqlite
from toru.store.lanes import MOST_WAITING, Lane

T = TypeVar("T")
Work = Callable[[Connection], T]

# Seconds between two log lines about a database that fails.
COMPLAIN_AFTER = 60.0


class Figures(Histogram):
    """How long each took since the database was opened, and how many failed."""

    __slots__ = ("failed",)

    def __init__(self) -> None:
        super().__init__()
        self.failed = 0


class _Broken(Exception):
    """A call failed so that the whole transaction is undone; the cause says why."""


class Database:
    """Calls are functions of a Connection that run in a thread; their Deferreds fire on the reactor thread.

    A Deferred that is cancelled before its call began takes the call with it; later it only ends the
    waiting. Where the database fails, the failure is a StorageUnavailable or a StorageFull; what a
    call itself raises reaches its caller unchanged.
    """

    _log = Logger()

    def __init__(self, url: str, reactor: Any, *, readers: int = 4) -> None:
        """`url` is `sqlite:////absolute/path`. `reactor` has a clock and takes calls from threads.

        Raises StartError for another kind of URL.
        """
        # Any: Twisted has no one interface for a reactor that can do both.
        self._clock: IReactorTime = reactor
        self._path = sqlite.path_of(url)
        self._readers = readers
        self._write_lane: Lane[Work[Any]] = Lane(
            reactor, "toru-writer", self._write_all, threads=1, together=MOST_WAITING
        )
        self._read_lane: Lane[Work[Any]] = Lane(
            reactor, "toru-reader", self._read_all, threads=readers, together=1
        )
        self._lock: int | None = None
        self._writer: Engine
        # Its one connection, kept: to get it from the pool each time costs more than a small transaction.
        self._writing: Connection
        self._reader: Engine
        self._complain_at = 0.0
        # For metrics: calls from the call to its answer, and the writer's transactions by themselves. Of the
        # calls, those count as failed that the database could not carry out.
        self.writes = Figures()
        self.reads = Figures()
        self.transactions = Figures()

    @property
    def waiting(self) -> int:
        """Calls that wait for a thread now."""
        return len(self._write_lane) + len(self._read_lane)

    def open(self) -> None:
        """Blocks: makes or migrates the database. Raises StartError, and then nothing in it was changed."""
        self._lock = sqlite.lock(self._path)
        try:
            current = sqlite.is_current(self._path)
            self._writer = sqlite.writer(self._path)
            try:
                with sqlite.preparing(self._path), self._writer.begin() as connection:
                    if current:
                        sqlite.prove_writable(connection)
                    else:
                        migrations.upgrade(connection)
                with sqlite.preparing(self._path):
                    self._writing = self._writer.connect()
            except BaseException:
                self._writer.dispose()
                raise
        except BaseException:
            self._unlock()
            raise
        self._reader = sqlite.reader(self._path, self._readers)
        self._write_lane.start()
        self._read_lane.start()

    def at_start(self, work: Work[T]) -> T:
        """Blocks: run `work` in a transaction of its own, once it is open and before it is asked for anything else.

        Raises StartError where the database fails, and what `work` raises.
        """
        with sqlite.preparing(self._path), self._writing.begin():
            return work(self._writing)

    def give_up(self) -> None:
        """Blocks: as `close`, for a start that fails before the database was asked for anything else."""
        for lane in (self._read_lane, self._write_lane):
            lane.give_up()
        self._reader.dispose()
        self._end_writing()
        self._unlock()

    def write(self, work: Work[T]) -> Deferred[T]:
        """Run `work` in a transaction together with all that waits; fires when it is on disk.

        What it wrote is undone where it raises, and the rest goes on. It may not commit or roll back itself.
        """
        return self._answered(self._write_lane.put(work), self.writes)

    def read(self, work: Work[T]) -> Deferred[T]:
        """Run `work`, which can change nothing, on one state of the database. It returns plain values, no cursor."""
        return self._answered(self._read_lane.put(work), self.reads)

    def close(self) -> Deferred[None]:
        """Fires once all that waits is written and the files are left alone; calls are refused from now on."""
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        self._write_lane.refuse()
        # The last connection to leave is the one that can bring the WAL into the file.
        await self._read_lane.close(lambda: self._reader.dispose())
        await self._write_lane.close(self._end_writing)
        self._unlock()

    def _end_writing(self) -> None:
        self._writing.close()
        self._writer.dispose()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # -- on the reactor thread

    def _answered(self, answer: Deferred[T], figures: Figures) -> Deferred[T]:
        begun = self._clock.seconds()

        def done(result: T | Failure) -> T | Failure:
            figures.observe(self._clock.seconds() - begun)
            if isinstance(result, Failure) and isinstance(error := result.value, SQLAlchemyError):
                figures.failed += 1
                self._complain(error)
                return Failure(sqlite.told(error))
            return result

        return answer.addBoth(done)

    def _complain(self, error: SQLAlchemyError) -> None:
        if self._clock.seconds() < self._complain_at:
            return
        self._complain_at = self._clock.seconds() + COMPLAIN_AFTER
        self._log.error(
            "the database failed: {reason}. It is tried again with each call; "
            "further failures within {seconds:g} s are not told",
            reason=sqlite.reason(error),
            seconds=COMPLAIN_AFTER,
        )

    # -- in the threads

    def _write_all(self, works: Sequence[Work[Any]]) -> list[object]:
        begun = perf_counter()
        outcomes: list[object] = []
        try:
            if self._writing.closed:
                self._writing = self._writer.connect()
            connection = self._writing
            with connection.begin():
                if len(works) == 1:
                    outcomes.append(works[0](connection))
                else:
                    for work in works:
                        outcomes.append(_alone(connection, work))
        except Exception as error:  # noqa: BLE001  what a call raises is its own choice
            self.transactions.failed += 1
            # SQLite may be in that transaction still, where it is the commit that failed: the pool ends it.
            self._writing.close()
            undone = Failure(error.__cause__ if isinstance(error, _Broken) else error)
            # Those that had failed already know better why; of the others nothing is left.
            outcomes = [outcome if isinstance(outcome, Failure) else undone for outcome in outcomes]
            outcomes += [undone] * (len(works) - len(outcomes))
        self.transactions.observe(perf_counter() - begun)
        return outcomes

    def _read_all(self, works: Sequence[Work[Any]]) -> list[object]:
        with self._reader.begin() as connection:
            return [work(connection) for work in works]


def _alone(connection: Connection, work: Work[object]) -> object:
    """What `work` gives, or the Failure with which it ended, of which nothing is left."""
    savepoint = connection.begin_nested()
    try:
        result = work(connection)
        savepoint.commit()
    except Exception as error:  # noqa: BLE001  what a call raises is its own choice
        try:
            savepoint.rollback()
        except SQLAlchemyError as gone:
            # SQLite itself undoes everything where the disk is full or fails.
            raise _Broken from (error if isinstance(error, SQLAlchemyError) else gone)
        return Failure()
    return result
