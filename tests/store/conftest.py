"""A database of its own for each test, in a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from toru.store.database import Database


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Of a database that is not there yet."""
    return f"sqlite:///{tmp_path}/toru.db"


async def _database(url: str) -> AsyncIterator[Database]:
    database = Database(url, reactor)
    database.open()
    yield database
    await database.close()


# What the decorator makes is no function that mypy knows.
database: Any = pytest_twisted.async_yield_fixture(name="database")(_database)
