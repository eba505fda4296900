"""Everything that a plugin left running: found by its session, signalled through pidfds.

A plugin's process leads a session of its own, and whatever it starts stays in that session unless it
leaves on purpose. The kernel does not give a number to a new process while any process still has it as
its session, so "the session of the plugin that had pid 42" cannot mean somebody else, as long as no
process *has* the pid 42: once one does, the number was free, and the session with it is foreign.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

_PROC = Path("/proc")


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir(_PROC) if name.isdigit())


def _is_dead(pid: int) -> bool:
    """Whether the process is gone, or a zombie that only waits to be reaped by a parent not ours."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return True
    # The name in parentheses may itself hold spaces and parentheses; the state follows the last one.
    return stat[stat.rindex(b")") + 2 : stat.rindex(b")") + 3] in (b"Z", b"X")


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def members(session: int) -> list[int]:
    """The living processes of the session of a leader that is dead and reaped."""
    pids = list(_pids())
    if session in pids:
        return []  # the number belongs to a new process: what has this session now is not ours
    return [pid for pid in pids if _session(pid) == session and not _is_dead(pid)]


def send(pid: int, signum: int, still: Callable[[int], bool]) -> bool:
    """Signal exactly the process that `still` recognises: the pid cannot change hands in between.

    Returns whether a signal was sent.
    """
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not still(pid):
            return False
        signal.pidfd_send_signal(fd, signum)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def kill_members(session: int) -> int:
    """SIGKILL to what is left of the session of a dead leader. Returns how many were found."""
    found = members(session)
    for pid in found:
        send(pid, signal.SIGKILL, lambda pid: _session(pid) == session)
    return len(found)


def signal_group(leader: int, signum: int) -> None:
    """Signal the process group of a leader that is our child and not reaped yet.

    Until it is reaped nobody else can have its number. Before it called setsid there is no such group;
    then there is only the process itself.
    """
    try:
        os.killpg(leader, signum)
    except ProcessLookupError:
        with suppress(ProcessLookupError):
            os.kill(leader, signum)


def signal_session(leader: int, signum: int) -> None:
    """Signal every process group in the session of a leader that is our child and not reaped yet."""
    signal_group(leader, signum)
    for pid in _pids():
        if pid != leader and _session(pid) == leader:
            send(pid, signum, lambda pid: _session(pid) == leader)


def _environment(pid: int) -> bytes:
    try:
        return (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return b""


def leftovers(run: Path) -> set[int]:
    """Processes that an earlier core's plugins left: those with a socket of ours in their environment,
    and the rest of the sessions that those are in.

    The caller holds the lock on the data folder, so that no living core's plugins are among them.
    """
    mark = b"\0TORU_PLUGIN_SOCKET=" + os.fsencode(run) + b"/"
    pids = set(_pids())
    marked = {pid for pid in pids if mark in b"\0" + _environment(pid) and not _is_dead(pid)}
    # A plugin leads its own session. Where somebody else's process does, the plugin was started by hand,
    # from a shell say, and the rest of that session is not ours to kill.
    # A leader that is dead may stay a zombie for as long as whoever inherited it likes.
    sessions = {session for pid in marked if (session := _session(pid)) is not None}
    ours = {session for session in sessions if session in marked or _is_dead(session)}
    return marked | {pid for pid in pids if _session(pid) in ours and not _is_dead(pid)}


def clear_leftovers(run: Path, *, patience: float = 5.0) -> set[int]:
    """Kill what an earlier core left behind, and wait until it is gone; at most `patience` seconds.

    Blocking: for the time before the reactor runs. Returns the pids that were killed.
    """
    killed: set[int] = set()
    give_up = time.monotonic() + patience
    while (found := leftovers(run)) and time.monotonic() < give_up:
        with ExitStack() as stack:
            held = {}
            for pid in found:
                with suppress(OSError):
                    held[pid] = os.pidfd_open(pid)
                    stack.callback(os.close, held[pid])
            # Looked for once more now that their numbers are held: one that changed hands is spared.
            poll = select.poll()
            for pid in leftovers(run) & held.keys():
                with suppress(OSError):
                    signal.pidfd_send_signal(held[pid], signal.SIGKILL)
                    killed.add(pid)
                    poll.register(held[pid], select.POLLIN)
            poll.poll(50)
    return killed
