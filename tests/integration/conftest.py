"""A core for each test, of which nothing is left at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.cores import Core, fresh_core


@pytest.fixture
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A core that is not started yet; whatever is left of it is killed at the end."""
    with fresh_core(tmp_path_factory.mktemp("c")) as core:  # a short name: paths of sockets are limited
        yield core
