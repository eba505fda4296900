"""What checks find: values, and the one exception by which a check gives up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Outcome = Literal["skipped", "passed", "warning", "failed"]
_ORDER: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True)
class Finding:
    """One thing that a check found. `mend` says what the plugin's author does about it; "" where nothing is due."""

    outcome: Outcome
    detail: str
    mend: str = ""


@dataclass(frozen=True)
class Result:
    """What became of one check. `seconds` is how long it took."""

    check: str
    title: str
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def outcome(self) -> Outcome:
        """That of the worst finding."""
        return max((finding.outcome for finding in self.findings), key=_ORDER.index)


class Trouble(Exception):
    """The check cannot go on, and the plugin is to blame."""

    def __init__(self, detail: str, mend: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.mend = mend


def passed(detail: str) -> Finding:
    return Finding("passed", detail)


def warning(detail: str, mend: str) -> Finding:
    return Finding("warning", detail, mend)


def failed(detail: str, mend: str) -> Finding:
    return Finding("failed", detail, mend)


def skipped(why: str) -> Finding:
    return Finding("skipped", why)
