"""How connections end over real TLS: a client that gets no goodbye has to take what it got for cut."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest_twisted
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.threads import deferToThread

from tests.cli.test_unreachable import certificate
from toru.http.server.connection import LINGER_SECONDS

from .fakes import TIMEOUT, Door, everything, in_reactor, parsed

Connect = Callable[[], ssl.SSLSocket]


async def _connect(door: Door, tmp_path: Path) -> AsyncIterator[Connect]:
    """What connects to the same site over TLS."""
    pem = certificate(tmp_path, "localhost", 9)
    endpoint = serverFromString(reactor, f"ssl:0:privateKey={pem}:interface=127.0.0.1")
    port = await endpoint.listen(door.site)
    context = ssl.create_default_context(cafile=str(pem))

    def connect() -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", port.getHost().port), TIMEOUT)
        # So an end without a goodbye is an error.
        return context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)

    yield connect
    await port.stopListening()


connect = pytest_twisted.async_yield_fixture(name="connect")(_connect)


@in_reactor
async def test_a_client_for_whom_there_is_no_room(door: Door, connect: Connect) -> None:
    door.site._crowd._most = 1

    def blocking() -> bytes:
        with door.connect() as taken:
            taken.sendall(b"GET /api/health HTTP/1.1\r\nHost: x\r\n")
            with connect() as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                return everything(client)

    assert parsed(await deferToThread(blocking)).problem["code"] == "too-many-connections"


REFUSED = b"POST /api/plugins HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n"


@in_reactor
async def test_a_client_that_was_refused_and_sends_on(door: Door, connect: Connect) -> None:
    def blocking() -> bytes:
        with connect() as client:
            client.sendall(REFUSED + b"x" * 400_000)
            return everything(client)

    assert parsed(await deferToThread(blocking)).status == 401


@in_reactor
async def test_one_that_says_no_goodbye_of_its_own_is_let_go(door: Door, connect: Connect) -> None:
    with await deferToThread(connect) as client:
        await deferToThread(client.sendall, REFUSED)
        assert parsed(await deferToThread(everything, client)).status == 401
        (served,) = door.site.connections
        for _ in range(LINGER_SECONDS + 1):
            door.site.ticks += 1
            served.look()
        await door.site.drained()
    assert door.site.connections == set()
