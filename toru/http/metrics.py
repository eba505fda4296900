"""`GET /api/metrics`: what is counted elsewhere, in the formats of Prometheus."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, TypeVar, get_args

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.registry import Collector
from twisted.internet.defer import DeferredLock, TimeoutError as TookTooLong
from twisted.internet.interfaces import IReactorTime

from toru.errors import ToruError
from toru.histogram import BOUNDS
from toru.http._interfaces import InThread, Numbers
from toru.http.answers import ours
from toru.http.messages import Outgoing
from toru.http.records import Records
from toru.http.streams import Streams
from toru.model import Durations, EventType, Health, LogLevel, PluginNumbers, State
from toru.store.database import Database
from toru.store.deliveries import Deliveries
from toru.store.events import Events
from toru.store.logs import Logs
from toru.webhooks import Webhooks

if TYPE_CHECKING:
    from toru.http.request import Request

K = TypeVar("K")
V = TypeVar("V")

# Seconds after which a database that does not answer is not waited for: the rest tells why it does not.
PATIENCE = 1.0

_PLUGIN = ("plugin",)
_STATUS_CLASSES = ("2xx", "3xx", "4xx", "5xx")
_UP_TO = [*map(str, BOUNDS), "+Inf"]
# A version that the library cannot compare with others, or that is not to be repeated in a header.
_ODD_VERSION = re.compile(r"version=(?!\d{1,9}(?:\.\d{1,9})*\s*(?:[,;]|$))")


@dataclass(frozen=True)
class Sources:
    """Where the numbers are kept."""

    plugins: Numbers
    database: Database
    logs: Logs
    events: Events
    records: Records
    streams: Streams
    webhooks: Webhooks
    deliveries: Deliveries
    connections: Callable[[], int]
    """Those of the core itself."""
    lent: Callable[[], Mapping[int, int]]
    """Those of each worker that is ready, by its number."""


@dataclass(frozen=True)
class Snapshot:
    """All numbers at one moment; those with labels by the labels' values. None: not known just now."""

    plugins: Sequence[PluginNumbers]
    lines: Mapping[str, Mapping[LogLevel, int]]
    lines_lost: int
    kv: Mapping[tuple[str, str], int]
    events: Mapping[EventType, int]
    events_lost: int
    calls: Mapping[str, Durations]
    calls_failed: Mapping[str, int]
    calls_waiting: int
    transactions: Durations
    streams: int
    connections: int
    lent: Mapping[int, int]
    deliveries: Mapping[str, int]
    deliveries_waiting: int | None


def snapshot(sources: Sources, deliveries_waiting: int | None) -> Snapshot:
    """For the reactor thread."""
    plugins = sources.plugins.numbers()
    database, senders = sources.database, sources.webhooks.senders
    calls = {"read": database.reads, "write": database.writes}
    written = sources.logs.levels_written
    return Snapshot(
        plugins=plugins,
        lines={plugin.id: dict(written.get(plugin.id, {})) for plugin in plugins},
        lines_lost=sources.logs.lines_lost,
        kv=dict(sources.records.storage.calls),
        events=dict(sources.events.happened),
        events_lost=sources.events.lost,
        calls={kind: figures.snapshot() for kind, figures in calls.items()},
        calls_failed={kind: figures.failed for kind, figures in calls.items()},
        calls_waiting=database.waiting,
        transactions=database.transactions.snapshot(),
        streams=len(sources.streams),
        connections=sources.connections(),
        lent=sources.lent(),
        deliveries={
            "delivered": sum(sender.delivered for sender in senders),
            "failed": sum(sender.failed for sender in senders),
            "given_up": sum(sender.given_up for sender in senders),
        },
        deliveries_waiting=deliveries_waiting,
    )


def families(seen: Snapshot) -> Iterator[Metric]:
    """What Prometheus is told, for any thread."""
    yield from _of_plugins(seen.plugins)
    yield _counter(
        "toru_plugin_log_lines",
        "Lines of a plugin's log that were kept, by level.",
        ("plugin", "level"),
        (((id, level), seen.lines[id].get(level, 0)) for id in seen.lines for level in get_args(LogLevel)),
    )
    yield CounterMetricFamily(
        "toru_log_lines_lost", "Lines of logs that the database did not take.", seen.lines_lost
    )
    yield _counter(
        "toru_kv_operations",
        "Operations on the storage of plugins, by action and result.",
        ("action", "result"),
        seen.kv.items(),
    )
    yield _counter("toru_events", "What happened, by type.", ("type",), _by_one(seen.events))
    yield CounterMetricFamily("toru_events_lost", "Events that the database did not take.", seen.events_lost)
    yield _histogram(
        "toru_database_call_duration_seconds",
        "Time from a call of the database to its answer, the wait for a thread included.",
        ("kind",),
        _by_one(seen.calls),
    )
    yield _counter(
        "toru_database_failed_calls",
        "Calls that the database could not carry out.",
        ("kind",),
        _by_one(seen.calls_failed),
    )
    yield GaugeMetricFamily(
        "toru_database_waiting_calls", "Calls that wait for a thread.", seen.calls_waiting
    )
    yield _histogram(
        "toru_database_transaction_duration_seconds",
        "Time of the writer's transactions, each for all calls that waited.",
        (),
        [((), seen.transactions)],
    )
    yield GaugeMetricFamily("toru_streams_open", "Live streams of logs and events.", seen.streams)
    yield GaugeMetricFamily(
        "toru_connections_open", "Connections of clients.", seen.connections + sum(seen.lent.values())
    )
    yield _gauge(
        "toru_worker_connections_open",
        "Those of them that a worker has.",
        ((str(number), count) for number, count in seen.lent.items()),
        ("worker",),
    )
    yield _counter(
        "toru_webhook_deliveries",
        "Tries to tell webhooks of an event, by result; what is given up failed as well.",
        ("result",),
        _by_one(seen.deliveries),
    )
    if seen.deliveries_waiting is not None:
        yield GaugeMetricFamily(
            "toru_webhook_deliveries_waiting",
            "Events that webhooks are still to be told, counted for each.",
            seen.deliveries_waiting,
        )


def _of_plugins(plugins: Sequence[PluginNumbers]) -> Iterator[Metric]:
    states = StateSetMetricFamily("toru_plugin_state", "State of a plugin.", labels=_PLUGIN)
    health = StateSetMetricFamily("toru_plugin_health", "Health of a plugin.", labels=_PLUGIN)
    for plugin in plugins:
        states.add_metric([plugin.id], {state: state == plugin.state for state in get_args(State)})
        health.add_metric([plugin.id], {each: each == plugin.health for each in get_args(Health)})
    yield states
    yield health
    yield _counter(
        "toru_plugin_restarts",
        "Starts of a plugin's processes after the first.",
        _PLUGIN,
        (((plugin.id,), plugin.restarts) for plugin in plugins),
    )
    yield _gauge(
        "toru_plugin_consecutive_crashes",
        "Crashes of a plugin in a row.",
        ((plugin.id, plugin.consecutive_crashes) for plugin in plugins),
    )
    yield _counter(
        "toru_plugin_requests",
        "Answers that clients got from a plugin's route, those of toru itself included, by class of status.",
        (*_PLUGIN, "status"),
        (
            ((plugin.id, status), count)
            for plugin in plugins
            for status, count in zip(_STATUS_CLASSES, plugin.answers, strict=True)
        ),
    )
    yield _histogram(
        "toru_plugin_request_duration_seconds",
        "Time from a request for a plugin to the plugin's answer, the wait for its turn included.",
        _PLUGIN,
        (((plugin.id,), plugin.latency) for plugin in plugins),
    )
    yield _gauge(
        "toru_plugin_requests_queued",
        "Requests that wait to be given to a plugin.",
        ((plugin.id, plugin.queued) for plugin in plugins),
    )
    yield _gauge(
        "toru_plugin_requests_in_flight",
        "Requests that a plugin was given and has not answered.",
        ((plugin.id, plugin.in_flight) for plugin in plugins),
    )
    yield _gauge(
        "toru_plugin_cpu_ratio",
        "Share of one processor that a plugin's process used of late; 1 is all of it.",
        ((plugin.id, plugin.usage.cpu_percent / 100) for plugin in plugins if plugin.usage is not None),
    )
    yield _gauge(
        "toru_plugin_resident_memory_bytes",
        "Resident memory of a plugin's process.",
        ((plugin.id, plugin.usage.rss_bytes) for plugin in plugins if plugin.usage is not None),
    )


class Metrics:
    """One scrape after the other. Little is done on the reactor thread: many plugins have thousands of lines."""

    def __init__(self, sources: Sources, clock: IReactorTime, in_thread: InThread) -> None:
        self._sources = sources
        self._clock = clock
        self._in_thread = in_thread
        self._turn = DeferredLock()
        self._latest = _Latest()
        # What the library itself counts would be in its own registry, which is not ours alone.
        self._registry = CollectorRegistry()
        self._registry.register(self._latest)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    async def answer(self, request: Request) -> Outgoing:
        """All metrics, in the format that the request accepts."""
        encode, content_type = _encoder(request.requestHeaders.getRawHeaders(b"accept", []))
        waiting = await self._waiting()
        await self._turn.acquire()
        try:
            self._latest.seen = snapshot(self._sources, waiting)
            body = await self._in_thread(lambda: encode(self._registry))
        finally:
            self._turn.release()
        headers = [(b"content-type", content_type.encode("ascii")), (b"cache-control", b"no-store")]
        return ours(200, headers, body)

    async def _waiting(self) -> int | None:
        if not self._sources.webhooks.senders:
            return 0
        try:
            return await self._sources.deliveries.waiting().addTimeout(PATIENCE, self._clock)
        except (ToruError, TookTooLong):
            return None


class _Latest(Collector):
    """Gives the library the snapshot that it is to render."""

    seen: Snapshot | None = None

    def collect(self) -> Iterable[Metric]:
        return () if self.seen is None else families(self.seen)


def _encoder(accept: Sequence[bytes]) -> tuple[Callable[[Collector], bytes], str]:
    accepted = b",".join(accept).decode("iso-8859-1")
    usable = accepted.isascii() and accepted.isprintable() and not _ODD_VERSION.search(accepted)
    return choose_encoder(accepted if usable else "")


def _by_one(values: Mapping[K, V]) -> Iterator[tuple[tuple[K], V]]:
    return (((key,), value) for key, value in values.items())


def _counter(
    name: str, help: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], int]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, help, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family


def _gauge(
    name: str, help: str, values: Iterable[tuple[str, float]], labels: Sequence[str] = _PLUGIN
) -> GaugeMetricFamily:
    """By one label."""
    family = GaugeMetricFamily(name, help, labels=labels)
    for id, value in values:
        family.add_metric([id], value)
    return family


def _histogram(
    name: str, help: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], Durations]]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, help, labels=labels)
    for of, durations in values:
        family.add_metric(
            of, list(zip(_UP_TO, accumulate(durations.buckets), strict=True)), durations.seconds
        )
    return family
