"""Plugins that keep to the protocol pass, and each that breaks it is found out; nothing of any is left."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conformance.broken import BROKEN
from tests.conformance.samples import GOOD, HOSTILE, Sample, objections
from toru.conformance.bench import Patience
from toru.conformance.checks import CHECKS, Check
from toru.conformance.findings import Result
from toru.conformance.runner import run

# Long enough for a machine that is busy, short enough to wait for what never comes.
SHORT = Patience(start=4.0, first_answer=3.0, answer=3.0, exit=1.5, term=1.5)

Runs = dict[str, Future[list[Result]]]


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    """The results of all samples, by name; they mostly wait, and so are checked several at a time."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="samples-") as folder, ThreadPoolExecutor(6) as pool:
        tempfile.tempdir = folder
        # All are written before any runs: a process that starts holds open what is being written at that moment.
        paths = {sample.name: sample.write(Path(folder)) for sample in BROKEN}
        for name, code in {**HOSTILE, **GOOD}.items():
            paths[name] = Sample(name, code, "", "").write(Path(folder))
        found = {
            sample.name: pool.submit(run, paths[sample.name], patience=SHORT, checks=_only(sample.check))
            for sample in BROKEN
        }
        found |= {name: pool.submit(run, paths[name], patience=SHORT) for name in HOSTILE}
        found |= {name: pool.submit(run, paths[name]) for name in GOOD}
        yield found
        for future in found.values():
            future.cancel()
        pool.shutdown()
        tempfile.tempdir = before
        assert not list(Path(folder).glob("toru-check-*"))
        assert not _processes_of(folder)


def _only(id: str) -> list[Check]:
    """That check, and those that it needs."""
    [wanted] = [check for check in CHECKS if check.id == id]
    return [check for check in CHECKS if check is wanted or check.id in {"file", "request", *wanted.needs}]


def _processes_of(folder: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and folder.encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.mark.parametrize("name", GOOD)
def test_one_that_keeps_to_the_protocol_passes(runs: Runs, name: str) -> None:
    results = runs[name].result()
    assert objections(results) == []
    assert sum(result.outcome != "skipped" for result in results) >= 15


@pytest.mark.parametrize("sample", BROKEN, ids=lambda sample: sample.name)
def test_one_that_breaks_it_is_found_out(runs: Runs, sample: Sample) -> None:
    results = runs[sample.name].result()
    worst = [result for result in results if result.outcome in ("failed", "warning")]
    assert sample.check in [result.check for result in worst], results
    result = next(result for result in worst if result.check == sample.check)
    assert result.outcome == sample.outcome
    told = [finding for finding in result.findings if finding.outcome == sample.outcome]
    assert any(sample.words in finding.detail for finding in told), told
    assert all(finding.mend for finding in told)


@pytest.mark.parametrize("name", HOSTILE)
def test_one_that_is_hostile_holds_up_nobody(runs: Runs, name: str) -> None:
    """That nothing is left of it is seen at the end of the fixture."""
    assert any(result.outcome == "failed" for result in runs[name].result())
