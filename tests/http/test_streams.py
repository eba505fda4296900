"""Server-Sent Events, through a real socket and from a real database."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from twisted.internet.threads import deferToThread

from toru.http.streams import HEARTBEAT_SECONDS, LOOK_SECONDS
from toru.model import Figures, Latency, Traffic, Usage

from .fakes import in_reactor, signed, status
from .keeping import COOKIE, MOMENT, Kept

LOG = "/api/plugins/hello/logs/stream"
EVENTS = "/api/events/stream"
FIGURES = Figures(MOMENT, Usage(1.5, 1000), Traffic(3, 1, 0, Latency(0.5, 1.5)))


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [message["data"]["message"] for message in messages]


@in_reactor
async def test_a_log_as_it_grows(kept: Kept) -> None:
    await kept.lines("before")
    stream = await kept.listen(LOG)
    assert stream.response.status == 200
    assert stream.response.getheader("content-type") == "text/event-stream"
    assert stream.response.getheader("cache-control") == "no-store"
    assert stream.response.getheader("x-content-type-options") == "nosniff"
    await kept.lines("one", "two")
    await kept.lines("not mine", plugin="other")
    await kept.lines("three")
    messages = await stream.messages(3)
    assert texts(messages) == ["one", "two", "three"]
    assert [message["id"] for message in messages] == ["2", "3", "5"]
    assert messages[0]["data"] == {
        "id": 2,
        "timestamp": MOMENT,
        "level": "info",
        "plugin": "hello",
        "message": "one",
        "stream": "stdout",
        "fields": None,
        "error": None,
        "pid": 1,
    }
    stream.close()


@in_reactor
async def test_whoever_comes_back_misses_nothing_and_gets_nothing_twice(kept: Kept) -> None:
    await kept.lines("before")
    seen: list[str] = []
    last = None
    # The first leaves with nothing but the id from which to go on.
    for begin in range(0, 1200, 400):
        stream = await kept.listen(LOG, *([("Last-Event-ID", last)] if last else []))
        last = last or stream.began["id"]
        assert stream.began == {"id": last}
        await kept.lines(*(str(number) for number in range(begin, begin + 400)))
        if begin:
            messages = await stream.messages(600)
            seen += texts(messages)
            last = messages[-1]["id"]
        stream.close()
    assert seen == [str(number) for number in range(1200)]


@pytest.mark.parametrize("before", [[], ["before"]])
@in_reactor
async def test_an_id_from_before_the_database_was_made_anew(kept: Kept, before: list[str]) -> None:
    await kept.lines(*before)
    stream = await kept.listen(LOG, ("Last-Event-ID", "4000"))
    await kept.lines("one")
    assert texts(await stream.messages(1)) == ["one"]
    stream.close()


@pytest.mark.parametrize("id", ["x", "-1", "1.5", "9" * 19])
@in_reactor
async def test_an_id_that_is_none(kept: Kept, id: str) -> None:
    for path in (LOG, EVENTS):
        assert (await kept.get(path, ("Last-Event-ID", id))).status == 400


@pytest.mark.parametrize("path", [LOG, EVENTS])
@in_reactor
async def test_head(kept: Kept, path: str) -> None:
    reply = await kept.door.ask("HEAD", path)
    assert (reply.status, reply.header("content-type"), reply.body) == (200, "text/event-stream", b"")


@in_reactor
async def test_what_happens(kept: Kept) -> None:
    await kept.happen("discovered")
    stream = await kept.listen(EVENTS)
    await kept.happen("started", pid=1)
    await kept.happen("admin-action", who="root")
    messages = await stream.messages(2)
    assert [(message["id"], message["data"]["type"]) for message in messages] == [
        ("2", "started"),
        ("3", "admin-action"),
    ]
    assert messages[0]["data"]["details"] == {"pid": 1}
    again = await kept.listen(EVENTS, ("Last-Event-ID", "1"))
    assert [message["id"] for message in await again.messages(2)] == ["2", "3"]
    stream.close()
    again.close()


@in_reactor
async def test_clients_are_told_of_the_life_of_plugins(kept: Kept) -> None:
    stream = await kept.listen(EVENTS, who="client")
    await kept.happen("admin-action", who="root")
    await kept.happen("crashed", detail="exited with code 1: /some/path")
    (message,) = await stream.messages(1)
    assert (message["data"]["type"], message["data"]["details"]) == ("crashed", {})
    kept.streams.tell_plugin("hello")
    kept.clock.advance(0)
    (message,) = await stream.messages(1)
    assert message["event"] == "plugin"
    assert message["data"]["id"] == "hello"
    assert "pid" not in message["data"]
    assert message["data"]["problem"] != "boom"
    stream.close()


@in_reactor
async def test_plugins_that_change(kept: Kept) -> None:
    stream = await kept.listen(EVENTS)
    kept.streams.tell_plugin("hello")
    kept.door.plugins.statuses["hello"] = status("hello", state="backoff", running=False)
    kept.streams.tell_plugin("hello")
    kept.streams.tell_plugin("gone")
    kept.clock.advance(0)
    kept.streams.tell_plugin("other")
    kept.clock.advance(0)
    messages = await stream.messages(2)
    assert [(each["event"], each["data"]["id"], each["data"]["state"]) for each in messages] == [
        ("plugin", "hello", "backoff"),
        ("plugin", "other", "running"),
    ]
    assert messages[0]["data"]["pid"] == 4242
    stream.close()


@in_reactor
async def test_figures(kept: Kept) -> None:
    streams = [await kept.listen(EVENTS, who=who) for who in ("admin", "client")]
    kept.streams.tell_usage(MOMENT, {"hello": FIGURES})
    for stream in streams:
        (message,) = await stream.messages(1)
        assert message["event"] == "usage"
        assert message["data"] == {
            "timestamp": MOMENT,
            "plugins": {
                "hello": {
                    "usage": {"cpu_percent": 1.5, "rss_bytes": 1000},
                    "traffic": {
                        "requests": 3,
                        "errors": 1,
                        "in_flight": 0,
                        "latency_ms": {"p50": 0.5, "p99": 1.5},
                    },
                }
            },
        }
        stream.close()


@in_reactor
async def test_a_sign_of_life_in_a_silence(kept: Kept) -> None:
    stream = await kept.listen(LOG)
    for _ in range(int(HEARTBEAT_SECONDS / LOOK_SECONDS)):
        kept.clock.advance(LOOK_SECONDS)
    await kept.lines("one")
    assert texts(await stream.messages(1)) == ["one"]
    for _ in range(int(HEARTBEAT_SECONDS / LOOK_SECONDS) + 1):
        kept.clock.advance(LOOK_SECONDS)
    assert [await stream.line(), await stream.line()] == [b":\n", b"\n"]
    stream.close()


@pytest.mark.parametrize("look", [True, False])
@in_reactor
async def test_after_a_sign_out_nothing_more_is_told(kept: Kept, look: bool) -> None:
    stream = await kept.listen(EVENTS, COOKIE, who=None)
    await kept.happen("started")
    assert (await stream.messages(1))[0]["data"]["type"] == "started"
    await kept.doors.sign_out(COOKIE[1].partition("=")[2].encode())
    (connection,) = kept.door.site.connections
    connection.look()
    if look:
        kept.clock.advance(LOOK_SECONDS)
    else:
        await kept.happen("crashed")
    assert await stream.line() == b""
    await kept.door.site.drained()
    assert len(kept.streams) == 0
    # A browser complains of one that is cut.
    assert connection.idle_since is not None
    stream.close()


@in_reactor
async def test_a_database_that_fails_ends_them(kept: Kept) -> None:
    stream = await kept.listen(LOG)
    await kept.database.close()
    # It hears that there is more, and cannot read it.
    await kept.lines("one")
    kept.logs._feed.committed("logs/hello")
    assert await stream.line() == b""
    stream.close()


@in_reactor
async def test_they_end_when_toru_stops(kept: Kept) -> None:
    streams = [await kept.listen(LOG), await kept.listen(EVENTS)]
    kept.streams.stop()
    kept.door.site.begin_stop()
    await kept.door.site.drained()
    for stream in streams:
        assert await stream.line() == b""
        stream.close()
    assert kept.clock.getDelayedCalls() == []


def unread(kept: Kept) -> socket.socket:
    """A client that listens to the log and reads no more than the first byte."""
    client = kept.door.connect()
    client.sendall(f"GET {LOG} HTTP/1.1\r\nHost: x\r\n{signed()}\r\n\r\n".encode())
    client.recv(1)
    return client


@in_reactor
async def test_a_slow_client_is_not_read_ahead_for(kept: Kept) -> None:
    client = await deferToThread(unread, kept)
    reads = kept.database.reads.count
    # More than the buffers of the two sockets take.
    for number in range(40):
        await kept.lines(*(f"{number} {'x' * 30_000}" for _ in range(25)))
    assert kept.database.reads.count - reads < 40
    (connection,) = kept.door.site.connections
    transport: Any = connection.transport
    waiting = len(transport.dataBuffer) + sum(map(len, transport._tempDataBuffer))
    assert waiting < 2**20
    fast = await kept.listen(LOG)
    await kept.lines("the last")
    assert texts(await fast.messages(1)) == ["the last"]
    fast.close()

    def rest() -> bytes:
        received = bytearray()
        while b"the last" not in received[-1000:]:
            data = client.recv(2**20)
            assert data
            received += data
        return bytes(received)

    with client:
        assert (await deferToThread(rest)).count(b'"message":') == 1001


@in_reactor
async def test_a_client_that_does_not_read_does_not_hold_up_the_stop(kept: Kept) -> None:
    client = await deferToThread(unread, kept)
    for _ in range(40):
        await kept.lines(*("x" * 30_000 for _ in range(25)))
    kept.streams.stop()
    kept.door.site.begin_stop()
    await kept.door.site.drained()
    client.close()


@in_reactor
async def test_clients_that_go_away_leave_nothing(kept: Kept) -> None:
    streams = [await kept.listen(LOG), await kept.listen(EVENTS)]
    for stream in streams:
        stream.close()
    await kept.door.site.drained()
    assert kept.streams._open == set()
    assert kept.logs._feed._listeners == {}
