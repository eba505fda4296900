"""Options that many commands share: where the core is, its settings, and JSON."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from toru.cli.client import Core
    from toru.config import Config

Command = TypeVar("Command", bound=Callable[..., Any])

_URL = click.option(
    "--url",
    metavar="URL",
    envvar="TORU_URL",
    help="Where toru is: the place signed in to last, else http://127.0.0.1:3000. Also TORU_URL.",
)

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def core_options(command: Command) -> Command:
    """`--url`, given to the command as `url`; the token comes from TORU_TOKEN or from `toru login`."""
    return _URL(command)


def settings_options(command: Command) -> Command:
    """The flags of `twistd toru` for a command that works on this machine, given to it as `settings`."""
    for name, kind, what in reversed(
        (
            ("config", "FILE", "File with settings (default: ./toru.toml where there is one)."),
            ("plugins", "FOLDER", "Folder of the plugins (default: ./plugins)."),
            ("data", "FOLDER", "Folder of toru's own data (default: ./data)."),
            ("logs", "FOLDER", "Folder of log files."),
            ("database", "URL", "Database (default: sqlite:///<data>/toru.db)."),
        )
    ):
        command = click.option(
            f"--{name}", metavar=kind, help=what, expose_value=False, callback=_keep_setting
        )(command)
    return command


def _keep_setting(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    settings = context.meta.setdefault("toru.settings", {})
    if value is not None:
        settings[parameter.name] = value


def flags() -> dict[str, str]:
    """What was given by `settings_options`."""
    found: dict[str, str] = click.get_current_context().meta.get("toru.settings", {})
    return found


def load_config() -> Config:
    """The settings that a `twistd toru` with the same flags would have. Raises Failed."""
    from toru.cli.failures import told_as_failure
    from toru.config import load

    with told_as_failure():
        return load(flags(), os.environ, Path.cwd())


def core(url: str | None, *, reactor: Any, timeout: float | None = None) -> Core:
    """The core that is meant, and who asks."""
    from toru.cli.client import TIMEOUT, Core, normalised
    from toru.cli.credentials import DEFAULT_URL, Credential, Remembered

    remembered = Remembered(os.environ)
    place = normalised(url or remembered.url or DEFAULT_URL)
    token = os.environ.get("TORU_TOKEN")
    credential = Credential(token=token) if token else remembered.get(place)
    return Core(reactor, place, credential, timeout=timeout or TIMEOUT)
