"""Makes the one executable file that a plugin is of the folder that its author works in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipapp
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from toru.cli.failures import Failed

# What runs a packed plugin in Python: the module that its author wrote, under the name that it has when it is run.
_MAIN = 'from runpy import run_module\n\nrun_module("plugin", run_name="__main__", alter_sys=True)\n'
_PYTHON = "/usr/bin/env python3"
# At the top of a folder, for its author alone; the settings are those of `toru plugin dev`.
_AUTHORS_OWN = frozenset({"tests", "README.md", "toru.toml"})
# Wherever they are, what programs write that its author did not.
_WRITTEN = frozenset({"__pycache__", "node_modules"})
# In folders that are a virtual environment, and what a build or a tool can make again.
_MARKS = ("pyvenv.cfg", "CACHEDIR.TAG")

# How names begin, and how they end: git's own, that of `toru plugin dev`, and what is made anew each time.
_MISSED_BY_NOBODY = ((".git", ".toru", "__pycache__"), (".pyc", ".binary", "~"))

# Makes a plugin's one file of its folder; returns what of the folder is not in it and might be missed.
Maker = Callable[[Path, Path], Sequence[str]]


def build(folder: Path, target: Path) -> Sequence[str]:
    """Build the plugin in `folder`, and put it in the place of `target` in one step. Raises Failed.

    Returns what of the folder is not in it and might be missed, as paths in there.
    """
    maker = _maker(folder)
    with TemporaryDirectory(prefix="toru-pack-") as scratch:
        made = Path(scratch) / "plugin"
        left_out = maker(folder, made)
        place(made, target)
    return left_out


def place(made: Path, target: Path) -> None:
    """Put a copy of `made` in the place of `target`, executable, in one step. Raises OSError."""
    # On the disk of the target, so that nobody ever sees a half of it; a dot in front hides it from toru.
    fresh = target.with_name(f".{target.name}.new")
    shutil.copyfile(made, fresh)
    fresh.chmod(0o755)
    fresh.rename(target)


def sources(folder: Path) -> Iterator[Path]:
    """The files of a plugin's folder that its author writes."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _left_out(folder, Path(place, name))]
        yield from (path for name in names if not _left_out(folder, path := Path(place, name)))


def _left_out(folder: Path, path: Path) -> bool:
    """Whether what is at `path` is surely no part of the plugin in `folder`."""
    name = path.name
    if name.startswith(".") or name in _WRITTEN or name.endswith((".pyc", "~")):
        return True
    if path.parent == folder and (name in _AUTHORS_OWN or name.endswith(".binary")):
        return True
    return any((path / mark).is_file() for mark in _MARKS)


def _maker(folder: Path) -> Maker:
    found = [name for name in _MAKERS if (folder / name).is_file()]
    if len(found) == 1:
        return _MAKERS[found[0]]
    *most, last = _MAKERS
    raise Failed(
        f"{folder} holds {' and '.join(found) or 'no plugin'}: there must be one of {', '.join(most)} and {last}; "
        "`toru plugin new` writes such a folder"
    )


def _python(folder: Path, made: Path) -> Sequence[str]:
    """A zipapp with the kit and with what requirements.txt names."""
    import toru.plugin

    for name in ("toru", "__main__.py"):
        if (folder / name).exists():
            raise Failed(f"{folder / name}: packing writes one of that name itself; give yours another")
    [kit] = toru.plugin.__path__
    tree = made.with_suffix(".tree")
    if (folder / "requirements.txt").is_file():
        _install_requirements(folder / "requirements.txt", tree)
    left_out: list[str] = []

    def ignored(place: str, names: list[str]) -> list[str]:
        found = [name for name in names if _left_out(folder, Path(place, name))]
        left_out.extend(
            os.path.relpath(os.path.join(place, name), folder)
            for name in found
            if not name.startswith(_MISSED_BY_NOBODY[0]) and not name.endswith(_MISSED_BY_NOBODY[1])
        )
        return found

    # After what is required, as on the path of a plugin that is not packed: its own files count more.
    shutil.copytree(folder, tree, ignore=ignored, dirs_exist_ok=True)
    (tree / "toru").mkdir()
    (tree / "toru" / "__init__.py").write_text('"""What a packed plugin has of toru: the kit."""\n')
    shutil.copytree(kit, tree / "toru" / "plugin", ignore=shutil.ignore_patterns("__pycache__", "testing.py"))
    (tree / "__main__.py").write_text(_MAIN)
    zipapp.create_archive(tree, made, _PYTHON, compressed=True)
    return sorted(left_out)


def _install_requirements(requirements: Path, tree: Path) -> None:
    _run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--use-pep517", "--no-compile",
         "--target", os.fspath(tree), "--requirement", os.fspath(requirements)],
        requirements.parent,
    )  # fmt: skip
    compiled = sorted({path.relative_to(tree).parts[0] for path in tree.rglob("*.so")})
    if compiled:
        raise Failed(
            f"requirements.txt: {', '.join(compiled)} has compiled parts, which cannot be loaded from one file; "
            "take a library in Python alone, or have the plugin use what is installed on the machine that runs it"
        )
    # Commands, which nobody can start in there. What libraries say of themselves stays: some of them ask for it.
    shutil.rmtree(tree / "bin", ignore_errors=True)


def _rust(folder: Path, made: Path) -> Sequence[str]:
    import json

    output = _run(["cargo", "build", "--release", "--message-format=json-render-diagnostics"], folder)
    built = [
        artifact["executable"]
        for line in output.splitlines()
        if (artifact := json.loads(line)).get("executable")
    ]
    if len(built) != 1:
        raise Failed(f"{folder}: cargo built {len(built)} programs, and a plugin is one")
    shutil.copyfile(built[0], made)
    return ()


def _go(folder: Path, made: Path) -> Sequence[str]:
    _run(["go", "build", "-o", os.fspath(made), "."], folder, {"CGO_ENABLED": "0"})
    return ()


def _script(name: str) -> Maker:
    def copy(folder: Path, made: Path) -> Sequence[str]:
        shutil.copyfile(folder / name, made)
        with made.open("rb") as script:
            if script.read(2) != b"#!":
                raise Failed(f"{folder / name} does not begin with #! and the program that runs it")
        return ()

    return copy


def _run(command: list[str], folder: Path, environment: Mapping[str, str] = {}) -> str:
    """What it prints on standard output; what it says on standard error is shown as it comes."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise Failed(
            f"`{command[0]}` is not installed, or not in PATH; it builds the plugin in {folder}"
        ) from None
    if done.returncode:
        raise Failed(f"`{' '.join(command[:2])}` failed in {folder}; what it says stands above")
    return done.stdout


_MAKERS: Mapping[str, Maker] = {
    "plugin.py": _python,
    "Cargo.toml": _rust,
    "plugin.js": _script("plugin.js"),
    "go.mod": _go,
    "plugin.sh": _script("plugin.sh"),
}
