"""WebSockets between a client in memory and a plugin that is one line of Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection

from tests.server.frames import BINARY, CONTINUATION, PING, RSV1, TEXT, close, deflated, frame, pieces, text
from toru.errors import PluginBusy, PluginError, PluginUnavailable, ProtocolError, ToruError
from toru.http._interfaces import WebSocketClient
from toru.http.server import websocket
from toru.http.server.connection import Connection
from toru.http.server.deflate import agree
from toru.http.site import Site
from toru.store.accounttable import Keys
from toru.wire.messages import WebSocketRequest

from .fakes import FakePlugins, parsed, signed
from .memory import on_a_clock

HANDSHAKE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


class FakePlugin:
    """Takes WebSockets, and notes what it is told of the last."""

    id = "talk"
    streams = False
    websockets = True

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.statuses: list[int] = []
        self.fault: ToruError | None = None
        self.request: WebSocketRequest | None = None
        self.client: WebSocketClient | None = None

    def open_websocket(self, request: WebSocketRequest, client: WebSocketClient, /) -> FakePlugin:
        if self.fault is not None:
            raise self.fault
        self.request, self.client = request, client
        return self

    def served(self, status: int, /) -> None:
        self.statuses.append(status)

    def message(self, data: bytes, text: bool, /) -> None:
        self.heard.append((data, text))

    def close(self, code: int, reason: str, /) -> None:
        self.heard.append(("close", code, reason))

    def pause(self) -> None:
        self.heard.append("pause")

    def resume(self) -> None:
        self.heard.append("resume")

    def cancel(self) -> None:
        self.heard.append("cancel")


class Talk(NamedTuple):
    clock: Clock
    site: Site
    transport: StringTransportWithDisconnection
    plugin: FakePlugin

    @property
    def client(self) -> WebSocketClient:
        assert self.plugin.client is not None
        return self.plugin.client

    @property
    def connection(self) -> Connection:
        connection = self.transport.protocol
        assert isinstance(connection, Connection)
        return connection

    def send(self, data: bytes) -> None:
        self.connection.dataReceived(data)

    def said(self) -> bytes:
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    def seconds(self, count: int) -> None:
        for _ in range(count):
            self.clock.advance(1)

    def ask(self, *lines: str) -> None:
        head = ["GET /api/plugins/route/talk/x?y HTTP/1.1", "Host: toru.test", signed(), *HANDSHAKE, *lines]
        self.send("\r\n".join([*head, "", ""]).encode())

    def opened(self, *lines: str) -> Talk:
        self.ask(*lines)
        self.client.accepted(None)
        assert self.said().startswith(b"HTTP/1.1 101 ")
        return self


@pytest.fixture
def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Talk:
    plugins, plugin = FakePlugins(), FakePlugin()
    monkeypatch.setattr(plugins, "route", lambda _: plugin)
    clock, site, transport = on_a_clock(tmp_path, plugins)
    return Talk(clock, site, transport, plugin)


# -- the handshake


def test_what_a_plugin_is_asked_and_a_client_told(talk: Talk) -> None:
    talk.ask("Sec-WebSocket-Protocol: chat, superchat", "Cookie: toru_session=s; a=1", "X-Toru-User: me")
    request = talk.plugin.request
    assert request is not None
    assert (request.path, request.subprotocols) == ("/x?y", ["chat", "superchat"])
    assert (request.headers["cookie"], request.headers["x-toru-user"]) == ("a=1", "root-script")
    assert not {"upgrade", "connection", "sec-websocket-key"} & set(request.headers)
    talk.send(text(b"early"))
    assert talk.said() == b""
    talk.client.accepted("superchat")
    reply = talk.said()
    assert reply.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in reply
    assert b"\r\nsec-websocket-protocol: superchat\r\n" in reply
    assert b"sec-websocket-extensions" not in reply
    assert talk.plugin.heard == [(b"early", True)]


def test_a_refusal(talk: Talk) -> None:
    talk.ask()
    talk.client.refused(403, (("X-Why", "no"),), b"no")
    reply = parsed(talk.said())
    assert (reply.status, reply.body, reply.header("x-why")) == (403, b"no", "no")
    assert talk.plugin.statuses == [403]
    talk.ask()
    talk.client.accepted(None)
    assert talk.said().startswith(b"HTTP/1.1 101 "), "the connection is as good as before"


@pytest.mark.parametrize(
    ("fault", "status"), [(ProtocolError("x"), 502), (PluginUnavailable("x"), 503), (PluginBusy("x"), 503)]
)
def test_a_plugin_that_fails_before_it_answers(talk: Talk, fault: ToruError, status: int) -> None:
    talk.ask()
    talk.client.failed(fault)
    assert parsed(talk.said()).status == status
    talk.plugin.fault = fault
    talk.ask()
    assert parsed(talk.said()).status == status
    assert talk.plugin.statuses == [status] * 2


def test_a_client_that_does_not_wait_for_the_answer(talk: Talk) -> None:
    talk.ask()
    talk.transport.loseConnection()
    assert talk.plugin.heard == ["cancel"]
    talk.client.accepted(None)
    assert talk.said() == b""


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        (b"permessage-deflate", (b"", 15)),
        (b"permessage-deflate; client_max_window_bits", (b"", 15)),
        (b'permessage-deflate; server_max_window_bits="10"', (b"; server_max_window_bits=10", 10)),
        (b"permessage-deflate; x, other, permessage-deflate", (b"", 15)),
        (b"permessage-deflate; server_max_window_bits=8", None),
        (b"permessage-deflate; server_no_context_takeover=1", None),
        (b"permessage-deflate; client_no_context_takeover; client_no_context_takeover", None),
        (b"", None),
    ],
)
def test_agreements(offered: bytes, agreed: tuple[bytes, int] | None) -> None:
    plain = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    assert agree(offered) == (agreed and (plain + agreed[0], agreed[1]))


# -- messages


def test_both_ways(talk: Talk) -> None:
    talk.opened().send(pieces(TEXT, b"a", b"b", between=frame(PING, b"?")) + frame(BINARY, b"\xff"))
    assert talk.plugin.heard == [(b"ab", True), (b"\xff", False)]
    assert talk.said() == b"\x8a\x01?"
    for size, head in (
        (125, b"\x82\x7d"),
        (126, b"\x82\x7e\x00\x7e"),
        (65536, b"\x82\x7f" + b"\0\0\0\0\0\1\0\0"),
    ):
        talk.client.message(b"x" * size, False)
        assert talk.said() == head + b"x" * size


def test_what_is_compressed(talk: Talk) -> None:
    talk.opened("Sec-WebSocket-Extensions: permessage-deflate")
    talk.client.message(b"short", True)
    assert talk.said() == b"\x81\x05short"
    talk.client.message(b"x" * 1000, True)
    said = talk.said()
    assert said[0] == 0x81 | RSV1
    assert len(said) < 100


def test_a_plugin_that_does_not_read(talk: Talk) -> None:
    """Messages that it did not take wait as they came, however large they are."""
    talk.opened("Sec-WebSocket-Extensions: permessage-deflate")
    talk.client.pause()
    assert talk.transport.producerState == "paused"
    talk.send(frame(BINARY, deflated(b"\0" * 2**20), rsv=RSV1) * 2)
    talk.seconds(100)
    assert talk.plugin.heard == []
    talk.client.resume()
    assert talk.plugin.heard == [(b"\0" * 2**20, False)] * 2
    assert talk.transport.producerState == "producing"


def test_a_client_that_does_not_read(talk: Talk) -> None:
    talk.opened()
    talk.connection.pauseProducing()
    talk.send(frame(PING, b"1") + frame(PING, b"2"))
    assert talk.said() == b""
    talk.seconds(300)
    talk.connection.resumeProducing()
    assert talk.plugin.heard == ["pause", "resume"]
    assert talk.said() == b"\x8a\x012", "pings that could not be answered are not kept, but for the last"
    talk.connection.pauseProducing()
    talk.seconds(601)
    assert not talk.transport.connected


def test_long_messages_have_one_room(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    room = talk.site.proxy._unfinished
    monkeypatch.setattr(room, "left", 2**16)
    talk.opened().send(frame(BINARY, b"x" * 2**17, fin=False))
    assert room.left == 0
    talk.send(frame(CONTINUATION, b"y"))
    assert (room.left, talk.plugin.heard) == (2**16, [(b"x" * 2**17 + b"y", False)])
    talk.send(frame(BINARY, b"x" * (2**17 + 1), fin=False))
    assert talk.said()[:4] == b"\x88\x2f\x03\xf5"  # 1013
    assert (room.left, talk.plugin.heard[-1][:2]) == (2**16, ("close", 1013))


def test_what_stands_behind_the_end_of_a_compressed_stream_is_not_kept(talk: Talk) -> None:
    talk.opened("Sec-WebSocket-Extensions: permessage-deflate")
    ended = b"\xf3\x48\xcd\xc9\xc9\x07\x00"  # RFC 7692, 7.2.3.4
    talk.send(frame(TEXT, ended, fin=False, rsv=RSV1) + frame(CONTINUATION, b"\0" * 1000))
    assert talk.plugin.heard == [(b"Hello", True)]


# -- ends


def test_a_goodbye_of_the_client(talk: Talk) -> None:
    talk.opened().send(close(4001, b"bye") + text(b"more"))
    assert talk.plugin.heard == [("close", 4001, "bye")]
    assert talk.said() == b"\x88\x05\x0f\xa1bye"
    assert not talk.transport.connected
    talk.client.closed(4001, "bye")
    talk.client.message(b"late", True)
    assert talk.said() == b""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (1000, b"\x88\x04\x03\xe8by"),
        (1012, b"\x88\x04\x03\xf4by"),
        (1005, b"\x88\x00"),
        (1006, b"\x88\x04\x03\xf3by"),
        (2999, b"\x88\x04\x03\xf3by"),
    ],
)
def test_a_goodbye_of_the_plugin(talk: Talk, code: int, said: bytes) -> None:
    talk.opened().client.closed(code, "by")
    assert talk.said() == said
    talk.send(text(b"late") + frame(PING) + close(1000))
    assert talk.plugin.heard == [("close", 1000, "")]
    assert talk.said() == b""
    assert not talk.transport.connected


def test_a_reason_is_cut_between_two_characters() -> None:
    assert websocket.goodbye(1000, "ä" * 100) == b"\x88\x7c\x03\xe8" + "ä".encode() * 61


def test_a_goodbye_that_is_not_answered(talk: Talk) -> None:
    talk.opened().client.closed(1000, "")
    talk.seconds(10)
    assert talk.transport.connected
    talk.client.failed(PluginError("the client is late"))
    talk.seconds(1)
    assert not talk.transport.connected
    assert talk.said() == b"\x88\x02\x03\xe8"


@pytest.mark.parametrize(
    ("fault", "code"), [(PluginError("x"), b"\x03\xf3"), (PluginUnavailable("x"), b"\x03\xf4")]
)
def test_a_plugin_that_fails(talk: Talk, fault: ToruError, code: bytes) -> None:
    talk.opened().client.failed(fault)
    assert talk.said()[2:4] == code


def test_a_client_that_goes(talk: Talk) -> None:
    talk.opened().send(frame(TEXT, b"x" * 2**17, fin=False))
    talk.transport.loseConnection()
    assert talk.plugin.heard == ["cancel"]
    assert talk.site.proxy._unfinished.left == websocket.MOST_UNFINISHED


def test_a_client_that_says_nothing(talk: Talk) -> None:
    talk.opened().seconds(30)
    assert talk.said() == b""
    talk.seconds(1)
    assert talk.said() == b"\x89\x00"
    talk.send(frame(10))
    talk.seconds(31)
    assert talk.said() == b"\x89\x00"
    talk.seconds(29)
    assert talk.transport.connected
    talk.seconds(1)
    assert not talk.transport.connected
    assert talk.plugin.heard == ["cancel"]


def sign_out(site: Site) -> None:
    """All of them."""
    site.doors.start(Keys([], []), [])


@pytest.mark.parametrize("reading", [True, False])
def test_a_client_that_was_signed_out(talk: Talk, reading: bool) -> None:
    talk.opened()
    if not reading:
        talk.connection.pauseProducing()
        talk.plugin.heard.clear()
    talk.seconds(1)
    assert talk.said() == b""
    sign_out(talk.site)
    talk.seconds(1)
    assert talk.said() == b"\x88\x0c\x03\xf0signed out"  # 1008
    assert talk.plugin.heard == [("close", 1008, "signed out")]
    talk.client.message(b"more", True)
    talk.send(text(b"more"))
    talk.client.closed(1008, "")
    talk.seconds(1)
    assert (talk.said(), len(talk.plugin.heard)) == (b"", 1), "neither hears the other any more"
    talk.send(close(1008))
    assert not talk.transport.connected


def test_one_that_is_accepted_when_its_client_was_signed_out(talk: Talk) -> None:
    talk.ask()
    sign_out(talk.site)
    talk.seconds(1)
    talk.client.accepted(None)
    talk.seconds(1)
    assert talk.said().endswith(b"\x88\x0c\x03\xf0signed out")


def test_the_core_stops(talk: Talk) -> None:
    talk.opened()
    talk.site.begin_stop()
    drained = talk.site.drained()
    assert talk.said()[:4] == b"\x88\x12\x03\xe9"
    assert talk.plugin.heard == [("close", 1001, "toru is stopping")]
    assert not drained.called
    talk.client.closed(1001, "")
    talk.send(close(1001))
    assert drained.called
    assert not talk.transport.connected


def test_one_that_is_accepted_while_the_core_stops(talk: Talk) -> None:
    talk.ask()
    talk.site.begin_stop()
    talk.client.accepted(None)
    assert talk.said().endswith(b"\x88\x12\x03\xe9toru is stopping")


def test_a_client_that_only_says_that_it_says_no_more_has_gone(talk: Talk) -> None:
    talk.opened().connection.readConnectionLost()
    assert talk.plugin.heard == ["cancel"]
    assert not talk.transport.connected
