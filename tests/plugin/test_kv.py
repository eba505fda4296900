"""The storage's client: what it asks, and what it makes of every answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from toru.plugin import KVConflict, KVError, Plugin
from toru.plugin.kv import KV
from toru.plugin.testing import TestClient


class Server(HTTPServer):
    """Answers as it was told, and keeps what it was asked."""

    answers: list[tuple[int, bytes]]
    asked: list[tuple[str, str | None, Any]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.append((self.path, self.headers["authorization"], json.loads(body)))
        status, answer = self.server.answers.pop(0)
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests are quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.answers, server.asked = [], []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("TORU_API_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("TORU_PLUGIN_TOKEN", "secret")
    monkeypatch.setenv("TORU_PLUGIN_ID", "p")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_asked(server: Server) -> None:
    kv = KV()
    server.answers = [(200, b'{"value": "x"}'), (200, b'{"value": null}')]
    server.answers += [(200, b'{"value": null}')] * 4
    server.answers += [(200, b'{"keys": ["a", "b"], "next": "b"}'), (200, b'{"keys": ["c"], "next": null}')]

    assert kv.get("a") == "x"
    assert kv.get("b") is None
    kv.set("a", "ä")
    kv.set("a", "ä", ttl=1.5, expect=None)
    kv.set("a", "ä", expect="old")
    kv.delete("a")
    assert kv.keys("") == ["a", "b", "c"]

    assert {(path, token) for path, token, _ in server.asked} == {("/api/plugins/p/kv", "Bearer secret")}
    assert [members for _, _, members in server.asked] == [
        {"action": "get", "key": "a"},
        {"action": "get", "key": "b"},
        {"action": "set", "key": "a", "value": "ä"},
        {"action": "set", "key": "a", "value": "ä", "ttl_seconds": 1.5, "expect": None},
        {"action": "set", "key": "a", "value": "ä", "expect": "old"},
        {"action": "delete", "key": "a"},
        {"action": "list", "prefix": ""},
        {"action": "list", "prefix": "", "after": "b"},
    ]


@pytest.mark.parametrize(
    ("status", "answer", "expected", "code"),
    [
        (
            507,
            {"detail": "The storage is full.", "code": "kv-full"},
            "set was refused (507): The storage is full.",
            "kv-full",
        ),
        (409, {"title": "Conflict"}, "set was refused (409): Conflict", ""),
        (503, None, "set was refused (503): it gave no reason", ""),
        (200, [], "set was refused (200): it gave no reason", ""),
    ],
)
def test_refusals_say_why(server: Server, status: int, answer: object, expected: str, code: str) -> None:
    server.answers = [(status, b"<html>" if answer is None else json.dumps(answer).encode())]

    with pytest.raises(KVError) as raised:
        KV().set("a", "b")

    assert (str(raised.value), raised.value.status, raised.value.code) == (expected, status, code)
    assert isinstance(raised.value, KVConflict) == (status == 409)


def test_no_answer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    free = HTTPServer(("127.0.0.1", 0), Handler)
    free.server_close()
    monkeypatch.setenv("TORU_API_URL", f"http://127.0.0.1:{free.server_port}")

    with pytest.raises(KVError, match=r"could not be asked at 127\.0\.0\.1:.*refused") as raised:
        KV().get("a")

    assert raised.value.status == 0


@pytest.mark.parametrize("name", ["TORU_API_URL", "TORU_PLUGIN_TOKEN", "TORU_PLUGIN_ID"])
def test_without_toru(server: Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)

    with pytest.raises(KVError, match=f"There is no storage without toru: {name} is not set"):
        KV().get("a")


def test_the_storage_of_tests_keeps_the_same_rules() -> None:
    plugin = Plugin(id="p", name="P", version="1")
    kv = plugin.kv
    with TestClient(plugin) as client:
        kv.set("b", "1", expect=None)
        kv.set("b", "2", expect="1")
        kv.set("a/1", "x")
        client.kv["a/2"] = "y"
        with pytest.raises(KVConflict):
            kv.set("b", "3", expect="1")
        with pytest.raises(KVConflict):
            kv.set("b", "3", expect=None)
        assert (kv.get("b"), kv.get("c"), kv.keys(), kv.keys("a/")) == (
            "2",
            None,
            ["a/1", "a/2", "b"],
            ["a/1", "a/2"],
        )
        kv.set("gone", "x", ttl=0)
        assert kv.get("gone") is None
        kv.set("gone", "x", ttl=60)
        assert kv.get("gone") == "x"
        kv.delete("b")
        kv.delete("b")
        assert client.kv == {"a/1": "x", "a/2": "y", "gone": "x"}
        for key, value, status in (
            ("", "x", 400),
            ("k" * 513, "x", 400),
            ("k", "x" * (2**20 + 1), 413),
            ("k", 7, 400),
        ):
            with pytest.raises(KVError) as raised:
                kv.set(key, value)  # type: ignore[arg-type]
            assert raised.value.status == status
    # Behind it there is nothing any more.
    with pytest.raises(KVError, match="There is no storage without toru"):
        kv.get("a")
