"""Metrics: what is told, in which format, and to whom."""

# The parser of OpenMetrics is untyped.
# mypy: allow-untyped-calls

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.registry import Collector
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.web.http_headers import Headers

from tests.scraped import Scraped
from toru.errors import StorageUnavailable
from toru.histogram import BOUNDS, Histogram
from toru.http.metrics import PATIENCE, Metrics, Snapshot, Sources, families
from toru.model import Durations, EventType, PluginNumbers, State, Usage
from toru.store.deliveries import Deliveries
from toru.webhooks import Webhooks
from toru.webhooksettings import Webhook

from .fakes import Reply, in_reactor, numbers, signed
from .keeping import COOKIE, Kept

METRICS = "/api/metrics"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPERATING = Path(__file__).parents[2] / "docs" / "operators" / "reference.md"


def durations(*seconds: float) -> Durations:
    histogram = Histogram()
    for each in seconds:
        histogram.observe(each)
    return histogram.snapshot()


def seen(*plugins: PluginNumbers, **changes: Any) -> Snapshot:
    nothing = Snapshot(
        plugins=plugins,
        lines={plugin.id: {} for plugin in plugins},
        lines_lost=0,
        kv={("get", "ok"): 0},
        events={"crashed": 0},
        events_lost=0,
        calls={"read": durations(), "write": durations()},
        calls_failed={"read": 0, "write": 0},
        calls_waiting=0,
        transactions=durations(),
        streams=0,
        connections=0,
        lent={},
        deliveries={"delivered": 0},
        deliveries_waiting=0,
    )
    return replace(nothing, **changes)


def told(snapshot: Snapshot) -> Scraped:
    """What a scrape of that snapshot gives, beside what it tells of the process."""

    class Once(Collector):
        def collect(self) -> Any:
            return families(snapshot)

    registry = CollectorRegistry()
    registry.register(Once())
    return Scraped(generate_latest(registry))


async def scraped(kept: Kept) -> Scraped:
    reply = await kept.get(METRICS, as_="monitor")
    assert reply.status == 200
    return Scraped(reply.body)


class TestWhatIsTold:
    def test_a_plugin(self) -> None:
        plugin = numbers(
            "hello",
            state="backoff",
            health="unhealthy",
            restarts=3,
            consecutive_crashes=2,
            answers=(7, 0, 4, 5),
            queued=6,
            in_flight=1,
            usage=Usage(150.0, 4096),
        )
        found = told(seen(plugin))
        hello = {"plugin": "hello"}
        states = found.values("toru_plugin_state", "toru_plugin_state", **hello)
        assert states == {state: float(state == "backoff") for state in get_args(State)}
        assert found.values("toru_plugin_health", "toru_plugin_health", **hello) == {
            "healthy": 0,
            "unhealthy": 1,
            "disabled": 0,
        }
        assert found.value("toru_plugin_restarts_total", **hello) == 3
        assert found.value("toru_plugin_consecutive_crashes", **hello) == 2
        requests = found.values("toru_plugin_requests_total", "status", **hello)
        assert requests == {"2xx": 7, "3xx": 0, "4xx": 4, "5xx": 5}
        assert found.value("toru_plugin_requests_queued", **hello) == 6
        assert found.value("toru_plugin_requests_in_flight", **hello) == 1
        assert found.value("toru_plugin_cpu_ratio", **hello) == 1.5
        assert found.value("toru_plugin_resident_memory_bytes", **hello) == 4096

    def test_nothing_is_made_up_of_one_without_a_process(self) -> None:
        found = told(seen(numbers("hello"), numbers("other", usage=Usage(1.0, 1))))
        for name in ("toru_plugin_cpu_ratio", "toru_plugin_resident_memory_bytes"):
            assert set(found.values(name, "plugin")) == {"other"}

    def test_a_histogram(self) -> None:
        found = told(seen(numbers("hello", latency=durations(0.0001, 0.001, 0.2, 99.0))))
        name, hello = "toru_plugin_request_duration_seconds", {"plugin": "hello"}
        buckets = {float(le): count for le, count in found.values(f"{name}_bucket", "le", **hello).items()}
        assert list(buckets) == [*BOUNDS, float("inf")]
        assert [buckets[le] for le in (0.0005, 0.001, 0.1, 0.25, 30.0, float("inf"))] == [1, 2, 2, 3, 3, 4]
        assert found.value(f"{name}_count", **hello) == 4
        assert found.value(f"{name}_sum", **hello) == pytest.approx(99.2011)

    def test_the_rest(self) -> None:
        found = told(
            seen(
                numbers("hello"),
                lines={"hello": {"error": 2}},
                lines_lost=3,
                kv={("set", "ok"): 4, ("set", "error"): 5},
                events={"crashed": 6},
                events_lost=7,
                calls={"read": durations(0.5), "write": durations(0.5, 1.5)},
                calls_failed={"read": 8, "write": 9},
                calls_waiting=10,
                transactions=durations(0.25),
                streams=11,
                connections=16,
                lent={1: 17, 3: 18},
                deliveries={"delivered": 12, "failed": 13, "given_up": 14},
                deliveries_waiting=15,
            )
        )
        lines = found.values("toru_plugin_log_lines_total", "level", plugin="hello")
        assert lines == {"trace": 0, "debug": 0, "info": 0, "warn": 0, "error": 2}
        assert found.value("toru_log_lines_lost_total") == 3
        operations = found.values("toru_kv_operations_total", "result", action="set")
        assert operations == {"ok": 4, "error": 5}
        assert found.value("toru_events_total", type="crashed") == 6
        assert found.value("toru_events_lost_total") == 7
        calls = "toru_database_call_duration_seconds"
        assert found.values(f"{calls}_count", "kind") == {"read": 1, "write": 2}
        assert found.values(f"{calls}_sum", "kind") == {"read": 0.5, "write": 2.0}
        assert found.values("toru_database_failed_calls_total", "kind") == {"read": 8, "write": 9}
        assert found.value("toru_database_waiting_calls") == 10
        assert found.value("toru_database_transaction_duration_seconds_sum") == 0.25
        assert found.value("toru_streams_open") == 11
        assert found.value("toru_connections_open") == 16 + 17 + 18
        assert found.values("toru_worker_connections_open", "worker") == {"1": 17, "3": 18}
        deliveries = found.values("toru_webhook_deliveries_total", "result")
        assert deliveries == {"delivered": 12, "failed": 13, "given_up": 14}
        assert found.value("toru_webhook_deliveries_waiting") == 15

    def test_all_have_help_and_a_name_as_prometheus_wants_it(self) -> None:
        for family in families(seen(numbers("hello", usage=Usage(1.0, 1)), lent={1: 1})):
            assert family.documentation.endswith("."), family
            assert re.fullmatch(r"toru_[a-z_]+", family.name), family
            assert family.samples, family
            assert not family.name.endswith(("_count", "_sum", "_bucket", "_total", "_created")), family

    def test_the_table_in_the_documents_is_whole(self) -> None:
        section = OPERATING.read_text().partition("\n## Metrics\n")[2].partition("\n## ")[0]
        documented = dict(re.findall(r"^\| `(toru_\w+)(?:\{[^}]*\})?` \| (\w+) \|", section, re.MULTILINE))
        kinds = {"stateset": "gauge"}
        there = {
            family.name + ("_total" if family.type == "counter" else ""): kinds.get(family.type, family.type)
            for family in families(seen())
        }
        assert documented == there


class TestTheAnswer:
    @pytest.mark.parametrize(
        ("accept", "content_type"),
        [
            (None, PLAIN),
            ("*/*", PLAIN),
            ("text/plain", PLAIN),
            ("text/plain;version=1.0.0", "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"),
            (
                "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.5",
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
            ),
            (
                "application/openmetrics-text; version=1.0.0; escaping=allow-utf-8",
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            ),
            # What is no version is not taken for one, and not repeated.
            ("text/plain;version=new", PLAIN),
            ("application/openmetrics-text;version=2.x", PLAIN),
            ("application/openmetrics-text;version=1.0.0.\xe9", PLAIN),
            (f"application/openmetrics-text;version=1.{'9' * 5000}", PLAIN),
        ],
    )
    @in_reactor
    async def test_the_format(self, kept: Kept, accept: str | None, content_type: str) -> None:
        reply = await kept.get(METRICS, *([("Accept", accept)] if accept else []), as_="monitor")
        assert (reply.status, reply.header("content-type")) == (200, content_type)
        assert reply.header("cache-control") == "no-store"
        assert reply.header("x-content-type-options") == "nosniff"
        text = reply.body.decode()
        read = {family.name for family in open_families(text)} if "openmetrics" in content_type else None
        names = read or set(Scraped(reply.body).families)
        assert {"toru_plugin_state", "process_resident_memory_bytes", "python_info"} <= names
        assert any(name.startswith("python_gc_") for name in names)

    @in_reactor
    async def test_head(self, kept: Kept) -> None:
        reply = await kept.door.ask("HEAD", METRICS, as_="monitor")
        assert (reply.status, reply.body, reply.header("content-type")) == (200, b"", PLAIN)

    @in_reactor
    async def test_who_may_see_it(self, kept: Kept) -> None:
        async def status(*headers: tuple[str, str], as_: str | None = None) -> int:
            return (await kept.get(METRICS, *headers, as_=as_)).status

        assert await status(as_="admin") == await status(as_="monitor") == 200
        assert await status(as_="client") == await status(COOKIE) == await status(kept.plugin()) == 403
        assert await status() == 401

    @in_reactor
    async def test_many_at_once(self, kept: Kept) -> None:
        asked: list[Deferred[Reply]] = [Deferred.fromCoroutine(kept.get(METRICS)) for _ in range(8)]
        for each in asked:
            assert (await each).body.startswith(b"# HELP ")

    @in_reactor
    async def test_a_scrape_whose_client_goes_away_does_not_stop_the_next(self, kept: Kept) -> None:
        gone = await deferToThread(kept.door.connect)
        gone.sendall(f"GET {METRICS} HTTP/1.1\r\nHost: x\r\n{signed('monitor')}\r\n\r\n".encode())
        gone.close()
        assert (await scraped(kept)).value("toru_streams_open") == 0


class TestWhatMoves:
    @in_reactor
    async def test_lines_of_logs(self, kept: Kept) -> None:
        await kept.lines("a", "b")
        await kept.lines("c", level="error")
        await kept.lines("d", plugin="other", level="warn")
        await kept.lines("e", plugin="not-there")
        found = await scraped(kept)
        name = "toru_plugin_log_lines_total"
        lines = {plugin: found.values(name, "level", plugin=plugin) for plugin in ("hello", "other")}
        none = dict.fromkeys(("trace", "debug", "info", "warn", "error"), 0)
        assert lines == {"hello": {**none, "info": 2, "error": 1}, "other": {**none, "warn": 1}}

    @in_reactor
    async def test_a_plugin_that_was_removed_is_not_told_of(self, kept: Kept) -> None:
        await kept.lines("a")
        assert (await scraped(kept)).labels("plugin") == {"hello", "other"}
        del kept.door.plugins.statuses["hello"]
        assert (await scraped(kept)).labels("plugin") == {"other"}

    @in_reactor
    async def test_operations_on_storage(self, kept: Kept) -> None:
        calls: list[dict[str, Any]] = [
            {"action": "set", "key": "k", "value": "v"},
            {"action": "set", "key": "k", "value": "w", "expect": "x"},
            {"action": "get", "key": "k"},
            {"action": "get", "key": "x" * 513},
            {"action": "list"},
            {"action": "delete", "key": "k"},
            {"action": "unknown"},
        ]
        answers = [(await kept.kv(call)).status for call in calls]
        assert answers == [200, 409, 200, 413, 200, 200, 400]
        found = await scraped(kept)
        operations = {
            action: found.values("toru_kv_operations_total", "result", action=action)
            for action in ("get", "set", "delete", "list")
        }
        assert operations == {
            "get": {"ok": 1, "error": 1},
            "set": {"ok": 1, "error": 1},
            "delete": {"ok": 1, "error": 0},
            "list": {"ok": 1, "error": 0},
        }

    @in_reactor
    async def test_events(self, kept: Kept) -> None:
        await kept.happen("crashed")
        await kept.happen("crashed", "other")
        found = (await scraped(kept)).values("toru_events_total", "type")
        assert found == {**dict.fromkeys(get_args(EventType), 0), "crashed": 2}

    @in_reactor
    async def test_the_database(self, kept: Kept) -> None:
        name = "toru_database_call_duration_seconds_count"
        before = (await scraped(kept)).values(name, "kind")
        await kept.kv({"action": "set", "key": "k", "value": "v"})
        await kept.kv({"action": "get", "key": "k"})
        after = (await scraped(kept)).values(name, "kind")
        assert {kind: after[kind] - before[kind] for kind in after} == {"read": 1, "write": 1}

    @in_reactor
    async def test_streams(self, kept: Kept) -> None:
        stream = await kept.listen("/api/events/stream")
        found = await scraped(kept)
        assert found.value("toru_streams_open") == 1
        assert found.value("toru_connections_open") == 2
        kept.streams.stop()
        assert await stream.line() == b""
        assert (await scraped(kept)).value("toru_streams_open") == 0
        stream.close()


class TestWebhooks:
    """Of whose queue only the database knows how long it is."""

    def metrics(self, kept: Kept, waiting: Callable[[], Deferred[int]], clock: Clock) -> Metrics:
        deliveries = Deliveries(kept.database)
        cast(Any, deliveries).waiting = waiting
        hooks = [Webhook(url=f"https://{name}.example/", secret="s") for name in ("a", "b")]
        webhooks = Webhooks(hooks, deliveries, clock, cast(Any, None))
        for sender in webhooks.senders:
            sender.delivered, sender.failed, sender.given_up = 3, 2, 1
        sources: Sources = replace(kept.sources, webhooks=webhooks, deliveries=deliveries)
        return Metrics(sources, clock, lambda work: succeed(work()))

    def scrape(self, metrics: Metrics) -> Deferred[Scraped]:
        class Asked:
            requestHeaders = Headers()

        answering = Deferred.fromCoroutine(metrics.answer(cast(Any, Asked())))
        return answering.addCallback(lambda outgoing: Scraped(outgoing.body))

    @in_reactor
    async def test_of_all_together(self, kept: Kept) -> None:
        found = await self.scrape(self.metrics(kept, lambda: succeed(7), Clock()))
        results = found.values("toru_webhook_deliveries_total", "result")
        assert results == {"delivered": 6, "failed": 4, "given_up": 2}
        assert found.value("toru_webhook_deliveries_waiting") == 7

    @in_reactor
    async def test_a_database_that_fails(self, kept: Kept) -> None:
        found = await self.scrape(self.metrics(kept, lambda: fail(StorageUnavailable("no")), Clock()))
        assert found.value("toru_webhook_deliveries_waiting") is None
        assert found.value("toru_streams_open") == 0

    @in_reactor
    async def test_a_database_that_does_not_answer(self, kept: Kept) -> None:
        clock = Clock()
        scraping = self.scrape(self.metrics(kept, Deferred, clock))
        assert not scraping.called
        clock.advance(PATIENCE)
        assert (await scraping).value("toru_webhook_deliveries_waiting") is None
