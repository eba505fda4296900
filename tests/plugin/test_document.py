"""Every snippet of docs/authors/python.md runs, and does what the text around it says."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.driver import KIT, running
from toru.plugin.testing import TestClient, WebSocketRefused

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/authors/python.md").read_text()
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
IDS = [re.search(r'id="([a-z]+)"', snippet) for snippet in SNIPPETS]
Load = Callable[[str], Any]
BY_ID = {found[1]: snippet for found, snippet in zip(IDS, SNIPPETS, strict=True) if found}


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Gives the snippet that makes the plugin of an id, imported."""

    def load(id: str) -> Any:
        file = tmp_path / f"{id}.py"
        file.write_text(BY_ID[id])
        spec = importlib.util.spec_from_file_location(f"snippet_{id}", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def test_no_snippet_is_forgotten() -> None:
    assert len(BY_ID) == len(SNIPPETS)
    tested = Path(__file__).read_text()
    for id in BY_ID:
        assert f'"{id}"' in tested, f"nothing here runs the snippet of {id}"


def test_the_guest_book(load: Load) -> None:
    assert BY_ID["guestbook"] == (ROOT / "plugins/guestbook/plugin.py").read_text()
    assert len(BY_ID["guestbook"].splitlines()) <= 30
    with TestClient(load("guestbook").plugin) as client:
        assert client.post("/", body=" hi ").status == 201
        assert client.post("/", body="").text == "Say something, at least."
        assert client.get("/").json() == [{"from": "ada", "text": "hi"}]
        assert client.logs[-1].fields == {"user": "ada"}


def test_handlers(load: Load) -> None:
    plugin = load("shelf").plugin
    with TestClient(plugin) as client:
        assert client.get("/books/1").json() == {"title": "Emma"}
        assert client.put("/books/2", json={"title": "Persuasion"}).status == 204
        assert client.get("/books/2").json() == {"title": "Persuasion"}
        assert client.delete("/books/2").status == 204
        assert client.get("/books/2").status == 404
        assert client.post("/books/2").headers["allow"] == "DELETE, GET, PUT"
        assert client.request("HEAD", "/books/1").status == 200
        assert client.get("/covers/a/b").text == "<h1>a/b</h1>"
    with TestClient(plugin, role="client") as client:
        assert client.delete("/books/1").text == "Only admins change books."


def test_waiting(load: Load) -> None:
    with TestClient(load("slow").plugin) as client:
        assert client.get("/").json() == {"seen": None}


def test_on_twisted(tmp_path: Path) -> None:
    with running(tmp_path, BY_ID["twist"]) as plugin, plugin.connect() as peer:
        peer.ask("1", "/")
        assert peer.answer() == ("1", 200, b"later")


def test_hooks(load: Load) -> None:
    plugin = load("counted").plugin
    with TestClient(plugin) as client:
        assert [client.get("/").json() for _ in range(2)] == [1, 2]
    assert client.kv == {"seen": "2"}


def test_storage(load: Load) -> None:
    plugin = load("lock").plugin
    with TestClient(plugin) as client:
        assert [client.post("/lock").text for _ in range(2)] == ["yours for a minute", "ada has it"]


def test_streams(load: Load) -> None:
    with TestClient(load("flow").plugin) as client:
        assert client.get("/ticks").text == "tick 0\ntick 1\ntick 2\n"
        assert client.post("/upper", body=[b"ab", b"c"]).text == "ABC"
        assert client.post("/count", body=[b"ab", b"c"]).json() == 3


def test_websockets(load: Load) -> None:
    plugin = load("talk").plugin
    with TestClient(plugin) as client:
        with client.websocket("/echo") as socket:
            socket.send("hi")
            assert socket.receive() == "hi"
        with client.websocket("/admins", subprotocols=["v1", "v2"]) as socket:
            assert (socket.subprotocol, socket.receive()) == ("v2", "welcome")
    with (
        TestClient(plugin, role="client") as client,
        pytest.raises(WebSocketRefused) as refused,
        client.websocket("/admins"),
    ):
        pass
    assert refused.value.reply.text == "Only admins."


@pytest.mark.parametrize(("id", "said"), [("shop", "Hello from Flask"), ("star", "Hello from Starlette")])
def test_applications(load: Load, id: str, said: str) -> None:
    with TestClient(load(id).plugin) as client:
        assert client.get("/").text == said


def test_a_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "viewed.py").write_text(BY_ID["viewed"])
    (tmp_path / "bundle.js").write_text("export function mount() {}")
    monkeypatch.syspath_prepend(tmp_path)
    module = __import__("viewed")
    with TestClient(module.plugin) as client:
        reply = client.get("/bundle.js")
        assert (reply.text, reply.headers["content-type"]) == (
            "export function mount() {}",
            "text/javascript; charset=utf-8",
        )


def test_tests(load: Load) -> None:
    module = load("greeter")
    module.test_greeting()
    module.test_echo()


def test_by_hand(tmp_path: Path) -> None:
    (script,) = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    (tmp_path / "guestbook.py").write_text(BY_ID["guestbook"])
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(sys.executable)
    environ = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": KIT}
    said = subprocess.run(
        ["sh", "-euc", script], cwd=tmp_path, env=environ, capture_output=True, check=True, timeout=60
    )
    assert json.loads(said.stdout)["id"] == "guestbook"
    # With no toru but its own.
    said = subprocess.run(
        [sys.executable, "-I", "-S", "guestbook.binary", "--metadata"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(said.stdout)["id"] == "guestbook"
