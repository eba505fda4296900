"""What plugins store, write and live through, as calls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, json, structs
from twisted.logger import Logger

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
from toru.store.kv import MOST_LISTED, KeyValues
from toru.store.logs import Logs
from toru.store.logtable import LogFilter

if TYPE_CHECKING:
    from toru.http.site import Request

NDJSON = b"application/x-ndjson"
# Records of a download that are read at once: all of it that is ever in memory.
_PART = 100

# Ids and offsets fit into the database's integers.
_Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Moment = Annotated[datetime, Meta(tz=True)]


class KvCall(Struct, frozen=True):
    """One call of a plugin's storage; which members matter depends on `action`."""

    action: Literal["get", "set", "delete", "list"]
    key: str = ""
    value: str | None = None
    ttl_seconds: float | None = None
    expect: str | UnsetType | None = UNSET
    prefix: str = ""
    limit: Annotated[int, Meta(ge=1, le=MOST_LISTED)] = MOST_LISTED
    after: str | None = None


class LogQuery(Paging, frozen=True):
    """The query of a plugin's log."""

    before: _Number | None = None
    level: LogLevel | None = None
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

    async def kv(self, request: Request, id: str) -> Outgoing:
        """A call of that plugin's storage: 200 to `set` or `delete` means that it is on disk."""
        call = decode_body(request, KvCall)
        principal = request.caller
        if not may_use_key(principal, id, call.prefix if call.action == "list" else call.key):
            raise Forbidden("This key is not yours.")
        # A plugin that was taken from the folder still runs for a moment, and may put its affairs in order.
        if principal.kind != "plugin":
            self._plugins.get(id)
        return as_json(await self._carried_out(call, id))

    async def _carried_out(self, call: KvCall, id: str) -> dict[str, Any]:
        values = self._values
        match call.action:
            case "get":
                return {"value": await values.get(id, call.key)}
            case "delete":
                await values.delete(id, call.key)
                return {"value": None}
            case "list":
                keys, following = await values.list(
                    id, prefix=call.prefix, limit=call.limit, after=call.after
                )
                return {"keys": keys, "next": following}
            case "set":
                if call.value is None:
                    raise BadRequest("`value` is missing; it must be a string.")
                await values.set(id, call.key, call.value, ttl_seconds=call.ttl_seconds, expect=call.expect)
                return {"value": call.value}

    async def logs(self, request: Request, id: str) -> bytes:
        """A page of a plugin's log; all of it, in pieces, where lines of JSON are asked for."""
        self._plugins.get(id)
        query = decode_query(request, LogQuery)
        wanted = LogFilter(query.level, query.q, _stored(query.since), _stored(query.until))
        if _wants_lines(request):
            return await self._download(request, id, wanted, query.before)
        found = await self._logs.page(
            id, wanted, page=query.page, page_size=query.page_size, before=query.before
        )
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
            self._plugins.get(id)
        query = decode_query(request, Paging)
        page = await self._events.page(
            id, events_for(request.caller), page=query.page, page_size=query.page_size
        )
        shown = tuple(event_for(request.caller, event) for event in page.events)
        return as_json(EventPage(shown, page.page, page.page_size, page.total))

    def usage(self, id: str) -> Outgoing:
        """A plugin's figures of the last ten minutes, oldest first."""
        self._plugins.get(id)
        return as_json(self._usage.of(id))


def events_for(principal: Principal) -> frozenset[EventType] | None:
    """The types of events that somebody may see; None: all."""
    return None if principal.kind == "admin" else LIFE


def event_for(principal: Principal, event: StoredEvent) -> StoredEvent:
    """An event as somebody may see it: its details tell of the inside."""
    return event if principal.kind == "admin" else structs.replace(event, details={})


def _stored(moment: datetime | None) -> str | None:
    """As records have it."""
    if moment is None:
        return None
    try:
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:
        raise BadRequest(
            "The query cannot be used: a moment must be in the years 1 to 9999 in UTC."
        ) from None


def _wants_lines(request: Request) -> bool:
    accepted = b",".join(request.requestHeaders.getRawHeaders(b"accept", [])).lower()
    return NDJSON in [each.partition(b";")[0].strip() for each in accepted.split(b",")]
