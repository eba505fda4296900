"""Decides which files of the plugins folder are plugins: pure functions over what is known of each file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from toru.model import PluginMetadata, Problem, Protocol, Rescan


class Stamp(Struct, frozen=True):
    """What tells one version of a file from another: its size in bytes, its modification time in ns."""

    size: int
    mtime_ns: int


class Found(Struct, frozen=True):
    """A file that answered with good metadata.

    `path` is absolute, its name the file's name in the plugins folder. `framing` is the protocol that
    probing found for this version of the file, None where nobody probed it yet.
    """

    path: Path
    stamp: Stamp
    metadata: PluginMetadata
    framing: Protocol | None = None


class Decision(Struct, frozen=True):
    """What the plugins folder holds: plugins by id, and the files that are none, by file name.

    `broken` names the files that are there but no usable plugin in themselves. A process that runs
    from an earlier version of such a file need not stop; one whose id or route an earlier file took
    has a problem too, and is not in here.
    """

    plugins: dict[str, Found] = {}
    problems: tuple[Problem, ...] = ()
    broken: frozenset[str] = frozenset()


def decide(known: Mapping[str, Found | str]) -> Decision:
    """The plugins among these files. `known`: by file name, what it is or the error that says why it is none.

    Of two files with one id or one route the first by file name wins, whatever the mapping's order.
    """
    plugins: dict[str, Found] = {}
    routes: dict[str, Found] = {}
    problems: list[Problem] = []
    broken: set[str] = set()
    for name in sorted(known):
        found = known[name]
        if isinstance(found, str):
            problems.append(Problem(shown(name), found))
            broken.add(name)
            continue
        metadata = found.metadata
        if (winner := plugins.get(metadata.id)) is not None:
            problems.append(Problem(name, _taken(name, "id", metadata.id, winner)))
        elif (winner := routes.get(metadata.route)) is not None:
            problems.append(Problem(name, _taken(name, "route", metadata.route, winner)))
        else:
            plugins[metadata.id] = routes[metadata.route] = found
    return Decision(plugins, tuple(problems), frozenset(broken))


def shown(name: str) -> str:
    """A file name as text, also where it is no UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def difference(before: Decision, after: Decision) -> Rescan:
    """What became of each plugin from one decision to a later one.

    A plugin counts as changed when its id now stands for another file or another version of it. One
    whose file is broken now is neither removed nor changed: its problem tells. `problems` are all
    of `after`.
    """
    old, new = before.plugins, after.plugins
    return Rescan(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(id for id in old.keys() - new.keys() if old[id].path.name not in after.broken)),
        changed=tuple(sorted(id for id in old.keys() & new.keys() if _version(old[id]) != _version(new[id]))),
        problems=after.problems,
    )


def _version(found: Found) -> tuple[Path, Stamp]:
    return found.path, found.stamp


def _taken(name: str, field: str, value: str, winner: Found) -> str:
    return (
        f'{name} has the {field} "{value}" of {winner.path.name}, which comes first by file name: '
        f"remove one of the two files, or give one of them another {field}"
    )
