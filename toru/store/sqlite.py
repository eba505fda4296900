"""What is true of SQLite alone: its URL, its pragmas, a look at the file that changes nothing, and its errors."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from toru.errors import StartError, StorageFull, StorageUnavailable, ToruError
from toru.store import prepared
from toru.store.files import take_lock
from toru.store.migrations import HEAD, REVISIONS

PREFIX = "sqlite:///"
# Seconds that a statement waits for a lock that another program holds.
BUSY_SECONDS = 5.0
# A larger file is not read through at the start, which would take seconds.
CHECKED_BYTES = 256 * 2**20
# What the WAL may keep of the disk after a burst.
WAL_BYTES = 64 * 2**20

_FULL = frozenset({"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"})
_READ_ONLY = ("SQLITE_READONLY", "SQLITE_CANTOPEN")
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")


def path_of(url: str) -> Path:
    """The file that `sqlite:////absolute/path` names. Raises StartError for what is no such URL."""
    path = Path(url.removeprefix(PREFIX))
    if not url.startswith(PREFIX) or not path.is_absolute():
        raise StartError(
            f"database: {url!r} cannot be used; it must be {PREFIX} and the absolute path of a file"
        )
    return path


def lock(path: Path) -> int:
    """Takes the database for this process, until the returned descriptor is closed. Raises StartError."""
    try:
        return take_lock(path.with_name(f"{path.name}.lock"))
    except BlockingIOError as error:
        raise StartError(
            f"database: another toru is using {path}; stop it, or set another with --database"
        ) from error
    except OSError as error:
        raise StartError(f"database: {path} cannot be locked: {error.strerror}") from error


def is_current(path: Path) -> bool:
    """Whether the database has the tables of this program already; False where it is older or not there.

    Changes nothing, not even what a killed program left in the WAL. Raises StartError where the file is
    damaged, newer than this program, or another program's.
    """
    with _telling(path):
        try:
            # What cannot be read at all, the system explains better than SQLite.
            with path.open("rb") as file:
                if not file.read(1):
                    return False
        except FileNotFoundError:
            return False
        address = f"file:{quote(os.fspath(path))}?mode=ro"
        with closing(sqlite3.connect(address, timeout=BUSY_SECONDS, uri=True)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            versions: list[str] = []
            if "alembic_version" in tables:
                versions = [name for (name,) in connection.execute("SELECT version_num FROM alembic_version")]
            if path.stat().st_size <= CHECKED_BYTES:
                found = [text for (text,) in connection.execute("PRAGMA quick_check(1)")]
                if found != ["ok"]:
                    _refuse_damaged(path, "; ".join(found))
    if not tables:
        return False
    if len(versions) != 1:
        raise StartError(f"database: {path} holds no data of toru; set another with --database")
    if versions[0] not in REVISIONS:
        raise StartError(
            f"database: {path} was written by a newer toru; start that one, or restore an older backup"
        )
    return versions[0] == HEAD


def writer(path: Path) -> Engine:
    """An engine with one connection; a transaction has the right to write from its beginning."""
    engine = _engine(path, connections=1)

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _: object) -> None:
        for statement in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "PRAGMA foreign_keys=ON",
            f"PRAGMA journal_size_limit={WAL_BYTES}",
        ):
            connection.execute(statement).close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        prepared.execute_text(connection, "BEGIN IMMEDIATE")

    return engine


def reader(path: Path, connections: int) -> Engine:
    """An engine whose transactions each see one state of the database and cannot change it."""
    engine = _engine(path, connections=connections)

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA query_only=ON").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        prepared.execute_text(connection, "BEGIN")

    return engine


@contextmanager
def preparing(path: Path) -> Iterator[None]:
    """Makes StartErrors of what goes wrong within; a file that is made within has mode 0600."""
    with _telling(path):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        yield


def prove_writable(connection: Connection) -> None:
    """Writes something that changes nothing, because only that tells whether the disk takes it."""
    connection.exec_driver_sql("PRAGMA user_version=0")


def told(error: SQLAlchemyError) -> ToruError:
    """What a caller hears of a statement or a commit that failed while running."""
    name = _name(error)
    if name in _FULL:
        return StorageFull("the disk takes nothing more; nothing was changed")
    if name.startswith(_LOCKED):
        return StorageUnavailable("another program holds the database; try again", retry_after=1)
    return StorageUnavailable("the database failed; its operator finds the reason in the log")


def reason(error: SQLAlchemyError) -> str:
    """Why a statement or a commit failed, for the operator. It holds no values."""
    original = getattr(error, "orig", None)
    return f"{_name(error)} {original or type(error).__name__}".strip()


def _engine(path: Path, *, connections: int) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=os.fspath(path)),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        # Values are secrets at times, and errors end up in logs.
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _: object) -> None:
        # Python's module would begin transactions by itself, and not before every statement.
        connection.isolation_level = None

    return engine


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, SQLAlchemyError) as error:
        _refuse(path, _name(error), error)
    except OSError as error:
        raise StartError(
            f"database: {path} cannot be used: {error.strerror}; set another with --database"
        ) from error


def _refuse(path: Path, name: str, error: Exception) -> NoReturn:
    if name.startswith(_DAMAGED):
        _refuse_damaged(path, str(getattr(error, "orig", error)))
    if name.startswith(_LOCKED):
        detail = "another program holds it; stop that one"
    elif name in _FULL:
        detail = "the disk is full; make room, or set another with --database"
    elif name.startswith(_READ_ONLY):
        detail = "it cannot be written to; look at its permissions, or set another with --database"
    else:
        detail = str(getattr(error, "orig", error))
    raise StartError(f"database: {path} cannot be used: {detail}") from error


def _refuse_damaged(path: Path, found: str) -> NoReturn:
    raise StartError(
        f"database: {path} is damaged ({found}); restore a backup, or move it away and a new one is made"
    )


def _name(error: BaseException) -> str:
    """SQLite's own name of what went wrong, or nothing where it is not SQLite that complains."""
    original: Any = getattr(error, "orig", error)
    return getattr(original, "sqlite_errorname", None) or ""
