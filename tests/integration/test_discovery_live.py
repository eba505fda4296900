"""What lies in the plugins folder, good and bad, and what happens to it while the core runs."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.cores import HELLO, Core, fresh_core, is_alive, source, wait_for


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A running core, for the tests that need no start of their own."""
    with fresh_core(tmp_path_factory.mktemp("d")) as core:
        core.settings("[supervision]\nstop_grace = 1\nterm_grace = 0.5\n")
        core.start()
        # It says that it listens just before it watches the folder; once it answers, it does both.
        assert core.get("/api/health").status == 200
        yield core


def script(core: Core, name: str, line: str) -> None:
    """A plugin of one line of shell."""
    core.file(f"{name}.binary", f"#!/bin/sh\n{line}\n")


def test_files_that_are_no_plugins_are_named_with_the_reason(core: Core) -> None:
    def metadata(**fields: str) -> str:
        return json.dumps({"id": "x", "name": "x", "version": "1", "route": "/x"} | fields)

    expected = {
        "a-hangs": "did not exit within 5 s",
        "b-floods": "more than 1 MiB",
        "c-babbles": "JSON",
        "d-fails": "exited with code 3: it has no licence",
        "e-plain": "not executable",
        "f-link-out": "leads out of the plugins folder",
        "g-folder": "it is a folder",
        "h-link-to-nothing": "a link to a file that is not there",
        "i-garbage": "`--metadata` exited with code",
        "j-no-id": "id",
        "k-bad-route": "route",
        "z-same-id": 'has the id "good" of good.binary',
        "z-same-route": 'has the route "/good" of good.binary',
    }
    script(core, "a-hangs", "sleep 3600")
    script(core, "b-floods", "yes | head -c 2000000")
    script(core, "c-babbles", "echo hello")
    script(core, "d-fails", "echo it has no licence >&2; exit 3")
    core.file("e-plain.binary", "#!/bin/sh\n", mode=0o644)
    outside = core.folder / "outside.binary"
    outside.write_text(f"#!/bin/sh\necho '{metadata()}'\n")
    outside.chmod(0o755)
    (core.plugins / "f-link-out.binary").symlink_to(outside)
    (core.plugins / "g-folder.binary").mkdir()
    (core.plugins / "h-link-to-nothing.binary").symlink_to("nothing.binary")
    core.file("i-garbage.binary", "\x7fELF\x01\x02 no program")
    script(core, "j-no-id", f"echo '{metadata(id='-')}'")
    script(core, "k-bad-route", f"echo '{metadata(route='/a/../b')}'")
    script(core, "z-same-id", f"echo '{metadata(id='good')}'")
    script(core, "z-same-route", f"echo '{metadata(id='other', route='/good')}'")
    core.plugin("good")
    core.start()

    core.wait_pid("good")
    assert core.route("good").status == 200
    # None of them held it up: the one that hangs is still being asked.
    assert "a-hangs.binary" not in core.problems()

    problems = wait_for(lambda: found if "a-hangs.binary" in (found := core.problems()) else None)
    assert {name.removesuffix(".binary") for name in problems} == set(expected)
    for name, reason in expected.items():
        assert problems[f"{name}.binary"].startswith(f"{name}.binary")
        assert reason in problems[f"{name}.binary"]
    assert [plugin["id"] for plugin in core.get("/api/plugins").json()] == ["good"]
    events = core.wait_events("problem", plugin="", count=len(problems))
    assert {event["details"]["file"]: event["details"]["error"] for event in events} == problems

    # Once the name is free, those that wanted it have it.
    (core.plugins / "good.binary").unlink()
    wait_for(lambda: core.problems().keys().isdisjoint({"z-same-id.binary", "z-same-route.binary"}))
    assert {plugin["id"] for plugin in core.get("/api/plugins").json()} == {"good", "other"}


def test_a_name_that_is_not_utf_8(core: Core) -> None:
    core.plugin("good")
    text = (core.plugins / "good.binary").read_bytes()
    folder = os.fsencode(core.plugins)

    def spoil(name: bytes) -> None:
        with open(os.path.join(folder, name), "wb") as file:
            os.fchmod(file.fileno(), 0o755)
            file.write(text)

    spoil(b"\xff.binary")
    core.start()
    core.wait_pid("good")
    assert core.problems() == {r"\xff.binary": r"\xff.binary: its name is not UTF-8: rename it"}

    spoil(b"caf\xe9.binary")
    rescan = core.post("/api/plugins/rescan")
    assert rescan.status == 200
    assert [problem["file"] for problem in rescan.json()["problems"]] == [r"caf\xe9.binary", r"\xff.binary"]
    assert set(core.problems()) == {r"\xff.binary", r"caf\xe9.binary"}
    events = core.wait_events("problem", plugin="", count=2)
    assert {event["details"]["file"] for event in events} == {r"\xff.binary", r"caf\xe9.binary"}

    os.rename(os.path.join(folder, b"caf\xe9.binary"), os.path.join(folder, b"z.binary"))
    os.unlink(os.path.join(folder, b"\xff.binary"))
    wait_for(lambda: set(core.problems()) == {"z.binary"})
    assert core.route("good").status == 200
    assert core.stop() in (0, -2)
    assert not any("Traceback" in line for line in core.output)


def test_files_are_noticed_while_it_runs(running: Core) -> None:
    running.plugin("seen")
    first = running.wait_pid("seen")

    running.plugin("seen", version="2")
    wait_for(lambda: running.route("seen").json()["version"] == "2")
    second = running.status("seen")["pid"]
    wait_for(lambda: not is_alive(first))

    (running.plugins / "seen.binary").unlink()
    wait_for(lambda: running.get("/api/plugins/seen").status == 404)
    assert running.route("seen").status == 404
    wait_for(lambda: not is_alive(second))
    assert [event["type"] for event in running.wait_events(plugin="seen", count=10)] == [
        "discovered",
        "started",
        "ready",
        "changed",
        "started",
        "ready",
        "upgraded",
        "stopped",
        "removed",
        "stopped",
    ]


def test_a_file_that_is_still_being_copied_is_not_run(running: Core) -> None:
    whole = source("copied", 'note("ran", "whole")\n' + HELLO)
    # Any part of it could be run, and would tell.
    head, _, rest = whole.partition("\nmetadata(")
    with (running.plugins / "copied.binary").open("w") as file:
        os.chmod(file.fileno(), 0o755)
        for number, piece in enumerate((f"{head}\nnote('ran', 'a part')\n", "\n", "# and on it goes\n")):
            file.write(piece)
            file.flush()
            # The clock: a file that is complete is seen, asked and run meanwhile.
            running.plugin(f"complete-{number}")
            running.wait_pid(f"complete-{number}")
            assert running.notes("ran") == []
            assert "copied.binary" not in running.problems()
        running.post("/api/plugins/rescan")
        assert running.status("copied") == {}
        file.seek(len(head))
        file.write(f"\nmetadata({rest}")
        file.truncate()
        assert running.notes("ran") == []
    running.wait_pid("copied")
    assert running.notes("ran") == ["whole"]
    assert "copied.binary" not in running.problems()


def test_a_rescan_looks_at_once(running: Core) -> None:
    running.up("changing")
    running.up("leaving")
    running.plugin("coming")
    enough = threading.Event()

    def keep_unsettled() -> None:
        # A file that keeps changing is left alone, unless somebody asks by hand.
        while not enough.wait(0.02):
            for name in ("coming", "changing"):
                (running.plugins / f"{name}.binary").chmod(0o755)

    with ThreadPoolExecutor() as threads:
        keeping = threads.submit(keep_unsettled)
        running.plugin("changing", version="2")
        running.file("broken.binary", "#!/bin/sh\nexit 1\n")
        (running.plugins / "leaving.binary").unlink()
        answer = running.post("/api/plugins/rescan")
        enough.set()
        keeping.result()

    assert answer.status == 200
    rescan = answer.json()
    assert rescan["added"] == ["coming"]
    assert rescan["changed"] == ["changing"]
    assert rescan["removed"] == ["leaving"]
    assert any(problem["file"] == "broken.binary" for problem in rescan["problems"])


def test_what_did_not_change_is_not_asked_again(core: Core) -> None:
    core.plugin("counting")
    core.start()
    core.wait_pid("counting")
    assert core.notes("asked-what-it-is") == ["counting 1"]

    core.stop()
    core.start()
    core.wait_pid("counting")
    assert core.route("counting").status == 200
    assert core.post("/api/plugins/rescan").json()["changed"] == []
    assert core.notes("asked-what-it-is") == ["counting 1"]

    core.plugin("counting", version="2")
    wait_for(lambda: core.route("counting").json()["version"] == "2")
    assert core.notes("asked-what-it-is") == ["counting 1", "counting 2"]


def test_one_whose_file_becomes_broken_keeps_running(running: Core) -> None:
    pid = running.up("spoilt")

    running.file("spoilt.binary", "#!/bin/sh\necho out of order >&2; exit 1\n")

    problem = wait_for(lambda: running.status("spoilt")["problem"])
    assert "out of order" in problem
    status = running.status("spoilt")
    assert (status["pid"], status["health"]) == (pid, "healthy")
    assert running.route("spoilt").json()["pid"] == pid
    assert running.problems()["spoilt.binary"] == problem

    running.plugin("spoilt", version="2")
    wait_for(lambda: running.route("spoilt").json()["version"] == "2")
    assert running.status("spoilt")["problem"] is None
    assert "spoilt.binary" not in running.problems()
