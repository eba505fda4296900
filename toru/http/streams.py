"""Server-Sent Events: a plugin's log as it grows, and what happens to all plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import json
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from toru.errors import BadRequest, CoreStopping, ToruError
from toru.http._interfaces import Plugins
from toru.http.answers import ours
from toru.http.flow import Flow
from toru.http.gate import is_still_in
from toru.http.records import event_for, events_for
from toru.http.views import shown_to
from toru.model import Figures, PluginStatus, StoredLog
from toru.store.events import TOPIC, Events
from toru.store.livefeed import HasId, LiveFeed, News, Stream
from toru.store.logs import Logs

if TYPE_CHECKING:
    from toru.http.request import Request

Row = TypeVar("Row", bound=HasId)

# Seconds between two looks at whether those who listen may still do so: after a sign-out no more is told.
LOOK_SECONDS = 2.0
# Seconds of silence after which a stream says that it is still there.
HEARTBEAT_SECONDS = 15.0

_EVENT_STREAM = b"text/event-stream"
# A comment, which every client skips.
_HEARTBEAT = b":\n\n"
_PLUGIN, _USAGE = "plugin", "usage"


class Streams:
    """All streams that are open. Each holds what it is just writing, however slowly its client reads."""

    def __init__(
        self,
        clock: IReactorTime,
        plugins: Plugins,
        logs: Logs,
        events: Events,
        feed: LiveFeed,
    ) -> None:
        self._clock = clock
        self._plugins = plugins
        self._logs = logs
        self._events = events
        self._feed = feed
        self._open: set[_Open] = set()
        self._changed: dict[str, None] = {}
        self._stopped = False
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock

    def start(self) -> None:
        """From now on look after the streams."""
        self._looking.start(LOOK_SECONDS)

    def stop(self) -> None:
        """End all streams; no more are begun."""
        self._stopped = True
        if self._looking.running:
            self._looking.stop()
        for stream in tuple(self._open):
            stream.end()

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    # -- what is told

    def tell_plugin(self, id: str) -> None:
        """Something about that plugin is another than before. Of many changes in one turn the last is told."""
        if not self._open:
            return
        if not self._changed:
            self._clock.callLater(0, self._tell_changed)
        self._changed[id] = None

    def tell_usage(self, timestamp: str, figures: Mapping[str, Figures]) -> None:
        """The latest figures of all plugins."""
        if self._open:
            shown = {id: {"usage": each.usage, "traffic": each.traffic} for id, each in figures.items()}
            # Made once for all who listen.
            told = _message(json.encode({"timestamp": timestamp, "plugins": shown}), event=_USAGE)
            self._feed.show(TOPIC, _USAGE, "", told)

    def _tell_changed(self) -> None:
        changed, self._changed = self._changed, {}
        for plugin in self._plugins.list():
            if plugin.id in changed:
                self._feed.show(TOPIC, _PLUGIN, plugin.id, plugin)

    # -- the streams

    async def logs(self, request: Request, id: str) -> bytes:
        """The records that a plugin writes from now on, or since the one that `Last-Event-ID` names."""
        self._plugins.require(id)
        if request.method == b"HEAD":
            return _head(request)
        return await self._serve(request, await self._logs.follow(id, _last_id(request)), _records)

    async def events(self, request: Request) -> bytes:
        """What happens from now on, or since `Last-Event-ID`; plugins that change; and their figures."""
        if request.method == b"HEAD":
            return _head(request)
        principal = request.caller

        def pieces(news: News[Any]) -> Iterator[bytes]:
            for event in news.rows:
                yield _message(json.encode(event_for(principal, event)), id=event.id)
            for (kind, _), value in news.shown.items():
                if kind == _USAGE:
                    yield value
                elif isinstance(value, PluginStatus):
                    yield _message(json.encode(shown_to(principal, value)), event=_PLUGIN)

        stream = await self._events.follow(events_for(principal), _last_id(request))
        return await self._serve(request, stream, pieces)

    async def _serve(
        self, request: Request, stream: Stream[Row], pieces: Callable[[News[Row]], Iterator[bytes]]
    ) -> bytes:
        if self._stopped:
            stream.close()
            raise CoreStopping("toru is stopping and takes no new requests.")
        opened = _Open(request, stream, pieces, self._clock)
        self._open.add(opened)
        try:
            await opened.run()
        finally:
            self._open.discard(opened)
        return b""

    def _look(self) -> None:
        for stream in tuple(self._open):
            stream.look()


class _Open:
    """One stream, until its client goes away, it is ended, or the database fails: then its client comes back."""

    def __init__(
        self,
        request: Request,
        stream: Stream[Any],
        pieces: Callable[[News[Any]], Iterator[bytes]],
        clock: IReactorTime,
    ) -> None:
        self._request = request
        self._stream = stream
        self._pieces = pieces
        self._clock = clock
        # It has no whole, so that one which may not go on comes to an end as any other.
        request.exchange.watched = True
        self._flow = Flow(request, _EVENT_STREAM)
        self._pumping: Deferred[None] = succeed(None)
        self._ended = False
        self._written_at = clock.seconds()

    async def run(self) -> None:
        """Returns when it is ended. Cancelled where the client is gone."""
        self._pumping = Deferred.fromCoroutine(self._pump())
        try:
            await self._pumping
        except ToruError:
            return
        except CancelledError:
            if not self._ended:
                raise
        finally:
            self._stream.close()
            self._flow.close()

    def end(self) -> None:
        """No more is told. A client that does not read cannot hold it up."""
        self._ended = True
        if self._flow.paused:
            self._flow.abort()
        else:
            self._pumping.cancel()

    def look(self) -> None:
        """End it where nobody may listen any more, and else say after a silence that it is still there."""
        if not is_still_in(self._request.exchange):
            self.end()
        elif not self._flow.paused and self._clock.seconds() - self._written_at >= HEARTBEAT_SECONDS:
            self._flow.write_now(_HEARTBEAT)
            self._written_at = self._clock.seconds()

    async def _pump(self) -> None:
        # Who loses the connection before the first record comes back to this place, and misses none.
        await self._flow.write(b"id: %d\n\n" % self._stream.after)
        while True:
            news = await self._stream.next()
            for piece in self._pieces(news):
                if not is_still_in(self._request.exchange):
                    self._ended = True
                    return
                await self._flow.write(piece)
                self._written_at = self._clock.seconds()


def _records(news: News[StoredLog]) -> Iterator[bytes]:
    for record in news.rows:
        yield _message(json.encode(record), id=record.id)


def _message(data: bytes, *, id: int | None = None, event: str | None = None) -> bytes:
    """One message; JSON has no line breaks."""
    kind = b"" if event is None else b"event: %s\n" % event.encode("ascii")
    number = b"" if id is None else b"id: %d\n" % id
    return b"%s%sdata: %s\n\n" % (kind, number, data)


def _head(request: Request) -> bytes:
    return request.reply(ours(200, [(b"content-type", _EVENT_STREAM), (b"cache-control", b"no-store")], b""))


def _last_id(request: Request) -> int | None:
    """The id of the last message that the client got, where it says one."""
    value = (request.requestHeaders.getRawHeaders(b"last-event-id") or [b""])[0].strip()
    if not value:
        return None
    if not value.isdigit() or len(value) > 18:
        raise BadRequest("`Last-Event-ID` must be the id of a message of this stream.")
    return int(value)
