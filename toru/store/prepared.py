"""Statements that are made into text once and given to the driver itself.

SQLAlchemy binds each row anew, and looks at each result: that takes it several times as long as the row takes SQLite,
and all that time the reactor's thread waits for the interpreter. Parameters and columns are such as drivers take and
give as they are: bytes, numbers, and text of no type of its own. Each value is a parameter: what a statement itself
holds is not sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import CompilerElement

Parameters = Mapping[str, Any]


def execute(
    connection: Connection, statement: CompilerElement, parameters: Parameters
) -> Sequence[tuple[Any, ...]]:
    """Execute it, and give its rows. Fails as SQLAlchemy does, with a DBAPIError."""
    text, names = rendered(statement, connection.dialect)
    return _execute(connection, text, _ordered(parameters, names))


def execute_many(connection: Connection, statement: CompilerElement, rows: Sequence[Parameters]) -> None:
    """Execute it with each of `rows`. Fails as SQLAlchemy does, with a DBAPIError."""
    text, names = rendered(statement, connection.dialect)
    cursor: Any = connection.connection.cursor()
    try:
        cursor.executemany(text, [_ordered(parameters, names) for parameters in rows])
    except connection.dialect.loaded_dbapi.Error as error:
        raise _told(connection, error) from error
    finally:
        cursor.close()


def execute_text(connection: Connection, text: str) -> None:
    """Execute what the engine itself says to the database. Fails as SQLAlchemy does, with a DBAPIError."""
    _execute(connection, text, ())


def _execute(
    connection: Connection, text: str, parameters: Parameters | Sequence[Any]
) -> Sequence[tuple[Any, ...]]:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(text, parameters)
        rows: Sequence[tuple[Any, ...]] = cursor.fetchall() if cursor.description else ()
    except connection.dialect.loaded_dbapi.Error as error:
        raise _told(connection, error) from error
    finally:
        cursor.close()
    return rows


def _told(connection: Connection, error: Exception) -> Exception:
    """The driver's error as SQLAlchemy has it, without values, which are secrets at times."""
    kind = connection.dialect.loaded_dbapi.Error
    return DBAPIError.instance(None, None, error, kind, hide_parameters=True)


def _ordered(parameters: Parameters, names: Sequence[str] | None) -> Parameters | Sequence[Any]:
    return parameters if names is None else [parameters[name] for name in names]


@lru_cache(maxsize=256)
def rendered(statement: CompilerElement, dialect: Dialect) -> tuple[str, Sequence[str] | None]:
    """Its text, and the names of its parameters in their order; None where the driver takes them by name."""
    compiled: Any = statement.compile(dialect=dialect)
    return str(compiled), compiled.positiontup
