"""WebSockets of a plugin, on a clock."""

from __future__ import annotations

import pytest

from toru.supervise.streampool import CLOSE_SECONDS

from .fakes import results
from .streaming import LIVE, Bench, FakeClient, line, socket_line, written


class TestOpening:
    def test_taken(self) -> None:
        bench = Bench()
        client = FakeClient()
        socket = bench.streams.websocket(LIVE, client)
        (wire,) = bench.dial.wires
        assert written(wire)[1] == (
            "websocket",
            {"action": "open", "path": "/live", "headers": {}, "subprotocols": ["chat"]},
        )
        wire.hear(socket_line(socket, action="accept", subprotocol="chat"))
        assert client.told == [("accepted", "chat")]
        bench.clock.advance(100_000)
        assert client.told == [("accepted", "chat")]  # an idle one may be idle
        assert bench.timers == 0

    @pytest.mark.parametrize(
        ("spoken", "told"),
        [
            ({"type": "http", "status": 403, "body": "no"}, ("refused", 403, b"no")),
            ({"type": "error", "message": "no"}, ("failed", "plugin-error", "'no'")),
        ],
    )
    def test_not_taken(self, spoken: dict[str, str], told: tuple[object, ...]) -> None:
        bench = Bench()
        client = FakeClient()
        socket = bench.streams.websocket(LIVE, client)
        bench.dial.wires[0].hear(line(socket, **spoken))
        assert client.told == [told]
        bench.ask()
        # A refusal is a clean end.
        assert len(bench.dial.wires) == (1 if told[0] == "refused" else 2)
        assert bench.room.taken == 1

    def test_a_subprotocol_that_nobody_offered(self) -> None:
        bench = Bench()
        client = FakeClient()
        socket = bench.streams.websocket(LIVE, client)
        bench.dial.wires[0].hear(socket_line(socket, action="accept", subprotocol="other"))
        assert [told[:2] for told in client.told] == [("failed", "plugin-protocol-error")]

    def test_no_answer(self) -> None:
        bench = Bench()
        client = FakeClient()
        bench.streams.websocket(LIVE, client)
        bench.clock.advance(30.05)
        assert [told[:2] for told in client.told] == [("failed", "plugin-timeout")]


class TestTalking:
    def test_messages_both_ways(self) -> None:
        bench = Bench()
        socket, client, wire = bench.socket()
        written(wire)
        socket.message("grüß".encode(), True)
        socket.message(b"", False)
        assert written(wire) == [
            ("websocket", {"action": "message", "kind": "text", "length": 6}, "grüß".encode()),
            ("websocket", {"action": "message", "kind": "binary", "length": 0}),
        ]
        wire.hear(socket_line(socket, action="message", kind="text", length=2) + b"ok")
        assert client.told == [("message", b"ok", True)]

    def test_both_may_pause_the_other(self) -> None:
        bench = Bench()
        socket, client, wire = bench.socket()
        wire.protocol.pauseProducing()  # type: ignore[attr-defined]
        wire.protocol.resumeProducing()  # type: ignore[attr-defined]
        assert client.words() == ["pause", "resume"]
        socket.pause()
        socket.resume()
        assert wire.calls[1:] == ["pause", "resume"]


class TestClosing:
    def test_by_the_client(self) -> None:
        bench = Bench()
        socket, client, wire = bench.socket()
        written(wire)
        socket.pause()
        socket.close(1000, "bye")
        socket.close(1000, "bye")
        socket.message(b"x", False)
        assert written(wire) == [("websocket", {"action": "close", "code": 1000, "reason": "bye"})]
        assert wire.calls[-1] == "resume"
        wire.hear(socket_line(socket, action="message", kind="text", length=1) + b"x")
        assert client.told == []  # it said that it listens no more
        wire.hear(socket_line(socket, action="close", code=1000, reason="bye"))
        assert client.told == [("closed", 1000, "bye")]
        bench.ask()
        assert len(bench.dial.wires) == 1
        assert bench.room.taken == 1

    def test_by_the_plugin(self) -> None:
        bench = Bench()
        socket, client, wire = bench.socket()
        wire.hear(socket_line(socket, action="close", code=4000, reason="bye"))
        assert client.told == [("closed", 4000, "bye")]
        assert bench.room.taken == 1
        socket.close(4000, "bye")
        bench.ask()
        assert len(bench.dial.wires) == 1
        assert client.words() == ["closed"]

    @pytest.mark.parametrize("by_plugin", [True, False])
    def test_from_one_side_only(self, by_plugin: bool) -> None:
        bench = Bench()
        socket, client, wire = bench.socket()
        if by_plugin:
            wire.hear(socket_line(socket, action="close"))
        else:
            socket.close(1000, "")
        client.words()
        bench.clock.advance(CLOSE_SECONDS - 0.01)
        assert client.told == []
        bench.clock.advance(1.1)
        assert [told[:2] for told in client.told] == [("failed", "plugin-timeout")]
        assert wire.calls[-1] == "abort"
        # Whose fault it is shows in the figures.
        assert (bench.traffic.errors, bench.traffic.in_flight) == (0 if by_plugin else 1, 0)

    def test_a_plugin_may_hang_up_after_its_goodbye(self) -> None:
        bench = Bench()
        socket, client, wire = bench.socket()
        wire.hear(socket_line(socket, action="close"))
        wire.end()
        socket.close(1000, "")
        assert client.words() == ["closed"]
        assert (bench.traffic.errors, bench.room.taken) == (0, 0)

    def test_a_plugin_that_hangs_up_without_one(self) -> None:
        bench = Bench()
        _, client, wire = bench.socket()
        wire.end()
        assert [told[:2] for told in client.told] == [("failed", "plugin-connection-lost")]
        assert bench.traffic.errors == 1

    def test_a_client_that_goes_before_it_was_taken(self) -> None:
        bench = Bench()
        client = FakeClient()
        socket = bench.streams.websocket(LIVE, client)
        socket.message(b"early", False)
        socket.close(1000, "")
        assert (client.told, bench.dial.wires[0].calls[-1]) == ([], "abort")

    def test_a_process_that_is_replaced(self) -> None:
        bench = Bench()
        socket, client, wire = bench.socket()
        written(wire)
        drained = results(bench.streams.drained())
        assert client.told == [("closed", 1012, "the plugin is being restarted")]
        assert written(wire)[0][1]["code"] == 1012
        socket.close(1012, "")
        assert (written(wire), drained) == ([], [])
        wire.hear(socket_line(socket, action="close", code=1012))
        assert (client.words(), drained) == (["closed"], [None])

    def test_a_process_that_is_stopped(self) -> None:
        bench = Bench()
        _, client, wire = bench.socket()
        bench.streams.goodbye()
        assert client.told == [("closed", 1001, "the plugin is being stopped")]
        wire.end()
        assert client.words() == ["closed"]
        assert bench.traffic.errors == 0
