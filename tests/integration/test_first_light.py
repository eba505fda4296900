"""From a plugin in the folder to an answer at the door, and down again."""

from __future__ import annotations

import signal

from tests.integration.cores import Core, is_alive


def test_from_a_file_to_an_answer_and_down_again(core: Core) -> None:
    core.settings('access_log = "access.log"\n')
    core.plugin("hello")
    core.start()
    pid = core.wait_state("hello", "running")["pid"]

    reply = core.request("POST", "/api/plugins/route/hello/some/path?x=1&y=%20", b"text", {"X-Thing": "a"})

    assert reply.status == 200
    asked = reply.json()
    assert asked["method"] == "POST"
    assert asked["path"] == "/some/path?x=1&y=%20"
    assert asked["headers"]["x-thing"] == "a"
    assert (asked["body"], asked["body_encoding"]) == ("text", "utf-8")
    assert core.get("/api/health").json() == {"status": "ok"}

    assert core.stop(signal.SIGINT) in (0, -signal.SIGINT)
    assert not is_alive(pid)
    assert core.sockets() == []
    line = next(line for line in (core.folder / "access.log").read_text().splitlines() if "/some/" in line)
    assert '"POST /api/plugins/route/hello/some/path?x=1&y=%20 HTTP/1.1" 200 ' in line
    assert [event["type"] for event in core.events(plugin="hello")] == [
        "discovered",
        "started",
        "ready",
        "stopped",
    ]


def test_the_folder_is_made_where_it_is_missing(core: Core) -> None:
    core.start()
    assert core.get("/api/plugins").json() == []
    assert core.plugins.is_dir()
