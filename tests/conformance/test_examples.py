"""The examples keep to the protocol, those by hand and those with the kit."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conformance.samples import objections
from toru.cli.plugin.building import build
from toru.conformance.checks import CHECKS
from toru.conformance.findings import Result
from toru.conformance.runner import run

PLUGINS = Path(__file__).parents[2] / "plugins"
BY_HAND = sorted(
    path for path in PLUGINS.glob("hello-*/hello-*") if path.suffix in (".py", ".js", ".pl", ".sh")
)
WITH_THE_KIT = sorted(path.parent for path in PLUGINS.glob("*/plugin.py"))
# JSON in Perl alone takes ten seconds for eight megabytes.
SLOW = {"hello-perl": {"large-body"}}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Result]]:
    """What was found in each, by name; several are checked at a time."""
    folder = tmp_path_factory.mktemp("x")

    binaries = []
    # All are written before any runs: a process that starts holds open what is being written at that moment.
    for source in (*BY_HAND, *WITH_THE_KIT):
        binaries.append(folder / f"{source.stem}.binary")
        if source.is_dir():
            build(source, binaries[-1])
        else:
            shutil.copy2(source, binaries[-1])

    def check(binary: Path) -> list[Result]:
        return run(binary, checks=[each for each in CHECKS if each.id not in SLOW.get(binary.stem, ())])

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(check, binaries))
    return {binary.stem: results for binary, results in zip(binaries, found, strict=True)}


@pytest.mark.parametrize("name", [path.stem for path in (*BY_HAND, *WITH_THE_KIT)])
def test_an_example_keeps_to_the_protocol(results: dict[str, list[Result]], name: str) -> None:
    assert objections(results[name]) == []
    checked = {result.check for result in results[name] if result.outcome != "skipped"}
    assert {"metadata", "request", "interleaved", "binary-body", "dropped-connection", "secrets"} <= checked


def test_there_are_examples_of_both_kinds() -> None:
    assert len(BY_HAND) >= 3
    assert WITH_THE_KIT
