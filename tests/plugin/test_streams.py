"""Streams and WebSockets of a plugin of the kit, at its socket, whichever way its handlers wait."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.driver import Peer, Running, running

COMMON = """
import threading
from toru.plugin import HTTPError, Plugin, Request, Response

plugin = Plugin(id="p", name="P", version="1")
gate = threading.Event()

@plugin.get("/whole")
DEF whole(request):
    return "whole"

@plugin.get("/large")
DEF large(request):
    return b"x" * (20 * 2**20)

@plugin.post("/kept")
DEF kept(request):
    return {"size": len(request.body)}

@plugin.post("/early", stream=True)
DEF early(request):
    return "enough"

@plugin.get("/broken")
DEF broken(request):
    yield "first"
    raise LookupError("lost")

@plugin.get("/wrong")
DEF wrong(request):
    yield 7

@plugin.get("/refused")
DEF refused(request):
    raise HTTPError(403, "no")
    yield

@plugin.get("/empty")
DEF empty(request):
    return
    yield

@plugin.get("/not-modified", stream=True)
DEF not_modified(request):
    return Response(numbers(request), 304)

@plugin.get("/endless")
DEF endless(request):
    try:
        while True:
            yield b"x" * 100_000
    finally:
        plugin.log.info("endless is closed")

@plugin.websocket("/fails")
DEF fails(socket):
    RECEIVE
    raise LookupError("lost")

@plugin.websocket("/interrupted")
DEF interrupted(socket):
    RECEIVE
    raise KeyboardInterrupt

@plugin.websocket("/never")
DEF never(socket):
    raise HTTPError(403, "not you")

@plugin.websocket("/unused")
DEF unused(socket):
    pass
"""
PLAIN = (
    COMMON.replace("DEF", "def").replace("RECEIVE", "socket.receive()")
    + """
@plugin.get("/numbers")
def numbers(request):
    for number in range(3):
        yield f"{number}\\n"

@plugin.post("/echo", stream=True)
def echo(request):
    return Response((part for part in request), headers={"content-type": "x/y"})

@plugin.post("/count", stream=True)
def count(request):
    size = 0
    try:
        for part in request:
            size += len(part)
    except ConnectionError as error:
        plugin.log.info(f"count saw: {error}")
        raise
    return {"size": size}

@plugin.websocket("/echo/{name}")
def talk(socket, name):
    socket.accept("b" if "b" in socket.subprotocols else None)
    socket.send(f"hello {name}")
    for message in socket:
        if message == "bye":
            socket.close(4000, "as you wish")
            return
        socket.send(message)
    plugin.log.info(f"{name} has gone")

@plugin.websocket("/flood")
def flood(socket):
    try:
        while True:
            socket.send(b"x" * 100_000)
    finally:
        plugin.log.info("flood is over")

plugin.run()
"""
)
ASYNC = (
    COMMON.replace("DEF", "async def")
    .replace("RECEIVE", "await socket.receive()")
    .replace("    return\n    yield", "    if False: yield")
    + """
import asyncio
import functools

@plugin.get("/numbers")
async def numbers(request):
    for number in range(3):
        await asyncio.sleep(0)
        yield f"{number}\\n"

@plugin.post("/echo", stream=True)
async def echo(request):
    return Response((part async for part in request), headers={"content-type": "x/y"})

@plugin.post("/count", stream=True)
async def count(request):
    size = 0
    try:
        async for part in request:
            size += len(part)
    except (ConnectionError, asyncio.CancelledError) as error:
        plugin.log.info(f"count saw: {error}")
        raise
    return {"size": size}

@plugin.websocket("/echo/{name}")
async def talk(socket, name):
    try:
        await socket.accept("b" if "b" in socket.subprotocols else None)
        await socket.send(f"hello {name}")
        async for message in socket:
            if message == "bye":
                await socket.close(4000, "as you wish")
                return
            await socket.send(message)
    except asyncio.CancelledError:
        # Not waiting for the client at that moment, it is interrupted.
        plugin.log.info(f"{name} has gone")
        raise
    plugin.log.info(f"{name} has gone")

@plugin.websocket("/flood")
async def flood(socket):
    try:
        while True:
            await socket.send(b"x" * 100_000)
    finally:
        plugin.log.info("flood is over")

@plugin.websocket("/patient")
async def patient(socket):
    await socket.accept()
    while True:
        try:
            message = await asyncio.wait_for(socket.receive(), 0.05)
        except TimeoutError:
            plugin.log.info("still patient")
        else:
            await socket.send(str(len(message)))

@plugin.websocket("/odd")
async def odd(socket):
    if socket.request.query:
        await socket.accept(object())
    try:
        await socket.receive()
    finally:
        1 / 0

def decorated(handler):
    @functools.wraps(handler)
    def outer(*args):
        return handler(*args)
    return outer

@plugin.get("/decorated")
@decorated
async def decorated_stream(request):
    yield "one"
    yield "two"

@plugin.websocket("/decorated")
@decorated
async def decorated_talk(socket):
    async for message in socket:
        await socket.send(message)

@plugin.websocket("/hasty")
async def hasty(socket):
    await socket.accept()
    try:
        await asyncio.wait_for(socket.send(b"x" * 2**22), 0.05)
    except TimeoutError:
        plugin.log.info("too slow")
    await socket.send("next")

@plugin.get("/quiet", stream=True)
async def quiet(request):
    plugin.log.info("quiet")
    yield "first"
    try:
        await asyncio.Event().wait()
    finally:
        plugin.log.info("quiet is closed")

@plugin.get("/plain")
def plain(request):
    yield "from a"
    yield " thread"

@plugin.post("/plain-echo", stream=True)
def plain_echo(request):
    return Response(iter(request))

@plugin.websocket("/plain")
def plain_talk(socket):
    for message in socket:
        socket.send(message)

plugin.run()
"""
)
PLUGINS = {"plain": PLAIN, "async": ASYNC}
TWISTED = """
from toru.plugin import Plugin, Response
from twisted.internet import reactor, threads
from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.internet.task import deferLater

plugin = Plugin(id="p", name="P", version="1")
assert threads  # it needs the reactor

@plugin.get("/numbers")
def numbers(request):
    for number in range(3):
        yield deferLater(reactor, 0, str, number)

@plugin.post("/echo", stream=True)
async def echo(request):
    return Response((part async for part in request))

@plugin.websocket("/echo")
async def talk(socket):
    async for message in socket:
        await socket.send(message)
        await deferLater(reactor, 0, reactor.seconds)

@plugin.websocket("/patient")
async def patient(socket):
    given_up = ensureDeferred(socket.receive())
    await deferLater(reactor, 0, reactor.seconds)
    given_up.cancel()
    await socket.send("gave up")
    async for message in socket:
        await socket.send(message)
        if message == "bye":
            ensureDeferred(socket.receive()).addErrback(print)
            return

@plugin.websocket("/plain")
def blocking_talk(socket):
    for message in socket:
        socket.send(message)

plugin.run(reactor)
"""


@pytest.fixture(scope="module", params=PLUGINS)
def plugin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("p"), PLUGINS[request.param]) as plugin:
        yield plugin


@pytest.fixture
def peer(plugin: Running) -> Iterator[Peer]:
    with plugin.connect() as peer:
        yield peer


def open_socket(peer: Peer, path: str, *subprotocols: str) -> dict[str, Any]:
    """Ask for a WebSocket; what came of it."""
    headers = {"x-toru-user": "ada"}
    payload = {"action": "open", "path": path, "headers": headers, "subprotocols": list(subprotocols)}
    peer.send("websocket", "w", payload)
    return said(peer)


def say(peer: Peer, message: str | bytes) -> None:
    """A message of the client's."""
    kind, data = ("text", message.encode()) if isinstance(message, str) else ("binary", message)
    peer.send("websocket", "w", {"action": "message", "kind": kind, "length": len(data)}, data)


def said(peer: Peer) -> dict[str, Any]:
    """The payload of what the plugin says next, with the data behind it."""
    message = peer.heard()
    assert message is not None
    assert message["request_id"] == "w"
    data = {"data": message["data"]} if "data" in message else {}
    payload: dict[str, Any] = message["payload"]
    return {"type": message["type"], **payload, **data}


def test_an_answer_in_parts(peer: Peer) -> None:
    for _ in range(3):
        peer.begin("1", "/numbers")
        assert peer.streamed() == (200, b"0\n1\n2\n")
    # The connection is as good as new.
    peer.ask("2", "/whole")
    assert peer.answer() == ("2", 200, b"whole")


def test_a_small_answer_to_a_stream_is_one_message(peer: Peer) -> None:
    peer.begin("1", "/whole")
    assert peer.answer() == ("1", 200, b"whole")
    peer.begin("2", "/nowhere")
    assert peer.answer()[:2] == ("2", 404)
    peer.begin("3", "/empty")
    assert peer.streamed() == (200, b"")
    peer.begin("4", "/not-modified")
    assert peer.streamed() == (304, b"")
    peer.begin("5", "/numbers", "HEAD")
    assert peer.streamed() == (200, b"")
    peer.begin("6", "/whole", "HEAD")
    assert peer.answer() == ("6", 200, b"")


def test_a_large_body_goes_in_parts_of_at_most_a_mebibyte(peer: Peer) -> None:
    peer.begin("1", "/large")
    head = peer.heard()
    assert head is not None
    assert head["payload"]["stream"] is True
    sizes = []
    while (part := peer.heard()) and not part["payload"]["final"]:
        sizes.append(len(part["data"]))
    assert sizes == [2**20] * 20


def test_parts_come_back_while_others_are_still_to_come(peer: Peer) -> None:
    peer.begin("1", "/echo", "POST", b"one", final=False)
    head = peer.heard()
    assert head is not None
    assert head["payload"] == {"status": 200, "headers": {"content-type": "x/y"}, "stream": True}
    for data in (b"one", b"two", b"\x00\n\xff" * 1000):
        if data != b"one":
            peer.part("1", data)
        part = peer.heard()
        assert part is not None
        assert part["data"] == data
    peer.part("1", b"last", final=True)
    last, final = peer.heard(), peer.heard()
    assert last is not None
    assert final is not None
    assert (last["data"], final["payload"]) == (b"last", {"length": 0, "final": True})


def test_a_long_upload_is_read_part_by_part(peer: Peer) -> None:
    peer.begin("1", "/count", "POST", *[b"x" * 2**20] * 30)
    assert peer.answer() == ("1", 200, b'{"size": 31457280}')


def test_a_route_without_streams_gets_the_whole_body_or_none(peer: Peer, plugin: Running) -> None:
    peer.begin("1", "/kept", "POST", b"x" * 100, b"y" * 100)
    assert peer.answer() == ("1", 200, b'{"size": 200}')
    with plugin.connect() as other:
        other.begin("2", "/kept", "POST", *[b"x" * 2**20] * 9, final=False)
        assert other.answer() == ("2", 413, b"The body has more than 8,388,608 bytes.")


def test_what_is_left_of_a_request_is_read_where_it_is_short(peer: Peer, plugin: Running) -> None:
    peer.begin("1", "/early", "POST", b"x" * 1000)
    assert peer.answer() == ("1", 200, b"enough")
    peer.begin("2", "/whole")
    assert peer.answer() == ("2", 200, b"whole")
    with plugin.connect() as other:
        other.begin("3", "/early", "POST", final=False)
        assert other.answer() == ("3", 200, b"enough")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            other.parts("3", [b"x" * 2**20] * 20)


def test_a_generator_has_answered_before_its_first_line(plugin: Running) -> None:
    with plugin.connect() as peer:
        peer.begin("1", "/refused")
        head = peer.heard()
        assert head is not None
        assert head["payload"]["stream"] is True
        assert peer.is_closed()


@pytest.mark.parametrize(
    ("path", "why"),
    [("/broken", "LookupError: lost"), ("/wrong", "a part of a stream is text or bytes; it is int")],
)
def test_an_error_in_the_middle_breaks_the_answer_off(plugin: Running, path: str, why: str) -> None:
    with plugin.connect() as peer:
        peer.begin("1", path)
        while (message := peer.heard()) is not None:
            assert not message["payload"].get("final")
    record = plugin.said(f"GET {path} was broken off")
    assert why in record["message"]
    assert "Traceback" in record["error"]


def test_without_a_stream_of_ours_parts_are_put_together(peer: Peer, plugin: Running) -> None:
    peer.ask("1", "/numbers")
    assert peer.answer() == ("1", 200, b"0\n1\n2\n")
    peer.ask("2", "/count", "POST", body=b"\xff" * 1000)
    assert peer.answer() == ("2", 200, b'{"size": 1000}')
    peer.ask("3", "/endless")
    assert peer.answer()[:2] == ("3", 500)
    assert "give its route stream=True" in plugin.said("GET /endless failed")["message"]


def test_a_client_that_does_not_read_holds_its_stream_back_and_no_other(plugin: Running) -> None:
    with plugin.connect() as slow, plugin.connect() as peer:
        slow.begin("1", "/endless")
        before = len([record for record in plugin.logs if record["message"] == "endless is closed"])
        for _ in range(5):
            peer.begin("2", "/numbers")
            assert peer.streamed() == (200, b"0\n1\n2\n")
        memory = Path(f"/proc/{plugin.process.pid}/statm")
        resident = int(memory.read_text().split()[1])
        peer.begin("3", "/numbers")
        assert peer.streamed()[0] == 200
        assert int(memory.read_text().split()[1]) - resident < 1000
        assert len([record for record in plugin.logs if record["message"] == "endless is closed"]) == before


def test_a_generator_is_closed_when_its_client_goes(tmp_path: Path) -> None:
    for kind, source in PLUGINS.items():
        folder = tmp_path / kind
        folder.mkdir()
        with running(folder, source) as plugin:
            with plugin.connect() as peer:
                peer.begin("1", "/endless")
                assert peer.heard() is not None
            plugin.said("endless is closed")
            with plugin.connect() as peer:
                peer.begin("1", "/numbers")
                assert peer.streamed()[0] == 200
            assert not [record for record in plugin.logs if record["level"] == "error"]


def test_an_upload_whose_client_goes_is_no_error(plugin: Running) -> None:
    with plugin.connect() as peer:
        peer.begin("1", "/count", "POST", b"x" * 100, final=False)
    plugin.said("count saw: ")
    with plugin.connect() as peer:
        peer.begin("2", "/count", "POST", b"x" * 100, final=False)
        peer.send("cancel", "2", {})
        assert peer.is_closed()
    assert not [record for record in plugin.logs if "/count" in record["message"]]


@pytest.mark.parametrize("plugin", ["async"], indirect=True)
def test_a_handler_that_waits_is_interrupted_when_its_client_goes(plugin: Running) -> None:
    with plugin.connect() as peer:
        peer.begin("1", "/quiet", final=False)
        assert peer.heard() is not None
        first = peer.heard()
        assert first is not None
        assert first["data"] == b"first"
        # The plugin has not read all that it was sent, and so cannot find the end by reading.
        peer.part("1", b"unread")
    plugin.said("quiet is closed")


@pytest.mark.parametrize("plugin", ["async"], indirect=True)
def test_plain_handlers_stream_beside_async_ones(peer: Peer) -> None:
    peer.begin("1", "/plain")
    assert peer.streamed() == (200, b"from a thread")
    peer.begin("2", "/plain-echo", "POST", b"ab", b"cd")
    assert peer.streamed() == (200, b"abcd")
    peer.send("websocket", "w", {"action": "open", "path": "/plain", "headers": {}, "subprotocols": []})
    say(peer, "beside")
    assert said(peer)["action"] == "accept"
    assert said(peer)["data"] == b"beside"


@pytest.mark.parametrize("length", [-1, 2**20 + 1, "7", None])
def test_a_part_of_an_impossible_length_ends_the_connection(plugin: Running, length: object) -> None:
    with plugin.connect() as peer:
        peer.ask("1", "/count", "POST", stream=True)
        peer.send("body", "1", {"length": length, "final": False})
        assert peer.is_closed()
    plugin.said("a length is from 0 to 1,048,576")


def test_pings_and_unknown_messages_between_parts(peer: Peer) -> None:
    peer.ask("1", "/count", "POST", stream=True)
    peer.send("lifecycle", "p", {"action": "ping"})
    peer.send("telepathy", "1", {})
    peer.part("1", b"abc", final=True)
    pong = peer.heard()
    assert pong is not None
    assert pong["payload"] == {"action": "pong"}
    assert peer.answer() == ("1", 200, b'{"size": 3}')


def test_a_websocket_from_its_opening_to_its_end(peer: Peer, plugin: Running) -> None:
    for number in range(2):
        assert open_socket(peer, "/echo/bo%62?x=1", "a", "b") == {
            "type": "websocket",
            "action": "accept",
            "subprotocol": "b",
        }
        assert said(peer)["data"] == b"hello bob"
        for message in ("text ä", b"\x00\xff", "", "x" * 2**20):
            say(peer, message)
            answer = said(peer)
            assert answer["kind"] == ("text" if isinstance(message, str) else "binary")
            assert answer.get("data", b"") == (message.encode() if isinstance(message, str) else message)
        if number == 0:
            peer.send("websocket", "w", {"action": "close", "code": 1001, "reason": "tab closed"})
            assert said(peer)["action"] == "close"
            plugin.said("bob has gone")
        else:
            say(peer, "bye")
            assert said(peer) == {
                "type": "websocket",
                "action": "close",
                "code": 4000,
                "reason": "as you wish",
            }
            peer.send("websocket", "w", {"action": "close", "code": 4000, "reason": ""})
    peer.begin("2", "/numbers")
    assert peer.streamed()[0] == 200


def test_websockets_that_are_refused(peer: Peer) -> None:
    answer = open_socket(peer, "/never")
    assert (answer["type"], answer["status"], answer["body"]) == ("http", 403, "not you")
    assert open_socket(peer, "/unused")["status"] == 403
    assert open_socket(peer, "/nowhere")["status"] == 404


def test_an_error_in_a_websocket_closes_it_with_1011(peer: Peer, plugin: Running) -> None:
    assert open_socket(peer, "/fails")["action"] == "accept"
    say(peer, "x")
    assert said(peer) == {"type": "websocket", "action": "close", "code": 1011, "reason": ""}
    record = plugin.said("GET /fails failed: LookupError: lost")
    assert "Traceback" in record["error"]


def test_an_interruption_in_a_websocket_ends_its_connection_alone(plugin: Running) -> None:
    with plugin.connect() as peer, plugin.connect() as other:
        assert open_socket(peer, "/interrupted")["action"] == "accept"
        say(peer, "x")
        assert peer.is_closed()
        other.ask("1", "/whole")
        assert other.answer() == ("1", 200, b"whole")


def test_a_websocket_whose_client_just_goes(plugin: Running) -> None:
    with plugin.connect() as peer:
        open_socket(peer, "/echo/carol")
        assert said(peer)["data"] == b"hello carol"
    plugin.said("carol has gone")
    with plugin.connect() as peer:
        open_socket(peer, "/flood")
    plugin.said("flood is over")
    assert not [record for record in plugin.logs if "/flood" in record["message"]]


def test_one_that_says_no_more_is_still_answered(plugin: Running) -> None:
    with plugin.connect() as peer:
        peer.begin("1", "/echo", "POST", b"all")
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.streamed() == (200, b"all")


def test_streams_on_twisted(tmp_path: Path) -> None:
    with running(tmp_path, TWISTED) as plugin, plugin.connect() as peer:
        peer.begin("1", "/numbers")
        assert peer.streamed() == (200, b"012")
        peer.begin("2", "/echo", "POST", b"ab", b"cd")
        assert peer.streamed() == (200, b"abcd")
        peer.send("websocket", "w", {"action": "open", "path": "/echo", "headers": {}, "subprotocols": []})
        say(peer, "hi")
        assert said(peer)["action"] == "accept"
        assert said(peer)["data"] == b"hi"
        peer.send("websocket", "w", {"action": "close", "code": 1000, "reason": ""})
        assert said(peer)["action"] == "close"
        # What was given up takes no message with it, and ends with its handler.
        assert open_socket(peer, "/patient")["action"] == "accept"
        assert said(peer)["data"] == b"gave up"
        for word in ("one", "two", "bye"):
            say(peer, word)
            assert said(peer)["data"] == word.encode()
        assert said(peer)["action"] == "close"
        peer.send("websocket", "w", {"action": "close", "code": 1000, "reason": ""})
        peer.begin("3", "/numbers")
        assert peer.streamed() == (200, b"012")


@pytest.mark.parametrize("plugin", ["async"], indirect=True)
def test_a_message_that_was_waited_for_too_briefly_is_not_lost(peer: Peer, plugin: Running) -> None:
    assert open_socket(peer, "/patient")["action"] == "accept"
    payload = {"action": "message", "length": 300_000, "kind": "binary"}
    peer.send("websocket", "w", payload, b"x" * 1000)
    plugin.said("still patient")
    peer.socket.sendall(b"x" * 299_000)
    assert said(peer)["data"] == b"300000"
    say(peer, "bye")
    assert said(peer)["data"] == b"3"


@pytest.mark.parametrize("plugin", ["async"], indirect=True)
def test_a_message_that_is_given_up_is_sent_all_the_same(peer: Peer, plugin: Running) -> None:
    assert open_socket(peer, "/hasty")["action"] == "accept"
    plugin.said("too slow")
    assert said(peer)["data"] == b"x" * 2**22
    assert said(peer)["data"] == b"next"


@pytest.mark.parametrize("plugin", ["async"], indirect=True)
def test_a_websocket_that_went_wrong_is_told_so_unless_its_client_has_said_goodbye(
    peer: Peer, plugin: Running
) -> None:
    # What could not be said was not accepted.
    assert open_socket(peer, "/odd?sub")["status"] == 500
    assert open_socket(peer, "/odd")["action"] == "accept"
    peer.send("websocket", "w", {"action": "close", "code": 1000, "reason": ""})
    assert said(peer)["code"] == 1000
    plugin.said("division by zero")


@pytest.mark.parametrize("plugin", ["async"], indirect=True)
def test_handlers_that_are_decorated(peer: Peer, plugin: Running) -> None:
    peer.begin("1", "/decorated")
    assert peer.streamed() == (200, b"onetwo")
    assert open_socket(peer, "/decorated")["action"] == "accept"
    say(peer, "hi")
    assert said(peer)["data"] == b"hi"


def test_plain_websockets_take_no_thread_from_others(tmp_path: Path) -> None:
    source = ASYNC.replace('version="1"', 'version="1", concurrency=1')
    with running(tmp_path, source) as plugin, plugin.connect() as one, plugin.connect() as other:
        for peer in (one, other):
            assert open_socket(peer, "/plain")["action"] == "accept"
        with plugin.connect() as third:
            third.begin("1", "/plain")
            assert third.streamed() == (200, b"from a thread")
        for peer in (other, one):
            say(peer, "hi")
            assert said(peer)["data"] == b"hi"


def test_any_number_of_websockets_on_twisted(tmp_path: Path) -> None:
    source = TWISTED.replace('version="1"', 'version="1", concurrency=1')
    with running(tmp_path, source) as plugin, plugin.connect() as one, plugin.connect() as other:
        for peer in (one, other):
            assert open_socket(peer, "/echo")["action"] == "accept"
        for peer in (other, one):
            say(peer, "hi")
            assert said(peer)["data"] == b"hi"


def test_what_would_block_the_reactor_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, TWISTED) as plugin, plugin.connect() as peer:
        assert open_socket(peer, "/plain")["status"] == 500
        assert "await it in an `async` handler" in plugin.said("GET /plain failed")["message"]
        peer.begin("1", "/numbers")
        assert peer.streamed() == (200, b"012")
