"""Starts processes: each in a session of its own, with a clean environment, dying with the core.

util-linux does what Python cannot do between fork and exec without a copy of the whole core: `setsid`
makes the session, `setpriv` has the kernel kill the process when the core dies, `prlimit` sets limits. Each
replaces itself with the next, so that the process that is left is the plugin's own.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall, IProcessTransport, IReactorProcess, IReactorTime
from twisted.internet.process import Process
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from toru.errors import InvalidMetadata, StartError
from toru.supervise import sessions

METADATA_SECONDS = 5.0
METADATA_BYTES = 2**20
# How long the pipes may stay open once the process is gone.
_PIPES_SECONDS = 1.0
# The most that a pipe holds, unless root enlarges it.
_MOST_PIPE = 2**20
_INHERITED = ("PATH", "HOME", "LANG", "TZ", "TMPDIR")


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What of the core's environment a plugin may see."""
    return {name: environ[name] for name in _INHERITED if name in environ}


def describe_end(reason: Failure) -> tuple[int | None, str | None, str]:
    """(exit code, name of the signal, a sentence) of a process that ended."""
    error = reason.value
    if isinstance(error, ProcessTerminated) and error.signal is not None:
        name = _signal_name(error.signal)
        return None, name, f"killed by {name}"
    code = error.exitCode if isinstance(error, (ProcessDone, ProcessTerminated)) else None
    return code, None, f"exited with code {code}"


def rest_of(process: Process, descriptor: int) -> bytes:
    """What a process that has ended left in one of its pipes, where nobody has read it yet; 1 MiB at the most."""
    pipe = process.pipes.get(descriptor)
    if pipe is None:
        return b""
    try:
        return os.read(pipe.fileno(), _MOST_PIPE)
    except BlockingIOError:
        return b""


def raise_open_files() -> int:
    """Let this process have as many files open as it may; each client and each plugin is some.

    Returns how many it might have before, which is what programs that it starts expect.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most of the real-time ones have none
        return f"SIG{number}"


class Spawner:
    """Starts executables. One for the whole core."""

    def __init__(
        self, processes: IReactorProcess, clock: IReactorTime, environ: Mapping[str, str], nofile: int
    ) -> None:
        """`nofile`: how many files a program may open that nothing else is said of. Raises StartError where
        util-linux is not there."""
        self._processes = processes
        self._clock = clock
        self._environment = clean_environment(environ)
        setsid, setpriv, self._prlimit = map(_tool, ("setsid", "setpriv", "prlimit"))
        self._prefix = (setsid, "--", setpriv, "--pdeathsig", "KILL", "--")
        self._nofile = nofile
        self._null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Give back the file descriptor; nothing can be started any more."""
        os.close(self._null)

    def spawn(
        self,
        protocol: ProcessProtocol,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        memory_max: int | None = None,
        nofile: int | None = None,
        descriptors: Mapping[int, int] = MappingProxyType({}),
    ) -> IProcessTransport:
        """Start `command` (an absolute path, and arguments); its output comes to `protocol`.

        `descriptors` are open files of ours that it gets, by their numbers there, which are above 2.

        `environment` is added to the clean one. `memory_max` (bytes of private memory) and `nofile` are
        resource limits. Raises OSError where the system cannot start a process at all; a command that
        cannot be executed is an exit with code 126 or 127 and a line on standard error.
        """
        limits = []
        if nofile is not None:
            limits.append(f"--nofile={nofile}")
        if memory_max is not None:
            limits.append(f"--data={memory_max}")
        # What the operator set holds from the first instruction on, for one more program to execute.
        prlimit = (self._prlimit, *limits, "--") if limits else ()
        line = [os.fsencode(word) for word in (*self._prefix, *prlimit, *command)]
        added = {**self._environment, **environment}
        process = self._processes.spawnProcess(
            protocol,
            line[0],
            line,
            env={os.fsencode(name): os.fsencode(value) for name, value in added.items()},
            childFDs={0: self._null, 1: "r", 2: "r", **descriptors},
        )
        if nofile is None and process.pid is not None:  # it has none where it is over already
            with suppress(ProcessLookupError):
                _, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
                resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (self._nofile, hard))
        return process

    def ask(self, path: Path, environment: Mapping[str, str]) -> Deferred[bytes]:
        """What `path --metadata` prints on standard output.

        Fails with InvalidMetadata where it does not exit with 0 within 5 s, or prints over 1 MiB.
        Cancelling kills it.
        """
        question = _Question(self._clock)
        try:
            self.spawn(question, [os.fspath(path), "--metadata"], environment)
        except OSError as error:
            question.answer.errback(InvalidMetadata(f"cannot be started: {error.strerror}"))
        return question.answer


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise StartError(f"`{name}` is missing: install util-linux")
    return found


class _Question(ProcessProtocol):
    """One run of `--metadata`, which ends with all that it started."""

    def __init__(self, clock: IReactorTime) -> None:
        self.answer: Deferred[bytes] = Deferred(self._kill)
        self._clock = clock
        self._output: list[bytes] = []
        self._errors = b""
        self._size = 0
        self._pid = 0
        self._timer: IDelayedCall | None = None
        self._why: str | None = None

    def connectionMade(self) -> None:
        assert self.transport is not None
        self._pid = self.transport.pid
        self._timer = self._clock.callLater(METADATA_SECONDS, self._too_slow)

    def outReceived(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= METADATA_BYTES:
            self._output.append(data)
        elif self._why is None:
            self._why = "`--metadata` printed more than 1 MiB"
            self._kill()

    def errReceived(self, data: bytes) -> None:
        self._errors = (self._errors + data)[-1000:]

    def processExited(self, reason: Failure) -> None:
        # Whatever it started holds the pipes open, and has no business to go on; what left the session
        # is not waited for.
        sessions.kill_members(self._pid)
        self._pid = 0
        assert self._timer is not None
        if self._timer.active():
            self._timer.cancel()
        self._timer = self._clock.callLater(_PIPES_SECONDS, self._close_pipes)

    def processEnded(self, reason: Failure) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self.answer.called:
            return
        code, _, ended = describe_end(reason)
        if self._why is not None:
            self.answer.errback(InvalidMetadata(self._why))
        elif code == 0:
            self.answer.callback(b"".join(self._output))
        else:
            said = last_line(self._errors)
            self.answer.errback(InvalidMetadata(f"`--metadata` {ended}{said and f': {said}'}"))

    def _too_slow(self) -> None:
        self._why = f"`--metadata` did not exit within {METADATA_SECONDS:g} s"
        self._kill()

    def _kill(self, _: object = None) -> None:
        if self._pid:
            sessions.signal_session(self._pid, signal.SIGKILL)

    def _close_pipes(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()


def last_line(output: bytes) -> str:
    """The last line that says something, for people; `""` where there is none."""
    lines = output.decode("utf-8", "backslashreplace").strip().splitlines()
    return lines[-1].strip()[:300] if lines else ""
