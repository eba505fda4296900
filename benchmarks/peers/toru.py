"""toru as a peer: `twistd -n toru` with its defaults, and a browser's session."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.peers.installing import Missing
from benchmarks.peers.running import Peer, Plugins
from tests.integration.cores import Core
from toru import __version__

PREFIX = "/api/plugins/route"


@contextmanager
def toru(plugins: Plugins, scratch: Path) -> Iterator[Peer]:
    """With the same three plugins, which it starts itself and which speak protocol 2."""
    with _toru("toru", plugins, scratch / "toru") as peer:
        yield peer


@contextmanager
def toru_on_two(plugins: Plugins, scratch: Path) -> Iterator[Peer]:
    """The same on two cores: with `--workers 2`."""
    with _toru("toru2", plugins, scratch / "toru2", "workers = 2\n") as peer:
        yield peer


@contextmanager
def toru_for_many(plugins: Plugins, scratch: Path) -> Iterator[Peer]:
    """The same, made ready for more streams at once than its default allows."""
    with _toru("toru", plugins, scratch / "many", "max_streams = 6_000\n") as peer:
        yield peer


@contextmanager
def _toru(name: str, plugins: Plugins, folder: Path, settings: str = "") -> Iterator[Peer]:
    folder.mkdir()
    core = Core(folder)
    core.settings(settings)
    core.plugins.mkdir()
    for plugin in plugins.sockets:
        shutil.copy(plugins.program, core.plugins / f"{plugin}.binary")
    try:
        core.start()
        for plugin in plugins.sockets:
            core.wait_state(plugin, "running")
        assert core.process is not None
        itself = psutil.Process(core.process.pid)
        pids = {plugin: core.status(plugin)["pid"] for plugin in plugins.sockets}

        def processes() -> list[psutil.Process]:
            return [
                itself,
                *(each for each in itself.children(recursive=True) if each.pid not in pids.values()),
            ]

        signed_in = {"Cookie": core.sign_in()}
        if "workers" in settings:
            core.lent("fast", signed_in)
            for client in core.clients:
                client.close()
        yield Peer(name, core.port, processes, pids, __version__, PREFIX, signed_in)
    except AssertionError as error:
        raise Missing(f"toru did not start: {error}") from error
    finally:
        if core.process is not None and core.process.poll() is None:
            core.stop(signal.SIGTERM)
