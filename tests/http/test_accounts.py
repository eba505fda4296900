"""Signing in and out, client accounts and API tokens, against a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_twisted
from argon2 import profiles
from msgspec import json
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.threads import deferToThread

from toru.access.admin import settle_admin
from toru.access.doors import Doors
from toru.access.passwords import Hasher, Passwords
from toru.access.secret import PluginTokens
from toru.http.site import make_site
from toru.store.accounts import Accounts
from toru.store.accounttable import AdminAccount, read_keys
from toru.store.database import Database

from .fakes import Door, FakePlugins, Reply, in_reactor, status, unrecorded

ROOT = {"username": "root", "password": "Correct-h0rse"}
ANN = {"username": "ann", "password": "Battery-5taple"}
MIB = 2**20


async def _house(tmp_path: Path) -> AsyncIterator[Door]:
    plugins = FakePlugins(status("hello", problem="line 3 of /secret", pid=1))
    database = Database(f"sqlite:///{tmp_path}/toru.db", reactor)
    database.open()
    accounts, hasher = Accounts(database, reactor), Hasher(profiles.CHEAPEST)
    passwords = Passwords(cast(Any, reactor), hasher)
    doors = Doors(reactor, accounts, passwords, PluginTokens())
    database.at_start(
        lambda connection: settle_admin(AdminAccount(connection, 0.0), hasher, "root", "Correct-h0rse")
    )
    passwords.start()
    doors.start(database.at_start(lambda connection: read_keys(connection, 0.0)), [])
    site = make_site(
        reactor,
        plugins,
        plugins_folder=tmp_path,
        max_body_bytes=MIB,
        trusted_proxies=[ip_network("127.0.0.0/8")],
        in_thread=deferToThread,
        doors=doors,
        accounts=accounts,
        **unrecorded(reactor),
    )
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(site)
    yield Door(plugins, site, tmp_path, port.getHost().port)
    site.begin_stop()
    await site.drained()
    await port.stopListening()
    doors.stop()
    passwords.stop()
    await database.close()


# Called and not used as a decorator: it has no types.
house = pytest_twisted.async_yield_fixture(name="house")(_house)


async def call(
    house: Door, method: str, path: str, body: object = None, headers: Sequence[tuple[str, str]] = ()
) -> Reply:
    """One call by who the headers say, with a JSON body where there is one."""
    sent = b"" if body is None else json.encode(body)
    return await house.ask(method, path, headers, sent, as_=None)


async def entered(house: Door, who: dict[str, str]) -> list[tuple[str, str]]:
    """The headers of somebody who signed in."""
    reply = await call(house, "POST", "/api/auth/login", who)
    assert reply.status == 200
    return [("Cookie", str(reply.header("set-cookie")).partition(";")[0])]


async def with_ann(house: Door) -> tuple[list[tuple[str, str]], str]:
    """The admin's headers, and the id of a client account."""
    root = await entered(house, ROOT)
    made = await call(house, "POST", "/api/users", {**ANN, "display_name": "Ann"}, root)
    assert made.status == 201
    return root, data(made)["id"]


def data(reply: Reply) -> Any:
    assert reply.header("content-type") == "application/json"
    return json.decode(reply.body)


# -- signing in and out


@pytest.mark.parametrize("proto", ["http", "https"])
@in_reactor
async def test_signing_in(house: Door, proto: str) -> None:
    reply = await call(house, "POST", "/api/auth/login", ROOT, [("X-Forwarded-Proto", proto)])
    user = data(reply)["user"]
    assert data(reply) == {"success": True, "user": user}
    assert (user["username"], user["role"], user["display_name"]) == ("root", "admin", "root")
    value, *attributes = str(reply.header("set-cookie")).split("; ")
    assert value.startswith("toru_session=")
    secure = ["Secure"] if proto == "https" else []
    assert attributes == ["Path=/", "Max-Age=604800", "HttpOnly", "SameSite=Lax", *secure]
    me = await call(house, "GET", "/api/auth/me", headers=[("Cookie", f"a=b;{value} ;c")])
    assert data(me) == {"authenticated": True, "user": user}


@in_reactor
async def test_nobody(house: Door) -> None:
    for headers in ([], [("Cookie", "toru_session=x")], [("Authorization", "Bearer toru_x")]):
        assert data(await call(house, "GET", "/api/auth/me", headers=headers)) == {
            "authenticated": False,
            "user": None,
        }
        reply = await call(house, "GET", "/api/plugins", headers=headers)
        assert (reply.status, reply.problem["code"]) == (401, "unauthenticated")


@in_reactor
async def test_a_wrong_name_and_a_wrong_password_are_told_alike(house: Door) -> None:
    wrong = [{**ROOT, "password": "x"}, {**ROOT, "username": "nobody"}, {"username": "\0", "password": ""}]
    replies = [await call(house, "POST", "/api/auth/login", each) for each in wrong]
    assert {(reply.status, reply.body) for reply in replies} == {(401, replies[0].body)}
    assert replies[0].problem["code"] == "wrong-credentials"
    assert all(reply.header("set-cookie") is None for reply in replies)


@in_reactor
async def test_the_third_failure_makes_one_wait(house: Door) -> None:
    here = [("X-Forwarded-For", "192.0.2.1")]
    for _ in range(3):
        await call(house, "POST", "/api/auth/login", {**ROOT, "password": "x"}, here)
    reply = await call(house, "POST", "/api/auth/login", ROOT, here)
    assert (reply.status, reply.problem["code"]) == (429, "too-many-failures")
    assert 0 < int(str(reply.header("retry-after"))) <= 60
    elsewhere = [("X-Forwarded-For", "198.51.100.7, 127.0.0.9")]
    assert (await call(house, "POST", "/api/auth/login", ROOT, elsewhere)).status == 200
    root = await entered(house, ROOT)
    history = data(await call(house, "GET", "/api/auth/login-history?page_size=3&page=", headers=root))
    assert (history["total"], history["page"], history["page_size"]) == (5, 0, 3)
    shown = [(each["username"], each["address"], each["success"]) for each in history["attempts"]]
    assert shown == [
        ("root", "127.0.0.1", True),
        ("root", "198.51.100.7", True),
        ("root", "192.0.2.1", False),
    ]


@in_reactor
async def test_signing_out(house: Door) -> None:
    root = await entered(house, ROOT)
    reply = await call(house, "POST", "/api/auth/logout", headers=root)
    assert data(reply) == {"success": True}
    assert reply.header("set-cookie") == "toru_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
    assert (await call(house, "GET", "/api/plugins", headers=root)).status == 401
    assert (await call(house, "POST", "/api/auth/logout")).status == 200


@in_reactor
async def test_a_page_of_another_origin(house: Door) -> None:
    root = await entered(house, ROOT)
    for foreign in (("Origin", "https://evil.test"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")):
        for path in ("/api/plugins/rescan", "/api/auth/logout", "/api/plugins/route/hello"):
            reply = await call(house, "POST", path, headers=[*root, foreign])
            assert (reply.status, reply.problem["code"]) == (403, "forbidden")
        assert (await call(house, "POST", "/api/auth/login", ROOT, [foreign])).status == 403
        assert (await call(house, "GET", "/api/plugins", headers=[*root, foreign])).status == 200
    assert house.plugins.calls == []
    own = [*root, ("Origin", "http://toru.test:3000"), ("Sec-Fetch-Site", "same-origin")]
    assert (await call(house, "POST", "/api/plugins/rescan", headers=own)).status == 200
    outside = [*root, ("Origin", "https://outside.test"), ("X-Forwarded-Host", "outside.test")]
    assert (await call(house, "POST", "/api/plugins/rescan", headers=outside)).status == 200


@in_reactor
async def test_a_good_session_behind_a_bad_one(house: Door) -> None:
    [(_, cookie)] = await entered(house, ROOT)
    sent = [("Cookie", f"toru_session=planted; {cookie}")]
    assert (await call(house, "GET", "/api/plugins", headers=sent)).status == 200
    await call(house, "POST", "/api/auth/logout", headers=sent)
    assert (await call(house, "GET", "/api/plugins", headers=sent)).status == 401


# -- client accounts


@in_reactor
async def test_an_account_from_its_first_day_to_its_last(house: Door) -> None:
    root, id = await with_ann(house)
    account = data(await call(house, "GET", f"/api/users/{id}", headers=root))
    expected = {"id": id, "username": "ann", "display_name": "Ann", "role": "client", "active": True}
    assert account == {**expected, "created_at": account["created_at"]}
    assert data(await call(house, "GET", "/api/users", headers=root)) == [account]
    ann = await entered(house, ANN)
    renamed = await call(house, "PUT", f"/api/users/{id}", {"display_name": "Anna"}, root)
    assert data(renamed) == {**account, "display_name": "Anna"}
    assert data(await call(house, "GET", "/api/auth/me", headers=ann))["user"]["display_name"] == "Anna"
    off = await call(house, "PUT", f"/api/users/{id}", {"active": False, "display_name": None}, root)
    assert data(off) == {**account, "display_name": "Anna", "active": False}
    assert (await call(house, "GET", "/api/plugins", headers=ann)).status == 401
    assert (await call(house, "POST", "/api/auth/login", ANN)).status == 401
    assert data(await call(house, "DELETE", f"/api/users/{id}", headers=root)) == {"success": True}
    for method, body in (("GET", None), ("DELETE", None), ("PUT", {})):
        gone = await call(house, method, f"/api/users/{id}", body, root)
        assert (gone.status, gone.problem["code"]) == (404, "user-not-found")


@in_reactor
async def test_passwords(house: Door) -> None:
    root, id = await with_ann(house)
    ann, also_ann = await entered(house, ANN), await entered(house, ANN)
    own = {"current_password": ANN["password"], "new_password": "New-passw0rd"}
    wrong = await call(house, "PUT", "/api/me/password", {**own, "current_password": "x"}, ann)
    assert (wrong.status, wrong.problem["code"]) == (403, "wrong-password")
    weak = await call(house, "PUT", "/api/me/password", {**own, "new_password": "weak"}, ann)
    assert (weak.status, weak.problem["code"]) == (400, "weak-password")
    assert "an upper-case letter" in weak.problem["detail"]
    assert data(await call(house, "PUT", "/api/me/password", own, ann)) == {"success": True}
    assert (await call(house, "GET", "/api/plugins", headers=ann)).status == 200
    assert (await call(house, "GET", "/api/plugins", headers=also_ann)).status == 401
    reset = {"password": "Reset-passw0rd"}
    assert data(await call(house, "PUT", f"/api/users/{id}/password", reset, root)) == {"success": True}
    assert (await call(house, "GET", "/api/plugins", headers=ann)).status == 401
    await entered(house, {**ANN, **reset})


@pytest.mark.parametrize(
    ("changes", "code", "word"),
    [
        ({"username": "Ann"}, 409, "user-exists"),
        ({"username": "root"}, 409, "user-exists"),
        ({"username": "a b"}, 400, "bad-request"),
        ({"username": "bob", "password": "Short-1"}, 400, "weak-password"),
        ({"username": "bob", "display_name": ""}, 400, "bad-request"),
        ({"username": 3}, 400, "bad-request"),
    ],
)
@in_reactor
async def test_an_account_that_cannot_be(house: Door, changes: dict[str, Any], code: int, word: str) -> None:
    root, _ = await with_ann(house)
    reply = await call(house, "POST", "/api/users", {**ANN, **changes}, root)
    assert (reply.status, reply.problem["code"]) == (code, word)
    assert ANN["password"].encode() not in reply.body


# -- API tokens, and what clients and monitors see


@pytest.mark.parametrize("role", ["admin", "client", "monitor"])
@in_reactor
async def test_a_token(house: Door, role: str) -> None:
    root = await entered(house, ROOT)
    made = await call(house, "POST", "/api/tokens", {"name": "a script", "role": role}, root)
    assert made.status == 201
    token = data(made)
    assert token["token"].startswith("toru_")
    listed = data(await call(house, "GET", "/api/tokens", headers=root))
    assert listed == [{name: value for name, value in token.items() if name != "token"}]
    bearer = [("Authorization", f"bearer {token['token']}")]
    me = data(await call(house, "GET", "/api/auth/me", headers=bearer))["user"]
    assert (me["username"], me["role"]) == ("a script", role)
    [plugin] = data(await call(house, "GET", "/api/plugins", headers=bearer))
    hidden = {"pid", "socket_path", "last_exit", "usage"} - plugin.keys()
    assert bool(hidden) == (role != "admin")
    assert hidden in (set(), {"pid", "socket_path", "last_exit", "usage"})
    assert ("/secret" in plugin["problem"]) == (role == "admin")
    own = {"current_password": ROOT["password"], "new_password": "New-passw0rd"}
    assert (await call(house, "PUT", "/api/me/password", own, bearer)).status == 403
    assert data(await call(house, "DELETE", f"/api/tokens/{token['id']}", headers=root)) == {"success": True}
    assert (await call(house, "GET", "/api/plugins", headers=bearer)).status == 401
    again = await call(house, "DELETE", f"/api/tokens/{token['id']}", headers=root)
    assert (again.status, again.problem["code"]) == (404, "token-not-found")


@in_reactor
async def test_a_problem_that_there_is_not(house: Door) -> None:
    _, _ = await with_ann(house)
    ann = await entered(house, ANN)
    house.plugins.statuses["hello"] = status("hello")
    assert data(await call(house, "GET", "/api/plugins/hello", headers=ann))["problem"] is None


@pytest.mark.parametrize(
    "wish", [{"name": "x", "role": "plugin"}, {"name": "", "role": "admin"}, {"name": "x"}]
)
@in_reactor
async def test_a_token_that_cannot_be(house: Door, wish: dict[str, str]) -> None:
    reply = await call(house, "POST", "/api/tokens", wish, await entered(house, ROOT))
    assert (reply.status, reply.problem["code"]) == (400, "bad-request")


# -- credentials and plugins


@in_reactor
async def test_no_credential_of_ours_reaches_a_plugin(house: Door) -> None:
    root, _ = await with_ann(house)
    made = await call(house, "POST", "/api/tokens", {"name": "script", "role": "client"}, root)
    bearer = ("Authorization", f"Bearer {data(made)['token']}")
    [cookie] = await entered(house, ANN)
    theirs = ("Authorization", "Basic eDp5")
    route = "/api/plugins/route/hello"
    for headers in ([bearer, ("X-Toru-User", "root"), ("X_Toru_Role", "admin")], [cookie], [cookie, theirs]):
        assert (await call(house, "GET", route, headers=headers)).status == 200
    by_token, by_cookie, with_theirs = [request.headers for request in house.plugins.requests]
    assert (by_token["x-toru-user"], by_token["x-toru-role"]) == ("script", "client")
    assert (by_cookie["x-toru-user"], by_cookie["x-toru-role"]) == ("ann", "client")
    for headers_ in (by_token, by_cookie):
        assert not {"authorization", "cookie", "x_toru_role"} & headers_.keys()
    assert with_theirs["authorization"] == "Basic eDp5"
    assert (await call(house, "GET", route, headers=[theirs])).status == 401


# -- what is sent, and the headers of what comes back


@pytest.mark.parametrize(
    ("content_type", "body", "code", "word"),
    [
        (
            "application/json; charset=utf-8",
            b'{"username":"root","password":"Correct-h0rse","more":1}',
            200,
            None,
        ),
        ("application/x-www-form-urlencoded", b'{"username":"root","password":"Correct-h0rse"}', 200, None),
        ("application/json", b"", 400, "body"),
        ("application/json", b"[]", 400, "object"),
        ("application/json", b'{"username":"root"}', 400, "password"),
        ("application/json", b'{"username":"root","password":1}', 400, "password"),
        ("application/json", b'{"username":"%s","password":""}' % (b"x" * 257), 400, "username"),
        ("application/json", b'{"username":"\xff","password":""}', 400, "UTF-8"),
        ("application/json", b'{"username":"\\ud800","password":""}', 400, "body"),
        ("application/json", b"[" * 100_000, 400, "body"),
    ],
)
@in_reactor
async def test_bodies(house: Door, content_type: str, body: bytes, code: int, word: str | None) -> None:
    reply = await house.ask("POST", "/api/auth/login", [("Content-Type", content_type)], body, as_=None)
    assert reply.status == code
    if word is not None:
        assert word in reply.problem["detail"]


@pytest.mark.parametrize(
    "query", ["page=-1", "page=x", "page_size=0", "page_size=1001", "page=%ff", "a&" * 200]
)
@in_reactor
async def test_queries(house: Door, query: str) -> None:
    root = await entered(house, ROOT)
    reply = await call(house, "GET", f"/api/auth/login-history?{query}", headers=root)
    assert (reply.status, reply.problem["code"]) == (400, "bad-request")


@in_reactor
async def test_every_answer_of_ours_says_what_it_may_do(house: Door) -> None:
    root = await entered(house, ROOT)
    ours = [
        await call(house, "GET", "/api/health"),
        await call(house, "GET", "/api/nothing"),
        await call(house, "GET", "/api/nothing", headers=root),
        await call(house, "POST", "/api/health"),
        await call(house, "GET", "/api/plugins", headers=root),
        await call(house, "GET", "/api/plugins/route/nobody", headers=root),
        await call(house, "GET", "/api/plugins/hello/bundle.js", headers=root),
        await house.ask("POST", "/api/auth/login", body=b"x" * (MIB + 1)),
    ]
    assert [reply.status for reply in ours] == [200, 401, 404, 405, 200, 404, 200, 413]
    for reply in ours:
        policy = str(reply.header("content-security-policy"))
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert reply.header("x-content-type-options") == "nosniff"
        assert reply.header("referrer-policy") == "same-origin"
        assert reply.header("cross-origin-opener-policy") == "same-origin"
    theirs = await call(house, "GET", "/api/plugins/route/hello", headers=root)
    assert theirs.header("content-security-policy") is None
