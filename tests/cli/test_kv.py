"""What plugins store, read and changed, exported and imported."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import TORU, Cli
from tests.integration.cores import PATIENCE


def test_one_key(cli: Cli) -> None:
    assert cli.ok("kv", "set", "hello", "colour", "blue").out == ""
    assert cli.ok("kv", "get", "hello", "colour").out == "blue"
    assert cli.ok("kv", "get", "hello", "colour", "--json").json() == {"key": "colour", "value": "blue"}
    cli.ok("kv", "delete", "hello", "colour")
    assert "'colour'" in cli.run("kv", "get", "hello", "colour").failure(5)


def test_a_value_comes_as_it_is(cli: Cli) -> None:
    """From standard input, and to what is no terminal."""
    value = "a\r\n\x1b[31mö\x00 "
    cli.ok("kv", "set", "hello", "exact", "-", stdin=value)
    got = subprocess.run(
        [TORU, "kv", "get", "hello", "exact"],
        env=cli.environment(),
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    ).stdout
    assert got == value.encode()
    cli.ok("kv", "delete", "hello", "exact")


def test_a_value_that_is_forgotten(cli: Cli) -> None:
    cli.ok("kv", "set", "hello", "brief", "x", "--ttl", "0.001")
    assert "'brief'" in cli.run("kv", "get", "hello", "brief").failure(5)


@pytest.mark.parametrize("ttl", ["0", "-1", "nan", "inf"])
def test_a_time_to_live_that_is_none(cli: Cli, ttl: str) -> None:
    ended = cli.run("kv", "set", "hello", "brief", "x", "--ttl", ttl)
    assert (ended.code, "--ttl" in ended.err) == (2, True)


def test_the_core_says_what_is_wrong(cli: Cli) -> None:
    assert "512" in cli.run("kv", "set", "hello", "k" * 513, "v").failure(1)
    assert "absent" in cli.run("kv", "list", "absent").failure(5)


def test_all_of_it_elsewhere_and_back(cli: Cli, tmp_path: Path) -> None:
    """More than the core lists at once; keys that are there already get the value of the file, others stay."""
    file = tmp_path / "in.jsonl"
    entries = {f"many/{number:04}": f"v{number}\n\x9b" for number in range(130)}
    file.write_text("".join(json.dumps({"key": k, "value": v}) + "\n" for k, v in entries.items()))

    assert cli.ok("kv", "import", "hello", file).out == "imported 130 keys into what hello stores\n"
    assert cli.ok("kv", "list", "hello", "--json").json() == list(entries)
    assert cli.ok("kv", "list", "hello", "--prefix", "many/000").out.split() == list(entries)[:10]

    out = tmp_path / "out.jsonl"
    assert cli.ok("kv", "export", "hello", out, "--json").json() == {"exported": 130}
    assert out.read_text() == file.read_text()
    assert cli.ok("kv", "export", "hello", "--prefix", "many/0007").lines() == [
        {"key": "many/0007", "value": "v7\n\x9b"}
    ]

    changed = '{"key": "many/0007", "value": "other"}\n'
    assert cli.ok("kv", "import", "hello", "--json", stdin=changed).json() == {"imported": 1}
    assert cli.ok("kv", "get", "hello", "many/0007").out == "other"
    assert cli.ok("kv", "get", "hello", "many/0008").out == "v8\n\x9b"
    cli.ok("kv", "delete", "hello", *entries)


def test_a_file_that_cannot_be_imported(cli: Cli) -> None:
    """Nothing of it is stored."""
    given = '{"key": "a", "value": "1"}\n{"key": "b", "value": 2}\n'
    assert "line 2" in cli.run("kv", "import", "hello", stdin=given).failure(1)
    assert cli.ok("kv", "list", "hello", "--json").json() == []
    assert "nothing was stored" in cli.run("kv", "import", "hello", "-", stdin="nonsense").failure(1)


def test_a_key_that_comes_twice(cli: Cli) -> None:
    """The last value counts, though several are stored at once."""
    given = "".join(json.dumps({"key": f"twice/{n % 4}", "value": str(n)}) + "\n" for n in range(64))
    assert cli.ok("kv", "import", "hello", "--json", stdin=given).json() == {"imported": 4}
    stored = [entry["value"] for entry in cli.ok("kv", "export", "hello", "--prefix", "twice/").lines()]
    assert stored == ["60", "61", "62", "63"]
    cli.ok("kv", "delete", "hello", *(f"twice/{n}" for n in range(4)))


def test_an_import_that_ends_in_the_middle(cli: Cli) -> None:
    """It says how far it came."""
    given = "".join(json.dumps({"key": f"some/{n}", "value": "x"}) + "\n" for n in range(40))
    given += json.dumps({"key": "some/" + "k" * 512, "value": "x"})
    assert "; of 41 keys " in cli.run("kv", "import", "hello", stdin=given).failure(1)
    cli.ok("kv", "delete", "hello", *(f"some/{n}" for n in range(40)))


def test_an_export_takes_its_name_once_it_is_whole(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    file.write_text("an earlier one\n")
    cli.run("kv", "export", "absent", file).failure(5)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["an earlier one\n"]

    assert cli.ok("kv", "export", "hello", file, "--json").json() == {"exported": 0}
    assert [path.read_text() for path in tmp_path.iterdir()] == [""]
    assert file.stat().st_mode & 0o777 == 0o600
    assert "there is no folder" in cli.run("kv", "export", "hello", tmp_path / "absent" / "out").failure(1)


def test_an_export_into_what_has_no_name_of_its_own(cli: Cli) -> None:
    cli.ok("kv", "set", "hello", "piped", "x")
    assert cli.ok("kv", "export", "hello", "/dev/stdout").lines() == [{"key": "piped", "value": "x"}]
    cli.ok("kv", "delete", "hello", "piped")


def test_an_export_that_says_how_many(cli: Cli) -> None:
    ended = cli.run("kv", "export", "hello", "--json")
    assert ended.code == 2
    assert "FILE" in ended.err
