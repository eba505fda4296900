"""Keys and values as rows of `plugin_kv`: what many changes come to, and the few statements that do them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.sql.elements import CompilerElement

from toru.errors import Conflict, QuotaExceeded, ToruError
from toru.store import prepared
from toru.store.schema import plugin_kv as table, plugin_kv_usage as usage

# Rows that are removed at once where their time is over.
PRUNE_ROWS = 500


class Change:
    """One `set`, or one `delete` where `value` is None; `expect` is UNSET where nothing is expected.

    `size` is what it takes of the plugin's storage, in bytes.
    """

    __slots__ = ("cancelled", "expect", "expires_at", "key", "plugin", "size", "value")

    def __init__(
        self,
        plugin: str,
        key: bytes,
        value: bytes | None,
        expires_at: float | None = None,
        expect: bytes | UnsetType | None = UNSET,
    ) -> None:
        self.plugin = plugin
        self.key = key
        self.value = value
        self.expires_at = expires_at
        self.expect = expect
        self.cancelled = False
        self.size = len(key) + len(value or b"")


class Entry(NamedTuple):
    """A row as far as it matters: the length of the value, and the value only where somebody asks for it."""

    length: int
    expires_at: float | None
    value: bytes | None


Entries = Mapping[bytes, Entry]


class Keys(NamedTuple):
    """Keys in the order of their UTF-8; `next` is what to pass as `after` for those behind, None at the end."""

    keys: list[str]
    next: str | None


def get(connection: Connection, *, plugin: str, key: bytes, now: float) -> str | None:
    """The value that is there now."""
    wanted = select(table.c.value).where(table.c.plugin == plugin, table.c.key == key, _lives(now))
    value = connection.scalar(wanted)
    return None if value is None else bytes(value).decode()


def list_keys(
    connection: Connection, *, plugin: str, prefix: bytes, limit: int, after: bytes | None, now: float
) -> Keys:
    """The keys that are there now, at most `limit`."""
    # No byte of UTF-8 is 0xff, so that this is behind everything with that prefix.
    within = (table.c.key >= prefix) & (table.c.key < prefix + b"\xff")
    wanted = select(table.c.key).where(table.c.plugin == plugin, within, _lives(now))
    if after is not None:
        wanted = wanted.where(table.c.key > after)
    found = connection.scalars(wanted.order_by(table.c.key).limit(limit + 1))
    keys = [bytes(key).decode() for key in found]
    return Keys(keys[:limit], keys[limit - 1] if len(keys) > limit else None)


def apply(
    connection: Connection, *, batch: Sequence[Change], now: float, most: int
) -> list[ToruError | None]:
    """Carry changes out in their order; with what each was refused. `most` is what a plugin may store, in bytes."""
    # Looked at once: whoever cancels from here on comes too late.
    changes = [change for change in batch if not change.cancelled]
    refused: dict[Change, ToruError] = {}
    by_plugin = attrgetter("plugin")
    for plugin, of_plugin in groupby(sorted(changes, key=by_plugin), by_plugin):
        refused.update(_apply(connection, plugin, list(of_plugin), now, most))
    return [refused.get(change) for change in batch]


def prune(connection: Connection, *, now: float, plugin: str | None = None) -> int:
    """Remove some of the rows whose time is over; how many."""
    over = select(table.c.plugin, table.c.key, func.length(table.c.value).label("length"))
    over = over.where(table.c.expires_at <= now).limit(PRUNE_ROWS)
    if plugin is not None:
        over = over.where(table.c.plugin == plugin)
    rows = connection.execute(over).all()
    if not rows:
        return 0
    freed: dict[str, int] = {}
    for row in rows:
        freed[row.plugin] = freed.get(row.plugin, 0) + len(row.key) + row.length
    connection.execute(_DELETE, [{"of": row.plugin, "named": row.key} for row in rows])
    connection.execute(_FREE, [{"of": name, "freed": size} for name, size in freed.items()])
    return len(rows)


def evaluate(
    before: Entries, changes: Iterable[Change], used: int, now: float, most: int
) -> tuple[dict[bytes, Entry], dict[Change, ToruError]]:
    """What one plugin's entries are after these changes, and which changes were refused, with what.

    Pure. `before` has all of the changes' keys that exist, those whose time is over as well, which count as
    stored until they are gone; `used` is what the plugin stores in all, in bytes.
    """
    entries = dict(before)
    refused: dict[Change, ToruError] = {}
    for change in changes:
        old = entries.get(change.key)
        if change.expect is not UNSET:
            lives = old is not None and (old.expires_at is None or old.expires_at > now)
            if change.expect != (old.value if old is not None and lives else None):
                refused[change] = Conflict("the key does not have the value that `expect` names")
                continue
        growth = (0 if change.value is None else change.size) - _size(change.key, old)
        if growth > 0 and used + growth > most:
            refused[change] = QuotaExceeded(
                f"the plugin's storage is full: it may have {most} bytes of keys and values; delete some first"
            )
            continue
        used += growth
        if change.value is None:
            entries.pop(change.key, None)
        else:
            entries[change.key] = Entry(len(change.value), change.expires_at, change.value)
    return entries, refused


def _lives(now: float) -> ColumnElement[bool]:
    return table.c.expires_at.is_(None) | (table.c.expires_at > now)


def _size(key: bytes, entry: Entry | None) -> int:
    return 0 if entry is None else len(key) + entry.length


def _apply(
    connection: Connection, plugin: str, changes: Sequence[Change], now: float, most: int
) -> dict[Change, ToruError]:
    stored = prepared.execute(connection, _USED, {"of": plugin})
    used: int = stored[0][0] if stored else 0
    if not stored:
        prepared.execute(connection, _NONE_YET, {"of": plugin, "used": 0})
    growth = sum(change.size for change in changes)
    # What is over gives way only where it may be in the way: looking for it costs a statement.
    while used + growth > most and prune(connection, now=now, plugin=plugin):
        ((used,),) = prepared.execute(connection, _USED, {"of": plugin})
    before = _read(connection, plugin, changes)
    after, refused = evaluate(before, changes, used, now, most)
    _store(connection, plugin, before, after)
    total = used + _total(after) - _total(before)
    if total != used:
        prepared.execute(connection, _USE, {"of": plugin, "used": total})
    return refused


def _total(entries: Entries) -> int:
    return sum([_size(key, entry) for key, entry in entries.items()])


def _read(connection: Connection, plugin: str, changes: Collection[Change]) -> Entries:
    rows = prepared.execute(connection, *_with_keys(_existing, plugin, {change.key for change in changes}))
    entries = {key: Entry(length, expires_at, None) for key, length, expires_at in rows}
    # A value may be a megabyte: it is read only where something is expected of it.
    expecting = entries.keys() & {change.key for change in changes if change.expect is not UNSET}
    if expecting:
        for key, value in prepared.execute(connection, *_with_keys(_values, plugin, expecting)):
            entries[key] = entries[key]._replace(value=value)
    return entries


def _store(connection: Connection, plugin: str, before: Entries, after: Entries) -> None:
    gone = [{"of": plugin, "named": key} for key in before.keys() - after.keys()]
    written = {
        key: {"of": plugin, "named": key, "now_value": entry.value, "now_until": entry.expires_at}
        for key, entry in after.items()
        if entry is not before.get(key)
    }
    changed = [written[key] for key in written.keys() & before.keys()]
    new = [written[key] for key in written.keys() - before.keys()]
    for statement, rows in ((_DELETE, gone), (_UPDATE, changed), (_INSERT, new)):
        if rows:
            prepared.execute_many(connection, statement, rows)


_SAME = (table.c.plugin == bindparam("of")) & (table.c.key == bindparam("named"))
_NEW: dict[str, Any] = {"value": bindparam("now_value"), "expires_at": bindparam("now_until")}
_INSERT = insert(table).values(plugin=bindparam("of"), key=bindparam("named"), **_NEW)
_UPDATE = update(table).where(_SAME).values(**_NEW)
_DELETE = delete(table).where(_SAME)
_OF_PLUGIN = usage.c.plugin == bindparam("of")
_USED = select(usage.c.bytes).where(_OF_PLUGIN)
_NONE_YET = insert(usage).values(plugin=bindparam("of"), bytes=bindparam("used"))
_USE = update(usage).where(_OF_PLUGIN).values(bytes=bindparam("used"))
_FREE = update(usage).where(_OF_PLUGIN).values(bytes=usage.c.bytes - bindparam("freed"))


def _with_keys(
    make: Callable[[int], CompilerElement], plugin: str, keys: Collection[bytes]
) -> tuple[CompilerElement, dict[str, object]]:
    """A statement that `make` gives for a number of keys, and its parameters."""
    # Named once more, the last key changes nothing: a statement for each power of two is enough.
    count = 1 << (len(keys) - 1).bit_length()
    ordered = sorted(keys)
    named = {f"key{at}": ordered[min(at, len(ordered) - 1)] for at in range(count)}
    return make(count), {"of": plugin, **named}


def _among(count: int) -> ColumnElement[bool]:
    keys: list[BindParameter[bytes]] = [bindparam(f"key{at}") for at in range(count)]
    return (table.c.plugin == bindparam("of")) & table.c.key.in_(keys)


@cache
def _existing(count: int) -> Select[Any]:
    return select(table.c.key, func.length(table.c.value), table.c.expires_at).where(_among(count))


@cache
def _values(count: int) -> Select[Any]:
    return select(table.c.key, table.c.value).where(_among(count))
