"""What a plugin says that it is, asked by the commands for authors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from toru.cli.failures import Failed
from toru.cli.output import clean

if TYPE_CHECKING:
    from toru.model import PluginMetadata


def metadata_of(path: Path) -> PluginMetadata:
    """The checked metadata of the executable at `path`. Raises Failed with the first thing that is wrong."""
    from toru.conformance.bench import Bench, Patience
    from toru.conformance.checks import starting
    from toru.conformance.findings import Trouble
    from toru.conformance.sandbox import Sandbox

    with Sandbox() as sandbox:
        bench = Bench(path.absolute(), sandbox, Patience())
        try:
            found = starting.metadata(bench)
        except Trouble as trouble:
            _show(sandbox.last_words)
            raise Failed(f"{path.name} is no usable plugin: {trouble.detail}") from None
        for finding in found:
            if finding.outcome == "failed":
                raise Failed(f"{path.name} is no usable plugin: {finding.detail}")
        return bench.metadata


def _show(words: bytes) -> None:
    """A traceback says where; its last line alone, which the failure names, does not."""
    text = clean(words.decode(errors="backslashreplace")).rstrip()
    if "\n" in text:
        click.echo(text, err=True)
