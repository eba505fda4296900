"""What an acknowledged write is worth: the writer killed at any moment, and a disk that is full."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.store import keeper

KILLS = 10


def test_killed_at_random_moments(url: str, tmp_path: Path) -> None:
    """One database, killed again and again; the order of the moments is the same each time."""
    moments = random.Random(7)
    acknowledged: dict[str, str] = {}
    for number in range(KILLS):
        process = subprocess.Popen(keeper.command("write", url, f"{number:04}"), stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(moments.randrange(1, 600)):
            line = process.stdout.readline()
            assert line, "it ended by itself"
            note(acknowledged, line)
        process.send_signal(signal.SIGKILL)
        # What it said before it died, it said for good.
        for line in process.stdout.read().splitlines(keepends=True):
            note(acknowledged, line)
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        found = stored(tmp_path / "toru.db")
        # A later write of the same key may be there that was not acknowledged any more.
        missing = {key: value for key, value in acknowledged.items() if found.get(key, "") < value}
        assert missing == {}
    assert len(acknowledged) > 100


def note(acknowledged: dict[str, str], line: bytes) -> None:
    assert line.endswith(b"\n")
    key, value = line.decode().split()
    acknowledged[key] = value


def stored(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = connection.execute("SELECT key, value FROM plugin_kv").fetchall()
        (used,) = connection.execute("SELECT bytes FROM plugin_kv_usage").fetchone()
    assert used == sum(len(key) + len(value) for key, value in rows)
    return {key.decode(): value.decode() for key, value in rows}


def disks() -> list[str]:
    """A small file system of its own where this user may have one; a limit of files' sizes everywhere."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return ["quota"]
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return ["quota"] + ["tmpfs"] * (subprocess.run(probe, capture_output=True, check=False).returncode == 0)


@pytest.mark.parametrize("disk", disks())
def test_full_while_it_runs(disk: str, tmp_path: Path) -> None:
    if disk == "quota":
        done = subprocess.run(
            keeper.command("fill", f"sqlite:///{tmp_path}/toru.db", "quota"),
            capture_output=True,
            check=False,
            timeout=60,
        )
    else:
        done = on_small_disk(
            tmp_path,
            "head -c 1M /dev/zero > room",
            keeper.command("fill", f"sqlite:///{tmp_path}/toru.db", f"{tmp_path}/room"),
        )
    assert done.returncode == 0, done.stderr
    told, some_kept, lost, while_full, with_room = json.loads(done.stdout)
    assert told == "storage-full"
    assert some_kept
    assert lost == []
    assert (while_full, with_room) == ("x", "y")


@pytest.mark.parametrize("disk", disks())
@pytest.mark.parametrize("already", [False, True])
def test_full_at_the_start(disk: str, already: bool, tmp_path: Path) -> None:
    """With a database that is there `already`, and with none."""
    opening = keeper.command("open", f"sqlite:///{tmp_path}/toru.db")
    first = " ".join(opening) if already else "true"
    if disk == "quota":
        subprocess.run(first, shell=True, check=True)
        done = subprocess.run(
            opening, capture_output=True, check=False, timeout=60, preexec_fn=no_file_may_grow
        )
    else:
        done = on_small_disk(
            tmp_path, f"{first} >/dev/null; head -c 1G /dev/zero > room 2>/dev/null", opening
        )
    assert done.returncode == 1, done.stdout
    (line,) = done.stderr.decode().strip().splitlines()
    assert line.startswith(f"toru: database: {tmp_path}/toru.db cannot be ")


def no_file_may_grow() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))


def on_small_disk(folder: Path, prepared: str, command: list[str]) -> subprocess.CompletedProcess[bytes]:
    """`command` where `folder` has 4 MiB, which nobody else sees and which is gone afterwards."""
    script = (
        f'mount -t tmpfs -o size=4m,mode=777 none "$0" && (cd "$0" && {{ {prepared}; }}); shift 0; exec "$@"'
    )
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(folder), *command],
        capture_output=True,
        check=False,
        timeout=60,
    )
