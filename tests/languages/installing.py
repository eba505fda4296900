"""Programs into a core's folder, and what is asked of them there."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.integration.cores import Core, Reply


def install(core: Core, program: Path, id: str) -> int:
    """Put a program where the running core looks. Returns its pid once it runs."""
    core.plugins.mkdir(exist_ok=True)
    target = core.plugins / f"{id}.binary"
    new = target.with_suffix(".new")
    shutil.copy2(program, new)
    new.chmod(0o755)
    new.rename(target)
    assert core.post("/api/plugins/rescan").status == 200
    return core.wait_pid(id)


def ask(core: Core, method: str, path: str, body: bytes | None = None) -> Reply:
    """One request; `path` from the route on, without its slash."""
    return core.request(method, f"/api/plugins/route/{path}", body)
