"""Events on a real database: kept, copied, found again, followed, and passed on in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection
from twisted.internet import reactor
from twisted.logger import capturedLogs

from tests.http.fakes import in_reactor
from tests.portable import watched
from tests.store.followed import Copies, rows_until
from toru.model import Event, EventType, StoredEvent
from toru.store import events as module
from toru.store.database import Database
from toru.store.events import ADMIN_ACTION, LIFE, TOPIC, Events
from toru.store.livefeed import LiveFeed


class Passed:
    """Takes events on, and fails in the transaction where it is told to."""

    def __init__(self) -> None:
        self.events: list[StoredEvent] = []
        self.told = 0
        self.error: Exception | None = None

    def enqueue(self, connection: Connection, event: StoredEvent) -> None:
        if self.error is not None:
            raise self.error
        self.events.append(event)

    def enqueued(self) -> None:
        self.told += 1


@pytest.fixture(autouse=True)
def _portable() -> Iterator[None]:
    with watched() as objections:
        yield
    assert objections == []


def event(type: EventType = "started", plugin: str = "hello", **details: Any) -> Event:
    return Event("2026-01-02T03:04:05.678Z", plugin, type, details)


def make(database: Database, copies: Copies | None = None, passed: Passed | None = None) -> Events:
    return Events(database, copies or Copies(), LiveFeed(), passed or Passed())


@in_reactor
async def test_an_event_as_it_was_given(database: Database) -> None:
    copies, passed = Copies(), Passed()
    events = make(database, copies, passed)
    given = event("crashed", exit={"code": 1, "signal": None}, odd="\0€")
    await events.append(given)
    stored = StoredEvent(1, given.timestamp, "hello", "crashed", given.details)
    page = await events.page()
    assert (page.events, page.page, page.page_size, page.total) == ((stored,), 0, 100, 1)
    assert copies.written == [("plugin-supervisor", given)]
    assert passed.events == [stored]
    assert passed.told == 1


@in_reactor
async def test_pages(database: Database) -> None:
    events = make(database)
    for number in range(12):
        await events.append(event(plugin="hello" if number % 2 else "other", number=number))

    async def numbers(**asked: Any) -> tuple[list[int], int]:
        page = await events.page(**asked)
        return [one.details["number"] for one in page.events], page.total

    assert await numbers(page=1, page_size=5) == ([6, 5, 4, 3, 2], 12)
    assert await numbers(plugin="hello", page_size=2) == ([11, 9], 6)
    assert await numbers(plugin="hello", page_size=2, before=10, page=5) == ([7, 5], 6)
    assert await numbers(plugin="nobody") == ([], 0)


@in_reactor
async def test_what_everybody_may_see(database: Database) -> None:
    events = make(database)
    stream = await events.follow(LIFE)
    await events.append(event(ADMIN_ACTION, "", who="admin", what="made a token", **{"from": "10.0.0.1"}))
    await events.append(event("ready"))
    page = await events.page(types=LIFE)
    assert ([one.type for one in page.events], page.total) == (["ready"], 1)
    assert (await events.page()).total == 2
    assert [one.type for one in await rows_until(stream, 1)] == ["ready"]


@in_reactor
async def test_following(database: Database) -> None:
    events = make(database)
    for number in range(5):
        await events.append(event(number=number))
    resumed = await events.follow(after=2)
    from_now_on = await events.follow()
    waiting = from_now_on.next()
    for number in range(5, 8):
        await events.append(event(number=number))
    assert [row.id for row in await rows_until(resumed, 6)] == [3, 4, 5, 6, 7, 8]
    assert (await waiting).rows[0].id == 6
    events._feed.show(TOPIC, "usage", "", 1)
    assert (await resumed.next()).shown == {("usage", ""): 1}


@in_reactor
async def test_old_ones_go(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_EVENTS", 10)
    events = make(database)
    for number in range(15):
        await events.append(event(number=number))
    page = await events.page()
    assert [one.details["number"] for one in page.events] == list(range(14, 4, -1))


@in_reactor
async def test_kept_and_passed_on_or_neither(database: Database) -> None:
    passed, copies = Passed(), Copies()
    passed.error = ValueError("the queue is broken")
    events = make(database, copies, passed)
    with capturedLogs() as said:
        await events.append(event())
    assert (await events.page()).total == 0
    assert (events.lost, passed.told, len(copies.written)) == (1, 0, 1)
    (told,) = [one for one in said if one.get("log_namespace", "").endswith("Events")]
    assert "the queue is broken" in told["why"]


@in_reactor
async def test_a_database_that_is_closed(url: str) -> None:
    database = Database(url, reactor)
    database.open()
    await database.close()
    events = make(database)
    with capturedLogs() as said:
        await events.append(event())
    assert events.lost == 1
    assert said
