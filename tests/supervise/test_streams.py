"""Streamed requests and the pool of their connections, on a clock."""

from __future__ import annotations

import errno

import pytest

from toru.errors import PluginBusy, PluginUnavailable
from toru.supervise.channels import PAUSE_SECONDS
from toru.supervise.streampool import MAX_IDLE
from toru.wire.exchanges import MAX_WAITING
from toru.wire.messages import MOST_OF_A_REFUSAL, Log
from toru.wire.streamreader import MOST_UNFINISHED
from toru.wire.streams import MAX_PART

from .fakes import results
from .streaming import IDLE, TIMEOUT, Bench, head, line, part, socket_line, written


class TestOneRequest:
    def test_up_and_down(self) -> None:
        bench = Bench()
        stream, client = bench.ask(whole=False)
        (wire,) = bench.dial.wires
        stream.write(b"one")
        stream.write(b"")
        stream.finish()
        wire.hear(head(stream) + part(stream, b"two"))
        wire.hear(part(stream, b"three", final=True))
        init, request, *parts = written(wire)
        assert init[1]["action"] == "init"
        assert request == ("http", {"method": "GET", "path": "/", "headers": {}, "stream": True})
        assert parts == [
            ("body", {"length": 3, "final": False}, b"one"),
            ("body", {"length": 0, "final": True}),
        ]
        assert client.told == [
            ("answered", 200, None),
            ("part", b"two"),
            ("part", b"three"),
            ("finished",),
        ]
        assert (bench.traffic.requests, bench.traffic.in_flight, bench.traffic.errors) == (1, 0, 0)
        assert bench.room.taken == 0

    def test_a_large_piece_goes_in_parts(self) -> None:
        bench = Bench()
        stream, _ = bench.ask(whole=False)
        stream.write(b"x" * (MAX_PART + 1))
        lengths = [payload.get("length") for _, payload, *_ in written(bench.dial.wires[0])[2:]]
        assert lengths == [MAX_PART, 1]

    def test_latency_is_the_time_to_the_head_and_in_flight_lasts_to_the_end(self) -> None:
        bench = Bench()
        stream, _ = bench.ask()
        bench.clock.advance(2)
        bench.dial.wires[0].hear(head(stream))
        bench.clock.advance(5)
        assert bench.traffic.snapshot().latency_ms.p50 == 2000.0
        assert bench.traffic.in_flight == 1
        bench.dial.wires[0].hear(part(stream, b"", final=True))
        assert bench.traffic.in_flight == 0

    def test_failures(self) -> None:
        bench = Bench()
        for spoken, code in (
            ({"type": "error", "message": "no" * 2**16}, "plugin-error"),
            ({"type": "http", "status": 99}, "plugin-protocol-error"),
            ({"type": "body", "length": 1}, "plugin-protocol-error"),
        ):
            stream, client = bench.ask()
            wire = bench.dial.wires[-1]
            wire.hear(line(stream, **spoken))
            assert [told[:2] for told in client.told] == [("failed", code)]
            assert len(client.told[0][2]) <= MOST_OF_A_REFUSAL
            assert wire.calls[-1] == "abort"
        assert (bench.traffic.errors, bench.traffic.in_flight, bench.room.taken) == (3, 0, 0)

    def test_a_connection_that_ends_in_the_middle(self) -> None:
        bench = Bench()
        stream, client = bench.ask()
        wire = bench.dial.wires[0]
        wire.hear(head(stream) + part(stream, b"xyz")[:-1])
        wire.end()
        stream.write(b"late")
        stream.cancel()
        assert client.words() == ["answered", "part", "failed"]
        assert bench.traffic.errors == 1

    def test_whoever_goes_away_closes_the_connection(self) -> None:
        bench = Bench()
        stream, client = bench.ask(whole=False)
        wire = bench.dial.wires[0]
        wire.hear(head(stream))
        stream.cancel()
        assert wire.calls[-2:] == ["unregister", "abort"]
        wire.hear(part(stream, b"late"))
        wire.end()
        assert client.words() == ["answered"]
        assert (bench.traffic.errors, bench.traffic.in_flight, bench.room.taken) == (0, 0, 0)

    @pytest.mark.parametrize("whole", [True, False])
    def test_an_answer_before_the_request_is_whole(self, whole: bool) -> None:
        bench = Bench()
        stream, client = bench.ask(whole=False)
        wire = bench.dial.wires[0]
        stream.write(b"one")
        if whole:
            wire.hear(line(stream, "http", status=413, body="no"))
            assert client.told == [("answered", 413, b"no")]
        else:
            wire.hear(head(stream) + part(stream, b"no", final=True))
            assert client.words() == ["answered", "part", "finished"]
        written(wire)
        stream.write(b"two")
        stream.finish()
        assert written(wire) == []
        assert wire.calls[-1] == "abort"
        bench.ask()
        assert len(bench.dial.wires) == 2

    def test_one_that_answers_an_answer_gets_none(self) -> None:
        bench = Bench()
        stream, client = bench.ask()
        bench.dial.wires[0].hear(line(stream, "http", status=200) * 2)
        assert client.words() == ["failed"]


class TestFlow:
    def test_a_plugin_that_does_not_read_pauses_the_client(self) -> None:
        bench = Bench()
        stream, client = bench.ask(whole=False)
        protocol = bench.dial.wires[0].protocol
        protocol.pauseProducing()  # type: ignore[attr-defined]
        assert client.words() == ["pause"]
        protocol.resumeProducing()  # type: ignore[attr-defined]
        assert client.words() == ["resume"]
        stream.finish()
        protocol.pauseProducing()  # type: ignore[attr-defined]
        assert client.words() == []

    def test_a_client_that_does_not_read_pauses_the_plugin(self) -> None:
        bench = Bench()
        stream, _ = bench.ask()
        wire = bench.dial.wires[0]
        wire.hear(head(stream))
        stream.pause()
        stream.pause()
        stream.resume()
        stream.resume()
        assert wire.calls[1:] == ["pause", "resume"]

    def test_the_next_exchange_is_read_though_the_last_was_paused(self) -> None:
        bench = Bench()
        stream, _ = bench.ask()
        wire = bench.dial.wires[0]
        stream.pause()
        wire.hear(line(stream, "http", status=200))
        bench.ask()
        assert len(bench.dial.wires) == 1
        assert wire.calls[1:] == ["pause", "resume"]

    def test_logs_in_between_and_a_flood_of_them(self) -> None:
        bench = Bench()
        stream, client = bench.ask()
        wire = bench.dial.wires[0]
        log = line(stream, "log", level="info", message="x")
        wire.hear(log + head(stream))
        assert bench.ears.heard == [Log("info", "x", None)]
        assert wire.calls[1:] == []
        wire.hear(log * 300)
        assert wire.calls[1:] == ["pause"]
        stream.pause()
        stream.resume()
        assert wire.calls[1:] == ["pause", "pause"]
        bench.ears.choked = True
        bench.clock.advance(PAUSE_SECONDS)
        bench.ears.choked = False
        assert wire.calls[-1] == "pause"
        bench.clock.advance(PAUSE_SECONDS)
        assert wire.calls[-1] == "resume"
        assert client.words() == ["answered"]

    @pytest.mark.parametrize("length", [0, 1])
    def test_a_flood_of_next_to_nothing(self, length: int) -> None:
        bench = Bench()
        streams = [bench.ask()[0] for _ in range(2)]
        for stream, wire in zip(streams, bench.dial.wires, strict=True):
            wire.hear(head(stream))
            wire.hear(part(stream, b"x" * length) * 201)
            assert wire.calls[1:] == ["pause"]
        first, second = bench.dial.wires
        bench.clock.advance(PAUSE_SECONDS)
        assert (first.calls[-1], second.calls[-1]) == ("resume", "pause")
        # Both together get no more than one would.
        bench.clock.advance(PAUSE_SECONDS)
        assert second.calls[-1] == "resume"
        first.hear(part(streams[0], b"x" * length) * 201)
        streams[0].cancel()
        second.hear(part(streams[1], b"x" * length) * 201)
        bench.clock.advance(PAUSE_SECONDS)
        assert second.calls[-1] == "resume"

    def test_many_unfinished_messages(self) -> None:
        bench = Bench()
        longest = 2**24
        sockets = [bench.socket() for _ in range(MOST_UNFINISHED // longest)]
        for socket, client, wire in sockets:
            wire.hear(socket_line(socket, action="message", kind="binary", length=longest))
            wire.hear(b"x" * (longest - 1))
            assert client.told == []
        socket, client, wire = bench.socket()
        wire.hear(socket_line(socket, action="message", kind="binary", length=10) + b"x" * 9)
        assert client.told[0][:2] == ("failed", "plugin-protocol-error")
        # The others are whole soon, and as much can be held anew.
        for _, client, wire in sockets:
            wire.hear(b"x")
            assert client.words() == ["message"]
        socket, client, wire = bench.socket()
        wire.hear(socket_line(socket, action="message", kind="binary", length=10) + b"x" * 9)
        assert client.told == []


class TestPool:
    def test_a_connection_serves_one_after_the_other(self) -> None:
        bench = Bench()
        for _ in range(3):
            stream, client = bench.ask()
            bench.dial.wires[0].hear(line(stream, "http", status=200, body="x"))
            assert client.told == [("answered", 200, b"x")]
        assert len(bench.dial.wires) == 1
        kinds = [kind for kind, *_ in written(bench.dial.wires[0])]
        assert kinds == ["lifecycle", *["http", "body"] * 3]

    def test_whoever_hears_the_end_may_ask_on_the_same_connection(self) -> None:
        bench = Bench()
        stream, client = bench.ask()
        again: list[object] = []
        client.finished = lambda: again.append(bench.ask())  # type: ignore[method-assign]
        bench.dial.wires[0].hear(head(stream) + part(stream, b"", final=True))
        assert (len(again), len(bench.dial.wires)) == (1, 1)

    def test_at_most_so_many_are_kept(self) -> None:
        bench = Bench()
        asked = [bench.ask()[0] for _ in range(MAX_IDLE + 2)]
        for stream, wire in zip(asked, bench.dial.wires, strict=True):
            wire.hear(line(stream, "http", status=200))
        assert [wire.calls[-1] for wire in bench.dial.wires].count("abort") == 2
        for _ in range(MAX_IDLE):
            bench.ask()
        assert len(bench.dial.wires) == MAX_IDLE + 2

    def test_one_that_is_lost_is_not_used_again(self) -> None:
        bench = Bench()
        for ending in (None, "end", "speak"):
            stream, client = bench.ask()
            wire = bench.dial.wires[-1]
            wire.hear(line(stream, "http", status=200))
            assert client.words() == ["answered"]
            if ending == "end":
                wire.end()
            elif ending == "speak":
                wire.hear(line(stream, "http", status=200))
                assert wire.calls[-1] == "abort"
        bench.ask()
        assert len(bench.dial.wires) == 3

    def test_one_whose_plugin_does_not_read_is_not_used_again(self) -> None:
        bench = Bench()
        stream, _ = bench.ask()
        wire = bench.dial.wires[0]
        wire.protocol.pauseProducing()  # type: ignore[attr-defined]
        wire.hear(line(stream, "http", status=200))
        assert wire.calls[-1] == "abort"

    def test_as_many_as_the_core_has_room_for(self) -> None:
        bench = Bench(room=2)
        first, _ = bench.ask()
        bench.ask()
        with pytest.raises(PluginBusy, match="max_streams"):
            bench.ask()
        first.cancel()
        bench.ask()
        assert bench.traffic.requests == 3


class TestWaiting:
    def test_until_it_is_open(self) -> None:
        bench = Bench(opened=False)
        stream, client = bench.ask(whole=False)
        assert bench.streams.waiting == 1
        stream.write(b"one")
        stream.write(b"two")
        assert client.words() == ["pause"]
        bench.open()
        assert client.words() == ["resume"]
        sent = [data for _, _, *rest in written(bench.dial.wires[0]) for data in rest]
        assert (bench.streams.waiting, sent) == (0, [b"one", b"two"])

    def test_while_the_backlog_is_full(self) -> None:
        bench = Bench()
        bench.dial.refusal = errno.EAGAIN
        first, second = bench.ask()[0], bench.ask()[0]
        assert (bench.streams.waiting, bench.dial.refused) == (2, 1)
        first.cancel()
        bench.dial.refusal = None
        bench.clock.advance(0.05)
        assert (bench.streams.waiting, len(bench.dial.wires)) == (0, 1)
        bench.dial.wires[0].hear(line(second, "http", status=200))
        assert bench.room.taken == 0

    def test_a_connection_that_gets_free_serves_who_waits(self) -> None:
        bench = Bench()
        stream, _ = bench.ask()
        bench.dial.refusal = errno.EAGAIN
        bench.ask()
        bench.dial.wires[0].hear(line(stream, "http", status=200))
        assert (bench.streams.waiting, len(bench.dial.wires)) == (0, 1)

    def test_not_more_than_may_wait(self) -> None:
        bench = Bench(opened=False)
        for _ in range(MAX_WAITING):
            bench.ask()
        with pytest.raises(PluginBusy, match="256 requests wait"):
            bench.ask()
        assert bench.room.taken == MAX_WAITING

    def test_a_socket_that_takes_no_connection(self) -> None:
        bench = Bench()
        bench.dial.refusal = errno.ECONNREFUSED
        stream, client = bench.ask()
        stream.write(b"x")
        assert [told[1] for told in client.told] == ["plugin-connection-lost"]

    def test_not_for_ever(self) -> None:
        bench = Bench(opened=False)
        _, client = bench.ask()
        bench.clock.advance(TIMEOUT + 0.05)
        assert [told[1] for told in client.told] == ["plugin-timeout"]


class TestTime:
    def test_no_answer(self) -> None:
        bench = Bench()
        stream, client = bench.ask(whole=False)
        bench.clock.advance(TIMEOUT - 1)
        stream.write(b"x")
        bench.clock.advance(TIMEOUT - 0.01)
        assert client.told == []
        bench.clock.advance(0.1)
        bench.clock.advance(0.05)
        assert client.told == [("failed", "plugin-timeout", "no answer within 30 s")]
        assert bench.dial.wires[0].calls[-1] == "abort"

    def test_each_has_its_own(self) -> None:
        bench = Bench()
        first = bench.ask()[1]
        bench.clock.advance(10)
        second = bench.ask()[1]
        bench.clock.advance(TIMEOUT - 9.9)
        assert (first.words(), second.words()) == (["failed"], [])
        bench.clock.advance(10)
        assert second.words() == ["failed"]
        assert bench.timers == 0

    def test_a_stream_lasts_while_anything_moves(self) -> None:
        bench = Bench()
        stream, client = bench.ask(whole=False)
        wire = bench.dial.wires[0]
        wire.hear(head(stream))
        for _ in range(3):
            bench.clock.advance(IDLE - 1)
            stream.write(b"x")
            bench.clock.advance(IDLE - 1)
            wire.hear(part(stream, b"x"))
        assert client.words() == ["answered", *["part"] * 3]
        bench.clock.advance(IDLE - 0.01)
        assert client.told == []
        bench.clock.advance(1.1)
        bench.clock.advance(1)
        assert client.told == [("failed", "plugin-timeout", "nothing moved on the stream for 300 s")]


class TestTheEnd:
    def test_a_process_that_is_gone_may_have_said_more(self) -> None:
        bench = Bench()
        stream, client = bench.ask()
        wire = bench.dial.wires[0]
        wire.hear(head(stream))
        assert bench.streams.end()
        with pytest.raises(PluginUnavailable):
            bench.ask()
        wire.hear(part(stream, b"last words", final=True))
        assert client.words() == ["answered", "part", "finished"]
        assert wire.calls[-1] == "abort"
        assert bench.timers == 0

    def test_closing_tells_everybody_once(self) -> None:
        bench = Bench()
        idle = bench.ask()[0]
        bench.dial.wires[0].hear(line(idle, "http", status=200))
        stream, answered = bench.ask()
        bench.dial.wires[0].hear(head(stream))
        bench.dial.refusal = errno.EAGAIN
        waiting = bench.ask()[1]
        bench.streams.close()
        bench.streams.close()
        assert answered.words() == ["answered", "failed"]
        assert waiting.words() == ["failed"]
        assert (bench.timers, bench.room.taken, bench.traffic.in_flight) == (0, 0, 0)

    def test_draining_waits_for_what_is_open(self) -> None:
        bench = Bench()
        assert results(bench.streams.drained()) == [None]
        stream, _ = bench.ask()
        drained = results(bench.streams.drained())
        assert drained == []
        bench.dial.wires[0].hear(line(stream, "http", status=200))
        assert drained == [None]

    def test_draining_waits_no_longer_than_a_request(self) -> None:
        bench = Bench()
        stream, client = bench.ask()
        wire = bench.dial.wires[0]
        wire.hear(head(stream))
        drained = results(bench.streams.drained())
        bench.clock.advance(TIMEOUT)
        assert drained == [None]
        wire.hear(part(stream, b"", final=True))
        assert client.words() == ["answered", "finished"]
