"""What toru promises itself, and whether it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.peers import idle, rates, slow, streams
from benchmarks.peers.table import Row, number

_AT = {connections: str(rates.Case(connections, rates.SMALL)) for connections in (1, 32, 128)}
_RATE = "{}: answers a second"

# The figure, whose it is compared with, and what it is at the least or, where that is said, at the most.
_GOALS: tuple[tuple[str, str | None, float, bool], ...] = (
    (_RATE.format(_AT[32]), "nginx", 0.4, False),
    (_RATE.format(_AT[32]), "caddy", 1.5, False),
    (_RATE.format(_AT[32]), "jupyter", 30, False),
    (_RATE.format(_AT[128]), "nginx", 0.5, False),
    (_RATE.format(_AT[128]), "caddy", 2, False),
    (_RATE.format(_AT[128]), "jupyter", 30, False),
    (f"{_AT[1]}: p50, µs", "nginx", 3, True),
    (streams.UP, "nginx", 0.2, False),
    (streams.DOWN, "nginx", 0.2, False),
    (streams.GREW_UP, None, 16, True),
    (streams.GREW_DOWN, None, 16, True),
    (idle.WEBSOCKET_KIB, None, 40, True),
    (slow.KEPT, None, 0.95, False),
)


def told(rows: Mapping[str, Row]) -> Iterator[str]:
    """The lines of a table in Markdown, of those that were measured, for toru on one core and on two."""
    lines = list(_lines(rows))
    if lines:
        yield from (
            "| goal | wanted | toru | | toru2 | |",
            "| --- | ---: | ---: | --- | ---: | --- |",
            *lines,
        )


def _lines(rows: Mapping[str, Row]) -> Iterator[str]:
    for label, other, wanted, at_most in _GOALS:
        row = rows.get(label)
        if row is None:
            continue
        found = [row.ratio(name, other) if other else row.figure(name) for name in ("toru", "toru2")]
        if any(figure is not None for figure in found):
            beside = f", times {other}'s" if other else ""
            wish = f"at {'most' if at_most else 'least'} {wanted:g}"
            cells = " | ".join(_verdict(figure, wanted, at_most=at_most) for figure in found)
            yield f"| {label}{beside} | {wish} | {cells} |"


def _verdict(found: float | None, wanted: float, *, at_most: bool) -> str:
    if found is None:
        return "- |"
    holds = found <= wanted if at_most else found >= wanted
    return f"{number(found)} | {'holds' if holds else '**missed**'}"
