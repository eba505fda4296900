"""Files as others may find them: written so that a crash leaves the old content or the new, and locked."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Replaces the content of `path`, with mode 0600; once this returns, it outlives a power cut.

    Raises OSError, after which `path` has its old content (or, where only the last step failed, the
    new) and nothing else is left in its folder.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """An empty file beside `path`, with mode 0600, which takes its place at the end, whole and on disk.

    Where its user or a step fails it is removed, and `path` is as it was.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".toru-")
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        sync(temporary)
        temporary.rename(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Returns once what is in that file, or which names are in that folder, outlives a power cut. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def take_lock(path: Path) -> int:
    """Makes `path` where it is missing and locks it until the returned descriptor is closed.

    Programs that this process starts do not inherit it. Raises BlockingIOError where another process
    holds the lock, another OSError where there is none to be had.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
