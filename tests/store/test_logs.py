"""Logs on a real database: in order, within limits, found again, and followed without a gap or a double."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, select
from twisted.internet.defer import CancelledError, Deferred, fail, gatherResults, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from tests.http.fakes import in_reactor
from tests.portable import watched
from tests.store.followed import Copies, rows_until
from toru.config import LogLimits
from toru.errors import BadRequest, StorageFull, StorageUnavailable
from toru.model import LogLevel, LogRecord, StoredLog
from toru.store import logs as module, logtable
from toru.store.database import Database
from toru.store.livefeed import MOST_ROWS, LiveFeed
from toru.store.logs import PRUNE_STEP, SWEEP_SECONDS, Logs
from toru.store.logtable import MOST_TEXT, ROW_BYTES, LogFilter
from toru.store.schema import plugin_logs
from toru.wire.messages import MOST_NESTED, rfc3339

EVERY = LogFilter()
NOW = 1_700_000_000.0


def line(message: str, plugin: str = "hello", at: float = NOW, **changes: Any) -> LogRecord:
    values: dict[str, Any] = {"level": "info", "stream": "stdout", "fields": None, "pid": 42, **changes}
    return LogRecord(timestamp=rfc3339(at), plugin=plugin, message=message, **values)


def lines(count: int, first: int = 0, plugin: str = "hello") -> list[LogRecord]:
    return [line(str(number), plugin, NOW + number) for number in range(first, first + count)]


def messages(logs: Sequence[StoredLog]) -> list[str]:
    return [log.message for log in logs]


def make(database: Any, clock: Any = None, copy: Any = None, **limits: Any) -> Logs:
    if clock is None:
        clock = Clock()
        clock.advance(NOW)
    return Logs(database, clock, LogLimits(**limits), copy or Copies(), LiveFeed())


@pytest.fixture(autouse=True)
def _portable() -> Iterator[None]:
    with watched() as objections:
        yield
    assert objections == []


@in_reactor
async def test_a_record_as_it_was_given(database: Database) -> None:
    copies = Copies()
    logs = make(database, copy=copies)
    record = line("hällo\nthere", fields={"error": "disk full", "n": 2**70, "deep": [1, {"a": None}]})
    await logs.write([record, line("plain", level="error", stream="stderr", pid=None)])
    page = await logs.page("hello", EVERY)
    assert page.logs == (
        StoredLog(2, rfc3339(NOW), "error", "hello", "plain", "stderr", None, None, None),
        StoredLog(1, rfc3339(NOW), "info", "hello", "hällo\nthere", "stdout", record.fields, "disk full", 42),
    )
    assert (page.page, page.page_size, page.total) == (0, 100, 2)
    assert copies.written == [record, line("plain", level="error", stream="stderr", pid=None)]


@in_reactor
async def test_an_error_that_is_no_text(database: Database) -> None:
    logs = make(database)
    await logs.write([line("m", fields={"error": {"code": 1}})])
    (log,) = (await logs.page("hello", EVERY)).logs
    assert log.error is None
    assert log.fields == {"error": {"code": 1}}


@in_reactor
async def test_nothing_is_written_for_nothing(database: Database) -> None:
    logs = make(database)
    await logs.write([])
    assert (await logs.page("hello", EVERY)).total == 0


@in_reactor
async def test_order_among_writers_that_do_not_wait(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_AT_ONCE", 7)
    logs = make(database)
    writing = [logs.write(lines(3, 3 * number, plugin)) for number in range(20) for plugin in ("a", "b")]
    await gatherResults(writing)
    for plugin in ("a", "b"):
        page = await logs.page(plugin, EVERY)
        assert messages(page.logs) == [str(number) for number in reversed(range(60))]
    assert logs.lines_written == 120


@in_reactor
async def test_text_that_no_database_takes(database: Database) -> None:
    logs = make(database)
    await logs.write([line("a\0b \ud800 c", fields={"f\0": "\0"})])
    (log,) = (await logs.page("hello", EVERY)).logs
    assert "\0" not in log.message
    assert log.message.startswith("a")
    assert log.fields == {"f\0": "\0"}


@in_reactor
async def test_long_messages_come_in_parts(database: Database) -> None:
    logs = make(database)
    long = "x" * (MOST_TEXT + 1)
    await logs.write([line(long, stream="link", fields={"k": 1}), line("after", stream="link")])
    page = await logs.page("hello", EVERY)
    assert [(len(log.message), log.fields) for log in page.logs] == [
        (5, None),
        (1, {"k": 1, "part": 2}),
        (MOST_TEXT, {"k": 1, "part": 1}),
    ]


def test_what_is_cut() -> None:
    short = line("m", stream="link", fields={"k": "v"})
    assert logtable.cut(short) == [short]
    assert logtable.cut(line("")) == [line("")]
    (cut,) = logtable.cut(line("m", fields={"k": "€" * MOST_TEXT}))
    assert cut.message == "m"
    assert cut.fields is not None
    assert list(cut.fields) == ["cut"]
    assert MOST_TEXT - 3 < len(cut.fields["cut"].encode()) <= MOST_TEXT


def test_fields_that_nest_too_deeply_to_be_shown_everywhere_become_text() -> None:
    for most, more in ((MOST_NESTED - 1, MOST_NESTED), (0, 900)):
        fits, deep = ({"a": json.loads("[" * depth + "]" * depth) if depth else 1} for depth in (most, more))
        assert logtable.cut(line("m", fields=fits))[0].fields == fits
        (cut,) = logtable.cut(line("m", fields=deep))
        assert cut.fields == {"cut": '{"a":' + "[" * more + "]" * more + "}"}
    # Neither what stands side by side nor what stands in a text is nested.
    wide = {"a": [[]] * 200, "b": '["\\"' * 200}
    assert logtable.cut(line("m", fields=wide))[0].fields == wide


class TestPages:
    @in_reactor
    async def test_pages(self, database: Database) -> None:
        logs = make(database)
        await gatherResults([logs.write(lines(25, plugin=plugin)) for plugin in ("hello", "other")])
        last = await logs.page("hello", EVERY, page=2, page_size=10)
        assert (messages(last.logs), last.page, last.page_size, last.total) == (list("43210"), 2, 10, 25)
        assert (await logs.page("hello", EVERY, page=3, page_size=10)).logs == ()

    @in_reactor
    async def test_a_listing_that_does_not_shift(self, database: Database) -> None:
        logs = make(database)
        await logs.write(lines(10))
        first = await logs.page("hello", EVERY, page_size=4)
        await logs.write(lines(5, 10))
        more = await logs.page("hello", EVERY, page=7, page_size=4, before=first.logs[-1].id)
        assert messages([*first.logs, *more.logs]) == list("98765432")
        assert more.total == 15

    @in_reactor
    async def test_the_total_without_having_counted(self, database: Database) -> None:
        await make(database).write(lines(5))
        assert (await make(database).page("hello", EVERY)).total == 5

    @in_reactor
    async def test_levels(self, database: Database) -> None:
        logs = make(database)
        levels: tuple[LogLevel, ...] = ("trace", "debug", "info", "warn", "error")
        await logs.write([line(level, level=level) for level in levels])
        # One that wrote the records knows their number, one that did not counts them.
        for either in (logs, make(database)):
            for number, level in enumerate(levels):
                page = await either.page("hello", LogFilter(level=level))
                assert messages(page.logs) == list(reversed(levels[number:]))
                assert page.total == 5 - number

    @in_reactor
    async def test_times(self, database: Database) -> None:
        logs = make(database)
        await logs.write(lines(10))
        wanted = LogFilter(since=rfc3339(NOW + 3), until=rfc3339(NOW + 6))
        page = await logs.page("hello", wanted)
        assert (messages(page.logs), page.total) == (["5", "4", "3"], 3)

    @in_reactor
    async def test_all_filters_together(self, database: Database) -> None:
        logs = make(database)
        await logs.write(
            [line(f"Slow {n}", at=NOW + n, level="warn" if n % 2 else "info") for n in range(10)]
        )
        wanted = LogFilter("warn", "slow", rfc3339(NOW + 2), rfc3339(NOW + 8))
        page = await logs.page("hello", wanted, page=1, page_size=2)
        assert (messages(page.logs), page.total) == (["Slow 3"], None)

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ("ERROR", ["Error: 100%_done"]),
            ("100%", ["Error: 100%_done"]),
            ("%_d", ["Error: 100%_done"]),
            ("0_d", []),
            ("a/b", ["path a/b \\ end"]),
            ("\\ END", ["path a/b \\ end"]),
            ("größe", ["Die GRÖSSE ÄNDERT sich"]),
            ("ändert", ["Die GRÖSSE ÄNDERT sich"]),
            ("die", ["Die GRÖSSE ÄNDERT sich"]),
            ("'; --", []),
            ("nowhere", []),
        ],
    )
    @in_reactor
    async def test_text(self, database: Database, wanted: str, found: list[str]) -> None:
        logs = make(database)
        await logs.write([line(m) for m in ("Error: 100%_done", "path a/b \\ end", "Die GRÖSSE ÄNDERT sich")])
        await logs.write([line("Error: 100%_done", "other")])
        page = await logs.page("hello", LogFilter(text=wanted))
        assert messages(page.logs) == found

    @in_reactor
    async def test_text_that_is_too_long(self, database: Database) -> None:
        logs = make(database)
        with pytest.raises(BadRequest):
            logs.page("hello", LogFilter(text="x" * 1001))
        with pytest.raises(BadRequest):
            logs.part("hello", LogFilter(text="x" * 1001), before=None, limit=10)

    @in_reactor
    async def test_a_download(self, database: Database) -> None:
        logs = make(database)
        await logs.write([line(str(n), level="warn" if n % 3 == 0 else "info") for n in range(30)])
        found: list[StoredLog] = []
        while part := await logs.part(
            "hello", LogFilter(level="warn"), before=found[-1].id if found else None, limit=4
        ):
            found.extend(part)
        assert messages(found) == [str(n) for n in reversed(range(0, 30, 3))]

    @in_reactor
    async def test_no_walk_through_messages(self, database: Database) -> None:
        wanted = LogFilter("warn", None, "a", "b")
        statements = [
            logtable.count("hello", wanted),
            logtable.page("hello", wanted, before=5, offset=10, limit=10),
            logtable.following("hello", 5, 10),
        ]

        def plan(connection: Connection) -> list[str]:
            raw = connection.connection.driver_connection
            assert raw is not None
            shown = [
                str(one.compile(connection, compile_kwargs={"literal_binds": True})) for one in statements
            ]
            return [row[3] for one in shown for row in raw.execute(f"EXPLAIN QUERY PLAN {one}")]

        steps = await database.read(plan)
        assert not [step for step in steps if step.startswith("SCAN")]
        assert len([step for step in steps if "ix_plugin_logs_listing (plugin=?" in step]) == 3


class TestLimits:
    @in_reactor
    async def test_count(self, database: Database) -> None:
        logs = make(database, max_records=10)
        await logs.write(lines(5, plugin="other"))
        for first in range(0, 40, 8):
            await logs.write(lines(8, first))
        page = await logs.page("hello", EVERY)
        assert (messages(page.logs), page.total) == ([str(n) for n in range(39, 29, -1)], 10)
        assert (await logs.page("other", EVERY)).total == 5

    @in_reactor
    async def test_size(self, database: Database) -> None:
        logs = make(database, max_bytes=10 * (ROW_BYTES + 100))
        for number in range(30):
            await logs.write([line(f"{number:0100}")])
        page = await logs.page("hello", EVERY)
        assert messages(page.logs) == [f"{number:0100}" for number in range(29, 19, -1)]

    @in_reactor
    async def test_what_it_counts_for_is_bytes(self, database: Database) -> None:
        logs = make(database)
        await logs.write([line("€" * 10, fields={"a": "é"})])
        sizes = await database.read(lambda c: c.scalar(select(plugin_logs.c.size)))
        assert sizes == ROW_BYTES + 30 + len('{"a":"é"}'.encode())

    @in_reactor
    async def test_age_and_limits_that_were_lowered(self, database: Database) -> None:
        """In steps, of all plugins, also those that write no more."""
        clock = Clock()
        clock.advance(NOW)
        await make(database, clock).write(lines(2 * PRUNE_STEP + 7))
        await make(database, clock).write([line("old", "old"), line("new", "old", NOW + 2 * 86400)])
        logs = make(database, clock, max_records=9, max_age_days=1)
        clock.advance(86400 + 1)
        logs.start()
        clock.advance(0)
        await until_total(logs, "hello", 9)
        await until_total(logs, "old", 1)
        page = await logs.page("hello", EVERY)
        assert messages(page.logs) == [
            str(n) for n in reversed(range(2 * PRUNE_STEP - 2, 2 * PRUNE_STEP + 7))
        ]
        assert messages((await logs.page("old", EVERY)).logs) == ["new"]
        clock.advance(86400 + 2000)
        await until_total(logs, "hello", 0)
        await logs.close()
        assert clock.getDelayedCalls() == []

    @in_reactor
    async def test_no_number_is_given_twice(self, database: Database) -> None:
        logs = make(database, max_bytes=1)
        for number in range(3):
            await logs.write([line(f"gone at once {number}")])
            assert (await logs.page("hello", EVERY)).total == 0
        roomy = make(database)
        await roomy.write([line("stays")])
        assert [log.id for log in (await roomy.page("hello", EVERY)).logs] == [4]


async def until_total(logs: Logs, plugin: str, total: int) -> None:
    """Until that many are left, looked at more often than it can take."""
    for _ in range(2000):
        if (await logs.page(plugin, EVERY)).total == total:
            return
    raise AssertionError(f"there never were {total}")


class TestFollowing:
    @in_reactor
    async def test_from_now_on(self, database: Database) -> None:
        logs = make(database)
        await logs.write(lines(3))
        stream = await logs.follow("hello")
        waiting = stream.next()
        await logs.write(lines(2, 0, "other"))
        await logs.write(lines(2, 3))
        assert messages((await waiting).rows) == ["3", "4"]
        stream.close()

    @in_reactor
    async def test_from_an_id_on_in_pieces(self, database: Database) -> None:
        logs = make(database)
        await logs.write(lines(MOST_ROWS * 2 + 5))
        stream = await logs.follow("hello", after=3)
        pieces = [(await stream.next()).rows for _ in range(3)]
        assert [len(piece) for piece in pieces] == [MOST_ROWS, MOST_ROWS, 2]
        assert [row.id for piece in pieces for row in piece] == list(range(4, MOST_ROWS * 2 + 6))

    @in_reactor
    async def test_an_id_of_another_database(self, database: Database) -> None:
        logs = make(database)
        await logs.write(lines(3))
        stream = await logs.follow("hello", after=1000)
        await logs.write(lines(1, 3))
        assert messages((await stream.next()).rows) == ["3"]

    @in_reactor
    async def test_no_gap_and_no_double(self, database: Database) -> None:
        """Writers that do not stop, and a reader that goes away and resumes at any moment."""
        dice = random.Random(1)
        logs = make(database)
        seen: list[StoredLog] = []
        stream = await logs.follow("hello", after=0)
        writing = [logs.write(lines(dice.randrange(1, 9), 0, dice.choice(("hello", "other"))))]
        for _ in range(120):
            writing.append(logs.write(lines(dice.randrange(1, 9), 0, dice.choice(("hello", "other")))))
            match dice.randrange(3):
                case 0:  # cut off while it waits or reads
                    asked = stream.next()
                    asked.addCallback(lambda news: seen.extend(news.rows))
                    asked.addErrback(lambda failure: failure.trap(CancelledError))
                    if dice.random() < 0.5:
                        await database.read(lambda _: None)
                    asked.cancel()
                    stream.close()
                    stream = await logs.follow("hello", after=seen[-1].id if seen else 0)
                case 1:
                    await database.write(lambda _: None)
        await gatherResults(writing)
        whole = await logs.part("hello", EVERY, before=None, limit=10_000)
        seen += await rows_until(stream, len(whole) - len(seen))
        assert [row.id for row in seen] == [log.id for log in reversed(whole)]

    @in_reactor
    async def test_that_it_cannot_begin(self) -> None:
        feed = LiveFeed()
        database: Any = Failing(StorageUnavailable("out of order"))
        logs = Logs(database, Clock(), LogLimits(), Copies(), feed)
        with pytest.raises(StorageUnavailable):
            await logs.follow("hello")
        assert feed._listeners == {}


class Failing:
    """A database that does not work, until it is told to."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.tried: list[list[str]] = []

    def write(self, work: Any) -> Deferred[Any]:
        records = work.keywords["records"]
        self.tried.append([record.message for record in records])
        if self.error is not None:
            return fail(self.error)
        return succeed(({}, False))

    def read(self, work: Any) -> Deferred[Any]:
        return fail(self.error)


class TestADatabaseThatFails:
    def test_it_is_tried_again_and_order_kept(self) -> None:
        database, clock = Failing(StorageUnavailable("out of order")), Clock()
        logs = make(database, clock)
        first, second = logs.write(lines(1)), logs.write(lines(1, 1))
        clock.advance(0.1)
        assert not first.called
        database.error = None
        clock.advance(0.3)
        assert first.called
        assert second.called
        assert database.tried == [["0"], ["0"], ["0"], ["1"]]
        assert logs.lines_lost == 0

    def test_in_the_end_the_plugin_goes_on(self) -> None:
        database, clock, copies = Failing(StorageFull("the disk is full")), Clock(), Copies()
        logs = make(database, clock, copies)
        with capturedLogs() as said:
            first = logs.write(lines(3))
            for seconds in module.TRY_AGAIN:
                assert not first.called
                clock.advance(seconds)
            assert first.called
            assert logs.lines_lost == 3
            # Who has waited so long already does not do so with each line.
            assert logs.write(lines(1, 3)).called
        assert len(copies.written) == 4
        (told,) = [event for event in said if "log records are lost" in event["log_format"]]
        assert (told["lost"], told["why"]) == (3, "the disk is full")
        database.error = None
        assert logs.write(lines(1)).called
        assert logs.lines_written == 1
        database.error = StorageFull("again")
        assert not logs.write(lines(1)).called

    def test_an_error_of_our_own_blocks_nobody(self) -> None:
        logs = make(Failing(ValueError("a bug")))
        with capturedLogs() as said:
            assert logs.write(lines(1)).called
        assert any("log_failure" in event for event in said)
        assert logs.lines_lost == 1

    def test_the_end_does_not_wait_for_it(self) -> None:
        clock = Clock()
        logs = make(Failing(StorageUnavailable("out of order")), clock)
        logs.write(lines(1))
        closed = logs.close()
        clock.advance(module.TRY_AGAIN[0])
        assert closed.called
        assert clock.getDelayedCalls() == []

    def test_near_the_end_what_follows_lost_records_is_not_tried(self) -> None:
        """Each try may take seconds, and there may be thousands of them."""
        database, clock = Failing(StorageUnavailable("out of order")), Clock()
        logs = make(database, clock)
        first = logs.write(lines(1))
        logs.end_soon()
        for seconds in module.TRY_AGAIN:
            assert not first.called
            clock.advance(seconds)
        tries = len(database.tried)
        assert logs.write(lines(1, 1)).called
        assert (len(database.tried), logs.lines_lost) == (tries, 2)

    def test_a_sweep_that_fails_comes_again(self) -> None:
        clock = Clock()
        logs = make(Failing(StorageUnavailable("out of order")), clock)
        logs.start()
        clock.advance(0)
        clock.advance(SWEEP_SECONDS)
        assert len(clock.getDelayedCalls()) == 1
        assert logs.close().called


@in_reactor
async def test_the_end_waits_for_what_was_given(database: Database) -> None:
    logs = make(database)
    writing = logs.write(lines(5))
    await logs.close()
    assert writing.called
    assert (await logs.page("hello", EVERY)).total == 5
    assert (await database.read(lambda c: c.scalar(logtable.count("hello", EVERY)))) == 5
