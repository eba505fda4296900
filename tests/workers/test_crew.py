"""Who gets which client, what workers are told, and what becomes of those that end."""

from __future__ import annotations

from collections.abc import Callable
from socket import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from tests.http.fakes import ANN
from toru.access.known import Known
from toru.http.server.connection import Connection
from toru.store.accounttable import Key
from toru.supervise.link import Link
from toru.supervise.sharing import NOT_SHARED, Offer
from toru.supervise.traffic import TrafficCounter
from toru.wire.messages import Init, Log
from toru.workers import crew as module
from toru.workers.crew import Crew
from toru.workers.messages import (
    Begin,
    Drained,
    Finished,
    Granted,
    Keys,
    Lost,
    Moved,
    Noted,
    Offered,
    Proven,
    Ready,
    Routes,
    Said,
    Stop,
    ToWorker,
    Written,
)

INIT = Init("demo", "instance", "/x.sock", "/x.log", "http://127.0.0.1:1", "secret")
SESSION = Key(b"s" * 32, ANN, 1e9)
TOKEN = Key(b"t" * 32, ANN)


class FakeHired:
    """A worker that does what a test says."""

    def __init__(self, number: int, reactor: Any, spawner: Any, office: Any) -> None:
        self.number = number
        self.office = office
        self.ready = self.over = False
        self.fresh = True
        self.connections = 0
        self.began_at = reactor.seconds()
        # What it was told; `end` where it was told to end.
        self.told: list[Any] = []
        self.looks = 0

    def tell(self, message: ToWorker, carried: Any = None) -> None:
        if isinstance(message, Moved):
            self.connections += 1
        self.told.append(message)

    def is_fresh(self) -> bool:
        return self.ready and self.fresh

    def look(self) -> None:
        self.looks += 1

    def end(self) -> Deferred[None]:
        self.told.append("end")
        return succeed(None)

    def says(self, message: Any, carried: Any = None) -> None:
        self.office.heard(self, message, carried)

    def dies(self) -> None:
        self.over = True
        self.ready = False
        self.connections = 0
        self.office.gone(self, "killed by SIGKILL")


class Client:
    """A connection with its first request."""

    def __init__(self) -> None:
        self.first = b"GET / HTTP/1.1"
        self.left = False

    def leave(self) -> tuple[str, bytes]:
        self.left = True
        return "socket", b"unsent"


class Bench:
    """A crew with so many workers, made by the test."""

    def __init__(self, processes: int, made: list[FakeHired]) -> None:
        self.clock = Clock()
        self.made = made
        self.known = Known(self.clock)
        self.known.sessions.add(SESSION)
        self.lines: list[bytes] = []
        self.crew = Crew(
            self.clock,
            cast(Any, None),
            self.known,
            cast(Any, lambda: SimpleNamespace(ticks=0)),
            cast(Any, SimpleNamespace(add=self.lines.append)),
            processes=processes,
            max_body_bytes=1000,
            max_message_bytes=2000,
            trusted_proxies=["10.0.0.0/8"],
        )
        self.crew.start()
        self.logs: list[tuple[Log, Deferred[None]]] = []

    def offer(self, id: str = "demo", concurrency: int = 64) -> Any:
        link = Link(id, self.clock, TrafficCounter(), request_timeout=30.0, heard_log=self._heard)
        offer = Offer(id, "/x.sock", INIT, concurrency, 30.0, False)
        return self.crew.offer(offer, link, TrafficCounter(), self._heard)

    def _heard(self, log: Log) -> Deferred[None]:
        written: Deferred[None] = Deferred()
        self.logs.append((log, written))
        return written

    def up(self, worker: FakeHired, share: int = 1) -> None:
        """It takes clients, and may ask."""
        if not worker.ready:
            worker.ready = True
            worker.says(Ready())
        worker.says(Proven(share, 1))

    def lend(self, id: str = "demo") -> Client:
        client = Client()
        assert self.crew.lend(cast(Connection, client), id) is client.left
        return client


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Bench]:
    made: list[FakeHired] = []

    def hired(*arguments: Any) -> FakeHired:
        made.append(FakeHired(*arguments))
        return made[-1]

    monkeypatch.setattr(module, "Hired", hired)

    def make_bench(processes: int = 2) -> Bench:
        return Bench(processes, made)

    return make_bench


def test_a_worker_is_told_what_there_is_and_then_what_changes(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.crew.routed({"r": "demo"})
    bench.offer()
    [worker] = bench.made
    assert worker.told == [
        Begin(1, 1000, 2000, ["10.0.0.0/8"], True),
        Keys("sessions", [SESSION], []),
        Keys("tokens", [], []),
        Routes({}),
        Routes({"r": "demo"}),
        Offered(1, Offer("demo", "/x.sock", INIT, 64, 30.0, False)),
    ]
    bench.known.tokens.add(TOKEN)
    bench.known.sessions.remove(SESSION.digest)
    assert worker.told[6:] == [Keys("tokens", [TOKEN], []), Keys("sessions", [], [SESSION.digest])]
    worker.dies()
    bench.clock.advance(1.0)
    assert bench.made[1].told == [
        Begin(1, 1000, 2000, ["10.0.0.0/8"], True),
        Keys("sessions", [], []),
        Keys("tokens", [TOKEN], []),
        Routes({"r": "demo"}),
        Offered(1, Offer("demo", "/x.sock", INIT, 64, 30.0, False)),
    ]


def test_a_client_goes_to_whoever_has_the_fewest(make: Callable[..., Bench]) -> None:
    bench = make(3)
    bench.offer()
    for worker in bench.made:
        bench.up(worker)
    clients = [bench.lend() for _ in range(9)]
    assert [worker.connections for worker in bench.made] == [3, 3]
    assert [client.left for client in clients].count(False) == 3
    assert bench.crew.lent == 6
    assert bench.crew.connections == {1: 3, 2: 3}
    assert bench.made[0].told[-1] == Moved(b"unsent", b"GET / HTTP/1.1")
    # Whoever the core kept, and is gone, makes it the one with the fewest.
    kept = next(client for client in clients if not client.left)
    bench.crew.ended(cast(Connection, kept))
    assert not bench.lend().left
    assert bench.lend().left


def test_nobody_is_lent_to_one_that_may_not_ask_or_is_silent(make: Callable[..., Bench]) -> None:
    bench = make()
    [worker] = bench.made
    assert not bench.lend().left
    share = bench.offer()
    assert not bench.lend().left, "not proven"
    bench.up(worker)
    assert not bench.lend("other").left
    assert bench.lend().left
    bench.clock.advance(0)
    worker.fresh = False
    worker.connections = 0
    assert not bench.lend().left, "silent"
    worker.fresh = True
    worker.says(Lost(1))
    assert not bench.lend().left, "lost its connection"
    worker.says(Proven(1, 1))
    assert bench.lend().left
    share.withdraw()
    worker.connections = 0
    assert not bench.lend().left, "withdrawn"


def test_a_new_process_that_is_gone_leaves_clients_to_the_one_before(make: Callable[..., Bench]) -> None:
    bench = make()
    [worker] = bench.made
    bench.offer()
    successor = bench.offer()
    bench.up(worker)
    assert not bench.lend().left, "the new one has not answered"
    successor.withdraw()
    worker.says(Drained(2))
    assert bench.lend().left


def test_a_plugin_that_takes_too_few_is_shared_with_nobody(make: Callable[..., Bench]) -> None:
    bench = make(3)
    assert bench.offer(concurrency=2) is NOT_SHARED
    assert bench.offer(concurrency=3) is not NOT_SHARED


def test_one_that_ends_is_replaced_later_and_later_and_soon_where_it_lasted(
    make: Callable[..., Bench],
) -> None:
    bench = make()
    for seconds in (1, 2, 4, 8, 16, 16):
        count = len(bench.made)
        bench.made[-1].dies()
        bench.clock.advance(seconds - 0.1)
        assert len(bench.made) == count
        bench.clock.advance(0.1)
        assert len(bench.made) == count + 1
    bench.clock.pump([1.0] * 61)
    bench.made[-1].dies()
    bench.clock.advance(1.0)
    assert len(bench.made) == 8


def test_one_that_ends_takes_nothing_with_it(make: Callable[..., Bench]) -> None:
    bench = make()
    share = bench.offer()
    [worker] = bench.made
    bench.up(worker)
    assert worker.told[-1] == Granted(1, 1, 32, 128)
    waiting = share.withdraw()
    done: list[None] = []
    waiting.addCallback(done.append)
    assert done == []
    worker.dies()
    assert done == [None]
    assert bench.crew.lent == 0


def test_one_that_cannot_be_started_or_is_gone_at_once_is_tried_again(
    make: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Any = vars(module)["Hired"]

    def broken(*arguments: Any) -> Any:
        raise OSError("no more processes")

    def gone(*arguments: Any) -> Any:
        worker = real(*arguments)
        worker.dies()
        return worker

    monkeypatch.setattr(module, "Hired", broken)
    bench = make()
    monkeypatch.setattr(module, "Hired", gone)
    bench.clock.advance(1.0)
    monkeypatch.setattr(module, "Hired", real)
    share = bench.offer()
    assert [len(each.told) for each in bench.made] == [0]
    bench.clock.advance(2.0)
    assert len(bench.made) == 2
    bench.made[1].says(Drained(1))
    assert share.withdraw().called


def test_what_plugins_say_there_is_written_before_they_hear_so(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.offer()
    [worker] = bench.made
    worker.says(Said(1, 5, "warn", "hello", b'{"n": 100000000000000000000}'))
    [(log, written)] = bench.logs
    assert log == Log("warn", "hello", {"n": 10**20})
    assert Written(5) not in worker.told
    written.callback(None)
    assert worker.told[-1] == Written(5)
    worker.says(Noted(b"a line\n"))
    assert bench.lines == [b"a line\n"]


def test_a_client_whose_connection_was_lost_on_the_way_is_dropped(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.made[0].says(Moved(b"", b"GET / HTTP/1.1\r\n\r\n"), None)


def test_a_connection_that_nobody_expects_is_closed(make: Callable[..., Bench]) -> None:
    bench = make()
    with socket() as unexpected:
        bench.made[0].says(Ready(), unexpected)
        assert unexpected.fileno() == -1


def test_the_end_waits_for_those_that_serve(make: Callable[..., Bench]) -> None:
    bench = make(4)
    first, second, loading = bench.made
    bench.offer()
    for worker in (first, second):
        bench.up(worker)
    bench.crew.begin_stop()
    assert [worker.told[-1] for worker in bench.made] == [Stop()] * 3
    assert not bench.lend().left
    drained: list[None] = []
    bench.crew.drained().addCallback(drained.append)
    first.says(Finished())
    assert drained == []
    second.dies()
    assert drained == [None]
    bench.clock.advance(30.0)
    assert len(bench.made) == 3, "nobody is hired any more"
    assert bench.crew.stop().called
    assert [first.told[-1], loading.told[-1]] == ["end", "end"]
    assert bench.clock.getDelayedCalls() == []


def test_one_that_waits_to_be_hired_is_not_when_the_core_stops(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.made[0].dies()
    bench.crew.begin_stop()
    assert bench.crew.drained().called
    assert bench.crew.stop().called
    assert bench.clock.getDelayedCalls() == []
