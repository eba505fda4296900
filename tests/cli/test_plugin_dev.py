"""`toru plugin dev`: a core with one plugin, which follows each save."""

from __future__ import annotations

import http.client
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Cli, Following
from tests.integration.cores import is_alive, wait_for


class Session:
    """A running `toru plugin dev`, and somebody who is signed in to it."""

    def __init__(self, cli: Cli, name: str) -> None:
        self.source = cli.folder / name / "plugin.py"
        self.running: Following = cli.start("plugin", "dev", name, "--listen", "tcp:0:interface=127.0.0.1")
        self._port = int(self.said(r" is at http://127\.0\.0\.1:(\d+)/plugin/")[1])
        password = self.said("sign in as admin with (.+)")[1]
        login = json.dumps({"username": "admin", "password": password}).encode()
        answer = self._request("POST", "/api/auth/login", login)
        self._cookie = str(answer.getheader("set-cookie")).partition(";")[0]

    def said(self, pattern: str) -> re.Match[str]:
        """The first line like that, once it is there."""

        def found() -> re.Match[str] | None:
            assert self.running.command.poll() is None, (self.running.out, self.running.err)
            lines = [*self.running.out, *self.running.err]
            return next((match for line in lines if (match := re.search(pattern, line))), None)

        return wait_for(found)

    def get(self, path: str) -> str:
        return self._request("GET", path, None, {"Cookie": self._cookie}).read().decode()

    def _request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.request(method, path, body, headers or {})
        return connection.getresponse()

    def save(self, old: str, new: str) -> None:
        text = self.source.read_text()
        assert old in text
        self.source.write_text(text.replace(old, new))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    # Too deep for a socket.
    folder = tmp_path / ("deeper-" * 12)
    folder.mkdir()
    cli = Cli(folder)
    cli.ok("plugin", "new", "mine", "--lang", "python")
    session = Session(cli, "mine")
    yield session
    if session.running.command.poll() is None:
        session.running.stop(signal.SIGKILL)


def test_each_save_is_seen(session: Session) -> None:
    pid = int(session.said(r"mine: ready pid=(\d+)")[1])
    assert session.get("/api/plugins/route/mine/?name=Ada") == "Hello, Ada, from Python!\n"
    session.said("somebody said hello name=Ada")
    version = session.get("/api/plugins/mine/bundle.js")

    session.save("Hello, {name}", "Moin, {name}")
    (session.source.parent / "bundle.js").write_text("export function mount() {}\n")
    wait_for(lambda: session.get("/api/plugins/route/mine/").startswith("Moin, ") or None)
    # What a view that is open looks for, once it hears that the process is another one.
    assert wait_for(
        lambda: bundle if (bundle := session.get("/api/plugins/mine/bundle.js")) != version else None
    ).startswith("export function mount() {}")

    session.save("plugin.run()", "plugin.run(")
    session.said("not packed, and what ran before runs on: .*SyntaxError")
    session.said(r"^\s+plugin\.run\($")
    assert session.get("/api/plugins/route/mine/").startswith("Moin, ")
    session.save("plugin.run(", "plugin.run()")

    running = session.running
    assert running.stop(signal.SIGINT) == 0, running.err
    assert "Traceback (most recent call last)" not in running.out
    assert not is_alive(pid)
    assert not [path for path in (session.source.parent / ".toru/data/run").iterdir() if path.is_socket()]


def test_a_port_that_is_taken(session: Session, tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    cli.ok("plugin", "new", "other", "--lang", "python")
    listen = f"tcp:{session._port}:interface=127.0.0.1"
    why = cli.run("plugin", "dev", "other", "--listen", listen).failure(1)
    assert "cannot listen on" in why
    assert "--listen" in why
