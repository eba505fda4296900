"""Backups: consistent while the core writes, for nobody else, and put back only where nothing can go wrong."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.running import Cli
from tests.integration.cores import Core, fresh_core
from toru.cli.backup import with_nobody_else
from toru.cli.failures import Failed
from toru.config import load
from toru.store import backups


@pytest.fixture
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A core that a test may stop."""
    with fresh_core(tmp_path_factory.mktemp("c")) as core:
        core.plugin("hello")
        core.start()
        core.wait_pid("hello")
        yield core


@pytest.fixture
def local(core: Core) -> Cli:
    """The command where the core was started."""
    return Cli(core.folder)


def store(core: Core, key: str, value: str) -> None:
    body = json.dumps({"action": "set", "key": key, "value": value}).encode()
    assert core.request("POST", "/api/plugins/hello/kv", body).status == 200


def stored(core: Core, key: str) -> str | None:
    body = json.dumps({"action": "get", "key": key}).encode()
    value: str | None = core.request("POST", "/api/plugins/hello/kv", body).json()["value"]
    return value


def keys(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {bytes(key).decode() for (key,) in connection.execute("SELECT key FROM plugin_kv")}


def test_there_and_back(core: Core, local: Cli) -> None:
    """While it runs; what came after it is gone where it is put back, and kept aside."""
    store(core, "before", "1")
    backup = core.folder / "kept.db"
    told = local.ok("backup", "kept.db", "--json").json()
    assert (told["backup"], told["bytes"]) == ("kept.db", backup.stat().st_size)
    assert backup.stat().st_mode & 0o777 == 0o600
    assert list(core.folder.glob(".toru-*")) == list(core.folder.glob("kept.db-*")) == []
    store(core, "after", "2")

    assert "is there already" in local.run("backup", "kept.db").failure(1)
    assert "another toru is using" in local.run("restore", "kept.db").failure(1)
    assert stored(core, "after") == "2"

    core.stop()
    database = core.folder / "data" / "toru.db"
    done = local.ok("restore", "kept.db").out.splitlines()
    assert done[0] == f"restored kept.db to {database}"
    aside = Path(done[1].removeprefix("what was there is now "))
    assert keys(aside) == {"before", "after"}
    assert database.stat().st_mode & 0o777 == 0o600

    core.start()
    core.wait_pid("hello")
    assert (stored(core, "before"), stored(core, "after")) == ("1", None)


def test_while_it_is_written_to(core: Core, local: Cli) -> None:
    """Each backup is one state: with a key, all that were answered before it."""
    stop = threading.Event()
    numbers: list[int] = []

    def write() -> None:
        number = 0
        while not stop.is_set():
            store(core, f"{number:06}", "x" * 1000)
            numbers.append(number)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for attempt in range(2):
            already = len(numbers)
            local.ok("backup", f"{attempt}.db")
            found = keys(core.folder / f"{attempt}.db")
            assert found == {f"{number:06}" for number in range(len(found))}
            assert len(found) >= already
    finally:
        stop.set()
        writer.join()


def test_after_a_core_that_was_killed(core: Core, local: Cli) -> None:
    """What was in the log of the database alone is in the backup, and in what is kept aside."""
    store(core, "last", "1")
    assert core.process is not None
    core.process.kill()
    core.process.wait()
    local.ok("backup", "kept.db")
    assert keys(core.folder / "kept.db") == {"last"}
    aside = local.ok("restore", "kept.db", "--json").json()["kept"]
    assert keys(Path(aside)) == {"last"}
    assert keys(core.folder / "data" / "toru.db") == {"last"}


def test_what_cannot_be_restored(core: Core, local: Cli) -> None:
    """The database is as it was."""
    store(core, "here", "1")
    local.ok("backup", "good.db")
    core.stop()
    database = core.folder / "data" / "toru.db"
    before = database.read_bytes()

    good = (core.folder / "good.db").read_bytes()
    (core.folder / "cut.db").write_bytes(good[: len(good) // 2])
    (core.folder / "text.db").write_text("no database\n" * 100)
    (core.folder / "empty.db").touch()
    shutil.copy(core.folder / "good.db", core.folder / "newer.db")
    with closing(sqlite3.connect(core.folder / "newer.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with closing(sqlite3.connect(core.folder / "other.db")) as connection, connection:
        connection.execute("CREATE TABLE other (x)")

    for name, told in {
        "cut.db": "is damaged",
        "text.db": "is damaged",
        "empty.db": "holds no data of toru",
        "other.db": "holds no data of toru",
        "newer.db": "was written by a newer toru",
        "absent.db": "is no file",
    }.items():
        said = local.run("restore", name).failure(1)
        assert name in said
        assert told in said
    assert database.read_bytes() == before
    assert [path.name for path in database.parent.glob("*toru.db.*")] == ["toru.db.lock"]


def test_a_step_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk with an error: what is in the log of the database alone is there still."""
    database, backup = tmp_path / "toru.db", tmp_path / "kept.db"
    with closing(sqlite3.connect(database)) as using:
        using.executescript("CREATE TABLE plugin_kv (key); PRAGMA journal_mode=WAL")
        backup.write_bytes(database.read_bytes())
        using.execute("INSERT INTO plugin_kv VALUES (x'61')")
        using.commit()
        for path in (database, Path(f"{database}-wal")):
            shutil.copy(path, tmp_path / f"copy{path.name}")
    for name in ("toru.db", "toru.db-wal"):
        (tmp_path / f"copy{name}").rename(tmp_path / name)

    def fail(path: Path) -> None:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(backups, "_check_backup", lambda backup: None)
    monkeypatch.setattr(backups, "sync", fail)
    with pytest.raises(OSError, match="Input/output"):
        backups.put_back(backup, database, datetime.now(UTC), lambda part: None)
    assert keys(database) == {"a"}


def test_where_a_file_has_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on vfat, and on some network shares: what was there is kept all the same."""
    database, backup = tmp_path / "toru.db", tmp_path / "kept.db"
    for path, key in ((database, "old"), (backup, "new")):
        made_with(path, key)
    Path(f"{database}-journal").write_bytes(b"of the old one")

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(backups, "_check_backup", lambda backup: None)
    now = datetime.now(UTC)
    aside = backups.put_back(backup, database, now, lambda part: None)
    assert aside is not None
    assert Path(f"{aside}-journal").read_bytes() == b"of the old one"
    Path(f"{aside}-journal").unlink()
    assert (keys(database), keys(aside), aside.stat().st_mode & 0o777) == ({"new"}, {"old"}, 0o600)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.db", "toru.db", aside.name]


def made_with(path: Path, key: str) -> None:
    """A database that stores that key."""
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("CREATE TABLE plugin_kv (key)")
        made.execute("INSERT INTO plugin_kv VALUES (?)", [key.encode()])


def test_a_journal_that_was_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the old database's, and would be played back into the new one."""
    database, backup = tmp_path / "toru.db", tmp_path / "kept.db"
    for path in (database, backup):
        with closing(sqlite3.connect(path)) as made:
            made.execute("CREATE TABLE plugin_kv (key)")
    journal = Path(f"{database}-journal")
    journal.write_bytes(b"of the old one")
    monkeypatch.setattr(backups, "_check_backup", lambda backup: None)
    aside = backups.put_back(backup, database, datetime.now(UTC), lambda part: None)
    assert not journal.exists()
    assert Path(f"{aside}-journal").read_bytes() == b"of the old one"


def test_what_cannot_be_backed_up(tmp_path: Path) -> None:
    """Nothing is left that passes for a backup."""
    local = Cli(tmp_path)
    assert "there is none at" in local.run("backup", "kept.db").failure(1)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "toru.db").write_text("no database\n" * 100)
    assert "is damaged" in local.run("backup", "kept.db").failure(1)
    assert "there is no folder" in local.run("backup", "absent/kept.db").failure(1)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_into_a_folder_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root would make files there that the core could not use."""
    config = load({}, {}, tmp_path)
    config.data.mkdir()
    owner = pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(Failed, match=f"belongs to {owner}: run this as that user"):
        with_nobody_else(config, config.data / "toru.db").__enter__()
    assert list(config.data.iterdir()) == []
