"""The line that a request leaves in the access log."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection

from toru.http.server.connection import HEAD_SECONDS
from toru.http.server.exchange import Exchange
from toru.store.accesslog import WRITE_AFTER, AccessLog
from toru.wire.messages import Answer

from .fakes import SESSION, FakePlugins, answer, signed, status
from .memory import on_a_clock

HELLO = b"/api/plugins/route/hello"
WHO = signed().encode()
COMBINED = re.compile(
    r"(?P<address>\S+) - (?P<user>\S+) \[(?P<when>[^]]+)] "
    r'"(?P<request>[^"]*)" (?P<status>\d{3}) (?P<bytes>\d+|-) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)" (?P<ms>\d+\.\d{3})'
)


class Desk(NamedTuple):
    clock: Clock
    plugins: FakePlugins
    transport: StringTransportWithDisconnection
    file: Path

    def send(self, target: bytes, *fields: bytes, method: bytes = b"GET") -> None:
        lines = [b"%s %s HTTP/1.1" % (method, target), b"Host: x", *fields, b"", b""]
        self.transport.protocol.dataReceived(b"\r\n".join(lines))

    def lines(self) -> list[dict[str, str]]:
        """All that were written by now."""
        self.clock.advance(WRITE_AFTER)
        found = [COMBINED.fullmatch(line) for line in self.file.read_bytes().decode("ascii").splitlines()]
        return [line.groupdict() if line else {} for line in found]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    clock = Clock()
    file = tmp_path / "access.log"
    log = AccessLog(file, clock, maybeDeferred)
    log.open()
    plugins = FakePlugins(status("hello"))
    _, _, transport = on_a_clock(tmp_path, plugins, [ip_network("192.0.2.0/24")], clock=clock, access_log=log)
    return Desk(clock, plugins, transport, file)


def test_an_answer_of_a_plugin(desk: Desk) -> None:
    waiting: Deferred[Answer] = Deferred()
    desk.plugins.reaction = lambda _: waiting
    desk.clock.advance(971211336)
    desk.send(HELLO + b"/a?b=c", WHO, b"Referer: http://x/", b"User-Agent: curl/8")
    desk.clock.advance(0.0125)
    waiting.callback(Answer("1", 404, (), b"not here"))
    assert desk.lines() == [
        {
            "address": "192.0.2.7",
            "user": "root-script",
            "when": "10/Oct/2000:20:55:36 +0000",
            "request": "GET /api/plugins/route/hello/a?b=c HTTP/1.1",
            "status": "404",
            "bytes": "8",
            "referer": "http://x/",
            "agent": "curl/8",
            "ms": "12.500",
        }
    ]


def test_each_way_of_answering(desk: Desk) -> None:
    desk.send(HELLO, WHO)
    desk.send(HELLO, WHO, method=b"HEAD")
    desk.plugins.reaction = answer(b"", 204)
    desk.send(HELLO, WHO)
    desk.send(b"/api/plugins/route/nobody", WHO)
    desk.send(b"/api/health")
    desk.send(HELLO)
    lines = desk.lines()
    assert [(line["user"], line["status"], line["bytes"]) for line in lines] == [
        ("root-script", "200", "5"),
        ("root-script", "200", "0"),
        ("root-script", "204", "0"),
        ("root-script", "404", lines[3]["bytes"]),
        ("-", "200", str(len('{"status":"ok"}'))),
        ("-", "401", lines[5]["bytes"]),
    ]
    assert (lines[0]["referer"], lines[0]["agent"]) == ("-", "-")
    # As the client was told, and as it came.
    sizes = re.findall(rb"content-length: (\d+)", desk.transport.value())
    assert [int(size) for size in sizes[-3:]] == [int(line["bytes"]) for line in lines[3:]]


def test_nothing_secret_and_nothing_that_breaks_a_line(desk: Desk) -> None:
    desk.send(
        HELLO + b'/"x\\?' + b"y" * 2000,
        WHO,
        b"Cookie: toru_session=" + SESSION.encode(),
        b'User-Agent: a" 200 1\t\\"\xe4',
        b'X-Forwarded-For: fe80::1%a b"c',
    )
    [line] = desk.lines()
    assert line["request"].startswith(r"GET /api/plugins/route/hello/\x22x\x5c?yyy")
    assert len(line["request"]) == len("GET  HTTP/1.1") + 1024 + 2 * len("x22")
    assert line["agent"] == r"a\x22 200 1\x09\x5c\x22\xe4"
    assert line["address"] == r"fe80::1%a\x20b\x22c"
    text = desk.file.read_text()
    assert SESSION not in text
    assert "token-of" not in text


def test_what_was_no_request(desk: Desk) -> None:
    desk.transport.protocol.dataReceived(b"GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n")
    [line] = desk.lines()
    assert (line["request"], line["status"]) == ("-", "400")


def test_one_that_does_not_come(desk: Desk) -> None:
    desk.transport.protocol.dataReceived(b"GET /secret HTTP/1.1\r\n")
    desk.clock.pump([1] * (HEAD_SECONDS + 1))
    [line] = desk.lines()
    assert (line["request"], line["status"]) == ("-", "408")


def test_a_request_that_has_a_length_and_no_host(desk: Desk) -> None:
    desk.transport.protocol.dataReceived(b"POST /x HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
    [line] = desk.lines()
    assert (line["request"], line["status"]) == ("POST /x HTTP/1.1", "400")


def test_clients_that_go(desk: Desk) -> None:
    desk.plugins.reaction = lambda _: Deferred()
    desk.send(HELLO, WHO)
    desk.clock.advance(2)
    desk.transport.loseConnection()
    [line] = desk.lines()
    assert (line["status"], line["bytes"], line["ms"]) == ("499", "0", "2000.000")


def exchange_of(desk: Desk) -> Any:
    """The request that its plugin has in hand."""
    desk.plugins.reaction = lambda _: Deferred()
    desk.send(HELLO, WHO)
    connection: Any = desk.transport.protocol
    return connection._exchanges[0]


def test_answers_in_pieces(desk: Desk) -> None:
    whole = exchange_of(desk)
    whole.begin(200, [])
    whole.write(b"12345")
    whole.write(b"678")
    whole.end()
    broken = exchange_of(desk)
    broken.begin(200, [], 10)
    broken.write(b"1234")
    broken.break_off()
    assert [(line["status"], line["bytes"]) for line in desk.lines()] == [("200", "8"), ("200", "4")]


def test_of_what_others_frame_in_chunks_no_bytes_are_known(desk: Desk) -> None:
    exchange = exchange_of(desk)
    exchange.begin(200, [])
    exchange.raw(b"5\r\n12345\r\n0\r\n\r\n")
    exchange.finished()
    assert [(line["status"], line["bytes"]) for line in desk.lines()] == [("200", "-")]


def test_a_websocket(desk: Desk) -> None:
    class Receiver:
        def gone(self) -> None: ...

    exchange_of(desk).switch(b"", Receiver())
    desk.transport.loseConnection()
    assert [(line["status"], line["bytes"]) for line in desk.lines()] == [("101", "-")]


def test_where_there_is_none_a_request_is_as_it_was(tmp_path: Path) -> None:
    _, site, _ = on_a_clock(tmp_path, FakePlugins())
    assert site.make_exchange is site.for_plugins().make_exchange is Exchange
