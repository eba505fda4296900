"""ASGI and WSGI applications as plugins: Starlette and Flask, at the socket and in the test client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.plugin.driver import Peer, Running, running
from tests.plugin.test_streams import said, say
from toru.plugin import Plugin
from toru.plugin.testing import TestClient, WebSocketRefused

STARLETTE = """
import asyncio
from contextlib import asynccontextmanager
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from toru.plugin import Plugin

@asynccontextmanager
async def lifespan(app):
    print("lifespan begins", flush=True)
    yield {"colour": "blue"}
    print("lifespan ends", flush=True)

async def look(request):
    return JSONResponse({
        "url": str(request.url), "for": str(request.url_for("look", name="x y")), "name": request.path_params["name"],
        "query": dict(request.query_params), "user": request.headers["x-toru-user"],
        "colour": request.state.colour, "client": request.client and request.client.host,
    }, headers={"set-cookie": "a=1"})

async def body(request):
    return PlainTextResponse(str(len(await request.body())))

async def count(request):
    size = 0
    async for part in request.stream():
        size += len(part)
    return PlainTextResponse(str(size))

async def parts(request):
    async def produce():
        for number in range(3):
            yield f"{number}\\n"
            await asyncio.sleep(0)
    return StreamingResponse(produce(), media_type="text/plain")

async def endless(request):
    async def produce():
        try:
            while True:
                yield b"x" * 100_000
        finally:
            print("endless is closed", flush=True)
    return StreamingResponse(produce())

async def quiet(request):
    async def produce():
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            print("quiet is closed", flush=True)
    return StreamingResponse(produce())

async def later(request):
    async def task():
        print("done later", flush=True)
        raise LookupError("behind")
    return PlainTextResponse("now", background=BackgroundTask(task))

async def fail(request):
    raise LookupError("lost")

async def fail_late(request):
    async def produce():
        yield "first"
        raise LookupError("late")
    return StreamingResponse(produce())

async def talk(socket):
    if "refuse" in socket.query_params:
        await socket.close()
        return
    if "deny" in socket.query_params:
        await socket.send_denial_response(PlainTextResponse("not you", 401))
        return
    await socket.accept(subprotocol=socket.scope["subprotocols"][0] if socket.scope["subprotocols"] else None)
    try:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                print(f"gone: {message['code']}", flush=True)
                return
            if message.get("text") == "bye":
                await socket.close(4000, "as you wish")
                return
            if message.get("text") == "fail":
                raise LookupError("socket")
            if message.get("text") is not None:
                await socket.send_text(message["text"])
            else:
                await socket.send_bytes(message["bytes"])
    finally:
        pass

app = Starlette(routes=[
    Route("/look/{name}", look, name="look"), Route("/body", body, methods=["POST"]),
    Route("/count", count, methods=["POST"]), Route("/parts", parts), Route("/endless", endless),
    Route("/quiet", quiet), Route("/later", later), Route("/fail", fail), Route("/fail-late", fail_late),
    WebSocketRoute("/talk", talk),
], lifespan=lifespan)

plugin = Plugin(id="star", name="Star", version="1").asgi(app)

if __name__ == "__main__":
    plugin.run()
"""
FLASK = """
from flask import Flask, Response, jsonify, request, stream_with_context, url_for
from toru.plugin import Plugin

app = Flask(__name__)

@app.get("/look/<name>")
def look(name):
    answer = jsonify({
        "url": request.url, "for": url_for("look", name="x y", _external=True), "name": name, "query": request.args,
        "user": request.remote_user, "client": request.remote_addr,
    })
    answer.set_cookie("a", "1")
    answer.set_cookie("b", "2")
    return answer

@app.post("/body")
def body():
    return str(len(request.get_data()))

@app.post("/form")
def form():
    return jsonify(request.form)

@app.post("/count")
def count():
    size = 0
    while part := request.stream.read(10_000):
        size += len(part)
    return str(size)

@app.get("/parts")
def parts():
    def produce():
        for number in range(3):
            yield f"{number}{request.args.get('end', '')}\\n"
    return Response(stream_with_context(produce()), mimetype="text/plain")

@app.get("/endless")
def endless():
    def produce():
        try:
            while True:
                yield b"x" * 100_000
        finally:
            print("endless is closed", flush=True)
    return Response(produce())

@app.get("/fail")
def fail():
    raise LookupError("lost")

@app.get("/fail-late")
def fail_late():
    def produce():
        yield "first"
        raise LookupError("late")
    return Response(produce())

plugin = Plugin(id="flask", name="Flask", version="1").wsgi(app)

if __name__ == "__main__":
    plugin.run()
"""
APPS = {"starlette": STARLETTE, "flask": FLASK}
FORWARDED = {
    "host": "127.0.0.1:9",
    "x-forwarded-host": "toru.example",
    "x-forwarded-proto": "https",
    "x-forwarded-for": "192.0.2.7, 10.0.0.1",
    "x-forwarded-prefix": "/api/plugins/route/app",
}


@pytest.fixture(scope="module", params=APPS)
def plugin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("p"), APPS[request.param]) as plugin:
        yield plugin


@pytest.fixture
def peer(plugin: Running) -> Iterator[Peer]:
    with plugin.connect() as peer:
        yield peer


starlette = pytest.mark.parametrize("plugin", ["starlette"], indirect=True)
flask = pytest.mark.parametrize("plugin", ["flask"], indirect=True)


def test_the_application_sees_where_it_is(peer: Peer) -> None:
    peer.ask("1", "/look/a%20b?x=1", headers=FORWARDED, stream=True)
    peer.part("1", b"", final=True)
    message = peer.heard()
    assert message is not None
    payload = message["payload"]
    seen = json.loads(payload["body"])
    seen["url"], seen["for"] = unquote(seen["url"]), unquote(seen["for"])
    assert seen.pop("colour", "blue") == "blue"
    assert seen == {
        "url": "https://toru.example/api/plugins/route/app/look/a b?x=1",
        "for": "https://toru.example/api/plugins/route/app/look/x y",
        "name": "a b",
        "query": {"x": "1"},
        "user": "ada",
        "client": "192.0.2.7",
    }
    assert payload["headers"]["content-type"] == "application/json"
    assert "a=1" in str(payload["headers"]["set-cookie"])


def test_bodies_whole_and_in_parts(peer: Peer) -> None:
    peer.begin("1", "/body", "POST", b"x" * 1000, b"y" * 1000)
    assert peer.answer() == ("1", 200, b"2000")
    peer.begin("2", "/count", "POST", *[b"x" * 2**20] * 20)
    assert peer.answer() == ("2", 200, b"20971520")
    # As toru asks today: the body within the message.
    peer.ask("3", "/count", "POST", body=b"\xff" * 1000)
    assert peer.answer() == ("3", 200, b"1000")
    peer.ask("4", "/parts")
    assert peer.answer() == ("4", 200, b"0\n1\n2\n")


def test_answers_in_parts(peer: Peer, plugin: Running) -> None:
    peer.begin("1", "/parts")
    assert peer.streamed() == (200, b"0\n1\n2\n")
    with plugin.connect() as other:
        other.begin("2", "/endless")
        for _ in range(5):
            assert other.heard() is not None
    plugin.said("endless is closed")


def test_errors_of_the_application(peer: Peer, plugin: Running) -> None:
    peer.begin("1", "/nowhere")
    assert peer.answer()[:2] == ("1", 404)
    peer.begin("2", "/fail")
    assert peer.answer()[:2] == ("2", 500)
    with plugin.connect() as other:
        # With no part behind it: the plugin may have closed the connection by then.
        other.begin("3", "/fail-late", final=False)
        while (message := other.heard()) is not None:
            assert not message["payload"].get("final")
    plugin.said("GET /fail-late was broken off: LookupError: late")
    peer.begin("4", "/parts", "HEAD")
    assert peer.streamed() == (200, b"")


@flask
def test_forms_and_several_cookies(peer: Peer) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    peer.ask("1", "/form", "POST", headers=kind, body="a=1&b=%C3%A4")
    assert json.loads(peer.answer()[2]) == {"a": "1", "b": "ä"}
    peer.ask("2", "/look/x")
    message = peer.heard()
    assert message is not None
    assert len(message["payload"]["headers"]["set-cookie"]) == 2


@starlette
def test_what_is_done_after_the_answer(peer: Peer, plugin: Running) -> None:
    peer.begin("1", "/later")
    assert peer.answer() == ("1", 200, b"now")
    plugin.said("done later")
    plugin.said("GET /later failed after its answer: LookupError: behind")


@starlette
def test_an_application_that_waits_is_interrupted_when_its_client_goes(plugin: Running) -> None:
    with plugin.connect() as peer:
        peer.begin("1", "/quiet")
        assert peer.heard() is not None
        assert peer.heard() is not None
    plugin.said("quiet is closed")
    assert not [record for record in plugin.logs if "/quiet" in record["message"]]


@starlette
def test_websockets_of_an_application(peer: Peer, plugin: Running) -> None:
    opening = {"action": "open", "path": "/talk", "headers": {}, "subprotocols": ["chat"]}
    peer.send("websocket", "w", opening)
    assert said(peer) == {"type": "websocket", "action": "accept", "subprotocol": "chat"}
    for message in ("text ä", b"\x00\xff"):
        say(peer, message)
        assert said(peer)["data"] == (message.encode() if isinstance(message, str) else message)
    say(peer, "bye")
    assert said(peer) == {"type": "websocket", "action": "close", "code": 4000, "reason": "as you wish"}
    peer.send("websocket", "w", {"action": "close", "code": 4000, "reason": ""})

    peer.send("websocket", "w", {**opening, "path": "/talk?refuse"})
    assert said(peer)["status"] == 403
    peer.send("websocket", "w", {**opening, "path": "/talk?deny"})
    denied = said(peer)
    assert (denied["status"], denied["body"]) == (401, "not you")

    peer.send("websocket", "w", opening)
    assert said(peer)["action"] == "accept"
    say(peer, "fail")
    assert said(peer)["code"] == 1011
    plugin.said("GET /talk failed: LookupError: socket")
    peer.send("websocket", "w", {"action": "close", "code": 1011, "reason": ""})

    peer.send("websocket", "w", opening)
    assert said(peer)["action"] == "accept"
    peer.close()
    plugin.said("gone: 1006")


@starlette
def test_the_lifespan_is_that_of_the_plugin(tmp_path: Path, plugin: Running) -> None:
    with running(tmp_path, STARLETTE) as fresh, fresh.connect() as peer:
        fresh.said("lifespan begins")
        assert len(fresh.logs) == 1
        peer.send("lifecycle", None, {"action": "shutdown", "grace_seconds": 5})
        assert fresh.ended() == 0
        assert fresh.logs[-1]["message"] == "lifespan ends"


@starlette
def test_an_application_that_cannot_begin(tmp_path: Path, plugin: Running) -> None:
    failing = STARLETTE.replace('print("lifespan begins", flush=True)', 'raise LookupError("no database")')
    with running(tmp_path, failing) as fresh:
        assert fresh.ended() == 1
        assert "no database" in fresh.said("The plugin cannot start")["message"]


async def bare(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An ASGI application that knows of nothing but HTTP, and answers only where it is asked for `/`."""
    assert scope["type"] == "http"
    if scope["path"].endswith("/early"):
        return
    await send({"type": "http.response.start", "status": 200})
    if scope["path"].endswith("/half"):
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        return
    await send({"type": "http.response.body", "body": await_nothing(scope)})


def await_nothing(scope: dict[str, Any]) -> bytes:
    return f"{scope['root_path']} {scope['path']} {scope['raw_path'].decode()}".encode()


def test_an_application_without_more_than_http() -> None:
    plugin = Plugin(id="bare", name="B", version="1").asgi(bare)
    with TestClient(plugin) as client:
        expected = "/api/plugins/route/bare /api/plugins/route/bare/ä /api/plugins/route/bare/%C3%A4"
        assert client.get("/%C3%A4").text == expected
        assert client.get("/early").status == 500
        assert "returned without an answer" in client.logs[-1].message
        with pytest.raises(RuntimeError, match="before its answer was complete"):
            client.get("/half")
        with pytest.raises(WebSocketRefused), client.websocket("/"):
            pass


def test_routes_of_the_plugin_come_before_the_application() -> None:
    plugin = Plugin(id="bare", name="B", version="1").asgi(bare)

    @plugin.get("/own")
    def own(request: object) -> str:
        return "own"

    with TestClient(plugin) as client:
        assert client.get("/own").text == "own"
        assert client.post("/own").status == 200


def odd(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """A WSGI application that starts to answer late, writes in the old way, and may never answer."""
    if environ["PATH_INFO"] == "/never":
        return
    yield b""
    write = start_response("200 OK", [("X-Odd", "1"), ("X-Odd", "2")])
    write(b"written, ")
    yield environ["SCRIPT_NAME"].encode("latin-1") + environ["PATH_INFO"].encode("latin-1")


def test_a_wsgi_application_that_does_what_it_may() -> None:
    with TestClient(Plugin(id="odd", name="O", version="1").wsgi(odd)) as client:
        reply = client.get("/%C3%A4")
        assert reply.text == "written, /api/plugins/route/odd/ä"
        assert reply.headers == {"x-odd": ["1", "2"]}
        assert client.get("/never").status == 500
        assert "without calling start_response" in client.logs[-1].message


BARE = """
import asyncio
import sys
from toru.plugin import Plugin

async def app(scope, receive, send):
    if scope["path"] == "/leave":
        sys.exit(3)
    body, more = b"", True
    while more:
        try:
            event = await asyncio.wait_for(receive(), 0.05)
        except TimeoutError:
            print("still patient", flush=True)
        else:
            body, more = body + event["body"], event["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % len(body)})

Plugin(id="bare", name="Bare", version="1").asgi(app).run()
"""


def test_an_application_that_wants_to_exit_has_failed(tmp_path: Path) -> None:
    with running(tmp_path, BARE) as plugin, plugin.connect() as peer:
        peer.ask("1", "/leave")
        assert peer.answer()[:2] == ("1", 500)
        assert "SystemExit(3)" in plugin.said("GET /leave failed")["message"]
        peer.ask("2", "/")
        assert peer.answer() == ("2", 200, b"0")


def test_what_an_application_waits_for_too_briefly_is_not_lost(tmp_path: Path) -> None:
    with running(tmp_path, BARE) as plugin, plugin.connect() as peer:
        peer.begin("1", "/", "POST", b"x" * 1000, final=False)
        peer.send("body", "1", {"length": 300_000, "final": True}, b"x" * 1000)
        plugin.said("still patient")
        peer.socket.sendall(b"x" * 299_000)
        assert peer.answer() == ("1", 200, b"301000")
