"""Whether a statement that ran on SQLite is one that PostgreSQL could run too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from sqlalchemy import Engine, TextClause, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import CompileError
from sqlalchemy.sql import visitors
from sqlalchemy.sql.ddl import ExecutableDDLElement
from sqlalchemy.sql.elements import BinaryExpression, ClauseElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import custom_op

from toru.store import prepared

# Functions that both have, with the same arguments and the same meaning.
FUNCTIONS = frozenset({"coalesce", "count", "length", "lower", "max", "min", "sum", "upper"})
# Where the engine itself begins a transaction, and where SQLAlchemy asks SQLite for its tables.
OF_THE_ENGINE = re.compile(r"BEGIN|PRAGMA |SELECT .* FROM .*sqlite_master")

# What it makes is untyped.
_DIALECTS: Any = postgresql
_POSTGRESQL = _DIALECTS.dialect()


def objections(statement: ClauseElement, names: list[str] | None = None) -> list[str]:
    """Why PostgreSQL would not run it, or would mean something else; `names` are those of its parameters."""
    if isinstance(statement, sqlite.Insert):
        return [f"the insert is SQLite's own: {statement.table}"]
    found = []
    keys: dict[str, Any] = {} if isinstance(statement, ExecutableDDLElement) else {"column_keys": names}
    try:
        shown = str(statement.compile(dialect=_POSTGRESQL, **keys))
    except CompileError as error:
        shown = repr(statement)
        found.append(f"it cannot be compiled: {error}")
    for element in visitors.iterate(statement):
        if isinstance(element, FunctionElement) and (name := element.name.lower()) not in FUNCTIONS:
            found.append(f"the function {name} is not known to be the same")
        if isinstance(element, BinaryExpression) and isinstance(element.operator, custom_op):
            found.append(f"the operator {element.operator.opstring} is not known to be the same")
        if isinstance(element, TextClause):
            found.append("it has SQL as a string, which nobody can check")
    return [f"{objection}: {shown}" for objection in found]


@contextmanager
def watched() -> Iterator[list[str]]:
    """What there is to object to in all that is executed meanwhile, on whichever engine and thread."""
    found: list[str] = []
    seen: set[tuple[object, ...]] = set()

    def before_execute(
        _: object, statement: Any, many: Any, parameters: dict[str, Any], options: object
    ) -> None:
        names = sorted(many[0]) if many and isinstance(many[0], dict) else sorted(parameters)
        key = getattr(statement, "_generate_cache_key", lambda: None)()
        identity = (key.key if key else id(statement), *names)
        # Compiling takes longer than executing, and most statements come again and again.
        if identity not in seen:
            found.extend(objections(statement, names or None))
            seen.add(identity)

    def before_cursor_execute(
        _: object, cursor: object, statement: str, parameters: object, context: Any, many: object
    ) -> None:
        if context.compiled is None and not OF_THE_ENGINE.match(statement):
            found.append(f"it has SQL as a string, which nobody can check: {statement}")

    make_text = prepared.rendered

    def rendered(statement: Any, dialect: Dialect) -> tuple[str, Sequence[str] | None]:
        before_execute(None, statement, [], {}, None)
        return make_text(statement, dialect)

    event.listen(Engine, "before_execute", before_execute)
    event.listen(Engine, "before_cursor_execute", before_cursor_execute)
    try:
        with patch.object(prepared, "rendered", rendered):
            yield found
    finally:
        event.remove(Engine, "before_execute", before_execute)
        event.remove(Engine, "before_cursor_execute", before_cursor_execute)
