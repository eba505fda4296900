"""What a plugin's process is given: nothing but what it may have."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cores import Core, fresh_core

SETTINGS = """
[plugin.look.env]
GREETING = "good day = 1"
TZ = "Europe/Vienna"

[plugin.small]
memory_max = "256M"
nofile = 40
"""
GREEDY = """
def handle(file, message):
    if message["type"] == "http":
        try:
            if message["payload"]["path"] == "/memory": bytearray(300 << 20)
            if message["payload"]["path"] == "/files": kept = [os.open("/", 0) for _ in range(50)]
            answer(file, message, body="enough")
        except MemoryError:
            answer(file, message, body="no memory")
        except OSError as error:
            answer(file, message, body=error.strerror)
serve(handle)
"""
# What it starts with, before it opens anything: the core has a lock, logs and connections open.
EARLY = """
def target(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:
        return "of the listing itself"
note("fds", json.dumps({fd: target(fd) for fd in os.listdir("/proc/self/fd")}))
serve(lambda file, message: None)
"""


@pytest.fixture(scope="module")
def secretive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A running core that knows secrets."""
    with fresh_core(tmp_path_factory.mktemp("e")) as core:
        core.settings(SETTINGS)
        core.start(
            environ={
                "TORU_ADMIN_PASSWORD": "hunter2-of-the-core",
                "DATABASE_SECRET": "swordfish-of-the-core",
                "LANG": "C.UTF-8",
                "TZ": "UTC",
            }
        )
        yield core


def environment(pid: int) -> dict[str, str]:
    """What it was started with."""
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().rstrip("\0").split("\0")
    return dict(entry.split("=", 1) for entry in entries)


def test_the_environment_is_clean(secretive: Core) -> None:
    pid = secretive.up("look")

    found = environment(pid)

    run = secretive.folder / "data" / "run"
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    token = found.pop("TORU_PLUGIN_TOKEN")
    assert found == {
        **inherited,
        "LANG": "C.UTF-8",
        "TZ": "Europe/Vienna",
        "GREETING": "good day = 1",
        "TORU_PLUGIN_ID": "look",
        "TORU_PLUGIN_SOCKET": secretive.status("look")["socket_path"],
        "TORU_INSTANCE_ID": (secretive.folder / "data" / "instance-id").read_text().strip(),
        "TORU_LOG_PATH": str(run / "look.log"),
        "TORU_API_URL": f"http://127.0.0.1:{secretive.port}",
    }
    assert uuid.UUID(found["TORU_INSTANCE_ID"])
    assert len(token) > 40
    assert secretive.up("another")
    assert environment(secretive.status("another")["pid"])["TORU_PLUGIN_TOKEN"] != token
    assert "GREETING" not in environment(secretive.status("another")["pid"])


def test_the_environment_of_a_question_has_no_token(secretive: Core) -> None:
    asked = secretive.folder / "asked"
    secretive.file(
        "asked.binary",
        f"""#!/bin/sh
[ "$1" = --metadata ] || exec sleep 3600
cat /proc/self/environ > {asked}
echo '{{"id": "asked", "name": "a", "version": "1", "route": "/asked"}}'
""",
    )

    secretive.post("/api/plugins/rescan")

    assert secretive.status("asked")["id"] == "asked"
    found = {entry.partition("=")[0] for entry in asked.read_text().rstrip("\0").split("\0")}
    allowed = {"PATH", "HOME", "TMPDIR", "LANG", "TZ", "TORU_INSTANCE_ID", "TORU_API_URL"}
    of_the_shell = {"PWD", "OLDPWD", "SHLVL", "_"}
    assert {"PATH", "LANG", "TORU_INSTANCE_ID", "TORU_API_URL"} <= found <= allowed | of_the_shell


def test_the_process_is_the_plugin_itself_in_a_session_of_its_own(secretive: Core) -> None:
    pid = secretive.up("itself")

    assert os.getsid(pid) == pid
    assert os.getpgid(pid) == pid
    command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    assert os.fsencode(secretive.plugins / "itself.binary") in command
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert secretive.process is not None
    assert parent == secretive.process.pid


def test_it_inherits_no_file_descriptor(secretive: Core) -> None:
    secretive.up("early", EARLY)

    (noted,) = secretive.notes("fds")
    fds = json.loads(noted)

    assert fds.pop("0") == "/dev/null"
    assert fds.pop("1").startswith("pipe:")
    assert fds.pop("2").startswith("pipe:")
    assert set(fds.values()) <= {"of the listing itself"}


def test_limits_take_effect(secretive: Core) -> None:
    pid = secretive.up("small", GREEDY)

    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    found = {line[:26].strip(): line[26:].split()[:2] for line in limits[1:]}
    assert found["Max data size"] == [str(256 << 20)] * 2
    assert found["Max open files"] == ["40", "40"]
    assert secretive.route("small", "/memory").body == b"no memory"
    assert secretive.route("small", "/files").body == b"Too many open files"
    assert secretive.route("small").body == b"enough"
    assert secretive.status("small")["pid"] == pid
