"""That the watch over statements objects to what SQLite alone understands, and that PostgreSQL gets the tables."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from sqlalchemy import bindparam, create_engine, func, literal, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from tests.portable import objections
from toru.store import prepared
from toru.store.schema import login_attempts as table, metadata


@pytest.mark.parametrize(
    ("statement", "objection"),
    [
        (sqlite.insert(table).on_conflict_do_nothing(), "the insert is SQLite's own"),
        (select(func.instr(table.c.username, "x")), "the function instr"),
        (select(table).where(table.c.username.op("GLOB")("x*")), "the operator GLOB"),
        (select(table).where(text("rowid = 1")), "SQL as a string"),
        (text("VACUUM"), "SQL as a string"),
        (select(func.json_extract(literal("{}"), "$.x")), "the function json_extract"),
    ],
)
def test_what_is_not_portable(statement: Any, objection: str) -> None:
    assert any(objection in found for found in objections(statement))


def test_what_is_portable() -> None:
    assert objections(select(func.count()).where(func.lower(table.c.username).contains("x"))) == []
    assert objections(table.insert(), ["at", "username"]) == []


def test_everything_that_runs_is_watched(objections_found: list[str]) -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        assert objections_found == []
        connection.execute(select(func.instr(table.c.username, "x")))
        connection.exec_driver_sql("SELECT rowid FROM users")
        prepared.execute(connection, select(func.instr(table.c.username, bindparam("x"))), {"x": "y"})
    assert [line.partition(":")[0] for line in objections_found] == [
        "the function instr is not known to be the same",
        "it has SQL as a string, which nobody can check",
        "the function instr is not known to be the same",
    ]
    objections_found.clear()


def test_the_tables_in_postgresql() -> None:
    module: Any = postgresql
    dialect = module.dialect()
    made = StringIO()
    for each in metadata.sorted_tables:
        made.write(str(CreateTable(each).compile(dialect=dialect)))
        for index in each.indexes:
            made.write(f"{CreateIndex(index).compile(dialect=dialect)}\n")
    assert "id BIGSERIAL NOT NULL" in made.getvalue()
    assert "key BYTEA NOT NULL" in made.getvalue()
    assert "ON plugin_kv (expires_at)\n" in made.getvalue()
