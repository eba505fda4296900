"""What tests of processes that are none have in common."""

from __future__ import annotations

import pytest

from toru.supervise import child

from .fakes import FakeSessions


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> FakeSessions:
    """Takes all signals: no pid of a fake process may reach the system."""
    fake = FakeSessions()
    monkeypatch.setattr(child, "sessions", fake)
    return fake
