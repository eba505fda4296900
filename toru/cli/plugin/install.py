"""`toru plugin install` and `toru plugin remove`, on the plugins folder of this machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toru.cli.options import as_json, load_config, settings_options

if TYPE_CHECKING:
    from toru.model import PluginMetadata
    from toru.supervise.registry import Decision


@click.command()
@settings_options
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@as_json
def install(file: Path, as_json: bool) -> None:
    """Put the plugin FILE into the plugins folder, in the place of an earlier version of it.

    It is asked what it is first, and nothing is changed where it is no usable plugin. A toru that runs takes it
    in by itself.
    """
    from toru.cli.client import run
    from toru.cli.failures import told_as_failure
    from toru.cli.output import busy, one_line, print_json, say

    folder = load_config().plugins

    async def story(reactor: Any) -> tuple[PluginMetadata, PluginMetadata | None, Path]:
        return await _install(reactor, file, folder)

    with told_as_failure(), busy(f"installing {file.name} …"):
        folder.mkdir(parents=True, exist_ok=True)
        metadata, before, target = run(story)
    if as_json:
        print_json(
            {
                "id": metadata.id,
                "version": metadata.version,
                "file": str(target),
                "replaced": before.version if before else None,
            }
        )
        return
    instead = f" in the place of {one_line(before.version)}" if before else ""
    say(f"installed {metadata.id} {one_line(metadata.version)}{instead} as {target}")


@click.command()
@settings_options
@click.argument("id")
@as_json
def remove(id: str, as_json: bool) -> None:
    """Take the plugin ID out of the plugins folder. A toru that runs stops it by itself.

    What it stored, its log and its folder are kept.
    """
    from toru.cli.client import run
    from toru.cli.failures import Missing, told_as_failure
    from toru.cli.output import busy, print_json, say

    folder = load_config().plugins

    async def story(reactor: Any) -> Decision:
        from toru.cli.discover import asker

        async with asker(reactor) as asking:
            return await asking.read(folder)

    with told_as_failure(), busy(f"looking for {id} …"):
        if not folder.is_dir():
            raise Missing(f"plugins: there is no folder {folder}; say with --plugins where it is")
        decision = run(story)
        if id not in decision.plugins:
            raise Missing(
                f"no file in {folder} is a plugin with the id {id!r}; one that is broken is removed with rm"
            )
        path = decision.plugins[id].path
        path.unlink()
    if as_json:
        print_json({"id": id, "file": str(path)})
    else:
        say(f"removed {id} ({path})")


async def _install(
    reactor: Any, file: Path, folder: Path
) -> tuple[PluginMetadata, PluginMetadata | None, Path]:
    """What was installed, what it took the place of, and where it is now. Raises Failed."""
    from toru.cli.discover import asker, why_not_started
    from toru.cli.failures import Failed
    from toru.errors import InvalidMetadata
    from toru.store.files import sync
    from toru.wire.metadata import parse_metadata

    with file.open("rb") as opened:
        # Anything else the system would hand to a shell, line by line, whatever it is.
        if not opened.read(4).startswith((b"#!", b"\x7fELF")):
            raise Failed(f"{file} is no program: neither an executable nor a script that begins with #!")
    # On the disk where it will be, so that the last step is a rename; a dot in front hides it from toru.
    with _copy(file, folder) as copy:
        async with asker(reactor) as asking:
            try:
                metadata = parse_metadata(await asking.ask(copy))
            except InvalidMetadata as error:
                why = str(error).replace(str(copy), file.name)
                if "exited with code 12" in why and (reason := why_not_started(copy)):
                    why += f" ({reason})"
                raise Failed(f"{file} is no plugin that can be used: {why}") from error
            decision = await asking.read(folder)
        before = decision.plugins.get(metadata.id)
        target = before.path if before else folder / f"{metadata.id}.binary"
        for other in decision.plugins.values():
            if other.metadata.id != metadata.id and (
                other.metadata.route == metadata.route or other.path == target
            ):
                what = (
                    f"route {metadata.route}"
                    if other.metadata.route == metadata.route
                    else f"file {target.name}"
                )
                raise Failed(
                    f"{metadata.id} has the {what} of {other.metadata.id} ({other.path.name}); "
                    "remove that one, or give this one another"
                )
        copy.rename(target)
    sync(folder)
    return metadata, before.metadata if before else None, target


@contextmanager
def _copy(file: Path, folder: Path) -> Iterator[Path]:
    """An executable copy of `file` on the disk of `folder`, which is gone at the end unless it was renamed."""
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".toru-install-", suffix=".binary")
    copy = Path(name)
    try:
        with open(descriptor, "wb") as target, file.open("rb") as source:
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
        copy.chmod(0o755)
        yield copy
    finally:
        with suppress(FileNotFoundError):
            copy.unlink()
