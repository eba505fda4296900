"""`toru plugin dev`: a core with one plugin alone, which is packed and restarted at each save."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--listen", metavar="ENDPOINT", default="tcp:3000:interface=127.0.0.1", show_default=True,
    help="Twisted endpoint to listen on; tcp:0:interface=127.0.0.1 takes a free port.",
)  # fmt: skip
def dev(folder: Path, listen: str) -> None:
    """Run a toru with the plugin in FOLDER alone, which is the current one unless given.

    At each save the plugin is packed and started anew, and its view in the browser, where one is open, loads
    itself again. What the plugin writes, and what happens to it, is shown here until Ctrl-C. What it stores is
    kept from one time to the next, in FOLDER/.toru.
    """
    from toru.cli.plugin.developing import develop

    develop(folder.absolute(), listen)
