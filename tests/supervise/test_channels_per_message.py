"""Protocol 1: one connection for each message, and how connections are made at all."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.interfaces import IReactorSocket
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Clock
from zope.interface import implementer

from toru.errors import BodyTooLarge, LinkLost, ProtocolError
from toru.supervise.channels import UNASKED_AT_ONCE, PerMessage
from toru.supervise.dial import Dialler
from toru.wire.messages import Answer, HttpRequest, Nonsense, Refusal, RequestHead
from toru.wire.protocol1 import LengthPrefixed

from .fakes import INIT, REQUEST, FakeDial, FakeOwner, Wire, prefixed

SOCKET = "/run/demo.sock"
CLOSED = (LinkLost, "the plugin closed its connection before it answered")


class Bench:
    def __init__(self) -> None:
        self.clock = Clock()
        self.dial = FakeDial()
        self.owner = FakeOwner()
        self.channel = PerMessage(LengthPrefixed(10_000), SOCKET, INIT, self.owner, self.dial, self.clock)

    @property
    def wires(self) -> list[Wire]:
        """All connections but the first, which carried `init`."""
        return self.dial.wires[1:]

    def ask(self, request_id: str = "1") -> Wire:
        self.channel.send(request_id, REQUEST)
        return self.wires[-1]


ANSWER = prefixed("http", status=200, body="hello")


class TestNotices:
    def test_init(self) -> None:
        bench = Bench()
        (wire,) = bench.dial.wires
        assert wire.path == SOCKET
        (init,) = wire.said()
        assert init["payload"]["action"] == "init"
        assert wire.calls == ["lose"]
        assert (bench.channel.can_send, bench.channel.answering) == (True, True)

    def test_a_socket_that_does_not_take_init(self) -> None:
        dial = FakeDial()
        dial.refusal = errno.ECONNREFUSED
        with pytest.raises(ConnectionRefusedError):
            PerMessage(LengthPrefixed(10_000), SOCKET, INIT, FakeOwner(), dial, Clock())

    def test_shutdown(self) -> None:
        bench = Bench()
        bench.channel.shutdown(5.0)
        (wire,) = bench.wires
        assert [one["payload"]["action"] for one in wire.said()] == ["shutdown"]
        assert wire.calls == ["lose"]

    def test_shutdown_that_is_not_taken(self) -> None:
        bench = Bench()
        bench.dial.refusal = errno.EAGAIN
        bench.channel.shutdown(5.0)
        assert not bench.channel.answering

    def test_a_look_sees_whether_anybody_listens_and_says_nothing(self) -> None:
        bench = Bench()
        bench.dial.listening = False
        bench.channel.look()
        assert not bench.channel.answering
        bench.dial.listening = True
        bench.channel.look()
        assert bench.channel.answering
        assert len(bench.dial.wires) == 1, "the connection of init alone"

    def test_one_that_ends_tells_nobody(self) -> None:
        bench = Bench()
        bench.dial.wires[0].hear(ANSWER)
        bench.dial.wires[0].end()
        assert bench.owner.told == []


class TestRequests:
    def test_each_has_a_connection_with_nothing_else_on_it(self) -> None:
        bench = Bench()
        for n in range(3):
            (request,) = bench.ask(str(n)).said()
            assert (request["type"], request["request_id"]) == ("http", str(n))
        assert len(bench.wires) == 3
        assert [wire.calls for wire in bench.wires] == [[], [], []]

    def test_the_answer_counts_once_the_connection_is_closed(self) -> None:
        bench = Bench()
        wire = bench.ask("42")
        wire.hear(ANSWER)
        assert wire.calls == ["abort"]
        assert bench.owner.told == []
        wire.end()
        assert bench.owner.told == [("received", Answer("42", 200, (), b"hello"))]

    def test_it_belongs_to_its_connection_whatever_id_it_has(self) -> None:
        bench = Bench()
        first, second = bench.ask("1"), bench.ask("2")
        for wire in (second, first):
            wire.hear(ANSWER)
            wire.end()
        assert [message.request_id for _, message in bench.owner.told] == ["2", "1"]

    def test_in_pieces(self) -> None:
        bench = Bench()
        wire = bench.ask()
        wire.hear(*(bytes([byte]) for byte in ANSWER))
        wire.end()
        assert bench.owner.told == [("received", Answer("1", 200, (), b"hello"))]

    def test_only_the_first_answer_counts(self) -> None:
        bench = Bench()
        wire = bench.ask()
        wire.hear(ANSWER + prefixed("http", status=500), prefixed("http", status=500), b"\xff" * 100)
        wire.end()
        assert bench.owner.told == [("received", Answer("1", 200, (), b"hello"))]
        assert wire.calls == ["abort"]

    def test_answers_that_are_failures(self) -> None:
        bench = Bench()
        senseless, refused = bench.ask("1"), bench.ask("2")
        senseless.hear(prefixed("http", status=42))
        refused.hear(prefixed("error", message="out of tea"))
        senseless.end()
        refused.end()
        (_, nonsense), (_, refusal) = bench.owner.told
        assert isinstance(nonsense, Nonsense)
        assert nonsense.request_id == "1"
        assert refusal == Refusal("2", "out of tea", None)

    @pytest.mark.parametrize("said", [b"", ANSWER[:3], ANSWER[:-1]])
    def test_closed_before_the_answer(self, said: bytes) -> None:
        bench = Bench()
        wire = bench.ask()
        if said:
            wire.hear(said)
        wire.end()
        assert bench.owner.told == [("failed", "1", *CLOSED)]
        assert bench.channel.answering

    @pytest.mark.parametrize(
        ("said", "why"),
        [
            (b"\0\0\x27\x11", "announces 10,001 bytes"),
            (b"\0\0\0\x02hi", "a message cannot be used"),
            (b"HTTP/1.1 200 OK\r\n", "announces"),
            (prefixed("http", colour="red"), "no `status`"),
        ],
    )
    def test_protocol_errors_fail_the_one_request(self, said: bytes, why: str) -> None:
        bench = Bench()
        wire, other = bench.ask("1"), bench.ask("2")
        wire.hear(said, ANSWER)
        assert wire.calls == ["abort"]
        assert bench.owner.told == []
        wire.end()
        other.hear(ANSWER)
        other.end()
        failed, received = bench.owner.told
        assert failed[:3] == ("failed", "1", ProtocolError)
        assert why in failed[3]
        assert received[0] == "received"

    def test_other_things_before_the_answer(self) -> None:
        bench = Bench()
        wire = bench.ask()
        wire.hear(prefixed("greeting") * UNASKED_AT_ONCE, ANSWER)
        wire.end()
        assert bench.owner.told == [("received", Answer("1", 200, (), b"hello"))]

    def test_a_plugin_that_keeps_saying_other_things(self) -> None:
        bench = Bench()
        wire = bench.ask()
        for _ in range(UNASKED_AT_ONCE + 1):
            wire.hear(prefixed("greeting"))
        assert wire.calls == ["abort"]
        wire.end()
        assert bench.owner.told[0][:3] == ("failed", "1", ProtocolError)

    def test_a_body_that_fits_into_no_message(self) -> None:
        bench = Bench()
        with pytest.raises(BodyTooLarge):
            bench.channel.send("1", HttpRequest(RequestHead("POST", "/", {}), b"x" * 10_000))
        assert bench.wires == []

    @pytest.mark.parametrize("number", [errno.ENOENT, errno.ECONNREFUSED])
    def test_a_socket_that_takes_no_connection(self, number: int) -> None:
        bench = Bench()
        bench.dial.refusal = number
        bench.channel.send("1", REQUEST)
        ((_, request_id, error, detail),) = bench.owner.told
        assert (request_id, error) == ("1", LinkLost)
        assert "takes no connection" in detail
        assert SOCKET not in detail
        assert not bench.channel.answering
        bench.dial.refusal = None
        bench.ask("2")
        assert bench.channel.answering

    def test_a_backlog_that_has_no_room_yet(self) -> None:
        bench = Bench()
        bench.dial.refusal = errno.EAGAIN
        bench.channel.send("1", REQUEST)
        bench.clock.pump([0.05] * 20)
        assert bench.owner.told == []
        assert not bench.channel.answering
        assert 10 < bench.dial.refused <= 21
        bench.dial.refusal = None
        bench.clock.advance(0.05)
        bench.wires[-1].hear(ANSWER)
        bench.wires[-1].end()
        assert bench.owner.told == [("received", Answer("1", 200, (), b"hello"))]
        assert bench.channel.answering
        assert bench.clock.getDelayedCalls() == []

    def test_nobody_waits_any_more_for_room_in_the_backlog(self) -> None:
        bench = Bench()
        bench.dial.refusal = errno.EAGAIN
        for request_id in ("1", "2"):
            bench.channel.send(request_id, REQUEST)
        bench.channel.cancel("1")
        assert bench.owner.told == [("failed", "1", *CLOSED)]
        bench.channel.close()
        assert len(bench.owner.told) == 1
        assert bench.clock.getDelayedCalls() == []


class TestEnding:
    def test_cancelling_closes_the_connection(self) -> None:
        bench = Bench()
        wire, other = bench.ask("1"), bench.ask("2")
        bench.channel.cancel("1")
        bench.channel.cancel("made up")
        assert (wire.calls, other.calls) == (["abort"], [])
        wire.end()
        bench.channel.cancel("1")
        assert bench.owner.told == [("failed", "1", *CLOSED)]

    def test_closing_ends_all_and_tells_nobody(self) -> None:
        bench = Bench()
        wires = [bench.ask("1"), bench.ask("2")]
        wires[1].hear(ANSWER)
        bench.channel.close()
        assert [wire.calls for wire in wires] == [["abort"], ["abort", "abort"]]
        for wire in wires:
            wire.end()
        assert bench.owner.told == []
        assert (bench.channel.can_send, bench.channel.answering) == (False, False)


@implementer(IReactorSocket)
class Adopting:
    """Takes connections without looking at them."""

    def __init__(self) -> None:
        self.built: list[object] = []

    def adoptStreamConnection(self, fileDescriptor: int, addressFamily: int, factory: ServerFactory) -> None:
        assert addressFamily == socket.AF_UNIX
        self.built.append(factory.buildProtocol(None))

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: ServerFactory) -> Any: ...

    def adoptDatagramPort(
        self, fileDescriptor: int, addressFamily: int, protocol: object, maxPacketSize: int
    ) -> Any: ...


class TestDial:
    def test_connects_at_once_or_raises_at_once(self, tmp_path: Path) -> None:
        path = str(tmp_path / "s")
        reactor = Adopting()
        dial = Dialler(reactor)
        protocol = Protocol()
        with pytest.raises(FileNotFoundError):
            dial(path, protocol)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            with pytest.raises(ConnectionRefusedError):
                dial(path, protocol)
            listening.listen(0)
            dial(path, protocol)
            # The first is not accepted yet, and no second may wait beside it.
            with pytest.raises(BlockingIOError):
                dial(path, protocol)
            listening.accept()[0].close()
            dial(path, protocol)
        assert reactor.built == [protocol, protocol]
        with pytest.raises(ConnectionRefusedError):
            dial(path, protocol)

    def test_is_listening(self, tmp_path: Path) -> None:
        path = str(tmp_path / "s")
        dial = Dialler(Adopting())
        assert not dial.is_listening(path), "nothing there"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            assert not dial.is_listening(path), "bound alone"
            listening.listen(0)
            assert dial.is_listening(path)
            assert not dial.is_listening(path[:-1])
            assert not dial.is_listening(f"{tmp_path.name}/s")
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                accepted = listening.accept()[0]
                client.shutdown(socket.SHUT_RDWR)
        with accepted:
            assert not dial.is_listening(path), "closed; a connection from before has the same path"

    def test_is_listening_is_not_noticed(self, tmp_path: Path) -> None:
        path = str(tmp_path / "s")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            listening.listen()
            assert Dialler(Adopting()).is_listening(path)
            listening.setblocking(False)
            with pytest.raises(BlockingIOError):
                listening.accept()

    def test_is_listening_under_a_name_that_it_was_not_bound_to(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Paths of sockets are limited, so some bind where they stand; others bind first and move then."""
        monkeypatch.chdir(tmp_path)
        dial = Dialler(Adopting())
        before = len(os.listdir("/proc/self/fd"))
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("new")
            listening.listen(0)
            os.rename("new", "s")
            assert dial.is_listening(str(tmp_path / "s"))
            assert dial.is_listening(str(tmp_path / "s")), "its backlog is full of the first"
        assert not dial.is_listening(str(tmp_path / "s"))
        assert len(os.listdir("/proc/self/fd")) == before

    def test_keeps_no_descriptor_of_its_own(self, tmp_path: Path) -> None:
        path = str(tmp_path / "s")
        dial = Dialler(Adopting())
        before = len(list(Path("/proc/self/fd").iterdir()))
        with pytest.raises(FileNotFoundError):
            dial(path, Protocol())
        assert len(list(Path("/proc/self/fd").iterdir())) == before
