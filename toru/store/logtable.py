"""Log records as rows of `plugin_logs`: how they are written, found and pruned. Blocks: for the database's threads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, bindparam, case, delete, func, insert, select

from toru.config import LogLimits
from toru.model import LogLevel, LogRecord, StoredLog
from toru.store.schema import plugin_logs as table
from toru.wire.messages import nests_deeply

# Bytes of a message after which it becomes several records, and of its fields after which they become text.
MOST_TEXT = 64 * 1024
# What a row costs besides its texts: its numbers, its time and its place in the index.
ROW_BYTES = 100

SEVERITY: dict[LogLevel, int] = {"trace": 0, "debug": 1, "info": 2, "warn": 3, "error": 4}
_LEVELS: tuple[LogLevel, ...] = tuple(SEVERITY)


class LogFilter(NamedTuple):
    """Which records of a plugin are meant; None where that does not matter.

    `level` is the least severe. `text` is looked for in messages, in upper or lower case alike. `since` (that
    moment included) and `until` (not included) are RFC 3339 in UTC with milliseconds, as records have them.
    """

    level: LogLevel | None = None
    text: str | None = None
    since: str | None = None
    until: str | None = None


class Kept(NamedTuple):
    """What is kept of one plugin's log: how many records of each severity, and the bytes that all count for."""

    by_severity: tuple[int, ...]
    size: int

    @property
    def records(self) -> int:
        """How many of them there are."""
        return sum(self.by_severity)

    def changed(self, sign: int, severities: Iterable[int], size: int) -> Kept:
        """With one more (`sign` 1) or less (-1) for each of those severities."""
        counts = list(self.by_severity)
        for severity in severities:
            counts[severity] += sign
        return Kept(tuple(counts), self.size + sign * size)


# -- writing


def cut(record: LogRecord) -> list[LogRecord]:
    """The records to keep of one: itself, or its parts, so that a page of them fits into memory.

    What comes from pipes and files is short already; a `log` message may be as long as messages may be.
    """
    fields = cut_fields(record.fields)
    parts = [record.message[at : at + MOST_TEXT] for at in range(0, len(record.message), MOST_TEXT)] or [""]
    if len(parts) == 1:
        return [record if fields is record.fields else msgspec.structs.replace(record, fields=fields)]
    return [
        msgspec.structs.replace(record, message=part, fields={**(fields or {}), "part": number})
        for number, part in enumerate(parts, 1)
    ]


def cut_fields(fields: dict[str, Any] | None) -> dict[str, Any] | None:
    """What is kept of a record's fields: themselves, or their beginning as text."""
    if fields is not None:
        encoded = msgspec.json.encode(fields)
        if len(encoded) > MOST_TEXT or nests_deeply(encoded):
            return {"cut": encoded[:MOST_TEXT].decode("utf-8", "ignore")}
    return fields


def row(record: LogRecord) -> dict[str, Any]:
    """The row of a record."""
    message = record.message
    ascii = message.isascii()
    fields = None if record.fields is None else msgspec.json.encode(record.fields)
    return {
        "plugin": record.plugin,
        "timestamp": record.timestamp,
        "severity": SEVERITY[record.level],
        "message": message,
        "folded": None if ascii else message.casefold(),
        "stream": record.stream,
        "fields": None if fields is None else fields.decode(),
        "pid": record.pid,
        "size": ROW_BYTES
        + (len(message) if ascii else len(message.encode("utf-8", "replace")))
        + len(fields or b""),
    }


def write(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Append rows in that order."""
    connection.execute(insert(table), rows)


# -- finding


def matching(plugin: str, wanted: LogFilter) -> list[ColumnElement[bool]]:
    """The conditions for that plugin's records; all but the text stand in the index of the listing."""
    conditions: list[ColumnElement[bool]] = [table.c.plugin == plugin]
    # Every record is at least as severe as the least: no condition is quicker than one that always holds.
    if wanted.level is not None and SEVERITY[wanted.level] > 0:
        conditions.append(table.c.severity >= SEVERITY[wanted.level])
    if wanted.since is not None:
        conditions.append(table.c.timestamp >= wanted.since)
    if wanted.until is not None:
        conditions.append(table.c.timestamp < wanted.until)
    if wanted.text:
        folded = func.coalesce(table.c.folded, func.lower(table.c.message))
        conditions.append(folded.contains(wanted.text.casefold(), autoescape=True))
    return conditions


def page(plugin: str, wanted: LogFilter, *, before: int | None, offset: int, limit: int) -> Select[Any]:
    """Records that match, newest first; with `before` only those with smaller ids."""
    conditions = matching(plugin, wanted)
    if before is not None:
        conditions.append(table.c.id < before)
    # The rows that are skipped are counted in the index, and only those that are shown are looked at.
    ids = select(table.c.id).where(*conditions).order_by(table.c.id.desc()).limit(limit).offset(offset)
    return select(*_SHOWN).where(table.c.id.in_(ids.scalar_subquery())).order_by(table.c.id.desc())


def count(plugin: str, wanted: LogFilter) -> Select[int]:
    """How many records match."""
    return select(func.count()).select_from(table).where(*matching(plugin, wanted))


def following(plugin: str, after: int, limit: int) -> Select[Any]:
    """The next records of a plugin, oldest first."""
    conditions = (table.c.plugin == plugin, table.c.id > after)
    return select(*_SHOWN).where(*conditions).order_by(table.c.id).limit(limit)


def known_count(known: Kept, wanted: LogFilter) -> int | None:
    """How many records match, where that can be told without counting: whenever only the level matters."""
    if wanted.text or wanted.since is not None or wanted.until is not None:
        return None
    return sum(known.by_severity[0 if wanted.level is None else SEVERITY[wanted.level] :])


def newest_id() -> Select[int | None]:
    """The greatest id of all plugins' records."""
    return select(func.max(table.c.id))


_SHOWN = tuple(
    table.c[name] for name in ("id", "timestamp", "severity", "plugin", "message", "stream", "fields", "pid")
)


def shown(rows: Iterable[Any]) -> tuple[StoredLog, ...]:
    """The values that those rows of `page` or `following` stand for."""
    return tuple(_shown(*row) for row in rows)


def _shown(
    id: int, timestamp: str, severity: int, plugin: str, message: str, stream: Any, text: str | None, pid: int
) -> StoredLog:
    fields = None if text is None else msgspec.json.decode(text, type=dict[str, Any])
    error = fields.get("error") if fields else None
    return StoredLog(
        id=id,
        timestamp=timestamp,
        level=_LEVELS[severity],
        plugin=plugin,
        message=message,
        stream=stream,
        fields=fields,
        error=error if isinstance(error, str) else None,
        pid=pid,
    )


# -- pruning


def kept(connection: Connection, plugin: str) -> Kept:
    """What there is of a plugin's log."""
    size, *by_severity = connection.execute(_KEPT, {"plugin": plugin}).one()
    return Kept(tuple(map(int, by_severity)), int(size))


def prune(connection: Connection, plugin: str, now: Kept, limits: LogLimits, oldest: str, most: int) -> Kept:
    """Remove what is over a limit or older than `oldest` (RFC 3339), the oldest `most` records of it at the most.

    Gives what is kept then; the same as `now` where nothing was to be removed.
    """
    records, size = now.records, now.size
    last: int | None = None
    severities: list[int] = []
    with connection.execute(_OLDEST, {"plugin": plugin, "most": most}) as rows:
        for id, severity, timestamp, bytes_ in rows:
            if records <= limits.max_records and size <= limits.max_bytes and timestamp >= oldest:
                break
            last = id
            severities.append(severity)
            records -= 1
            size -= bytes_
    if last is None:
        return now
    connection.execute(_REMOVE, {"plugin": plugin, "last": last})
    return now.changed(-1, severities, now.size - size)


def next_plugin(after: str) -> Select[str | None]:
    """The first plugin with records whose id sorts after that one; a look at the index, not a walk through it."""
    return select(func.min(table.c.plugin)).where(table.c.plugin > after)


_KEPT = select(
    func.coalesce(func.sum(table.c.size), 0),
    *(
        func.coalesce(func.sum(case((table.c.severity == number, 1), else_=0)), 0)
        for number in SEVERITY.values()
    ),
).where(table.c.plugin == bindparam("plugin"))
_OLDEST = (
    select(table.c.id, table.c.severity, table.c.timestamp, table.c.size)
    .where(table.c.plugin == bindparam("plugin"))
    .order_by(table.c.id)
    .limit(bindparam("most"))
)
_REMOVE = delete(table).where(table.c.plugin == bindparam("plugin"), table.c.id <= bindparam("last"))
