"""What holds in all tests: Ctrl-C works, and no statement runs on SQLite that PostgreSQL could not run; and what many use."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from twisted.logger import LogEvent, capturedLogs

from tests.portable import watched

# A shell lets what it starts in the background ignore Ctrl-C, and so would every core that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of tests with the same id xdist would run one, and say nothing of the others."""
    counted = Counter(item.nodeid for item in items)
    if several := [id for id, count in counted.items() if count > 1]:
        raise pytest.UsageError(f"several tests have the same id: {', '.join(several)}")


@pytest.fixture
def logged() -> Iterator[Sequence[LogEvent]]:
    """What went to the log, as it goes there."""
    with capturedLogs() as events:
        yield events


@pytest.fixture(scope="session")
def objections_found() -> Iterator[list[str]]:
    """What there is to object to in the statements that this test executed so far."""
    with watched() as found:
        yield found


@pytest.fixture(autouse=True)
def _portable_statements(objections_found: list[str]) -> Iterator[None]:
    """Fails the test that executed such a statement."""
    yield
    found = list(objections_found)
    objections_found.clear()
    assert not found, "\n".join(found)
