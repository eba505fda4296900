"""What counts as an answer that a client got from a plugin's route."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, fail

from toru.errors import BodyTooLarge, LinkLost, PluginBusy, PluginTimeout, PluginUnavailable, ToruError
from toru.wire.messages import Answer

from .fakes import Door, FakePlugins, answer, in_reactor, signed, status
from .memory import on_a_clock

HELLO = "/api/plugins/route/hello"


@pytest.mark.parametrize("code", [200, 204, 302, 404, 500, 503])
@in_reactor
async def test_that_of_the_plugin(door: Door, code: int) -> None:
    door.plugins.reaction = answer(status=code)
    assert (await door.ask("GET", f"{HELLO}/x")).status == code
    assert door.plugins.served == [("hello", code)]


@pytest.mark.parametrize(
    "error",
    [LinkLost("x"), PluginBusy("x"), PluginTimeout("x"), PluginUnavailable("x"), BodyTooLarge("x")],
    ids=lambda error: str(error.status),
)
@in_reactor
async def test_ours_for_it(door: Door, error: ToruError) -> None:
    door.plugins.reaction = lambda _: fail(error)
    assert (await door.ask("GET", HELLO)).status == error.status
    assert door.plugins.served == [("hello", error.status)]


@in_reactor
async def test_an_answer_that_cannot_be_passed_on(door: Door) -> None:
    door.plugins.reaction = answer(status=700)
    assert (await door.ask("GET", HELLO)).status == 502
    assert door.plugins.served == [("hello", 502)]


@in_reactor
async def test_a_fault_of_ours(door: Door) -> None:
    def broken(_: object) -> Deferred[Answer]:
        raise ZeroDivisionError

    door.plugins.reaction = broken
    assert (await door.ask("GET", HELLO)).status == 500
    assert door.plugins.served == [("hello", 500)]


def test_not_that_of_a_client_that_went_away(tmp_path: Path) -> None:
    plugins = FakePlugins(status("hello"))
    plugins.reaction = plugins.never
    _, _, transport = on_a_clock(tmp_path, plugins)
    transport.protocol.dataReceived(f"GET {HELLO}/ HTTP/1.1\r\nHost: x\r\n{signed()}\r\n\r\n".encode())
    transport.loseConnection()
    assert [name for name, _ in plugins.calls] == ["request", "cancelled"]
    assert plugins.served == []


@pytest.mark.parametrize("framing", [("Content-Length", "1001"), ("Transfer-Encoding", "chunked")])
@pytest.mark.parametrize("target", [f"{HELLO}/x?y", f"http://toru.test{HELLO}"])
@in_reactor
async def test_a_body_that_is_refused(door: Door, framing: tuple[str, str], target: str) -> None:
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\n{signed()}\r\nConnection: close\r\n{': '.join(framing)}\r\n\r\n"
    received = await door.exchange(head.encode() + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 413 ")
    assert door.plugins.served == [("hello", 413)]


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/api/plugins/route/nobody", 404),
        ("/api/plugins/route/..", 400),
        ("/x", 404),
        ("*", 400),
        ("/api/plugins/rescan", 413),
    ],
)
@in_reactor
async def test_a_refused_body_that_was_for_no_plugin(door: Door, target: str, code: int) -> None:
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\n{signed()}\r\nConnection: close\r\nContent-Length: 1001\r\n\r\n"
    assert (await door.exchange(head.encode() + b"x" * 1001)).startswith(b"HTTP/1.1 %d " % code)
    assert door.plugins.served == []


@in_reactor
async def test_nothing_else(door: Door) -> None:
    for target in ("/api/plugins/route/nobody", "/api/plugins/route/asleep", "/api/plugins/hello"):
        await door.ask("GET", target)
    # Asked of the plugin, and not through its route.
    assert (await door.ask("GET", "/api/plugins/hello/bundle.js")).status == 200
    assert (await door.ask("GET", HELLO, as_=None)).status == 401
    assert door.plugins.served == []
