"""The settings: whether toru would start with them, and what they give away."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from toru.cli.doctor.finding import Finding, refused
from toru.config import DEFAULT_FILE, Config, load
from toru.errors import StartError


def look_at_settings(
    flags: Mapping[str, Any], environ: Mapping[str, str], cwd: Path
) -> tuple[Config | None, list[Finding]]:
    """The settings, None where there are none to be had, and what there is to say about them."""
    try:
        config = load(flags, environ, cwd)
    except StartError as error:
        return None, [refused("settings", error)]
    file = cwd / (flags.get("config") or environ.get("TORU_CONFIG") or DEFAULT_FILE)
    found = [*_secrets(config, file, environ)]
    if os.path.islink(file) and not os.path.exists(file):
        text = f"{file} is a link to {os.readlink(file)}, which is not there: the defaults hold"
        return config, [
            Finding("warning", "settings", text, "put the settings there, or remove the link"),
            *found,
        ]
    shown = f"read from {file}" if os.path.exists(file) else f"the defaults, because there is no {file}"
    return config, [Finding("ok", "settings", f"settings are {shown}"), *found]


def unknown_plugins(config: Config, ids: Any) -> Iterator[Finding]:
    """Settings for plugins that are not there. `ids` has those that are."""
    for id in config.plugin:
        if id not in ids:
            yield Finding(
                "warning",
                "settings",
                f"[plugin.{id}] is for a plugin that is not there",
                "look at the id, install the plugin, or take the table out",
            )


def _secrets(config: Config, file: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    if environ.get("TORU_ADMIN_PASSWORD"):
        yield Finding(
            "warning",
            "settings",
            "TORU_ADMIN_PASSWORD is set: plugins of the same user can read it",
            "start toru without it once the password is stored",
        )
    if config.webhooks and os.path.exists(file) and file.stat().st_mode & 0o077:
        yield Finding(
            "warning",
            "settings",
            f"{file} holds secrets of webhooks, and others can read it",
            f"chmod 600 {shlex.quote(os.fspath(file))}",
        )
