"""Installing and removing plugins: checked before, in one step, and taken in by a toru that runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import Cli
from tests.integration.cores import Core, source, wait_for


@pytest.fixture
def local(tmp_path: Path) -> Cli:
    """The command in a folder without a core."""
    return Cli(tmp_path)


def written(cli: Cli, name: str, text: str) -> Path:
    path = cli.folder / name
    path.write_text(text)
    return path


def there(cli: Cli, name: str, text: str) -> Path:
    """A file in the plugins folder."""
    path = cli.folder / "plugins" / name
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(0o755)
    return path


def installed(cli: Cli) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in (cli.folder / "plugins").iterdir()}


def test_new_and_again_and_gone(local: Cli) -> None:
    """Whatever the file is called, and without the bit that makes it executable."""
    first = written(local, "download(1)", source("one", version="1.0"))
    target = local.folder / "plugins" / "one.binary"
    assert local.ok("plugin", "install", first).out == f"installed one 1.0 as {target}\n"
    assert installed(local) == {"one.binary": 0o755}

    target.rename(target.with_name("other-name.binary"))
    second = written(local, "new", source("one", version="2.0"))
    assert local.ok("plugin", "install", second, "--json").json() == {
        "id": "one",
        "version": "2.0",
        "file": str(target.with_name("other-name.binary")),
        "replaced": "1.0",
    }
    assert installed(local) == {"other-name.binary": 0o755}

    assert "removed one" in local.ok("plugin", "remove", "one").out
    assert installed(local) == {}
    assert "'one'" in local.run("plugin", "remove", "one").failure(5)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("touch carried-out\n", "is no program"),
        ("#!/bin/sh\nexit 3\n", "exited with code 3"),
        ('#!/bin/sh\necho \'{"id": "-"}\'\n', "field `id`"),
        ("#!/no/such/interpreter\n", "'/no/such/interpreter', which is not on this machine"),
        ("#!/bin/sh\r\nexit 3\r\n", "its lines end as on Windows"),
        ("\x7fELF of another machine", "built for another kind of machine"),
        (source("two", route="/one"), "has the route /one of one (one.binary)"),
    ],
    ids=["text", "fails", "bad metadata", "no interpreter", "CR LF", "ELF", "taken route"],
)
def test_what_cannot_be_used(local: Cli, text: str, told: str) -> None:
    """Nothing of it is left."""
    there(local, "one.binary", source("one"))
    said = local.run("plugin", "install", written(local, "bad", text)).failure(1)
    assert told in said
    assert installed(local) == {"one.binary": 0o755}
    assert not (local.folder / "carried-out").exists()


def test_a_name_that_is_taken(local: Cli) -> None:
    there(local, "two.binary", source("one"))
    said = local.run("plugin", "install", written(local, "two", source("two"))).failure(1)
    assert "has the file two.binary of one" in said


def test_a_broken_file_is_replaced(local: Cli) -> None:
    path = there(local, "one.binary", "#!/bin/sh\nexit 1\n")
    local.ok("plugin", "install", written(local, "one", source("one", version="3")))
    assert path.read_text() == source("one", version="3")


def test_a_toru_that_runs(cli: Cli, core: Core) -> None:
    path = written(cli, "late", source("late"))
    cli.ok("plugin", "install", path, "--plugins", str(core.plugins))
    core.wait_pid("late")
    cli.ok("plugin", "remove", "late", "--plugins", str(core.plugins))
    wait_for(lambda: core.status("late") == {})


def test_no_plugins_folder(local: Cli) -> None:
    assert "--plugins" in local.run("plugin", "remove", "one").failure(5)
