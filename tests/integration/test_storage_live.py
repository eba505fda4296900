"""A real core: what plugins store and write is kept, from wherever it came, and across a stop."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .cores import Core, fresh_core, wait_for

# Stores something, writes a line to its log file and one to its pipe, and tells what it got.
KEEPER = """
import urllib.request

def kv(**call):
    request = urllib.request.Request(
        f"{os.environ['TORU_API_URL']}/api/plugins/keeper/kv",
        json.dumps(call).encode(),
        {"Authorization": f"Bearer {os.environ['TORU_PLUGIN_TOKEN']}", "Content-Type": "application/json"},
    )
    return json.load(urllib.request.urlopen(request))

note("found", json.dumps(kv(action="get", key="k")))
note("set", json.dumps(kv(action="set", key="k", value="v")))
with open(os.environ["TORU_LOG_PATH"], "a") as file:
    file.write("to the file\\n")
print("to the pipe", flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
def handle(file, message):
    pass
try:
    serve(handle)
finally:
    print("last words", end="", flush=True)
"""


def start_keeper(core: Core, listen: str) -> None:
    core.plugin("keeper", KEEPER)
    core.start(listen=listen, wait=listen.startswith("tcp:0:interface=127."))


# Where nobody listens whom plugins could reach, there is a place for them alone.
@pytest.mark.parametrize("listen", ["tcp:0:interface=127.0.0.1", "unix:door.sock"])
def test_plugins_reach_their_storage(tmp_path: Path, listen: str) -> None:
    with fresh_core(tmp_path) as core:
        start_keeper(core, listen)
        assert [json.loads(note) for note in core.wait_notes("found", 1)] == [{"value": None}]
        assert [json.loads(note) for note in core.wait_notes("set", 1)] == [{"value": "v"}]
        core.stop()
        assert not core.said("Unhandled"), core.output
        start_keeper(core, listen)
        assert json.loads(core.wait_notes("found", 2)[1]) == {"value": "v"}
        core.stop()


def test_what_a_plugin_writes_is_kept_to_its_last_word(tmp_path: Path) -> None:
    with fresh_core(tmp_path) as core:
        start_keeper(core, "tcp:0:interface=127.0.0.1")
        core.wait_notes("set", 1)
        core.wait_pid("keeper")
        core.stop()
        # The next core is one without that plugin running, so that nothing is added.
        core.start()
        core.wait_pid("keeper")
        assert core.post("/api/plugins/keeper/disable").status == 200

        def written() -> list[tuple[str, str]] | None:
            reply = core.get("/api/plugins/keeper/logs?page_size=1000")
            found = [(record["stream"], record["message"]) for record in reply.json()["logs"]]
            return found if len(found) == 6 else None

        once = [("file", "to the file"), ("stdout", "last words"), ("stdout", "to the pipe")]
        assert sorted(wait_for(written)) == sorted(once * 2)
        copy = [(record["stream"], record["message"]) for record in core.log("keeper")]
        assert sorted(copy) == sorted(once * 2)


def test_events_are_kept_and_told(tmp_path: Path) -> None:
    with fresh_core(tmp_path) as core:
        core.start()
        core.up("hello")
        assert core.post("/api/plugins/hello/disable").status == 200
        types = ["admin-action", "stopped", "disabled", "ready", "started", "discovered"]

        def happened() -> list[str]:
            return [event["type"] for event in core.get("/api/plugins/hello/events").json()["events"]]

        # They are kept a moment after they happened.
        wait_for(lambda: happened() == types)
        told = wait_for(lambda: core.get("/api/plugins/hello/usage").json())
        assert {"timestamp", "usage", "traffic"} == set(told[0])
        core.stop()
        core.start()
        assert happened()[-6:] == types
        assert [event["type"] for event in core.events(plugin="hello")][:6] == types[::-1]
