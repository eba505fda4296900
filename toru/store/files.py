"""Writes files so that a crash leaves the old content or the new, never a part."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Replaces the content of `path`, with mode 0600; once this returns, it outlives a power cut.

    Raises OSError, after which `path` has its old content (or, where only the last step failed, the
    new) and nothing else is left in its folder.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".toru-")
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
