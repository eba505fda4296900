"""A link and what carries it: losing it, finding it again, log lines, and the end."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from toru.errors import LinkLost, PluginTimeout, PluginUnavailable, ProtocolError
from toru.supervise.channels import Channel
from toru.supervise.link import _LASTING_SECONDS, _UNWRITTEN_ALLOWED
from toru.wire.messages import Answer, Log, Pong, Unknown

from .fakes import REQUEST, FakeChannel, results
from .links import TIMEOUT, Bench

LOG = Log("info", "hello", None)


class TestOpening:
    def test_requests_wait_until_it_is_open(self) -> None:
        bench = Bench(opened=False)
        got = bench.ask()
        assert not bench.link.answering
        bench.link.open(bench.connect, 64)
        assert bench.link.answering
        assert bench.channel.sent() == ["1"]
        assert got == []

    def test_they_wait_no_longer_than_others(self) -> None:
        bench = Bench(opened=False)
        got = bench.ask()
        bench.clock.advance(TIMEOUT + 0.1)
        assert isinstance(got[0], PluginTimeout)

    def test_with_a_channel_that_is_there(self) -> None:
        bench = Bench(opened=False)
        bench.ask()
        channel: Channel = FakeChannel(bench.link)
        probed = Bench().link
        channel.owner = probed
        bench.link.open(bench.connect, 64, channel)
        assert bench.channels == []
        assert isinstance(channel, FakeChannel)
        assert channel.owner is bench.link
        assert channel.sent() == ["1"]

    def test_the_socket_takes_no_connection_yet(self) -> None:
        bench = Bench(opened=False)
        bench.refusals = 3
        bench.ask()
        bench.link.open(bench.connect, 64)
        assert not bench.link.answering
        for _ in range(3):
            bench.next_timer()
        assert bench.tries == [0.0, 0.05, 0.15, 0.35]
        assert bench.channel.sent() == ["1"]


class TestLoss:
    def test_fails_those_in_flight_and_keeps_those_that_wait(self) -> None:
        bench = Bench(concurrency=2)
        got = [bench.ask() for _ in range(4)]
        bench.link.lost(LinkLost("gone"))
        assert [[type(one) for one in each] for each in got] == [[LinkLost], [LinkLost], [], []]
        assert bench.link.in_flight == 0
        bench.clock.advance(0.05)
        assert len(bench.channels) == 2
        assert bench.channel.sent() == ["3", "4"]
        bench.answer("3")
        bench.answer("4")
        assert [type(each[0]) for each in got[2:]] == [Answer, Answer]

    def test_new_requests_wait_for_the_next_connection(self) -> None:
        bench = Bench()
        bench.link.lost(LinkLost("gone"))
        bench.ask()
        assert bench.channel.sent() == []
        bench.clock.advance(0.05)
        assert bench.channel.sent() == ["1"]

    def test_a_cancelled_request_is_told_to_nobody_while_there_is_no_channel(self) -> None:
        bench = Bench()
        bench.link.lost(LinkLost("gone"))
        waiter = bench.link.request(REQUEST)
        got = results(waiter)
        waiter.cancel()
        bench.clock.advance(0.05)
        assert isinstance(got[0], CancelledError)
        assert bench.channel.calls == []

    def test_backoff(self) -> None:
        bench = Bench()
        bench.refusals = 9
        bench.link.lost(LinkLost("gone"))
        while not bench.link.answering:
            bench.next_timer()
        tries = [0.0, 0.05, 0.15, 0.35, 0.75, 1.55, 3.15, 6.35, 11.35, 16.35, 21.35]
        assert bench.tries == pytest.approx(tries)
        assert bench.timers == 0

    def test_connections_that_do_not_last_are_failures_too(self) -> None:
        bench = Bench()
        for _ in range(5):
            bench.link.lost(LinkLost("gone"))
            bench.next_timer()
        assert bench.tries == pytest.approx([0.0, 0.05, 0.15, 0.35, 0.75, 1.55])

    def test_one_that_lasted_begins_anew(self) -> None:
        bench = Bench()
        for _ in range(5):
            bench.link.lost(LinkLost("gone"))
            bench.next_timer()
        bench.clock.advance(_LASTING_SECONDS)
        lost_at = bench.clock.seconds()
        bench.link.lost(LinkLost("gone"))
        bench.clock.advance(0.05)
        assert bench.tries[-1] == pytest.approx(lost_at + 0.05)

    def test_protocol_errors_are_logged_with_what_was_wrong(self) -> None:
        bench = Bench()
        with capturedLogs() as logged:
            bench.link.lost(LinkLost("gone"))
            bench.clock.advance(0.05)
            bench.link.lost(ProtocolError("a message is empty"))
        assert [(one["plugin"], one["error"]) for one in logged] == [("demo", "a message is empty")]


class TestLogMessages:
    def test_are_handed_on_and_answer_nothing(self) -> None:
        bench = Bench()
        assert not bench.link.received(LOG)
        assert [message for message, _ in bench.logs] == [LOG]

    @pytest.mark.parametrize("fails", [False, True])
    def test_too_many_unwritten_ones_choke(self, fails: bool) -> None:
        bench = Bench()
        for _ in range(_UNWRITTEN_ALLOWED):
            bench.link.received(LOG)
        assert not bench.link.choked
        bench.link.received(LOG)
        assert bench.link.choked
        bench.logs[0][1].callback(Failure(OSError()) if fails else None)
        assert not bench.link.choked

    def test_unknown_types_are_logged_once_each_and_ten_in_all(self) -> None:
        bench = Bench()
        with capturedLogs() as logged:
            for _ in range(3):
                for n in range(50):
                    assert not bench.link.received(Unknown(f"type {n} {'x' * 90}"))
        assert len(logged) == 10
        assert logged[3]["type"] == f"type 3 {'x' * 33}"


class TestSignsOfLife:
    @pytest.mark.parametrize("message", [Pong("9"), LOG, Unknown("x"), Answer("9", 200, (), b"")])
    def test_every_message_is_one(self, message: Pong | Log | Unknown | Answer) -> None:
        bench = Bench()
        bench.clock.advance(7)
        bench.link.received(message)
        assert bench.link.heard_at == 7

    def test_a_ping_needs_a_channel(self) -> None:
        bench = Bench()
        bench.link.lost(LinkLost("gone"))
        bench.link.ping()
        assert bench.channel.calls == []

    def test_a_channel_that_does_not_answer(self) -> None:
        bench = Bench()
        bench.channel.answering = False
        assert not bench.link.answering


class TestShutdown:
    def test_is_said(self) -> None:
        bench = Bench()
        assert bench.link.shutdown(5.0)
        assert bench.channel.calls == [("shutdown", 5.0)]

    def test_is_said_to_one_that_does_not_read(self) -> None:
        bench = Bench()
        bench.channel.can_send = False
        assert bench.link.shutdown(5.0)

    def test_there_may_be_no_way(self) -> None:
        bench = Bench()
        bench.channel.answering = False
        assert not bench.link.shutdown(5.0)
        bench.link.lost(LinkLost("gone"))
        assert not bench.link.shutdown(5.0)
        assert bench.channel.calls == []


class TestDrained:
    def test_at_once_where_nobody_waits(self) -> None:
        assert results(Bench().link.drained()) == [None]

    @pytest.mark.parametrize("end", ["answer", "cancel", "timeout", "lost", "refused", "closed"])
    def test_when_the_last_is_settled_however_it_ended(self, end: str) -> None:
        bench = Bench()
        bench.ask()
        waiter = bench.link.request(REQUEST)
        results(waiter)
        drained, other = results(bench.link.drained()), results(bench.link.drained())
        bench.answer("1")
        assert drained == []
        match end:
            case "answer":
                bench.answer("2")
            case "cancel":
                waiter.cancel()
            case "timeout":
                bench.clock.advance(TIMEOUT + 0.1)
            case "lost":
                bench.link.lost(LinkLost("gone"))
            case "refused":
                bench.link.failed("2", LinkLost("no"))
            case "closed":
                bench.link.close()
        assert (drained, other) == ([None], [None])

    def test_those_that_wait_their_turn_count(self) -> None:
        bench = Bench(concurrency=1)
        bench.ask()
        bench.ask()
        drained = results(bench.link.drained())
        bench.answer("1")
        assert drained == []
        bench.answer("2")
        assert drained == [None]


class TestClosing:
    def test_tells_everybody(self) -> None:
        bench = Bench(concurrency=1)
        got = [bench.ask() for _ in range(3)]
        bench.link.close()
        assert [type(one[0]) for one in got] == [LinkLost] * 3
        assert bench.channel.calls == [("send", "1"), ("close", None)]
        assert bench.traffic.snapshot().errors == 3
        assert bench.timers == 0
        assert not bench.link.answering

    def test_says_why(self) -> None:
        bench = Bench()
        got = bench.ask()
        why = LinkLost("it missed three pings")
        bench.link.close(why)
        assert got == [why]

    def test_whoever_asks_later_is_told_too(self) -> None:
        bench = Bench()
        bench.link.close()
        got = bench.ask()
        assert isinstance(got[0], PluginUnavailable)
        assert got[0].retry_after == 1
        assert bench.traffic.requests == 0

    def test_whoever_asks_again_in_answer_to_it(self) -> None:
        bench = Bench()
        again: list[list[object]] = []
        bench.link.request(REQUEST).addErrback(lambda _: again.append(bench.ask()))
        bench.link.close()
        assert isinstance(again[0][0], PluginUnavailable)
        assert bench.timers == 0

    def test_twice(self) -> None:
        bench = Bench()
        bench.link.close()
        bench.link.close()
        assert bench.channel.calls == [("close", None)]

    def test_while_it_waits_to_connect_again(self) -> None:
        bench = Bench()
        bench.ask()
        bench.link.lost(LinkLost("gone"))
        waiting = bench.ask()
        bench.link.close()
        assert isinstance(waiting[0], LinkLost)
        assert bench.timers == 0
        bench.clock.advance(100)
        assert len(bench.channels) == 1

    def test_a_channel_that_is_lost_afterwards_changes_nothing(self) -> None:
        bench = Bench()
        bench.link.close()
        bench.link.lost(LinkLost("gone"))
        bench.link.writable()
        assert bench.timers == 0

    def test_before_it_was_opened(self) -> None:
        bench = Bench(opened=False)
        got = bench.ask()
        bench.link.close()
        assert isinstance(got[0], LinkLost)
        assert bench.timers == 0
