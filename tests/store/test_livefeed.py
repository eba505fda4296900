"""What a stream is told that is in no table, and when it waits."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred, fail, succeed

from toru.errors import StorageUnavailable
from toru.store.livefeed import MOST_ROWS, LiveFeed, News, Stream


class Row(Struct, frozen=True):
    id: int


class Rows:
    """A table of numbered rows; `ask` may be set to something that fires later."""

    def __init__(self) -> None:
        self.newest = 0
        self.reads: list[int] = []
        self.answer: Deferred[Sequence[Row]] | None = None

    def read(self, after: int, limit: int) -> Deferred[Sequence[Row]]:
        self.reads.append(after)
        if self.answer is not None:
            answer, self.answer = self.answer, None
            return answer
        return succeed([Row(id) for id in range(after + 1, min(self.newest, after + limit) + 1)])


def result(waiting: Deferred[News[Row]]) -> News[Row]:
    found: list[News[Row]] = []
    waiting.addCallback(found.append)
    return found[0]


class TestStream:
    def setup_method(self) -> None:
        self.feed = LiveFeed()
        self.rows = Rows()
        self.stream: Stream[Row] = Stream(self.feed.listen("t"), self.rows.read, 0)

    def test_it_waits(self) -> None:
        waiting = self.stream.next()
        assert not waiting.called
        self.rows.newest = 2
        self.feed.committed("other")
        assert not waiting.called
        self.feed.committed("t")
        assert result(waiting) == News([Row(1), Row(2)], {})

    def test_what_is_in_no_table(self) -> None:
        """However often it changes, the newest is all that is kept."""
        for state in range(1000):
            self.feed.show("t", "plugin", "a", state)
            self.feed.show("t", "plugin", "b", -state)
        self.feed.show("t", "usage", "", {})
        self.feed.show("t", "plugin", "a", "last")
        news = result(self.stream.next())
        assert list(news.shown.items()) == [
            (("plugin", "b"), -999),
            (("usage", ""), {}),
            (("plugin", "a"), "last"),
        ]
        waiting = self.stream.next()
        self.feed.show("t", "usage", "", 1)
        assert result(waiting) == News((), {("usage", ""): 1})
        # Nothing was committed since, so that nothing was read.
        assert self.rows.reads == [0]

    def test_one_that_is_slow_reads_on_where_it_was(self) -> None:
        for _ in range(3):
            self.rows.newest += MOST_ROWS
            self.feed.committed("t")
        news = [result(self.stream.next()) for _ in range(3)]
        assert [len(one.rows) for one in news] == [MOST_ROWS] * 3
        assert [one.rows[0].id for one in news] == [1, MOST_ROWS + 1, 2 * MOST_ROWS + 1]
        assert not self.stream.next().called

    def test_what_is_committed_while_it_reads(self) -> None:
        self.rows.answer = answer = Deferred[Sequence[Row]]()
        waiting = self.stream.next()
        self.feed.committed("t")
        answer.callback([Row(1)])
        assert result(waiting).rows == [Row(1)]
        self.rows.newest = 2
        assert result(self.stream.next()).rows == [Row(2)]

    def test_cancelled_while_it_reads(self) -> None:
        self.feed.show("t", "plugin", "a", 1)
        self.rows.answer = Deferred()
        waiting = self.stream.next()
        waiting.addErrback(lambda failure: failure.trap(CancelledError))
        waiting.cancel()
        self.rows.newest = 1
        assert result(self.stream.next()) == News([Row(1)], {("plugin", "a"): 1})

    def test_cancelled_while_it_waits(self) -> None:
        waiting = self.stream.next()
        waiting.addErrback(lambda failure: failure.trap(CancelledError))
        waiting.cancel()
        self.rows.newest = 1
        self.feed.committed("t")
        assert result(self.stream.next()).rows == [Row(1)]

    def test_a_read_that_fails(self) -> None:
        self.rows.answer = fail(StorageUnavailable("out of order"))
        failed: list[object] = []
        self.stream.next().addErrback(lambda failure: failed.append(failure.check(StorageUnavailable)))
        assert failed == [StorageUnavailable]
        self.rows.newest = 1
        assert result(self.stream.next()).rows == [Row(1)]

    def test_closed(self) -> None:
        waiting = self.stream.next()
        self.stream.close()
        self.stream.close()
        self.rows.newest = 1
        self.feed.committed("t")
        assert not waiting.called
        assert self.feed._listeners == {}

    def test_whoever_hears_it_may_close_another(self) -> None:
        other: Stream[Row] = Stream(self.feed.listen("t"), self.rows.read, 0)
        waiting = [stream.next() for stream in (self.stream, other)]

        def close(_: News[Row]) -> None:
            self.stream.close()
            other.close()

        for one in waiting:
            one.addCallback(close)
        self.rows.newest = 1
        self.feed.committed("t")
        assert all(one.called for one in waiting)


@pytest.mark.parametrize("topic", ["t", "other"])
def test_nobody_listens(topic: str) -> None:
    feed = LiveFeed()
    feed.committed(topic)
    feed.show(topic, "plugin", "a", 1)
    assert result(Stream(feed.listen(topic), _one, 0).next()) == News([Row(1)], {})


def _one(after: int, limit: int) -> Deferred[Sequence[Row]]:
    return succeed([Row(1)] if after == 0 else [])
