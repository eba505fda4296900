"""The kit for Rust as a process, without a core: many requests at once, the way in and the way out."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cores import PATIENCE, wait_for
from toru.wire.metadata import parse_metadata


class Plugin:
    """One that runs, and a connection to it."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.path, self.file = folder / "s", folder / "go"
        environ = {"TORU_PLUGIN_SOCKET": str(self.path), "FILE": str(self.file)}
        self.process = subprocess.Popen([program], env=environ, stdout=subprocess.PIPE, text=True)
        self.connection = wait_for(self.connected)
        self.connection.settimeout(PATIENCE)
        self.lines = self.connection.makefile("r")

    def connect_again(self) -> None:
        self.lines.close()
        self.connection.close()
        self.connection = wait_for(self.connected)
        self.connection.settimeout(PATIENCE)
        self.lines = self.connection.makefile("r")

    def connected(self) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self.path))
        except OSError:
            connection.close()
            return None
        return connection

    def say(self, type: str, request_id: str = "", **payload: Any) -> None:
        message = {"type": type, "request_id": request_id, "payload": payload}
        self.connection.sendall(json.dumps(message).encode() + b"\n")

    def ask(self, request_id: str, path: str) -> None:
        self.say("http", request_id, method="GET", path=path, headers={}, body=None, body_encoding="utf-8")

    def answer(self) -> dict[str, Any]:
        """The message that came next."""
        message: dict[str, Any] = json.loads(self.lines.readline())
        return message

    def heard(self) -> str:
        """The id of the answer that came next."""
        id: str = self.answer()["request_id"]
        return id

    def wait_read(self) -> None:
        """Wait until it has read what it was sent."""
        self.say("lifecycle", "ping", action="ping")
        assert self.heard() == "ping"

    def said(self) -> str:
        """The next line of its log."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@pytest.fixture
def patient(built_rust: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    plugin = Plugin(built_rust / "patient", tmp_path_factory.mktemp("p"))
    with plugin.process:
        try:
            yield plugin
        finally:
            plugin.lines.close()
            plugin.connection.close()
            plugin.process.kill()


def test_metadata(built_rust: Path) -> None:
    done = subprocess.run(
        [built_rust / "patient", "--metadata"], capture_output=True, check=True, timeout=PATIENCE
    )
    metadata = parse_metadata(done.stdout)
    assert (metadata.id, metadata.concurrency, metadata.protocol) == ("patient", 3, "2")
    assert (metadata.description, metadata.author) == ("for the tests", "")


def test_a_slow_request_holds_up_nothing(patient: Plugin) -> None:
    patient.ask("1", "/wait")
    for number in range(2, 50):
        patient.ask(str(number), "/")
        assert patient.heard() == str(number)
    patient.wait_read()
    patient.file.touch()
    assert patient.heard() == "1"
    threads = len(os.listdir(f"/proc/{patient.process.pid}/task"))
    assert threads < 25, "one for each request would be 51"


@pytest.mark.parametrize("signalled", [False, True])
def test_what_was_asked_is_answered_before_the_end(patient: Plugin, signalled: bool) -> None:
    patient.ask("1", "/wait")
    if signalled:
        patient.wait_read()
        patient.process.terminate()
    else:
        patient.say("lifecycle", action="shutdown", grace_seconds=PATIENCE)
    patient.file.touch()
    assert patient.heard() == "1"
    assert patient.process.wait(PATIENCE) == 0
    assert not patient.path.exists()
    assert patient.process.stdout is not None
    assert patient.process.stdout.read() == "bye\n"


def test_the_end_does_not_wait_for_ever(patient: Plugin) -> None:
    patient.ask("1", "/wait")
    patient.say("lifecycle", action="shutdown", grace_seconds=0.05)
    assert patient.lines.readline() == ""
    assert patient.process.wait(PATIENCE) == 0


def test_a_second_word_of_the_end_changes_nothing(patient: Plugin) -> None:
    patient.ask("1", "/wait")
    patient.wait_read()
    patient.say("lifecycle", action="shutdown", grace_seconds=PATIENCE)
    patient.process.terminate()
    patient.process.terminate()
    patient.file.touch()
    assert patient.heard() == "1"
    assert patient.process.wait(PATIENCE) == 0
    assert patient.said() == "bye\n"
    assert patient.said() == ""


def test_an_answer_that_does_not_fit(patient: Plugin) -> None:
    patient.ask("1", "/too-long")
    answer = patient.answer()
    assert (answer["request_id"], answer["payload"]["status"]) == ("1", 500)
    line = json.loads(patient.said())
    assert line["level"] == "error"
    assert line["message"].startswith("GET /too-long: the answer is too long: it takes ")
    patient.ask("2", "/")
    assert patient.heard() == "2"


def test_it_outlives_a_lack_of_files(patient: Plugin) -> None:
    limits = resource.prlimit(patient.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(patient.process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    refused = wait_for(patient.connected)
    line = json.loads(patient.said())
    assert line["level"] == "warn"
    assert line["message"].startswith("cannot take a connection: Too many open files")
    refused.close()
    resource.prlimit(patient.process.pid, resource.RLIMIT_NOFILE, limits)
    patient.connect_again()
    patient.ask("1", "/")
    assert patient.heard() == "1"


def test_a_connection_that_cannot_be_trusted(patient: Plugin) -> None:
    patient.connection.sendall(b"not json\n")
    assert patient.lines.readline() == ""
    patient.connect_again()
    patient.ask("1", "/")
    assert patient.heard() == "1"


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({}, "TORU_PLUGIN_SOCKET is not set"),
        ({"TORU_PLUGIN_SOCKET": "/nowhere/s", "REFUSE": "1"}, "the sensor is missing"),
        ({"TORU_PLUGIN_SOCKET": "/nowhere/s", "FILE": ""}, "cannot listen at /nowhere/s"),
    ],
)
def test_it_says_why_it_does_not_start(built_rust: Path, environ: dict[str, str], why: str) -> None:
    done = subprocess.run(
        [built_rust / "patient"], env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 1
    line = json.loads(done.stdout)
    assert line["level"] == "error"
    assert line["message"].startswith(why)
