"""What the benchmarks share: a core of their own, and load on it over keep-alive connections."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.integration.cores import Core


@contextmanager
def a_core() -> Iterator[Core]:
    """A core in a temporary folder, not started yet; stopped at the end if it still runs."""
    with tempfile.TemporaryDirectory(prefix="t") as folder:
        core = Core(Path(folder))
        try:
            yield core
        finally:
            if core.process is not None and core.process.poll() is None:
                core.stop(signal.SIGTERM)


def resident_kib(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def milliseconds(seconds: float) -> str:
    """For people."""
    return f"{seconds * 1000:.2f} ms"


class Load(NamedTuple):
    """What came of some load: answers a second, their statuses, and the seconds that each took."""

    rate: float
    statuses: dict[int, int]
    took: list[float]

    @property
    def p50(self) -> float:
        """Seconds."""
        return statistics.median(self.took)

    @property
    def p99(self) -> float:
        """Seconds."""
        return statistics.quantiles(self.took, n=100)[98]


def request(core: Core, method: str, path: str, body: bytes = b"", *, signed: bool = True) -> bytes:
    """A whole request, ready to be sent again and again."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(body)}"]
    if signed:
        lines.append(f"Authorization: {core.authorization()}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def load(core: Core, requests: list[bytes], *, seconds: float, pause: float = 0.0) -> Load:
    """One client for each of `requests`, which sends it again `pause` seconds after its answer; once at the least."""
    return asyncio.run(_load(core.port, requests, seconds, pause))


async def _load(port: int, requests: list[bytes], seconds: float, pause: float) -> Load:
    took: list[float] = []
    statuses: dict[int, int] = {}
    began = time.perf_counter()

    async def client(request: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            sent = time.perf_counter()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            took.append(time.perf_counter() - sent)
            status = int(head.split(b" ", 2)[1])
            statuses[status] = statuses.get(status, 0) + 1
            if time.perf_counter() > began + seconds:
                break
            await asyncio.sleep(pause)
        writer.close()

    await asyncio.gather(*map(client, requests))
    return Load(len(took) / (time.perf_counter() - began), statuses, took)
