"""Logs, events and figures, through a real socket and in a real database."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import json
from twisted.internet.threads import deferToThread

from toru.model import Latency, Traffic, Usage

from .fakes import everything, in_reactor, parsed, signed, status, token
from .keeping import MOMENT, Kept


def decoded(body: bytes) -> Any:
    return json.decode(body)


# -- logs


def messages(body: bytes) -> list[str]:
    return [record["message"] for record in decoded(body)["logs"]]


@in_reactor
async def test_pages_of_a_log(kept: Kept) -> None:
    await kept.lines(*(f"line {number}" for number in range(250)))
    await kept.lines("not mine", plugin="other")
    first = await kept.get("/api/plugins/hello/logs?page=0&page_size=100&level=&q=&since=&until=")
    page = decoded(first.body)
    assert (page["page"], page["page_size"], page["total"]) == (0, 100, 250)
    assert messages(first.body) == [f"line {number}" for number in range(249, 149, -1)]
    assert page["logs"][0] == {
        "id": 250,
        "timestamp": MOMENT,
        "level": "info",
        "plugin": "hello",
        "message": "line 249",
        "stream": "stdout",
        "fields": None,
        "error": None,
        "pid": 1,
    }
    assert messages((await kept.get("/api/plugins/hello/logs?page=2")).body)[-1] == "line 0"
    before = await kept.get("/api/plugins/hello/logs?before=3&page_size=10")
    assert messages(before.body) == ["line 1", "line 0"]
    assert messages((await kept.get("/api/plugins/hello/logs?page=999999999")).body) == []


@in_reactor
async def test_parts_of_a_log(kept: Kept) -> None:
    await kept.lines("early", at="2026-01-01T00:00:00.000Z", level="debug")
    await kept.lines("In Time", at="2026-01-01T12:00:00.000Z", level="warn")
    await kept.lines("late", at="2026-01-02T00:00:00.000Z", level="error")
    for query, found in (
        ("level=warn", ["late", "In Time"]),
        ("level=trace", ["late", "In Time", "early"]),
        ("q=in%20t", ["In Time"]),
        ("since=2026-01-01T12:00:00Z", ["late", "In Time"]),
        ("until=2026-01-01T12:00:00Z", ["early"]),
        ("since=2026-01-01T13:00:00%2B01:00&until=2026-01-01T23:59:59.999Z", ["In Time"]),
    ):
        assert messages((await kept.get(f"/api/plugins/hello/logs?{query}")).body) == found, query


@pytest.mark.parametrize(
    "query",
    [
        "page=-1",
        "page=1.5",
        "page=9999999999999999999",
        "page_size=0",
        "page_size=1001",
        "page=1&page=2",
        "before=x",
        "before=null",
        "level=loud",
        "level=null",
        "since=1767225600",
        "until=null",
        "since=yesterday",
        "since=2026-01-01T00:00:00",
        "until=0001-01-01T00:00:00%2B01:00",
        "q=" + "x" * 1001,
        "q=%ff",
    ],
)
@in_reactor
async def test_queries_that_cannot_be_used(kept: Kept, query: str) -> None:
    reply = await kept.get(f"/api/plugins/hello/logs?{query}")
    assert (reply.status, reply.problem["code"]) == (400, "bad-request")


@in_reactor
async def test_a_download_has_all_that_match(kept: Kept) -> None:
    await kept.lines(*(f"line {number}" for number in range(250)))
    await kept.lines("loud", level="error")
    accept = ("Accept", "text/html;q=0.1, application/x-ndjson;q=0.9")
    reply = await kept.get("/api/plugins/hello/logs?page_size=1", accept)
    assert (reply.status, reply.header("content-type")) == (200, "application/x-ndjson")
    assert reply.header("x-content-type-options") == "nosniff"
    lines = [decoded(line)["message"] for line in reply.body.splitlines()]
    assert lines == ["loud", *(f"line {number}" for number in range(249, -1, -1))]
    some = await kept.get("/api/plugins/hello/logs?level=error", accept)
    assert [decoded(line)["message"] for line in some.body.splitlines()] == ["loud"]
    assert (await kept.get("/api/plugins/hello/logs?q=nowhere", accept)).body == b""


@in_reactor
async def test_a_slow_download_is_read_as_it_is_taken(kept: Kept) -> None:
    # More than the buffers of the two sockets take.
    await kept.lines(*("x" * 30_000 for _ in range(600)))
    reads = kept.database.reads.count

    def ask() -> Any:
        client = kept.door.connect()
        head = f"GET /api/plugins/hello/logs HTTP/1.1\r\nHost: x\r\n{signed()}\r\nAccept: application/x-ndjson\r\n"
        client.sendall(f"{head}Connection: close\r\n\r\n".encode())
        return client, client.recv(1)

    client, begun = await deferToThread(ask)
    # Whoever asks meanwhile is answered, and the download has gone on as far as it can.
    for _ in range(20):
        assert (await kept.get("/api/plugins/hello")).status == 200
    assert kept.database.reads.count - reads < 6
    with client:
        reply = parsed(begun + await deferToThread(everything, client))
    assert len(reply.body.splitlines()) == 600


@in_reactor
async def test_a_download_that_breaks_off_does_not_look_whole(kept: Kept) -> None:
    await kept.lines(*("x" * 30_000 for _ in range(600)))

    def ask() -> Any:
        client = kept.door.connect()
        head = f"GET /api/plugins/hello/logs HTTP/1.1\r\nHost: x\r\n{signed()}\r\nAccept: application/x-ndjson\r\n"
        client.sendall(f"{head}\r\n".encode())
        return client, client.recv(1)

    client, begun = await deferToThread(ask)
    await kept.database.close()
    with client:
        received = begun + await deferToThread(everything, client)
    assert received.startswith(b"HTTP/1.1 200")
    assert not received.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("path", ["logs", "logs/stream", "events", "usage"])
@in_reactor
async def test_no_such_plugin(kept: Kept, path: str) -> None:
    reply = await kept.get(f"/api/plugins/nobody/{path}")
    assert (reply.status, reply.problem["code"]) == (404, "plugin-not-found")


# -- events and figures


@in_reactor
async def test_events_of_all_and_of_one(kept: Kept) -> None:
    await kept.happen("started", pid=1)
    await kept.happen("crashed", "other", detail="exited with code 1")
    await kept.happen("admin-action", who="root", what="POST /x")
    page = decoded((await kept.get("/api/events?page_size=2")).body)
    assert (page["page"], page["page_size"], page["total"]) == (0, 2, 3)
    assert [event["type"] for event in page["events"]] == ["admin-action", "crashed"]
    assert page["events"][1] == {
        "id": 2,
        "timestamp": MOMENT,
        "plugin": "other",
        "type": "crashed",
        "details": {"detail": "exited with code 1"},
    }
    one = decoded((await kept.get("/api/plugins/other/events")).body)
    assert ([event["id"] for event in one["events"]], one["total"]) == ([2], 1)


@in_reactor
async def test_clients_see_the_life_of_plugins(kept: Kept) -> None:
    await kept.happen("started", pid=1)
    await kept.happen("admin-action", who="root")
    for path in ("/api/events", "/api/plugins/hello/events"):
        page = decoded((await kept.get(path, as_="client")).body)
        assert page["total"] == 1
        assert [(event["type"], event["details"]) for event in page["events"]] == [("started", {})]


@in_reactor
async def test_what_admins_do_is_an_event(kept: Kept) -> None:
    assert (await kept.door.ask("POST", "/api/plugins/hello/restart")).status == 200
    assert (await kept.door.ask("POST", "/api/plugins/rescan")).status == 200
    assert (await kept.door.ask("POST", "/api/plugins/nobody/restart")).status == 404
    assert (await kept.door.ask("POST", "/api/plugins/hello/restart", as_="client")).status == 403
    assert (await kept.get("/api/plugins")).status == 200
    assert (await kept.kv({"action": "get", "key": "k"})).status == 200
    # Whatever was to be written before this is there then.
    await kept.database.write(lambda _: None)
    page = decoded((await kept.get("/api/events")).body)
    assert [(event["plugin"], event["type"], event["details"]) for event in page["events"]] == [
        (plugin, "admin-action", {"who": "root-script", "what": what, "from": "127.0.0.1"})
        for plugin, what in (
            ("", "POST /api/plugins/rescan"),
            ("hello", "POST /api/plugins/hello/restart"),
        )
    ]
    assert token("admin") not in str(page)


@in_reactor
async def test_figures(kept: Kept) -> None:
    traffic = Traffic(3, 1, 0, Latency(0.5, 1.5))
    for second in range(400):
        kept.usage.add(f"{second}", [status("hello", usage=Usage(1.5, second), traffic=traffic)])
    figures = decoded((await kept.get("/api/plugins/hello/usage", as_="client")).body)
    # Ten minutes of them, one every two seconds.
    assert len(figures) == 300
    assert figures[-1] == {
        "timestamp": "399",
        "usage": {"cpu_percent": 1.5, "rss_bytes": 399},
        "traffic": {"requests": 3, "errors": 1, "in_flight": 0, "latency_ms": {"p50": 0.5, "p99": 1.5}},
    }
    kept.usage.add("400", [])
    assert decoded((await kept.get("/api/plugins/hello/usage")).body) == []
