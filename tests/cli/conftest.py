"""A core that all tests of a file share, and the command signed in to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.running import Cli
from tests.integration.cores import Core, fresh_core
from toru.config import Config, load


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A core that runs, with the plugin `hello`."""
    # A short name: paths of sockets are limited.
    with fresh_core(tmp_path_factory.mktemp("c")) as core:
        core.plugin("hello")
        core.start()
        core.wait_pid("hello")
        yield core


@pytest.fixture
def url(core: Core) -> str:
    """Where it is."""
    return f"http://127.0.0.1:{core.port}"


@pytest.fixture
def stranger(core: Core, url: str, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command of somebody who is not signed in."""
    return Cli(tmp_path_factory.mktemp("s"), {"TORU_URL": url})


@pytest.fixture
def cli(core: Core, url: str, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command with an admin's token."""
    token = core.authorization().removeprefix("Bearer ")
    return Cli(tmp_path_factory.mktemp("a"), {"TORU_URL": url, "TORU_TOKEN": token})


@pytest.fixture
def local(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command in an empty folder. A short name: paths of sockets are limited."""
    return Cli(tmp_path_factory.mktemp("d"))


@pytest.fixture
def config(local: Cli) -> Config:
    """The settings in that folder."""
    return load({"logs": "logs"}, {}, local.folder)
