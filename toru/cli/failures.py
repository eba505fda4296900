"""What a command ends with where it fails: one line on standard error, and an exit code that scripts can use."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final

import click

from toru.cli.output import one_line

# For commands that did their work, and have found what is not as it should be. 2 is click's own.
FAILED: Final = 1
NOT_RUNNING: Final = 6


class Failed(click.ClickException):
    """A failure that a person is told of in one line."""

    def __init__(self, message: str) -> None:
        # What a plugin or a core wrote stands in it at times.
        super().__init__(one_line(message))

    def show(self, file: IO[str] | None = None) -> None:
        """Written as twistd's own failures are: the program, and what went wrong."""
        click.echo(f"toru: {self.format_message()}", file=file, err=file is None)


class Unreachable(Failed):
    """There is no toru, or something is between us and it."""

    exit_code = 3


class NotAllowed(Failed):
    """Nobody is signed in, or not who may do that."""

    exit_code = 4


class Missing(Failed):
    """There is no such plugin, key, client or token."""

    exit_code = 5


class NotRunning(Failed):
    """A plugin does not run that should."""

    exit_code = NOT_RUNNING


class Interrupted(Failed):
    """Somebody pressed Ctrl-C."""

    exit_code = 130


@contextmanager
def told_as_failure() -> Iterator[None]:
    """Makes Failed of what the core's own code raises about settings and files."""
    from toru.errors import StartError

    try:
        yield
    except StartError as error:
        raise Failed(str(error).removeprefix("toru: ")) from error
    except shutil.Error as error:
        source, _, why = error.args[0][0]
        raise Failed(f"{source}: {why}") from error
    except OSError as error:
        if error.filename is None:
            raise
        raise Failed(f"{error.filename}: {error.strerror}") from error
