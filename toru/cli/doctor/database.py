"""The database: readable, whole, of this version, for nobody else, on a disk that SQLite can be on."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import psutil

from toru.cli.doctor.finding import Finding, refused
from toru.cli.doctor.folders import may_be_seen, not_ours
from toru.config import Config
from toru.errors import StartError
from toru.store import sqlite

_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs"})


def look_at_database(config: Config, *, running: bool) -> Iterator[Finding]:
    """Changes nothing. `running`: a toru uses it now."""
    try:
        path = sqlite.path_of(config.database)
    except StartError as error:
        yield refused("database", error)
        return
    yield from _place(path)
    if not may_be_seen(path):
        yield Finding(
            "failure",
            "database",
            f"this user may not look into {path.parent}, and so not at the database {path.name}",
            "run this as the user that runs toru; if that is this one, give it the folder with chown",
        )
        return
    lock = path.with_name(f"{path.name}.lock")
    if not running and os.path.exists(lock) and os.access(lock, os.R_OK | os.W_OK):
        try:
            os.close(sqlite.lock(path))
        except StartError as error:
            yield refused("database", error)
            return
    if not os.path.exists(path):
        if path.parent == config.data or os.path.isdir(path.parent):
            yield Finding("ok", "database", f"{path} is made at the first start")
        else:
            yield Finding("failure", "database", f"the folder {path.parent} is not there", "make it")
        return
    if not os.path.isfile(path):
        # SQLite waits for ever for who writes into a pipe.
        yield Finding(
            "failure", "database", f"{path} is no file", "move it away, or set another with --database"
        )
        return
    if not os.access(path, os.R_OK | os.W_OK):
        yield not_ours("database", path)
        return
    try:
        current = sqlite.is_current(path)
    except StartError as error:
        yield refused("database", error)
        return
    state = "is whole" if current else "is empty or older than this toru, and brought up to date at the start"
    yield Finding("ok", "database", f"{path} {state}")
    if path.stat().st_mode & 0o077:
        yield Finding(
            "warning",
            "database",
            f"others can read {path}, with what plugins store and the hashes of passwords in it",
            f"chmod 600 {shlex.quote(str(path))}*",
        )


def _place(path: Path) -> Iterator[Finding]:
    kind = file_system(path.parent)
    if kind in _NETWORK:
        yield Finding(
            "warning",
            "database",
            f"{path} is on a network file system ({kind}), where SQLite is not safe",
            "set another with --database, on a disk of this machine",
        )


def file_system(path: Path) -> str:
    """The type of the file system that `path` is on; `""` where it is not known."""
    resolved = path.resolve()
    mounted = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    return next((mounted[place] for place in (resolved, *resolved.parents) if place in mounted), "")
