"""What plugins store, through a real socket and in a real database."""

from __future__ import annotations

import gzip
import struct
from socket import SO_LINGER, SOL_SOCKET, create_connection
from typing import Any

import pytest
from msgspec import json
from twisted.internet.defer import Deferred, fail

from .fakes import in_reactor, signed
from .keeping import COOKIE, Kept, listening


def decoded(body: bytes) -> Any:
    return json.decode(body)


@in_reactor
async def test_every_action(kept: Kept) -> None:
    for call, answer in (
        ({"action": "get", "key": "a", "value": None}, {"value": None}),
        ({"action": "set", "key": "a", "value": "1"}, {"value": "1"}),
        ({"action": "set", "key": "b%_\0😀", "value": "", "ttl_seconds": 60}, {"value": ""}),
        ({"action": "get", "key": "a"}, {"value": "1"}),
        ({"action": "get", "key": "b%_\0😀"}, {"value": ""}),
        ({"action": "list", "limit": 1}, {"keys": ["a"], "next": "a"}),
        ({"action": "list", "after": "a"}, {"keys": ["b%_\0😀"], "next": None}),
        ({"action": "list", "prefix": "b%"}, {"keys": ["b%_\0😀"], "next": None}),
        ({"action": "delete", "key": "a"}, {"value": None}),
        ({"action": "delete", "key": "a"}, {"value": None}),
        ({"action": "list"}, {"keys": ["b%_\0😀"], "next": None}),
    ):
        reply = await kept.kv(call)
        assert (reply.status, decoded(reply.body)) == (200, answer), call


@in_reactor
async def test_compare_and_set(kept: Kept) -> None:
    absent = {"action": "set", "key": "a", "value": "1", "expect": None}
    assert (await kept.kv(absent)).status == 200
    again = await kept.kv(absent)
    assert (again.status, again.problem["code"]) == (409, "conflict")
    assert (await kept.kv({"action": "set", "key": "a", "value": "2", "expect": "0"})).status == 409
    assert (await kept.kv({"action": "set", "key": "a", "value": "2", "expect": "1"})).status == 200


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ({"action": "set", "key": "k" * 513, "value": ""}, 413),
        ({"action": "set", "key": "k", "value": "v" * (2**20 + 1)}, 413),
        ({"action": "get"}, 400),
        ({"action": "get", "key": ""}, 400),
        ({"action": "set", "key": "k"}, 400),
        ({"action": "set", "key": "k", "value": 1}, 400),
        ({"action": "set", "key": "k", "value": "v", "ttl_seconds": 0}, 400),
        ({"action": "set", "key": "k", "value": "v", "expect": 1}, 400),
        ({"action": "list", "limit": 0}, 400),
        ({"action": "list", "limit": 1001}, 400),
        ({"action": "list", "limit": "many"}, 400),
        ({"action": "list", "prefix": "k" * 513}, 400),
        ({"action": "list", "after": "k" * 513}, 400),
        ({"action": "drop", "key": "k"}, 400),
        ({"key": "k"}, 400),
        (["get", "k"], 400),
    ],
)
@in_reactor
async def test_calls_that_cannot_be_used(kept: Kept, call: object, code: int) -> None:
    reply = await kept.kv(call)
    assert (reply.status, reply.problem["status"]) == (code, code)


@in_reactor
async def test_a_full_storage_loses_nothing(kept: Kept) -> None:
    value = "v" * 2**20
    for key in "ab":
        assert (await kept.kv({"action": "set", "key": key, "value": value})).status == 200
    reply = await kept.kv({"action": "set", "key": "c", "value": value})
    assert (reply.status, reply.problem["code"]) == (507, "quota-exceeded")
    assert decoded((await kept.kv({"action": "list"})).body)["keys"] == ["a", "b"]
    assert (await kept.kv({"action": "set", "key": "c", "value": value}, id="other")).status == 200


@in_reactor
async def test_plugins_have_their_own(kept: Kept) -> None:
    for id in ("hello", "other"):
        reply = await kept.kv({"action": "set", "key": "k", "value": id}, kept.plugin(id), as_=None, id=id)
        assert reply.status == 200
    for id in ("hello", "other"):
        reply = await kept.kv({"action": "get", "key": "k"}, kept.plugin(id), as_=None, id=id)
        assert decoded(reply.body) == {"value": id}
    foreign = await kept.kv({"action": "get", "key": "k"}, kept.plugin("other"), as_=None)
    assert foreign.status == 403


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ({"action": "set", "key": "user/7/theme", "value": "dark"}, 200),
        ({"action": "get", "key": "user/7/theme"}, 200),
        ({"action": "list", "prefix": "user/7/"}, 200),
        ({"action": "get", "key": "user/70/theme"}, 403),
        ({"action": "get", "key": "theme"}, 403),
        ({"action": "list", "prefix": "user/7"}, 403),
        ({"action": "list"}, 403),
        # What counts for a listing is its prefix, whatever key stands there.
        ({"action": "list", "key": "user/7/"}, 403),
        ({"action": "get", "key": "theme", "prefix": "user/7/"}, 403),
    ],
)
@in_reactor
async def test_clients_have_their_own_keys(kept: Kept, call: object, code: int) -> None:
    assert (await kept.kv(call, COOKIE, as_=None)).status == code


@in_reactor
async def test_others_have_no_storage(kept: Kept) -> None:
    call = {"action": "get", "key": "user/2/theme"}
    assert (await kept.kv(call, as_="client")).status == 403
    assert (await kept.kv(call, as_="monitor")).status == 403
    assert (await kept.kv(call, as_=None)).status == 401
    assert (await kept.kv(call, id="nobody")).problem["code"] == "plugin-not-found"


@in_reactor
async def test_a_database_that_fails_takes_nothing_else_with_it(kept: Kept) -> None:
    await kept.database.close()
    for reply in (
        await kept.kv({"action": "set", "key": "k", "value": "v"}),
        await kept.kv({"action": "get", "key": "k"}),
        await kept.get("/api/plugins/hello/logs"),
        await kept.get("/api/plugins/hello/logs", ("Accept", "application/x-ndjson")),
        await kept.get("/api/plugins/hello/logs/stream"),
        await kept.get("/api/events"),
        await kept.get("/api/events/stream"),
    ):
        assert (reply.status, reply.problem["code"]) == (503, "storage-unavailable")
    assert (await kept.get("/api/plugins/hello")).status == 200
    assert (await kept.get("/api/plugins/route/hello/")).body == b"hello"


@in_reactor
async def test_long_answers_are_compressed(kept: Kept) -> None:
    for value in ("v" * 1400, "v"):
        assert (await kept.kv({"action": "set", "key": "k", "value": value})).status == 200
        reply = await kept.kv({"action": "get", "key": "k"}, ("Accept-Encoding", "gzip"))
        packed = reply.header("content-encoding") == "gzip"
        assert packed == (len(value) > 1)
        assert decoded(gzip.decompress(reply.body) if packed else reply.body) == {"value": value}
        assert reply.header("cache-control") == "no-store"
        assert reply.header("content-type") == "application/json"
        assert reply.header("x-content-type-options") == "nosniff"


@in_reactor
async def test_a_fault_of_ours_is_told_as_such(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept.values, "get", lambda *_: fail(ValueError("secret")))
    reply = await kept.kv({"action": "get", "key": "k"})
    assert (reply.status, reply.problem["code"]) == (500, "internal-error")
    assert b"secret" not in reply.body


@in_reactor
async def test_who_has_gone_waits_for_nothing(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Deferred[None] = Deferred()
    given_up: Deferred[None] = Deferred()

    def get(*_: object) -> Deferred[None]:
        asked.callback(None)
        return Deferred(lambda _: given_up.callback(None))

    monkeypatch.setattr(kept.values, "get", get)
    body = b'{"action": "get", "key": "k"}'
    head = (
        f"POST /api/plugins/hello/kv HTTP/1.1\r\nHost: x\r\n{signed()}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with create_connection(("127.0.0.1", kept.door.port)) as client:
        client.sendall(head.encode() + body)
        await asked
        client.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    await given_up


@in_reactor
async def test_where_plugins_call_there_is_nothing_else(kept: Kept) -> None:
    async with listening(kept.door.site.for_plugins()) as port:
        there = kept.door._replace(port=port)
        call = json.encode({"action": "set", "key": "k", "value": "v"})
        path = "/api/plugins/hello/kv"
        assert (await there.ask("POST", path, [kept.plugin()], call, as_=None)).status == 200
        assert (await there.ask("POST", path, [kept.plugin("other")], call, as_=None)).status == 403
        assert (await there.ask("POST", path, [], call, as_="admin")).status == 403
        assert (await there.ask("POST", path, [], call, as_=None)).status == 401
        for other in ("/api/health", "/api/plugins", "/api/plugins/route/hello/", "/login", "/"):
            for who in ("admin", None):
                assert (await there.ask("GET", other, as_=who)).status == 404
