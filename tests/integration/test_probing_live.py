"""Plugins that do not say what they speak: how it is found out, and that it is not asked twice."""

from __future__ import annotations

import pytest

from tests.integration.cores import HELLO, Core, wait_for
from tests.integration.protocol1 import plugin

SETTINGS = "[supervision]\nbackoff_first = 0.05"


def wait_framing(core: Core, id: str, framing: str) -> None:
    """Wait until it is known what the plugin speaks, and it answers."""
    wait_for(lambda: core.status(id).get("protocol") == framing and core.route(id).status == 200)


@pytest.mark.parametrize(("strange", "deaths"), [("refuse", 0), ("hang", 0), ("die", 1), ("hang_and_die", 1)])
def test_an_undeclared_plugin_of_protocol_1(core: Core, strange: str, deaths: int) -> None:
    core.settings(SETTINGS)
    core.plugin("old", plugin(f"serve_1(strange={strange})"), protocol=None)
    core.start()

    wait_framing(core, "old", "1")
    heard = core.notes("old")
    assert heard[0] == "strange"
    assert [word for word in heard if word != "GET"] == ["strange", "init", "OPTIONS"]
    status = core.status("old")
    assert (status["state"], status["consecutive_crashes"], status["restarts"]) == ("running", 0, deaths)
    assert core.events("crashed") == []
    # What it died of can be looked up all the same.
    stopped = core.wait_events("stopped", plugin="old", count=deaths) if deaths else []
    assert [(one["details"]["exit"]["code"], one["details"]["asked_in"]) for one in stopped] == (
        [(1, "protocol 2")] * deaths
    )
    assert status["last_exit"] == (stopped[-1]["details"]["exit"] if deaths else None)

    core.stop()
    core.start()
    wait_framing(core, "old", "1")
    again = [word for word in core.notes("old") if word != "GET"]
    assert again == ["strange", "init", "OPTIONS", "shutdown", "init"]


def test_an_undeclared_plugin_of_protocol_2(core: Core) -> None:
    noting = HELLO.replace(
        'if message["type"]', 'note("new", message["payload"].get("method"))\n    if message["type"]'
    )
    core.settings(SETTINGS)
    core.plugin("new", noting, protocol=None)
    core.start()
    wait_framing(core, "new", "2")
    heard = core.notes("new")
    assert heard[:2] == ["None", "OPTIONS"]
    assert set(heard[2:]) == {"GET"}

    core.stop()
    core.start()
    wait_framing(core, "new", "2")
    assert core.notes("new").count("OPTIONS") == 1


def test_an_undeclared_plugin_that_does_not_answer_the_probe(core: Core) -> None:
    core.settings(SETTINGS)
    code = HELLO.replace('message["type"] == "http"', 'message["payload"].get("method") == "GET"')
    tolerant = code.replace(
        "serve(handle)",
        """
server = listen()
while True:
    try:
        serve(handle, server)
    except ValueError:
        pass
""",
    )
    core.plugin("silent", tolerant, protocol=None)
    core.start()
    wait_framing(core, "silent", "2")
    assert core.said("#warn", "silent: answered in neither framing")
    assert core.events("crashed") == []
