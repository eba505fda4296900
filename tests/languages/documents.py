"""The code in the documents for authors, as programs."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
AUTHORS = ROOT / "docs" / "authors"


def blocks(document: str, language: str) -> list[str]:
    """What stands in the fenced blocks of that language, in order."""
    text = (AUTHORS / document).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
