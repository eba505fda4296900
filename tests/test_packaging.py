"""What setup.cfg says is what there is: packages, and what they import."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def options() -> ConfigParser:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def lines(options: ConfigParser, section: str, key: str) -> list[str]:
    return [line for line in options[section][key].splitlines() if line and not line.startswith("#")]


def modules() -> list[Path]:
    return [path for folder in ("toru", "twisted") for path in (ROOT / folder).rglob("*.py")]


def imported(path: Path) -> Iterator[str]:
    """The top-level names that a module imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def normalised(distribution: str) -> str:
    """As package indexes compare names."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_every_folder_with_modules_is_installed(options: ConfigParser) -> None:
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in modules()}
    assert "toru.store.migrations.versions" in folders
    assert sorted(lines(options, "options", "packages")) == sorted(folders)


def test_folders_of_toru_are_packages_and_those_of_twisted_are_not() -> None:
    with_init = {path.parent for path in modules() if path.name == "__init__.py"}
    assert with_init == {path.parent for path in modules() if path.relative_to(ROOT).parts[0] == "toru"}


def test_what_is_imported_is_required(options: ConfigParser) -> None:
    required = {
        normalised(re.split(r"[\[<>=!~; ]", line)[0])
        for line in lines(options, "options", "install_requires")
    }
    provided = packages_distributions()
    own = {"toru"} | sys.stdlib_module_names
    for path in modules():
        for name in set(imported(path)) - own:
            distributions = {normalised(distribution) for distribution in provided.get(name, [])}
            assert distributions & required, (
                f"{path.relative_to(ROOT)} imports {name}: {sorted(distributions)}"
            )
