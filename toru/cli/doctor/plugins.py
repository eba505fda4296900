"""The plugins: each file asked what it is, and which of them are to run."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from toru.cli.discover import asker, why_not_started
from toru.cli.doctor.finding import Finding, refused
from toru.cli.doctor.folders import may_be_seen
from toru.cli.doctor.settings import unknown_plugins
from toru.config import Config
from toru.errors import StartError
from toru.supervise.registry import Decision


async def look_at_plugins(reactor: Any, config: Config) -> list[Finding]:
    """Runs every plugin with `--metadata`, as a start does."""
    if not os.path.lexists(config.plugins) and may_be_seen(config.plugins):
        return [Finding("ok", "plugins", "there are none yet"), *unknown_plugins(config, ())]
    if not os.path.isdir(config.plugins) or not os.access(config.plugins, os.R_OK | os.X_OK):
        # Said of the folder already; what is in it nobody knows.
        return []
    try:
        async with asker(reactor) as asking:
            decision = await asking.read(config.plugins)
    except StartError as error:
        return [refused("plugins", error)]
    return [
        *_plugins(decision, config.plugins),
        *_open_to_others(decision),
        *_enabled(config.plugins / ".metadata" / "config.json"),
        *unknown_plugins(config, decision.plugins),
    ]


def _plugins(decision: Decision, folder: Path) -> Iterator[Finding]:
    if not decision.plugins and not decision.problems:
        yield Finding("ok", "plugins", "there are none yet")
    for id, found in decision.plugins.items():
        yield Finding("ok", "plugins", f"{id} {found.metadata.version} ({found.path.name})")
    for problem in decision.problems:
        # What a shell or a helper says of a file that cannot be started helps nobody.
        why = why_not_started(folder / problem.file) if "exited with code 12" in problem.error else ""
        mend = f"{why}; " if why else ""
        yield Finding("failure", "plugins", problem.error, f"{mend}mend or remove {problem.file}")


def _open_to_others(decision: Decision) -> Iterator[Finding]:
    for found in decision.plugins.values():
        if found.path.stat().st_mode & 0o002:
            yield Finding(
                "failure",
                "plugins",
                f"everybody can write to {found.path.name}, and so have toru run what they like",
                f"chmod o-w {shlex.quote(os.fspath(found.path))}",
            )


def _enabled(file: Path) -> Iterator[Finding]:
    try:
        known = json.loads(file.read_bytes())
        plugins = known.get("plugins", {}) if isinstance(known, dict) else None
        if not isinstance(plugins, dict) or not all(isinstance(on, bool) for on in plugins.values()):
            raise ValueError('it must be like {"plugins": {"<id>": true}}')
    except OSError:
        # It is not there, or that is said of the file already.
        return
    except (ValueError, RecursionError) as error:
        yield Finding(
            "failure",
            "plugins",
            f"{file} is broken ({error}): at the next start all plugins count as enabled",
            "mend it while toru is stopped, or remove it",
        )
        return
    for id, on in plugins.items():
        if not on:
            yield Finding("ok", "plugins", f"{id} is disabled")
