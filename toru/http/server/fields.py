"""The header fields of a request, and what follows from them alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

Lines = list[tuple[bytes, bytes]]


class Fields:
    """`lines` are in the order of arrival, with lower-case names.

    A client that goes on sending the same ones has one of these for all its requests, so that what `once` works out is
    worked out once and not for each.
    """

    __slots__ = ("_derived", "_last", "lines")

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self._last = dict(lines)
        self._derived: dict[Callable[..., Any], Any] = {}

    def __contains__(self, name: bytes) -> bool:
        return name in self._last

    def all(self, name: bytes) -> list[bytes]:
        """The values of all fields of that name."""
        return [value for each, value in self.lines if each == name] if name in self._last else []

    def first(self, name: bytes) -> bytes | None:
        """The value of the first field of that name."""
        values = self.all(name)
        return values[0] if values else None

    def once(self, derive: Callable[Concatenate[Fields, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """What that function says of these fields. It may depend on the connection beside them, and on nothing else."""
        try:
            found: T = self._derived[derive]
        except KeyError:
            found = self._derived[derive] = derive(self, *arguments, **named)
        return found
