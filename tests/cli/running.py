"""The `toru` command, run as a person or a script would run it."""

from __future__ import annotations

import atexit
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any

from tests.cli import zygote
from tests.integration.cores import PATIENCE, wait_for

# As it is installed. What `Cli` runs is the same without the start of an interpreter.
TORU = Path(sys.executable).with_name("toru")


@cache
def _requests() -> socket.socket:
    """Where commands are asked for; one process for all tests, which ends with them."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, zygote.__file__, str(theirs.fileno())], pass_fds=[theirs.fileno()]
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait(PATIENCE)

    atexit.register(end)
    return ours


class Command:
    """A command that runs."""

    def __init__(
        self, argv: list[str], cwd: Path, env: Mapping[str, str], standard: tuple[IO[Any] | int, ...]
    ) -> None:
        reading, told = os.pipe()
        message = json.dumps({"argv": argv, "cwd": str(cwd), "env": dict(env)}).encode()
        assert len(message) < zygote.MESSAGE_BYTES
        files = [file if isinstance(file, int) else file.fileno() for file in standard]
        socket.send_fds(_requests(), [message], [*files, told])
        os.close(told)
        self._told: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(reading,), daemon=True)
        self._reader.start()
        self.pid = self._told.get(timeout=PATIENCE)
        self._code: int | None = None

    def _read(self, reading: int) -> None:
        with open(reading) as lines:
            for line in lines:
                self._told.put(int(line))

    def poll(self) -> int | None:
        """The exit code where it has ended."""
        if self._code is None and not self._told.empty():
            self._code = self._told.get()
        return self._code

    def wait(self) -> int:
        """The exit code, once it has ended."""
        if self._code is None:
            try:
                self._code = self._told.get(timeout=PATIENCE)
            except queue.Empty:
                os.kill(self.pid, signal.SIGKILL)
                raise
        return self._code


@dataclass(frozen=True)
class Ended:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)

    def lines(self) -> list[Any]:
        """The same where each line is JSON by itself."""
        return [json.loads(line) for line in self.out.splitlines()]

    def failure(self, code: int) -> str:
        """The one line with which it failed with that exit code."""
        assert (self.code, self.out) == (code, ""), self
        (line,) = self.err.splitlines()
        assert line.startswith("toru: ")
        return line.removeprefix("toru: ")


@dataclass
class Cli:
    """The command in `folder`, with a config folder of its own and no more of `TORU_…` than `environ` has."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def environment(self, **more: str) -> dict[str, str]:
        """The whole environment that it gets."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TORU_")}
        return {**inherited, "XDG_CONFIG_HOME": str(self.folder / "config"), **self.environ, **more}

    def run(self, *arguments: str | Path, stdin: str = "", environ: Mapping[str, str] | None = None) -> Ended:
        """Run it to its end."""
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            given.write(stdin.encode())
            given.seek(0)
            code = Command(
                [str(argument) for argument in arguments],
                self.folder,
                self.environment(**(environ or {})),
                (given, out, err),
            ).wait()
            printed = []
            for file in (out, err):
                file.seek(0)
                printed.append(file.read().decode())
        assert "Traceback" not in printed[1], printed[1]
        return Ended(code, *printed)

    def ok(self, *arguments: str | Path, stdin: str = "") -> Ended:
        """Run it, and it does what it is asked."""
        ended = self.run(*arguments, stdin=stdin)
        assert (ended.code, ended.err) == (0, ""), ended
        return ended

    def start(self, *arguments: str) -> Following:
        """Start it, for what goes on until it is stopped."""
        (out, out_written), (err, err_written) = os.pipe(), os.pipe()
        with open(os.devnull) as nothing:
            command = Command(
                list(arguments), self.folder, self.environment(), (nothing, out_written, err_written)
            )
        os.close(out_written)
        os.close(err_written)
        return Following(command, open(out), open(err))


class Following:
    """A command that goes on, and what it printed so far."""

    def __init__(self, command: Command, out: IO[str], err: IO[str]) -> None:
        self.command = command
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((out, self.out), (err, self.err))
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: IO[str], lines: list[str]) -> None:
        with stream:
            for line in stream:
                lines.append(line.rstrip("\n"))

    def wait_for_lines(self, count: int) -> list[str]:
        """What it printed, once that is so many lines."""
        return wait_for(
            lambda: self.out if len(self.out) >= count or self.command.poll() is not None else None
        )

    def stop(self, signum: int) -> int:
        """Send it a signal; its exit code, once all that it said is read."""
        os.kill(self.command.pid, signum)
        return self.end()

    def end(self) -> int:
        """Wait for its end."""
        code = self.command.wait()
        for reader in self._readers:
            reader.join(PATIENCE)
        return code
