"""That the migrations make the tables of the schema, on each database, and go along in the wheel."""

from __future__ import annotations

from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, String, column, create_engine, select, table

from toru.store import migrations
from toru.store.schema import metadata


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return create_engine(f"sqlite:///{tmp_path}/x.db")


def test_they_make_what_the_schema_says(engine: Engine) -> None:
    with engine.begin() as connection:
        migrations.upgrade(connection)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == migrations.HEAD
        migrated = details(connection)
    other = create_engine("sqlite://")
    with other.begin() as connection:
        metadata.create_all(connection)
        assert details(connection) == migrated


def details(connection: Connection) -> dict[str, list[str]]:
    """The parts of each table and index, among them those that the comparison of Alembic does not look at."""
    made: Any = select(column("name", String), column("sql", String)).select_from(table("sqlite_master"))
    made = made.where(column("sql").is_not(None), ~column("name").startswith("sqlite_"))
    return {
        name: sorted(line.strip().rstrip(",") for line in sql.splitlines())
        for name, sql in connection.execute(made)
        if name != "alembic_version"
    }


def test_a_second_time_changes_nothing(engine: Engine) -> None:
    for _ in range(2):
        with engine.begin() as connection:
            migrations.upgrade(connection)
            found = details(connection)
    assert {each.name for each in metadata.sorted_tables} < set(found)


def test_the_revisions_that_the_program_knows() -> None:
    script = ScriptDirectory(str(migrations.FOLDER))
    assert tuple(step.revision for step in script.walk_revisions())[::-1] == migrations.REVISIONS
    assert script.get_heads() == [migrations.HEAD]


def test_what_postgresql_gets() -> None:
    output = StringIO()
    config = Config(output_buffer=output)
    config.set_main_option("script_location", str(migrations.FOLDER))
    config.attributes["dialect"] = "postgresql"
    command.upgrade(config, "head", sql=True)
    for each in metadata.sorted_tables:
        assert f"CREATE TABLE {each.name} (" in output.getvalue()


def test_everything_is_packaged() -> None:
    folder = files("toru.store.migrations")
    assert folder.joinpath("env.py").is_file()
    assert folder.joinpath("script.py.mako").is_file()
    names = {path.name for path in folder.joinpath("versions").iterdir()}
    assert "v0001_first.py" in names
