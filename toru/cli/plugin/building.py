"""Makes the one executable file that a plugin is of the folder that its author works in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipapp
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from toru.cli.failures import Failed

# What runs a packed plugin in Python: the module that its author wrote, under the name that it has when it is run.
_MAIN = 'from runpy import run_module\n\nrun_module("plugin", run_name="__main__", alter_sys=True)\n'
_PYTHON = "/usr/bin/env python3"
_NOT_SHIPPED = (
    "*.binary",
    "__pycache__",
    "requirements.txt",
    "README.md",
    "tests",
    "*.pyc",
    "*.dist-info",
    "bin",
)
# What builds write, and what is of no concern to a plugin.
SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "target", "tests"})


def build(folder: Path, target: Path) -> None:
    """Build the plugin in `folder`, and put it in the place of `target` in one step. Raises Failed."""
    maker = _maker(folder)
    with TemporaryDirectory(prefix="toru-pack-") as scratch:
        made = Path(scratch) / "plugin"
        maker(folder, made)
        place(made, target)


def place(made: Path, target: Path) -> None:
    """Put a copy of `made` in the place of `target`, executable, in one step. Raises OSError."""
    # On the disk of the target, so that nobody ever sees a half of it; a dot in front hides it from toru.
    fresh = target.with_name(f".{target.name}.new")
    shutil.copyfile(made, fresh)
    fresh.chmod(0o755)
    fresh.rename(target)


def sources(folder: Path) -> Iterator[Path]:
    """The files of a plugin's folder that its author writes."""
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS and not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and not name.endswith((".binary", ".pyc", "~")):
                yield Path(path, name)


def _maker(folder: Path) -> Callable[[Path, Path], None]:
    found = [name for name in _MAKERS if (folder / name).is_file()]
    if len(found) == 1:
        return _MAKERS[found[0]]
    *most, last = _MAKERS
    raise Failed(
        f"{folder} holds {' and '.join(found) or 'no plugin'}: there must be one of {', '.join(most)} and {last}; "
        "`toru plugin new` writes such a folder"
    )


def _python(folder: Path, made: Path) -> None:
    """A zipapp with the kit and with what requirements.txt names."""
    import toru.plugin

    for name in ("toru", "__main__.py"):
        if (folder / name).exists():
            raise Failed(f"{folder / name}: packing writes one of that name itself; give yours another")
    [kit] = toru.plugin.__path__
    tree = made.with_suffix(".tree")
    shutil.copytree(folder, tree, ignore=shutil.ignore_patterns(".*", *_NOT_SHIPPED))
    if (folder / "requirements.txt").is_file():
        _install_requirements(folder / "requirements.txt", tree)
    (tree / "toru").mkdir()
    (tree / "toru" / "__init__.py").write_text('"""What a packed plugin has of toru: the kit."""\n')
    shutil.copytree(kit, tree / "toru" / "plugin", ignore=shutil.ignore_patterns("__pycache__", "testing.py"))
    (tree / "__main__.py").write_text(_MAIN)
    zipapp.create_archive(tree, made, _PYTHON, compressed=True)


def _install_requirements(requirements: Path, tree: Path) -> None:
    _run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-compile",
         "--target", os.fspath(tree), "--requirement", os.fspath(requirements)],
        requirements.parent,
    )  # fmt: skip
    compiled = sorted({path.relative_to(tree).parts[0] for path in tree.rglob("*.so")})
    if compiled:
        raise Failed(
            f"requirements.txt: {', '.join(compiled)} has compiled parts, which cannot be loaded from one file; "
            "take a library in Python alone, or have the plugin use what is installed on the machine that runs it"
        )
    for left in (*tree.glob("*.dist-info"), tree / "bin"):
        shutil.rmtree(left, ignore_errors=True)


def _rust(folder: Path, made: Path) -> None:
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


def _go(folder: Path, made: Path) -> None:
    _run(["go", "build", "-o", os.fspath(made), "."], folder, {"CGO_ENABLED": "0"})


def _script(name: str) -> Callable[[Path, Path], None]:
    def copy(folder: Path, made: Path) -> None:
        shutil.copyfile(folder / name, made)
        with made.open("rb") as script:
            if script.read(2) != b"#!":
                raise Failed(f"{folder / name} does not begin with #! and the program that runs it")

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


_MAKERS: Mapping[str, Callable[[Path, Path], None]] = {
    "plugin.py": _python,
    "Cargo.toml": _rust,
    "plugin.js": _script("plugin.js"),
    "go.mod": _go,
    "plugin.sh": _script("plugin.sh"),
}
