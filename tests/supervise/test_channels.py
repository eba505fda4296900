"""Protocol 2 over one connection: what is said, what is heard, when to pause, and how it ends."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, strategies as st
from twisted.internet.task import Clock

from toru.errors import BodyTooLarge, LinkLost, ProtocolError
from toru.supervise.channels import PAUSE_SECONDS, UNASKED_AT_ONCE, UNASKED_BYTES, Multiplexed
from toru.wire.messages import Answer, HttpRequest, Log, Pong, RequestHead, Unknown
from toru.wire.protocol2 import JsonLines

from .fakes import INIT, REQUEST, FakeDial, FakeOwner, Wire, json_line


class Bench:
    def __init__(self, *, cancel: bool = True) -> None:
        self.clock = Clock()
        self.owner = FakeOwner()
        self.channel = Multiplexed(JsonLines(10_000), INIT, self.owner, self.clock, cancel=cancel)
        dial = FakeDial()
        dial("/run/demo.sock", self.channel)
        self.wire: Wire = dial.wires[0]

    @property
    def timers(self) -> int:
        return len(self.clock.getDelayedCalls())

    @property
    def ended(self) -> list[str]:
        """What was asked of the connection, except for the pauses."""
        return [call for call in self.wire.calls if call not in ("register push", "pause", "resume")]


def answers(*ids: int) -> bytes:
    return b"".join(json_line("http", str(id), status=200) for id in ids)


UNASKED = json_line("log", level="info", message="hello")


class TestSaying:
    def test_init_comes_first(self) -> None:
        bench = Bench()
        bench.channel.send("1", REQUEST, alone=True)
        init, request = bench.wire.said()
        assert init["payload"]["action"] == "init"
        assert init["payload"]["token"] == INIT.token
        assert (request["type"], request["request_id"], request["payload"]["path"]) == ("http", "1", "/")

    def test_pings_and_shutdown(self) -> None:
        bench = Bench()
        bench.wire.said()
        bench.channel.ping("7")
        bench.channel.shutdown(5.0)
        ping, shutdown = bench.wire.said()
        assert (ping["request_id"], ping["payload"]) == ("7", {"action": "ping"})
        assert shutdown["payload"] == {"action": "shutdown", "grace_seconds": 5.0}

    @pytest.mark.parametrize("cancel", [True, False])
    def test_cancel_is_said_to_those_who_want_to_know(self, cancel: bool) -> None:
        bench = Bench(cancel=cancel)
        bench.wire.said()
        bench.channel.cancel("1")
        assert [(one["type"], one["request_id"]) for one in bench.wire.said()] == [("cancel", "1")] * cancel

    def test_a_body_that_fits_into_no_message(self) -> None:
        bench = Bench()
        bench.wire.said()
        with pytest.raises(BodyTooLarge):
            bench.channel.send("1", HttpRequest(RequestHead("POST", "/", {}), b"x" * 10_000))
        assert bench.wire.said() == []


class TestJoining:
    """What is asked in one turn of the reactor."""

    def test_it_leaves_together_and_in_order(self) -> None:
        bench = Bench()
        bench.wire.said()
        for number in (1, 2, 3):
            bench.channel.send(str(number), REQUEST)
        assert bench.wire.said() == []
        assert bench.timers == 1
        bench.clock.advance(0)
        assert [one["request_id"] for one in bench.wire.said()] == ["1", "2", "3"]
        assert bench.timers == 0

    def test_one_alone_leaves_at_once_but_overtakes_nobody(self) -> None:
        bench = Bench()
        bench.wire.said()
        bench.channel.send("1", REQUEST, alone=True)
        assert [one["request_id"] for one in bench.wire.said()] == ["1"]
        bench.channel.send("2", REQUEST)
        bench.channel.send("3", REQUEST, alone=True)
        assert bench.wire.said() == []
        bench.clock.advance(0)
        assert [one["request_id"] for one in bench.wire.said()] == ["2", "3"]

    def test_it_leaves_before_what_is_said_of_it(self) -> None:
        bench = Bench()
        bench.wire.said()
        bench.channel.send("1", REQUEST)
        bench.channel.cancel("1")
        assert [one["type"] for one in bench.wire.said()] == ["http", "cancel"]
        bench.clock.advance(0)
        assert bench.wire.said() == []

    def test_much_does_not_wait(self) -> None:
        bench = Bench()
        bench.wire.said()
        long = HttpRequest(RequestHead("POST", "/", {}), b"x" * 9_000)
        for number in range(10):
            bench.channel.send(str(number), long)
        gone = [one["request_id"] for one in bench.wire.said()]
        assert gone == [str(number) for number in range(8)]
        bench.clock.advance(0)
        assert [one["request_id"] for one in bench.wire.said()] == ["8", "9"]

    def test_nothing_leaves_after_the_end(self) -> None:
        bench = Bench()
        bench.wire.said()
        bench.channel.send("1", REQUEST)
        bench.channel.close()
        assert bench.timers == 0
        assert bench.wire.said() == []


class TestReading:
    def test_messages(self) -> None:
        bench = Bench()
        bench.wire.hear(
            answers(1)
            + json_line("lifecycle", "2", action="pong")
            + json_line("log", level="warn", message="careful")
            + json_line("greeting")
        )
        assert bench.owner.told == [
            ("received", Answer("1", 200, (), b"")),
            ("received", Pong("2")),
            ("received", Log("warn", "careful", None)),
            ("received", Unknown("'greeting'")),
        ]

    @given(st.lists(st.integers(1, 30)))
    def test_lines_in_pieces(self, sizes: list[int]) -> None:
        bench = Bench()
        stream = answers(*range(10))
        for size in [*sizes, len(stream)]:
            bench.wire.hear(stream[:size])
            stream = stream[size:]
        assert [message.request_id for _, message in bench.owner.told] == [str(n) for n in range(10)]

    @pytest.mark.parametrize(
        ("said", "why"),
        [
            (b"hello\n", "a message cannot be used"),
            (b"[]\n", "a message cannot be used"),
            (b"\n", "a message is empty"),
            (b"\xff\n", "a message cannot be used"),
            (b'{"type": 1}\n', "a message cannot be used"),
            (b'{"type": "http", "payload": {"status": 200}}\n', "no `request_id`"),
            (json_line("http", "1", status="200"), "the payload of an `http` message"),
            (json_line("http", "1", status=200, stream=True), "may not stream"),
            (b"x" * 10_001, "longer than 10,000 bytes"),
        ],
    )
    def test_protocol_errors_end_it_at_once(self, said: bytes, why: str) -> None:
        bench = Bench()
        bench.wire.hear(answers(1) + said)
        answer, lost = bench.owner.told
        assert answer[0] == "received"
        assert lost[:2] == ("lost", ProtocolError)
        assert why in lost[2]
        assert bench.ended == ["unregister", "abort"]
        assert not bench.channel.can_send
        assert not bench.channel.answering
        bench.wire.end()
        assert len(bench.owner.told) == 2

    def test_nothing_that_follows_an_error_counts(self) -> None:
        bench = Bench()
        bench.wire.hear(b"hello\n" + answers(1))
        assert [told[0] for told in bench.owner.told] == ["lost"]

    def test_nothing_is_heard_once_its_owner_closed_it(self) -> None:
        bench = Bench()

        def close(message: object) -> bool:
            bench.channel.close()
            return True

        bench.owner.waits_for = close
        bench.wire.hear(answers(1, 2))
        assert len(bench.owner.told) == 1
        assert bench.timers == 0

    @pytest.mark.parametrize(
        ("said", "detail"),
        [
            (b"", "the plugin closed its connection before it answered"),
            (b'{"type"', "the plugin closed its connection in the middle of a message"),
        ],
    )
    def test_the_plugin_closes(self, said: bytes, detail: str) -> None:
        bench = Bench()
        if said:
            bench.wire.hear(said)
        bench.wire.end()
        assert bench.owner.told == [("lost", LinkLost, detail)]
        assert (bench.channel.can_send, bench.channel.answering) == (False, False)


def test_open_files_that_it_is_handed_are_closed() -> None:
    bench = Bench()
    reader, writer = os.pipe()
    os.close(writer)
    bench.channel.fileDescriptorReceived(reader)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reader)


class TestFlood:
    def test_much_that_was_asked_for_is_no_flood(self) -> None:
        bench = Bench()
        bench.wire.hear(answers(*range(1000)))
        assert "pause" not in bench.wire.calls

    def test_a_little_that_was_not_asked_for_is_none_either(self) -> None:
        bench = Bench()
        bench.owner.waits_for = lambda message: False
        for _ in range(10):
            bench.wire.hear(UNASKED * UNASKED_AT_ONCE)
        assert "pause" not in bench.wire.calls

    def test_a_flood_is_read_on_after_a_pause(self) -> None:
        bench = Bench()
        bench.owner.waits_for = lambda message: False
        bench.wire.hear(UNASKED * (UNASKED_AT_ONCE + 1))
        assert bench.wire.calls == ["register push", "pause"]
        bench.clock.advance(PAUSE_SECONDS - 0.001)
        assert bench.wire.calls[-1] == "pause"
        bench.clock.advance(0.001)
        assert bench.wire.calls == ["register push", "pause", "resume"]
        assert bench.timers == 0

    def test_of_few_large_ones_it_counts_the_bytes(self) -> None:
        bench = Bench()
        bench.owner.waits_for = lambda message: False
        large = json_line("log", level="info", message="x" * (UNASKED_BYTES // 4))
        bench.wire.hear(large * 3)
        assert "pause" not in bench.wire.calls
        bench.wire.hear(large * 4)
        assert "pause" in bench.wire.calls

    def test_while_its_owner_is_choked_it_is_not_read_on(self) -> None:
        bench = Bench()
        bench.owner.choked = True
        bench.wire.hear(UNASKED)
        for _ in range(5):
            bench.clock.advance(PAUSE_SECONDS)
        assert bench.wire.calls == ["register push", "pause"]
        assert bench.timers == 1
        bench.owner.choked = False
        bench.clock.advance(PAUSE_SECONDS)
        assert bench.wire.calls[-1] == "resume"
        assert bench.timers == 0

    @pytest.mark.parametrize("end", ["close", "lost"])
    def test_the_pause_ends_with_the_connection(self, end: str) -> None:
        bench = Bench()
        bench.owner.choked = True
        bench.wire.hear(UNASKED)
        if end == "close":
            bench.channel.close()
        else:
            bench.wire.end()
        assert bench.timers == 0
        assert "resume" not in bench.wire.calls


class TestAsProducer:
    """The transport pauses it when the plugin does not read."""

    def test_pause_and_resume(self) -> None:
        bench = Bench()
        assert bench.channel.can_send
        bench.channel.pauseProducing()
        assert not bench.channel.can_send
        assert bench.channel.answering
        assert bench.owner.told == []
        bench.channel.resumeProducing()
        assert bench.channel.can_send
        assert bench.owner.told == [("writable",)]

    def test_stop(self) -> None:
        bench = Bench()
        bench.channel.stopProducing()
        assert not bench.channel.can_send

    def test_nothing_is_resumed_at_its_end(self) -> None:
        bench = Bench()
        bench.channel.close()
        bench.channel.resumeProducing()
        assert not bench.channel.can_send
        assert bench.owner.told == []

    def test_what_is_small_and_urgent_is_written_nevertheless(self) -> None:
        bench = Bench()
        bench.wire.said()
        bench.channel.pauseProducing()
        bench.channel.cancel("1")
        bench.channel.shutdown(5.0)
        assert [one["type"] for one in bench.wire.said()] == ["cancel", "lifecycle"]


class TestClosing:
    def test_it_does_not_wait_for_a_reader(self) -> None:
        """Whoever was handed the socket may keep it for ever, and what it does not read with it."""
        bench = Bench()
        bench.channel.send("1", REQUEST)
        bench.channel.close()
        assert bench.ended == ["unregister", "abort"]

    def test_nothing_is_said_or_told_afterwards(self) -> None:
        bench = Bench()
        bench.channel.close()
        bench.wire.said()
        bench.channel.send("1", REQUEST)
        bench.channel.cancel("1")
        bench.channel.ping("2")
        bench.channel.shutdown(5.0)
        bench.channel.close()
        bench.wire.end()
        assert bench.wire.said() == []
        assert bench.owner.told == []
        assert bench.ended == ["unregister", "abort"]

    def test_one_that_was_never_dialled(self) -> None:
        owner = FakeOwner()
        Multiplexed(JsonLines(10_000), INIT, owner, Clock(), cancel=True).close()
        assert owner.told == []
