"""What toru cannot start with: one line that names it, exit code 1, and no traceback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cores import PATIENCE, is_alive, wait_for

TWISTD = Path(sys.executable).with_name("twistd")
ANY_PORT = "--listen=tcp:0:interface=127.0.0.1"


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where toru is started."""
    return tmp_path_factory.mktemp("f")


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def twistd(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        [TWISTD, *arguments],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    )


def refusal(folder: Path, *flags: str, **environ: str) -> str:
    """The one line with which it refuses to start in the foreground."""
    ended = twistd(folder, "-n", "--pidfile=", "toru", *flags, **environ)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stdout + ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith("toru: ")
    # Where twistd's log began already, the same stands there too, and nothing else of ours.
    logged = [line for line in ended.stdout.splitlines() if "[twisted." not in line]
    assert [entry.partition("] ")[2] for entry in logged] in ([], [line])
    return line


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("requets_timeout = 3\n", "toru.toml: unknown key `requets_timeout`"),
        ("[supervision]\nbackof_first = 3\n", "unknown key `backof_first` in [supervision]"),
        ("[plugin.hello]\nrestart = 'never'\n", "`restart` in [plugin.hello]"),
        ("listen = 'bogus:1'\n", "'bogus:1'"),
        ("listen = [\n", "toru.toml: "),
        ("data = '" + "d" * 90 + "'\n", "107 is the most"),
    ],
    ids=["unknown-key", "unknown-key-in-table", "bad-value", "bad-endpoint", "unparsable", "long-path"],
)
def test_a_wrong_file(folder: Path, text: str, named: str) -> None:
    (folder / "toru.toml").write_text(text)
    assert named in refusal(folder)
    assert not (folder / "plugins").exists()


def test_a_file_that_is_missing(folder: Path) -> None:
    assert "absent.toml" in refusal(folder, "--config=absent.toml")


def test_a_wrong_variable(folder: Path) -> None:
    assert "TORU_REQUEST_TIMEOUT" in refusal(folder, TORU_REQUEST_TIMEOUT="soon", TORU_UNKNOWN="fine")


def test_a_port_in_use(folder: Path, taken_port: int) -> None:
    endpoint = f"tcp:{taken_port}:interface=127.0.0.1"
    line = refusal(folder, f"--listen={endpoint}")
    assert endpoint in line
    assert "in use" in line


@pytest.mark.parametrize("setting", ["plugins", "data", "logs"])
def test_a_folder_that_cannot_be_used(folder: Path, setting: str) -> None:
    (folder / "a-file").write_text("no folder\n")
    line = refusal(folder, ANY_PORT, f"--{setting}=a-file")
    assert str(folder / "a-file") in line
    assert f"--{setting}" in line


def test_no_util_linux(folder: Path) -> None:
    (folder / "bin").mkdir()
    assert "install util-linux" in refusal(folder, ANY_PORT, PATH=str(folder / "bin"))


def test_as_a_daemon(folder: Path) -> None:
    """The caller is told that it runs, and it ends at a signal, with its pid file."""
    pid_file, log = folder / "twistd.pid", folder / "twistd.log"

    ended = twistd(folder, f"--pidfile={pid_file}", f"--logfile={log}", "toru", ANY_PORT, "--logs=logs")

    pid = int(pid_file.read_text())
    try:
        assert ended.returncode == 0
        assert ended.stderr == ""
        (line,) = wait_for(
            lambda: [line for line in log.read_text().splitlines() if "toru listens on" in line]
        )
        address = line.split()[-1]
        with urllib.request.urlopen(f"{address}/api/health", timeout=PATIENCE) as answer:
            assert answer.read() == b'{"status":"ok"}'
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not is_alive(pid))
    finally:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)
    assert not pid_file.exists()
    assert "Traceback" not in log.read_text()


def test_a_daemon_that_cannot_start(folder: Path, taken_port: int) -> None:
    """Also what is found out only after the fork is an exit code of the command."""
    pid_file, log = folder / "twistd.pid", folder / "twistd.log"
    flags = (f"--pidfile={pid_file}", f"--logfile={log}", "toru", f"--listen=tcp:{taken_port}")

    ended = twistd(folder, *flags)

    assert ended.returncode == 1
    assert "in use" in log.read_text()
    assert "Traceback" not in ended.stdout + ended.stderr + log.read_text()
    assert not pid_file.exists()
    (folder / "toru.toml").write_text("what = 1\n")
    ended = twistd(folder, *flags)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "unknown key `what`" in line
