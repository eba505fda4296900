"""What the benchmark says of programs that are not here."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks.peers import installing
from benchmarks.peers.installing import Missing


@pytest.fixture
def _nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(installing, "_SYSTEM", "")


def test_what_is_here_is_taken() -> None:
    assert os.access(installing.debian("sh", "dash"), os.X_OK)


@pytest.mark.usefixtures("_nothing_is_installed")
def test_who_is_not_root_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Missing, match=r"^gcc is missing; as root: apt-get install gcc libc6-dev$"):
        installing.debian("gcc", "gcc", "libc6-dev")


@pytest.mark.usefixtures("_nothing_is_installed")
def test_where_there_is_no_apt_get_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(Missing, match="nginx is missing"):
        installing.debian("nginx", "nginx-light")


def test_an_installation_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    def failed(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "no route to host\n")

    monkeypatch.setattr(installing, "KEPT", tmp_path)
    monkeypatch.setattr(subprocess, "run", failed)
    with pytest.raises(Missing, match=r"with pip \(no route to host\)$"):
        installing.jupyter_server_proxy()


def test_a_version_is_found_in_what_a_program_says() -> None:
    told = installing.version(sys.executable, "--version")
    assert told == ".".join(map(str, sys.version_info[:3]))
    assert installing.version("true") == "of unknown version"
