"""`toru backup` and `toru restore`: the database kept elsewhere, and put back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toru.cli.options import as_json, load_config, settings_options

if TYPE_CHECKING:
    from toru.config import Config


@click.command()
@settings_options
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@as_json
def backup(file: Path, as_json: bool) -> None:
    """Copy the database to FILE, while toru runs or not.

    It holds what plugins store, logs, events and accounts, and is for this user alone. The settings and the
    plugins are not in it. FILE must not be there yet.
    """
    from toru.cli.failures import Failed, told_as_failure
    from toru.cli.output import busy, print_json, say, size
    from toru.store.backups import back_up
    from toru.store.sqlite import path_of

    database = path_of(load_config().database)
    if os.path.lexists(file):
        raise Failed(f"{file} is there already; choose another name")
    with told_as_failure(), busy("backing up …") as shown:
        back_up(database, file, lambda part: shown.update(f"backing up: {part:.0%} …"))
    length = file.stat().st_size
    if as_json:
        print_json({"database": str(database), "backup": str(file), "bytes": length})
    else:
        say(f"backed up {database} to {file} ({size(length)})")


@click.command()
@settings_options
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@as_json
def restore(file: Path, as_json: bool) -> None:
    """Put the backup FILE in the place of the database; toru must be stopped.

    FILE is checked first. The database that was there is kept beside the new one.
    """
    from toru.cli.failures import told_as_failure
    from toru.cli.output import busy, print_json, say
    from toru.store.backups import put_back
    from toru.store.sqlite import path_of

    config = load_config()
    database = path_of(config.database)
    with told_as_failure(), with_nobody_else(config, database), busy("restoring …") as shown:
        aside = put_back(
            file, database, datetime.now(UTC), lambda part: shown.update(f"restoring: {part:.0%} …")
        )
    if as_json:
        print_json({"database": str(database), "backup": str(file), "kept": str(aside) if aside else None})
    else:
        say(f"restored {file} to {database}")
        if aside:
            say(f"what was there is now {aside}")


@contextmanager
def with_nobody_else(config: Config, database: Path) -> Iterator[None]:
    """The data folder and the database for this process alone, as a running toru has them."""
    from toru.cli.failures import Failed
    from toru.store import sqlite
    from toru.store.folders import lock_data

    folder = config.data
    if not folder.is_dir():
        raise Failed(f"data: there is no folder {folder}; make it, or say with --data where it is")
    owner = folder.stat().st_uid
    if os.geteuid() not in (owner, database.parent.stat().st_uid):
        # A toru that runs as that user could not use what we make.
        raise Failed(f"the data folder {folder} belongs to {_user_name(owner)}: run this as that user")
    held = [lock_data(config)]
    try:
        held.append(sqlite.lock(database))
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)


def _user_name(number: int) -> str:
    import pwd

    with suppress(KeyError):
        return pwd.getpwuid(number).pw_name
    return f"user {number}"
