"""Builds what there is in Rust: the kit, its example, and the programs of the tests and the documents."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.languages.documents import ROOT, blocks

KIT = ROOT / "plugins" / "rust"
DEBIAN = Path("/usr/share/cargo/registry")
CRATES = {
    "base64": "librust-base64-dev",
    "serde": "librust-serde-dev",
    "serde_derive": "librust-serde-derive-dev",
    "serde_json": "librust-serde-json-dev",
}

# The documents say the same of a machine without a registry.
[CONFIGURATION] = [block for block in blocks("rust.md", "toml") if block.startswith("[source.")]

PROGRAMS = """
[package]
name = "programs"
version = "1.0.0"
edition = "2021"

[dependencies]
serde = { version = "1", features = ["derive"] }
serde_json = "1"
toru-plugin-api = { path = "../toru-plugin-api" }
"""


def run(cache: Path, folder: Path, *command: str) -> None:
    """Run a command that builds something; what is built goes into `cache`, and nothing is fetched."""
    environ = {
        **os.environ,
        "CARGO_NET_OFFLINE": "true",
        "CARGO_TARGET_DIR": str(cache / "target"),
        # What takes the most time when it is built is not what is tested.
        "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
    }
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def prepare(cache: Path, sources: Mapping[str, str]) -> Path:
    """A workspace with a copy of the kit, and with a program for each of `sources`.

    Its path is the same at each run and what did not change keeps its time, so that it is not built again.
    """
    require()
    workspace, programs = cache / "workspace", cache / "programs"
    shutil.rmtree(workspace, ignore_errors=True)
    shutil.copytree(KIT, workspace, ignore=shutil.ignore_patterns("target", "Cargo.lock"))
    manifest = workspace / "Cargo.toml"
    manifest.write_text(
        manifest.read_text().replace('"hello"]', '"hello", "programs"]\nexclude = ["greeter"]')
    )
    (workspace / ".cargo").mkdir()
    (workspace / ".cargo" / "config.toml").write_text(CONFIGURATION)
    wanted = {"Cargo.toml": PROGRAMS, **{f"src/bin/{name}.rs": text for name, text in sources.items()}}
    for path in (path for path in programs.rglob("*") if path.is_file()):
        if wanted.get(str(path.relative_to(programs))) == path.read_text():
            del wanted[str(path.relative_to(programs))]
        else:
            path.unlink()
    for name, text in wanted.items():
        (programs / name).parent.mkdir(parents=True, exist_ok=True)
        (programs / name).write_text(text)
    shutil.copytree(programs, workspace / "programs")
    return workspace


def follow_document(cache: Path, workspace: Path, plugins: Path) -> None:
    """Build the plugin of docs/authors/rust.md beside the crate, and install it, with the commands that stand there."""
    folder = workspace / "greeter"
    (folder / "src").mkdir(parents=True)
    (folder / "Cargo.toml").write_text(blocks("rust.md", "toml")[0])
    (folder / "src" / "main.rs").write_text(blocks("rust.md", "rust")[0])
    (folder / "target").symlink_to(cache / "target")
    [commands] = blocks("rust.md", "sh")
    run(cache, folder, "sh", "-eu", "-c", commands.replace("/path/to/plugins", str(plugins)))


def require() -> None:
    """Fails where this machine cannot build it, and says what to install."""
    missing = [] if shutil.which("cargo") else ["cargo"]
    missing += [] if shutil.which("cargo-clippy") else ["rust-clippy"]
    missing += [package for crate, package in CRATES.items() if not list(DEBIAN.glob(f"{crate}-[0-9]*"))]
    if missing:
        pytest.fail(f"Rust is not all here; as root: apt-get install {' '.join(missing)}", pytrace=False)


class Lock:
    """Two runs of the tests in one folder build one after the other."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w")

    def __enter__(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()
