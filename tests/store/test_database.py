"""A real file, real threads: what is committed together, what fails alone, and what may be cancelled."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.logger import capturedLogs

from tests.http.fakes import in_reactor
from toru.errors import Conflict, StorageFull, StorageUnavailable
from toru.store import lanes
from toru.store.database import Database
from toru.store.schema import login_attempts as table, sessions

from .waiting import Busy


def add(name: str) -> Any:
    """Work that adds a row and gives its number."""

    def work(connection: Connection) -> int:
        values = {"at": 0.0, "username": name, "address": "", "success": True}
        (number,) = connection.execute(insert(table), values).inserted_primary_key or (0,)
        return int(number)

    return work


def names(connection: Connection) -> list[str]:
    return list(connection.scalars(select(table.c.username).order_by(table.c.id)))


def refuse(connection: Connection) -> None:
    add("never")(connection)
    raise Conflict("no")


@in_reactor
async def test_what_is_written_can_be_read(database: Database) -> None:
    assert await database.write(add("a")) == 1
    assert await database.read(names) == ["a"]
    assert (database.writes.count, database.reads.count, database.transactions.count) == (1, 1, 1)
    assert database.writes.seconds > 0
    assert database.writes.failed == database.reads.failed == 0


@in_reactor
async def test_the_file(database: Database, tmp_path: Path) -> None:
    await database.write(add("a"))
    made = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert made == dict.fromkeys(("toru.db", "toru.db.lock", "toru.db-wal", "toru.db-shm"), 0o600)

    def settings(connection: Connection) -> dict[str, Any]:
        asked = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked}

    full = 2
    assert await database.write(settings) == {
        "journal_mode": "wal",
        "synchronous": full,
        "foreign_keys": 1,
        "busy_timeout": 5000,
    }


@in_reactor
async def test_what_waits_is_committed_together(database: Database) -> None:
    with Busy(database):
        waiting = [database.write(add(str(number))) for number in range(50)]
        assert database.waiting == 50
    assert await gatherResults(waiting) == list(range(1, 51))
    assert database.transactions.count == 2
    assert database.waiting == 0


@in_reactor
async def test_readers_do_not_wait_for_the_writer(database: Database) -> None:
    await database.write(add("a"))
    with Busy(database) as busy:
        assert await database.read(names) == ["a"]
        assert not busy.done.called


@in_reactor
async def test_each_fails_alone(database: Database) -> None:
    def repeat(connection: Connection) -> None:
        for _ in range(2):
            connection.execute(
                insert(table), {"id": 1000, "at": 0.0, "username": "x", "address": "", "success": True}
            )

    with Busy(database):
        waiting: list[Deferred[Any]] = [
            database.write(work) for work in (add("a"), refuse, add("b"), repeat, add("c"))
        ]
    with capturedLogs() as logged:
        await waiting[4]
    assert await gatherResults([waiting[0], waiting[2]]) == [1, 2]
    with pytest.raises(Conflict):
        await waiting[1]
    with pytest.raises(StorageUnavailable):
        await waiting[3]
    assert await database.read(names) == ["a", "b", "c"]
    assert database.transactions.count == 2
    assert database.writes.failed == 1
    (line,) = [event for event in logged if event["log_namespace"] == "toru.store.database.Database"]
    assert "SQLITE_CONSTRAINT_PRIMARYKEY" in line["reason"]


@in_reactor
async def test_one_that_fails_by_itself(database: Database) -> None:
    with pytest.raises(Conflict):
        await database.write(refuse)
    assert await database.read(names) == []


@in_reactor
async def test_a_failed_commit_fails_all(database: Database) -> None:
    def dangle(connection: Connection) -> None:
        # Foreign keys are looked at in the commit then.
        connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        values = {"token_hash": b"", "user_id": "nobody", "created_at": 0.0, "expires_at": 0.0}
        connection.execute(insert(sessions), values)

    with Busy(database) as busy:
        waiting: list[Deferred[Any]] = [database.write(work) for work in (add("a"), refuse, dangle)]
    await busy.done
    with pytest.raises(StorageUnavailable):
        await waiting[0]
    with pytest.raises(Conflict):
        await waiting[1]
    with pytest.raises(StorageUnavailable):
        await waiting[2]
    assert await database.read(names) == []
    await database.write(add("b"))
    assert await database.read(names) == ["b"]


@in_reactor
async def test_where_sqlite_undoes_the_whole_transaction(database: Database) -> None:
    def undo(connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        driver.execute("ROLLBACK")
        raise Conflict("no")

    with Busy(database) as busy:
        waiting: list[Deferred[Any]] = [database.write(work) for work in (add("a"), undo, add("b"))]
    await busy.done
    for each in waiting:
        with pytest.raises(StorageUnavailable):
            await each
    assert await database.read(names) == []


@in_reactor
async def test_a_full_database(database: Database) -> None:
    def limit(pages: int) -> Any:
        return lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count={pages}").scalar()

    await database.write(add("a"))
    pages = await database.write(limit(1))
    with capturedLogs() as logged, pytest.raises(StorageFull):
        await database.write(add("x" * 100_000))
    assert "SQLITE_FULL" in str(logged)
    assert "xxx" not in str(logged)
    assert await database.read(names) == ["a"]
    await database.write(limit(pages * 100))
    await database.write(add("b"))
    assert await database.read(names) == ["a", "b"]


@in_reactor
async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StorageUnavailable):
        await database.read(add("a"))
    assert await database.read(names) == []


@in_reactor
async def test_an_error_of_the_work_itself(database: Database) -> None:
    def wrong(_: Connection) -> None:
        raise ZeroDivisionError

    for call in (database.read, database.write):
        with pytest.raises(ZeroDivisionError):
            await call(wrong)


@in_reactor
async def test_cancelled_before_it_starts(database: Database) -> None:
    ran = []
    with Busy(database):
        waiting = database.write(lambda _: ran.append("cancelled"))
        behind = database.write(lambda _: ran.append("behind"))
        waiting.cancel()
        assert database.waiting == 1
        with pytest.raises(CancelledError):
            await waiting
    await behind
    assert ran == ["behind"]


@in_reactor
async def test_a_reading_cancelled_before_it_starts(url: str) -> None:
    database = Database(url, reactor, readers=1)
    database.open()
    ran = []
    first = database.read(lambda _: ran.append("first"))
    waiting = database.read(lambda _: ran.append("cancelled"))
    waiting.cancel()
    with pytest.raises(CancelledError):
        await waiting
    await first
    await database.close()
    assert ran == ["first"]


@in_reactor
async def test_cancelled_later_it_only_ends_the_waiting(database: Database) -> None:
    with Busy(database) as busy:
        busy.done.cancel()
        with pytest.raises(CancelledError):
            await busy.done
        behind = database.write(add("a"))
    assert await behind == 1


@in_reactor
async def test_not_too_many_wait(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MOST_WAITING", 2)
    with Busy(database):
        waiting = [database.write(add("a")), database.write(add("b"))]
        with pytest.raises(StorageUnavailable) as caught:
            await database.write(add("c"))
        assert caught.value.retry_after == 1
    await gatherResults(waiting)
    assert await database.read(names) == ["a", "b"]


@in_reactor
async def test_closing_waits_for_what_waits(url: str, tmp_path: Path) -> None:
    database = Database(url, reactor)
    database.open()
    with Busy(database):
        waiting = database.write(add("a"))
        closing = database.close()
        for call in (database.read, database.write):
            with pytest.raises(StorageUnavailable):
                await call(names)
    assert await waiting == 1
    await closing
    assert {path.name for path in tmp_path.iterdir()} == {"toru.db", "toru.db.lock"}
    database = Database(url, reactor)
    database.open()
    assert await database.read(names) == ["a"]
    await database.close()


@in_reactor
async def test_closing_what_was_never_open(url: str) -> None:
    database = Database(url, reactor)
    await database.close()
    with pytest.raises(StorageUnavailable):
        await database.write(names)
