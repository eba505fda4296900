"""Asking something harmless in a framing, to see whether the plugin speaks it."""

from __future__ import annotations

import errno

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from toru.supervise.channels import Multiplexed, PerMessage
from toru.supervise.probe import PROBE_SECONDS, Probe
from toru.wire.protocol1 import LengthPrefixed
from toru.wire.protocol2 import JsonLines

from .fakes import INIT, FakeDial, Wire, json_line, prefixed, results


class Bench:
    """A probe over a real channel of that framing; `wire` is the connection that carries the question."""

    def __init__(self, framing: str) -> None:
        self.clock = Clock()
        self.dial = FakeDial()
        self.probe = Probe()
        self.channel: Multiplexed | PerMessage
        if framing == "2":
            self.channel = Multiplexed(JsonLines(10_000), INIT, self.probe, self.clock, cancel=False)
            self.dial("", self.channel)
        else:
            self.channel = PerMessage(LengthPrefixed(10_000), "", INIT, self.probe, self.dial, self.clock)

    def ask(self) -> tuple[Deferred[bool], list[object]]:
        asked = Deferred.fromCoroutine(self.probe.ask(self.channel, self.clock))
        return asked, results(asked)

    @property
    def wire(self) -> Wire:
        return self.dial.wires[-1]


class TestTheQuestion:
    @pytest.mark.parametrize("framing", ["1", "2"])
    def test_has_no_side_effect(self, framing: str) -> None:
        bench = Bench(framing)
        bench.ask()
        bench.clock.advance(0)
        message = bench.wire.said()[-1]
        payload = message["payload"] if framing == "2" else message["payload"]["payload"]
        assert (payload["method"], payload["path"], payload["body"]) == ("OPTIONS", "/", None)


class TestJsonLines:
    @pytest.mark.parametrize(
        "said",
        [
            json_line("http", "probe", status=200),
            json_line("http", "probe", status=404, body="what?"),
            json_line("error", "probe", message="no OPTIONS here"),
            json_line("log", level="info", message="hello") + json_line("http", "probe", status=200),
        ],
    )
    def test_answered(self, said: bytes) -> None:
        bench = Bench("2")
        _, got = bench.ask()
        bench.clock.advance(PROBE_SECONDS - 0.001)
        bench.wire.hear(said)
        assert got == [True]
        assert bench.clock.getDelayedCalls() == []

    @pytest.mark.parametrize(
        "said",
        [
            b"",
            json_line("log", level="info", message="hello"),
            json_line("lifecycle", "probe", action="pong"),
            json_line("http", "other", status=200),
            json_line("http", "probe", status=42),
        ],
    )
    def test_no_good_answer_in_time(self, said: bytes) -> None:
        bench = Bench("2")
        _, got = bench.ask()
        if said:
            bench.wire.hear(said)
        bench.clock.advance(PROBE_SECONDS - 0.001)
        assert got == []
        bench.clock.advance(0.001)
        assert got == [False]
        assert bench.clock.getDelayedCalls() == []

    def test_garbage_answers_at_once(self) -> None:
        bench = Bench("2")
        _, got = bench.ask()
        bench.wire.hear(prefixed("http", status=200) + b"\n")
        assert got == [False]

    def test_closed(self) -> None:
        bench = Bench("2")
        _, got = bench.ask()
        bench.wire.end()
        assert got == [False]
        assert bench.clock.getDelayedCalls() == []

    def test_what_comes_too_late_changes_nothing(self) -> None:
        bench = Bench("2")
        _, got = bench.ask()
        bench.clock.advance(PROBE_SECONDS)
        bench.wire.hear(json_line("http", "probe", status=200))
        bench.wire.end()
        assert got == [False]

    def test_a_flood_does_not_make_it_longer(self) -> None:
        bench = Bench("2")
        _, got = bench.ask()
        for _ in range(100):
            bench.wire.hear(json_line("log", level="info", message="hello") * 300)
            bench.clock.advance(0.01)
        assert got == [False]


class TestLengthPrefixed:
    @pytest.mark.parametrize(
        "said",
        [
            prefixed("http", status=200),
            prefixed("http", payload={"body": '{"status": 200, "headers": {}, "body": "hi"}'}),
            prefixed("error", message="no OPTIONS here"),
        ],
    )
    def test_answered(self, said: bytes) -> None:
        bench = Bench("1")
        _, got = bench.ask()
        bench.wire.hear(said)
        bench.wire.end()
        assert got == [True]
        assert bench.clock.getDelayedCalls() == []

    @pytest.mark.parametrize("said", [b"", b"{}\n", prefixed("http")])
    def test_closed_without_a_good_answer(self, said: bytes) -> None:
        bench = Bench("1")
        _, got = bench.ask()
        if said:
            bench.wire.hear(said)
        bench.wire.end()
        assert got == [False]

    def test_the_socket_takes_no_connection(self) -> None:
        bench = Bench("1")
        bench.dial.refusal = errno.ECONNREFUSED
        _, got = bench.ask()
        assert got == [False]
        assert bench.clock.getDelayedCalls() == []

    def test_the_socket_has_no_room_yet(self) -> None:
        bench = Bench("1")
        bench.dial.refusal = errno.EAGAIN
        _, got = bench.ask()
        bench.clock.advance(PROBE_SECONDS / 2)
        assert got == []
        bench.dial.refusal = None
        bench.clock.advance(PROBE_SECONDS / 4)
        bench.wire.hear(prefixed("http", status=200))
        bench.wire.end()
        assert got == [True]
        assert bench.clock.getDelayedCalls() == []

    def test_nothing_in_time(self) -> None:
        bench = Bench("1")
        _, got = bench.ask()
        bench.clock.advance(PROBE_SECONDS)
        assert got == [False]
        bench.channel.close()
        assert bench.wire.calls == ["abort"]
        bench.wire.end()
        assert got == [False]


@pytest.mark.parametrize("framing", ["1", "2"])
def test_cancelled(framing: str) -> None:
    bench = Bench(framing)
    asked, got = bench.ask()
    asked.cancel()
    assert [type(one) for one in got] == [CancelledError]
    bench.channel.close()
    bench.wire.end()
    assert bench.clock.getDelayedCalls() == []
    assert len(got) == 1
