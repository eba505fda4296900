"""Plugins of the Python kit under a real core: they answer, store, log, survive their errors, and end in time."""

from __future__ import annotations

import shutil
import sys
import zipapp
from collections.abc import Iterator
from pathlib import Path

import pytest

import toru.plugin
from tests.integration.cores import Core, fresh_core, wait_for

ROOT = Path(__file__).parents[2]
KIT = Path(toru.plugin.__file__).parent

PLAIN = """
import os
from toru.plugin import KVConflict, KVError, Plugin, Response

plugin = Plugin(id="ID", name="Plain", version="1")

@plugin.on_init
def begin():
    plugin.kv.set("began", plugin.kv.get("began") or "once")
    plugin.log.info("begun", number=1)

@plugin.on_shutdown
def finish():
    plugin.kv.set("ended", "in order")

@plugin.route("/echo", ("GET", "POST"))
def echo(request):
    return Response(request.body, headers={"x-user": request.user, "x-path": request.path, "x-pid": str(os.getpid())})

@plugin.get("/began")
def began(request):
    return plugin.kv.get("began")

@plugin.get("/refused")
def refused(request):
    try:
        plugin.kv.set("began", "twice", expect=None)
    except KVConflict as error:
        conflict = error.status
    try:
        plugin.kv.set("", "x")
    except KVError as error:
        return f"{conflict} {error}"

@plugin.get("/fail")
def fail(request):
    raise LookupError("lost")

@plugin.get("/numbers")
def numbers(request):
    for number in range(3):
        yield f"{number}\\n"

def main():
    plugin.run()
"""
ASYNC = (
    PLAIN.replace("def ", "async def ")
    .replace("async def main", "def main")
    .replace("plugin.kv.", "await plugin.async_kv.")
)
KINDS = {"plain": PLAIN, "async": ASYNC}


def pack(source: str, id: str, folder: Path, to: Path) -> None:
    """Make it an executable that carries the kit, as `toru plugin pack` does, and put it where a core finds it."""
    inside = folder / f"{id}-source"
    shutil.copytree(KIT, inside / "toru" / "plugin", ignore=shutil.ignore_patterns("__pycache__"))
    (inside / "carried.py").write_text(source.replace('"ID"', repr(id)))
    made = folder / f"{id}.new"
    zipapp.create_archive(inside, made, f"{sys.executable} -IS", "carried:main")
    to.mkdir(exist_ok=True)
    made.rename(to / f"{id}.binary")


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    with fresh_core(tmp_path_factory.mktemp("k")) as core:
        for id, source in KINDS.items():
            pack(source, id, core.folder, core.plugins)
        core.start()
        for id in KINDS:
            core.wait_pid(id)
        yield core


each = pytest.mark.parametrize("id", KINDS)


@each
def test_it_answers(core: Core, id: str) -> None:
    for body in (b"", "ä 😀".encode(), bytes(range(256)) * 1000):
        reply = core.request("POST", f"/api/plugins/route/{id}/echo?x=1", body)
        assert (reply.status, reply.body) == (200, body)
        assert (reply.headers["x-user"], reply.headers["x-path"]) == ("test-admin", "/echo")
    assert core.route(id, "/nowhere").status == 404
    assert core.route(id, "/numbers").body == b"0\n1\n2\n"
    assert core.status(id)["health"] == "healthy"
    assert core.status(id)["protocol"] == "2"


@each
def test_it_stores(core: Core, id: str) -> None:
    assert core.route(id, "/began").body == b"once"
    assert core.route(id, "/refused").body.startswith(b"409 set was refused (400): ")


@each
def test_it_logs(core: Core, id: str) -> None:
    record = wait_for(lambda: [record for record in core.log(id) if record["message"] == "begun"])[0]
    assert (record["level"], record["fields"]) == ("info", {"number": 1})


@each
def test_it_survives_an_error(core: Core, id: str) -> None:
    pid = core.route(id, "/echo").headers["x-pid"]
    assert core.route(id, "/fail").status == 500
    record = wait_for(lambda: [record for record in core.log(id) if record["level"] == "error"])[0]
    assert record["message"] == "GET /fail failed: LookupError: lost"
    assert "carried.py" in record["fields"]["error"]
    assert core.route(id, "/echo").headers["x-pid"] == pid


@each
def test_it_ends_within_its_time(core: Core, id: str) -> None:
    core.post(f"/api/plugins/{id}/restart")
    core.wait_state(id, "running")
    assert core.post(f"/api/plugins/{id}/disable").status == 200

    last_exit = core.status(id)["last_exit"]
    assert (last_exit["code"], last_exit["signal"]) == (0, None), last_exit
    kept = core.request("POST", f"/api/plugins/{id}/kv", b'{"action": "get", "key": "ended"}')
    assert kept.json() == {"value": "in order"}
    assert not core.events("crashed", plugin=id)


def test_the_examples_run(core: Core) -> None:
    for example in ("guestbook", "live-board"):
        source = (ROOT / "plugins" / example / "plugin.py").read_text()
        pack(f"{source}\n\ndef main() -> None:\n    plugin.run()\n", example, core.folder, core.plugins)
    core.post("/api/plugins/rescan")
    for example in ("guestbook", "live-board"):
        core.wait_pid(example)

    signed = core.request("POST", "/api/plugins/route/guestbook/", "Schön hier".encode())
    assert (signed.status, signed.json()) == (201, {"from": "test-admin", "text": "Schön hier"})
    assert core.route("guestbook").json() == [signed.json()]
    uploaded = core.request("POST", "/api/plugins/route/live-board/upload", b"x" * 1000)
    assert uploaded.json() == {"size": 1000}
