"""Streams, WebSockets and cancelled requests of the kit for Rust, at its socket, without a core."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.samples import objections
from tests.plugin.driver import PATIENCE, Peer, Running, running
from tests.plugin.test_streams import open_socket, said, say
from toru.conformance.runner import run

MEBIBYTE = b"x" * 2**20


def source(program: Path) -> str:
    """A script that becomes that program."""
    path = os.fspath(program)
    return f"import os\nos.execv({path!r}, [{path!r}])\n"


@pytest.fixture(scope="module")
def plugin(built_rust: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("s"), source(built_rust / "streaming")) as plugin:
        yield plugin


@pytest.fixture
def peer(plugin: Running) -> Iterator[Peer]:
    with plugin.connect() as peer:
        yield peer


def is_usable(peer: Peer) -> bool:
    """Whether the connection is as good as new."""
    peer.begin("again", "/again")
    return peer.answer() == ("again", 200, b"/again None")


def test_an_answer_in_parts_while_others_are_still_to_come(peer: Peer) -> None:
    peer.begin("1", "/echo", "POST", b"one", final=False)
    head = peer.heard()
    assert head is not None
    assert head["payload"] == {"status": 200, "headers": {"content-type": ["x/y"]}, "stream": True}
    for data in (b"one", b"\x00\n\xff" * 1000, MEBIBYTE):
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
    assert is_usable(peer)


def test_reading_and_writing_as_rust_does(peer: Peer) -> None:
    peer.begin("1", "/copy", "POST", "grü\n".encode() * 10_000, b"", b"z")
    assert peer.streamed() == (200, "grü\n".encode() * 10_000 + b"z")
    peer.begin("2", "/count", "POST", *[MEBIBYTE] * 30)
    assert peer.answer() == ("2", 200, b"31457280")


def test_a_route_without_streams_gets_the_whole_body_or_none(peer: Peer, plugin: Running) -> None:
    peer.begin("1", "/kept", "POST", b"x" * 100, b"y" * 100)
    assert peer.answer() == ("1", 200, b"/kept Some(200)")
    # A connection for one exchange may carry whole requests as well.
    peer.ask("2", "/kept", "POST", body="z")
    assert peer.answer() == ("2", 200, b"/kept Some(1)")
    with plugin.connect() as other:
        other.begin("3", "/kept", "POST", *[MEBIBYTE] * 9, final=False)
        assert other.answer() == ("3", 413, b"The body has more than 8388608 bytes.\n")


def test_a_large_answer_goes_in_parts_of_at_most_a_mebibyte(peer: Peer) -> None:
    peer.begin("1", "/large")
    head = peer.heard()
    assert head is not None
    assert head["payload"]["stream"] is True
    sizes = []
    while (part := peer.heard()) and not part["payload"]["final"]:
        sizes.append(len(part["data"]))
    assert sizes == [2**20] * 20


def test_an_answer_without_a_body(peer: Peer) -> None:
    peer.begin("1", "/endless", "HEAD")
    assert peer.streamed() == (200, b"")
    assert is_usable(peer)


def test_what_is_left_of_a_request_is_read_where_it_is_short(peer: Peer, plugin: Running) -> None:
    peer.begin("1", "/early", "POST", b"x" * 1000)
    assert peer.answer() == ("1", 200, b"enough")
    assert is_usable(peer)
    with plugin.connect() as other:
        other.begin("2", "/early", "POST", final=False)
        assert other.answer() == ("2", 200, b"enough")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            other.parts("2", [MEBIBYTE] * 20)


def test_what_fails_before_the_answer_is_an_error(peer: Peer, plugin: Running) -> None:
    for path, why in (("/fails", "lost"), ("/forgotten", "the plugin returned without an answer")):
        peer.begin("1", path, "POST", b"x")
        message = peer.heard()
        assert message is not None
        assert (message["type"], message["payload"]) == ("error", {"message": why})
    peer.begin("2", "/panics")
    assert peer.answer()[:2] == ("2", 500)
    assert plugin.said("GET /panics panicked: out of parts")["level"] == "error"
    assert is_usable(peer)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/broken", "GET /broken failed after its answer had begun: lost"),
        ("/panics-late", "GET /panics-late panicked: out of parts"),
    ],
)
def test_what_fails_later_breaks_the_answer_off(peer: Peer, plugin: Running, path: str, why: str) -> None:
    peer.begin("1", path, final=False)
    head, first = peer.heard(), peer.heard()
    assert head is not None
    assert first is not None
    assert (head["payload"]["status"], first["data"]) == (200, b"first")
    assert peer.is_closed()
    assert plugin.said(why)["level"] == "error"


def test_a_client_that_goes(plugin: Running) -> None:
    with plugin.connect() as peer:
        peer.begin("1", "/endless")
        peer.heard()
    plugin.said("endless is over")
    before = len([one for one in plugin.logs if one["message"] == "has seen it"])
    with plugin.connect() as peer:
        peer.begin("1", "/quiet")
        assert peer.heard() is not None
    with plugin.connect() as peer:
        open_socket(peer, "/waits")
    with plugin.connect() as peer:
        peer.begin("1", "/count", "POST", b"x", final=False)
    plugin.said("has seen it", before + 2)
    assert not [one for one in plugin.logs if "count" in one["message"] or "closed:" in one["message"]]


def test_a_request_that_is_cancelled(peer: Peer, plugin: Running) -> None:
    before = len([one for one in plugin.logs if one["message"] == "has seen it"])
    peer.ask("1", "/wait")
    peer.send("cancel", "another", {})
    peer.send("cancel", "1", {})
    plugin.said("has seen it", before + 1)
    waiting = len([one for one in plugin.logs if one["message"] == "waits"])
    with plugin.connect() as other:
        other.ask("2", "/wait")
        plugin.said("waits", waiting + 1)
    plugin.said("has seen it", before + 2)
    # Nobody is told anything about the one that was cancelled.
    peer.ask("3", "/here")
    assert peer.answer() == ("3", 200, b"/here None")
    # A stream that is cancelled by a word hears of it where it reads.
    peer.begin("4", "/count", "POST", b"x", final=False)
    peer.send("cancel", "4", {})
    assert peer.heard() == {
        "type": "error",
        "request_id": "4",
        "payload": {"message": "the client has gone"},
    }
    assert peer.is_closed()


def test_a_conversation(peer: Peer, plugin: Running) -> None:
    assert open_socket(peer, "/", "a", "b") == {
        "type": "websocket",
        "action": "accept",
        "subprotocol": "b",
    }
    for message in ("grüße", b"\xff\x00\n", "", b"x" * 2**24):
        say(peer, message)
        echoed = said(peer)
        data = message.encode() if isinstance(message, str) else message
        kind = "text" if isinstance(message, str) else "binary"
        assert (echoed["kind"], echoed.get("data", b"")) == (kind, data)
    peer.send("lifecycle", "p", {"action": "ping"})
    pong = peer.heard()
    assert pong is not None
    assert pong["payload"] == {"action": "pong"}
    peer.send("websocket", "w", {"action": "close", "code": 4321, "reason": "enough"})
    assert said(peer) == {"type": "websocket", "action": "close", "code": 1000, "reason": ""}
    plugin.said('closed with Some((4321, "enough"))')
    assert is_usable(peer)


def test_the_plugin_closes(peer: Peer, plugin: Running) -> None:
    assert open_socket(peer, "/") == {"type": "websocket", "action": "accept"}
    say(peer, "bye")
    assert said(peer) == {
        "type": "websocket",
        "action": "close",
        "code": 4000,
        "reason": "as you wish",
    }
    plugin.said('after the end: Err(Some("closed"))')
    # What was on its way is not answered any more.
    say(peer, "late")
    peer.send("websocket", "w", {"action": "close", "code": 4000, "reason": ""})
    assert is_usable(peer)


@pytest.mark.parametrize(
    ("path", "kind", "told"),
    [
        ("/never", "http", {"status": 404}),
        ("/unused", "http", {"status": 403}),
        ("/fails-early", "error", {"message": "lost"}),
    ],
)
def test_refusals(peer: Peer, path: str, kind: str, told: dict[str, object]) -> None:
    refused = open_socket(peer, path)
    assert (refused["type"], refused | told) == (kind, refused)
    assert is_usable(peer)


@pytest.mark.parametrize(
    ("path", "why"),
    [("/fails", "WebSocket /fails failed: lost"), ("/panics", "WebSocket /panics panicked: out of words")],
)
def test_a_conversation_that_fails(peer: Peer, plugin: Running, path: str, why: str) -> None:
    open_socket(peer, path)
    assert said(peer)["code"] == 1011
    peer.send("websocket", "w", {"action": "close", "code": 1011, "reason": ""})
    plugin.said(why)
    assert is_usable(peer)


def test_a_client_that_does_not_read_holds_the_plugin_up_until_it_goes(plugin: Running) -> None:
    with plugin.connect() as peer:
        open_socket(peer, "/flood")
        peer.send("lifecycle", "p", {"action": "ping"})
        assert said(peer)["length"] == 100_000
    plugin.said("flood is over: the WebSocket is closed")
    assert not [one for one in plugin.logs if "/flood failed" in one["message"]]


@pytest.mark.parametrize(
    "nonsense",
    [
        b'{"type": "body", "request_id": "1", "payload": {"length": 1}}\nx',
        b'{"type": "websocket", "request_id": "1", "payload": {"action": "close"}}\n',
    ],
)
def test_what_belongs_to_nothing_ends_the_connection(peer: Peer, plugin: Running, nonsense: bytes) -> None:
    before = len([one for one in plugin.logs if "toru said what belongs to nothing" in one["message"]])
    peer.socket.sendall(nonsense)
    assert peer.is_closed()
    assert plugin.said("toru said what belongs to nothing", before + 1)["level"] == "warn"


def test_it_ends_while_there_are_streams(built_rust: Path, tmp_path: Path) -> None:
    with running(tmp_path, source(built_rust / "streaming")) as plugin, plugin.connect() as peer:
        peer.begin("1", "/echo", "POST", b"one", final=False)
        peer.send("lifecycle", None, {"action": "shutdown", "grace_seconds": PATIENCE})
        # What is under way goes on, on the connection that said so as well.
        peer.part("1", b"two", final=True)
        assert peer.streamed() == (200, b"onetwo")
        assert plugin.ended() == 0


def test_what_is_not_there_is_not_declared(built_rust: Path) -> None:
    def capabilities(name: str) -> list[str]:
        done = subprocess.run(
            [built_rust / name, "--metadata"], capture_output=True, check=True, timeout=PATIENCE
        )
        declared: list[str] = json.loads(done.stdout)["capabilities"]
        return declared

    assert capabilities("patient") == ["ping", "cancel"]
    assert capabilities("streaming") == ["ping", "cancel", "stream", "websocket"]


def test_the_document(built_rust: Path, tmp_path: Path) -> None:
    with running(tmp_path, source(built_rust / "flow")) as plugin, plugin.connect() as peer:
        peer.begin("1", "/upper", "POST", b"one ", b"two")
        assert peer.streamed() == (200, b"ONE TWO")
        peer.begin("2", "/count", "POST", b"one ", b"two")
        assert peer.answer() == ("2", 200, b"7")
        peer.begin("3", "/elsewhere?x")
        assert peer.answer() == ("3", 200, b"You asked for /elsewhere?x\n")
        assert open_socket(peer, "/")["status"] == 403
        headers = {"x-toru-role": "admin"}
        peer.send("websocket", "w", {"action": "open", "path": "/", "headers": headers, "subprotocols": []})
        assert said(peer)["action"] == "accept"
        say(peer, "hello")
        assert said(peer)["data"] == b"hello"


def test_the_example(built_rust: Path, tmp_path: Path) -> None:
    with (
        running(tmp_path, source(built_rust / "talk-rust")) as plugin,
        plugin.connect() as events,
        plugin.connect() as one,
        plugin.connect() as two,
        plugin.connect() as other,
    ):
        events.begin("1", "/events")
        assert events.heard() is not None
        assert open_socket(one, "/")["action"] == "accept"
        say(one, "one")
        assert said(one)["data"] == b"one"
        assert open_socket(two, "/")["action"] == "accept"
        say(two, "two\nlines")
        assert said(two)["data"] == said(one)["data"] == b"two\nlines"
        other.begin("2", "/say", "POST", b"all")
        assert other.answer()[:2] == ("2", 204)
        heard = b""
        while not heard.endswith(b"data: all\n\n"):
            part = events.heard()
            assert part is not None
            heard += part["data"]
        assert heard == b"data: one\n\ndata: two\ndata: lines\n\ndata: all\n\n"
        assert said(one)["data"] == said(two)["data"] == b"all"


def test_the_example_keeps_to_the_protocol(built_rust: Path, tmp_path: Path) -> None:
    binary = tmp_path / "talk-rust.binary"
    shutil.copy2(built_rust / "talk-rust", binary)
    results = run(binary)
    assert objections(results) == []
    checked = {result.check for result in results if result.outcome != "skipped"}
    assert {"stream", "websocket", "ping", "dropped-connection"} <= checked
