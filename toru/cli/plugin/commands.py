"""The commands below `toru plugin`."""

from __future__ import annotations

import click

from toru.cli.plugin.check import check
from toru.cli.plugin.dev import dev
from toru.cli.plugin.install import install, remove
from toru.cli.plugin.new import new
from toru.cli.plugin.pack import pack


@click.group()
def plugin() -> None:
    """Write, check, pack and install plugins."""


for _command in (new, check, dev, pack, install, remove):
    plugin.add_command(_command)
