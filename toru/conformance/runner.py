"""Runs all checks on one plugin, one after the other, and goes on after each that failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from toru.conformance.bench import Bench, Patience
from toru.conformance.checks import CHECKS, Check
from toru.conformance.findings import Finding, Result, Trouble, failed, skipped
from toru.conformance.sandbox import Sandbox

# From its closing a connection to the end of a process that dies.
_DYING_SECONDS = 0.3


def run(
    path: Path,
    *,
    patience: Patience | None = None,
    checks: Iterable[Check] = CHECKS,
    begun: Callable[[Check], None] = lambda check: None,
    done: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """The results, in the order of the checks. `path` is an existing file; nothing of it runs afterwards.

    `begun` and `done` are told of each check as it begins and ends.
    """
    results: list[Result] = []
    broken: set[str] = set()
    with Sandbox() as sandbox:
        bench = Bench(path.absolute(), sandbox, patience or Patience())
        for check in checks:
            begun(check)
            began = time.monotonic()
            missing = [need for need in check.needs if need in broken]
            if missing:
                findings = [skipped(f"nothing can be said before `{missing[0]}` is right")]
            else:
                findings = _one(check, bench)
            result = Result(check.id, check.title, tuple(findings), time.monotonic() - began)
            # What only breaks a rule of the metadata still runs.
            runs = check.id == "metadata" and findings[0].outcome == "passed"
            if missing or (result.outcome == "failed" and not runs):
                broken.add(check.id)
            results.append(result)
            done(result)
    return results


def _one(check: Check, bench: Bench) -> list[Finding]:
    try:
        findings = list(check.run(bench))
        if ended := bench.trouble():
            findings.append(failed(ended, "after an exchange, go on reading from the same connection"))
    except Trouble as trouble:
        try:
            ended = bench.trouble(_DYING_SECONDS)
        except Trouble as more:
            ended = more.detail
        told = f"{trouble.detail}; {ended}" if ended and ended not in trouble.detail else trouble.detail
        findings = [failed(told, trouble.mend)]
    except Exception as error:
        # The report of the others is worth more than where this one ended.
        findings = [
            failed(
                f"this check broke: {error!r}", "that says little of the plugin; report it to toru's authors"
            )
        ]
    if any(finding.outcome == "failed" for finding in findings):
        # Nothing that it broke in itself is held against it again.
        bench.forget()
    return findings
