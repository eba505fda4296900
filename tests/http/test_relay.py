"""Answers of plugins that stream, where what the client has is not what the plugin says it gave."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from toru.http.server.connection import LINGER_SECONDS
from toru.http.site import Site
from toru.store.accounttable import Keys

from .fakes import FakePlugins, FakeTarget, parsed, signed, status
from .memory import on_a_clock

HELLO = "/api/plugins/route/hello"
LENGTH = (("content-length", "3"),)


class FakeStream:
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def finish(self) -> None:
        self.calls.append("finish")

    def cancel(self) -> None:
        self.calls.append("cancel")

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")


class Streaming(FakePlugins):
    """With one plugin, which streams: `opened` are its streams, each with whoever asked."""

    def __init__(self) -> None:
        super().__init__(status("hello"))
        self.opened: list[tuple[FakeStream, Any]] = []

    def route(self, segment: str, /) -> FakeTarget:
        target: Any = super().route(segment)
        target.streams = True
        target.open = self._open
        return target  # type: ignore[no-any-return]

    def _open(self, request: Any, client: Any) -> FakeStream:
        stream = FakeStream()
        self.opened.append((stream, client))
        return stream


def head(method: str, length: int = 0, version: str = "1.1") -> bytes:
    line = f"{method} {HELLO} HTTP/{version}"
    return f"{line}\r\nHost: x\r\n{signed()}\r\nContent-Length: {length}\r\n\r\n".encode()


def sign_out(site: Site) -> None:
    """All of them."""
    site.doors.start(Keys([], []), [])


def test_a_connection_is_read_on_though_its_body_was_never_read(tmp_path: Path) -> None:
    plugins = Streaming()
    _, _, transport = on_a_clock(tmp_path, plugins)
    transport.protocol.dataReceived(head("POST", 4))
    ((_, client),) = plugins.opened
    client.pause()
    assert transport.producerState == "paused"
    # What was on its way already makes it whole.
    transport.protocol.dataReceived(b"body")
    client.answered(200, (), b"early")
    assert transport.value().endswith(b"early")
    assert transport.producerState == "producing"


CHUNKED = head("POST").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")


@pytest.mark.parametrize(
    "sent",
    [
        head("POST", 4) + b"body",
        head("POST", 4) + b"body" + head("GET"),
        CHUNKED + b"4\r\nbody\r\n" * 2 + b"0\r\n\r\n",
    ],
    ids=["its last piece", "another behind it", "a piece"],
)
def test_a_client_that_is_answered_within_its_body_is_let_go(
    tmp_path: Path, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = Streaming()
    clock, _, transport = on_a_clock(tmp_path, plugins)

    def answer(*said: object) -> None:
        ((_, client),) = plugins.opened
        client.answered(200, (), b"enough")

    monkeypatch.setattr(FakeStream, "write", answer)
    transport.protocol.dataReceived(sent)
    assert transport.value().count(b"enough") == 1
    clock.pump([1] * (LINGER_SECONDS + 1))
    assert not transport.connected
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("method", "code", "headers", "parts"),
    [("GET", 204, (), []), ("GET", 304, (), []), ("HEAD", 200, (), []), ("GET", 200, LENGTH, [b"a", b"bc"])],
)
def test_who_has_the_whole_answer_may_ask_again(
    tmp_path: Path, method: str, code: int, headers: tuple[tuple[str, str], ...], parts: list[bytes]
) -> None:
    plugins = Streaming()
    _, _, transport = on_a_clock(tmp_path, plugins)
    for _ in range(2):
        transport.protocol.dataReceived(head(method))
        stream, client = plugins.opened[-1]
        client.answered(code, headers, None)
        for part in parts:
            client.part(part)
    assert len(plugins.opened) == 2
    assert plugins.served == [("hello", code)] * 2
    before = transport.value()
    # What the plugin says more is nobody's.
    client.part(b"more")
    assert stream.calls[-1] == "cancel"
    assert transport.value() == before


def test_an_upload_ends_when_its_sender_is_signed_out(tmp_path: Path) -> None:
    plugins = Streaming()
    clock, site, transport = on_a_clock(tmp_path, plugins)
    transport.protocol.dataReceived(head("POST", 4) + b"bo")
    ((stream, _),) = plugins.opened
    clock.advance(1)
    assert (transport.value(), stream.calls) == (b"", [b"bo"])
    sign_out(site)
    clock.advance(1)
    reply = parsed(transport.value())
    assert (reply.status, reply.problem["code"]) == (401, "unauthenticated")
    transport.protocol.dataReceived(b"dy")
    assert stream.calls == [b"bo", "cancel"]
    clock.pump([1] * (LINGER_SECONDS + 1))
    assert not transport.connected


@pytest.mark.parametrize("sent", [b"body", b"bo"], ids=["all sent", "still sending"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_an_answer_ends_when_who_takes_it_is_signed_out(tmp_path: Path, sent: bytes, version: str) -> None:
    """And is seen to be cut: of HTTP/1.0 that only a reset tells."""
    plugins = Streaming()
    clock, site, made = on_a_clock(tmp_path, plugins)
    transport: Any = made
    reset: list[bool] = []

    def abort() -> None:
        reset.append(True)
        transport.loseConnection()

    transport.abortConnection = abort
    transport.protocol.dataReceived(head("POST", 4, version) + sent)
    ((stream, client),) = plugins.opened
    client.answered(200, (), None)
    client.part(b"some")
    sign_out(site)
    clock.advance(1)
    assert not transport.connected
    assert stream.calls[-1] == "cancel"
    assert not transport.value().endswith(b"0\r\n\r\n")
    assert reset == [True] * (version == "1.0")
    assert clock.getDelayedCalls() == []


def test_what_came_as_a_whole_before_a_sign_out_is_answered(tmp_path: Path) -> None:
    plugins = Streaming()
    clock, site, transport = on_a_clock(tmp_path, plugins)
    transport.protocol.dataReceived(head("POST", 4) + b"body")
    sign_out(site)
    clock.advance(1)
    ((_, client),) = plugins.opened
    client.answered(200, (), b"done")
    assert parsed(transport.value()).body == b"done"
