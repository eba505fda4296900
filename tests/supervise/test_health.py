"""What makes a running plugin unhealthy, look by look."""

from __future__ import annotations

from pathlib import Path

import pytest

from toru.errors import LinkLost
from toru.supervise.health import Health
from toru.wire.messages import Log, Pong

from .links import TIMEOUT, Bench as LinkBench

INTERVAL = 5.0


class Bench(LinkBench):
    def __init__(self, folder: Path, *, pings: bool = False) -> None:
        super().__init__()
        self.socket = folder / "demo.sock"
        self.socket.touch()
        self.found: list[str] = []
        self.elsewhere = 0
        self.health = Health(
            self.clock,
            self.link,
            self.streams,
            str(self.socket),
            busy_elsewhere=lambda: self.elsewhere > 0,
            unhealthy=self.found.append,
        )
        self.health.pings = pings
        self.health.start(INTERVAL)

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.clock.advance(INTERVAL)

    @property
    def pings(self) -> int:
        return [call for call, _ in self.channel.calls].count("ping")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def pinged(tmp_path: Path) -> Bench:
    return Bench(tmp_path, pings=True)


class TestSocketFile:
    def test_all_is_well(self, bench: Bench) -> None:
        bench.look(1000)
        assert bench.found == []
        assert bench.health.good
        assert bench.pings == 0

    def test_one_that_is_gone_is_certain_at_once(self, bench: Bench) -> None:
        bench.socket.unlink()
        bench.clock.advance(INTERVAL - 0.001)
        assert bench.found == []
        bench.clock.advance(0.001)
        assert bench.found == ["its socket file is gone"]

    def test_it_is_said_once_and_nothing_is_looked_at_afterwards(self, bench: Bench) -> None:
        bench.socket.unlink()
        bench.look(10)
        assert len(bench.found) == 1
        assert bench.timers == 0


class TestSocketThatDoesNotAnswer:
    def test_is_certain_at_the_third_look(self, bench: Bench) -> None:
        bench.refusals = 1000
        bench.link.lost(LinkLost("gone"))
        assert not bench.health.good
        bench.look(2)
        assert bench.found == []
        bench.look()
        assert bench.found == ["its socket does not answer"]

    def test_in_a_row(self, bench: Bench) -> None:
        bench.channel.answering = False
        bench.look(2)
        bench.channel.answering = True
        bench.look()
        bench.channel.answering = False
        bench.look(2)
        assert bench.found == []
        bench.look()
        assert bench.found == ["its socket does not answer"]

    def test_a_connection_refused_once_is_looked_at_again_though_nobody_asks(self, bench: Bench) -> None:
        """In protocol 1 a connection is made for each message, and there may be none for hours."""
        channel = bench.channel
        channel.answering = False

        def takes_it() -> None:
            channel.answering = True

        channel.look = takes_it  # type: ignore[method-assign]
        bench.look(10)
        assert bench.found == []
        assert bench.health.good


class TestPings:
    def test_answered(self, pinged: Bench) -> None:
        for _ in range(10):
            pinged.look()
            pinged.link.received(Pong("1"))
            assert pinged.health.good
        assert pinged.pings == 10
        assert pinged.found == []

    def test_none_is_missed_while_it_has_requests_of_others_in_hand(self, pinged: Bench) -> None:
        pinged.look()
        pinged.elsewhere = 1
        pinged.look(10)
        assert pinged.pings == 1
        assert pinged.found == []
        pinged.elsewhere = 0
        pinged.look(4)
        assert pinged.found == ["it missed three pings"]

    def test_three_missed_in_a_row(self, pinged: Bench) -> None:
        pinged.look()
        assert pinged.health.good, "the first is only under way"
        pinged.look()
        assert not pinged.health.good
        pinged.look()
        assert pinged.found == []
        pinged.look()
        assert pinged.found == ["it missed three pings"]
        assert pinged.pings == 4

    def test_only_where_it_is_known_to_work(self, bench: Bench) -> None:
        bench.look(20)
        bench.health.pings = True
        bench.look(3)
        assert bench.found == []
        bench.look()
        assert bench.found == ["it missed three pings"]

    @pytest.mark.parametrize("message", [Pong("1"), Log("info", "busy", None)])
    def test_any_message_is_a_sign_of_life(self, pinged: Bench, message: Pong | Log) -> None:
        pinged.look(3)
        pinged.clock.advance(1)
        pinged.link.received(message)
        pinged.clock.advance(INTERVAL - 1)
        assert pinged.health.good
        pinged.look(2)
        assert pinged.found == []
        pinged.look()
        assert pinged.found == ["it missed three pings"]

    def test_do_not_count_while_a_request_is_in_flight(self, pinged: Bench) -> None:
        pinged.look(3)
        pinged.ask()
        pinged.look(5)
        assert pinged.found == []
        assert pinged.pings == 3, "and are not sent"

    def test_an_answer_in_between_begins_anew(self, pinged: Bench) -> None:
        pinged.look(3)
        pinged.ask()
        pinged.look()
        pinged.clock.advance(1)
        assert pinged.answer(pinged.channel.sent()[0])
        pinged.clock.advance(INTERVAL - 1)
        assert pinged.health.good
        pinged.look(2)
        assert pinged.found == []
        pinged.look()
        assert pinged.found == ["it missed three pings"]

    def test_a_plugin_that_hangs_in_a_request_is_found_once_that_timed_out(self, pinged: Bench) -> None:
        got = pinged.ask()
        looks = int(TIMEOUT / INTERVAL)
        pinged.look(looks)
        assert (got, pinged.pings) == ([], 0)
        pinged.look()
        assert len(got) == 1
        pinged.look(2)
        assert pinged.found == []
        pinged.look()
        assert pinged.found == ["it missed three pings"]


class TestStopping:
    def test_looks_no_more(self, bench: Bench) -> None:
        bench.health.stop()
        bench.socket.unlink()
        bench.look(10)
        assert bench.found == []
        assert bench.timers == 0

    def test_before_it_began(self, bench: Bench) -> None:
        health = Health(
            bench.clock,
            bench.link,
            bench.streams,
            str(bench.socket),
            busy_elsewhere=lambda: False,
            unhealthy=bench.found.append,
        )
        health.stop()
        assert bench.timers == 1
