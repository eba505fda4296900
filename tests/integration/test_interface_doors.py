"""A real core as a stranger meets it: methods, credentials, origins, bytes that are no request, and what never leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.integration.bursts import exchange
from tests.integration.cores import ADMIN, ADMIN_PASSWORD, Core, Reply, fresh_core, wait_for
from toru.access.roles import EVERY_METHOD, RULES, rules_at

ANN = {"username": "ann", "password": "Battery-5taple"}
SECURITY = {
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-opener-policy",
}
HANDSHAKE = {
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "WebSocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
HELLO = "/api/plugins/route/hello/"


class House(NamedTuple):
    """A running core with the plugin `hello`, and the client account `ann`."""

    core: Core
    ann: str

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
        as_: str | None = None,
    ) -> Reply:
        """With a JSON body where there is one."""
        sent = None if body is None else json.dumps(body).encode()
        return self.core.request(method, path, sent, headers, as_=as_)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with fresh_core(tmp_path_factory.mktemp("d")) as core:
        core.plugin("hello")
        core.start()
        core.wait_pid("hello")
        made = core.request("POST", "/api/users", json.dumps(ANN).encode())
        assert made.status == 201
        yield House(core, made.json()["id"])


def problem(reply: Reply) -> dict[str, Any]:
    assert reply.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = reply.json()
    assert found.keys() == {"type", "title", "status", "detail", "code"}
    assert found["status"] == reply.status
    return found


def every_path() -> list[str]:
    """What has no end is asked for elsewhere."""
    patterns = dict.fromkeys(rule.path for rule in RULES if rule.method != EVERY_METHOD)
    return [path.replace(":id", "hello") for path in patterns if not path.endswith("/stream")]


# -- methods


@pytest.mark.parametrize("path", [path for path in every_path() if "GET" in rules_at(path)])
def test_head_is_get_without_its_body(house: House, path: str) -> None:
    get, head = (house.ask(method, path, as_="admin") for method in ("GET", "HEAD"))
    assert (head.status, head.body) == (get.status, b"")
    varying = {"date", "content-length"}
    assert {name: head.headers[name] for name in head.headers.keys() - varying} == {
        name: get.headers[name] for name in get.headers.keys() - varying
    }


@pytest.mark.parametrize("path", every_path())
def test_a_method_that_is_none_there(house: House, path: str) -> None:
    known = sorted({*rules_at(path), *(["HEAD"] if "GET" in rules_at(path) else [])})
    for method in ("OPTIONS", "TRACE", "PATCH", "PROPFIND", "PURGE"):
        reply = house.ask(method, path, as_="admin")
        assert (reply.status, problem(reply)["code"]) == (405, "method-not-allowed"), method
        assert reply.headers["allow"].split(", ") == known


# -- what every answer of ours says, and what none does


def test_every_answer_says_what_it_may_do_and_nothing_of_the_inside(house: House) -> None:
    too_long = json.dumps({"action": "set", "key": "k" * 513, "value": ""})
    for status, method, path, body, headers in (
        (200, "GET", "/api/health", None, {}),
        (400, "GET", "/api/events?page=x", None, {}),
        (400, "GET", "/api/plugins/%ff", None, {}),
        (400, "GET", "/api/plugins/route/..%2fhello/", None, {}),
        (400, "POST", "/api/tokens", b"{", {}),
        (400, "POST", "/api/tokens", b"\xff", {}),
        (400, "POST", "/api/tokens", b"[" * 100_000, {}),
        (404, "GET", "/api/nothing", None, {}),
        (404, "GET", "/api/plugins/nobody/logs", None, {}),
        (404, "GET", "/api/plugins/nobody/bundle.js", None, {}),
        (404, "GET", "/api/users/%00", None, {}),
        (405, "DELETE", "/api/plugins", None, {}),
        (413, "POST", "/api/plugins/hello/kv", too_long.encode(), {}),
        (413, "POST", HELLO, b"", {"Content-Length": "99999999"}),
        (501, "GET", HELLO, None, HANDSHAKE),
    ):
        reply = house.core.request(method, path, body, headers)
        assert reply.status == status, path
        assert reply.headers.keys() >= SECURITY, path
        if status != 200:
            assert problem(reply)["detail"]
        for inside in (str(house.core.folder), "Traceback", "toru/", ".py"):
            assert inside not in reply.body.decode(), path
    assert house.core.said("failed inside toru") == []


_GET = b"GET /api/health HTTP/1.1\r\nHost: x\r\n"
_POST = b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\r\n\r\n", 400),
        (b"GET /api/health\r\n\r\n", 505),
        (b"GET /api/health HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"G\xc3\xa4T /api/health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        # Names of methods are what they are, and these are registered nowhere.
        (b"get /api/health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"BREW /api/health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (_GET + b"no colon\r\n\r\n", 400),
        (_GET + b"X: a\0b\r\n\r\n", 400),
        (_GET + b"X: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /api/health?" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (_GET + b"X: y\r\n" * 600 + b"\r\n", 431),
        (_POST + b"Content-Length: -1\r\n\r\n", 400),
        (_POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (_POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ],
    ids=lambda each: repr(each[:60]) if isinstance(each, bytes) else str(each),
)
def test_bytes_that_are_no_request(house: House, sent: bytes, status: int) -> None:
    head, body = exchange(house.core.port, sent)
    lines = head.decode().lower().split("\r\n")
    assert lines[0].startswith(f"http/1.1 {status} ")
    assert {line.partition(":")[0] for line in lines} >= {*SECURITY, "date", "connection"}
    assert json.loads(body)["status"] == status


def test_a_refused_body_that_goes_on_as_garbage_gets_one_answer(house: House) -> None:
    head = f"POST {HELLO} HTTP/1.1\r\nHost: x\r\nAuthorization: {house.core.authorization()}\r\n"
    chunk = b"x" * (8 * 2**20 + 1)
    sent = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + b"%x\r\n%s\r\nzz\r\n" % (len(chunk), chunk)
    answer, body = exchange(house.core.port, sent)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert json.loads(body)["code"] == "body-too-large"


# -- credentials


def test_two_credentials_at_once(house: House) -> None:
    core = house.core
    cookie = core.sign_in(**ANN)
    admin = core.authorization()
    session = cookie.partition("=")[2]

    def who(**headers: str) -> str | None:
        user: dict[str, str] | None = house.ask("GET", "/api/auth/me", headers=headers).json()["user"]
        return None if user is None else user["username"]

    assert who(Cookie=cookie) == "ann"
    # A token of ours speaks alone, good or bad.
    assert who(Cookie=cookie, Authorization=admin) == "test-admin"
    assert who(Cookie=cookie, Authorization="Bearer toru_of-nobody") is None
    # What may be meant for a plugin decides nothing.
    for theirs in ("Basic cm9vdDp4", "Bearer x", "Bearer", "Negotiate"):
        assert who(Cookie=cookie, Authorization=theirs) == "ann"
        assert who(Authorization=theirs) is None
    # The same cookie twice, in either order, in one header or beside others.
    for sent in (f"toru_session=planted; {cookie}", f"{cookie}; toru_session=planted", f"a=b; {cookie};c"):
        assert who(Cookie=sent) == "ann"
    # A session is no token, and a token no session.
    assert who(Authorization=f"Bearer {session}") is None
    assert who(Cookie=f"toru_session={admin.partition(' ')[2]}") is None
    assert who(Cookie=f"TORU_SESSION={session}") is None
    assert who(Authorization=admin.replace("Bearer", "BEARER")) == "test-admin"


def test_signing_out_ends_every_session_that_is_shown(house: House) -> None:
    """Beside a token as well: who signs out must not stay in."""
    core = house.core
    first, second, third = (core.sign_in(**ANN) for _ in range(3))
    assert house.ask("POST", "/api/auth/logout", headers={"Cookie": first}, as_="admin").status == 200
    assert house.ask("POST", "/api/auth/logout", headers={"Cookie": f"{second}; {third}"}).status == 200
    for cookie in (first, second, third):
        assert house.ask("GET", "/api/plugins", headers={"Cookie": cookie}).status == 401
    assert house.ask("GET", "/api/plugins", as_="admin").status == 200


def test_whoever_fails_three_times_waits_whatever_a_header_says(house: House) -> None:
    def tried(name: str, number: int) -> Reply:
        # Nobody is a trusted proxy here.
        spoofed = {"X-Forwarded-For": f"198.51.100.{number}", "Forwarded": f"for=198.51.100.{number}"}
        return house.ask("POST", "/api/auth/login", {"username": name, "password": "x"}, spoofed)

    assert [tried("mallory", number).status for number in range(3)] == [401] * 3
    refused = tried("MALLORY", 3)
    assert (refused.status, problem(refused)["code"]) == (429, "too-many-failures")
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert house.core.sign_in(**ANN), "the same address, and another name"
    history = house.ask("GET", "/api/auth/login-history?page_size=1000", as_="admin").json()["attempts"]
    theirs = [each for each in history if each["username"].lower() == "mallory"]
    assert [(each["address"], each["success"]) for each in theirs] == [("127.0.0.1", False)] * 3
    assert [each["id"] for each in history] == sorted((each["id"] for each in history), reverse=True)


# -- pages of others


@pytest.mark.parametrize("origin", ["http://evil.test", "null", "", "https://evil.test:443", "file://"])
def test_a_websocket_of_another_origin(house: House, origin: str) -> None:
    """Whatever it shows: a page's own token is no better than its visitor's cookie."""
    for credential in ({"Cookie": house.core.sign_in(**ANN)}, {"Authorization": house.core.authorization()}):
        reply = house.ask("GET", HELLO, headers={**HANDSHAKE, "Origin": origin, **credential})
        assert (reply.status, problem(reply)["code"]) == (403, "forbidden")


def test_a_websocket_of_our_own_gets_a_plain_no(house: House) -> None:
    """And the plugin, which would take it for a GET, sees nothing of it."""
    core = house.core
    own = {"Origin": f"http://127.0.0.1:{core.port}"}
    before = core.status("hello")["traffic"]["requests"]
    for headers in (HANDSHAKE, {**HANDSHAKE, **own}, {"Upgrade": "h2c, websocket"}):
        reply = house.ask("GET", HELLO, headers=headers, as_="client")
        assert (reply.status, problem(reply)["code"]) == (501, "no-websocket")
    assert house.ask("GET", HELLO, headers=HANDSHAKE).status == 401
    assert core.status("hello")["traffic"]["requests"] == before
    # Any other upgrade may be ignored, and is.
    assert house.ask("GET", HELLO, headers={"Upgrade": "h2c"}, as_="client").status == 200


def test_a_foreign_page_can_change_nothing(house: House) -> None:
    cookie = {"Cookie": house.core.sign_in()}
    for foreign in ({"Origin": "http://evil.test"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        for method, path in (
            ("POST", "/api/plugins/hello/disable"),
            ("DELETE", f"/api/users/{house.ann}"),
            ("PUT", HELLO),
            ("POST", "/api/auth/logout"),
            ("PURGE", HELLO),
        ):
            reply = house.ask(method, path, headers={**cookie, **foreign})
            assert (reply.status, problem(reply)["code"]) == (403, "forbidden")
        # A token is no cookie: nothing sends it by itself.
        assert house.ask("PUT", HELLO, headers=foreign, as_="admin").status == 200
    assert house.ask("GET", "/api/auth/me", headers=cookie).json()["authenticated"]
    assert house.core.status("hello")["enabled"]


# -- what is hidden


def test_what_a_client_sees_of_a_plugin(house: House) -> None:
    hidden = {"pid", "socket_path", "last_exit", "usage"}
    cookie = {"Cookie": house.core.sign_in(**ANN)}
    (listed,) = house.ask("GET", "/api/plugins", headers=cookie).json()
    assert not hidden & listed.keys()
    assert not hidden & house.ask("GET", "/api/plugins/hello", headers=cookie).json().keys()
    assert hidden <= house.ask("GET", "/api/plugins/hello", as_="admin").json().keys()
    (for_monitor,) = house.ask("GET", "/api/plugins", as_="monitor").json()
    assert for_monitor.keys() == listed.keys()
    for path in ("/api/events", "/api/plugins/hello/events"):
        events = house.ask("GET", path, headers=cookie).json()["events"]
        assert {"started", "ready"} <= {event["type"] for event in events}
        assert all(event["type"] != "admin-action" and event["details"] == {} for event in events)
        told = house.ask("GET", path, as_="admin").json()["events"]
        assert any(event["details"] for event in told)


def test_what_an_admin_does_is_told_with_who_and_from_where(house: House) -> None:
    core = house.core
    made = house.ask("POST", "/api/tokens", {"name": "of a robot", "role": "monitor"}, as_="admin").json()
    path = f"/api/tokens/{made['id']}"
    assert house.ask("DELETE", path, headers={"X-Forwarded-For": "192.0.2.9"}, as_="admin").status == 200
    assert house.ask("DELETE", path, as_="admin").status == 404

    def told() -> list[dict[str, Any]]:
        events = house.ask("GET", "/api/events", as_="admin").json()["events"]
        return [event for event in events if event["details"].get("what", "").endswith(path)]

    (event,) = wait_for(told)
    assert event["type"] == "admin-action"
    assert event["details"] == {"who": "test-admin", "what": f"DELETE {path}", "from": "127.0.0.1"}
    assert event["details"] in [each["details"] for each in core.events("admin-action")]


def test_no_secret_is_written_anywhere(house: House) -> None:
    """Not in the database, not in a log, not on standard output; nor does a plugin get one that is not its own."""
    core = house.core
    cookie = core.sign_in(**ANN)
    wrong = "Wr0ng-password-that-was-tried"
    house.ask("POST", "/api/auth/login", {"username": "eve", "password": wrong})
    house.ask("POST", "/api/users", {"username": "a b", "password": "An-unu5ed-password"}, as_="admin")
    made = house.ask("POST", "/api/tokens", {"name": "secretive", "role": "client"}, as_="admin").json()
    seen = house.ask("GET", f"{HELLO}?x", headers={"Cookie": f"a=b; {cookie}; c=d"})
    assert json.loads(seen.body)["headers"]["cookie"] == "a=b; c=d"
    pid = core.status("hello")["pid"]
    with open(f"/proc/{pid}/environ", encoding="utf-8") as environ:
        variables = dict(line.partition("=")[::2] for line in environ.read().split("\0"))
    assert not {name for name in variables if "ADMIN" in name}
    secrets = [
        ADMIN_PASSWORD,
        ANN["password"],
        wrong,
        "An-unu5ed-password",
        cookie.partition("=")[2],
        made["token"],
        core.authorization().partition(" ")[2],
        variables["TORU_PLUGIN_TOKEN"],
    ]
    written = {path: path.read_bytes() for path in core.folder.rglob("*") if path.is_file()}
    written[core.folder] = "\n".join(core.output).encode()
    assert core.folder / "data" / "toru.db" in written
    found = [
        (path, secret) for path, held in written.items() for secret in secrets if secret.encode() in held
    ]
    assert found == []
    assert (
        ADMIN.encode()
        in written[core.folder / "data" / "toru.db"] + written[core.folder / "data" / "toru.db-wal"]
    ), "names are there, so that it was looked in the right place"
