"""Remembers which plugins are enabled, in `<plugins>/.metadata/config.json`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from toru.errors import ToruError
from toru.store.files import write_atomically


class _Known(msgspec.Struct):
    plugins: dict[str, bool] = {}


class EnabledPlugins:
    """A plugin that the file does not name is enabled. What else stands in the file is kept."""

    _log = Logger()

    def __init__(self, folder: Path, in_thread: Callable[[Callable[[], None]], Deferred[None]]) -> None:
        """Reads the file in `folder`. One that cannot be understood is set aside, never overwritten.

        Raises OSError where the folder cannot be made, or the file neither read nor set aside.
        """
        self._file = folder / ".metadata" / "config.json"
        self._in_thread = in_thread
        self._one_at_a_time = DeferredLock()
        self._content: dict[str, Any] = {}
        self._file.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            content = self._file.read_bytes()
            known = msgspec.json.decode(content, type=_Known)
            self._content = {**msgspec.json.decode(content, type=dict[str, Any]), "plugins": known.plugins}
        except FileNotFoundError:
            pass
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            aside = self._file.with_name(f"config.json.broken-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
            self._file.rename(aside)
            self._log.error(
                "{file} is broken ({error}): it is set aside as {aside}, and all plugins count as enabled. "
                "Mend it and put it back while toru is stopped, or disable what shall not run",
                file=self._file,
                error=error,
                aside=aside.name,
            )
        self._plugins: dict[str, bool] = self._content.setdefault("plugins", {})

    def __contains__(self, plugin_id: str) -> bool:
        return self._plugins.get(plugin_id, True)

    async def set(self, plugin_id: str, enabled: bool) -> None:
        """Remember it. On disk when this is done. Raises ToruError where it cannot be written."""
        self._plugins[plugin_id] = enabled
        async with self._one_at_a_time:
            content = msgspec.json.format(msgspec.json.encode(self._content), indent=2)
            try:
                await self._in_thread(lambda: write_atomically(self._file, content + b"\n"))
            except OSError as error:
                self._log.error("{file} could not be written: {error}", file=self._file, error=error)
                raise ToruError(
                    f"'{plugin_id}' is {'enabled' if enabled else 'disabled'} until toru starts anew: "
                    f"that could not be saved: {error.strerror}."
                ) from error
