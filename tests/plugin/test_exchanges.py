"""Requests to a plugin of the kit, at its socket, whichever way its handlers wait."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugin.driver import Peer, Running, running

HANDLERS = """
import os, sys, threading, time
from toru.plugin import HTTPError, Plugin, Request, Response

plugin = Plugin(id="p", name="P", version="1", concurrency=4)
gates = {name: threading.Event() for name in "abcdef"}

@plugin.get("/wait/{name}")
def wait(request, name):
    plugin.log.info(f"waiting for {name}")
    gates[name].wait()
    return name

@plugin.get("/open/{name}")
DEF open(request, name):
    gates[name].set()
    return f"{name} is open"

@plugin.route("/echo", ("GET", "POST", "HEAD"))
DEF echo(request):
    return Response(request.body, headers={"x-one": ["1", "2"], "x-method": request.method})

@plugin.get("/fail/{how}")
DEF fail(request, how):
    if how == "exit":
        sys.exit(3)
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "stop":
        raise StopIteration
    if how == "nonsense":
        return object()
    if how == "header":
        return Response("x", headers={"x-bad": "a\\nb"})
    if how == "status":
        return Response("x", 700)
    if how == "teapot":
        raise HTTPError(418, "short and stout", {"x-spout": "yes"})
    if how == "large":
        return b"x" * (8 * 2**20 + 1)
    if how == "surrogate":
        return "\\ud800"
    raise LookupError(how)

@plugin.get("/large/{kind}")
DEF large(request, kind):
    return {"text": "ä" * 2**22, "binary": b"\\xff" * 2**23, "control": "\\x01" * 2**23, "quotes": '"' * 2**23}[kind]

@plugin.get("/nothing")
DEF nothing(request):
    return None

@plugin.post("/json")
DEF as_json(request):
    return {"given": request.json(), "query": request.query, "user": request.user}

@plugin.on_init
DEF begin():
    plugin.log.info("begun")

@plugin.on_shutdown
DEF finish():
    plugin.log.info("finished")
"""
PLAIN = HANDLERS.replace("DEF", "def") + "\nplugin.run()\n"
ASYNC = (
    HANDLERS.replace("DEF", "async def")
    + """
import asyncio

@plugin.get("/sleep")
async def sleep(request):
    plugin.log.info("sleeping")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        plugin.log.info("woken")
        raise

@plugin.get("/thread")
async def thread(request):
    plugin.log.info("in a thread")
    await asyncio.to_thread(threading.Event().wait)

@plugin.get("/fail-inside")
async def fail_inside(request):
    raise asyncio.CancelledError

plugin.run()
"""
)
TWISTED = (
    HANDLERS.replace("DEF", "def")
    .replace("def wait(", "def blocking_wait(")
    .replace("    gates[name].wait()", "    return deferToThread(lambda: gates[name].wait() and name)")
    + """
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

@plugin.get("/sleep")
def sleep(request):
    plugin.log.info("sleeping")
    def woken(failure):
        plugin.log.info("woken")
        return failure
    return Deferred().addErrback(woken)

@plugin.get("/late-sleep")
def late_sleep(request):
    plugin.log.info("not asleep yet")
    while not request.cancelled:
        pass
    return sleep(request)

plugin.run(reactor)
"""
)
PLUGINS = {"plain": PLAIN, "async": ASYNC, "twisted": TWISTED}


@pytest.fixture(scope="module", params=PLUGINS)
def plugin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("p"), PLUGINS[request.param]) as plugin:
        yield plugin


@pytest.fixture
def peer(plugin: Running) -> Iterator[Peer]:
    with plugin.connect() as peer:
        yield peer


def test_requests_are_answered_as_their_handlers_are_done(peer: Peer, plugin: Running) -> None:
    peer.ask("1", "/wait/a")
    peer.ask("2", "/wait/b")
    peer.ask("3", "/open/b")
    first = {peer.answer(), peer.answer()}
    peer.ask("4", "/open/a")

    assert first == {("3", 200, b"b is open"), ("2", 200, b"b")}
    assert {peer.answer(), peer.answer()} == {("4", 200, b"a is open"), ("1", 200, b"a")}


@pytest.mark.parametrize("kind", PLUGINS)
def test_pings_are_answered_while_every_thread_waits(tmp_path: Path, kind: str) -> None:
    with running(tmp_path, PLUGINS[kind]) as plugin, plugin.connect() as peer:
        for name in "abcdef":
            peer.ask(name, f"/wait/{name}")
        plugin.said("waiting for d")
        peer.send("lifecycle", "ping-1", {"action": "ping"})

        assert peer.heard() == {"type": "lifecycle", "request_id": "ping-1", "payload": {"action": "pong"}}


@pytest.mark.parametrize("body", ["", "text ä 😀\u2028", b"\x00\xff\xfe", b"\xff" * 2**20, "x" * 2**20])
def test_bodies_come_back_as_they_went(peer: Peer, body: str | bytes) -> None:
    peer.ask("1", "/echo", "POST", body=body)

    message = peer.heard()
    assert message is not None
    peer.ask("2", "/echo", "POST", body=body)
    assert peer.answer() == ("2", 200, body.encode() if isinstance(body, str) else body)
    assert message["payload"]["headers"] == {
        "content-type": "application/octet-stream",
        "x-one": ["1", "2"],
        "x-method": "POST",
    }


def test_an_answer_to_head_has_no_body(peer: Peer) -> None:
    peer.ask("1", "/echo", "HEAD", body="abc")
    peer.ask("2", "/nothing", "HEAD")

    assert {peer.answer(), peer.answer()} == {("1", 200, b""), ("2", 204, b"")}


@pytest.mark.parametrize("plugin", ["plain"], indirect=True)
@pytest.mark.parametrize("kind", ["text", "binary", "control", "quotes"])
def test_the_largest_bodies_fit_into_a_line(peer: Peer, kind: str) -> None:
    peer.ask("1", f"/large/{kind}")

    _, status, body = peer.answer()
    assert status == 200
    assert len(body) == 2**23


@pytest.mark.parametrize(
    ("how", "logged"),
    [
        ("exit", "SystemExit: 3"),
        ("stop", "StopIteration"),
        ("nonsense", "a handler answers with text, bytes, a Response, an iterator or what JSON can say"),
        ("header", "the header x-bad holds characters"),
        ("status", "a status is a whole number from 200 to 599; it is 700"),
        ("large", "the body has more than 8,388,608 bytes"),
        ("surrogate", "UnicodeEncodeError"),
        ("lookup", "LookupError: lookup"),
    ],
)
def test_an_error_in_a_handler_is_a_500_and_in_the_log(
    peer: Peer, plugin: Running, how: str, logged: str
) -> None:
    peer.ask("1", f"/fail/{how}")

    assert peer.answer() == ("1", 500, b"The plugin failed here; its log says why.")
    record = plugin.said(f"GET /fail/{how} failed")
    assert record["level"] == "error"
    assert logged in record["message"]
    assert "Traceback" in record["error"]
    assert "in fail" in record["error"] or how in ("nonsense", "large", "surrogate")
    peer.ask("2", "/nothing")
    assert peer.answer() == ("2", 204, b"")


def test_what_is_no_error_but_an_interruption_ends_its_request_alone(peer: Peer, plugin: Running) -> None:
    peer.ask("1", "/fail/interrupt")
    message = peer.heard()
    assert message is not None
    assert (message["type"], message["request_id"]) == ("error", "1")
    assert message["payload"] == {"message": "KeyboardInterrupt()"}
    peer.ask("2", "/nothing")
    assert peer.answer() == ("2", 204, b"")


def test_an_error_that_is_meant_for_the_client(peer: Peer, plugin: Running) -> None:
    peer.ask("1", "/fail/teapot")

    message = peer.heard()
    assert message is not None
    assert message["payload"]["status"] == 418
    assert message["payload"]["headers"] == {
        "content-type": "text/plain; charset=utf-8",
        "x-spout": "yes",
    }
    assert not [record for record in plugin.logs if "teapot" in record["message"]]


def test_what_no_route_takes(peer: Peer) -> None:
    peer.ask("1", "/else%20where?x=1")
    assert peer.answer() == ("1", 404, b"There is nothing at /else%20where")
    peer.ask("2", "/json")
    message = peer.heard()
    assert message is not None
    assert message["payload"]["status"] == 405
    assert message["payload"]["headers"]["allow"] == "POST"


def test_json_both_ways(peer: Peer) -> None:
    peer.ask("1", "/json?a=1&a=2&b=%C3%A4", "POST", body='{"x": [1, null]}')
    _, status, body = peer.answer()
    assert (status, json.loads(body)) == (
        200,
        {"given": {"x": [1, None]}, "query": {"a": "2", "b": "ä"}, "user": "ada"},
    )
    peer.ask("2", "/json", "POST", body="{")
    _, status, body = peer.answer()
    assert status == 400
    assert body.startswith(b"The body is not JSON")


def test_messages_that_mean_nothing_are_ignored(peer: Peer) -> None:
    peer.send("telepathy", "1", {"action": "think"})
    peer.send("lifecycle", None, {"action": "dance"})
    peer.send("cancel", "nobody", {})
    peer.send("websocket", "9", {"action": "message"})
    peer.socket.sendall(b'{"type": "lifecycle"}\n{"type": 7, "payload": null, "more": []}\n')
    peer.ask("1", "/nothing", unknown={"deep": True})

    assert peer.answer() == ("1", 204, b"")


def test_lines_may_come_in_pieces(peer: Peer) -> None:
    line = b'{"type":"http","request_id":"1","payload":{"method":"GET","path":"/nothing","headers":{}}}\n'
    for byte in line:
        peer.socket.sendall(bytes([byte]))
    peer.socket.sendall(line + line)

    assert [peer.answer() for _ in range(3)] == [("1", 204, b"")] * 3


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"nonsense\n", "a line is not JSON"),
        (b"[]\n", "a line is no JSON object"),
        (b"\n", "a line is not JSON"),
        (b'{"type":"http","request_id":"1"}\n', "a request lacks its method, path or headers"),
        (b'{"type":"http","payload":{}}\n', "has no `request_id`"),
        (b"[" * 100_000 + b"\n", "a line is not JSON"),
    ],
)
def test_what_is_no_message_ends_its_connection_and_no_other(
    peer: Peer, plugin: Running, line: bytes, why: str
) -> None:
    with plugin.connect() as other:
        other.socket.sendall(line)
        assert other.is_closed()

    assert why in plugin.said(why)["message"]
    peer.ask("1", "/nothing")
    assert peer.answer() == ("1", 204, b"")


def test_a_line_that_never_ends_is_not_kept(peer: Peer, plugin: Running) -> None:
    with plugin.connect() as other, pytest.raises((BrokenPipeError, ConnectionResetError)):
        other.socket.sendall(b"x" * (18 * 2**20))

    plugin.said("a line is longer than 16,777,216 bytes")
    peer.ask("1", "/nothing")
    assert peer.answer() == ("1", 204, b"")


def test_what_was_asked_is_answered_to_one_that_says_no_more(plugin: Running) -> None:
    with plugin.connect() as peer, plugin.connect() as other:
        peer.ask("1", "/wait/d")
        peer.socket.shutdown(1)
        plugin.said("waiting for d")
        other.ask("2", "/open/d")

        assert other.answer() == ("2", 200, b"d is open")
        assert peer.answer() == ("1", 200, b"d")
        assert peer.is_closed()


@pytest.mark.parametrize("plugin", ["async", "twisted"], indirect=True)
def test_a_cancelled_handler_is_interrupted(peer: Peer, plugin: Running) -> None:
    before = len([record for record in plugin.logs if record["message"] == "woken"])
    assert before == 0
    peer.ask("1", "/sleep")
    plugin.said("sleeping")
    peer.send("cancel", "1", {})
    plugin.said("woken")

    # Nothing is said to who does not wait any more, and nothing went wrong.
    peer.ask("2", "/nothing")
    assert peer.answer() == ("2", 204, b"")
    assert not [record for record in plugin.logs if "/sleep" in record["message"]]


@pytest.mark.parametrize("plugin", ["twisted"], indirect=True)
def test_a_handler_is_interrupted_that_is_given_up_before_it_returns(peer: Peer, plugin: Running) -> None:
    before = len([record for record in plugin.logs if record["message"] == "woken"])
    peer.ask("1", "/late-sleep")
    plugin.said("not asleep yet")
    peer.send("cancel", "1", {})
    plugin.said("woken", times=before + 1)


def test_a_cancelled_plain_handler_goes_on_and_is_not_heard(tmp_path: Path) -> None:
    with running(tmp_path, PLAIN) as plugin, plugin.connect() as peer, plugin.connect() as other:
        peer.ask("1", "/wait/a")
        plugin.said("waiting for a")
        peer.send("cancel", "1", {})
        peer.ask("2", "/nothing")
        assert peer.answer() == ("2", 204, b"")
        other.ask("3", "/open/a")
        assert other.answer() == ("3", 200, b"a is open")
        other.send("lifecycle", None, {"action": "shutdown", "grace_seconds": 20})

        assert plugin.ended() == 0
        assert peer.heard() is None


def test_a_request_that_is_cancelled_before_its_turn_never_begins(tmp_path: Path) -> None:
    with running(tmp_path, PLAIN) as plugin, plugin.connect() as peer, plugin.connect() as other:
        for name in "abcd":
            peer.ask(name, f"/wait/{name}")
        plugin.said("waiting for d")
        peer.ask("e", "/open/a")
        peer.send("cancel", "e", {})
        peer.send("lifecycle", "p", {"action": "ping"})
        assert peer.heard() == {"type": "lifecycle", "request_id": "p", "payload": {"action": "pong"}}
        other.send("lifecycle", None, {"action": "shutdown", "grace_seconds": 0.1})

        assert plugin.ended() == 0
        assert peer.heard() is None


@pytest.mark.parametrize("plugin", ["async"], indirect=True)
def test_a_handler_that_cancels_itself_has_failed(peer: Peer, plugin: Running) -> None:
    peer.ask("1", "/fail-inside")

    assert peer.answer()[1] == 500
    plugin.said("GET /fail-inside failed: asyncio.exceptions.CancelledError")


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("plain", "message"),
        ("plain", "SIGTERM"),
        ("plain", "SIGINT"),
        ("async", "message"),
        ("async", "SIGTERM"),
        ("twisted", "message"),
        ("twisted", "SIGTERM"),
    ],
)
def test_it_ends_when_asked_and_what_was_asked_before_is_answered(
    tmp_path: Path, kind: str, how: str
) -> None:
    with running(tmp_path, PLUGINS[kind]) as plugin, plugin.connect() as peer, plugin.connect() as other:
        assert plugin.said("begun")
        peer.ask("1", "/wait/a")
        plugin.said("waiting for a")
        other.ask("2", "/nothing")
        assert other.answer() == ("2", 204, b"")
        if how == "message":
            other.send("lifecycle", None, {"action": "shutdown", "grace_seconds": 20})
        else:
            plugin.process.send_signal(getattr(signal, how))
        other.ask("3", "/open/a")
        assert other.answer() == ("3", 200, b"a is open")
        assert peer.answer() == ("1", 200, b"a")

        assert plugin.ended() == 0
        assert not plugin.path.exists()
        assert plugin.logs[-1]["message"] == "finished"


@pytest.mark.parametrize("kind", PLUGINS)
def test_what_does_not_end_is_left_behind(tmp_path: Path, kind: str) -> None:
    with running(tmp_path, PLUGINS[kind]) as plugin, plugin.connect() as peer:
        peer.ask("1", "/wait/a")
        plugin.said("waiting for a")
        peer.send("lifecycle", None, {"action": "shutdown", "grace_seconds": 0.2})

        assert plugin.ended() == 0
        assert plugin.logs[-1]["message"] == "finished"


def test_threads_of_a_handler_s_own_are_not_waited_for(tmp_path: Path) -> None:
    with running(tmp_path, ASYNC) as plugin, plugin.connect() as peer:
        peer.ask("1", "/thread")
        plugin.said("in a thread")
        peer.send("lifecycle", None, {"action": "shutdown", "grace_seconds": 0.4})

        assert plugin.ended() == 0
        assert plugin.logs[-1]["message"] == "finished"


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_one_that_cannot_begin_says_why_and_exits(tmp_path: Path, kind: str) -> None:
    source = PLUGINS[kind].replace('log.info("begun")', 'kv.get("x")')
    with running(tmp_path, source) as plugin:
        assert plugin.ended() == 1
        record = plugin.said("The plugin cannot start: toru.plugin.kv.KVError")
        assert "There is no storage without toru: TORU_API_URL is not set" in record["message"]
        assert not plugin.path.exists()


@pytest.mark.parametrize("number", range(8))
def test_a_signal_is_heard_at_any_moment(tmp_path: Path, number: int) -> None:
    with running(tmp_path, PLAIN) as plugin:
        plugin.connect().close()
        plugin.process.send_signal(signal.SIGTERM)
        assert plugin.ended() == 0


def test_threads_that_do_not_fit_into_its_memory_are_done_without(tmp_path: Path) -> None:
    # Stacks count, used or not: about ten of them have room.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_DATA, (40 << 20, 40 << 20))"
    source = f"{limit}\n{PLAIN}".replace("concurrency=4", "concurrency=64")
    with running(tmp_path, source) as plugin, plugin.connect() as peer:
        for number in range(64):
            peer.ask(str(number), "/nothing")
        assert {peer.answer()[1] for _ in range(64)} == {204}
        for _ in range(40):
            peer.ask("w", "/wait/a")
        plugin.said("waiting for a")
        peer.send("lifecycle", "p", {"action": "ping"})
        assert peer.heard() == {"type": "lifecycle", "request_id": "p", "payload": {"action": "pong"}}


def test_one_that_cannot_listen_says_why_and_exits(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    with running(tmp_path, PLAIN) as plugin:
        assert plugin.ended() == 1
        plugin.said(f"The plugin cannot listen at {plugin.path}: Is a directory")


def test_a_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    with running(tmp_path, PLAIN) as plugin:
        with plugin.connect():
            plugin.kill()
        assert plugin.path.exists()
    with running(tmp_path, PLAIN) as plugin, plugin.connect() as peer:
        peer.ask("1", "/nothing")
        assert peer.answer() == ("1", 204, b"")
