"""The table of exchanges, against a list that does the same slowly."""

from __future__ import annotations

import tracemalloc
from itertools import count

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from toru.errors import PluginBusy
from toru.wire.exchanges import Exchange, Exchanges


def exchange(request_id: object, size: int = 1, deadline: float = 30.0) -> Exchange[None, str]:
    return Exchange(str(request_id), None, size, deadline, f"waiter {request_id}")


class Table(RuleBasedStateMachine):
    """The model: all live exchanges in order of admission."""

    @initialize(concurrency=st.integers(1, 3), max_waiting=st.integers(0, 3), max_bytes=st.integers(1, 40))
    def start(self, concurrency: int, max_waiting: int, max_bytes: int) -> None:
        self.limits = concurrency, max_waiting, max_bytes
        self.table: Exchanges[None, str] = Exchanges(concurrency, max_waiting, max_bytes)
        self.live: list[Exchange[None, str]] = []
        self.flying: set[str] = set()
        self.ids = count()
        self.now = 0.0

    def gone(self, exchanges: list[Exchange[None, str]]) -> None:
        for one in exchanges:
            self.live.remove(one)
            assert one.sent == (one.request_id in self.flying)
            self.flying.discard(one.request_id)

    @rule(size=st.integers(0, 30))
    def admit(self, size: int) -> None:
        concurrency, max_waiting, max_bytes = self.limits
        new = exchange(next(self.ids), size, self.now + 30)
        full = len(self.live) == concurrency + max_waiting
        heavy = bool(self.live) and sum(one.size for one in self.live) + size > max_bytes
        if full or heavy:
            with pytest.raises(PluginBusy):
                self.table.admit(new)
        else:
            self.table.admit(new)
            self.live.append(new)

    @rule()
    def next(self) -> None:
        waiting = [one for one in self.live if one.request_id not in self.flying]
        expected = waiting[0] if waiting and len(self.flying) < self.limits[0] else None
        assert self.table.next() is expected
        if expected is not None:
            assert expected.sent
            self.flying.add(expected.request_id)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.live), label="exchange")
        assert self.table.settle(one.request_id) is one
        self.gone([one])
        assert self.table.settle(one.request_id) is None

    @rule()
    def settle_what_is_not_there(self) -> None:
        assert self.table.settle("made up") is None

    @rule()
    def lose_the_connection(self) -> None:
        expected = [one for one in self.live if one.request_id in self.flying]
        assert self.table.fail_in_flight() == expected
        self.gone(expected)

    @rule()
    def fail_all(self) -> None:
        expected = list(self.live)
        assert self.table.fail_all() == expected
        self.gone(expected)

    @rule(seconds=st.sampled_from([0, 1, 10, 30]))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        expected = [one for one in self.live if one.deadline <= self.now]
        assert self.table.expired(self.now) == expected
        self.gone(expected)

    @invariant()
    def counts_agree(self) -> None:
        assert self.table.in_flight == len(self.flying) <= self.limits[0]
        assert self.table.waiting == len(self.live) - len(self.flying)
        assert self.table.bytes == sum(one.size for one in self.live)
        assert self.table.next_deadline() == (self.live[0].deadline if self.live else None)


TestTable = Table.TestCase


def test_what_waits_behind_the_slots_is_limited() -> None:
    table: Exchanges[None, str] = Exchanges(1)
    for number in range(257):
        table.admit(exchange(number))
        table.next()
    assert (table.in_flight, table.waiting) == (1, 256)
    with pytest.raises(PluginBusy, match="256 requests") as caught:
        table.admit(exchange("more"))
    assert caught.value.retry_after == 1
    assert table.settle("more") is None
    table.settle("100")
    table.admit(exchange("more"))


def test_without_a_connection_no_more_is_admitted_than_with_one() -> None:
    table: Exchanges[None, str] = Exchanges(2, max_waiting=1)
    for number in range(3):
        table.admit(exchange(number))
    with pytest.raises(PluginBusy):
        table.admit(exchange(3))


def test_one_exchange_alone_may_be_of_any_size() -> None:
    table: Exchanges[None, str] = Exchanges(8, max_bytes=10)
    table.admit(exchange("large", 100))
    with pytest.raises(PluginBusy, match="100 bytes"):
        table.admit(exchange("small", 1))
    table.next()
    with pytest.raises(PluginBusy):
        table.admit(exchange("small", 1))
    table.settle("large")
    table.admit(exchange("small", 4))
    table.admit(exchange("other", 6))
    assert table.bytes == 10


def test_an_exchange_knows_its_waiter_and_its_size() -> None:
    one = exchange("a", 12)
    assert (one.waiter, one.size, one.sent) == ("waiter a", 12, False)


def test_a_request_id_is_taken_until_it_is_settled() -> None:
    table: Exchanges[None, str] = Exchanges(8)
    table.admit(exchange("a"))
    with pytest.raises(ValueError, match="'a'"):
        table.admit(exchange("a"))
    assert table.bytes == 1
    table.settle("a")
    table.admit(exchange("a"))


def test_deadlines_expire_when_they_come_and_never_before() -> None:
    table: Exchanges[None, str] = Exchanges(8)
    first, second = exchange(1, deadline=30.0), exchange(2, deadline=30.5)
    table.admit(first)
    table.admit(second)
    assert table.expired(29.999) == []
    assert table.expired(30.0) == [first]
    assert table.next_deadline() == 30.5
    assert table.expired(1000.0) == [second]
    assert table.next_deadline() is None


def test_what_settled_leaves_nothing_behind_an_old_one_at_the_head() -> None:
    table: Exchanges[None, str] = Exchanges(4)
    table.admit(exchange("old"))
    table.next()
    tracemalloc.start()
    try:
        for number in range(20_000):
            request_id = f"{number}"
            table.admit(Exchange(request_id, None, 0, 30.0, ""))
            if number % 2:
                table.next()
            table.settle(request_id)
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left < 20_000
    assert [one.request_id for one in table.fail_all()] == ["old"]
