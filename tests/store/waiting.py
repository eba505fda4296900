"""A writer that is kept busy."""

from __future__ import annotations

from contextlib import AbstractContextManager
from threading import Event
from types import TracebackType

from sqlalchemy import Connection
from twisted.internet.defer import Deferred

from toru.store.database import Database


class Busy(AbstractContextManager["Busy"]):
    """Meanwhile the writer is in a transaction that does nothing, and what is to be written waits."""

    def __init__(self, database: Database) -> None:
        self._go_on = Event()
        self.done: Deferred[None] = database.write(self._hold)

    def _hold(self, _: Connection) -> None:
        assert self._go_on.wait(10)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._go_on.set()
