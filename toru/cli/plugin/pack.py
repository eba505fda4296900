"""`toru plugin pack`: the file that is installed, made of the folder that its author works in."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Where to put it (default: <id>.binary in FOLDER).",
)  # fmt: skip
def pack(folder: Path, output: Path | None) -> None:
    """Make the .binary of the plugin in FOLDER, which is the current one unless given.

    A plugin in Python (plugin.py) becomes one file that plain python3 runs, with toru's kit and what
    requirements.txt names in it; one in Rust (Cargo.toml) or Go (go.mod) is compiled; a script for Node
    (plugin.js) or a shell (plugin.sh) is taken as it is. Of FOLDER these are left out of what is made from
    plugin.py: hidden files, virtual environments, node_modules, caches, and at the top tests, README.md,
    toru.toml and *.binary.
    """
    from tempfile import TemporaryDirectory

    from toru.cli.failures import told_as_failure
    from toru.cli.output import busy, one_line, say
    from toru.cli.plugin.asking import metadata_of
    from toru.cli.plugin.building import build, place

    folder = folder.absolute()
    with (
        told_as_failure(),
        TemporaryDirectory(prefix="toru-pack-") as scratch,
        busy(f"packing {folder.name} …"),
    ):
        made = Path(scratch) / "plugin.binary"
        left_out = build(folder, made)
        metadata = metadata_of(made)
        target = output or folder / f"{metadata.id}.binary"
        place(made, target)
    if left_out:
        say(f"left out: {one_line(', '.join(left_out))}")
    say(f"packed {metadata.id} as {target} ({target.stat().st_size:,} bytes)")
