"""What the plugins folder holds, found out by the core's own discovery, for commands that work without a core."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from twisted.internet.defer import Deferred, maybeDeferred

from toru.config import cores
from toru.supervise.discovery import Discovery
from toru.supervise.registry import Decision
from toru.supervise.spawn import Spawner, raise_open_files


def why_not_started(path: Path) -> str:
    """Why the system cannot start that program, where its first bytes tell; else `""`."""
    try:
        with path.open("rb") as opened:
            line = opened.readline(256)
    except OSError:
        return ""
    if line.startswith(b"\x7fELF"):
        return f"it was built for another kind of machine than this one ({platform.machine()}), or is damaged"
    if not line.startswith(b"#!"):
        return ""
    if line.endswith(b"\r\n"):
        return "its lines end as on Windows, with CR and LF: save it with LF alone"
    program = os.fsdecode((line[2:].split() or [b""])[0])
    return (
        "" if os.path.exists(program) else f"its first line names {program!r}, which is not on this machine"
    )


class Asker:
    """Runs `--metadata` of files, as the core does: in a clean environment, with limits on time and output."""

    def __init__(self, reactor: Any) -> None:
        """Raises StartError where util-linux is not there."""
        self._reactor = reactor
        self._spawner = Spawner(reactor, reactor, os.environ, raise_open_files())
        self._instance = str(uuid4())

    def ask(self, path: Path) -> Deferred[bytes]:
        """What it prints. Fails with InvalidMetadata."""
        return self._spawner.ask(path, {"TORU_INSTANCE_ID": self._instance, "TORU_API_URL": ""})

    async def read(self, folder: Path) -> Decision:
        """The plugins in that folder, and the files in it that are none."""
        with tempfile.TemporaryDirectory() as aside:
            discovery = Discovery(
                folder=folder,
                # What the core remembers is its own, and a file may have been replaced with its time kept.
                cache=Path(aside) / "discovery.json",
                clock=self._reactor,
                ask=self.ask,
                max_asking=cores(),
                in_thread=maybeDeferred,
                unsettled=lambda _: frozenset(),
                publish=lambda before, after: None,
            )
            try:
                return await discovery.look(again=True)
            finally:
                await discovery.stop()

    def close(self) -> None:
        """Nothing can be asked any more."""
        self._spawner.close()


@asynccontextmanager
async def asker(reactor: Any) -> AsyncIterator[Asker]:
    """One that is closed at the end."""
    made = Asker(reactor)
    try:
        yield made
    finally:
        made.close()
