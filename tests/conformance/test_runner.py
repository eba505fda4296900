"""A check that breaks is one result among the others."""

from __future__ import annotations

from pathlib import Path

from toru.conformance.bench import Bench
from toru.conformance.checks import Check
from toru.conformance.findings import Finding, passed
from toru.conformance.runner import run


def test_a_check_that_breaks(tmp_path: Path) -> None:
    def breaks(bench: Bench) -> list[Finding]:
        raise ZeroDivisionError("no tests left")

    file = tmp_path / "x.binary"
    file.touch()
    checks = [Check("one", "One", breaks), Check("two", "Two", lambda bench: [passed("well")])]
    one, two = run(file, checks=checks)
    assert (one.outcome, two.outcome) == ("failed", "passed")
    assert "ZeroDivisionError('no tests left')" in one.findings[0].detail
