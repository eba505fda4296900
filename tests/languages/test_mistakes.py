"""Examples whose author made a mistake, and what else the one in Go outlives."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.cores import wait_for
from tests.languages.documents import ROOT
from tests.plugin.driver import PATIENCE, Peer

PLUGINS = ROOT / "plugins"


class Plugin:
    """One that runs, with what it said on standard error."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.path, self._errors = folder / "s", folder / "errors"
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [program],
                env={"PATH": os.environ["PATH"], "TORU_PLUGIN_SOCKET": str(self.path)},
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def connect(self) -> Peer:
        """A connection, once it listens."""

        def connected() -> Peer | None:
            try:
                return Peer(self.path)
            except (FileNotFoundError, ConnectionRefusedError):
                return None

        return wait_for(connected)

    def wait_said(self, words: str) -> None:
        """Wait until that is in its log."""
        wait_for(lambda: words in self._errors.read_text())


def mistaken(name: str, before: str, mistake: str) -> str:
    """The example's text with a mistake in it."""
    text = (PLUGINS / name).read_text()
    assert text.count(before) == 1
    return text.replace(before, mistake + before)


@pytest.fixture(scope="module")
def in_go(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("go"):
        pytest.fail("Go is not here; as root: apt-get install golang-go", pytrace=False)
    folder = tmp_path_factory.mktemp("go")
    shutil.copy2(PLUGINS / "hello-go/view.js", folder)
    mistake = '\tcase "/mistake":\n\t\treturn []response{}[len(path)]\n'
    (folder / "mistaken.go").write_text(mistaken("hello-go/hello-go.go", '\tcase "/":', mistake))
    subprocess.run(["go", "build", "mistaken.go"], cwd=folder, check=True, timeout=300)
    return folder / "mistaken"


@pytest.fixture(scope="module")
def in_node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("node"):
        pytest.fail("Node is not here; as root: apt-get install nodejs", pytrace=False)
    program = tmp_path_factory.mktemp("node") / "mistaken.js"
    mistake = '  if (path === "/mistake") return nothing;\n'
    program.write_text(mistaken("hello-node/hello-node.js", '  if (path === "/") ', mistake))
    program.chmod(0o755)
    return program


@contextmanager
def running(program: Path, folder: Path) -> Iterator[Plugin]:
    plugin = Plugin(program, folder)
    with plugin.process:
        try:
            yield plugin
        finally:
            plugin.process.kill()


def test_a_panic_fails_its_own_request_alone(in_go: Path, tmp_path: Path) -> None:
    with running(in_go, tmp_path) as plugin, plugin.connect() as peer:
        peer.ask("1", "/mistake")
        assert peer.answer()[:2] == ("1", 500)
        peer.ask("2", "/")
        assert peer.answer()[:2] == ("2", 200)
        plugin.wait_said("GET /mistake: runtime error: index out of range")
        plugin.wait_said("mistaken.go:")
        peer.send("lifecycle", None, {"action": "shutdown", "grace_seconds": 5})
        assert plugin.process.wait(PATIENCE) == 0


def test_a_page_does_not_grow(in_go: Path, tmp_path: Path) -> None:
    with running(in_go, tmp_path) as plugin, plugin.connect() as peer:
        page = "<&>" * 1000
        peer.ask("1", "/echo", body=page)
        with peer.socket.makefile("rb") as lines:
            line = lines.readline()
        assert page.encode() in line


def test_an_exception_is_in_the_log_with_its_stack(in_node: Path, tmp_path: Path) -> None:
    with running(in_node, tmp_path) as plugin, plugin.connect() as peer:
        peer.ask("1", "/mistake")
        message = peer.heard()
        assert message is not None
        assert (message["type"], message["request_id"]) == ("error", "1")
        peer.ask("2", "/")
        assert peer.answer()[:2] == ("2", 200)
        plugin.wait_said("ReferenceError: nothing is not defined")
        plugin.wait_said("mistaken.js:")


def test_it_outlives_a_lack_of_files(in_go: Path, tmp_path: Path) -> None:
    with running(in_go, tmp_path) as plugin, plugin.connect() as peer:
        peer.ask("1", "/")
        assert peer.answer()[:2] == ("1", 200)
        limits = resource.prlimit(plugin.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(plugin.process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        with Peer(plugin.path):
            plugin.wait_said("cannot take a connection: ")
        resource.prlimit(plugin.process.pid, resource.RLIMIT_NOFILE, limits)
        with plugin.connect() as another:
            another.ask("2", "/")
            assert another.answer()[:2] == ("2", 200)
        peer.ask("3", "/")
        assert peer.answer()[:2] == ("3", 200)
