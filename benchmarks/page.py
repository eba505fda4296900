"""docs/performance.md: what is measured stands there between two comments, and the rest is written by people."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/performance.md"


def with_block(page: str, name: str, lines: Iterable[str]) -> str:
    """The page with these lines between `<!-- name -->` and `<!-- end of name -->`.

    Raises ValueError where the two are not there, each once and in that order.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, _, rest = page.partition(begin)
    _, _, behind = rest.partition(end)
    if page.count(begin) != 1 or page.count(end) != 1 or end not in rest:
        raise ValueError(f"the page needs {begin.strip()} and, behind it, {end.strip()}, each once")
    return "\n".join([f"{before}{begin}", *lines, f"\n{end}{behind}"])


def write(name: str, lines: Iterable[str]) -> None:
    """Into the page."""
    PAGE.write_text(with_block(PAGE.read_text(), name, lines))
