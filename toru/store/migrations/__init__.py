"""Brings a database to the tables of `toru.store.schema`, from whichever version it has."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

# Oldest first; a database with any other is newer than this program. It stands here too, so that a start
# with nothing to migrate need not load Alembic, which takes longer than opening the database.
REVISIONS = ("0001",)
HEAD = REVISIONS[-1]
FOLDER = Path(__file__).parent


def upgrade(connection: Connection) -> None:
    """Runs what is missing, in the transaction that is under way on `connection`. Blocks."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
