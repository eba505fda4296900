"""As many connections as may be, and one more."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.internet.threads import deferToThread
from twisted.logger import LogEvent

from toru.http.server.connection import LINGER_SECONDS
from toru.http.server.crowd import COMPLAIN_AFTER, affordable
from toru.http.site import Site

from .fakes import TIMEOUT, Door, FakePlugins, everything, in_reactor, parsed, signed, status
from .memory import connected, on_a_clock

HELLO = f"GET /api/plugins/route/hello HTTP/1.1\r\nHost: x\r\n{signed()}\r\n\r\n".encode()


def filled(
    tmp_path: Path, most: int, plugins: FakePlugins | None = None
) -> tuple[Clock, Site, list[StringTransportWithDisconnection]]:
    """A site with so many connections, which is as many as may be."""
    clock, site, first = on_a_clock(tmp_path, plugins or FakePlugins(status("hello")), max_connections=most)
    return clock, site, [first, *(connected(site) for _ in range(most - 1))]


def warnings(logged: Sequence[LogEvent]) -> list[int]:
    """How many clients each line in the log says were refused."""
    return [event["count"] for event in logged if "were refused" in (event.get("log_format") or "")]


def busy(transport: Any) -> None:
    """From now on it is within a head."""
    transport.protocol.dataReceived(b"GET / HTTP/1.1\r\n")


def test_the_one_that_is_idle_longest_makes_room(tmp_path: Path) -> None:
    clock, site, (first, second, third) = filled(tmp_path, 3)
    clock.advance(1)
    first.protocol.dataReceived(HELLO)
    assert first.value().endswith(b"hello")
    busy(third)
    clock.pump([1] * 2)
    assert connected(site).value() == b""
    assert (first.connected, second.connected, third.connected) == (True, False, True)
    newest = connected(site)
    assert (first.connected, third.connected, newest.connected) == (False, True, True)
    newest.protocol.dataReceived(HELLO)
    assert newest.value().endswith(b"hello")
    assert len(site.connections) == 3


def test_where_none_is_idle_a_new_one_is_told_so(tmp_path: Path, logged: Sequence[LogEvent]) -> None:
    clock, site, taken = filled(tmp_path, 2)
    for each in taken:
        busy(each)
    clock.pump([1] * 3)
    refused = connected(site)
    reply = parsed(refused.value())
    assert (reply.status, reply.problem["code"]) == (503, "too-many-connections")
    assert (reply.header("connection"), reply.header("retry-after")) == ("close", "2")
    refused.clear()
    refused.protocol.dataReceived(HELLO)
    assert (refused.value(), refused.connected) == (b"", True)
    clock.pump([1] * LINGER_SECONDS)
    assert not refused.connected
    assert [each.connected for each in taken] == [True, True]
    assert len(site.connections) == 2
    # Whoever goes makes room for all that come then.
    taken[0].loseConnection()
    welcome = connected(site)
    welcome.protocol.dataReceived(HELLO)
    assert welcome.value().endswith(b"hello")
    assert warnings(logged) == [1]


def test_one_that_has_just_come_or_been_answered_keeps_its_place(tmp_path: Path) -> None:
    clock, site, [taken] = filled(tmp_path, 1)
    clock.advance(1)
    assert parsed(connected(site).value()).status == 503
    clock.advance(1)
    taken.protocol.dataReceived(HELLO)
    assert taken.value().endswith(b"hello")
    clock.advance(1)
    assert parsed(connected(site).value()).status == 503
    assert taken.connected


def test_whoever_waits_for_an_answer_or_has_some_to_read_keeps_its_place(tmp_path: Path) -> None:
    plugins = FakePlugins(status("hello"))
    plugins.reaction = lambda _: Deferred()
    clock, site, [waiting, choked] = filled(tmp_path, 2, plugins)
    waiting.protocol.dataReceived(HELLO)
    slow: Any = choked.protocol
    slow.pauseProducing()
    clock.pump([1] * 5)
    assert parsed(connected(site).value()).status == 503
    assert waiting.connected
    slow.resumeProducing()
    clock.advance(1)
    assert connected(site).value() == b""
    assert not choked.connected


def test_a_flood_of_clients_costs_little_and_one_line_a_minute(
    tmp_path: Path, logged: Sequence[LogEvent]
) -> None:
    plugins = FakePlugins(status("hello"))
    plugins.reaction = lambda _: Deferred()
    clock, site, [taken] = filled(tmp_path, 1, plugins)
    taken.protocol.dataReceived(HELLO)
    flood = [connected(site) for _ in range(50)]
    told = [each for each in flood if each.value()]
    assert len(told) == 1, "only some are told why"
    assert [each for each in flood if each.connected] == told
    assert warnings(logged) == [1]
    told[0].loseConnection()
    assert parsed(connected(site).value()).status == 503, "there is room to tell another"
    clock.advance(COMPLAIN_AFTER)
    connected(site)
    connected(site)
    assert warnings(logged) == [1, 51]


def test_those_that_were_told_to_go_and_stay_are_not_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, site, staying = filled(tmp_path, 20)
    clock.pump([1] * 3)
    for each in staying:
        # As where what is written cannot leave.
        monkeypatch.setattr(each, "loseConnection", lambda: None)
    replies = [connected(site).value() for _ in range(5)]
    assert [bool(reply) for reply in replies] == [False] * 3 + [True] * 2


def test_the_clients_of_one_site_take_no_place_at_another(tmp_path: Path) -> None:
    _, site, [taken] = filled(tmp_path, 1)
    busy(taken)
    inner = site.for_plugins()
    assert connected(inner).value() == b""
    assert parsed(connected(inner).value()).status == 503


@in_reactor
async def test_a_refused_client_sees_why_whatever_it_sends(door: Door) -> None:
    door.site._crowd._most = 1

    def blocking() -> tuple[bytes, bytes]:
        with door.connect() as taken:
            taken.sendall(b"GET /api/health HTTP/1.1\r\nHost: x\r\n")
            with door.connect() as client:
                client.sendall(
                    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n" + b"x" * 500_000
                )
                refused = everything(client)
            taken.sendall(b"Connection: close\r\n\r\n")
            return refused, everything(taken)

    refused, answered = await deferToThread(blocking)
    assert parsed(refused).problem["code"] == "too-many-connections"
    assert parsed(answered).status == 200


@in_reactor
async def test_no_open_files_left(door: Door, logged: Sequence[LogEvent]) -> None:
    """What Twisted makes of it: it is served on when there are some again."""
    clients = [socket.socket() for _ in range(20)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.dup(0)
    os.close(spare)

    def blocking() -> None:
        for client in clients:
            client.settimeout(TIMEOUT)
            client.connect(("127.0.0.1", door.port))
        for client in clients:
            # Something else may have closed files meanwhile: then it is served.
            with suppress(ConnectionError):
                client.sendall(b"GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                everything(client)

    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
    try:
        await deferToThread(blocking)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for client in clients:
            client.close()
    assert [event for event in logged if "EMFILE" in (event.get("log_format") or "")], "none were missing"
    assert (await door.ask("GET", "/api/health")).status == 200


@pytest.mark.parametrize(("files", "most"), [(65536, 10_000), (20_000, 10_000), (4096, 2048), (1, 1)])
def test_half_of_the_open_files_are_for_others(
    files: int, most: int, monkeypatch: pytest.MonkeyPatch, logged: Sequence[LogEvent]
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert affordable(10_000) == most
    assert len(logged) == (most < 10_000)
