"""The command `toru doctor`: every look, one after the other."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toru.cli.options import as_json, flags, settings_options

if TYPE_CHECKING:
    from toru.cli.doctor.finding import Finding
    from toru.config import Config


@click.command()
@settings_options
@click.option(
    "--listen",
    multiple=True,
    metavar="ENDPOINT",
    help="As for twistd (default: tcp:3000:interface=127.0.0.1).",
)
@as_json
def doctor(listen: tuple[str, ...], as_json: bool) -> None:
    """Look at toru on this machine, and say what to mend.

    Run it as the user that runs toru, in the folder where it is started or with the same flags. It changes
    nothing, and asks every plugin what it is. The exit code is 1 where something has to be mended;
    warnings alone are no failure.
    """
    from toru.cli.client import run
    from toru.cli.doctor.machine import look_at_machine
    from toru.cli.doctor.settings import look_at_settings
    from toru.cli.failures import FAILED
    from toru.cli.output import busy, pretty_json

    config, found = look_at_settings({**flags(), "listen": list(listen)}, os.environ, Path.cwd())
    found += look_at_machine()
    if config is not None:
        settings = config

        async def story(reactor: Any) -> list[Finding]:
            return await _look(reactor, settings)

        with busy("looking at everything …"):
            found += run(story)
    if as_json:
        pretty_json([asdict(finding) for finding in found])
    else:
        _show(found)
    if any(finding.level == "failure" for finding in found):
        click.get_current_context().exit(FAILED)


async def _look(reactor: Any, config: Config) -> list[Finding]:
    from toru.cli.doctor.database import look_at_database
    from toru.cli.doctor.folders import look_at_disks, look_at_folders
    from toru.cli.doctor.machine import look_at_clock
    from toru.cli.doctor.plugins import look_at_plugins
    from toru.cli.doctor.ports import look_at_ports

    running = _runs(config)
    return [
        *look_at_folders(config),
        *look_at_disks(config),
        *look_at_clock(config),
        *await look_at_ports(reactor, config, Path.cwd(), running=running),
        *look_at_database(config, running=running),
        *await look_at_plugins(reactor, config),
    ]


def _runs(config: Config) -> bool:
    """Whether a toru uses the data folder now. Makes no lock file."""
    from toru.store.files import take_lock

    lock = config.data / "lock"
    # Unlike a Path's own, this says no of what may not be looked at.
    if not os.path.exists(lock):
        return False
    try:
        os.close(take_lock(lock))
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _show(found: list[Finding]) -> None:
    from toru.cli.output import one_line, say

    styles: dict[str, dict[str, Any]] = {
        "ok": {"fg": "green"},
        "warning": {"fg": "yellow"},
        "failure": {"fg": "red", "bold": True},
    }
    for finding in found:
        level = click.style(f"{finding.level:8}", **styles[finding.level])
        say(f"{level} {finding.subject:9} {one_line(finding.text)}")
        if finding.mend:
            say(f"{'':18} → {one_line(finding.mend)}")
    failures = sum(finding.level == "failure" for finding in found)
    warnings = sum(finding.level == "warning" for finding in found)
    say("")
    if failures or warnings:
        say(f"{failures} to mend, {warnings} to think about")
    else:
        say("all is well")
