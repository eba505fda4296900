"""What the kit costs to load, and that a plugin can carry it along."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import zipapp
from pathlib import Path

import toru.plugin
from tests.plugin.driver import Running

KIT = Path(toru.plugin.__file__).parent
PLUGIN = """
from toru.plugin import Plugin

plugin = Plugin(id="carried", name="Carried", version="1")

@plugin.get("/")
HELLO

def main():
    plugin.run()
"""
PLAIN = PLUGIN.replace("HELLO", "def hello(request):\n    return __file__")
ASYNC = PLUGIN.replace("HELLO", "async def hello(request):\n    return __file__")


def python(*arguments: str | Path) -> str:
    """What Python prints, with the standard library and nothing else unless `arguments` say so."""
    return subprocess.run(
        [sys.executable, "-I", *arguments], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def loaded(code: str) -> set[str]:
    """The modules that the code loads."""
    shown = f"import sys; sys.path.insert(0, {str(KIT.parents[1])!r}); before = set(sys.modules); {code}"
    return set(python("-c", f"{shown}; print(*(set(sys.modules) - before))").split())


def test_importing_the_kit_loads_nothing_but_itself() -> None:
    modules = loaded("import toru.plugin")

    assert "toru.plugin.plugin" in modules
    assert {name for name in modules if name.partition(".")[0] != "toru"} == {"__future__"}


def test_asyncio_is_loaded_where_a_plugin_needs_it() -> None:
    plugin = "from toru.plugin import Plugin; plugin = Plugin(id='a', name='A', version='1')"
    make = "from toru.plugin.service import make_engine; make_engine(plugin)"

    assert "asyncio" not in loaded(f"{plugin}; plugin.get('/')(print); {make}")
    assert "asyncio" in loaded(f"{plugin}; plugin.asgi(print); {make}")
    assert not {"twisted", "txaio"} & loaded(f"{plugin}; plugin.asgi(print); {make}")


def test_it_imports_the_standard_library_and_itself() -> None:
    for path in KIT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                own = name.startswith("toru.plugin") or name.partition(".")[0] in sys.stdlib_module_names
                # That engine is loaded in plugins that have loaded Twisted themselves.
                assert own or (path.name == "tx.py" and name.partition(".")[0] in ("twisted", "txaio")), path


def test_a_zipapp_carries_it(tmp_path: Path) -> None:
    for name, source in (("plain", PLAIN), ("async", ASYNC)):
        folder = tmp_path / name
        shutil.copytree(KIT, folder / "toru" / "plugin", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "carried.py").write_text(source)
        binary = tmp_path / f"{name}.binary"
        zipapp.create_archive(folder, binary, f"{sys.executable} -IS", "carried:main")

        assert os.access(binary, os.X_OK)
        said = subprocess.run([binary, "--metadata"], capture_output=True, check=True, timeout=60, env={})
        assert json.loads(said.stdout)["id"] == "carried"
        running = Running(binary, tmp_path, "-IS")
        try:
            with running.connect() as peer:
                peer.ask("1", "/")
                assert peer.answer() == ("1", 200, f"{binary}/carried.py".encode())
                peer.send("lifecycle", None, {"action": "shutdown", "grace_seconds": 5})
                assert running.ended() == 0
        finally:
            running.kill()


def test_a_plugin_that_is_started_by_hand_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "plugin.py"
    file.write_text(f"import sys; sys.path.insert(0, {str(KIT.parents[1])!r})\n{PLAIN}\nmain()\n")

    ended = subprocess.run(
        [sys.executable, "-IS", file], capture_output=True, text=True, timeout=60, env={}, check=False
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith("This is a plugin, which toru starts")
    assert "Traceback" not in ended.stderr
    assert json.loads(python(file, "--metadata"))["id"] == "carried"
