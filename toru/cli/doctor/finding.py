"""What one look found: fine, or what is wrong and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "failure"]
Subject = Literal["settings", "machine", "folders", "disk", "clock", "ports", "database", "plugins"]


@dataclass(frozen=True)
class Finding:
    """`text` is a sentence for operators. With a failure toru cannot do its work; `mend` says what to do."""

    level: Level
    subject: Subject
    text: str
    mend: str = ""


def refused(subject: Subject, error: BaseException) -> Finding:
    """What the core's own code refuses to start with: its line has what is wrong, and then what to do."""
    text, _, mend = str(error).removeprefix("toru: ").removeprefix(f"{subject}: ").partition("; ")
    return Finding("failure", subject, text, mend or "mend that, and look again")
