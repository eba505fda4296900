"""All rows."""

from __future__ import annotations

from tests.server import bodies, exchanges, heads
from tests.server.case import Case

CASES: list[Case] = [
    *heads.LINES,
    *heads.TARGETS,
    *heads.FIELDS,
    *heads.HOSTS,
    *bodies.LENGTHS,
    *bodies.CODINGS,
    *bodies.CHUNKS,
    *exchanges.CONNECTIONS,
    *exchanges.METHODS,
    *exchanges.EXPECTATIONS,
    *exchanges.LIMITS,
    *exchanges.CREDENTIALS,
]
