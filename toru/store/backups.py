"""Copies of the database: made while it is in use, checked, and put back in its place. Everything here blocks."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from toru.errors import StartError
from toru.store import sqlite
from toru.store.files import replacing, sync

# Of the database's 4 KiB, at a time: between two parts the progress is told.
_PAGES = 1000
# What SQLite has beside a database in use, or one that was not closed.
_LOGS = ("-wal", "-shm", "-journal")

Progress = Callable[[float], None]


def back_up(database: Path, target: Path, progress: Progress) -> None:
    """Copies what `database` holds at this moment to `target`, a new file with mode 0600, and checks the copy.

    Whoever uses the database goes on meanwhile. `progress` is told the part that is done, from 0 to 1.
    Raises StartError, and OSError where the copy cannot be written; then there is no `target`.
    """
    if not target.parent.is_dir():
        raise StartError(f"there is no folder {target.parent}")
    if not database.is_file():
        raise StartError(f"database: there is none at {database}; say with --data or --database where it is")
    # What is no database of toru's is not worth keeping, and what is damaged does not pass for a backup.
    sqlite.is_current(database)
    with replacing(target) as temporary:
        _copy(database, temporary, progress)
        _check_copy(temporary, database)


def put_back(backup: Path, database: Path, now: datetime, progress: Progress) -> Path | None:
    """Puts a checked copy of `backup` in the place of `database`, which nobody may be using.

    Returns where the old database is kept, None where there was none. Raises StartError for what is no
    backup that this program can read, and OSError; then the database is as it was.
    """
    if not backup.is_file():
        raise StartError(f"{backup} is no file")
    _check_backup(backup)
    aside = database.with_name(f"{database.name}.before-{now:%Y%m%dT%H%M%S}")
    with replacing(database) as temporary:
        _copy(backup, temporary, progress)
        _check_copy(temporary, backup)
        # What can fail comes before the old database is touched.
        sync(temporary)
        kept = _keep(database, aside)
        sync(database.parent)
        # A log or a journal of the old database that stays would be read into the new one.
        for suffix in _LOGS:
            with suppress(FileNotFoundError):
                os.unlink(f"{database}{suffix}")
    return aside if kept else None


def _copy(source: Path, target: Path, progress: Progress) -> None:
    try:
        with (
            closing(_open(source)) as reading,
            closing(sqlite3.connect(target, isolation_level=None)) as writing,
        ):
            # In a transaction it is the same state to the end; without, each write of others begins it anew.
            reading.execute("BEGIN")
            reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
            reading.backup(
                writing,
                pages=_PAGES,
                progress=lambda _, left, total: progress(1 - left / total if total else 1.0),
            )
            # One file: what a copy needs besides is easily left behind.
            writing.execute("PRAGMA journal_mode=DELETE").fetchone()
    except sqlite3.Error as error:
        raise StartError(f"{source} cannot be copied to {target.parent}: {error}") from error
    finally:
        # Where it failed they may be there; `target` itself is removed by whoever made it.
        for suffix in _LOGS:
            with suppress(FileNotFoundError):
                os.unlink(f"{target}{suffix}")


def _check_copy(copy: Path, shown: Path) -> None:
    """Raises StartError where the copy is damaged, however large it is."""
    try:
        with closing(_open(copy)) as connection:
            found = "; ".join(text for (text,) in connection.execute("PRAGMA integrity_check(1)"))
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        raise StartError(f"{shown} is damaged ({found})")


def _check_backup(backup: Path) -> None:
    """Raises StartError for what this program could not start with."""
    try:
        sqlite.is_current(backup)
        with closing(_open(backup)) as connection:
            empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    except StartError as error:
        # What it advises is for a database that is in use.
        reason = str(error).removeprefix("toru: database: ").partition("; ")[0]
        raise StartError(f"{reason}: it cannot be restored") from error
    except sqlite3.Error as error:
        raise StartError(f"{backup} cannot be restored: {error}") from error
    if empty:
        raise StartError(f"{backup} holds no data of toru: it cannot be restored")


def _keep(database: Path, aside: Path) -> bool:
    """Keep the database, and what was not brought into it yet, under second names. Whether there was one."""
    if not database.exists():
        return False
    # An empty log is what a look at the database leaves where nobody uses it; of the shared memory nothing is needed.
    for suffix in ("-wal", "-journal"):
        if _size(f"{database}{suffix}"):
            _give_second_name(Path(f"{database}{suffix}"), Path(f"{aside}{suffix}"))
    _give_second_name(database, aside)
    return True


def _give_second_name(path: Path, second: Path) -> None:
    """`path` under both names, or a copy of it where the file system has one name for a file. Never replaces."""
    try:
        os.link(path, second)
    except FileExistsError:
        raise
    except OSError:
        with replacing(second) as temporary:
            shutil.copyfile(path, temporary)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(os.fspath(path))}?mode=ro", timeout=sqlite.BUSY_SECONDS, uri=True, isolation_level=None
    )
