"""toru as a peer: `twistd -n toru` with its defaults, and a browser's session."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.peers.running import Peer, Plugins
from tests.integration.cores import Core

PREFIX = "/api/plugins/route"


@contextmanager
def toru(plugins: Plugins, scratch: Path, settings: str = "") -> Iterator[Peer]:
    """With the same three plugins, which it starts itself and which speak protocol 2."""
    folder = scratch / "toru"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    core = Core(folder)
    core.settings(settings)
    core.plugins.mkdir()
    for name in plugins.sockets:
        shutil.copy(plugins.program, core.plugins / f"{name}.binary")
    core.start()
    try:
        for name in plugins.sockets:
            core.wait_state(name, "running")
        assert core.process is not None
        itself = psutil.Process(core.process.pid)
        pids = {name: core.status(name)["pid"] for name in plugins.sockets}

        def processes() -> list[psutil.Process]:
            return [
                itself,
                *(each for each in itself.children(recursive=True) if each.pid not in pids.values()),
            ]

        yield Peer("toru", core.port, processes, pids, PREFIX, {"Cookie": core.sign_in()})
    finally:
        core.stop(signal.SIGTERM)
