"""The proxied route, through a real socket."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import serverFromString
from twisted.internet.threads import deferToThread
from twisted.logger import LogEvent, LogLevel, formatEvent

from toru.errors import (
    LinkLost,
    PluginBusy,
    PluginError,
    PluginFailure,
    PluginTimeout,
    PluginUnavailable,
    ProtocolError,
    ToruError,
)
from toru.wire.messages import Answer

from .fakes import Door, FakePlugins, answer, in_reactor, parsed, signed, status, until
from .memory import connected, on_a_clock

HELLO = "/api/plugins/route/hello"


@in_reactor
async def test_there_and_back(door: Door) -> None:
    door.plugins.reaction = answer(
        b"\x00\xff", 201, [("Content-Type", "x/y"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Path=/")]
    )
    reply = await door.ask(
        "POST",
        f"{HELLO}/a%2Fb//%ff?q=%20&q",
        [("X-Mine", "1"), ("Cookie", "toru_session=s; c=3")],
        b"\xff\x00",
    )
    assert (reply.status, reply.body) == (201, b"\x00\xff")
    assert reply.header("content-type") == "x/y"
    assert reply.header("content-length") == "2"
    assert [value for name, value in reply.headers if name == "set-cookie"] == ["a=1", f"b=2; Path={HELLO}"]
    [request] = door.plugins.requests
    assert (request.method, request.path, request.body) == ("POST", "/a%2Fb//%ff?q=%20&q", b"\xff\x00")
    assert len(request.id) == 32
    assert request.headers == {
        "x-request-id": request.id,
        "host": "toru.test:3000",
        "x-mine": "1",
        "cookie": "c=3",
        "content-length": "2",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "toru.test:3000",
        "x-forwarded-prefix": HELLO,
        "x-toru-user": "root-script",
        "x-toru-role": "admin",
    }


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (HELLO, "/"),
        (f"{HELLO}/", "/"),
        (f"{HELLO}?x=1", "/?x=1"),
        (f"{HELLO}//", "//"),
        (f"{HELLO}/a/../b", "/a/../b"),
        (f"http://elsewhere:80{HELLO}/x", "/x"),
    ],
)
@in_reactor
async def test_paths(door: Door, target: str, path: str) -> None:
    reply = await door.ask("GET", target)
    assert (reply.status, reply.body) == (200, b"hello")
    [request] = door.plugins.requests
    assert (request.path, request.body) == (path, None)


@in_reactor
async def test_an_absolute_target_says_which_host_was_meant(door: Door) -> None:
    await door.ask("GET", f"http://elsewhere:80{HELLO}")
    [request] = door.plugins.requests
    assert request.headers["x-forwarded-host"] == "elsewhere:80"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "MKCALENDAR"])
@in_reactor
async def test_every_registered_method(door: Door, method: str) -> None:
    reply = await door.ask(method, f"{HELLO}/x")
    assert (reply.status, reply.body) == (200, b"hello")
    assert [request.method for request in door.plugins.requests] == [method]


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "multipart/form-data"],
)
@in_reactor
async def test_a_form_reaches_the_plugin_as_it_is(door: Door, content_type: str) -> None:
    await door.ask("POST", HELLO, [("Content-Type", content_type)], b"a=1&b=%")
    assert [request.body for request in door.plugins.requests] == [b"a=1&b=%"]


@pytest.mark.parametrize("segment", ["..", "%2e%2E", ".%2e", "a..b", "hello%2fx", "hello%5cx", "\\"])
@in_reactor
async def test_a_segment_that_tries_to_leave(door: Door, segment: str) -> None:
    reply = await door.ask("GET", f"/api/plugins/route/{segment}/x")
    assert (reply.status, reply.problem["code"]) == (400, "bad-route")
    assert door.plugins.calls == []


@pytest.mark.parametrize(
    "segment", ["", "/", "/nobody", "/asleep", "/%252e%252e", "//hello", "/%ff", "/hello%00"]
)
@in_reactor
async def test_no_such_route(door: Door, segment: str) -> None:
    reply = await door.ask("GET", f"/api/plugins/route{segment}")
    assert (reply.status, reply.problem["code"]) == (404, "route-not-found")
    assert door.plugins.calls == []


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [
        (LinkLost("inside"), 502, "plugin-connection-lost"),
        (ProtocolError("inside"), 502, "plugin-protocol-error"),
        (PluginError("inside"), 502, "plugin-error"),
        (PluginFailure("inside"), 502, "plugin-failure"),
        (PluginTimeout("inside"), 504, "plugin-timeout"),
    ],
)
@in_reactor
async def test_a_failure_says_which_plugin_and_not_its_inside(
    door: Door, error: ToruError, code: int, word: str, logged: Sequence[LogEvent]
) -> None:
    door.plugins.reaction = lambda _: fail(error)
    reply = await door.ask("GET", HELLO, [("X-Request-Id", "req-7")])
    assert (reply.status, reply.problem["code"]) == (code, word)
    assert "'hello'" in reply.problem["detail"]
    assert b"inside" not in reply.body
    [line] = [formatEvent(event) for event in logged if event["log_level"] is LogLevel.warn]
    assert line == f"plugin hello failed request req-7: {word}: inside"
    assert not [event for event in logged if "log_failure" in event]


@pytest.mark.parametrize(
    ("error", "retry_after"),
    [(PluginUnavailable("Starting.", retry_after=2), "2"), (PluginBusy("Full."), None)],
)
@pytest.mark.parametrize("raised", [False, True])
@in_reactor
async def test_503(door: Door, error: ToruError, retry_after: str | None, raised: bool) -> None:
    def refuse(_: object) -> Deferred[Answer]:
        if raised:
            raise error
        return fail(error)

    door.plugins.reaction = refuse
    reply = await door.ask("GET", HELLO)
    assert (reply.status, reply.problem["code"]) == (503, error.code)
    assert reply.header("retry-after") == retry_after


@pytest.mark.parametrize(
    ("code", "headers"),
    [
        (200, [("a", "b\r\nc: d")]),
        (200, [("a b", "c")]),
        (200, [("a", "\u20ac")]),
        (100, []),
        (199, []),
        (600, []),
    ],
)
@in_reactor
async def test_an_answer_that_cannot_be_passed_on(
    door: Door, code: int, headers: tuple[tuple[str, str], ...]
) -> None:
    door.plugins.reaction = answer(b"x", code, headers)
    reply = await door.ask("GET", HELLO)
    assert (reply.status, reply.problem["code"]) == (502, "plugin-protocol-error")


@pytest.mark.parametrize(
    ("body", "headers", "length"),
    [
        (b"12345", [("content-length", "99")], "5"),
        (b"", [("Content-Length", "99")], "99"),
        (b"", [("content-length", "-1")], None),
        (b"", [("content-length", "1"), ("content-length", "2")], None),
        (b"", [], None),
    ],
)
@in_reactor
async def test_head(
    door: Door, body: bytes, headers: tuple[tuple[str, str], ...], length: str | None
) -> None:
    door.plugins.reaction = answer(body, 200, headers)
    reply = await door.ask("HEAD", HELLO)
    assert [request.method for request in door.plugins.requests] == ["HEAD"]
    assert (reply.status, reply.body, reply.rest) == (200, b"", b"")
    assert reply.header("content-length") == length


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("code", [204, 304])
@in_reactor
async def test_no_body(door: Door, method: str, code: int) -> None:
    door.plugins.reaction = answer(b"too much", code, [("Content-Length", "8"), ("ETag", '"x"')])
    received = await door.exchange(
        f"{method} {HELLO} HTTP/1.1\r\nHost: x\r\n{signed()}\r\nConnection: close\r\n\r\n".encode()
    )
    assert received.endswith(b"\r\n\r\n")
    reply = parsed(received, method)
    assert reply.status == code
    assert reply.header("etag") == '"x"'
    assert not {"content-length", "transfer-encoding"} & {name for name, _ in reply.headers}


@in_reactor
async def test_an_empty_answer_has_a_length(door: Door) -> None:
    door.plugins.reaction = answer(b"")
    reply = await door.ask("GET", HELLO)
    assert reply.header("content-length") == "0"
    assert reply.header("content-type") is None
    assert reply.header("transfer-encoding") is None


@in_reactor
async def test_a_client_that_goes_away(door: Door, logged: Sequence[LogEvent]) -> None:
    door.plugins.reaction = door.plugins.never
    asked, cancelled = door.plugins.called("request"), door.plugins.called("cancelled")
    client = await deferToThread(door.connect)
    await deferToThread(
        client.sendall, f"GET {HELLO}/slow HTTP/1.1\r\nHost: x\r\n{signed()}\r\n\r\n".encode()
    )
    await asked
    assert [name for name, _ in door.plugins.calls] == ["request"]
    client.close()
    assert await cancelled == "/slow"
    await door.site.drained()
    assert [event for event in logged if event["log_level"] >= LogLevel.warn] == []


@in_reactor
async def test_pipelined_requests_are_answered_in_order(door: Door) -> None:
    door.plugins.reaction = lambda request: answer(request.path.encode())(request)
    sent = [f"GET {HELLO}/{each} HTTP/1.1\r\nHost: x\r\n{signed()}\r\n\r\n" for each in "ab"]
    last = f"GET {HELLO}/c HTTP/1.1\r\nHost: x\r\n{signed()}\r\nConnection: close\r\n\r\n"
    rest = await door.exchange("".join([*sent, last]).encode())
    for path in (b"/a", b"/b", b"/c"):
        reply = parsed(rest)
        rest = reply.rest
        assert reply.body == path
    assert rest == b""


@in_reactor
async def test_100_continue(door: Door) -> None:
    def blocking() -> bytes:
        with door.connect() as client:
            head = f"PUT {HELLO} HTTP/1.1\r\nHost: x\r\n{signed()}\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
            client.sendall(head.encode())
            first = until(client, b"\r\n\r\n")
            client.sendall(b"ab")
            until(client, b"hello")
            return first

    assert await deferToThread(blocking) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert [request.body for request in door.plugins.requests] == [b"ab"]


@pytest.mark.parametrize(
    ("peer", "believed"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("11.1.2.3", False), ("2001:db8::1", False), ("", False)],
)
def test_only_trusted_proxies_are_believed(tmp_path: Path, peer: str, believed: bool) -> None:
    plugins = FakePlugins(status("hello"))
    _, site, _ = on_a_clock(tmp_path, plugins, [ip_network("10.0.0.0/8")])
    head = f"GET {HELLO} HTTP/1.1\r\nHost: inside\r\n{signed()}\r\nX-Forwarded-Host: outside\r\n\r\n"
    connected(site, peer).protocol.dataReceived(head.encode())
    [request] = plugins.requests
    assert request.headers["x-forwarded-host"] == ("outside" if believed else "inside")


@in_reactor
async def test_a_client_behind_a_proxy_that_speaks_the_proxy_protocol(door: Door) -> None:
    port = await serverFromString(reactor, "haproxy:tcp:0:interface=127.0.0.1").listen(door.site)
    behind = Door(door.plugins, door.site, door.folder, port.getHost().port)
    first = (
        b"PROXY TCP4 203.0.113.9 127.0.0.1 5000 3000\r\n",
        b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"
        + bytes((203, 0, 113, 9, 127, 0, 0, 1))
        + b"\x13\x88\x0b\xb8",
    )
    head = f"GET {HELLO} HTTP/1.1\r\nHost: x\r\n{signed()}\r\nConnection: close\r\n\r\n".encode()
    for version in first:
        assert parsed(await behind.exchange(version + head)).status == 200
    seen = [request.headers["x-forwarded-for"] for request in door.plugins.requests]
    assert seen == ["203.0.113.9"] * len(first)
    await port.stopListening()
