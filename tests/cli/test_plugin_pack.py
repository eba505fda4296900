"""What cannot be packed is named in one line, and nothing is written."""

from __future__ import annotations

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
