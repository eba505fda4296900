"""Sees to it that nothing that this program started outlives it, however it tries to get away."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

# From <sys/prctl.h>.
_PR_SET_CHILD_SUBREAPER = 36
_MOST_SECONDS = 10.0


@contextmanager
def nothing_left() -> Iterator[None]:
    """Kill every descendant at the end, also those that left their session and their parents.

    For a program of its own: it would not tell what others in this process started from what was started within.
    """
    # Orphans below us become our children, and so can be found whatever they did to their environment.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        _kill_descendants()


def _kill_descendants() -> None:
    give_up = time.monotonic() + _MOST_SECONDS
    while left := [each for each in psutil.Process().children(recursive=True) if not _is_dead(each)]:
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=1)
        if time.monotonic() > give_up:
            return  # it multiplies faster than it can be killed


def _is_dead(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
