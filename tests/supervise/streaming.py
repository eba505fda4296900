"""Streams on a clock, over connections whose other end is the test."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from twisted.internet.task import Clock

from toru.errors import ToruError
from toru.supervise.streamedrequest import StreamedRequest
from toru.supervise.streamedsocket import StreamedWebSocket
from toru.supervise.streampool import Room, Streams
from toru.supervise.traffic import TrafficCounter
from toru.wire.messages import Message, StreamRequest, WebSocketRequest
from toru.wire.streams import StreamLines

from .fakes import INIT, FakeDial, Wire, json_line

TIMEOUT, IDLE = 30.0, 300.0
GET = StreamRequest("GET", "/", {})
LIVE = WebSocketRequest("/live", {}, ["chat"])


class FakeEars:
    """Hears what is said aside."""

    def __init__(self) -> None:
        self.choked = False
        self.heard: list[Message] = []

    def received(self, message: Message) -> bool:
        self.heard.append(message)
        return False


class FakeClient:
    """Whoever asks, in both ways: `told` is what it was told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def answered(self, status: int, headers: tuple[tuple[str, str], ...], body: bytes | None) -> None:
        self.told.append(("answered", status, body))

    def part(self, data: bytes) -> None:
        self.told.append(("part", data))

    def finished(self) -> None:
        self.told.append(("finished",))

    def accepted(self, subprotocol: str | None) -> None:
        self.told.append(("accepted", subprotocol))

    def refused(self, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        self.told.append(("refused", status, body))

    def message(self, data: bytes, text: bool) -> None:
        self.told.append(("message", data, text))

    def closed(self, code: int, reason: str) -> None:
        self.told.append(("closed", code, reason))

    def failed(self, error: ToruError) -> None:
        self.told.append(("failed", error.code, error.detail))

    def pause(self) -> None:
        self.told.append(("pause",))

    def resume(self) -> None:
        self.told.append(("resume",))

    def words(self) -> list[str]:
        """What it was told since the last time, without the details."""
        told, self.told = self.told, []
        return [word for word, *_ in told]


class Bench:
    def __init__(self, *, room: int = 1000, opened: bool = True) -> None:
        self.clock = Clock()
        self.dial = FakeDial()
        self.ears = FakeEars()
        self.room = Room(room)
        self.traffic = TrafficCounter()
        self.streams = Streams(
            "demo",
            self.clock,
            self.traffic,
            self.room,
            StreamLines(2**20),
            self.ears,
            request_timeout=TIMEOUT,
            idle_timeout=IDLE,
        )
        if opened:
            self.open()

    def open(self) -> None:
        self.streams.open(partial(self.dial, "/run/demo.sock"), INIT, requests=True, websockets=True)

    def ask(self, *, whole: bool = True) -> tuple[StreamedRequest, FakeClient]:
        """A request, with its body whole or yet to come."""
        client = FakeClient()
        stream = self.streams.request(GET, client)
        if whole:
            stream.finish()
        return stream, client

    def socket(self) -> tuple[StreamedWebSocket, FakeClient, Wire]:
        """A WebSocket that the plugin took."""
        client = FakeClient()
        socket = self.streams.websocket(LIVE, client)
        wire = self.dial.wires[-1]
        wire.hear(socket_line(socket, action="accept"))
        client.words()
        return socket, client, wire

    @property
    def timers(self) -> int:
        return len(self.clock.getDelayedCalls())


def line(exchange: StreamedRequest | StreamedWebSocket, /, type: str, **payload: object) -> bytes:
    """What the plugin says in that exchange."""
    return json_line(type, exchange._request_id, **payload)


def socket_line(socket: StreamedWebSocket, **payload: object) -> bytes:
    return line(socket, "websocket", **payload)


def head(stream: StreamedRequest) -> bytes:
    return line(stream, "http", status=200, stream=True)


def part(stream: StreamedRequest, data: bytes, *, final: bool = False) -> bytes:
    return line(stream, "body", length=len(data), final=final) + data


def written(wire: Wire) -> list[tuple[Any, ...]]:
    """What was written since the last time: type and payload of each line, and the data behind it."""
    rest, wire._written = wire._written, b""
    found: list[tuple[Any, ...]] = []
    while rest:
        message, _, rest = rest.partition(b"\n")
        read = json.loads(message)
        payload = read["payload"]
        size = payload.get("length", 0)
        data, rest = rest[:size], rest[size:]
        found.append((read["type"], payload, data) if size else (read["type"], payload))
    return found
