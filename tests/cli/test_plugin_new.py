"""`toru plugin new` and `pack`: what they write is a plugin that passes `check`, in every language."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.running import TORU, Cli, Ended
from tests.integration.cores import Core
from tests.languages import rust

LANGUAGES = ("python", "node", "go", "shell", "rust")


class Checked(NamedTuple):
    """How it was packed, what was made, and what the check of that printed."""

    packed: subprocess.CompletedProcess[str]
    binary: Path
    ended: Ended


@pytest.fixture
def author(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


@pytest.fixture(scope="module")
def checked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checked]:
    """A new plugin in each language, packed and checked, all at the same time."""
    rust.require()
    cache = request.config.cache
    assert cache is not None
    # What was compiled the last time need not be again.
    cargo = {"CARGO_TARGET_DIR": os.fspath(cache.mkdir("rust-new")), "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0"}
    author = Cli(tmp_path_factory.mktemp("n"), cargo)

    def make(lang: str) -> Checked:
        author.ok("plugin", "new", f"my-{lang}", "--lang", lang)
        # A compiler takes longer than anything else.
        packed = subprocess.run(
            [TORU, "plugin", "pack", f"my-{lang}"],
            cwd=author.folder,
            env=author.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        binary = author.folder / f"my-{lang}" / f"my-{lang}.binary"
        return Checked(packed, binary, author.run("plugin", "check", binary, "--json"))

    with ThreadPoolExecutor(len(LANGUAGES)) as pool:
        return dict(zip(LANGUAGES, pool.map(make, LANGUAGES), strict=True))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_new_plugin_passes_the_check(checked: dict[str, Checked], lang: str) -> None:
    packed, binary, ended = checked[lang]
    assert packed.returncode == 0, packed.stderr
    assert os.access(binary, os.X_OK)
    told = ended.json()
    assert [check for check in told["checks"] if check["outcome"] == "failed"] == []
    assert told["passed"] + told["warnings"] >= 20
    assert ended.code == 0
    # Nothing of the example's own is left in it.
    metadata = json.loads(subprocess.run([binary, "--metadata"], capture_output=True, check=True).stdout)
    assert (metadata["id"], metadata["name"], metadata["route"]) == (
        f"my-{lang}",
        f"My {lang}",
        f"/my-{lang}",
    )
    assert metadata.get("author", "") == ""


def test_the_languages_are_all_there_are(author: Cli) -> None:
    ended = author.run("plugin", "new", "mine", "--lang", "cobol")
    assert ended.code == 2
    assert all(lang in ended.err for lang in LANGUAGES)


@pytest.mark.parametrize("name", ["under_score", "-dash", "route", "x" * 65, "a b"])
def test_a_name_that_can_be_no_id(author: Cli, name: str) -> None:
    assert author.run("plugin", "new", "--lang", "node", "--", name).code == 2
    assert not (author.folder / name).exists()


def test_nothing_is_overwritten(author: Cli) -> None:
    (author.folder / "mine").mkdir()
    assert "there already" in author.run("plugin", "new", "mine", "--lang", "node").failure(1)
    assert list((author.folder / "mine").iterdir()) == []


def test_a_packed_python_plugin_needs_nothing_but_python(author: Cli) -> None:
    author.ok("plugin", "new", "mine", "--lang", "python")
    author.ok("plugin", "pack", "mine", "--output", "elsewhere.binary")
    # -I and -S: no site-packages, no environment; the kit is in the file.
    done = subprocess.run(
        [sys.executable, "-IS", author.folder / "elsewhere.binary", "--metadata"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["id"] == "mine"


def test_requirements_are_packed(author: Cli) -> None:
    author.ok("plugin", "new", "mine", "--lang", "python")
    folder = author.folder / "mine"
    library = author.folder / "library"
    library.mkdir()
    (library / "setup.py").write_text(
        "from setuptools import setup\nsetup(name='wise-words', version='1', py_modules=['wise_words'])\n"
    )
    (library / "wise_words.py").write_text("WORDS = 'wise words'\n")
    (folder / "requirements.txt").write_text(f"{library}\n")
    script = (folder / "plugin.py").read_text()
    script = script.replace("from pathlib", "import wise_words, importlib.metadata\nfrom pathlib")
    script = script.replace('version="1.0.0"', "version=importlib.metadata.version('wise-words')")
    (folder / "plugin.py").write_text(script.replace('name="Mine"', "name=wise_words.WORDS"))
    author.environ |= {"PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1"}
    author.ok("plugin", "pack", "mine")
    done = subprocess.run(
        [sys.executable, "-IS", folder / "mine.binary", "--metadata"], capture_output=True, check=True
    )
    told = json.loads(done.stdout)
    # A library may ask for its own version.
    assert (told["name"], told["version"]) == ("wise words", "1")


def test_a_plugin_that_cannot_start_is_not_packed(author: Cli) -> None:
    author.ok("plugin", "new", "mine", "--lang", "python")
    source = author.folder / "mine/plugin.py"
    source.write_text(source.read_text() + "\nthis is no Python\n")
    done = subprocess.run(
        [TORU, "plugin", "pack", "mine"], check=False, cwd=author.folder, capture_output=True, text=True
    )
    assert done.returncode == 1
    *shown, last = done.stderr.splitlines()
    assert last.startswith("toru: plugin.binary is no usable plugin: ")
    assert "    this is no Python" in shown
    assert not (author.folder / "mine/mine.binary").exists()


def test_a_folder_with_two_plugins(author: Cli) -> None:
    author.ok("plugin", "new", "mine", "--lang", "node")
    (author.folder / "mine/plugin.py").touch()
    assert "plugin.py and plugin.js" in author.run("plugin", "pack", "mine").failure(1)


def test_a_packed_plugin_runs_under_a_core(core: Core, author: Cli) -> None:
    author.ok("plugin", "new", "packed", "--lang", "python")
    author.ok("plugin", "pack", "packed")
    author.ok("plugin", "install", "packed/packed.binary", "--plugins", core.plugins)
    core.wait_pid("packed")
    assert core.route("packed", "/?name=Ada").body == b"Hello, Ada, from Python!\n"
    visits = [core.request("POST", "/api/plugins/route/packed/visits").json() for _ in range(2)]
    assert visits == [{"visits": 1}, {"visits": 2}]
    bundle = core.get("/api/plugins/packed/bundle.js")
    assert b"export async function mount" in bundle.body
