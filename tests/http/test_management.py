"""Management calls, through a real socket."""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pytest
from msgspec import json
from twisted.internet.defer import Deferred, fail
from twisted.logger import LogEvent, LogLevel

from toru.errors import LinkLost, PluginDisabled, PluginUnavailable, RestartFailed
from toru.http.bundle import MAX_BYTES
from toru.model import PluginStatus

from .fakes import Door, answer, in_reactor, status


def decoded(body: bytes) -> Any:
    return json.decode(body)


@in_reactor
async def test_health(door: Door) -> None:
    reply = await door.ask("GET", "/api/health")
    assert (reply.status, reply.body) == (200, b'{"status":"ok"}')
    assert reply.header("content-type") == "application/json"
    assert reply.header("cache-control") == "no-store"
    assert reply.header("x-content-type-options") == "nosniff"
    assert reply.header("server") == "toru"
    assert reply.header("date") is not None


@in_reactor
async def test_plugins_by_name(door: Door) -> None:
    door.plugins.statuses["zed"] = status("zed", name="alpha")
    reply = await door.ask("GET", "/api/plugins")
    assert [plugin["name"] for plugin in decoded(reply.body)] == ["alpha", "Asleep", "Hello"]


@in_reactor
async def test_one_plugin(door: Door) -> None:
    reply = await door.ask("GET", "/api/plugins/hello")
    assert json.decode(reply.body, type=PluginStatus) == status("hello")


@in_reactor
async def test_problems(door: Door) -> None:
    reply = await door.ask("GET", "/api/plugins/problems")
    assert decoded(reply.body) == [{"file": "bad.binary", "error": "id: missing"}]


@in_reactor
async def test_rescan(door: Door) -> None:
    reply = await door.ask("POST", "/api/plugins/rescan")
    assert decoded(reply.body) == {"added": ["new"], "removed": [], "changed": [], "problems": []}
    assert door.plugins.calls == [("rescan", None)]


@pytest.mark.parametrize("action", ["enable", "disable", "restart"])
@in_reactor
async def test_actions(door: Door, action: str) -> None:
    reply = await door.ask("POST", f"/api/plugins/hello/{action}")
    assert (reply.status, decoded(reply.body)["id"]) == (200, "hello")
    assert door.plugins.calls == [(action, "hello")]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("POST", "/enable"), ("POST", "/disable"), ("POST", "/restart"), ("GET", "/bundle.js")],
)
@in_reactor
async def test_no_such_plugin(door: Door, method: str, path: str) -> None:
    reply = await door.ask(method, f"/api/plugins/nobody{path}")
    assert (reply.status, reply.problem["code"]) == (404, "plugin-not-found")
    assert reply.header("cache-control") == "no-store"
    assert reply.header("x-content-type-options") == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api",
        "/api//plugins",
        "//api/plugins",
        "/api/plugins//hello",
        "/api/plugins%2fhello",
        "/api/plugins/hello/nothing",
        "/api/plugins/-hello",
        "/api/plugins/hello%0a",
        "/api/plugins/hel_lo",
        "/api/plugins/..",
        "/api/plugins/" + "x" * 65,
        "/api/health/x",
    ],
)
@in_reactor
async def test_unknown_paths_are_404_and_never_a_redirect(door: Door, path: str) -> None:
    reply = await door.ask("GET", path)
    assert (reply.status, reply.problem["code"]) == (404, "not-found")
    assert door.plugins.calls == []


@pytest.mark.parametrize("path", ["/api/health", "/api/plugins", "/api/plugins/hello"])
@in_reactor
async def test_a_slash_behind_changes_nothing(door: Door, path: str) -> None:
    bare, slashed = await door.ask("GET", path), await door.ask("GET", f"{path}/")
    assert (slashed.status, slashed.body) == (200, bare.body)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/api/plugins", "GET, HEAD"),
        ("DELETE", "/api/plugins/hello", "GET, HEAD"),
        ("GET", "/api/plugins/hello/enable", "POST"),
        ("GET", "/api/plugins/rescan", "POST"),
        ("POST", "/api/plugins/problems", "GET, HEAD"),
        ("PUT", "/api/health", "GET, HEAD"),
        ("OPTIONS", "/api/plugins", "GET, HEAD"),
    ],
)
@in_reactor
async def test_wrong_methods(door: Door, method: str, path: str, allow: str) -> None:
    reply = await door.ask(method, path)
    assert (reply.status, reply.problem["code"]) == (405, "method-not-allowed")
    assert reply.header("allow") == allow


@in_reactor
async def test_head(door: Door) -> None:
    got = await door.ask("GET", "/api/plugins")
    head = await door.ask("HEAD", "/api/plugins")
    assert (head.status, head.body, head.rest) == (200, b"", b"")
    assert head.header("content-length") == str(len(got.body))


@pytest.mark.parametrize(
    ("target", "code"), [("*", 400), ("/api/plugins/%ff", 400), ("http://any/api/health", 200)]
)
@in_reactor
async def test_forms_of_targets(door: Door, target: str, code: int, logged: Sequence[LogEvent]) -> None:
    assert (await door.ask("OPTIONS" if target == "*" else "GET", target)).status == code
    assert [event for event in logged if event["log_level"] >= LogLevel.warn] == []


@pytest.mark.parametrize("host", ["", "a" * 300, "..", "[::1]:3000", "xn--a"])
@in_reactor
async def test_any_host_will_do(door: Door, host: str) -> None:
    sent = f"GET /api/health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    received = await door.exchange(sent.encode("iso-8859-1"))
    assert received.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("error", "code", "retry_after"),
    [
        (RestartFailed("Its new process said: no."), 502, None),
        (PluginDisabled("It is disabled."), 409, None),
        (PluginUnavailable("Not now.", retry_after=4), 503, "4"),
    ],
)
@in_reactor
async def test_errors(door: Door, error: Any, code: int, retry_after: str | None) -> None:
    door.plugins.restart = lambda id, /: fail(error)  # type: ignore[method-assign]
    reply = await door.ask("POST", "/api/plugins/hello/restart")
    assert reply.status == code
    assert reply.problem["detail"] == error.detail
    assert reply.problem["title"] == error.title
    assert reply.problem["code"] == error.code
    assert reply.header("retry-after") == retry_after


@pytest.mark.parametrize("late", [False, True])
@in_reactor
async def test_nothing_leaks_of_a_fault_of_ours(door: Door, late: bool, logged: Sequence[LogEvent]) -> None:
    def broken(id: str, /) -> Deferred[PluginStatus]:
        error = RuntimeError("/secret/path")
        if late:
            return fail(error)
        raise error

    door.plugins.restart = broken  # type: ignore[method-assign]
    reply = await door.ask("POST", "/api/plugins/hello/restart")
    assert (reply.status, reply.problem["code"]) == (500, "internal-error")
    assert b"secret" not in reply.body
    assert b"Traceback" not in reply.body
    [failure] = [event["log_failure"] for event in logged if "log_failure" in event]
    assert str(failure.value) == "/secret/path"


JAVASCRIPT = b"export const mount = () => {};\n"
TAG = '"' + sha256(JAVASCRIPT).hexdigest()[:32] + '"'


def put_bundle(door: Door, content: bytes = JAVASCRIPT) -> None:
    (door.folder / "hello").mkdir()
    (door.folder / "hello" / "bundle.js").write_bytes(content)


@pytest.mark.parametrize("from_file", [True, False])
@in_reactor
async def test_bundle(door: Door, from_file: bool) -> None:
    if from_file:
        put_bundle(door)
    door.plugins.reaction = answer(JAVASCRIPT, headers=[("Content-Type", "text/html"), ("Etag", "theirs")])
    reply = await door.ask("GET", "/api/plugins/hello/bundle.js")
    assert (reply.status, reply.body) == (200, JAVASCRIPT)
    assert reply.header("content-type") == "application/javascript; charset=utf-8"
    assert reply.header("cache-control") == "private, no-cache"
    assert reply.header("etag") == TAG
    asked = [(request.method, request.path) for request in door.plugins.requests]
    assert asked == ([] if from_file else [("GET", "/bundle.js")])


@in_reactor
async def test_no_bundle_is_asked_of_a_plugin_that_took_over_the_route(door: Door) -> None:
    door.plugins.statuses = {"heir": status("heir", route="/hello"), **door.plugins.statuses}
    reply = await door.ask("GET", "/api/plugins/hello/bundle.js")
    assert (reply.status, reply.problem["code"]) == (404, "bundle-not-found")
    assert door.plugins.requests == []


@pytest.mark.parametrize(
    ("if_none_match", "code"),
    [(TAG, 304), (f'"x", W/{TAG}', 304), ("*", 304), ('"x"', 200), (TAG.strip('"'), 200)],
)
@in_reactor
async def test_a_known_bundle_is_not_sent_again(door: Door, if_none_match: str, code: int) -> None:
    put_bundle(door)
    reply = await door.ask("GET", "/api/plugins/hello/bundle.js", [("If-None-Match", if_none_match)])
    assert (reply.status, reply.body) == (code, b"" if code == 304 else JAVASCRIPT)
    assert reply.rest == b""
    assert reply.header("etag") == TAG


@in_reactor
async def test_no_bundle(door: Door) -> None:
    door.plugins.reaction = answer(b"none", status=404)
    reply = await door.ask("GET", "/api/plugins/hello/bundle.js")
    assert (reply.status, reply.problem["code"]) == (404, "bundle-not-found")


@in_reactor
async def test_no_bundle_of_a_disabled_plugin(door: Door) -> None:
    (door.folder / "asleep").mkdir()
    (door.folder / "asleep" / "bundle.js").write_bytes(JAVASCRIPT)
    reply = await door.ask("GET", "/api/plugins/asleep/bundle.js")
    assert (reply.status, reply.problem["code"]) == (404, "bundle-not-found")


@in_reactor
async def test_no_bundle_of_a_plugin_that_is_not_up(door: Door) -> None:
    door.plugins.reaction = lambda _: fail(PluginUnavailable("It is starting.", retry_after=1))
    reply = await door.ask("GET", "/api/plugins/hello/bundle.js")
    assert (reply.status, reply.header("retry-after")) == (503, "1")


@in_reactor
async def test_a_bundle_that_the_plugin_fails_to_give(door: Door, logged: Sequence[LogEvent]) -> None:
    door.plugins.reaction = lambda _: fail(LinkLost("It crashed."))
    assert (await door.ask("GET", "/api/plugins/hello/bundle.js")).status == 502
    # Nobody's request: toru asked for itself.
    assert [event["request_id"] for event in logged if "failed request" in event["log_format"]] == ["-"]


@pytest.mark.parametrize("kind", ["outside", "pipe", "folder", "loop"])
@in_reactor
async def test_a_bundle_that_is_no_file_of_the_plugin_s(door: Door, kind: str) -> None:
    outside = door.folder.parent / f"{door.folder.name}-outside.js"
    outside.write_text("secret")
    (door.folder / "hello").mkdir()
    bundle = door.folder / "hello" / "bundle.js"
    match kind:
        case "outside":
            bundle.symlink_to(outside)
        case "pipe":
            os.mkfifo(bundle)
        case "folder":
            bundle.mkdir()
        case "loop":
            bundle.symlink_to(bundle)
    door.plugins.reaction = answer(b"asked")
    assert (await door.ask("GET", "/api/plugins/hello/bundle.js")).body == b"asked"


@in_reactor
async def test_a_bundle_that_is_too_large(door: Door) -> None:
    put_bundle(door)
    os.truncate(door.folder / "hello" / "bundle.js", MAX_BYTES + 1)
    reply = await door.ask("GET", "/api/plugins/hello/bundle.js")
    assert (reply.status, reply.problem["code"]) == (404, "bundle-not-found")
    assert door.plugins.requests == []
