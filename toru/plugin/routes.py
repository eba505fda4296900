"""Which handler a path belongs to."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

# As `inspect` knows them, without the time that importing it takes.
_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200


class Route:
    """A handler, and the paths that it takes: `{name}` is one segment, `{name...}` at the end all that follow."""

    __slots__ = ("_segments", "handler", "methods", "path", "stream")

    def __init__(
        self, path: str, handler: Callable[..., Any], methods: Iterable[str] = (), *, stream: bool = False
    ) -> None:
        """Raises ValueError where the path cannot be one."""
        if not path.startswith("/"):
            raise ValueError(f"a path starts with `/`; it is {path!r}")
        self.path = path
        self.handler = handler
        self.methods = tuple(method.upper() for method in methods)
        self.stream = stream
        self._segments = path.split("/")[1:]
        names = [segment[1:-1] for segment in self._segments if _is_parameter(segment)]
        for name in names:
            if not name.removesuffix("...").isidentifier():
                raise ValueError(f"{name!r} in the path {path!r} is not a name that an argument can have")
        if any(name.endswith("...") for name in names if name != _parameter(self._segments[-1])):
            raise ValueError(f"`...` stands at the end of a path only; it is {path!r}")

    def match(self, path: str) -> dict[str, str] | None:
        """The arguments that a percent-encoded path gives, decoded; None where it is another path."""
        found: dict[str, str] = {}
        segments = path.split("/")[1:]
        for number, expected in enumerate(self._segments):
            name = _parameter(expected)
            if name.endswith("..."):
                found[name[:-3]] = unquote("/".join(segments[number:]))
                return found if number < len(segments) else None
            if number >= len(segments):
                return None
            segment = unquote(segments[number])
            if name and segment:
                found[name] = segment
            elif name or segment != expected:
                return None
        return found if len(segments) == len(self._segments) else None


def unquote(text: str) -> str:
    """Percent-encoded text, decoded."""
    if "%" not in text:
        return text
    from urllib.parse import unquote as decoded

    return decoded(text)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether it was written with `async def`."""
    return any(flags & (_COROUTINE | _ASYNC_GENERATOR) for flags in _flags(function))


def is_generator(function: Callable[..., Any]) -> bool:
    """Whether it yields what it answers."""
    return any(flags & (_GENERATOR | _ASYNC_GENERATOR) for flags in _flags(function))


def undecorated(function: Callable[..., Any]) -> Callable[..., Any]:
    """What functools.wraps says that it stands for."""
    while (inner := getattr(function, "__wrapped__", None)) is not None:
        function = inner
    return function


def _flags(function: Any) -> Iterator[int]:
    function = getattr(function, "func", function)  # functools.partial
    for one in (function, type(function).__call__):
        code = getattr(one, "__code__", None)
        if code is not None:
            yield code.co_flags


def _is_parameter(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}")


def _parameter(segment: str) -> str:
    """The name of an argument; "" where the segment is just text."""
    return segment[1:-1] if _is_parameter(segment) else ""
