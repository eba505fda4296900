"""What is remembered ends in order, also after an error of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import capturedLogs

from tests.http.fakes import in_reactor
from toru.config import load
from toru.memory import Memory
from toru.store import kvtable


class Failing:
    """A database that has nothing, and fails as none of its own errors does where keys are to be removed."""

    def write(self, work: Any) -> Deferred[Any]:
        pruning = getattr(work, "func", None) is kvtable.prune
        return fail(ValueError("a bug")) if pruning else succeed(None)

    def read(self, work: Any) -> Deferred[Any]:
        return succeed(())


@in_reactor
async def test_an_error_of_our_own_ends_no_pruning(tmp_path: Path) -> None:
    config = load({"logs": str(tmp_path)}, {}, tmp_path)
    memory = Memory(reactor, config, cast(Any, Failing()))
    with capturedLogs() as said:
        memory.start()
        try:
            await memory.stop()
        except BaseException:
            # Its thread would keep the tests from ending.
            memory._pool.stop()
            raise
    assert [event["log_failure"].type for event in said if "log_failure" in event] == [ValueError]
