"""Imports between the rooms of toru point one way, as docs/architecture.md says."""

from __future__ import annotations

import ast
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import toru

ROOT = Path(toru.__file__).parent


def imported(path: Path) -> set[str]:
    """The modules of toru that it imports, at its top or anywhere else."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name for name in found if name.startswith("toru.")}


def rooms() -> dict[str, set[str]]:
    """Which rooms each room imports: folders, and files beside them."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in ROOT.rglob("*.py"):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        found[room] |= {name.split(".")[1] for name in imported(path)} - {room}
    return found


def test_no_room_is_imported_by_what_it_imports() -> None:
    order = list(TopologicalSorter(rooms()).static_order())  # raises CycleError, which names the rooms
    assert order.index("errors") < order.index("wire") < order.index("supervise") < order.index("tap")


def test_supervision_and_http_know_nothing_of_each_other() -> None:
    assert "http" not in rooms()["supervise"]
    assert "supervise" not in rooms()["http"]


def test_the_kit_needs_nothing_else_of_toru() -> None:
    assert rooms()["plugin"] == set()


def test_only_the_command_stands_on_what_puts_it_all_together() -> None:
    assert [room for room, imports in sorted(rooms().items()) if "tap" in imports] == ["cli"]


def test_the_document_names_every_room() -> None:
    document = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text()
    table = document.partition("| room | job |")[2].partition("\n\n")[0]
    folders = {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()}
    assert {name for name in folders if f"`{name}/`" not in table} == set()
