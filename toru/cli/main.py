"""The `toru` command: every group and command of it, by name."""

from __future__ import annotations

import os
import sys

import click

from toru import __version__
from toru.cli.backup import backup, restore
from toru.cli.completion import completion
from toru.cli.doctor.command import doctor
from toru.cli.kv import kv
from toru.cli.login import login, logout
from toru.cli.plugin.commands import plugin
from toru.cli.records import events, logs
from toru.cli.status import status
from toru.cli.switching import disable, enable, restart
from toru.cli.users import token, user


class _Main(click.Group):
    """What holds for every command: Ctrl-C and an output that takes no more are one line and an exit code."""

    def invoke(self, context: click.Context) -> object:
        from toru.cli.failures import Failed, Interrupted

        _open_what_is_closed()
        # rich knows of it by itself, click does not; see https://no-color.org
        if os.environ.get("NO_COLOR"):
            context.color = False
        try:
            return super().invoke(context)
        except (KeyboardInterrupt, click.Abort):
            raise Interrupted("interrupted") from None
        except BrokenPipeError:
            # Its reader has what it wanted: click ends in silence.
            raise
        except OSError as error:
            # What could not be written would be tried again at the end.
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115
            nameless = "the current folder" if isinstance(error, FileNotFoundError) else "standard output"
            raise Failed(f"{error.filename or nameless}: {error.strerror or error}") from error


def _open_what_is_closed() -> None:
    """A standard stream that is closed is empty, or goes nowhere; no file takes its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="toru")
def main() -> None:
    """Operate a toru, and make plugins for it.

    Exit codes: 0 done, 1 failed, 2 the command line is wrong, 3 toru cannot be reached, 4 not signed in or
    not allowed, 5 there is no such plugin, key, client or token, 6 a plugin does not run that should, 130
    interrupted.
    """


for _command in (
    login,
    logout,
    status,
    enable,
    disable,
    restart,
    logs,
    events,
    kv,
    user,
    token,
    plugin,
    doctor,
    backup,
    restore,
    completion,
):
    main.add_command(_command)

if __name__ == "__main__":
    main()
