"""A worker's own connection to a plugin's process: proven, granted, lost, withdrawn."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.supervise.fakes import FakeDial, Wire
from toru.errors import LinkLost, PluginBusy, ToruError
from toru.supervise.sharing import Offer
from toru.wire.messages import Answer, HttpRequest, Init, Log, RequestHead
from toru.workers.messages import (
    Drained,
    Granted,
    Lost,
    Offered,
    Proven,
    Reports,
    ToCore,
)
from toru.workers.plugins import PROOF_SECONDS, AskedPlugin, AskedPlugins

INIT = Init("demo", "instance", "/x.sock", "/x.log", "http://127.0.0.1:1", "secret")
LOG = '{"type":"log","payload":{"level":"info","message":"hello"}}\n'


class Desk:
    """A worker's, which remembers what it told the core."""

    def __init__(self, number: int = 1) -> None:
        self.clock = Clock()
        self.number = number
        self.max_message_bytes = 2**20
        self.dial = FakeDial()
        self.choked = False
        self.told: list[ToCore] = []
        self.logs: list[tuple[int, Log, Deferred[None]]] = []

    def tell(self, message: ToCore) -> None:
        self.told.append(message)

    def said(self, share: int, log: Log) -> Deferred[None]:
        written: Deferred[None] = Deferred()
        self.logs.append((share, log, written))
        return written


class Waiter:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[Answer | ToruError] = []

    def answered(self, answer: Answer) -> None:
        self.told.append(answer)

    def failed(self, error: ToruError) -> None:
        self.told.append(error)


class Bench:
    """All plugins of a worker, of which one was offered, under the number 7."""

    def __init__(self, number: int = 1) -> None:
        self.desk = Desk(number)
        self.plugins = AskedPlugins(self.desk)
        self.plugins.route({"demo-route": "demo", "other": "other"})
        self.offer()

    def offer(self, share: int = 7) -> None:
        self.plugins.offer(Offered(share, Offer("demo", "/x.sock", INIT, 64, 30.0, False)))

    @property
    def wire(self) -> Wire:
        return self.desk.dial.wires[-1]

    def pong(self) -> None:
        """It answers what it was asked first."""
        [ping] = [message for message in self.wire.said() if message["payload"].get("action") == "ping"]
        self.wire.hear(_line("lifecycle", ping["request_id"], '{"action":"pong"}'))

    def grant(self, concurrency: int = 4, share: int = 7) -> None:
        """For the last proof, or in place of one that there was not."""
        proofs = [told.proof for told in self.desk.told if isinstance(told, Proven) and told.share == share]
        self.plugins.grant(Granted(share, proofs[-1] if proofs else 1, concurrency, 2))

    def granted(self) -> AskedPlugin:
        """The plugin, which may be asked."""
        self.pong()
        self.grant()
        plugin = self.plugins.find("demo-route")
        assert plugin is not None
        return plugin

    def asked(self) -> list[Any]:
        """The requests that it was sent since the last time."""
        self.desk.clock.advance(0)
        return [message for message in self.wire.said() if message["type"] == "http"]

    def answer(self, request: Any) -> None:
        self.wire.hear(_line("http", request["request_id"], '{"status":200,"body":"hi"}'))


def _line(type: str, request_id: str, payload: str) -> bytes:
    return f'{{"type":"{type}","request_id":"{request_id}","payload":{payload}}}\n'.encode()


def ask(plugin: AskedPlugin) -> Waiter:
    waiter = Waiter()
    plugin.ask(HttpRequest(RequestHead("GET", "/", {}), None), waiter)
    return waiter


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_it_is_proven_by_its_answer_alone(bench: Bench) -> None:
    assert bench.wire.path == "/x.sock"
    assert bench.desk.told == []
    bench.grant()
    assert bench.plugins.find("demo-route") is None, "nobody grants what is not proven"
    bench.pong()
    assert bench.desk.told == [Proven(7, 1)]
    assert bench.plugins.find("demo-route") is None


def test_it_is_told_who_connects_before_it_is_asked(bench: Bench) -> None:
    init, ping = bench.wire.said()
    assert (init["payload"]["action"], init["payload"]["token"]) == ("init", "secret")
    assert ping["payload"]["action"] == "ping"


def test_one_that_does_not_answer_is_left_alone(bench: Bench) -> None:
    bench.desk.clock.advance(PROOF_SECONDS - 0.1)
    assert "abort" not in bench.wire.calls
    bench.desk.clock.advance(0.2)
    assert "abort" in bench.wire.calls
    bench.desk.clock.pump([1.0] * 100)
    assert len(bench.desk.dial.wires) == 1
    assert bench.desk.told == []


def test_it_is_asked_what_it_was_granted_and_answers(bench: Bench) -> None:
    plugin = bench.granted()
    waiters = [ask(plugin) for _ in range(6)]
    requests = bench.asked()
    assert len(requests) == 4
    for request in requests:
        bench.answer(request)
    for request in bench.asked():
        bench.answer(request)
    assert [type(told) for waiter in waiters for told in waiter.told] == [Answer] * 6
    for _ in range(6):
        ask(plugin)
    with pytest.raises(PluginBusy):
        ask(plugin)


def test_ids_are_those_of_no_other_process() -> None:
    ids = set()
    for number in (1, 2):
        bench = Bench(number)
        ask(bench.granted())
        ids |= {request["request_id"] for request in bench.asked()}
    assert len(ids) == 2
    assert all(int(id) > 2**48 for id in ids)


def test_only_a_route_that_stands_for_it_finds_it(bench: Bench) -> None:
    plugin = bench.granted()
    assert bench.plugins.find("demo-route") is plugin
    assert (bench.plugins.find("demo"), bench.plugins.find("other")) == (None, None)
    bench.plugins.route({"moved": "demo"})
    assert bench.plugins.find("demo-route") is None
    assert bench.plugins.find("moved") is plugin


def test_a_lost_connection_fails_what_it_carried_and_is_made_anew_and_proven_anew(bench: Bench) -> None:
    plugin = bench.granted()
    waiters = [ask(plugin) for _ in range(5)]
    bench.wire.end()
    assert [type(told) for waiter in waiters for told in waiter.told] == [LinkLost] * 5
    assert bench.desk.told == [Proven(7, 1), Lost(7)]
    assert bench.plugins.find("demo-route") is None
    bench.grant()
    assert bench.plugins.find("demo-route") is None, "that was of the connection before"
    bench.desk.clock.advance(1.0)
    assert len(bench.desk.dial.wires) == 2
    plugin = bench.granted()
    assert bench.desk.told[2:] == [Proven(7, 2)]
    again = ask(plugin)
    [request] = bench.asked()
    bench.answer(request)
    assert [type(told) for told in again.told] == [Answer]


def test_one_that_was_lost_before_it_was_granted_is_told_to_be_lost(bench: Bench) -> None:
    bench.pong()
    bench.wire.end()
    assert bench.desk.told == [Proven(7, 1), Lost(7)]


def test_a_grant_for_the_connection_before_does_nothing(bench: Bench) -> None:
    bench.pong()
    bench.wire.end()
    bench.desk.clock.advance(1.0)
    bench.pong()
    assert bench.desk.told == [Proven(7, 1), Lost(7), Proven(7, 2)]
    bench.plugins.grant(Granted(7, 1, 4, 2))
    assert bench.plugins.find("demo-route") is None
    bench.grant()
    assert bench.plugins.find("demo-route") is not None


def test_a_process_that_keeps_closing_is_left_alone(bench: Bench) -> None:
    for count in (1, 2, 3, 4):
        assert len(bench.desk.dial.wires) == count
        bench.granted()
        bench.wire.end()
        bench.desk.clock.advance(16.0)
    assert len(bench.desk.dial.wires) == 4
    assert bench.desk.clock.getDelayedCalls() == []


def test_a_socket_that_takes_no_connection_is_tried_again(bench: Bench) -> None:
    bench.desk.dial.refusal = errno.EAGAIN
    bench.offer(8)
    bench.desk.clock.advance(1.0)
    assert bench.desk.dial.refused == 2
    bench.desk.dial.refusal = None
    bench.desk.clock.advance(2.0)
    bench.pong()
    assert Proven(8, 1) in bench.desk.told


def test_what_is_withdrawn_is_left_once_it_has_answered(bench: Bench) -> None:
    plugin = bench.granted()
    waiter = ask(plugin)
    plugin.served(200)
    [request] = bench.asked()
    bench.plugins.withdraw(7)
    assert bench.plugins.find("demo-route") is None
    assert bench.desk.told == [Proven(7, 1)]
    assert "abort" not in bench.wire.calls
    bench.answer(request)
    assert [type(told) for told in waiter.told] == [Answer]
    assert "abort" in bench.wire.calls
    [_, last, drained] = bench.desk.told
    assert isinstance(last, Reports)
    [report] = last.reports
    assert (report.share, report.counted.requests, report.counted.answers) == (7, 1, (1, 0, 0, 0))
    assert (report.in_flight, report.waiting) == (0, 0)
    assert drained == Drained(7)
    assert bench.plugins.reports() == []
    assert bench.desk.clock.getDelayedCalls() == []


def test_what_is_withdrawn_before_it_is_proven_is_left_at_once(bench: Bench) -> None:
    bench.plugins.withdraw(7)
    assert bench.desk.told == [Drained(7)]
    assert "abort" in bench.wire.calls
    bench.plugins.withdraw(7)
    bench.plugins.withdraw(99)
    bench.grant()
    assert bench.plugins.find("demo-route") is None
    assert bench.desk.clock.getDelayedCalls() == []


def test_one_that_dies_after_it_was_withdrawn_ends_what_it_carried(bench: Bench) -> None:
    waiter = ask(bench.granted())
    bench.plugins.withdraw(7)
    bench.wire.end()
    assert [type(told) for told in waiter.told] == [LinkLost]
    assert bench.desk.told[-1] == Drained(7)
    assert bench.desk.clock.getDelayedCalls() == []


def test_of_two_processes_of_a_plugin_the_newer_is_asked(bench: Bench) -> None:
    older = bench.granted()
    bench.offer(8)
    bench.pong()
    bench.grant(share=8)
    newer = bench.plugins.find("demo-route")
    assert newer is not None
    assert newer is not older
    bench.plugins.withdraw(7)
    assert bench.plugins.find("demo-route") is newer


def test_what_it_logs_is_said_also_before_it_is_proven_and_too_much_chokes_it(bench: Bench) -> None:
    bench.wire.hear(LOG.encode())
    bench.granted()
    bench.wire.hear(LOG.encode())
    assert [(share, log.message) for share, log, _ in bench.desk.logs] == [(7, "hello")] * 2
    assert "pause" not in bench.wire.calls
    bench.desk.choked = True
    bench.wire.hear(LOG.encode())
    assert bench.wire.calls[-1] == "pause"
    bench.desk.choked = False
    bench.desk.clock.advance(1.0)
    assert bench.wire.calls[-1] == "resume"


def test_it_is_reported_where_there_is_something_new(bench: Bench) -> None:
    assert bench.plugins.reports() == []
    plugin = bench.granted()
    waiter = ask(plugin)
    [report] = bench.plugins.reports()
    assert (report.in_flight, report.waiting, report.counted.requests) == (1, 0, 1)
    assert bench.plugins.reports() == []
    [request] = bench.asked()
    bench.answer(request)
    plugin.served(200)
    assert len(waiter.told) == 1
    [report] = bench.plugins.reports()
    assert (report.in_flight, report.counted.requests, sum(report.counted.durations.buckets)) == (0, 0, 1)
    assert report.counted.answers == (1, 0, 0, 0)


def test_a_pong_that_comes_late_or_twice_proves_nothing_more(bench: Bench) -> None:
    pong = b'{"type":"lifecycle","request_id":"worker","payload":{"action":"pong"}}\n'
    bench.wire.hear(pong + pong)
    assert bench.desk.told == [Proven(7, 1)]
    bench.grant()
    bench.wire.hear(pong)
    assert bench.desk.told == [Proven(7, 1)]


def test_the_pong_of_another_ping_proves_nothing(bench: Bench) -> None:
    bench.wire.hear(b'{"type":"lifecycle","request_id":"other","payload":{"action":"pong"}}\n')
    assert bench.desk.told == []


def test_a_grant_after_it_was_withdrawn_does_nothing(bench: Bench) -> None:
    plugin = bench.granted()
    ask(plugin)
    bench.plugins.withdraw(7)
    bench.grant()
    assert bench.plugins.find("demo-route") is None


def test_withdrawn_twice_it_is_drained_once(bench: Bench) -> None:
    bench.granted()
    bench.plugins.withdraw(7)
    bench.plugins.withdraw(7)
    assert bench.desk.told.count(Drained(7)) == 1


def test_the_newer_process_is_asked_whatever_becomes_of_the_older(bench: Bench) -> None:
    """The part of the older one may be free only after that of the newer."""
    bench.pong()
    bench.offer(8)
    bench.pong()
    bench.grant(share=8)
    newer = bench.plugins.find("demo-route")
    bench.grant(share=7)
    bench.plugins.withdraw(7)
    assert bench.plugins.find("demo-route") is newer is not None


def test_it_is_lost_once_where_it_was_granted_or_proven_alone(bench: Bench) -> None:
    bench.granted()
    bench.wire.end()
    bench.desk.clock.advance(1.0)
    bench.wire.end()
    assert bench.desk.told == [Proven(7, 1), Lost(7)], "the second was never proven"
