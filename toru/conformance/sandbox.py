"""A folder in which one plugin runs alone: its processes, what they print, and the end of all that they started."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from toru.conformance.findings import Trouble
from toru.conformance.storage import Storage
from toru.supervise import sessions
from toru.supervise.spawn import METADATA_BYTES, clean_environment, last_line

# A path longer than that fits into no address of a Unix socket, once `/<number>/plugin.sock` is behind it.
_LONGEST_FOLDER = 80
# How long the last that a process wrote may take to be read once it is gone; somebody else may hold its pipes.
_PIPES_SECONDS = 0.2
# How long what a process started may take to follow it.
_FOLLOW_SECONDS = 0.5
_TAIL_BYTES = 4096
_LOG = "plugin.log"
# More of a log is not looked through.
_LOG_BYTES = 16 * 2**20
INSTANCE_ID = "00000000-0000-4000-8000-000000000000"


class Output:
    """Takes in what comes through a pipe, however much: the first megabyte, the end, and whether a secret was in it."""

    def __init__(self, pipe: IO[bytes], secret: str) -> None:
        self.head = b""
        self.tail = b""
        self.size = 0
        self.leaked = False
        self._pipe = pipe
        self._secret = secret.encode()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while data := os.read(self._pipe.fileno(), 65536):
            self.leaked = self.leaked or self._secret in self.tail + data
            self.size += len(data)
            if len(self.head) < METADATA_BYTES:
                self.head += data[: METADATA_BYTES - len(self.head)]
            self.tail = (self.tail + data)[-_TAIL_BYTES:]
        self._pipe.close()

    def finish(self) -> None:
        """Wait for the rest."""
        self._thread.join(_PIPES_SECONDS)


class Process:
    """A plugin's process, which leads a session of its own and dies with whoever checks it.

    `reached` is for the bench: whether its socket took a connection once.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, environment: dict[str, str], secret: str
    ) -> None:
        """`folder` is for this process alone. Raises Trouble where it cannot be started."""
        self.folder = folder
        self.socket_path = os.fspath(folder / "plugin.sock")
        self.started = time.monotonic()
        self.reached = False
        line = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        try:
            self._popen = subprocess.Popen(
                line,
                cwd=folder.parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise Trouble(f"it cannot be started: {error.strerror}") from None
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        self.pid = self._popen.pid
        self.stdout = Output(self._popen.stdout, secret)
        self.stderr = Output(self._popen.stderr, secret)

    @property
    def code(self) -> int | None:
        """The exit code, the negative signal, or None while it runs."""
        return self._popen.poll()

    def wait(self, seconds: float) -> bool:
        """Whether it ended within that time."""
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def signal(self, signum: int) -> None:
        """To its process group, as toru does it."""
        if self.code is None:
            sessions.signal_group(self.pid, signum)

    def remains(self) -> list[str]:
        """The commands of what it started and left running, once it has ended itself."""
        give_up = time.monotonic() + _FOLLOW_SECONDS
        while (found := self._left()) and time.monotonic() < give_up:
            time.sleep(0.02)
        return [_command(pid) for pid in sorted(found)]

    def _left(self) -> set[int]:
        return sessions.leftovers(self.folder) | set(sessions.members(self.pid))

    def cpu_seconds(self) -> float:
        """Processor time that it used so far; 0 where that cannot be told."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self) -> int:
        """Memory that is its own at the moment; 0 where that cannot be told."""
        try:
            _, resident, shared, *_ = Path(f"/proc/{self.pid}/statm").read_text().split()
        except (OSError, ValueError):
            return 0
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")

    def end(self) -> None:
        """Kill it and all that it started."""
        if self.code is None:
            sessions.signal_session(self.pid, signal.SIGKILL)
            self._popen.wait()
        sessions.kill_members(self.pid)
        sessions.clear_leftovers(self.folder)
        self.stdout.finish()
        self.stderr.finish()

    def describe_end(self) -> str:
        """How it ended, and the last line that it wrote, for a sentence."""
        code = self.code
        if code is None:
            return "still runs"
        self.stderr.finish()
        self.stdout.finish()
        ended = (
            f"exited with code {code}" if code >= 0 else f"was killed by {signal.strsignal(-code) or -code}"
        )
        said = last_line(self.stderr.tail) or last_line(self.stdout.tail)
        return f"{ended}: {said}" if said else ended


class Sandbox:
    """Where one plugin runs, while this is used as a context; at its end nothing of it is left."""

    def __init__(self) -> None:
        self.token = f"toru_{secrets.token_hex(24)}"
        self._storage = Storage(self.token)
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        parent = tempfile.gettempdir()
        # The folder's own name, and what is below it, have to fit as well.
        self.folder = Path(tempfile.mkdtemp("", "toru-check-", parent if len(parent) < 60 else "/tmp"))
        assert len(os.fspath(self.folder)) < _LONGEST_FOLDER
        self._storage.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.end()
        self._storage.__exit__(kind, error, trace)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def last_words(self) -> bytes:
        """The end of what the process that was started last wrote on standard error."""
        return self._processes[-1].stderr.tail if self._processes else b""

    def ask_metadata(self, path: Path) -> Process:
        """A run of `--metadata`."""
        shared = {"TORU_INSTANCE_ID": INSTANCE_ID, "TORU_API_URL": self._storage.url}
        return self._start([os.fspath(path), "--metadata"], self._folder(), shared)

    def start(self, path: Path, plugin_id: str) -> Process:
        """A process of the plugin."""
        folder = self._folder()
        self._storage.plugin_id = plugin_id
        return self._start([os.fspath(path)], folder, self.environment(plugin_id, folder))

    def environment(self, plugin_id: str, folder: Path) -> dict[str, str]:
        """What the process in that folder is told."""
        return {
            "TORU_PLUGIN_ID": plugin_id,
            "TORU_PLUGIN_SOCKET": os.fspath(folder / "plugin.sock"),
            "TORU_INSTANCE_ID": INSTANCE_ID,
            "TORU_LOG_PATH": os.fspath(folder / _LOG),
            "TORU_API_URL": self._storage.url,
            "TORU_PLUGIN_TOKEN": self.token,
        }

    def log_has_token(self, process: Process) -> bool:
        """Whether what the process appended to TORU_LOG_PATH has the token in it."""
        path = process.folder / _LOG
        # A pipe in its place would have nobody at its other end.
        if not path.is_file():
            return False
        with path.open("rb") as log:
            return self.token.encode() in log.read(_LOG_BYTES)

    def _start(self, command: list[str], folder: Path, added: dict[str, str]) -> Process:
        environment = {**clean_environment(os.environ), "TMPDIR": os.fspath(folder), **added}
        process = Process(command, folder, environment, self.token)
        self._processes.append(process)
        return process

    def _folder(self) -> Path:
        folder = self.folder / str(len(self._processes))
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        words = []
    return f"{b' '.join(words).decode(errors='backslashreplace').strip()[:80] or 'a process'} (pid {pid})"
