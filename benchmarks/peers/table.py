"""Figures in a table, beside those of nginx."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

REFERENCE = "nginx"


class Row(NamedTuple):
    """One kind of figure, by peer; in the place of a figure why there is none."""

    label: str
    values: Mapping[str, float | str]
    # Whether a ratio means anything.
    compared: bool = True

    def __str__(self) -> str:
        told = (f"{name} {number(value)}" for name, value in self.values.items())
        return f"{self.label}: {', '.join(told)}"

    def figure(self, peer: str) -> float | None:
        """Where there is one."""
        value = self.values.get(peer)
        return value if isinstance(value, float) else None

    def ratio(self, peer: str, to: str = REFERENCE) -> float | None:
        """Of one peer's figure to another's, where there are both."""
        one, other = self.figure(peer), self.figure(to)
        return None if one is None or other is None or other <= 0 else one / other


def number(value: float | str) -> str:
    """Three digits that count, or all before the point."""
    if isinstance(value, str):
        return value
    if abs(value) < 0.005:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(rows: Iterable[Row], peers: Sequence[str]) -> Iterator[str]:
    """The lines of a table in Markdown, and below it why some figures are missing.

    nginx's column has what was measured, the others their ratio to it with what was measured behind.
    """
    yield f"| | {' | '.join(peers)} |"
    yield f"| --- |{' ---: |' * len(peers)}"
    missing = []
    for row in rows:
        yield f"| {row.label} | {' | '.join(_cell(row, peer) for peer in peers)} |"
        missing += [
            f"- {peer}, {row.label}: {value}" for peer, value in row.values.items() if isinstance(value, str)
        ]
    if missing:
        yield ""
        yield "Not measured:"
        yield ""
        yield from missing


def _cell(row: Row, peer: str) -> str:
    figure = row.figure(peer)
    if figure is None:
        return "-"
    ratio = row.ratio(peer) if row.compared and peer != REFERENCE else None
    return number(figure) if ratio is None else f"**{ratio:.2f}** ({number(figure)})"
