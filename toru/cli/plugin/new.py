"""`toru plugin new`: a folder to begin with, in one of several languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

TEMPLATES = Path(__file__).with_name("templates")
_LANGUAGES = ("python", "rust", "node", "go", "shell")
# Those of Cargo are for its own developers.
_LEFT_OUT = ("toru-plugin-api/tests", "toru-plugin-api/target", "toru-plugin-api/Cargo.lock")
# In a template this ending keeps tools from taking a file for one of toru's own.
_TEMPLATE = ".in"
# Where Debian puts crates, which serve where crates.io is not reached.
_DEBIAN_CRATES = Path("/usr/share/cargo/registry")
_DEBIAN_SOURCE = f"""# Crates come from Debian's packages here; without this file they come from crates.io.
[source.crates-io]
replace-with = "debian"

[source.debian]
directory = "{_DEBIAN_CRATES}"
"""
_CRATES = ("base64", "serde", "serde_derive", "serde_json")
_IGNORED = "/*.binary\n/.toru/\n/target/\n__pycache__/\n"
_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?")


@click.command()
@click.argument("name")
@click.option("--lang", required=True, type=click.Choice(_LANGUAGES), help="What it is written in.")
def new(name: str, lang: str) -> None:
    """Write a plugin to begin with into a new folder NAME, whose last part is the plugin's id.

    It passes `toru plugin check` as it is.
    """
    from toru.cli.failures import Failed, told_as_failure
    from toru.cli.output import say

    folder = Path(name)
    id = folder.name
    if not _ID.fullmatch(id) or id in ("route", "rescan", "problems"):
        raise click.BadParameter(
            "an id has 1 to 64 ASCII letters, digits and inner `-`, and is not route, rescan or problems",
            param_hint="NAME",
        )
    if folder.exists():
        raise Failed(f"{folder} is there already; choose another name, or remove it")
    with told_as_failure():
        for place, content in _files(lang, id):
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if content.startswith(b"#!"):
                path.chmod(0o755)
        (folder / ".gitignore").write_text(_IGNORED)
        if lang == "rust" and all(any(_DEBIAN_CRATES.glob(f"{name}-[0-9]*")) for name in _CRATES):
            (folder / ".cargo").mkdir()
            (folder / ".cargo/config.toml").write_text(_DEBIAN_SOURCE)
    say(f"wrote a plugin into {folder}; what comes next:")
    say(f"  cd {folder}")
    say("  toru plugin check     whether it keeps to the protocol")
    say("  toru plugin dev       run it, anew at each save")
    say(f"  toru plugin pack      make {id}.binary, to be installed")


def _files(lang: str, id: str) -> Iterator[tuple[str, bytes]]:
    """Where each file of the folder is, and what is in it."""
    source = TEMPLATES / lang
    title = id.replace("-", " ").capitalize()
    for path in sorted(_walk(source)):
        place = path.relative_to(source).as_posix()
        if place.startswith(_LEFT_OUT):
            continue
        content = path.read_text()
        if not place.startswith("toru-plugin-api/"):
            content = re.sub(r"Hello from (?:the )?\w+", title, content).replace(f"hello-{lang}", id)
            content = content.replace("The toru authors", "")
            place = place.replace(f"hello-{lang}", id).removesuffix(_TEMPLATE)
        yield place, content.encode()


def _walk(folder: Path) -> Iterator[Path]:
    """All files below, through links too."""
    for path in folder.iterdir():
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path
