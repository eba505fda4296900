"""The plugin's log: records as JSON lines on standard output, which toru reads.

They go where `print` goes, so that both stay in order, and nothing is lost where the plugin dies.
"""

from __future__ import annotations

from _thread import allocate_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    # The level, the message and the fields.
    Write = Callable[[str, str, dict[str, Any]], None]

# Characters. toru cuts lines of more than 64 KiB into several records.
_MAX_TEXT = 16_000
_OWN = frozenset({"level", "message", "msg"})


class Log:
    """Five levels; `fields` are kept beside the message, and `error` is shown with it."""

    def __init__(self, write: Write | None = None) -> None:
        self.write = write or _Printer()

    def trace(self, message: str, **fields: object) -> None:
        """What only somebody who looks for a fault wants."""
        self.write("trace", message, fields)

    def debug(self, message: str, **fields: object) -> None:
        """What helps to understand."""
        self.write("debug", message, fields)

    def info(self, message: str, **fields: object) -> None:
        """What happens."""
        self.write("info", message, fields)

    def warning(self, message: str, **fields: object) -> None:
        """What should not be so, and is no failure yet."""
        self.write("warn", message, fields)

    def error(self, message: str, **fields: object) -> None:
        """What failed."""
        self.write("error", message, fields)

    def failure(self, what: str, error: BaseException) -> None:
        """What failed, with the traceback as its field `error`."""
        from traceback import format_exception, format_exception_only

        why = "".join(format_exception_only(error)).strip()
        self.error(f"{what}: {why}", error="".join(format_exception(error)).rstrip())


class _Printer:
    def __init__(self) -> None:
        self._lock = allocate_lock()

    def __call__(self, level: str, message: str, fields: dict[str, Any]) -> None:
        import json
        import sys

        # A field called as the line's own parts would replace them.
        named = {f"{name}_" if name in _OWN else name: _shortened(value) for name, value in fields.items()}
        record = {"level": level, "message": _shortened(message), **named}
        try:
            line = json.dumps(record, default=str, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            # Keys that are no text, circles, NaN: what is odd to write is no reason for a handler to fail.
            line = json.dumps({name: _shortened(str(value)) for name, value in record.items()})
        with self._lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


def _shortened(value: object) -> object:
    """Long texts without their middle: what a traceback says stands at its ends."""
    if not isinstance(value, str) or len(value) <= _MAX_TEXT:
        return value
    half = _MAX_TEXT // 2
    return f"{value[:half]}\n… {len(value) - 2 * half:,} characters left out …\n{value[-half:]}"
