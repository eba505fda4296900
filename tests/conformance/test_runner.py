"""A check that breaks is one result among the others; the storage of a plugin is nobody else's."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from pathlib import Path

import pytest

from toru.conformance.bench import Bench
from toru.conformance.checks import Check
from toru.conformance.findings import Finding, passed
from toru.conformance.runner import run
from toru.conformance.storage import Storage


def test_a_check_that_breaks(tmp_path: Path) -> None:
    def breaks(bench: Bench) -> list[Finding]:
        raise ZeroDivisionError("no tests left")

    file = tmp_path / "x.binary"
    file.touch()
    checks = [Check("one", "One", breaks), Check("two", "Two", lambda bench: [passed("well")])]
    one, two = run(file, checks=checks)
    assert (one.outcome, two.outcome) == ("failed", "passed")
    assert "ZeroDivisionError('no tests left')" in one.findings[0].detail


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/api/plugins/mine/kv", "t", 200),
        ("/api/plugins/mine/kv", "x", 401),
        ("/api/plugins/other/kv", "t", 403),
        ("/api/plugins/%2e%2e/kv", "t", 403),
        ("/api/plugins/mine/more/kv", "t", 404),
        ("/api/plugins/mine/kv/", "t", 404),
    ],
)
def test_a_plugin_has_a_storage_of_its_own(path: str, token: str, status: int) -> None:
    with Storage("t") as storage:
        storage.plugin_id = "mine"
        connection = HTTPConnection(storage.url.removeprefix("http://"), timeout=10)
        asked = json.dumps({"action": "set", "key": "k", "value": "v"})
        connection.request("POST", path, asked, {"authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read()).get("value")) == (
            status,
            "v" if status == 200 else None,
        )
        connection.close()
