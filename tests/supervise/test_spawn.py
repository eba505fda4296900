"""What is started and over before its starter goes on, as happens on a busy machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock

from toru.errors import InvalidMetadata
from toru.supervise import spawn
from toru.supervise.spawn import Spawner

from .fakes import FakeProcess, FakeSessions, results


class Quick:
    """Every process is dead, and reaped, when it hands it out: then Twisted's has no pid any more."""

    def spawnProcess(
        self,
        processProtocol: ProcessProtocol,
        executable: bytes,
        args: Sequence[bytes],
        env: Mapping[bytes, bytes],
        **more: Any,
    ) -> Any:
        process: Any = FakeProcess(1001, processProtocol, [], {"TORU_PLUGIN_SOCKET": ""})
        processProtocol.makeConnection(process)
        process.pid = None
        process.exit(0, signal=40)
        return process


def test_a_process_that_is_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawn, "sessions", FakeSessions())
    clock = Clock()
    spawner = Spawner(cast(Any, Quick()), clock, {}, 1024)
    [error] = results(spawner.ask(Path("/plugins/x.binary"), {}))
    spawner.close()
    assert isinstance(error, InvalidMetadata)
    assert str(error) == "`--metadata` killed by SIG40"
    assert clock.getDelayedCalls() == []
