"""The queue of webhooks: what is due, what was told, and what a later core still finds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.internet import reactor

from tests.http.fakes import in_reactor
from tests.portable import watched
from toru.model import EventType, StoredEvent
from toru.store.database import Database
from toru.store.deliveries import Deliveries, Delivery, enqueue

A, B = "https://a.example/hook?key=1", "http://b.example/"
WANTED: dict[str, frozenset[EventType]] = {A: frozenset({"crashed", "ready"}), B: frozenset({"crashed"})}


@pytest.fixture(autouse=True)
def _portable() -> Iterator[None]:
    with watched() as objections:
        yield
    assert objections == []


async def put(database: Database, type: EventType, now: float, body: str = "{}") -> None:
    event = StoredEvent(1, "2026-01-02T03:04:05.678Z", "hello", type, {})
    await database.write(lambda connection: enqueue(connection, event, body, WANTED, now))


@in_reactor
async def test_who_is_told_what(database: Database) -> None:
    deliveries = Deliveries(database)
    assert await deliveries.next(A) is None
    await put(database, "stopped", 1.0)
    assert await deliveries.waiting() == 0
    await put(database, "ready", 2.0, '{"a":"€"}')
    await put(database, "crashed", 3.0)
    assert await deliveries.waiting() == 3
    assert await deliveries.next(A) == Delivery(1, "ready", '{"a":"€"}', 2.0, 0, 2.0)
    assert await deliveries.next(B) == Delivery(3, "crashed", "{}", 3.0, 0, 3.0)


@in_reactor
async def test_told_and_postponed(database: Database) -> None:
    deliveries = Deliveries(database)
    for now in (1.0, 2.0):
        await put(database, "crashed", now)
    await deliveries.postpone(1, 60.0, "no answer")
    assert await deliveries.next(A) == Delivery(3, "crashed", "{}", 2.0, 0, 2.0)
    await deliveries.delivered(3)
    assert await deliveries.next(A) == Delivery(1, "crashed", "{}", 1.0, 1, 60.0)
    await deliveries.delivered(1)
    assert await deliveries.next(A) is None
    assert await deliveries.waiting() == 2


@in_reactor
async def test_a_later_core_finds_it(url: str) -> None:
    database = Database(url, reactor)
    database.open()
    await put(database, "crashed", 1.0)
    await database.close()
    database = Database(url, reactor)
    database.open()
    deliveries = Deliveries(database)
    await deliveries.keep_only([B])
    assert await deliveries.next(A) is None
    assert await deliveries.next(B) is not None
    await deliveries.keep_only([])
    assert await deliveries.waiting() == 0
    await database.close()
