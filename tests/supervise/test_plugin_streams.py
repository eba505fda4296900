"""Streams as a plugin's life has them: who takes them, what becomes of them when its process ends or is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from toru.errors import PluginUnavailable
from toru.wire.messages import Answer, HttpRequest, RequestHead

from .fakes import FakeSessions, Stage, results
from .streaming import GET, LIVE, FakeClient, head, line, part, socket_line, written

pytestmark = pytest.mark.usefixtures("sessions")


def up(run: Path, *capabilities: str, protocol: str = "2") -> Stage:
    stage = Stage(run, capabilities=capabilities, protocol=protocol)
    stage.plugin.begin()
    stage.come_up()
    return stage


class TestWhoTakesThem:
    def test_those_that_say_so(self, tmp_path: Path) -> None:
        for capabilities in ((), ("stream",), ("websocket",), ("stream", "websocket")):
            plugin = up(tmp_path, *capabilities).plugin
            assert (plugin.streams, plugin.websockets) == (
                "stream" in capabilities,
                "websocket" in capabilities,
            )

    def test_nobody_in_protocol_1(self, tmp_path: Path) -> None:
        plugin = up(tmp_path, "stream", "websocket", protocol="1").plugin
        assert (plugin.streams, plugin.websockets) == (False, False)

    def test_one_that_is_not_up_says_what_it_would(self, tmp_path: Path) -> None:
        plugin = Stage(tmp_path, capabilities=("stream",)).plugin
        assert (plugin.streams, plugin.websockets) == (True, False)
        with pytest.raises(PluginUnavailable):
            plugin.open(GET, FakeClient())
        with pytest.raises(PluginUnavailable):
            plugin.open_websocket(LIVE, FakeClient())


class TestWholeRequests:
    def test_go_as_streams_where_the_plugin_takes_those(self, tmp_path: Path) -> None:
        stage = up(tmp_path, "stream")
        answer = results(stage.plugin.request(HttpRequest(RequestHead("PUT", "/x", {"a": "b"}), b"body")))
        _, request, body, final = written(stage.wire)
        assert request[1] == {"method": "PUT", "path": "/x", "headers": {"a": "b"}, "stream": True}
        assert (body[2], final[1]) == (b"body", {"length": 0, "final": True})
        stage.wire.hear(
            b'{"type": "http", "request_id": "s1", "payload": {"status": 200, "headers": {"c": "d"}, "stream": true}}\n'
            b'{"type": "body", "request_id": "s1", "payload": {"length": 2}}\nab'
            b'{"type": "body", "request_id": "s1", "payload": {"length": 1, "final": true}}\nc'
        )
        assert answer == [Answer("", 200, (("c", "d"),), b"abc")]

    def test_an_answer_that_is_whole_anyway(self, tmp_path: Path) -> None:
        stage = up(tmp_path, "stream")
        answer = results(stage.plugin.request(HttpRequest(RequestHead("GET", "/x", {}), None)))
        stage.wire.hear(b'{"type": "http", "request_id": "s1", "payload": {"status": 204}}\n')
        assert answer == [Answer("", 204, (), b"")]

    def test_an_answer_that_is_too_long(self, tmp_path: Path) -> None:
        stage = up(tmp_path, "stream")
        answer = results(stage.plugin.request(HttpRequest(RequestHead("GET", "/x", {}), None)))
        stage.wire.hear(
            b'{"type": "http", "request_id": "s1", "payload": {"status": 200, "stream": true}}\n',
            b'{"type": "body", "request_id": "s1", "payload": {"length": 1048576}}\n' + b"x" * 2**20,
            b'{"type": "body", "request_id": "s1", "payload": {"length": 1}}\nx',
        )
        assert [error.code for error in answer] == ["plugin-protocol-error"]
        assert stage.wire.calls[-1] == "abort"

    def test_whoever_goes_away(self, tmp_path: Path) -> None:
        stage = up(tmp_path, "stream")
        waiter = stage.plugin.request(HttpRequest(RequestHead("GET", "/x", {}), None))
        answer = results(waiter)
        waiter.cancel()
        assert (len(answer), stage.wire.calls[-1]) == (1, "abort")


class TestTheProcess:
    def test_one_that_crashes(self, tmp_path: Path) -> None:
        stage = up(tmp_path, "stream")
        client = FakeClient()
        stream = stage.plugin.open(GET, client)
        stage.wire.hear(head(stream))
        stage.process.exit(1)
        assert client.words() == ["answered"]  # there may be more in its socket
        stage.wire.end()
        assert client.words() == ["failed"]
        stage.bury()
        assert stage.room.taken == 0

    def test_one_whose_connection_somebody_else_holds(self, tmp_path: Path) -> None:
        stage = up(tmp_path, "stream")
        client = FakeClient()
        stage.plugin.open(GET, client)
        stage.process.exit(1)
        stage.clock.advance(5)
        assert [told[:2] for told in client.told] == [("failed", "plugin-connection-lost")]

    def test_one_that_is_not_well(self, tmp_path: Path) -> None:
        stage = up(tmp_path, "stream")
        client = FakeClient()
        stage.plugin.open(GET, client)
        stage.process.socket.unlink()
        stage.clock.advance(5)
        assert "its socket file is gone" in client.told[0][2]

    def test_one_that_is_replaced(self, tmp_path: Path, sessions: FakeSessions) -> None:
        stage = up(tmp_path, "stream", "websocket")
        link, client, caller = stage.wire, FakeClient(), FakeClient()
        stream, wire = stage.plugin.open(GET, client), stage.wire
        socket, live = stage.plugin.open_websocket(LIVE, caller), stage.wire
        wire.hear(head(stream))
        live.hear(socket_line(socket, action="accept"))
        link.said()
        replaced = results(stage.plugin.restart())
        stage.come_up()
        assert replaced == [None]
        assert caller.told[-1][:2] == ("closed", 1012)
        live.hear(socket_line(socket, action="close"))
        assert link.said() == []
        stage.plugin.open(GET, FakeClient())
        assert stage.wire is not wire
        wire.hear(part(stream, b"still served"))
        stage.clock.advance(30)  # but not for ever
        assert [each["payload"]["action"] for each in link.said()] == ["shutdown"]
        wire.hear(part(stream, b"", final=True))
        assert client.words() == ["answered", "part", "finished"]

    def test_one_that_is_stopped(self, tmp_path: Path) -> None:
        stage = up(tmp_path, "stream", "websocket")
        client, caller = FakeClient(), FakeClient()
        stream, wire = stage.plugin.open(GET, client), stage.wire
        socket, live = stage.plugin.open_websocket(LIVE, caller), stage.wire
        live.hear(socket_line(socket, action="accept"))
        stopped = results(stage.plugin.stop())
        assert caller.told[-1][:2] == ("closed", 1001)
        wire.hear(line(stream, "http", status=200))
        assert client.words() == ["answered"]
        live.end()
        stage.process.exit()
        stage.bury()
        assert (stopped, stage.room.taken, stage.idle_calls()) == ([None], 0, [])

    def test_a_ping_counts_while_a_stream_is_answered_but_not_before(self, tmp_path: Path) -> None:
        for answered in (True, False):
            stage = up(tmp_path, "stream", "ping")
            stream = stage.plugin.open(GET, FakeClient())
            if answered:
                stage.wire.hear(head(stream))
            stage.clock.pump([5] * 5)
            assert ("unhealthy" in stage.told()) is answered

    def test_what_waits_is_told_from_what_is_in_flight(self, tmp_path: Path) -> None:
        stage = up(tmp_path, "stream")
        stage.plugin.open(GET, FakeClient())
        stage.dial.refusal = 11
        stage.plugin.open(GET, FakeClient())
        numbers = stage.plugin.numbers()
        assert (numbers.queued, numbers.in_flight) == (1, 1)
