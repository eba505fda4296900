"""Keys and values: against a model in memory step by step, and in a real database with real threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import UNSET, UnsetType
from sqlalchemy import Connection, StaticPool, create_engine, select
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, execute, gatherResults
from twisted.internet.task import Clock

from tests.http.fakes import in_reactor
from toru.config import KvLimits
from toru.errors import BadRequest, Conflict, QuotaExceeded, StorageUnavailable, TooLong, ToruError
from toru.store import kv as module
from toru.store.database import Database
from toru.store.kv import KeyValues
from toru.store.kvtable import Keys
from toru.store.schema import metadata, plugin_kv, plugin_kv_usage

from .waiting import Busy

T = TypeVar("T")

QUOTA = 100
PLUGINS = st.sampled_from(["p", "q", "P"])
KEYS = st.sampled_from(["a", "ab", "a%", "a_", "a\0", "a\0b", "b", "é", "😀", "\uffff", "k" * 20])
VALUES = st.sampled_from(["", "1", "\0", "😀%_", "v" * 30])
TTLS = st.none() | st.sampled_from([1, 2.5, 10])


class DirectDatabase:
    """Does in place what the writer and the readers do, at once or when it is let go."""

    def __init__(self) -> None:
        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        metadata.create_all(self.engine)
        self.held: list[tuple[Deferred[Any], Callable[[Connection], Any]]] | None = None

    def read(self, work: Callable[[Connection], T]) -> Deferred[T]:
        return execute(self._run, work)

    def write(self, work: Callable[[Connection], T]) -> Deferred[T]:
        if self.held is None:
            return execute(self._run, work)
        waiting: Deferred[T] = Deferred()
        self.held.append((waiting, work))
        return waiting

    def hold(self) -> None:
        """What is written waits from now on."""
        self.held = []

    def let_go(self) -> None:
        """Do what waits."""
        held, self.held = self.held or [], None
        for waiting, work in held:
            execute(self._run, work).chainDeferred(waiting)

    def _run(self, work: Callable[[Connection], T]) -> T:
        with self.engine.begin() as connection:
            return work(connection)


def outcome(deferred: Deferred[Any]) -> Any:
    """What it fired with; the class of the error where it failed."""
    fired: list[Any] = []
    deferred.addCallbacks(fired.append, lambda failure: fired.append(failure.type))
    (found,) = fired
    return found


class AgainstAModel(RuleBasedStateMachine):
    """The model is a dictionary of what lives: (plugin, key) to the value and the moment at which it ends."""

    @initialize()
    def start(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.database = DirectDatabase()
        database: Any = self.database
        self.kv = KeyValues(database, self.clock, KvLimits(max_bytes=QUOTA))
        self.model: dict[tuple[str, str], tuple[str, float | None]] = {}

    def used(self, plugin: str) -> int:
        return sum(
            len(key.encode()) + len(value.encode())
            for (owner, key), (value, _) in self.model.items()
            if owner == plugin
        )

    def model_set(self, plugin: str, key: str, value: str, ttl: float | None, expect: Any) -> Any:
        value_now = self.model.get((plugin, key), (None, None))[0]
        if expect is not UNSET and expect != value_now:
            return Conflict
        before = self.used(plugin)
        old = 0 if value_now is None else len(key.encode()) + len(value_now.encode())
        new = len(key.encode()) + len(value.encode())
        if new > old and before - old + new > QUOTA:
            return QuotaExceeded
        self.model[plugin, key] = (value, None if ttl is None else self.clock.seconds() + ttl)
        return None

    def expected(self, plugin: str, key: str, choice: str, value: str) -> str | UnsetType | None:
        held = self.model.get((plugin, key), (None, None))[0]
        choices: dict[str, str | UnsetType | None] = {
            "nothing": UNSET,
            "absent": None,
            "right": held,
            "value": value,
        }
        return choices[choice]

    @rule(
        plugin=PLUGINS,
        key=KEYS,
        value=VALUES,
        ttl=TTLS,
        choice=st.sampled_from(["nothing", "nothing", "absent", "right", "value"]),
        other=VALUES,
    )
    def set(self, plugin: str, key: str, value: str, ttl: float | None, choice: str, other: str) -> None:
        expect = self.expected(plugin, key, choice, other)
        done = self.kv.set(plugin, key, value, ttl_seconds=ttl, expect=expect)
        assert outcome(done) is self.model_set(plugin, key, value, ttl, expect)

    @rule(plugin=PLUGINS, key=KEYS)
    def delete(self, plugin: str, key: str) -> None:
        assert outcome(self.kv.delete(plugin, key)) is None
        self.model.pop((plugin, key), None)

    @rule(
        changes=st.lists(
            st.tuples(PLUGINS, KEYS, st.none() | VALUES, st.none() | VALUES, st.booleans(), st.booleans()),
            max_size=8,
        )
    )
    def many_at_once(self, changes: list[tuple[str, str, str | None, str | None, bool, bool]]) -> None:
        """A None for a value deletes; then what is expected, whether something is, and whether it is cancelled."""
        self.database.hold()
        # The first has no company: it is handed over before the others are there.
        self.kv.delete("other", "x")
        given = []
        for plugin, key, value, expect, expecting, cancelled in changes:
            if value is None:
                done = self.kv.delete(plugin, key)
            else:
                done = self.kv.set(plugin, key, value, expect=expect if expecting else UNSET)
            if cancelled:
                done.cancel()
            given.append(done)
        self.database.let_go()
        for done, (plugin, key, value, expect, expecting, cancelled) in zip(given, changes, strict=True):
            if cancelled:
                assert outcome(done) is CancelledError
            elif value is None:
                self.model.pop((plugin, key), None)
                assert outcome(done) is None
            else:
                wanted = self.model_set(plugin, key, value, None, expect if expecting else UNSET)
                assert outcome(done) is wanted

    @rule(plugin=PLUGINS, key=KEYS)
    def get(self, plugin: str, key: str) -> None:
        assert outcome(self.kv.get(plugin, key)) == self.model.get((plugin, key), (None, None))[0]

    @rule(
        plugin=PLUGINS,
        prefix=st.sampled_from(["", "a", "a%", "a_", "a\0", "é", "\U0010ffff"]),
        limit=st.integers(1, 5),
        after=st.none() | KEYS,
    )
    def list(self, plugin: str, prefix: str, limit: int, after: str | None) -> None:
        keys = sorted(
            (key for owner, key in self.model if owner == plugin and key.startswith(prefix)),
            key=str.encode,
        )
        keys = [key for key in keys if after is None or key.encode() > after.encode()]
        wanted = Keys(keys[:limit], keys[limit - 1] if len(keys) > limit else None)
        assert outcome(self.kv.list(plugin, prefix=prefix, limit=limit, after=after)) == wanted

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.clock.advance(seconds)
        now = self.clock.seconds()
        self.model = {
            name: (value, ends) for name, (value, ends) in self.model.items() if ends is None or ends > now
        }

    @rule()
    def prune(self) -> None:
        assert outcome(self.kv.prune()) >= 0
        with self.database.engine.begin() as connection:
            assert len(connection.execute(select(plugin_kv)).all()) == len(self.model)

    @invariant()
    def what_is_used_is_known(self) -> None:
        if not hasattr(self, "database"):
            return
        with self.database.engine.begin() as connection:
            known = {row.plugin: row.bytes for row in connection.execute(select(plugin_kv_usage))}
            sizes = dict.fromkeys(known, 0)
            for row in connection.execute(select(plugin_kv)):
                sizes[row.plugin] += len(row.key) + len(row.value)
        assert sizes == known


TestAgainstAModel = AgainstAModel.TestCase
TestAgainstAModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@pytest.fixture
def kv(database: Database) -> KeyValues:
    clock: Any = reactor
    return KeyValues(database, clock, KvLimits())


@in_reactor
async def test_everything_that_text_can_be(kv: KeyValues) -> None:
    keys = ["a", "%", "_", "\0", "a\0b", "😀", "user/1/x", "'\";--", "k" * 512, "😀" * 512]
    await gatherResults([kv.set("p", key, f"value of {key}") for key in keys])
    assert await gatherResults([kv.get("p", key) for key in keys]) == [f"value of {key}" for key in keys]
    assert (await kv.list("p")).keys == sorted(keys, key=str.encode)
    assert (await kv.list("p", prefix="%")).keys == ["%"]
    assert await kv.list("q") == Keys([], None)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda kv: kv.get("p", ""), BadRequest),
        (lambda kv: kv.get("p", "k" * 513), TooLong),
        (lambda kv: kv.get("p", "\ud800"), BadRequest),
        (lambda kv: kv.delete("p", ""), BadRequest),
        (lambda kv: kv.set("p", "", "v"), BadRequest),
        (lambda kv: kv.set("p", "k" * 513, "v"), TooLong),
        (lambda kv: kv.set("p", "k", "\udfff"), BadRequest),
        (lambda kv: kv.set("p", "k", "é" * 2**19 + "x"), TooLong),
        (lambda kv: kv.set("p", "k", "v", ttl_seconds=0), BadRequest),
        (lambda kv: kv.set("p", "k", "v", ttl_seconds=float("nan")), BadRequest),
        (lambda kv: kv.set("p", "k", "v", ttl_seconds=float("inf")), BadRequest),
        (lambda kv: kv.set("p", "k", "v", expect="\ud800"), BadRequest),
        (lambda kv: kv.list("p", limit=0), BadRequest),
        (lambda kv: kv.list("p", limit=1001), BadRequest),
        (lambda kv: kv.list("p", prefix="\ud800"), BadRequest),
        (lambda kv: kv.list("p", after="\ud800"), BadRequest),
    ],
)
@in_reactor
async def test_refused(database: Database, kv: KeyValues, call: Any, error: type[ToruError]) -> None:
    with pytest.raises(error):
        await call(kv)
    assert database.writes.count == database.reads.count == 0


@in_reactor
async def test_the_largest_value(kv: KeyValues) -> None:
    value = "é" * 2**19
    await kv.set("p", "k", value)
    assert await kv.get("p", "k") == value


@in_reactor
async def test_a_full_storage(kv: KeyValues) -> None:
    value = "x" * 2**20
    for number in range(63):
        await kv.set("p", f"{number:02}", value)
    room = 2**20 - 63 * 2
    with pytest.raises(QuotaExceeded) as caught:
        await kv.set("p", "63", "x" * (room - 1))
    assert (caught.value.status, caught.value.code) == (507, "quota-exceeded")
    await kv.set("p", "63", "x" * (room - 2))
    await kv.set("q", "another plugin", value)
    with pytest.raises(QuotaExceeded):
        await kv.set("p", "k", "")
    assert len((await kv.list("p")).keys) == 64
    await kv.set("p", "00", "smaller")
    await kv.set("p", "k", "")


@in_reactor
async def test_compare_and_set_by_many(kv: KeyValues) -> None:
    await kv.set("p", "n", "0")

    async def add_one() -> None:
        while True:
            value = await kv.get("p", "n")
            assert value is not None
            try:
                await kv.set("p", "n", str(int(value) + 1), expect=value)
            except Conflict:
                continue
            return

    await gatherResults([Deferred.fromCoroutine(add_one()) for _ in range(20)])
    assert await kv.get("p", "n") == "20"


@in_reactor
async def test_what_waits_is_written_together(database: Database, kv: KeyValues) -> None:
    with Busy(database):
        waiting = [kv.set("p", str(number), "x") for number in range(100)]
    await gatherResults(waiting)
    # The first was handed over at once, the others together.
    assert database.writes.count == 1 + 2


class HeldDatabase:
    """Keeps how many changes each transaction has, until it is told that the last one is over."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def write(self, work: Any) -> Deferred[Any]:
        self.sizes.append(len(work.keywords["batch"]))
        self._last: Deferred[Any] = Deferred()
        return self._last

    def over(self) -> None:
        self._last.callback([None] * self.sizes[-1])


def test_as_many_as_were_told_are_waited_for() -> None:
    clock, held = Clock(), HeldDatabase()
    database: Any = held
    kv = KeyValues(database, clock, KvLimits(max_bytes=1000))

    def write(count: int) -> None:
        for number in range(count):
            kv.set("p", str(number), "x")

    def after(seconds: float, write_again: int) -> list[int]:
        clock.advance(seconds)
        write(write_again)
        return held.sizes

    write(4)
    held.over()
    assert held.sizes == [1, 3], "who is alone waits for nobody"
    write(1)
    held.over()
    assert after(0, 1) == [1, 3]
    assert after(module.GATHER_SECONDS, 1) == [1, 3, 3], "once as many wait again, nobody waits any longer"

    write(1)
    held.over()
    assert after(module.GATHER_SECONDS, 0) == [1, 3, 3, 1], "when no more come, it is written"

    write(module.GATHER_TIMES + 5)
    held.over()
    write(1)
    held.over()
    write(1)
    for _ in range(module.GATHER_TIMES - 1):
        assert len(after(module.GATHER_SECONDS, 1)) == 5
    assert after(module.GATHER_SECONDS, 0)[5:] == [module.GATHER_TIMES + 1], (
        "the first is not held up for long"
    )
    held.over()
    assert not clock.getDelayedCalls()


@in_reactor
async def test_a_batch_has_limits(database: Database, kv: KeyValues, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_BYTES", 1000)
    monkeypatch.setattr(module, "BATCH_CHANGES", 5)
    sizes = [10, 2000, 900, 900, *[1] * 10]
    await gatherResults([kv.set("p", str(number), "x" * size) for number, size in enumerate(sizes)])
    assert database.writes.count == 1 + 1 + 1 + 3
    assert len((await kv.list("p")).keys) == len(sizes)


@in_reactor
async def test_not_too_much_waits(database: Database, kv: KeyValues, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PENDING", 2000)
    monkeypatch.setattr(module, "MOST_PENDING_EACH", 1000)
    with Busy(database):
        waiting = [kv.set("p", key, "x" * 600) for key in "ab"]
        with pytest.raises(StorageUnavailable):
            await kv.set("p", "c", "x" * 600)
        waiting += [kv.set(plugin, "a", "x" * 600) for plugin in ("q", "r")]
        with pytest.raises(StorageUnavailable):
            await kv.set("s", "a", "x" * 600)
    await gatherResults(waiting)
    for plugin in "ps":
        await kv.set(plugin, "c", "x" * 600)


@in_reactor
async def test_cancelled_before_it_begins(database: Database, kv: KeyValues) -> None:
    with Busy(database):
        waiting = [kv.set("p", key, "x") for key in "abc"]
        waiting[0].cancel()
        waiting[2].cancel()
        for at in (0, 2):
            with pytest.raises(CancelledError):
                await waiting[at]
    await waiting[1]
    assert (await kv.list("p")).keys == ["b"]


@in_reactor
async def test_a_database_that_fails(database: Database, kv: KeyValues) -> None:
    await database.write(lambda connection: plugin_kv_usage.drop(connection))
    waiting = [kv.set("p", key, "x") for key in "abc"]
    for each in waiting:
        with pytest.raises(StorageUnavailable):
            await each
    await database.write(lambda connection: plugin_kv_usage.create(connection))
    await kv.set("p", "d", "x")
    assert (await kv.list("p")).keys == ["d"]
