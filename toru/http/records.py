"""What plugins write and live through, as calls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from msgspec import UNSET, Meta, UnsetType, ValidationError, convert, json, structs
from twisted.logger import Logger

from toru.errors import BadRequest, ToruError
from toru.http._interfaces import Plugins, UsageOf
from toru.http.accounts import Paging
from toru.http.answers import as_json, ours
from toru.http.bodies import decode_query
from toru.http.flow import Flow
from toru.http.messages import Outgoing
from toru.http.storage import Storage
from toru.model import EventPage, EventType, LogLevel, Principal, StoredEvent
from toru.store.events import LIFE, Events
from toru.store.kv import KeyValues
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
        self.storage = Storage(plugins, values)
        self._plugins = plugins
        self._logs = logs
        self._events = events
        self._usage = usage

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
