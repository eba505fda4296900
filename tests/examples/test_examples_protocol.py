"""The examples, each as a bare process without toru, spoken to as the protocol says."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import pytest

from toru.wire.metadata import parse_metadata

PLUGINS = Path(__file__).parents[2] / "plugins"
DEADLINE = 20.0

Message = dict[str, Any]


def usable(example: Path) -> bool:
    interpreter = "go" if example.suffix == ".go" else example.read_text().split("\n", 1)[0].split()[-1]
    return shutil.which(interpreter) is not None


# As `make run` does, this leaves out an example whose language is not there; Python always is.
EXAMPLES = sorted(path for path in PLUGINS.glob("*/hello-*.*") if usable(path))


class Connection:
    """One connection to a plugin: what the core's side of the protocol needs, and no more."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(str(path))
        self.lines: IO[bytes] = self.socket.makefile("rb")

    def send(self, kind: str, payload: Any = None, request_id: str | None = None) -> None:
        message = {"type": kind, "timestamp": "2026-01-13T12:00:00.000Z", "payload": payload}
        if request_id is not None:
            message["request_id"] = request_id
        self.socket.sendall(json.dumps(message, ensure_ascii=False).encode() + b"\n")

    def ask(self, request_id: str, path: str, method: str = "GET", **parts: Any) -> None:
        request: Message = {
            "method": method,
            "path": path,
            "headers": {},
            "body": None,
            "body_encoding": "utf-8",
        }
        self.send("http", request | parts, request_id)

    def receive(self) -> Message:
        message: Message = json.loads(self.lines.readline())
        return message

    def answer(self, request_id: str) -> Message:
        message = self.receive()
        assert (message["type"], message["request_id"]) == ("http", request_id)
        payload: Message = message["payload"]
        return payload

    def close(self) -> None:
        self.lines.close()
        self.socket.close()


class Plugin:
    """A running example and the way to connect to it."""

    def __init__(self, process: subprocess.Popen[bytes], path: Path) -> None:
        self.process = process
        self.path = path

    def connect(self) -> Connection:
        """A connection with `init` said, as soon as the plugin listens."""
        deadline = time.monotonic() + DEADLINE
        pause = threading.Event()
        while True:
            try:
                connection = Connection(self.path)
                break
            except OSError:
                assert self.process.poll() is None
                assert time.monotonic() < deadline
                pause.wait(0.01)
        payload = {"action": "init", "protocol": "2", "plugin_id": "x", "socket_path": str(self.path)}
        connection.send("lifecycle", payload)
        return connection


@pytest.fixture(scope="module", params=EXAMPLES, ids=lambda path: path.stem)
def source(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture(scope="module")
def example(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What can be run: the source itself, or what is made of it."""
    if source.suffix != ".go":
        return source
    program = tmp_path_factory.mktemp("go") / source.stem
    subprocess.run(["go", "build", "-o", program, source.name], cwd=source.parent, check=True, timeout=300)
    return program


@pytest.fixture
def plugin(example: Path) -> Iterator[Plugin]:
    with TemporaryDirectory(prefix="toru-") as folder:
        path = Path(folder) / "s"
        # A socket that a killed process left: nobody listens, and its name is taken.
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(path))
        environ = {"PATH": os.environ["PATH"], "TORU_PLUGIN_SOCKET": str(path)}
        with subprocess.Popen(
            [example], env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        ) as process:
            try:
                yield Plugin(process, path)
                # One that is made of several processes takes the others along.
                process.terminate()
                process.wait(DEADLINE)
            finally:
                process.kill()


def test_the_examples_are_there() -> None:
    assert "hello-python" in [path.stem for path in EXAMPLES]
    assert len(EXAMPLES) >= 2


def test_short_enough_to_copy(source: Path, example: Path) -> None:
    assert os.access(example, os.X_OK)
    assert len(source.read_text().splitlines()) < 180


def test_metadata(example: Path) -> None:
    environ = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        [example, "--metadata"], env=environ, capture_output=True, check=True, timeout=DEADLINE
    )
    assert done.stderr == b""
    metadata = parse_metadata(done.stdout)
    assert metadata.id == example.stem
    assert metadata.route == f"/{example.stem}"
    assert metadata.protocol == "2"
    assert metadata.capabilities == ("ping",)
    assert metadata.icon


def test_root(plugin: Plugin) -> None:
    connection = plugin.connect()
    connection.ask("1", "/")
    answer = connection.answer("1")
    assert answer["status"] == 200
    assert answer["headers"]["content-type"].startswith("text/plain")
    assert answer["body"].startswith("Hello, world, from ")
    connection.ask("2", "/?name=J%C3%BCrgen+M%26M&x")
    assert connection.answer("2")["body"].startswith("Hello, Jürgen M&M, from ")
    connection.ask("3", "/nothing?here")
    assert connection.answer("3")["status"] == 404
    connection.close()


def test_its_view_in_the_dashboard(plugin: Plugin) -> None:
    connection = plugin.connect()
    connection.ask("1", "/bundle.js")
    answer = connection.answer("1")
    assert (answer["status"], answer["headers"]["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert "export async function mount(container, api) {" in answer["body"]
    assert "export function unmount(container) {" in answer["body"]
    connection.close()


def test_request_is_shown(plugin: Plugin) -> None:
    connection = plugin.connect()
    body = "grüße\n\u2028 \x00 🐪"
    connection.ask("a", "/request?q=1%202&empty=", method="POST", headers={"x-one": "1, 2"}, body=body)
    answer = connection.answer("a")
    assert answer["status"] == 200
    assert json.loads(answer["body"]) == {
        "method": "POST",
        "path": "/request",
        "query": {"q": "1 2", "empty": ""},
        "headers": {"x-one": "1, 2"},
        "body": body,
    }
    connection.close()


def test_bodies_come_back_as_they_went(plugin: Plugin) -> None:
    connection = plugin.connect()
    binary = base64.b64encode(bytes(range(256)) * 200).decode()
    headers = {"content-type": "image/png"}
    connection.ask("b", "/echo", method="PUT", headers=headers, body=binary, body_encoding="base64")
    answer = connection.answer("b")
    assert (answer["body"], answer["body_encoding"]) == (binary, "base64")
    assert answer["headers"] == headers
    connection.ask("t", "/echo", method="PUT", body="text")
    answer = connection.answer("t")
    assert (answer["body"], answer["body_encoding"]) == ("text", "utf-8")
    connection.close()


def test_many_requests_at_once(plugin: Plugin) -> None:
    connection = plugin.connect()
    asked = {str(number): f"/?name={number}" for number in range(100)}
    for request_id, path in asked.items():
        connection.ask(request_id, path)
    answered = {}
    for _ in asked:
        message = connection.receive()
        answered[message["request_id"]] = message["payload"]["body"].split(",")[1]
    assert answered == {request_id: f" {request_id}" for request_id in asked}
    connection.close()


def test_ping_and_what_is_unknown(plugin: Plugin) -> None:
    connection = plugin.connect()
    connection.send("weather", {"action": "rain"})
    connection.send("weather")
    connection.send("lifecycle", {"action": "dance"})
    connection.send("cancel", None, "gone")
    connection.send("lifecycle", {"action": "ping"}, "p")
    pong = connection.receive()
    assert (pong["type"], pong["request_id"], pong["payload"]) == ("lifecycle", "p", {"action": "pong"})
    connection.close()


def test_a_request_that_fails_inside_fails_alone(plugin: Plugin) -> None:
    connection = plugin.connect()
    # Nonsense that toru would not send; which of it an example trips over depends on the language.
    connection.ask("bad", "/echo", headers=None)
    connection.ask("worse", "/echo", headers="text")
    connection.ask("good", "/")
    answers = {message["request_id"]: message for message in (connection.receive() for _ in range(3))}
    failed = [message["payload"]["message"] for message in answers.values() if message["type"] == "error"]
    assert failed
    assert all(failed)
    assert answers["good"]["type"] == "http"
    connection.close()


def test_a_new_connection_after_a_lost_one(plugin: Plugin) -> None:
    first = plugin.connect()
    first.socket.sendall(b'{"type": "http", "requ')
    first.close()
    # Gone before its answer could be written.
    second = plugin.connect()
    second.ask("2", "/")
    second.close()
    third = plugin.connect()
    third.socket.sendall(b"not json\n")
    assert third.lines.read() == b""
    third.close()
    fourth = plugin.connect()
    fourth.ask("4", "/")
    assert fourth.answer("4")["status"] == 200
    fourth.close()


def test_shutdown(plugin: Plugin) -> None:
    connection = plugin.connect()
    connection.ask("1", "/log%20me")
    assert connection.answer("1")["status"] == 404
    connection.send("lifecycle", {"action": "shutdown", "grace_seconds": 5})
    assert plugin.process.wait(DEADLINE) == 0
    assert not plugin.path.exists()
    assert plugin.process.stdout is not None
    assert plugin.process.stdout.read() == b"GET /log%20me\n"
    connection.close()


@pytest.mark.parametrize("connected", [True, False])
def test_sigterm(plugin: Plugin, connected: bool) -> None:
    connection = plugin.connect()
    connection.ask("1", "/")
    connection.answer("1")
    if not connected:
        connection.close()
    plugin.process.send_signal(signal.SIGTERM)
    assert plugin.process.wait(DEADLINE) == 0
    assert not plugin.path.exists()
    connection.close()


def test_a_socket_that_somebody_removed_disturbs_no_exit(plugin: Plugin) -> None:
    connection = plugin.connect()
    plugin.path.unlink()
    connection.send("lifecycle", {"action": "shutdown", "grace_seconds": 5})
    assert plugin.process.wait(DEADLINE) == 0
    connection.close()
