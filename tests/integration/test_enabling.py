"""Enabled or disabled: what is remembered, and how long whoever asks has to wait."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tests.integration.cores import HELLO, Core

SLOW = 'wait_until_there("go")\n' + HELLO


def config(core: Core) -> Path:
    return core.plugins / ".metadata" / "config.json"


def write(core: Core, text: str) -> None:
    config(core).parent.mkdir(parents=True)
    config(core).write_text(text)


def test_what_is_switched_is_remembered_and_all_else_kept(core: Core) -> None:
    written: dict[str, Any] = {"plugins": {"off": False, "gone": False}, "theme": {"dark": True}}
    write(core, json.dumps(written))
    for id in ("off", "unnamed", "switched"):
        core.plugin(id)
    core.start()
    core.wait_pid("unnamed")
    core.wait_pid("switched")
    assert core.status("off")["state"] == "disabled"
    assert json.loads(config(core).read_text()) == written

    assert core.post("/api/plugins/off/enable").json()["running"] is True
    assert core.post("/api/plugins/switched/disable").json()["running"] is False

    written["plugins"] = {"off": True, "gone": False, "switched": False}
    assert json.loads(config(core).read_text()) == written
    assert [path.name for path in config(core).parent.iterdir()] == ["config.json"]

    core.stop()
    core.start()
    core.wait_pid("off")
    core.wait_pid("unnamed")
    assert core.status("switched")["state"] == "disabled"
    assert core.route("switched").status == 404
    started = [event["plugin"] for event in core.events("started")]
    assert started.count("switched") == 1
    assert json.loads(config(core).read_text()) == written


def test_a_broken_file_is_set_aside(core: Core) -> None:
    write(core, '{"plugins": {"off": false')
    core.plugin("off")
    core.start()

    core.wait_pid("off")
    (aside,) = config(core).parent.iterdir()
    assert aside.name.startswith("config.json.broken-")
    assert aside.read_text() == '{"plugins": {"off": false'
    (line,) = [line for line in core.output if aside.name in line]
    assert str(config(core)) in line

    core.post("/api/plugins/off/disable")
    assert json.loads(config(core).read_text()) == {"plugins": {"off": False}}
    assert aside.exists()


def test_to_enable_waits_for_the_socket_but_not_for_ever(core: Core) -> None:
    core.settings("[supervision]\nstart_timeout = 0.5\nstop_grace = 0.5\n")
    write(core, '{"plugins": {"slow": false}}')
    core.plugin("slow", SLOW)
    core.start()
    core.wait_state("slow", "disabled")

    began = time.monotonic()
    answer = core.post("/api/plugins/slow/enable")
    waited = time.monotonic() - began

    assert (answer.status, answer.json()["state"], answer.json()["enabled"]) == (200, "starting", True)
    assert waited > 0.5
    assert core.route("slow").status == 503
    core.tell("go")
    core.wait_pid("slow")
    core.post("/api/plugins/slow/disable")
    answer = core.post("/api/plugins/slow/enable")
    assert (answer.json()["state"], answer.json()["health"]) == ("running", "healthy")
    assert core.route("slow").status == 200
    # Once more changes nothing.
    assert core.post("/api/plugins/slow/enable").json()["pid"] == answer.json()["pid"]
    assert core.post("/api/plugins/nobody/enable").status == 404
    assert core.post("/api/plugins/nobody/disable").status == 404
