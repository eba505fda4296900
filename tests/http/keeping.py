"""A face behind which everything is really stored, in a SQLite file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

from argon2 import profiles
from msgspec import json
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

from tests.store.followed import Copies
from toru.access.doors import Doors
from toru.access.passwords import Hasher, Passwords
from toru.access.secret import PluginTokens
from toru.config import KvLimits, LogLimits
from toru.http.audit import Audit
from toru.http.dashboard import Dashboard
from toru.http.metrics import Metrics, Sources
from toru.http.records import Records
from toru.http.site import Site, make_site
from toru.http.streams import Streams
from toru.model import Event, EventType, LogLevel, LogRecord
from toru.store.accounts import Accounts
from toru.store.database import Database
from toru.store.deliveries import Deliveries
from toru.store.events import Events
from toru.store.kv import KeyValues
from toru.store.livefeed import LiveFeed
from toru.store.logs import Logs
from toru.supervise.usage import UsageHistory
from toru.webhooks import Webhooks

from .fakes import SESSION, TIMEOUT, Door, FakePlugins, Reply, conforms, known, signed, status

MOMENT = "2026-01-02T03:04:05.678Z"
COOKIE = ("Cookie", f"toru_session={SESSION}")


@dataclass
class Kept:
    """`clock` is that of the streams, and goes on by itself for nobody."""

    door: Door
    database: Database
    values: KeyValues
    logs: Logs
    events: Events
    streams: Streams
    clock: Clock
    usage: UsageHistory
    doors: Doors
    tokens: PluginTokens
    sources: Sources

    def plugin(self, id: str = "hello") -> tuple[str, str]:
        """The header by which a process of that plugin is known."""
        return "Authorization", f"Bearer {self.tokens.issue(id)}"

    async def kv(
        self, call: object, *headers: tuple[str, str], as_: str | None = "admin", id: str = "hello"
    ) -> Reply:
        return await self.door.ask("POST", f"/api/plugins/{id}/kv", headers, json.encode(call), as_=as_)

    async def get(self, path: str, *headers: tuple[str, str], as_: str | None = "admin") -> Reply:
        return await self.door.ask("GET", path, headers, as_=as_)

    async def lines(
        self, *messages: str, plugin: str = "hello", level: LogLevel = "info", at: str = MOMENT
    ) -> None:
        """The plugin writes these."""
        records = [LogRecord(at, plugin, level, message, "stdout", None, 1) for message in messages]
        await self.logs.write(records)

    async def happen(self, type: EventType, plugin: str = "hello", **details: Any) -> None:
        await self.events.append(Event(MOMENT, plugin, type, details))

    async def listen(self, path: str, *headers: tuple[str, str], who: str | None = "admin") -> Listening:
        return await deferToThread(Listening, self.door.port, path, headers, who)


class Listening:
    """A client of a stream, which reads when it is asked to."""

    def __init__(self, port: int, path: str, headers: Sequence[tuple[str, str]], who: str | None) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        name, _, value = signed(who or "").partition(": ")
        self._connection.request("GET", path, headers=dict([*headers, *([(name, value)] if who else [])]))
        self.response: HTTPResponse = self._connection.getresponse()
        # The id from which to go on comes before all else.
        self.began = self._message() if self.response.status == 200 else {}

    def messages(self, count: int) -> Deferred[list[dict[str, Any]]]:
        """The next ones; `data` is decoded."""
        return deferToThread(lambda: [self._message() for _ in range(count)])

    def line(self) -> Deferred[bytes]:
        """The next line; empty at the end of the answer."""
        return deferToThread(self.response.readline)

    def close(self) -> None:
        self.response.close()
        self._connection.close()

    def _message(self) -> dict[str, Any]:
        message: dict[str, Any] = {}
        while line := self.response.readline().rstrip(b"\n"):
            name, _, value = line.partition(b": ")
            message[name.decode()] = json.decode(value) if name == b"data" else value.decode()
        return message


@asynccontextmanager
async def listening(site: Site) -> AsyncIterator[int]:
    """The port on which the site listens meanwhile."""
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(site)
    try:
        yield port.getHost().port
    finally:
        site.begin_stop()
        await site.drained()
        await port.stopListening()


async def make_kept(folder: Path) -> AsyncIterator[Kept]:
    """A fixture."""
    real: Any = reactor
    plugins = FakePlugins(status("hello", problem="boom"), status("other"))
    clock = Clock()
    database = Database(f"sqlite:///{folder}/toru.db", real)
    database.open()
    feed = LiveFeed()
    copies = Copies()
    values = KeyValues(database, real, KvLimits(max_bytes=3 * 2**20))
    logs = Logs(database, real, LogLimits(), copies, feed)
    deliveries = Deliveries(database)
    webhooks = Webhooks((), deliveries, real, _no_post)
    events = Events(database, copies, feed, webhooks)
    streams = Streams(clock, conforms(plugins), logs, events, feed)
    streams.start()
    usage = UsageHistory()
    accounts = Accounts(database, real)
    tokens = PluginTokens()
    passwords = Passwords(real, Hasher(profiles.CHEAPEST))
    doors = Doors(real, accounts, passwords, tokens)
    doors.start(known(), [])
    records = Records(conforms(plugins), values, logs, events, usage)
    sources = Sources(
        plugins,
        database,
        logs,
        events,
        records,
        streams,
        webhooks,
        deliveries,
        lambda: len(site.connections),
        dict,
    )
    site = make_site(
        real,
        conforms(plugins),
        plugins_folder=folder,
        max_body_bytes=8 * 2**20,
        max_connections=1000,
        trusted_proxies=(),
        in_thread=deferToThread,
        doors=doors,
        accounts=accounts,
        records=records,
        streams=streams,
        audit=Audit(real, events),
        dashboard=Dashboard({}),
        metrics=Metrics(sources, real, deferToThread),
        access_log=None,
    )
    async with listening(site) as port:
        door = Door(plugins, site, folder, port)
        yield Kept(door, database, values, logs, events, streams, clock, usage, doors, tokens, sources)
        streams.stop()
    doors.stop()
    await logs.close()
    await database.close()


def _no_post(url: str, body: bytes, headers: object) -> Deferred[int]:
    raise AssertionError("there is no webhook")
