"""Tells live streams within this process that something is new; what it is they read from the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from sqlalchemy import Select
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from toru.store.database import Database

# Rows that are read for a stream at once: all that is ever kept in memory for a slow client.
MOST_ROWS = 100


class HasId(Protocol):
    """A row of a table whose ids grow in the order of the commits."""

    @property
    def id(self) -> int: ...


Row = TypeVar("Row", bound=HasId)


class News(NamedTuple, Generic[Row]):
    """What a stream has to tell: rows in order, and the newest of values that are in no table, by kind and key."""

    rows: Sequence[Row]
    shown: Mapping[tuple[str, str], Any]


class LiveFeed:
    """Who listens to which topic. Telling costs the same however slow a listener is, and never waits."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Listener]] = {}

    def listen(self, topic: str) -> Listener:
        """A listener, to be closed, which from now on hears what is said on that topic."""
        listener = Listener(lambda: self._leave(topic, listener))
        self._listeners.setdefault(topic, set()).add(listener)
        return listener

    def committed(self, topic: str) -> None:
        """There are new rows in the database; call it after their commit."""
        # A copy, because whoever hears it may stop listening at once.
        for listener in tuple(self._listeners.get(topic, ())):
            listener.heard_of_rows()

    def show(self, topic: str, kind: str, key: str, value: object) -> None:
        """A value changed that is in no table. Of several by that kind and key a slow listener gets the newest."""
        for listener in tuple(self._listeners.get(topic, ())):
            listener.heard_value(kind, key, value)

    def _leave(self, topic: str, listener: Listener) -> None:
        listeners = self._listeners.get(topic)
        if listeners is not None:
            listeners.discard(listener)
            if not listeners:
                del self._listeners[topic]


class Listener:
    """What one stream was not told yet: no more than that there are rows, and one value for each key."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self.close = leave
        # Whoever begins to listen looks at the database first.
        self.rows_waiting = True
        self._shown: dict[tuple[str, str], Any] = {}
        self._waiter: Deferred[None] | None = None

    def heard_of_rows(self) -> None:
        self.rows_waiting = True
        self._wake()

    def heard_value(self, kind: str, key: str, value: object) -> None:
        # What changed last comes last.
        self._shown.pop((kind, key), None)
        self._shown[kind, key] = value
        self._wake()

    def changed(self) -> Deferred[None]:
        """Fires when there is something; at once where there is. May be cancelled. One call at a time."""
        if self.rows_waiting or self._shown:
            return succeed(None)
        self._waiter = Deferred(self._forget)
        return self._waiter

    def take_values(self) -> Mapping[tuple[str, str], Any]:
        """The values that were not taken yet, those that changed last at the end."""
        shown, self._shown = self._shown, {}
        return shown

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.callback(None)

    def _forget(self, _: Deferred[None]) -> None:
        self._waiter = None


class Stream(Generic[Row]):
    """Follows a table from one id on, each row once and in order, however slowly it is asked.

    It holds nothing between two calls but where it is: one that falls behind reads more from the database.
    """

    def __init__(
        self, listener: Listener, read: Callable[[int, int], Deferred[Sequence[Row]]], after: int
    ) -> None:
        """`read(after, limit)` gives the rows that are committed and have greater ids, in order."""
        self._listener = listener
        self._read = read
        self.after = after

    def next(self) -> Deferred[News[Row]]:
        """What is new since the last call; waits for it. One call at a time.

        Cancelling it, or a failure (StorageUnavailable), loses nothing: the next call begins at the same place.
        """
        return Deferred.fromCoroutine(self._next())

    def close(self) -> None:
        """Stop listening. A call that still waits does so until it is cancelled."""
        self._listener.close()

    async def _next(self) -> News[Row]:
        listener = self._listener
        while True:
            await listener.changed()
            rows: Sequence[Row] = ()
            if listener.rows_waiting:
                # Before reading: of what is committed meanwhile we hear again.
                listener.rows_waiting = False
                try:
                    rows = await self._read(self.after, MOST_ROWS)
                except BaseException:
                    listener.rows_waiting = True
                    raise
                if len(rows) == MOST_ROWS:
                    listener.rows_waiting = True
                if rows:
                    self.after = rows[-1].id
            shown = listener.take_values()
            if rows or shown:
                return News(rows, shown)


def start_stream(
    database: Database,
    listener: Listener,
    read: Callable[[int, int], Deferred[Sequence[Row]]],
    newest_id: Select[int | None],
    after: int | None,
) -> Deferred[Stream[Row]]:
    """A stream of what comes after that id; None: from now on. `listener` is closed where that fails."""

    def begin(found: int | None) -> Stream[Row]:
        newest = found or 0
        # An id from before the database was made anew: waiting for it would be waiting for ever.
        return Stream(listener, read, newest if after is None else min(after, newest))

    def failed(failure: Failure) -> Failure:
        listener.close()
        return failure

    reading = database.read(lambda connection: connection.scalar(newest_id))
    return reading.addCallbacks(begin, failed)
