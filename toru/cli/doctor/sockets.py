"""The `unix:` endpoints: a path that is short enough, in a folder that takes it, and nothing in the way."""

from __future__ import annotations

import os
import re
import shlex
import socket
import stat
from pathlib import Path

from toru.cli.doctor.finding import Finding
from toru.cli.doctor.folders import user_name, why_not_writable
from toru.store.folders import SOCKET_PATH_MAX

_PATH = re.compile(r"unix:(?:address=)?((?:\\.|[^:\\])*)")
_NO_LOCK = re.compile(r":lockfile=0+(?::|$)")
_ELSEWHERE = "or choose another path with --listen"


def look_at_socket(description: str, cwd: Path, *, running: bool) -> Finding:
    """Whether a toru can listen there. `running`: one with these settings runs now. Changes nothing."""
    match = _PATH.match(description)
    # Not made absolute: as it is written it has to fit.
    written = re.sub(r"\\(.)", r"\1", match[1]) if match else ""
    path = cwd / written
    if (length := len(os.fsencode(written))) > SOCKET_PATH_MAX:
        return _wrong(
            description,
            f"its path has {length} bytes, and {SOCKET_PATH_MAX} is the most that the system takes",
            "choose a shorter one with --listen",
        )
    if running:
        if _answers(path):
            return Finding("ok", "ports", f"toru answers on {description}")
        return Finding(
            "failure",
            "ports",
            f"a toru uses this data folder, and does not answer on {description}",
            "look at its log; it may run with other settings than these",
        )
    folder = path.parent
    if not os.path.isdir(folder):
        return _wrong(description, f"there is no folder {folder}", f"make it, {_ELSEWHERE}")
    if (why := why_not_writable(folder)) is not None:
        owner = user_name(folder.stat().st_uid)
        return _wrong(
            description,
            f"{folder} cannot be written to: {why}; it belongs to {owner}",
            f"chown it to who runs toru, {_ELSEWHERE}",
        )
    return _in_the_way(description, path) or Finding("ok", "ports", f"{description} can be used")


def _in_the_way(description: str, path: Path) -> Finding | None:
    """What keeps a toru from making its socket there."""
    if os.path.lexists(path) and not (os.path.exists(path) and stat.S_ISSOCK(path.stat().st_mode)):
        return _wrong(description, f"{path} is there, and is no socket", f"move it away, {_ELSEWHERE}")
    if _answers(path):
        return _wrong(
            description, "another program listens there", f"stop it (`ss -lxp` says what it is), {_ELSEWHERE}"
        )
    # Twisted has a link beside the socket to the number of the process whose it is.
    lock = path.with_name(f"{path.name}.lock")
    locked = os.path.lexists(lock) and not _NO_LOCK.search(description)
    if locked and not lock.is_symlink():
        return _wrong(description, f"{lock} is there, and is no lock", f"move it away, {_ELSEWHERE}")
    if locked and (number := _alive(lock)) is not None:
        return _wrong(
            description,
            f"{lock} says that it is of process {number}, which runs",
            f"stop that; if it is no toru: rm {shlex.quote(str(lock))}",
        )
    if os.path.lexists(path) and not locked:
        return _wrong(
            description,
            f"{path} was left there by a program that has ended",
            f"rm {shlex.quote(str(path))}",
        )
    return None


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as trying:
        # A queue that is full is one too.
        trying.setblocking(False)
        try:
            trying.connect(os.fspath(path))
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


def _alive(lock: Path) -> int | None:
    """The process that has the lock; None where it has ended."""
    try:
        number = int(os.readlink(lock))
        os.kill(number, 0)
    except PermissionError:
        return number
    except (OSError, ValueError, OverflowError):
        return None
    return number


def _wrong(description: str, text: str, mend: str) -> Finding:
    return Finding("failure", "ports", f"cannot listen on {description}: {text}", mend)
