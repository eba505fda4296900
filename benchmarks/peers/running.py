"""A peer that runs, and the processes that it is made of."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.peers.installing import Missing, debian
from tests.integration.cores import wait_for


@dataclass(frozen=True)
class Peer:
    """Something that answers at `port` of this machine for the plugins `fast`, `slow` and `streams`."""

    name: str
    port: int
    # All its processes, without the plugins'.
    processes: Callable[[], list[psutil.Process]]
    # The plugins' process ids, by name.
    plugins: Mapping[str, int]
    version: str = ""
    # What stands before the plugin's name in the path, and what a signed-in client sends.
    prefix: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def path(self, plugin: str, rest: str) -> str:
        """Of something that a plugin serves; `rest` starts with a slash."""
        return f"{self.prefix}/{plugin}{rest}"

    def url(self, plugin: str, rest: str) -> str:
        """The same with the scheme and the port."""
        return f"http://127.0.0.1:{self.port}{self.path(plugin, rest)}"

    def head(self, method: str, plugin: str, rest: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Of a request, ready to be sent."""
        lines = [f"{method} {self.path(plugin, rest)} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += [f"{name}: {value}" for name, value in {**self.headers, **(headers or {})}.items()]
        return "\r\n".join([*lines, "", ""]).encode()

    def cpu_seconds(self) -> float:
        """What its processes have used so far."""
        return sum(map(cpu_seconds, self.processes()))

    def memory_kib(self) -> float:
        """What its processes hold, what they share counted once."""
        return sum(process.memory_full_info().pss for process in self.processes()) / 1024


@dataclass(frozen=True)
class Plugins:
    """The plugin's program, and the processes of it that speak HTTP: their Unix sockets by name."""

    program: Path
    sockets: Mapping[str, Path]
    pids: Mapping[str, int]
    port: int


def cpu_seconds(process: psutil.Process) -> float:
    """What it has used so far, in and out of the kernel."""
    times = process.cpu_times()
    return float(times.user + times.system)


def free_port() -> int:
    """One that nobody has at the moment."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def started(
    command: Sequence[object], folder: Path, environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program in that folder, with what it says in `output` there; it ends with us, however that happens."""
    folder.mkdir(exist_ok=True)
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *map(str, command)],
            cwd=folder,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def serving(
    name: str,
    command: Sequence[object],
    folder: Path,
    port: int,
    plugins: Plugins,
    version: str,
    *,
    environ: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[Peer]:
    """A peer that is one program and what it starts, once it takes connections. Raises Missing."""
    with started(command, folder, environ) as process:

        def up() -> bool:
            if process.poll() is not None:
                raise Missing(f"{name} did not start: {(folder / 'output').read_text()[-1000:].strip()}")
            return answers(port)

        wait_for(up)
        itself = psutil.Process(process.pid)
        yield Peer(
            name,
            port,
            lambda: [itself, *itself.children(recursive=True)],
            plugins.pids,
            version,
            headers=headers or {},
        )


@contextmanager
def plugins(scratch: Path) -> Iterator[Plugins]:
    """The plugin compiled, and a process of it for each of the three that all peers but toru share."""
    program = scratch / "plugin"
    source = Path(__file__).with_name("plugin.c")
    subprocess.run(
        [
            debian("gcc", "gcc", "libc6-dev"),
            "-std=gnu11",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-o",
            program,
            source,
        ],
        check=True,
    )
    sockets = {name: scratch / f"{name}.sock" for name in ("fast", "slow", "streams")}
    port = free_port()
    with (
        started([program, "http", sockets["fast"], str(port)], scratch / "fast") as fast,
        started([program, "http", sockets["slow"]], scratch / "slow") as slow,
        started([program, "http", sockets["streams"]], scratch / "streams") as streams,
    ):
        wait_for(lambda: all(path.exists() for path in sockets.values()))
        pids = {"fast": fast.pid, "slow": slow.pid, "streams": streams.pid}
        yield Plugins(program, sockets, pids, port)
