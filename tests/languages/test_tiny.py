"""The plugin that docs/authors/other-languages.md builds by hand, as the document says."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.cores import Core
from tests.languages.documents import blocks
from tests.languages.installing import ask, install


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    missing = [
        package
        for name, package in {"node": "nodejs", "socat": "socat", "jq": "jq"}.items()
        if not shutil.which(name)
    ]
    if missing:
        pytest.fail(f"Not all is here; as root: apt-get install {' '.join(missing)}", pytrace=False)
    [text] = blocks("other-languages.md", "js")
    path = tmp_path_factory.mktemp("t") / "tiny.binary"
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_without_toru(tiny: Path) -> None:
    [script] = blocks("other-languages.md", "sh")
    environ = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=tiny.parent,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert sorted(done.stdout.splitlines()) == ['"/tiny"', "GET /here", "You asked for /here"]
    assert done.stderr == ""
    assert [path.name for path in tiny.parent.iterdir()] == ["tiny.binary"]


def test_under_a_core(core: Core, tiny: Path) -> None:
    install(core, tiny, "tiny")
    assert ask(core, "GET", "tiny/here?now").body == b"You asked for /here?now\n"
    assert ask(core, "POST", "tiny", "a\u2028b\rc\n".encode() * 1000).status == 200
    assert core.post("/api/plugins/tiny/disable").status == 200
    assert core.status("tiny")["last_exit"]["code"] == 0
