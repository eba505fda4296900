"""What is compiled for the tests, once for all of them, and cores to run it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cores import Core, fresh_core
from tests.languages import rust
from tests.languages.documents import blocks


@pytest.fixture(scope="package")
def built_rust(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs in Rust, built; the kit's own tests passed, and clippy has nothing to say."""
    _, tickets, flow = blocks("rust.md", "rust")
    [moved] = blocks("from-protocol-1.md", "rust")
    sources = {
        "tickets": tickets,
        "flow": flow,
        "moved": moved,
        "before": (Path(__file__).parent / "protocol1.rs").read_text(),
        "patient": (Path(__file__).parent / "patient.rs").read_text(),
        "streaming": (Path(__file__).parent / "streaming.rs").read_text(),
    }
    cache = request.config.cache
    assert cache is not None
    folder = cache.mkdir("rust")
    programs = tmp_path_factory.mktemp("rust")
    with rust.Lock(folder / "lock"):
        workspace = rust.prepare(folder, sources)
        clippy = [
            "cargo",
            "clippy",
            "--quiet",
            "--workspace",
            "--release",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]
        rust.run(folder, workspace, *clippy)
        rust.run(folder, workspace, "cargo", "test", "--quiet", "--workspace", "--release")
        rust.run(folder, workspace, "cargo", "build", "--quiet", "--workspace", "--release")
        for name in ["hello-rust", "talk-rust", *sources]:
            shutil.copy2(folder / "target" / "release" / name, programs)
        rust.follow_document(folder, workspace, programs)
    return programs


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A running core, which the tests of a module share."""
    with fresh_core(tmp_path_factory.mktemp("l")) as core:  # a short name: paths of sockets are limited
        core.start()
        yield core
