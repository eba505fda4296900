"""The proxied route from a client's socket to a plugin's and back."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.integration.bursts import ROUTE, exchange
from tests.integration.cores import Core, Reply, fresh_core, wait_for

MIB = 2**20
MIRROR = f"{ROUTE}/mirror"

MIRROR_CODE = """
def handle(file, message):
    if message["type"] != "http":
        return
    asked = message["payload"]
    note("asked", asked["path"])
    if asked["path"] == "/say":
        answer(file, message, **json.loads(asked["body"]))
    elif asked["path"] == "/back":
        answer(file, message, body=asked["body"], body_encoding=asked["body_encoding"])
    elif asked["path"] == "/bundle.js":
        answer(file, message, headers={"content-type": "text/plain"}, body="export function mount() {}")
    else:
        answer(file, message, body=json.dumps(asked))
serve(handle)
"""
LATE = """
wait_until_there("go")
serve(lambda file, message: message["type"] == "http" and answer(file, message))
"""
BUNDLELESS = 'serve(lambda file, message: message["type"] == "http" and answer(file, message, status=404))'


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A core with a plugin that shows what it was asked, or says what it was told to say."""
    with fresh_core(tmp_path_factory.mktemp("c")) as core:
        core.plugin("mirror", MIRROR_CODE)
        core.plugin("off")
        core.start()
        core.wait_state("mirror", "running")
        assert core.post("/api/plugins/off/disable").status == 200
        yield core


def told(core: Core, method: str = "POST", **answer: object) -> Reply:
    """What the client gets when the plugin answers so."""
    return core.request(method, f"{MIRROR}/say", json.dumps(answer).encode())


def signed(core: Core) -> str:
    """The line of a head that says who asks."""
    return f"Authorization: {core.authorization()}\r\n"


def told_raw(core: Core, method: str = "POST", **answer: object) -> tuple[list[str], bytes]:
    """The same, as it stands on the wire: the lines of the head, and all that follows."""
    body = json.dumps(answer).encode()
    sent = f"{method} {MIRROR}/say HTTP/1.1\r\nHost: x\r\n{signed(core)}Connection: close\r\n"
    head, rest = exchange(core.port, f"{sent}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return head.decode("iso-8859-1").split("\r\n"), rest


def asked_with(core: Core, *lines: str) -> dict[str, str]:
    """The headers that the plugin gets of a request with these header lines."""
    head = "\r\n".join([f"GET {MIRROR}/x HTTP/1.1\r\n{signed(core)}".rstrip(), *lines, "", ""])
    _, body = exchange(core.port, head.encode("iso-8859-1"))
    headers: dict[str, str] = json.loads(body)["headers"]
    return headers


# -- paths and routes


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("", "/"),
        ("/", "/"),
        ("?a=1", "/?a=1"),
        ("/?", "/?"),
        ("/a%2Fb//c%20d/../e;f", "/a%2Fb//c%20d/../e;f"),
        ("/x?q=%20+&q=?/%ff&&", "/x?q=%20+&q=?/%ff&&"),
    ],
)
def test_a_path_comes_as_it_was_sent(mirror: Core, target: str, path: str) -> None:
    reply = mirror.get(f"{MIRROR}{target}")
    assert (reply.status, reply.json()["path"]) == (200, path)


@pytest.mark.parametrize(
    "segment", ["..", "%2e%2e", ".%2E", "mirror%2fx", "mirror%2Fx", "a%5Cb", "mirror\\x"]
)
def test_a_segment_that_tries_to_leave_reaches_nobody(mirror: Core, segment: str) -> None:
    before = mirror.notes("asked")
    reply = mirror.get(f"{ROUTE}/{segment}/y")
    assert (reply.status, reply.json()["code"]) == (400, "bad-route")
    assert reply.headers["content-type"] == "application/problem+json"
    assert mirror.notes("asked") == before


@pytest.mark.parametrize("segment", ["nobody", "off", "", "MIRROR"])
def test_no_such_route_or_a_disabled_plugin(mirror: Core, segment: str) -> None:
    reply = mirror.get(f"{ROUTE}/{segment}")
    assert (reply.status, reply.json()["code"]) == (404, "route-not-found")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_every_method(mirror: Core, method: str) -> None:
    asked = mirror.request(method, f"{MIRROR}/m").json()
    assert (asked["method"], asked["body"]) == (method, None)


def test_enabled_and_not_up(core: Core) -> None:
    core.settings("[supervision]\nbackoff_first = 40\nbackoff_max = 40")
    core.plugin("late", LATE)
    core.plugin("broken", "sys.exit(3)")
    core.start()

    core.wait_state("late", "starting")
    starting = core.route("late")
    assert (starting.status, starting.json()["code"]) == (503, "plugin-unavailable")
    assert int(starting.headers["retry-after"]) >= 1

    core.wait_state("broken", "backoff")
    waiting = core.route("broken")
    assert (waiting.status, waiting.json()["code"]) == (503, "plugin-unavailable")
    assert 20 < int(waiting.headers["retry-after"]) <= 40

    core.tell("go")
    core.wait_state("late", "running")
    assert core.route("late").status == 200


# -- bodies


@pytest.mark.parametrize(
    ("body", "asked", "encoding"),
    [
        (b"plain", "plain", "utf-8"),
        ("grüße\0\n\u2028 \U0001f44b".encode(), "grüße\0\n\u2028 \U0001f44b", "utf-8"),
        (b"\xff\x00\xfe", base64.b64encode(b"\xff\x00\xfe").decode(), "base64"),
    ],
)
def test_text_and_bytes(mirror: Core, body: bytes, asked: str, encoding: str) -> None:
    shown = mirror.request("POST", f"{MIRROR}/x", body).json()
    assert (shown["body"], shown["body_encoding"]) == (asked, encoding)
    assert mirror.request("POST", f"{MIRROR}/back", body).body == body


def test_no_body_at_all(mirror: Core) -> None:
    reply = mirror.request("POST", f"{MIRROR}/back", b"")
    assert (reply.status, reply.body, reply.headers["content-length"]) == (200, b"", "0")


@pytest.mark.parametrize(
    "body",
    [b"a line of text, as good as any\n" * 280_000, b"\0" * (8 * MIB), os.urandom(8 * MIB)],
    ids=["text", "nuls", "random"],
)
def test_8_mib_there_and_back(mirror: Core, body: bytes) -> None:
    body = body[: 8 * MIB].ljust(8 * MIB, b".")
    reply = mirror.request("PUT", f"{MIRROR}/back", body)
    assert reply.status == 200
    assert reply.body == body  # compared before it is shown: a difference of 8 MiB takes minutes to print


def test_a_body_over_the_limit(mirror: Core) -> None:
    before = mirror.notes("asked")
    head = f"POST {MIRROR}/x HTTP/1.1\r\nHost: x\r\n{signed(mirror)}Connection: close\r\n"
    announced = f"{head}Content-Length: {8 * MIB + 1}\r\nExpect: 100-continue\r\n\r\n".encode()
    chunk = b"100000\r\n" + bytes(MIB) + b"\r\n"
    chunked = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk * 8 + b"1\r\nx\r\n0\r\n\r\n"
    for sent in (announced, chunked):
        answer, body = exchange(mirror.port, sent)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert json.loads(body)["code"] == "body-too-large"
    assert mirror.notes("asked") == before
    assert mirror.get(MIRROR).status == 200


def test_a_chunked_upload_comes_whole(mirror: Core) -> None:
    head = f"POST {MIRROR}/x HTTP/1.1\r\nHost: x\r\n{signed(mirror)}Connection: close\r\n"
    head += "Transfer-Encoding: chunked\r\n\r\n"
    _, body = exchange(mirror.port, head.encode() + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")
    asked = json.loads(body)
    assert asked["body"] == "abcde"
    assert "transfer-encoding" not in asked["headers"]


# -- headers to the plugin


def test_headers_that_are_added(mirror: Core) -> None:
    headers = asked_with(mirror, "Host: door.test:8080", "Connection: close", "X-Mine: 1")
    assert len(headers.pop("x-request-id")) == 32
    assert headers == {
        "host": "door.test:8080",
        "x-mine": "1",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "door.test:8080",
        "x-forwarded-prefix": MIRROR,
        "x-toru-user": "test-admin",
        "x-toru-role": "admin",
    }


def test_headers_that_do_not_reach_the_plugin(mirror: Core) -> None:
    headers = asked_with(
        mirror,
        "Host: x",
        "Connection: close, X-Hop",
        "X-Hop: 1",
        "Keep-Alive: timeout=5",
        "TE: trailers",
        "Trailer: X",
        "Upgrade: other",
        "Proxy-Authorization: Basic eDp5",
        "X-Toru-User: root",
        "X-Toru-Role: admin",
        "X-Forwarded-For: 10.0.0.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Prefix: /else",
        "X-Request-Id: mine-1",
    )
    assert headers == {
        "host": "x",
        "x-request-id": "mine-1",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "x",
        "x-forwarded-prefix": MIRROR,
        "x-toru-user": "test-admin",
        "x-toru-role": "admin",
    }


def test_repeated_headers_cookies_and_bytes(mirror: Core) -> None:
    headers = asked_with(
        mirror,
        "Host: x",
        "Connection: close",
        "X-Many: a",
        "X-Many: b, c",
        "Cookie: one=1; toru_session=secret",
        "Cookie: two=2",
        "X-Bytes: \xe9\xff",
    )
    assert headers["x-many"] == "a, b, c"
    assert headers["cookie"] == "one=1; two=2"
    assert headers["x-bytes"] == "\xe9\xff"


def test_a_trusted_proxy_is_believed(core: Core) -> None:
    core.settings('trusted_proxies = ["127.0.0.0/8"]')
    core.plugin("mirror", MIRROR_CODE)
    core.start()
    core.wait_state("mirror", "running")
    headers = asked_with(
        core,
        "Host: x",
        "Connection: close",
        "X-Forwarded-For: 10.0.0.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: outside",
    )
    assert headers["x-forwarded-for"] == "10.0.0.1, 127.0.0.1"
    assert (headers["x-forwarded-proto"], headers["x-forwarded-host"]) == ("https", "outside")


# -- what the plugin answers


@pytest.mark.parametrize("status", [200, 201, 206, 301, 400, 401, 404, 418, 500, 503, 599])
def test_a_status_is_the_plugins_own(mirror: Core, status: int) -> None:
    reply = told(mirror, status=status, headers={"Content-Type": "text/x", "Location": "/y"}, body="b")
    assert (reply.status, reply.body) == (status, b"b")
    assert (reply.headers["content-type"], reply.headers["location"]) == ("text/x", "/y")


def test_headers_that_do_not_reach_the_client(mirror: Core) -> None:
    lines, body = told_raw(
        mirror,
        headers={
            "Connection": "keep-alive, x-hop",
            "X-Hop": "1",
            "Transfer-Encoding": "chunked",
            "Content-Length": "99",
            "Strict-Transport-Security": "max-age=1",
            "Clear-Site-Data": "*",
            "Service-Worker-Allowed": "/",
            "X-Kept": ["a", "b"],
            "X-Bytes": "\xe9",
        },
        body="body",
    )
    headers = {line.partition(":")[0].lower() for line in lines[1:]}
    assert headers == {"server", "date", "connection", "content-length", "x-kept", "x-bytes"}
    assert {"content-length: 4", "x-kept: a", "x-kept: b", "x-bytes: \xe9"} <= {
        line.lower() for line in lines[1:]
    }
    assert body == b"body"


def test_cookies_stay_in_the_route(mirror: Core) -> None:
    cookies = {
        "a=1": "a=1",
        "b=2; Path=/": f"b=2; Path={MIRROR}",
        "c=3; Domain=example.org; HttpOnly": "c=3; HttpOnly",
        f"d=4; Path={MIRROR}/deep; Secure": f"d=4; Path={MIRROR}/deep; Secure",
        "toru_session=stolen; Path=/": None,
    }
    lines, _ = told_raw(mirror, headers={"set-cookie": list(cookies)}, body="")
    got = [line.partition(": ")[2] for line in lines if line.lower().startswith("set-cookie")]
    assert got == [cookie for cookie in cookies.values() if cookie is not None]


@pytest.mark.parametrize(
    ("method", "answer", "length"),
    [
        ("HEAD", {"status": 200, "body": "12345"}, "content-length: 5"),
        ("HEAD", {"status": 200, "headers": {"content-length": "77"}, "body": None}, "content-length: 77"),
        ("GET", {"status": 204, "body": "too much"}, None),
        ("GET", {"status": 304, "headers": {"etag": '"e"'}, "body": "too much"}, None),
    ],
)
def test_answers_without_a_body(
    mirror: Core, method: str, answer: Mapping[str, Any], length: str | None
) -> None:
    lines, body = told_raw(mirror, method, **answer)
    assert lines[0].split()[1] == str(answer["status"])
    assert body == b""
    assert [line.lower() for line in lines if line.lower().startswith("content-length")] == (
        [length] if length else []
    )


def test_a_binary_answer(mirror: Core) -> None:
    reply = told(mirror, body=base64.b64encode(b"\x89PNG\0").decode(), body_encoding="base64")
    assert reply.body == b"\x89PNG\0"


# -- bundle.js


def test_a_bundle_from_its_file(mirror: Core) -> None:
    folder = mirror.plugins / "filed"
    folder.mkdir()
    (folder / "bundle.js").write_text("export const version = 1")
    mirror.up("filed", BUNDLELESS)

    reply = mirror.get("/api/plugins/filed/bundle.js")
    assert (reply.status, reply.body) == (200, b"export const version = 1")
    assert reply.headers["content-type"].startswith("application/javascript")
    known = mirror.request(
        "GET", "/api/plugins/filed/bundle.js", headers={"If-None-Match": reply.headers["etag"]}
    )
    assert (known.status, known.body) == (304, b"")

    (folder / "bundle.js").write_text("export const version = 2")
    changed = mirror.get("/api/plugins/filed/bundle.js")
    assert changed.body == b"export const version = 2"
    assert changed.headers["etag"] != reply.headers["etag"]


def test_a_bundle_from_the_plugin(mirror: Core) -> None:
    reply = mirror.get("/api/plugins/mirror/bundle.js")
    assert (reply.status, reply.body) == (200, b"export function mount() {}")
    assert reply.headers["content-type"].startswith("application/javascript")


def test_no_bundle(mirror: Core) -> None:
    mirror.up("plain", BUNDLELESS)
    for id in ("plain", "off"):
        reply = mirror.get(f"/api/plugins/{id}/bundle.js")
        assert (reply.status, reply.json()["code"]) == (404, "bundle-not-found")
    assert mirror.get("/api/plugins/nobody/bundle.js").json()["code"] == "plugin-not-found"


def test_a_failure_is_logged_with_the_id_of_its_request(mirror: Core) -> None:
    reply = mirror.request("POST", f"{MIRROR}/say", b'{"status": 99}', {"X-Request-Id": "find-me"})
    assert reply.status == 502
    [line] = wait_for(lambda: mirror.said("find-me"))
    assert "mirror" in line
    assert "99" in line
