"""What commands print: tables for people, JSON for programs, and never an escape sequence of somebody else."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from threading import Timer
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

# Seconds after which a person wants to know that something is still going on.
PATIENCE = 1.0

# Escape sequences of terminals: CSI (colours, cursor), OSC and other strings up to their end, and short ones.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"
    r"|\x1b[ -/]*[0-~]"
)
# All control characters but tab and line feed, and what turns the order of letters around or stands for half of one.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_LEVELS: Mapping[str, Mapping[str, Any]] = {
    "trace": {"dim": True},
    "debug": {"dim": True},
    "info": {"fg": "green"},
    "warn": {"fg": "yellow"},
    "error": {"fg": "red", "bold": True},
}


def clean(text: object) -> str:
    """`text` without what a terminal would carry out; other control characters as escapes that can be read."""
    shown = str(text)
    if not _HIDDEN.search(shown):
        return shown
    return _HIDDEN.sub(_visible, _ESCAPES.sub("", shown.replace("\r\n", "\n")))


def one_line(text: object) -> str:
    """The same on one line."""
    return " ".join(clean(text).split())


def print_json(value: object) -> None:
    """One line of JSON. Its characters are ASCII, so that no terminal finds a command in them."""
    click.echo(json.dumps(value, separators=(",", ":")))


def pretty_json(value: object) -> None:
    """The same on many lines."""
    click.echo(json.dumps(value, indent=2))


def say(text: str) -> None:
    """A line for people. What others wrote is to be made `clean` before."""
    click.echo(text)


def warn(text: str) -> None:
    """A line for people on standard error, where it is not mistaken for a result."""
    click.echo(f"toru: {one_line(text)}", err=True)


def moment(timestamp: str) -> str:
    """An RFC 3339 moment in the time of this machine, with milliseconds."""
    try:
        local = datetime.fromisoformat(timestamp).astimezone()
    except ValueError:
        return one_line(timestamp)
    return local.strftime("%Y-%m-%d %H:%M:%S.") + f"{local.microsecond // 1000:03}"


def duration(seconds: float | None) -> str:
    """A duration in its two largest units, e.g. `3h 5m`."""
    if seconds is None:
        return ""
    rest = int(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def size(count: float | None) -> str:
    """Bytes as people write them, e.g. `18.4 MiB`."""
    if count is None:
        return ""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("the last unit takes all")


def level_style(level: str) -> str:
    """The name of a level in its colour, as wide as the longest one."""
    return click.style(f"{one_line(level).upper():5}", **_LEVELS.get(level, {}))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> Table:
    """A table of clean text; the columns in `right` hold figures."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(one_line(cell)) for cell in row))
    return made


def console(*, err: bool = False) -> Console:
    """Where tables go. What is no terminal has no width, so that no line is broken there."""
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    return Console(
        file=stream, highlight=False, markup=False, emoji=False, width=None if stream.isatty() else 1000
    )


def show_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = ()
) -> None:
    """Print it."""
    for line in rendered(table(columns, rows, right=right)):
        say(line)


def rendered(made: Table) -> list[str]:
    """A table as lines, without the spaces behind them."""
    where = console()
    with where.capture() as captured:
        where.print(made)
    return [line.rstrip() for line in captured.get().splitlines()]


class Busy:
    """Says on the terminal what is going on, once that takes longer than a second."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._status: Any = None

    def update(self, text: str) -> None:
        """Say this from now on."""
        self.text = text
        if self._status is not None:
            self._status.update(self._shown())

    def _show(self) -> None:
        from rich.status import Status

        self._status = Status(self._shown(), console=console(err=True))
        self._status.start()

    def _shown(self) -> Text:
        from rich.text import Text

        # As it is: in what is no Text, rich looks for markup.
        return Text(one_line(self.text))

    def _hide(self) -> None:
        if self._status is not None:
            self._status.stop()


@contextmanager
def busy(text: str) -> Iterator[Busy]:
    """What takes longer than a second is shown on standard error while it lasts, where that is a terminal."""
    shown = Busy(text)
    if not sys.stderr.isatty():
        yield shown
        return
    timer = Timer(PATIENCE, shown._show)
    timer.daemon = True
    timer.start()
    try:
        yield shown
    finally:
        timer.cancel()
        # It may be just showing.
        timer.join()
        shown._hide()


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
