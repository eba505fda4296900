"""What happened: keeps events, finds them again, and follows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, get_args

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.model import Event, EventPage, EventType, StoredEvent
from toru.store.database import Database
from toru.store.livefeed import LiveFeed, Stream, start_stream
from toru.store.schema import plugin_events as table

# What the feed calls the events; values that are in no table are shown there too.
TOPIC = "events"
# The file of the copy, in the folder of log files.
COPY = "plugin-supervisor"
# Events that are kept, of all plugins together, and how many old ones go at most when one comes.
MOST_EVENTS = 100_000
PRUNE_STEP = 100

ADMIN_ACTION: EventType = "admin-action"
# The life of plugins, which everybody may see.
LIFE: frozenset[EventType] = frozenset(get_args(EventType)) - {ADMIN_ACTION}


class Copy(Protocol):
    """Where a copy of the events goes. It fails for nobody."""

    def append(self, name: str, values: Sequence[msgspec.Struct]) -> Deferred[None]: ...


class Outgoing(Protocol):
    """Whoever passes events on, and must not miss one that is kept."""

    def enqueue(self, connection: Connection, event: StoredEvent) -> None:
        """In the database's thread: what it writes is committed together with the event, or neither is."""

    def enqueued(self) -> None:
        """That transaction is committed."""


class Events:
    """Every event is in the database, in the order in which it was given, or said to be lost."""

    _log = Logger()

    def __init__(
        self,
        database: Database,
        copy: Copy,
        feed: LiveFeed,
        outgoing: Outgoing,
    ) -> None:
        self._database = database
        self._copy = copy
        self._feed = feed
        self._outgoing = outgoing
        self.lost = 0
        self.happened: dict[EventType, int] = dict.fromkeys(get_args(EventType), 0)

    def append(self, event: Event) -> Deferred[None]:
        """Fires when it is committed and copied, or lost; never with a failure. Nobody needs to wait for it."""
        self.happened[event.type] += 1
        writing = self._database.write(lambda connection: self._write(connection, event))
        writing.addCallbacks(self._written, self._failed, errbackArgs=(event,))
        return gatherResults([writing, self._copy.append(COPY, [event])]).addCallback(lambda _: None)

    def page(
        self,
        plugin: str | None = None,
        types: frozenset[EventType] | None = None,
        *,
        page: int = 0,
        page_size: int = 100,
        before: int | None = None,
    ) -> Deferred[EventPage]:
        """Events newest first: that page of them, or with `before` the first of smaller ids.

        `plugin` None: of all; `types` None: of any. Fails with StorageUnavailable.
        """
        conditions = _matching(plugin, types)
        older = conditions if before is None else [*conditions, table.c.id < before]
        offset = 0 if before is not None else page * page_size
        ids = select(table.c.id).where(*older).order_by(table.c.id.desc()).limit(page_size).offset(offset)
        found = select(*_SHOWN).where(table.c.id.in_(ids.scalar_subquery())).order_by(table.c.id.desc())
        count = select(func.count()).select_from(table).where(*conditions)

        def work(connection: Connection) -> EventPage:
            events = tuple(map(_shown, connection.execute(found)))
            return EventPage(events, page, page_size, connection.execute(count).scalar_one())

        return self._database.read(work)

    def follow(
        self, types: frozenset[EventType] | None = None, after: int | None = None
    ) -> Deferred[Stream[StoredEvent]]:
        """A stream, to be closed, of what comes after that id; None: of what comes from now on.

        It has the values that are shown on the topic of events as well.
        """
        conditions = _matching(None, types)

        def read(after: int, limit: int) -> Deferred[Sequence[StoredEvent]]:
            found = select(*_SHOWN).where(*conditions, table.c.id > after).order_by(table.c.id).limit(limit)
            return self._database.read(lambda connection: tuple(map(_shown, connection.execute(found))))

        newest = select(func.max(table.c.id))
        return start_stream(self._database, self._feed.listen(TOPIC), read, newest, after)

    def _write(self, connection: Connection, event: Event) -> None:
        values = {
            "timestamp": event.timestamp,
            "plugin": event.plugin,
            "type": event.type,
            "details": msgspec.json.encode(event.details).decode(),
        }
        inserted = connection.execute(insert(table), values).inserted_primary_key
        assert inserted is not None
        id = inserted[0]
        if id > MOST_EVENTS:
            connection.execute(_PRUNE, {"last": id - MOST_EVENTS, "most": PRUNE_STEP})
        stored = StoredEvent(id, event.timestamp, event.plugin, event.type, event.details)
        self._outgoing.enqueue(connection, stored)

    def _written(self, _: None) -> None:
        self._feed.committed(TOPIC)
        self._outgoing.enqueued()

    def _failed(self, failure: Failure, event: Event) -> None:
        self.lost += 1
        self._log.error(
            "an event is lost, {plugin} {type}: {why}",
            plugin=event.plugin,
            type=event.type,
            why=failure.getErrorMessage(),
        )


def _matching(plugin: str | None, types: frozenset[EventType] | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if plugin is not None:
        conditions.append(table.c.plugin == plugin)
    if types is not None:
        conditions.append(table.c.type.in_(sorted(types)))
    return conditions


_SHOWN = (table.c.id, table.c.timestamp, table.c.plugin, table.c.type, table.c.details)
_OLD = select(table.c.id).where(table.c.id <= bindparam("last")).order_by(table.c.id).limit(bindparam("most"))
_PRUNE = delete(table).where(table.c.id.in_(_OLD.scalar_subquery()))


def _shown(row: Any) -> StoredEvent:
    id, timestamp, plugin, type, details = row
    return StoredEvent(id, timestamp, plugin, type, msgspec.json.decode(details, type=dict[str, Any]))
