"""A database that cannot be used ends the start with one clear line, and is left as it was."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import insert
from twisted.internet import reactor

from tests.http.fakes import in_reactor
from tests.store import keeper
from toru.errors import StartError
from toru.store import sqlite
from toru.store.database import Database
from toru.store.schema import login_attempts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "toru.db"


async def made(url: str, rows: int = 0) -> None:
    """A database with so many rows, closed again."""
    database = Database(url, reactor)
    database.open()
    values = [{"at": 0.0, "username": "x" * 1000, "address": "", "success": True}] * rows
    if rows:
        await database.write(lambda connection: connection.execute(insert(login_attempts), values))
    await database.close()


def refusal(url: str) -> str:
    """The line with which it does not open; and that it does not change the file."""
    path = sqlite.path_of(url)
    before = path.read_bytes()
    with pytest.raises(StartError) as caught:
        Database(url, reactor).open()
    assert path.read_bytes() == before
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize("url", ["postgresql://localhost/toru", "sqlite://", "sqlite:///relative.db"])
def test_other_urls(url: str) -> None:
    with pytest.raises(StartError, match="cannot be used; it must be sqlite:///"):
        Database(url, reactor)


@in_reactor
async def test_a_path_with_everything_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "a b?mode=ro&x#%41é"
    folder.mkdir()
    for _ in range(2):
        await made(f"sqlite:///{folder}/t?.db")
    assert {path.name for path in folder.iterdir()} == {"t?.db", "t?.db.lock"}


@in_reactor
async def test_no_database_at_all(url: str, path: Path) -> None:
    path.write_bytes(b"This is a letter and no database.\n" * 100)
    assert refusal(url) == (
        f"toru: database: {path} is damaged (file is not a database); "
        "restore a backup, or move it away and a new one is made"
    )


@in_reactor
async def test_damaged_in_the_middle(url: str, path: Path) -> None:
    await made(url, rows=200)
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    content[half : half + 8192] = b"\xa5" * 8192
    path.write_bytes(content)
    assert refusal(url).startswith(f"toru: database: {path} is damaged (")


@in_reactor
async def test_the_end_is_missing(url: str, path: Path) -> None:
    await made(url, rows=200)
    path.write_bytes(path.read_bytes()[:-16384])
    assert refusal(url).startswith(f"toru: database: {path} is damaged (")


@in_reactor
async def test_newer_than_the_program(url: str, path: Path) -> None:
    await made(url)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    assert refusal(url) == (
        f"toru: database: {path} was written by a newer toru; start that one, or restore an older backup"
    )


@in_reactor
async def test_of_another_program(url: str, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (id)")
    assert refusal(url) == (f"toru: database: {path} holds no data of toru; set another with --database")


@in_reactor
async def test_another_toru_uses_it(url: str, path: Path) -> None:
    database = Database(url, reactor)
    database.open()
    assert refusal(url) == (
        f"toru: database: another toru is using {path}; stop it, or set another with --database"
    )
    await database.close()
    await made(url)


@in_reactor
async def test_another_program_holds_it(url: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    await made(url)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert refusal(url) == (
            f"toru: database: {path} cannot be used: another program holds it; stop that one"
        )


def test_a_folder(url: str, path: Path) -> None:
    path.mkdir()
    with pytest.raises(StartError, match="cannot be used: Is a directory"):
        Database(url, reactor).open()


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="No such file or directory"):
        Database(f"sqlite:///{tmp_path}/missing/toru.db", reactor).open()


def opened_as_nobody(url: str) -> subprocess.CompletedProcess[str]:
    command = keeper.command("open-as-nobody", url)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may look into, unlike pytest's own."""
    with TemporaryDirectory(prefix="toru-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@in_reactor
async def test_read_only(open_folder: Path) -> None:
    path = open_folder / "toru.db"
    await made(f"sqlite:///{path}")
    before = path.read_bytes()
    path.chmod(0o444)
    (open_folder / "toru.db.lock").chmod(0o666)
    open_folder.chmod(0o555)
    done = opened_as_nobody(f"sqlite:///{path}")
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"toru: database: {path} cannot be ")
    assert path.read_bytes() == before


@in_reactor
async def test_an_earlier_program_was_killed(url: str, path: Path, tmp_path: Path) -> None:
    database = Database(url, reactor)
    database.open()
    values = {"at": 0.0, "username": "x", "address": "", "success": True}
    await database.write(lambda connection: connection.execute(insert(login_attempts), values))
    other = tmp_path / "other"
    other.mkdir()
    for name in ("toru.db", "toru.db-wal"):
        shutil.copy(tmp_path / name, other / name)
    await database.close()
    files = {file.name: file.read_bytes() for file in other.iterdir()}
    assert sqlite.is_current(other / "toru.db")
    # Only looked at: what stands in the WAL is still there.
    for name in ("toru.db", "toru.db-wal"):
        assert (other / name).read_bytes() == files[name]
    found = Database(f"sqlite:///{other}/toru.db", reactor)
    found.open()
    assert await found.read(lambda connection: connection.scalar(login_attempts.select())) == 1
    await found.close()
