"""Statements that are made into text once and given to the driver itself.

SQLAlchemy binds each row anew, and looks at each result: that takes it several times as long as the row takes SQLite,
and all that time the reactor's thread waits for the interpreter. Parameters and columns are such as drivers take and
give as they are: bytes, numbers, and text of no type of its own. Each value is a parameter: what a statement itself
holds is not sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
    with _cursor(connection) as cursor:
        cursor.execute(text, _ordered(parameters, names))
        rows: Sequence[tuple[Any, ...]] = cursor.fetchall() if cursor.description else ()
    return rows


def execute_many(connection: Connection, statement: CompilerElement, rows: Sequence[Parameters]) -> None:
    """Execute it with each of `rows`. Fails as SQLAlchemy does, with a DBAPIError."""
    text, names = rendered(statement, connection.dialect)
    with _cursor(connection) as cursor:
        cursor.executemany(text, [_ordered(parameters, names) for parameters in rows])


@contextmanager
def _cursor(connection: Connection) -> Iterator[Any]:
    module = connection.dialect.loaded_dbapi
    cursor = connection.connection.cursor()
    try:
        yield cursor
    except module.Error as error:
        # Without values, which are secrets at times.
        raise DBAPIError.instance(None, None, error, module.Error, hide_parameters=True) from error
    finally:
        cursor.close()


def _ordered(parameters: Parameters, names: Sequence[str] | None) -> Parameters | Sequence[Any]:
    return parameters if names is None else [parameters[name] for name in names]


@lru_cache(maxsize=256)
def rendered(statement: CompilerElement, dialect: Dialect) -> tuple[str, Sequence[str] | None]:
    """Its text, and the names of its parameters in their order; None where the driver takes them by name."""
    compiled: Any = statement.compile(dialect=dialect)
    return str(compiled), compiled.positiontup
