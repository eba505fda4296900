"""What webhooks are still to be told: a queue that outlives the core."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from twisted.internet.defer import Deferred

from toru.model import EventType, StoredEvent
from toru.store.database import Database
from toru.store.schema import webhook_deliveries as table


class Delivery(NamedTuple):
    """One event for one webhook. Times are seconds since 1970; `attempts` counts those that failed."""

    id: int
    event: str
    body: str
    created_at: float
    attempts: int
    due_at: float


class Deliveries:
    """The queue of every webhook, by its URL. All that fails does so with StorageUnavailable or StorageFull."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep_only(self, urls: Collection[str]) -> Deferred[None]:
        """Forget what was for webhooks that are not set any more."""
        statement = delete(table).where(table.c.url.not_in(list(urls)))
        return self._database.write(lambda connection: connection.execute(statement)).addCallback(
            lambda _: None
        )

    def next(self, url: str) -> Deferred[Delivery | None]:
        """What is due first, due already or not; None where nothing waits."""
        return self._database.read(lambda connection: _next(connection, url))

    def delivered(self, id: int) -> Deferred[None]:
        """It arrived, or is given up: forget it."""
        return self._database.write(lambda connection: connection.execute(_FORGET, {"one": id})).addCallback(
            lambda _: None
        )

    def postpone(self, id: int, due_at: float, why: str) -> Deferred[None]:
        """It failed; the next try is at `due_at`, in seconds since 1970."""
        values = {"one": id, "due": due_at, "why": why}
        return self._database.write(lambda connection: connection.execute(_POSTPONE, values)).addCallback(
            lambda _: None
        )

    def waiting(self) -> Deferred[int]:
        """How many deliveries wait, for all webhooks."""
        return self._database.read(lambda connection: connection.execute(_COUNT).scalar_one())


def enqueue(
    connection: Connection,
    event: StoredEvent,
    body: str,
    webhooks: Mapping[str, Collection[EventType]],
    now: float,
) -> None:
    """Have it told to each of `webhooks` (the types that it wants, by URL) that wants it. For the database's thread."""
    rows = [
        {
            "url": url,
            "event": event.type,
            "body": body,
            "created_at": now,
            "attempts": 0,
            "due_at": now,
            "last_error": None,
        }
        for url, types in webhooks.items()
        if event.type in types
    ]
    if rows:
        connection.execute(insert(table), rows)


def _next(connection: Connection, url: str) -> Delivery | None:
    row = connection.execute(_NEXT, {"wanted": url}).first()
    return None if row is None else Delivery(*row)


_NEXT = (
    select(table.c.id, table.c.event, table.c.body, table.c.created_at, table.c.attempts, table.c.due_at)
    .where(table.c.url == bindparam("wanted"))
    .order_by(table.c.due_at, table.c.id)
    .limit(1)
)
_FORGET = delete(table).where(table.c.id == bindparam("one"))
_POSTPONE = (
    update(table)
    .where(table.c.id == bindparam("one"))
    .values(attempts=table.c.attempts + 1, due_at=bindparam("due"), last_error=bindparam("why"))
)
_COUNT = select(func.count()).select_from(table)
