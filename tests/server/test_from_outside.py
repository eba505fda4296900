"""The table of cases, sent to a core over TCP, with a plugin behind that says what it got."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.integration.bursts import ROUTE
from tests.integration.cores import Core, fresh_core
from tests.integration.test_python_kit import pack
from tests.server.case import Case
from tests.server.client import Client
from tests.server.exchanges import MAX_BODY
from tests.server.frames import RSV1, TEXT, deflated, frame, text
from tests.server.handshakes import CONNECTION, HANDSHAKES, KEY, UPGRADE, asking
from tests.server.judge import objections, remarks
from tests.server.table import CASES
from tests.server.talker import Talker
from tests.server.talks import LARGE, TALKS, Talk

ECHO = """
def handle(file, message):
    if message["type"] != "http":
        return
    asked = message["payload"]
    path = asked["path"]
    if path.startswith("/behind"):
        note("behind", json.dumps(asked))
    answer(file, message, status=int(path[8:11]) if path.startswith("/status/") else 200, body=json.dumps(asked))
serve(handle)
"""

TALK = """
import json
from toru.plugin import Plugin

plugin = Plugin(id="talk", name="Talk", version="1")

@plugin.get("/{rest...}")
def echo(request, rest):
    return {"path": request.path}

@plugin.websocket("/talk")
def talk(socket):
    if "chat" in socket.subprotocols:
        socket.accept("chat")
    for message in socket:
        socket.send(message)

def main():
    plugin.run()
"""


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A core with the echo, and one for WebSockets."""
    with fresh_core(tmp_path_factory.mktemp("c")) as core:
        core.settings(f"max_body_bytes = {MAX_BODY}")
        core.plugin("echo", ECHO)
        pack(TALK, "talk", core.folder, core.plugins)
        core.start()
        core.wait_state("echo", "running")
        core.wait_state("talk", "running")
        yield core


def client(core: Core, plugin: str = "echo") -> Client:
    signed = f"Authorization: {core.authorization()}\r\n"
    return Client(core.port, f"{ROUTE}/{plugin}".encode(), signed.encode())


def talker(core: Core, headers: Mapping[str, str] | None = None, **offers: Any) -> Talker:
    signed = {"Authorization": core.authorization(), **(headers or {})}
    return Talker(core.port, f"{ROUTE}/talk/talk", signed, **offers)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case(core: Core, case: Case) -> None:
    before = core.notes("behind")
    with client(core) as connection:
        assert objections(case, connection) == []
    # What stands behind the end of a connection, or was cut off, is no request.
    assert core.notes("behind") == before


def test_head_has_the_length_that_get_has(core: Core) -> None:
    with client(core) as connection:
        lengths = []
        for method in (b"GET", b"HEAD"):
            connection.send(method + b" <R>/status/200 HTTP/1.1\r\n<G>X-Request-Id: always-the-same\r\n\r\n")
            answer = connection.answer(method)
            assert answer is not None
            lengths.append(int(answer.all("content-length")[0]))
            assert len(answer.body) == (0 if method == b"HEAD" else lengths[0])
    # The echo says the method, too.
    assert lengths[1] - lengths[0] == len("HEAD") - len("GET")


@pytest.mark.parametrize("case", HANDSHAKES, ids=lambda case: case.id)
def test_a_handshake(core: Core, case: Case) -> None:
    with client(core, "talk") as connection:
        assert objections(case, connection) == []


def test_a_version_that_is_spoken_is_named(core: Core) -> None:
    with client(core, "talk") as connection:
        connection.send(asking(UPGRADE, CONNECTION, KEY, b"Sec-WebSocket-Version: 8"))
        answer = connection.answer()
    assert answer is not None
    assert (answer.status, answer.all("sec-websocket-version")) == (426, ["13"])


@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: talk.id)
def test_a_talk(core: Core, talk: Talk) -> None:
    with talker(core, deflate=talk.deflate) as connection:
        assert remarks(talk, connection) == []


@pytest.mark.parametrize("name", LARGE)
def test_a_large_talk(core: Core, name: str) -> None:
    talk = LARGE[name]()
    with talker(core, deflate=talk.deflate) as connection:
        assert remarks(talk, connection) == []


def test_a_message_that_comes_in_bytes(core: Core) -> None:
    with talker(core) as connection:
        for at in range(len(sent := text(b"hello"))):
            connection.send(sent[at : at + 1])
        assert connection.heard() == ("text", b"hello")


def test_a_client_that_goes_without_a_word_costs_nothing(core: Core) -> None:
    for _ in range(20):
        with talker(core) as connection:
            connection.send(frame(TEXT, b"hel", fin=False))
    with talker(core) as connection:
        connection.send(text(b"hello"))
        assert connection.heard() == ("text", b"hello")


def test_the_own_origin(core: Core) -> None:
    with talker(core, {"Origin": f"http://127.0.0.1:{core.port}"}) as connection:
        connection.send(text(b"hello"))
        assert connection.heard() == ("text", b"hello")


@pytest.mark.parametrize(
    ("offered", "taken"), [((), None), (("chat",), "chat"), (("x", "chat"), "chat"), (("x",), None)]
)
def test_a_subprotocol(core: Core, offered: tuple[str, ...], taken: str | None) -> None:
    with talker(core, subprotocols=offered) as connection:
        assert connection.subprotocol == taken


@pytest.mark.parametrize("deflate", [True, 15, 9])
def test_compression_that_is_offered(core: Core, deflate: bool | int) -> None:
    with talker(core, deflate=deflate) as connection:
        [agreed] = connection.extensions
        assert agreed.startswith("permessage-deflate")
        # Nothing of a message is kept for the next: an idle WebSocket would hold the memory for it.
        assert "server_no_context_takeover" in agreed
        assert "client_no_context_takeover" in agreed
        for _ in range(3):
            connection.send(frame(TEXT, deflated(b"hello" * 1000), rsv=RSV1))
            assert connection.heard() == ("text", b"hello" * 1000)


@pytest.mark.parametrize(
    "offered", ["permessage-deflate; unknown", "permessage-deflate; server_max_window_bits=7", "x-other"]
)
def test_an_extension_that_nobody_knows(core: Core, offered: str) -> None:
    with talker(core, {"Sec-WebSocket-Extensions": offered}) as connection:
        assert connection.extensions == []
