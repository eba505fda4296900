"""What tests of logs and events share: a copy that records, and news as they come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed

from toru.store.livefeed import Stream


class Copies:
    """A copy that keeps what it is given, in order."""

    def __init__(self) -> None:
        self.written: list[Any] = []

    def write(self, records: Sequence[Any]) -> Deferred[None]:
        self.written.extend(records)
        return succeed(None)

    def append(self, name: str, values: Sequence[Any]) -> Deferred[None]:
        self.written.extend((name, value) for value in values)
        return succeed(None)


async def rows_until(stream: Stream[Any], count: int) -> list[Any]:
    """The next rows, at least that many."""
    rows: list[Any] = []
    while len(rows) < count:
        rows.extend((await stream.next()).rows)
    return rows
