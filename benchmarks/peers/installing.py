"""What the benchmark needs beside Python: found, or installed by name with the machine's own programs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

# What is kept from one run to the next.
KEPT = Path(__file__).parents[2] / ".bench"
# Debian keeps some programs where only root's PATH looks.
_SYSTEM = ":/usr/sbin:/sbin"


class Missing(Exception):
    """Something is not here and cannot be installed; the text says what to do."""


def debian(program: str, *packages: str) -> str:
    """The program's path; these packages are installed with apt-get where it is missing and we are root.

    Raises Missing.
    """
    path = os.environ.get("PATH", "") + _SYSTEM
    if found := shutil.which(program, path=path):
        return found
    command = ["apt-get", "-qq", "-y", "install", "--no-install-recommends", *packages]
    told = f"{program} is missing; as root: apt-get install {' '.join(packages)}"
    if os.geteuid() != 0 or shutil.which("apt-get", path=path) is None:
        raise Missing(told)
    print(
        f"Installing {' and '.join(packages)} with apt-get. If it is a service, Debian starts it too.",
        flush=True,
    )
    _updated()
    _run(command, told, {"DEBIAN_FRONTEND": "noninteractive"})
    if found := shutil.which(program, path=path):
        return found
    raise Missing(told)


def configurable_http_proxy() -> Path:
    """The program, in a folder of its own. Raises Missing."""
    folder = KEPT / "configurable-http-proxy"
    program = folder / "node_modules/.bin/configurable-http-proxy"
    if not program.exists():
        npm = debian("npm", "npm")
        print(f"Installing configurable-http-proxy with npm into {folder}.", flush=True)
        command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error"]
        _run([*command, "configurable-http-proxy"], "configurable-http-proxy could not be installed with npm")
    return program


def jupyter_server_proxy() -> Path:
    """The Python of a virtual environment that has it. Raises Missing."""
    folder = KEPT / "jupyter-server-proxy"
    python = folder / "bin/python"
    if not (folder / "bin/jupyter-server").exists():
        print(f"Installing jupyter-server-proxy with pip into {folder}.", flush=True)
        told = "jupyter-server-proxy could not be installed with pip"
        _run([sys.executable, "-m", "venv", "--clear", str(folder)], told)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        _run([*pip, "jupyter-server-proxy", "jupyter-server"], told)
    return python


def version(*command: object) -> str:
    """The first number with a point in what a program says of itself."""
    said = subprocess.run(
        [str(each) for each in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    ).stdout
    found = re.search(r"\d+\.\d[\d.]*", said)
    return found[0] if found else "of unknown version"


@cache
def _updated() -> None:
    _run(["apt-get", "-qq", "update"], "the lists of packages could not be read; as root: apt-get update")


def _run(command: Sequence[str], told: str, environ: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command,
        env={**os.environ, **(environ or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Missing(f"{told} ({' '.join(done.stdout.split()[-40:])})")
