"""Clients that `http.client` is not: many at once, and such that say exactly what a test wants said."""

from __future__ import annotations

import asyncio
import socket
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from tests.integration.cores import PATIENCE, Core

T = TypeVar("T")
ROUTE = "/api/plugins/route"


@dataclass(frozen=True)
class Taken:
    """One answer of many, and when it was there: seconds since the burst began."""

    target: str
    status: int
    head: str
    body: bytes
    seconds: float


def burst(core: Core, targets: Sequence[str]) -> list[Taken]:
    """GET all of them at once, on connections of their own. `targets` start behind the route prefix."""
    asking = f"HTTP/1.1\r\nHost: x\r\nAuthorization: {core.authorization()}\r\nConnection: close\r\n\r\n"

    async def all_of_them() -> list[Taken]:
        began = time.monotonic()
        return await asyncio.gather(*(one(target, began) for target in targets))

    async def one(target: str, began: float) -> Taken:
        reader, writer = await asyncio.open_connection("127.0.0.1", core.port)
        writer.write(f"GET {ROUTE}{target} {asking}".encode())
        async with asyncio.timeout(PATIENCE):
            received = await reader.read()
        seconds = time.monotonic() - began
        writer.close()
        head, _, body = received.partition(b"\r\n\r\n")
        return Taken(target, int(head[9:12]), head.decode("iso-8859-1").lower(), body, seconds)

    return asyncio.run(all_of_them())


def meanwhile(work: Callable[[], T]) -> Future[T]:
    """Do that in a thread of its own; `result(PATIENCE)` is what came of it."""
    return ThreadPoolExecutor(1).submit(work)


def connect(port: int) -> socket.socket:
    """A client's connection."""
    return socket.create_connection(("127.0.0.1", port), PATIENCE)


def exchange(port: int, sent: bytes) -> tuple[bytes, bytes]:
    """Send that and read to the end. The request must ask for `Connection: close`. Returns head and body."""
    with connect(port) as client:
        client.sendall(sent)
        received = b""
        while data := client.recv(65536):
            received += data
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body


def quantile(seconds: Sequence[float], share: float) -> float:
    """That share of them took no longer."""
    return statistics.quantiles(seconds, n=100, method="inclusive")[round(share * 100) - 1]
