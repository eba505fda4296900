"""What plugins store, write and live through, as calls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, get_args

from msgspec import UNSET, Meta, Struct, UnsetType, ValidationError, convert, json, structs
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.access.roles import may_use_key
from toru.errors import BadRequest, Forbidden, ToruError
from toru.http._interfaces import Plugins, UsageOf
from toru.http.accounts import Paging
from toru.http.answers import as_json, ours
from toru.http.bodies import decode_body, decode_query
from toru.http.flow import Flow
from toru.http.messages import Outgoing
from toru.model import EventPage, EventType, LogLevel, Principal, StoredEvent
from toru.store.events import LIFE, Events
from toru.store.kv import MOST_KEY, MOST_LISTED, MOST_TTL, MOST_VALUE, KeyValues
from toru.store.logs import Logs
from toru.store.logtable import LogFilter

if TYPE_CHECKING:
    from toru.http.request import Request

NDJSON = b"application/x-ndjson"
# Records of a download that are read at once: all of it that is ever in memory.
_PART = 100

# Ids and offsets fit into the database's integers.
_Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
# Decoded by itself: as a part of a query a number would do as well.
_Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


# Their lengths are the storage's to check: what is too long is answered with 413.
_Key = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": MOST_KEY})]
_Value = Annotated[
    str,
    Meta(description=f"At most {MOST_VALUE} bytes in UTF-8.", extra_json_schema={"maxLength": MOST_VALUE}),
]
_PartOfKey = Annotated[str, Meta(max_length=MOST_KEY)]


class _KvCall(Struct, frozen=True, tag_field="action"):
    """One call of a plugin's storage."""


class _Unconditional(_KvCall, frozen=True, kw_only=True):
    """It is refused where somebody takes it for one with a condition."""

    expect: Annotated[Any, Meta(extra_json_schema={"not": {}})] = UNSET

    def __post_init__(self) -> None:
        if self.expect is not UNSET:
            raise ValueError("`expect` goes with `set` alone")


class KvGet(_Unconditional, frozen=True, tag="get"):
    """The value of a key."""

    key: _Key


class KvSet(_KvCall, frozen=True, tag="set"):
    """Store a value: for a time where `ttl_seconds` is given, and if that is the one now where `expect` is."""

    key: _Key
    value: _Value
    ttl_seconds: Annotated[float, Meta(gt=0, le=MOST_TTL)] | None = None
    expect: _Value | UnsetType | None = UNSET


class KvDelete(_Unconditional, frozen=True, tag="delete"):
    """Forget a key."""

    key: _Key


class KvList(_Unconditional, frozen=True, tag="list"):
    """The keys that begin with `prefix` and come behind `after`."""

    prefix: _PartOfKey = ""
    limit: Annotated[int, Meta(ge=1, le=MOST_LISTED)] = MOST_LISTED
    after: _PartOfKey | None = None


KvCall = KvGet | KvSet | KvDelete | KvList


class KvValue(Struct, frozen=True):
    """The value that a key has now; null for none."""

    value: str | None


class KvKeys(Struct, frozen=True):
    """Keys in order. `next` is what `after` is to be for those that follow; null where there are no more."""

    keys: list[str]
    next: str | None


class LogQuery(Paging, frozen=True):
    """The query of a plugin's log."""

    # With None the word `null` would do for it.
    before: _Number | UnsetType = UNSET
    level: LogLevel | UnsetType = UNSET
    q: str | None = None
    since: _Moment | None = None
    until: _Moment | None = None


class Records:
    """Each call gives its answer, or fails with a ToruError."""

    _log = Logger()

    def __init__(
        self, plugins: Plugins, values: KeyValues, logs: Logs, events: Events, usage: UsageOf
    ) -> None:
        self._plugins = plugins
        self._values = values
        self._logs = logs
        self._events = events
        self._usage = usage
        # By action, and `ok` or `error`.
        self.kv_calls = {
            (each, result): 0 for each in map(_action, get_args(KvCall)) for result in ("ok", "error")
        }

    def kv(self, request: Request, id: str) -> Deferred[Outgoing]:
        """A call of that plugin's storage: 200 to `set` or `delete` means that it is on disk."""
        call: KvCall = decode_body(request, KvCall)
        principal = request.caller
        if not may_use_key(principal, id, call.prefix if isinstance(call, KvList) else call.key):
            raise Forbidden("This key is not yours.")
        # A plugin that was taken from the folder still runs for a moment, and may put its affairs in order.
        if principal.kind != "plugin":
            self._plugins.require(id)
        action = _action(call)

        def done(found: Any) -> Outgoing:
            self.kv_calls[action, "ok"] += 1
            match call:
                case KvSet():
                    return as_json(KvValue(call.value))
                case KvList():
                    return as_json(KvKeys(*found))
                case _:
                    return as_json(KvValue(found))

        def failed(failure: Failure) -> Failure:
            if failure.check(ToruError):
                self.kv_calls[action, "error"] += 1
            return failure

        return self._carried_out(call, id).addCallbacks(done, failed)

    def _carried_out(self, call: KvCall, id: str) -> Deferred[Any]:
        values = self._values
        match call:
            case KvGet():
                return values.get(id, call.key)
            case KvSet():
                return values.set(id, call.key, call.value, ttl_seconds=call.ttl_seconds, expect=call.expect)
            case KvDelete():
                return values.delete(id, call.key)
            case KvList():
                return values.list(id, prefix=call.prefix, limit=call.limit, after=call.after)

    async def logs(self, request: Request, id: str) -> bytes:
        """A page of a plugin's log; all of it, in pieces, where lines of JSON are asked for."""
        self._plugins.require(id)
        query = decode_query(request, LogQuery)
        level = None if query.level is UNSET else query.level
        before = None if query.before is UNSET else query.before
        wanted = LogFilter(level, query.q, _stored(query.since), _stored(query.until))
        if _wants_lines(request):
            return await self._download(request, id, wanted, before)
        found = await self._logs.page(id, wanted, page=query.page, page_size=query.page_size, before=before)
        return request.reply(as_json(found))

    async def _download(self, request: Request, id: str, wanted: LogFilter, before: int | None) -> bytes:
        if request.method == b"HEAD":
            return request.reply(ours(200, [(b"content-type", NDJSON), (b"cache-control", b"no-store")], b""))
        part = await self._logs.part(id, wanted, before=before, limit=_PART)
        flow = Flow(request, NDJSON)
        try:
            while part:
                await flow.write(b"".join(json.encode(record) + b"\n" for record in part))
                part = await self._logs.part(id, wanted, before=part[-1].id, limit=_PART)
        except ToruError as error:
            self._log.warn("a download of {plugin}'s log was broken off: {error}", plugin=id, error=error)
            await flow.break_off()
        finally:
            flow.close()
        return b""

    async def events(self, request: Request, id: str | None = None) -> Outgoing:
        """A page of what happened, to one plugin or to all."""
        if id is not None:
            self._plugins.require(id)
        query = decode_query(request, Paging)
        page = await self._events.page(
            id, events_for(request.caller), page=query.page, page_size=query.page_size
        )
        shown = tuple(event_for(request.caller, event) for event in page.events)
        return as_json(EventPage(shown, page.page, page.page_size, page.total))

    def usage(self, id: str) -> Outgoing:
        """A plugin's figures of the last ten minutes, oldest first."""
        self._plugins.require(id)
        return as_json(self._usage.of(id))


def _action(call: KvCall | type[KvCall]) -> str:
    return str(call.__struct_config__.tag)


def events_for(principal: Principal) -> frozenset[EventType] | None:
    """The types of events that somebody may see; None: all."""
    return None if principal.kind == "admin" else LIFE


def event_for(principal: Principal, event: StoredEvent) -> StoredEvent:
    """An event as somebody may see it: its details tell of the inside."""
    return event if principal.kind == "admin" else structs.replace(event, details={})


def _stored(text: str | None) -> str | None:
    """A moment as records have it."""
    if text is None:
        return None
    try:
        moment: datetime = convert(text, Annotated[datetime, Meta(tz=True)])
    except ValidationError:
        raise BadRequest(
            "The query cannot be used: a moment is written like 2026-01-02T03:04:05Z (RFC 3339)."
        ) from None
    try:
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:
        raise BadRequest(
            "The query cannot be used: a moment must be in the years 1 to 9999 in UTC."
        ) from None


def _wants_lines(request: Request) -> bool:
    accepted = b",".join(request.requestHeaders.getRawHeaders(b"accept", [])).lower()
    return NDJSON in [each.partition(b";")[0].strip() for each in accepted.split(b",")]
