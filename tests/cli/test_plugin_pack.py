"""What is packed is the whole program; what cannot be packed is named in one line, and nothing is written."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.cli.running import Cli


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    cli = Cli(tmp_path)
    cli.ok("plugin", "new", "mine", "--lang", "python")
    return cli


@pytest.mark.parametrize("name", ["toru", "__main__.py"])
def test_a_name_that_packing_takes(cli: Cli, name: str) -> None:
    (cli.folder / "mine" / name).mkdir()
    assert f"mine/{name}: packing writes one of that name itself" in cli.run(
        "plugin", "pack", "mine"
    ).failure(1)
    assert not list((cli.folder / "mine").glob("*.binary"))


def test_a_link_to_nowhere(cli: Cli) -> None:
    (cli.folder / "mine" / "data.json").symlink_to("absent.json")
    assert "mine/data.json: " in cli.run("plugin", "pack", "mine").failure(1)
    assert not list((cli.folder / "mine").glob("*.binary"))


def test_no_place_for_it(cli: Cli) -> None:
    told = cli.run("plugin", "pack", "mine", "-o", cli.folder / "absent" / "x.binary").failure(1)
    assert "absent/.x.binary.new: No such file or directory" in told


def test_what_is_no_part_of_it_is_left_out(cli: Cli) -> None:
    """And nothing else: folders of a program may have any name."""
    folder = cli.folder / "mine"
    shipped = ["bin/run", "lib/tests/__init__.py", "lib/README.md", "lib/some.binary"]
    left = [".env", "README.md", "cache/CACHEDIR.TAG", "lib/node_modules/a.js", "tests/t.py", "toru.toml"]
    left.append("venv/pyvenv.cfg")
    unsaid = ["mine.binary", "lib/__pycache__/x.pyc", "lib/x.py~"]
    for name in (*shipped, *left, *unsaid):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    told, _ = cli.ok("plugin", "pack", "mine").out.splitlines()
    assert told == "left out: .env, README.md, cache, lib/node_modules, tests, toru.toml, venv"
    with zipfile.ZipFile(folder / "mine.binary") as packed:
        names = {name for name in packed.namelist() if not name.endswith("/")}
    assert names >= set(shipped)
    assert not names & {*left, *unsaid}
