"""What plugins store by key: writes of all callers are carried out together, and fire when they are on disk."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from msgspec import UNSET, UnsetType
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from toru.config import KvLimits
from toru.errors import BadRequest, StorageUnavailable, TooLong, ToruError
from toru.store import kvtable
from toru.store.database import Database
from toru.store.kvtable import Change, Keys

MOST_KEY = 512
MOST_VALUE = 2**20
MOST_LISTED = 1000
# A thousand years; a moment that far away still tells milliseconds apart.
MOST_TTL = 31_536_000_000

# What may wait to be written, in bytes; more is refused, because memory is not endless. No plugin takes the
# others' share.
MOST_PENDING = 64 * 2**20
MOST_PENDING_EACH = 8 * 2**20
# What one transaction takes: it holds up everything else that is to be written.
BATCH_CHANGES = 500
BATCH_BYTES = 8 * 2**20
# Whoever has just got an answer often writes again at once. To write them together again costs all of them less than
# many small transactions: until as many wait again, as long as more come, so many times for so many seconds.
GATHER_SECONDS = 0.001
GATHER_TIMES = 10

# A change and whom to tell.
Pending = tuple[Change, Deferred[None]]


class KeyValues:
    """Keys and values are strings, each plugin's for itself. A key whose time is over is not there.

    All calls fail with BadRequest or TooLong for what no key or value can be, and with StorageUnavailable
    or StorageFull where the database fails. A write that is cancelled before it begins does not happen.
    """

    def __init__(self, database: Database, clock: IReactorTime, limits: KvLimits) -> None:
        self._database = database
        self._clock = clock
        self._limits = limits
        # In order; what is cancelled stays until it is its turn.
        self._pending: list[Pending] = []
        # By plugin, and of all together.
        self._pending_bytes: dict[str, int] = {}
        self._all_pending_bytes = 0
        # From a write that is handed over until nothing waits any more.
        self._writing = False
        # Where more are waited for: how many would be enough, and until when.
        self._wanted = 0
        self._gathering: IDelayedCall | None = None

    def get(self, plugin: str, key: str) -> Deferred[str | None]:
        """The value, or None where there is none."""
        try:
            wanted = _key(key)
        except ToruError as error:
            return fail(error)
        return self._database.read(partial(kvtable.get, plugin=plugin, key=wanted, now=self._clock.seconds()))

    def set(
        self,
        plugin: str,
        key: str,
        value: str,
        *,
        ttl_seconds: float | None = None,
        expect: str | UnsetType | None = UNSET,
    ) -> Deferred[None]:
        """Fires when it is on disk. After `ttl_seconds`, where given, the key is not there any more.

        With `expect` it fails with Conflict unless that is the value now; None: unless there is none. Fails
        with QuotaExceeded where the plugin's storage would hold more than it may.
        """
        try:
            expires_at = self._expires_at(ttl_seconds)
            expected = _value(expect) if isinstance(expect, str) else expect
            change = Change(plugin, _key(key), _value(value), expires_at, expected)
        except ToruError as error:
            return fail(error)
        return self._submit(change)

    def delete(self, plugin: str, key: str) -> Deferred[None]:
        """Fires when it is on disk, also where there was no such key."""
        try:
            change = Change(plugin, _key(key), None)
        except ToruError as error:
            return fail(error)
        return self._submit(change)

    def list(
        self, plugin: str, *, prefix: str = "", limit: int = MOST_LISTED, after: str | None = None
    ) -> Deferred[Keys]:
        """At most `limit` (1 to 1000) keys that begin with `prefix` and come behind `after`."""
        try:
            if not 1 <= limit <= MOST_LISTED:
                raise BadRequest(f"`limit` must be from 1 to {MOST_LISTED}")
            work = partial(
                kvtable.list_keys,
                plugin=plugin,
                prefix=_utf8(prefix, "prefix"),
                limit=limit,
                after=None if after is None else _utf8(after, "after"),
                now=self._clock.seconds(),
            )
        except ToruError as error:
            return fail(error)
        return self._database.read(work)

    def prune(self) -> Deferred[int]:
        """Remove some of the keys whose time is over. Fires with how many; 0 means that none are left."""
        return self._database.write(partial(kvtable.prune, now=self._clock.seconds()))

    def _expires_at(self, ttl_seconds: float | None) -> float | None:
        if ttl_seconds is None:
            return None
        if not 0 < ttl_seconds <= MOST_TTL:
            raise BadRequest(f"`ttl_seconds` must be above 0 and at most {MOST_TTL}")
        return self._clock.seconds() + ttl_seconds

    def _submit(self, change: Change) -> Deferred[None]:
        theirs = self._pending_bytes.get(change.plugin, 0) + change.size
        if theirs > MOST_PENDING_EACH or self._all_pending_bytes + change.size > MOST_PENDING:
            return fail(StorageUnavailable("too much waits to be stored; try again", retry_after=1))

        def cancel(_: Deferred[None]) -> None:
            change.cancelled = True

        answer: Deferred[None] = Deferred(cancel)
        self._pending.append((change, answer))
        self._pending_bytes[change.plugin] = theirs
        self._all_pending_bytes += change.size
        if not self._writing:
            self._writing = True
            self._write()
        elif self._gathering is not None and len(self._pending) >= self._wanted:
            self._gathering.cancel()
            self._write()
        return answer

    def _gather(self, before: int = 0, times: int = GATHER_TIMES) -> None:
        """Write what waits where it is enough, or no more than `before`, or was looked at so many times."""
        count = len(self._pending)
        if before < count < self._wanted and times:
            self._gathering = self._clock.callLater(GATHER_SECONDS, self._gather, count, times - 1)
        elif count:
            self._write()
        else:
            self._writing = False

    def _write(self) -> None:
        """Hand over what waits: one statement for many rows costs little more than one for one row."""
        self._gathering = None
        count = size = 0
        for change, _ in self._pending:
            if count and (count == BATCH_CHANGES or size + change.size > BATCH_BYTES):
                break
            count += 1
            size += change.size
        batch, self._pending = self._pending[:count], self._pending[count:]
        changes = [change for change, _ in batch]
        self._all_pending_bytes -= size
        for change in changes:
            self._pending_bytes[change.plugin] -= change.size
        if not self._pending:
            self._pending_bytes.clear()
        work = partial(kvtable.apply, batch=changes, now=self._clock.seconds(), most=self._limits.max_bytes)
        self._database.write(work).addBoth(self._written, batch)

    def _written(self, refused: Sequence[ToruError | None] | Failure, batch: Sequence[Pending]) -> None:
        for at, (_, answer) in enumerate(batch):
            # Who was cancelled meanwhile has an answer already.
            if answer.called:
                continue
            error = refused if isinstance(refused, Failure) else refused[at]
            if error is None:
                answer.callback(None)
            else:
                answer.errback(error)
        self._wanted = len(batch)
        self._gather()


def _key(key: str) -> bytes:
    if not key:
        raise BadRequest(f"`key` is empty; it must have 1 to {MOST_KEY} characters")
    if len(key) > MOST_KEY:
        raise TooLong(f"`key` has {len(key)} characters; {MOST_KEY} is the most")
    return _utf8(key, "key")


def _value(value: str) -> bytes:
    encoded = _utf8(value, "value")
    if len(encoded) > MOST_VALUE:
        raise TooLong(f"the value has {len(encoded)} bytes in UTF-8; {MOST_VALUE} is the most")
    return encoded


def _utf8(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(f"`{name}` has half of a surrogate pair, which is no text") from error
