"""Who may make which call, of a running core: every rule of the table, with every kind of credential."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.integration.cores import PATIENCE, Core, fresh_core
from toru.access.roles import EVERY_METHOD, RULES, Rule, rules_at

# Whatever an admin does with `acted-on`, the others keep their processes, and so their tokens.
PLUGINS = ("hello", "other", "acted-on")
WHO = ("nobody", "stranger", "admin", "client", "session", "monitor", "plugin", "foreign")


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Core, Mapping[str, dict[str, str]]]]:
    """A running core, and the headers by which it knows each of WHO."""
    with fresh_core(tmp_path_factory.mktemp("r")) as core:
        for id in PLUGINS:
            core.plugin(id)
        core.start()
        pids = {id: core.wait_pid(id) for id in PLUGINS}
        ann = {"username": "ann", "password": "Battery-5taple"}
        assert core.request("POST", "/api/users", json.dumps(ann).encode()).status == 201

        def bearer(token: str) -> dict[str, str]:
            return {"Authorization": f"Bearer {token}"}

        headers = {
            "nobody": {},
            "stranger": bearer("toru_of-nobody"),
            "session": {"Cookie": core.sign_in(**ann)},
            "plugin": bearer(token_of(pids["hello"])),
            "foreign": bearer(token_of(pids["other"])),
        }
        for role in ("admin", "client", "monitor"):
            headers[role] = {"Authorization": core.authorization(role)}
        yield core, headers


def token_of(pid: int) -> str:
    """What a plugin's process was given."""
    variables = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return next(each for each in variables if each.startswith("TORU_PLUGIN_TOKEN=")).partition("=")[2]


def asked(core: Core, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
    """Status and code of an answer whose body may have no end."""
    connection = http.client.HTTPConnection("127.0.0.1", core.port, timeout=PATIENCE)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        if answer.headers["content-type"] != "application/problem+json":
            return answer.status, ""
        return answer.status, json.loads(answer.read())["code"]
    finally:
        connection.close()


def call_of(rule: Rule) -> tuple[str, str]:
    """A method and a path that the rule is about."""
    id = "hello" if rule.path.endswith("/kv") else "acted-on"
    path = rule.path.replace(":id", id).replace("*", "hello/x")
    return "PUT" if rule.method == EVERY_METHOD else rule.method, path


# A sign-out ends the session that the others need.
IN_ORDER = sorted(RULES, key=lambda rule: rule.path == "/api/auth/logout")


@pytest.mark.parametrize("rule", IN_ORDER, ids=lambda rule: f"{rule.method} {rule.path}")
def test_every_rule(signed: tuple[Core, Mapping[str, dict[str, str]]], rule: Rule) -> None:
    core, headers = signed
    method, path = call_of(rule)
    of_session = {"session": "client", "foreign": "plugin"}
    for who in WHO:
        status, code = asked(core, method, path, headers[who])
        kind = None if who in ("nobody", "stranger") else of_session.get(who, who)
        open_to_all = None in rule.who
        may = open_to_all or (kind in rule.who and who != "foreign")
        expected = "" if may else "unauthenticated" if kind is None else "forbidden"
        got = code if code in ("unauthenticated", "forbidden") else ""
        assert got == expected, f"{who}: {status} {code}"
        assert (status in (401, 403)) == bool(got), f"{who}: {status} {code}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.method} {rule.path}")
def test_no_other_method(signed: tuple[Core, Mapping[str, dict[str, str]]], rule: Rule) -> None:
    core, headers = signed
    _, path = call_of(rule)
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - rules_at(path).keys():
        if EVERY_METHOD not in rules_at(path):
            assert asked(core, method, path, headers["admin"])[0] == 405
            assert asked(core, method, path, headers["nobody"])[0] in (401, 405)


def test_nobody_learns_what_there_is(signed: tuple[Core, Mapping[str, dict[str, str]]]) -> None:
    core, headers = signed
    for path in ("/nothing", "/api/plugins/nobody", "/api/plugins/hello", "/api/plugins/route/nobody/"):
        assert asked(core, "GET", path, headers["nobody"]) == (401, "unauthenticated")


def test_a_plugins_token_ends_with_its_process(signed: tuple[Core, Mapping[str, dict[str, str]]]) -> None:
    core, _ = signed
    pid = core.up("fleeting")
    kv = "/api/plugins/fleeting/kv"
    old = {"Authorization": f"Bearer {token_of(pid)}"}
    assert asked(core, "POST", kv, old)[0] not in (401, 403)
    core.post("/api/plugins/fleeting/restart")
    new = core.wait_pid("fleeting", other_than=pid)
    assert asked(core, "POST", kv, {"Authorization": f"Bearer {token_of(new)}"})[0] not in (401, 403)
    core.wait_events("stopped", plugin="fleeting", count=1)
    assert asked(core, "POST", kv, old) == (401, "unauthenticated")
