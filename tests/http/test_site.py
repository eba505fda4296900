"""Body limits, idle connections, and an end without a cut answer."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import json
from twisted.internet import reactor
from twisted.internet.defer import Deferred, TimeoutError as StillUnderWay
from twisted.internet.task import Clock, deferLater
from twisted.internet.threads import deferToThread

from toru.access.secret import digest
from toru.http.server.connection import (
    BODY_SECONDS,
    HEAD_SECONDS,
    IDLE_SECONDS,
    LINGER_SECONDS,
    STUCK_SECONDS,
)
from toru.http.site import STRANGERS_BYTES, all_drained
from toru.sending import unsent
from toru.store.accounttable import Key, Keys
from toru.wire.messages import Answer

from .fakes import (
    ANN,
    SESSION,
    Door,
    FakePlugins,
    answer,
    doors_of,
    everything,
    in_reactor,
    parsed,
    signed,
    status,
    until,
)
from .memory import LIMIT, connected, on_a_clock

HELLO = "/api/plugins/route/hello"


def chunks(*sizes: int) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (size, b"x" * size) for size in sizes)


@in_reactor
async def test_a_body_at_the_limit(door: Door) -> None:
    assert (await door.ask("POST", HELLO, body=b"x" * LIMIT)).status == 200
    head = f"POST {HELLO} HTTP/1.1\r\nHost: x\r\n{signed()}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    received = await door.exchange(head.encode() + chunks(LIMIT - 1, 1) + b"0\r\n\r\n")
    assert parsed(received).status == 200
    assert [request.body for request in door.plugins.requests] == [b"x" * LIMIT] * 2
    assert "transfer-encoding" not in door.plugins.requests[1].headers


@pytest.mark.parametrize("target", [HELLO, "/api/plugins/rescan"])
@pytest.mark.parametrize("declared", [LIMIT + 1, 10**12])
@in_reactor
async def test_a_declared_length_over_the_limit(door: Door, target: str, declared: int) -> None:
    def blocking() -> bytes:
        with door.connect() as client:
            client.sendall(
                f"POST {target} HTTP/1.1\r\nHost: x\r\n{signed()}\r\nContent-Length: {declared}\r\n\r\n".encode()
            )
            # Nothing of the body was sent yet.
            return until(client, b"}")

    reply = parsed(await deferToThread(blocking))
    assert (reply.status, reply.problem["code"]) == (413, "body-too-large")
    assert reply.header("connection") == "close"
    assert reply.header("server") == "toru"
    assert door.plugins.calls == []


@in_reactor
async def test_a_client_that_sends_it_all_first_still_sees_why(door: Door) -> None:
    reply = await door.ask("POST", HELLO, body=b"x" * 2_000_000)
    assert (reply.status, reply.problem["code"]) == (413, "body-too-large")
    assert reply.rest == b""
    assert door.plugins.calls == []


@in_reactor
async def test_a_chunked_body_over_the_limit(door: Door) -> None:
    def blocking() -> tuple[bytes, bytes]:
        with door.connect() as client:
            client.sendall(
                f"POST {HELLO} HTTP/1.1\r\nHost: x\r\n{signed()}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            )
            client.sendall(chunks(LIMIT, 1))
            refusal = until(client, b"}")
            client.sendall(chunks(10_000) + b"0\r\n\r\nGET /api/health HTTP/1.1\r\n\r\n")
            return refusal, everything(client)

    refusal, rest = await deferToThread(blocking)
    assert parsed(refusal).problem["code"] == "body-too-large"
    assert rest == b""
    assert door.plugins.calls == []


@in_reactor
async def test_a_refused_body_is_not_invited(door: Door) -> None:
    head = f"PUT {HELLO} HTTP/1.1\r\nHost: x\r\n{signed()}\r\nContent-Length: 2000\r\nExpect: 100-continue\r\n\r\n"
    received = await door.exchange(head.encode())
    assert parsed(received).status == 413
    assert b"100 Continue" not in received


@pytest.mark.parametrize(
    "framing", [b"Content-Length: %d" % (STRANGERS_BYTES + 1), b"Transfer-Encoding: chunked"]
)
@pytest.mark.parametrize(
    ("who", "received"),
    [(signed(), True), ("Authorization: Bearer toru_made-up", False), ("Accept: */*", False)],
)
def test_not_much_is_taken_in_from_somebody_unknown(
    tmp_path: Path, framing: bytes, who: str, received: bool
) -> None:
    _, site, transport = on_a_clock(tmp_path, FakePlugins(status("hello")))
    site.max_body_bytes = 2 * STRANGERS_BYTES
    transport.protocol.dataReceived(
        b"POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n%s\r\n\r\n" % (HELLO.encode(), who.encode(), framing)
    )
    transport.protocol.dataReceived(
        chunks(STRANGERS_BYTES + 1) if b"chunked" in framing else b"x" * STRANGERS_BYTES
    )
    if received:
        assert transport.value() == b""
    else:
        reply = parsed(transport.value())
        assert (reply.status, reply.problem["code"]) == (401, "unauthenticated")
        assert reply.header("connection") == "close"


def test_a_refused_client_cannot_send_for_ever(tmp_path: Path) -> None:
    clock, _, transport = on_a_clock(tmp_path, FakePlugins())
    transport.protocol.dataReceived(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n")
    for _ in range(LINGER_SECONDS):
        clock.advance(1)
        transport.protocol.dataReceived(b"x" * 1000)
    assert transport.connected
    clock.advance(1)
    assert not transport.connected
    assert clock.getDelayedCalls() == []


def test_a_long_wait_for_a_plugin_is_not_idleness(tmp_path: Path) -> None:
    plugins = FakePlugins(status("hello"))
    waiting: Deferred[Answer] = Deferred()
    plugins.reaction = lambda _: waiting
    clock, _, transport = on_a_clock(tmp_path, plugins)
    transport.protocol.dataReceived(f"GET {HELLO} HTTP/1.1\r\nHost: x\r\n{signed()}\r\n\r\n".encode())
    clock.pump([1] * 3600)
    assert transport.connected
    waiting.callback(Answer("1", 200, (), b"at last"))
    assert transport.value().endswith(b"at last")
    clock.pump([1] * IDLE_SECONDS)
    assert transport.connected
    clock.advance(1)
    assert not transport.connected
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("sent", "patience", "code"),
    [
        (b"", IDLE_SECONDS, None),
        (b"G", HEAD_SECONDS, 408),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", HEAD_SECONDS, 408),
        (b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", BODY_SECONDS, 408),
        (b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\nGET", HEAD_SECONDS, 408),
    ],
)
def test_a_client_that_keeps_us_waiting(tmp_path: Path, sent: bytes, patience: int, code: int | None) -> None:
    clock, _, transport = on_a_clock(tmp_path, FakePlugins())
    transport.protocol.dataReceived(sent)
    transport.clear()
    clock.pump([1] * patience)
    assert (transport.connected, transport.value()) == (True, b"")
    clock.pump([1] * (1 + LINGER_SECONDS + 1))
    assert not transport.connected
    assert (parsed(transport.value()).status if transport.value() else None) == code
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("closes", [False, True], ids=["kept open", "closing"])
@in_reactor
async def test_a_client_that_takes_nothing_is_closed(door: Door, closes: bool) -> None:
    """Also where all is said already: nothing else would end that."""
    door.plugins.reaction = answer(b"x" * 2**24)
    with await deferToThread(door.connect) as client:
        connection = "Connection: close\r\n" if closes else ""
        client.sendall(f"GET {HELLO} HTTP/1.1\r\nHost: x\r\n{connection}{signed()}\r\n\r\n".encode())
        await deferToThread(client.recv, 1)
        (served,) = door.site.connections
        assert unsent(served.transport) > 2**20
        for _ in range(STUCK_SECONDS + 1):
            served.look()
            door.site.ticks += 1
        # Whoever reads on, however slowly, is served on.
        await deferToThread(until, client, b"x" * 2**20)
        for _ in range(STUCK_SECONDS + 1):
            served.look()
            door.site.ticks += 1
        assert door.site.connections == {served}
        served.look()
        # Its end is told in the next turn.
        await deferLater(reactor, 0)
        assert door.site.connections == set()


@in_reactor
async def test_an_answer_in_two_writes_waits_for_nobody(door: Door) -> None:
    with await deferToThread(door.connect) as client:
        client.sendall(b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n")
        await deferToThread(until, client, b"}")
        (served,) = door.site.connections
        assert served.transport.getTcpNoDelay()


@pytest.mark.parametrize("together", [True, False])
def test_who_takes_no_answers_is_asked_for_no_more(tmp_path: Path, together: bool) -> None:
    plugins = FakePlugins(status("hello"))
    _, _, transport = on_a_clock(tmp_path, plugins)
    asked = f"POST {HELLO} HTTP/1.1\r\nHost: x\r\n{signed()}\r\nContent-Length: 1\r\n\r\nx".encode()
    connection: Any = transport.protocol
    connection.pauseProducing()
    for sent in [asked * 20] if together else [asked] * 20:
        transport.protocol.dataReceived(sent)
    assert (plugins.requests, transport.value(), transport.producerState) == ([], b"", "paused")
    connection.resumeProducing()
    assert (len(plugins.requests), transport.producerState) == (20, "producing")
    assert transport.value().count(b"hello") == 20


def test_a_body_that_comes_after_its_sender_was_signed_out(tmp_path: Path) -> None:
    plugins = FakePlugins(status("hello"))
    _, site, transport = on_a_clock(tmp_path, plugins)
    head = f"POST {HELLO} HTTP/1.1\r\nHost: x\r\n{signed()}\r\nContent-Length: 2\r\n\r\nx"
    transport.protocol.dataReceived(head.encode())
    site.doors.start(Keys([], []), [])
    transport.protocol.dataReceived(b"y")
    assert parsed(transport.value()).status == 401
    assert plugins.requests == []


def test_a_head_that_comes_again_is_let_in_only_while_its_sender_is(tmp_path: Path) -> None:
    plugins = FakePlugins(status("hello"))
    clock = Clock()
    _, site, transport = on_a_clock(tmp_path, plugins, doors=doors_of(clock, None)[0])
    asked = f"GET {HELLO} HTTP/1.1\r\nHost: x\r\nCookie: toru_session={SESSION}\r\n\r\n".encode()

    def status_of_next() -> int:
        transport.clear()
        transport.protocol.dataReceived(asked)
        return parsed(transport.value()).status

    assert [status_of_next() for _ in range(3)] == [200] * 3
    # The headers are alike but for the id of each.
    first, _, third = plugins.requests
    assert first.head is third.head
    assert len({request.headers["x-request-id"] for request in plugins.requests}) == 3
    site.doors.start(Keys([], []), [])
    assert [status_of_next() for _ in range(2)] == [401] * 2
    site.doors.start(Keys([Key(digest(SESSION.encode()), ANN, expires_at=1.0)], []), [])
    assert [status_of_next() for _ in range(2)] == [200] * 2
    clock.advance(1.0)
    assert status_of_next() == 401


def test_a_refused_client_that_says_no_more(tmp_path: Path) -> None:
    _, site, transport = on_a_clock(tmp_path, FakePlugins())
    transport.protocol.dataReceived(b"POST /api/users HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
    assert parsed(transport.value()).status == 401
    connection: Any = transport.protocol
    connection.readConnectionLost()
    connection.connectionLost()
    assert site.connections == set()


def test_a_close_that_is_never_answered_ends(tmp_path: Path) -> None:
    """As TLS does, which waits for the other side's goodbye."""
    clock, _, made = on_a_clock(tmp_path, FakePlugins())
    transport: Any = made
    transport.loseConnection = lambda: None
    transport.protocol.dataReceived(b"GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    ended: list[bool] = []
    transport.abortConnection = lambda: ended.append(True)
    clock.pump([1] * STUCK_SECONDS)
    assert ended == []
    clock.pump([1] * 2)
    assert ended


def test_many_requests_to_upgrade_at_once(tmp_path: Path) -> None:
    _, _, transport = on_a_clock(tmp_path, FakePlugins())
    one = b"GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n"
    transport.protocol.dataReceived(one * 1100)
    assert transport.value().count(b"HTTP/1.1 401 ") == 1100


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"GET /robots.txt HTTP/1.0\r\n\r\n", 200),
        (b"GET /robots.txt HTTP/1.0\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
        (b"POST /x HTTP/1.0\r\n" + b"X: y\r\n" * 101 + b"Transfer-Encoding: chunked\r\n\r\n", 431),
        (b"GET /robots.txt HTTP/1.0\r\nHost: a b\r\n\r\n", 400),
        (b"GET /robots.txt HTTP/1.0\r\n" + b"X: y\r\n" * 99 + b"Content-Length: 0\r\n\r\n", 200),
        (b"GET /robots.txt HTTP/1.0\r\n" + b"X: y\r\n" * 100 + b"Content-Length: 0\r\n\r\n", 431),
    ],
    ids=["no host", "many headers", "a hidden coding", "no host's name", "a hundred", "one more"],
)
def test_what_older_clients_may_leave_out(tmp_path: Path, sent: bytes, code: int) -> None:
    _, _, transport = on_a_clock(tmp_path, FakePlugins())
    transport.protocol.dataReceived(sent)
    assert parsed(transport.value()).status == code


def test_the_same_bytes_again_are_judged_anew(tmp_path: Path) -> None:
    plugins = FakePlugins(status("hello"))
    _, site, transport = on_a_clock(tmp_path, plugins)
    asked = f"GET {HELLO} HTTP/1.1\r\nHost: x\r\n{signed()}\r\n\r\n".encode()

    def status_of(sent: bytes) -> int:
        transport.clear()
        transport.protocol.dataReceived(sent)
        return parsed(transport.value()).status

    assert [status_of(asked) for _ in range(3)] == [200, 200, 200]
    ids = [request.headers["x-request-id"] for request in plugins.requests]
    assert len(set(ids)) == 3
    plugins.statuses.clear()
    assert status_of(asked) == 404
    site.doors.start(Keys([], []), [])
    assert status_of(asked) == 401


def test_other_bodies_behind_the_same_head(tmp_path: Path) -> None:
    plugins = FakePlugins(status("hello"))
    _, site, transport = on_a_clock(tmp_path, plugins)

    def status_of(body: str, more: str = "") -> int:
        transport.clear()
        head = f"POST {HELLO} HTTP/1.1\r\nHost: x\r\n{signed()}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        transport.protocol.dataReceived(f"{head}{body}".encode())
        return parsed(transport.value()).status

    bodies = ["abc", "d", "ef", "", "g" * 40]
    assert [status_of(body) for body in bodies] == [200] * len(bodies)
    for body, request in zip(bodies, plugins.requests, strict=True):
        assert (request.body or b"").decode() == body
        assert request.headers["content-length"] == str(len(body))
        assert request.headers["x-toru-user"] == "root-script"
    # Nothing but an answer, and no word to go on, for what is there already.
    assert [status_of(body, "Expect: 100-continue\r\n") for body in ("ab", "c")] == [200, 200]
    site.doors.start(Keys([], []), [])
    assert [status_of(body) for body in ("ab", "c", "abc")] == [401] * 3
    assert len(plugins.requests) == len(bodies) + 2


def test_a_body_that_is_too_long_behind_the_same_head(tmp_path: Path) -> None:
    plugins = FakePlugins(status("hello"))
    _, site, transport = on_a_clock(tmp_path, plugins)
    site.max_body_bytes = 10
    for length, code in ((3, 200), (11, 413), (10, 200)):
        transport.clear()
        head = f"POST {HELLO} HTTP/1.1\r\nHost: x\r\n{signed()}\r\nContent-Length: {length}\r\n\r\n"
        transport.protocol.dataReceived(head.encode() + b"x" * length)
        assert parsed(transport.value()).status == code
    assert [len(request.body or b"") for request in plugins.requests] == [3, 10]


@pytest.mark.parametrize(("digits", "code"), [(20, 401), (21, 400), (4000, 400), (5000, 400), (60_000, 400)])
@pytest.mark.parametrize("body", ["", "abc"])
def test_a_length_with_zeros_in_front(tmp_path: Path, digits: int, code: int, body: str) -> None:
    _, _, transport = on_a_clock(tmp_path, FakePlugins())
    length = str(len(body)).zfill(digits)
    sent = f"POST {HELLO} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"
    transport.protocol.dataReceived(sent.encode())
    assert parsed(transport.value()).status == code


def test_one_wakeup_for_a_connection_and_none_for_the_site(tmp_path: Path) -> None:
    clock, site, transport = on_a_clock(tmp_path, FakePlugins())
    site.doStart()
    assert len(clock.getDelayedCalls()) == 1
    transport.loseConnection()
    assert clock.getDelayedCalls() == []
    site.doStop()


@in_reactor
async def test_a_drain(door: Door) -> None:
    waiting: Deferred[Answer] = Deferred()
    door.plugins.reaction = lambda _: waiting
    asked = door.plugins.called("request")
    reply = door.exchange(f"GET {HELLO} HTTP/1.1\r\nHost: x\r\n{signed()}\r\n\r\n".encode())
    await asked
    door.site.begin_stop()
    first, second, impatient = door.site.drained(), door.site.drained(), door.site.drained()
    impatient.addErrback(lambda _: None).cancel()
    assert not first.called
    body = b"x" * 5_000_000
    waiting.callback(Answer("1", 200, (), body))
    assert not first.called, "the answer has not left yet"
    # The client reads until the server closes, so this ends only because it does.
    got = parsed(await reply)
    assert (got.status, got.body == body) == (200, True)
    assert got.header("connection") == "close"
    await first
    await second
    await door.site.drained()


def test_idle_connections_are_closed_and_begun_ones_are_told(tmp_path: Path) -> None:
    plugins = FakePlugins(status("hello"))
    clock, site, idle = on_a_clock(tmp_path, plugins)
    begun = connected(site)
    for transport in (idle, begun):
        transport.protocol.dataReceived(f"GET {HELLO} HTTP/1.1\r\nHost: x\r\n{signed()}\r\n\r\n".encode())
        assert transport.value().endswith(b"hello")
        transport.clear()
    begun.protocol.dataReceived(b"GET /api/health HTTP/1.1\r\nHost: x\r\n")
    site.begin_stop()
    assert not idle.connected
    assert site.drained().called, "a request that has not come in whole is not waited for"
    begun.protocol.dataReceived(b"\r\n")
    reply = parsed(begun.value())
    assert (reply.status, reply.problem["code"]) == (503, "stopping")
    assert reply.header("connection") == "close"
    assert not begun.connected
    assert clock.getDelayedCalls() == []


def test_a_request_whose_body_is_still_coming_in_when_the_stop_begins(tmp_path: Path) -> None:
    plugins = FakePlugins(status("hello"))
    clock, site, transport = on_a_clock(tmp_path, plugins)
    head = f"POST {HELLO} HTTP/1.1\r\nHost: x\r\n{signed()}\r\nContent-Length: 10\r\n\r\n"
    transport.protocol.dataReceived(head.encode() + b"01234")
    site.begin_stop()
    drained = site.drained()
    assert transport.connected
    assert not drained.called
    clock.advance(1)
    transport.protocol.dataReceived(b"56789")
    reply = parsed(transport.value())
    assert (reply.status, reply.body, reply.header("connection")) == (200, b"hello", "close")
    assert [request.body for request in plugins.requests] == [b"0123456789"]
    assert not transport.connected
    assert drained.called
    assert clock.getDelayedCalls() == []


def test_the_end_of_patience_with_two_sites(tmp_path: Path) -> None:
    plugins = FakePlugins(status("hello"))
    plugins.reaction = lambda _: Deferred()
    clock, site, transport = on_a_clock(tmp_path, plugins)
    transport.protocol.dataReceived(f"GET {HELLO} HTTP/1.1\r\nHost: x\r\n{signed()}\r\n\r\n".encode())
    sites = [site, site.for_plugins()]
    outcome: list[Any] = []
    all_drained(sites, 10.0, clock).addBoth(outcome.append)
    clock.advance(9.9)
    assert outcome == []
    clock.advance(0.1)
    # By this very error tap knows that it is to go on and stop the plugins.
    assert outcome[0].type is StillUnderWay
    transport.loseConnection()
    assert all_drained(sites, 10.0, clock).called
    assert clock.getDelayedCalls() == []


def test_a_client_that_goes_in_the_middle_of_its_body_is_not_waited_for(tmp_path: Path) -> None:
    clock, site, transport = on_a_clock(tmp_path, FakePlugins(status("hello")))
    transport.protocol.dataReceived(
        f"POST {HELLO} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n".encode()
    )
    site.begin_stop()
    drained = site.drained()
    assert not drained.called
    transport.loseConnection()
    assert drained.called
    assert clock.getDelayedCalls() == []


@in_reactor
async def test_what_comes_while_stopping(door: Door) -> None:
    door.site.begin_stop()
    for target in ("/api/health", HELLO, "/api/plugins"):
        received = await door.exchange(f"GET {target} HTTP/1.1\r\nHost: x\r\n{signed()}\r\n\r\n".encode())
        reply = parsed(received)
        assert (reply.status, reply.problem["code"]) == (503, "stopping")
    assert door.plugins.calls == []
    assert json.decode(reply.body)["title"] == "Stopping"


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/1.1\r\nx\r\n\r\n"])
@in_reactor
async def test_garbage(door: Door, garbage: bytes) -> None:
    assert (await door.exchange(garbage)).startswith(b"HTTP/1.1 400 ")
    assert (await door.ask("GET", "/api/health")).status == 200
