"""The client that authors test their plugins with, on plugins that wait in each of the three ways."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThread

from toru.plugin import (
    AsyncWebSocket,
    HTTPError,
    KVConflict,
    Plugin,
    Request,
    Response,
    WebSocket,
    WebSocketClosed,
)
from toru.plugin.testing import TestClient, WebSocketRefused


def make(name: str = "p") -> Plugin:
    return Plugin(id=name, name=name, version="1")


def plain() -> Plugin:
    plugin = make()

    @plugin.route("/echo", ("GET", "POST", "PUT", "PATCH", "DELETE"))
    def echo(request: Request) -> object:
        shown = {name: request.headers.get(name) for name in ("x-own", "content-type")}
        return {"method": request.method, "body": request.text(), "query": request.query, **shown}

    @plugin.get("/who")
    def who(request: Request) -> object:
        return f"{request.user} {request.role} {request.prefix}"

    @plugin.get("/fail")
    def fail(request: Request) -> object:
        raise LookupError("lost")

    @plugin.get("/kept")
    def kept(request: Request) -> object:
        plugin.kv.set("count", str(int(plugin.kv.get("count") or 0) + 1))
        plugin.log.info("kept", count=plugin.kv.get("count"))
        return plugin.kv.get("count")

    return plugin


def streaming() -> Plugin:
    plugin = make()

    @plugin.get("/numbers")
    def numbers(request: Request) -> Iterator[str]:
        try:
            for number in range(1000):
                yield f"{number},"
        finally:
            plugin.log.info("closed")

    @plugin.post("/upper", stream=True)
    def upper(request: Request) -> Response:
        return Response(part.upper() for part in request)

    @plugin.post("/size")
    def size(request: Request) -> int:
        return len(request.body)

    @plugin.get("/broken")
    def broken(request: Request) -> Iterator[str]:
        yield "first"
        raise LookupError("lost")

    @plugin.websocket("/talk")
    def talk(socket: WebSocket) -> None:
        if socket.request.query.get("no"):
            raise HTTPError(403, "not you")
        socket.accept(socket.subprotocols[-1] if socket.subprotocols else None)
        for message in socket:
            if message == "bye":
                socket.close(4000, "as you wish")
            elif message == "fail":
                raise LookupError("lost")
            else:
                socket.send(message)

    return plugin


def asynchronous() -> Plugin:
    plugin = make()

    @plugin.on_init
    async def begin() -> None:
        await asyncio.sleep(0)
        plugin.log.info("begun")

    @plugin.on_shutdown
    async def finish() -> None:
        plugin.log.info("finished")

    @plugin.get("/numbers")
    async def numbers(request: Request) -> AsyncIterator[str]:
        try:
            for number in range(1000):
                await asyncio.sleep(0)
                yield f"{number},"
        finally:
            plugin.log.info("closed")

    @plugin.post("/upper", stream=True)
    async def upper(request: Request) -> Response:
        return Response(part.upper() async for part in request)

    @plugin.post("/size")
    async def size(request: Request) -> int:
        return len(request.body)

    @plugin.get("/broken")
    async def broken(request: Request) -> AsyncIterator[str]:
        yield "first"
        raise LookupError("lost")

    @plugin.get("/kept")
    async def kept(request: Request) -> object:
        await plugin.async_kv.set("colour", "blue", expect=None)
        await plugin.async_kv.set("gone", "x")
        await plugin.async_kv.delete("gone")
        return [await plugin.async_kv.get("colour"), await plugin.async_kv.keys("c")]

    @plugin.get("/wrong")
    async def wrong(request: Request) -> object:
        return list(request)

    @plugin.post("/wrong", stream=True)
    async def wrong_stream(request: Request) -> object:
        return list(request)

    @plugin.websocket("/talk")
    async def talk(socket: AsyncWebSocket) -> None:
        if socket.request.query.get("no"):
            raise HTTPError(403, "not you")
        await socket.accept(socket.subprotocols[-1] if socket.subprotocols else None)
        async for message in socket:
            if message == "bye":
                await socket.close(4000, "as you wish")
            elif message == "fail":
                raise LookupError("lost")
            else:
                await socket.send(message)

    return plugin


def test_requests_of_every_kind() -> None:
    with TestClient(plain()) as client:
        for method in ("get", "post", "put", "patch", "delete"):
            reply = getattr(client, method)("/echo", query={"a": "ä b"}, headers={"X-Own": "y"}, body="text")
            assert reply.json() == {
                "method": method.upper(),
                "body": "text",
                "query": {"a": "ä b"},
                "x-own": "y",
                "content-type": None,
            }
        reply = client.post("/echo", json={"a": None})
        assert (reply.json()["body"], reply.json()["content-type"]) == ('{"a": null}', "application/json")
        assert client.post("/echo", body=[b"a", b"b"]).json()["body"] == "ab"
        assert client.request("HEAD", "/echo").body == b""
        assert client.get("/who").text == "ada admin /api/plugins/route/p"
        assert client.get("/nothing").status == 404


def test_who_asks() -> None:
    with TestClient(plain(), user="bob", role="client") as client:
        assert client.get("/who").text == "bob client /api/plugins/route/p"


def test_an_error_is_a_500_and_in_the_log() -> None:
    with TestClient(plain()) as client:
        assert client.get("/fail").status == 500
        (record,) = client.logs
        assert (record.level, record.message) == ("error", "GET /fail failed: LookupError: lost")
        assert "in fail" in record.fields["error"]


def test_storage_and_log_are_new_for_each_client() -> None:
    plugin = plain()
    for _ in range(2):
        with TestClient(plugin) as client:
            client.kv["other"] = "x"
            assert [client.get("/kept").text for _ in range(2)] == ["1", "2"]
            assert client.kv == {"count": "2", "other": "x"}
            assert [record.fields for record in client.logs] == [{"count": "1"}, {"count": "2"}]


@pytest.mark.parametrize("make", [streaming, asynchronous])
def test_streams(make: Any) -> None:
    with TestClient(make()) as client:
        assert client.get("/numbers").text == "".join(f"{number}," for number in range(1000))
        assert client.post("/upper", body=[b"ab", b"", b"c"]).body == b"ABC"
        assert client.post("/size", body=b"x" * 8 * 2**20).json() == 8 * 2**20
        assert client.post("/size", body=b"x" * (8 * 2**20 + 1)).status == 413
        with client.stream("GET", "/numbers") as reply:
            assert next(iter(reply)) == b"0,"
            assert reply.headers["content-type"] == "application/octet-stream"
        assert [record.message for record in client.logs if record.message == "closed"] == ["closed"] * 2
        with pytest.raises(LookupError, match="lost"):
            client.get("/broken")


@pytest.mark.parametrize("make", [streaming, asynchronous])
def test_websockets(make: Any) -> None:
    with TestClient(make()) as client:
        with client.websocket("/talk", subprotocols=["a", "b"]) as socket:
            assert socket.subprotocol == "b"
            for message in ("text", b"\xff"):
                socket.send(message)
                assert socket.receive() == message
        with client.websocket("/talk") as socket:
            assert socket.subprotocol is None
            socket.send("bye")
            with pytest.raises(WebSocketClosed) as closed:
                socket.receive()
            assert (closed.value.code, closed.value.reason) == (4000, "as you wish")
            assert list(socket) == []
        with client.websocket("/talk") as socket:
            socket.send("fail")
            with pytest.raises(WebSocketClosed) as closed:
                socket.receive()
            assert closed.value.code == 1011
            assert client.logs[-1].message == "GET /talk failed: LookupError: lost"
        with pytest.raises(WebSocketRefused) as refused, client.websocket("/talk", query={"no": "1"}):
            pass
        assert (refused.value.reply.status, refused.value.reply.text) == (403, "not you")
        with pytest.raises(WebSocketRefused) as refused, client.websocket("/nothing"):
            pass
        assert refused.value.reply.status == 404


def test_hooks_and_storage_of_async_plugins() -> None:
    plugin = asynchronous()
    with TestClient(plugin) as client:
        assert [record.message for record in client.logs] == ["begun"]
        assert client.get("/kept").json() == ["blue", ["colour"]]
    assert [record.message for record in client.logs] == ["begun", "finished"]
    with pytest.raises(RuntimeError, match="async_kv works once the plugin runs"):
        plugin.async_kv.get("a")


def test_waiting_in_the_wrong_way_is_an_error_and_no_deadlock() -> None:
    with TestClient(asynchronous()) as client:
        assert client.post("/wrong", body=b"x").status == 500
        assert "an `async` handler has to await this" in client.logs[-1].message


def test_a_hook_that_fails_is_what_the_test_sees() -> None:
    plugin = make()

    @plugin.on_init
    def begin() -> None:
        raise LookupError("no database")

    with pytest.raises(LookupError, match="no database"), TestClient(plugin):
        pass


def test_a_plain_plugin_does_not_wait_for_what_has_to_be_awaited() -> None:
    plugin = make()

    @plugin.get("/deferred")
    def deferred(request: Request) -> object:
        return succeed(1)

    @plugin.get("/coroutine")
    def coroutine(request: Request) -> object:
        async def later() -> None:
            pass

        waiting = later()
        waiting.close()
        return waiting

    @plugin.get("/iterator")
    def iterator(request: Request) -> object:
        async def later() -> AsyncIterator[str]:
            yield ""

        return Response(later())

    with TestClient(plugin) as client:
        assert client.get("/deferred").status == 500
        assert "start the plugin with plugin.run(reactor)" in client.logs[-1].message
        assert client.get("/coroutine").status == 500
        assert "write it with `async def`" in client.logs[-1].message
        assert client.get("/iterator").status == 500
        assert "write it with `async def`" in client.logs[-1].message


def test_a_message_that_was_waited_for_too_briefly_is_not_lost() -> None:
    plugin = make()

    @plugin.websocket("/")
    async def talk(socket: AsyncWebSocket) -> None:
        await socket.accept()
        try:
            await asyncio.wait_for(socket.receive(), 0.01)
        except TimeoutError:
            await socket.send("nothing yet")
        await socket.send(await socket.receive())

    with TestClient(plugin) as client, client.websocket("/") as socket:
        assert socket.receive() == "nothing yet"
        socket.send("late")
        assert socket.receive() == "late"


def test_of_those_who_expect_the_same_value_one_stores() -> None:
    class Slow(str):
        """So that the others come in between."""

        __hash__ = str.__hash__

        def __ne__(self, other: object) -> bool:
            threading.Event().wait(0.02)
            return str(self) != other

    plugin = make()
    outcomes: list[str] = []

    def store(value: str) -> None:
        try:
            plugin.kv.set("turn", value, expect=Slow("nobody"))
        except KVConflict:
            outcomes.append("too late")
        else:
            outcomes.append(value)

    with TestClient(plugin) as client:
        client.kv["turn"] = "nobody"
        threads = [threading.Thread(target=store, args=(value,)) for value in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == sorted([client.kv["turn"], "too late"])


async def _on_twisted() -> None:
    plugin, clock = make(), IReactorTime(reactor)
    waiting: Deferred[str] = Deferred()

    @plugin.get("/plain")
    def plain(request: Request) -> object:
        return str(threading.current_thread() is threading.main_thread())

    @plugin.get("/deferred")
    def deferred(request: Request) -> object:
        clock.callLater(0, waiting.callback, "later")
        return waiting

    @plugin.get("/awaited")
    async def awaited(request: Request) -> object:
        await plugin.async_kv.set("colour", "blue")
        return await plugin.async_kv.get("colour")

    @plugin.get("/fail")
    async def fail(request: Request) -> object:
        raise LookupError("lost")

    @plugin.websocket("/talk")
    async def talk(socket: AsyncWebSocket) -> None:
        async for message in socket:
            await socket.send(message)

    def run() -> tuple[list[object], list[str]]:
        with TestClient(plugin, reactor) as client:
            texts = [client.get(path).text for path in ("/plain", "/deferred", "/awaited")]
            with client.websocket("/talk") as socket:
                socket.send("hello")
                said = socket.receive()
            status = client.get("/fail").status
            return [*texts, said, status], [record.fields["error"] for record in client.logs]

    found, errors = await deferToThread(run)

    assert found == ["True", "later", "blue", "hello", 500]
    (error,) = errors
    assert "in fail" in error


test_a_plugin_on_twisted = pytest_twisted.ensureDeferred(_on_twisted)


def test_an_asgi_application_does_not_run_on_twisted() -> None:
    with pytest.raises(RuntimeError, match="runs on asyncio"):
        TestClient(make().asgi(print), reactor)
