"""A plugin's `bundle.js`: read safely from its folder, and known by what is in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from toru.errors import BundleNotFound

MAX_BYTES = 16 * 1024 * 1024


def read_bundle(plugins_folder: Path, plugin_id: str) -> bytes | None:
    """What `<plugins_folder>/<plugin_id>/bundle.js` holds; blocks, so not for the reactor's thread.

    None where there is no such regular file, or where its path leaves the plugins folder. Raises
    BundleNotFound where it is too large to be served.
    """
    try:
        path = (plugins_folder / plugin_id / "bundle.js").resolve(strict=True)
        if not path.is_relative_to(plugins_folder.resolve(strict=True)):
            return None
        # Without O_NONBLOCK the open of a named pipe would hold this thread for ever.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            content = file.read(MAX_BYTES + 1)
    except (OSError, RuntimeError):
        return None
    if len(content) > MAX_BYTES:
        raise BundleNotFound(f"The bundle of the plugin '{plugin_id}' is larger than 16 MiB.")
    return content


def etag(content: bytes) -> bytes:
    """A strong entity tag, with its quotes."""
    return b'"%s"' % sha256(content).hexdigest()[:32].encode("ascii")


def is_known(if_none_match: Sequence[bytes], tag: bytes) -> bool:
    """Whether the values of `If-None-Match` hold `tag` (RFC 9110, 13.1.2: the weak comparison)."""
    known = [each.strip(b" \t").removeprefix(b"W/") for value in if_none_match for each in value.split(b",")]
    return tag in known or b"*" in known
