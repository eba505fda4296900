"""`toru plugin check`: whether a plugin keeps to the protocol."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from toru.cli.options import as_json


@click.command()
@click.argument("plugin", default=".", type=click.Path(path_type=Path, exists=True))
@as_json
@click.option(
    "--junit", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Write the results as JUnit's XML, for CI.",
)  # fmt: skip
@click.pass_context
def check(context: click.Context, plugin: Path, as_json: bool, junit: Path | None) -> None:
    """Check that PLUGIN keeps to the protocol: an executable file, or a folder, the current one unless given.

    A folder is packed first. The plugin runs alone, in a folder that is removed afterwards, with storage of its
    own; it is asked and disturbed in all the ways that a plugin has to bear, and nothing of it is left running.

    Exit codes: 0 no failure (there may be warnings), 1 at least one failure, 2 the command line is wrong.
    """
    from tempfile import TemporaryDirectory

    from toru.cli.failures import FAILED, told_as_failure
    from toru.cli.plugin.building import build
    from toru.cli.plugin.report import Report, write_junit
    from toru.conformance.leaving import nothing_left
    from toru.conformance.runner import run

    with TemporaryDirectory(prefix="toru-pack-") as scratch, _ending_on_sigterm(), nothing_left():
        path = plugin
        if plugin.is_dir():
            path = Path(scratch) / f"{plugin.absolute().name}.binary"
            build(plugin.absolute(), path)
        report = Report(plugin, quiet=as_json)
        results = run(path, begun=report.begun, done=report.done)
    if as_json:
        report.print_json(results)
    else:
        report.sum_up(results)
    if junit is not None:
        with told_as_failure():
            write_junit(junit, plugin, results)
    if any(result.outcome == "failed" for result in results):
        context.exit(FAILED)


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """What runs for the check is ended as well where the check is."""

    def leave(signum: int, frame: FrameType | None) -> None:
        sys.exit(128 + signum)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
