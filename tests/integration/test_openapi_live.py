"""What the document promises, of a running core: schemathesis makes requests from it, and checks each answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from zlib import crc32

import pytest
import schemathesis
from hypothesis import HealthCheck, settings, strategies as st
from schemathesis import Case, CheckContext, Response
from schemathesis.config import SchemathesisConfig

from tests.integration.cores import PATIENCE, Core, fresh_core
from toru.access.names import DISPLAY_NAME
from toru.http.app import Face
from toru.http.openapi import make_document

DOCUMENT: dict[str, Any] = json.loads(make_document(Face.app.url_map))

# Longer strings take minutes to make; what happens at the ends of such lengths is tested where they are checked.
LONGEST = 600
ANN = {"username": "ann", "password": "Battery-5taple"}

CHECKS = {"negative_data_rejection": {"expected-statuses": [400, 401, 403, 404, 413]}}
COMMON = {
    "generation": {"deterministic": True, "with-security-parameters": False},
    "request-timeout": PATIENCE,
    "operations": [
        # These never end: after so many seconds what came is looked at.
        {"include-path-regex": "/stream$", "request-timeout": 0.1},
        # Plugins get every method, and OpenAPI 3.1 has no words for some.
        {"include-path-regex": "^/api/plugins/route/", "checks": {"unsupported_method": {"enabled": False}}},
    ],
    "checks": CHECKS,
}

schemathesis.openapi.format("new-password", st.from_regex(r"Aa1![ -~]{4,20}", fullmatch=True))
schemathesis.openapi.format("display-name", st.from_regex(r"[!-~é😀][ -~]{0,50}", fullmatch=True))


def generatable(schema: Any) -> Any:
    """A part of the document, with other words where schemathesis cannot make what is asked for."""
    if isinstance(schema, list):
        return [generatable(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "password" and "allOf" in schema:
        return {"type": "string", "format": "new-password"}
    if schema.get("pattern") == DISPLAY_NAME:
        return {"type": "string", "format": "display-name"}
    return {
        name: generatable(value) for name, value in schema.items() if name != "maxLength" or value <= LONGEST
    }


thorough = schemathesis.openapi.from_dict(generatable(DOCUMENT), config=SchemathesisConfig.from_dict(COMMON))
brief = schemathesis.openapi.from_dict(
    generatable(DOCUMENT),
    config=SchemathesisConfig.from_dict({**COMMON, "phases": {"coverage": {"enabled": False}}}),
    # The session of this run would be over; see `test_what_chance_does_not_find`.
).exclude(path="/api/auth/logout")


# schemathesis asks of everything for its type, which HTTP does not.
TYPED = """
def handle(file, message):
    if message["type"] == "http":
        answer(file, message, headers={"content-type": "text/plain"}, body="hello")
serve(handle)
"""


class Running(NamedTuple):
    """A running core, and what stands for a thing that there is in a path: by the path's beginning."""

    core: Core
    url: str
    session: dict[str, str]
    ids: dict[str, str]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with fresh_core(tmp_path_factory.mktemp("o")) as core:
        core.plugin("hello", TYPED)
        core.plugin("acted-on")
        core.plugin("restarted")
        core.file("broken.binary", "#!/bin/false\n")
        core.start()
        core.wait_pid("hello")
        ids = {}
        for name in ("ann", "changed", "removed"):
            made = core.request("POST", "/api/users", json.dumps({**ANN, "username": name}).encode())
            ids[name] = made.json()["id"]
        token = core.request("POST", "/api/tokens", b'{"name": "removed", "role": "monitor"}').json()["id"]
        # Before chance tries so many passwords that nobody is let in from this address.
        name, _, session = core.sign_in(**ANN).partition("=")
        there = {
            "DELETE /api/users/{id}": ids["removed"],
            "DELETE /api/tokens/{id}": token,
            "POST /api/plugins/{id}/enable": "acted-on",
            "POST /api/plugins/{id}/disable": "acted-on",
            "POST /api/plugins/{id}/restart": "restarted",
            "/api/users": ids["changed"],
            "/api/plugins": "hello",
        }
        yield Running(core, f"http://127.0.0.1:{core.port}", {name: session}, there)


def aim(case: Case[Any], ids: dict[str, str]) -> None:
    """Most of the time at something that there is."""
    for name, value in case.path_parameters.items():
        if name in ("id", "route") and crc32(str(value).encode()) % 4:
            label = f"{case.method} {case.path}"
            there = (id for path, id in ids.items() if label == path or case.path.startswith(path))
            case.path_parameters = {**case.path_parameters, name: next(there, value)}


def says_what_may_go_wrong(context: CheckContext, response: Response, case: Case[Any]) -> None:
    """Every problem's code stands in the document, at that call and that status."""
    is_problem = response.headers.get("content-type") == ["application/problem+json"]
    if not is_problem or not response.content or response.status_code == 405:
        return
    problem = response.json()
    operation = DOCUMENT["paths"][case.path][case.method.lower()]
    assert f"(`{problem['code']}`)" in operation["responses"][str(response.status_code)]["description"]


def test_it_is_what_is_served(running: Running) -> None:
    served = running.core.request("GET", "/api/openapi.json", as_="client")
    assert (served.status, served.headers["content-type"]) == (200, "application/json")
    assert served.json() == DOCUMENT
    known = {"If-None-Match": served.headers["etag"]}
    again = running.core.request("GET", "/api/openapi.json", headers=known, as_="client")
    assert (again.status, again.body) == (304, b"")


def test_what_chance_does_not_find(running: Running) -> None:
    """Answers that take the right words, or that would be in the way of the other tests."""
    admin = {"Authorization": running.core.authorization()}

    def ask(method: str, path: str, headers: dict[str, str], **parts: Any) -> Response:
        case = thorough[path][method].Case(**parts)
        return case.call_and_validate(
            running.url, headers=headers, additional_checks=[says_what_may_go_wrong]
        )

    signed_in = ask("POST", "/api/auth/login", {}, body=ANN)
    assert signed_in.status_code == 200
    session = {"Cookie": signed_in.headers["set-cookie"][0].partition(";")[0]}
    asked = {"current_password": ANN["password"], "new_password": "Staple-6attery"}
    assert ask("PUT", "/api/me/password", session, body=asked).status_code == 200
    back = {"current_password": asked["new_password"], "new_password": ANN["password"]}
    assert ask("PUT", "/api/me/password", session, body=back).status_code == 200
    assert ask("POST", "/api/auth/logout", session).status_code == 200
    assert ask("PUT", "/api/me/password", session, body=back).status_code == 401

    hello = {"path_parameters": {"id": "hello"}}
    lines = admin | {"Accept": "application/x-ndjson"}
    assert ask("GET", "/api/plugins/{id}/logs", lines, **hello).status_code == 200
    too_long = {"action": "set", "key": "k", "value": "v" * (2**20 + 1)}
    assert ask("POST", "/api/plugins/{id}/kv", admin, body=too_long, **hello).status_code == 413
    too_large = {"action": "set", "key": "k", "value": "v" * (8 * 2**20)}
    assert ask("POST", "/api/plugins/{id}/kv", admin, body=too_large, **hello).status_code == 413
    scrape = admin | {"Accept": "application/openmetrics-text; version=1.0.0"}
    assert ask("GET", "/api/metrics", scrape).status_code == 200
    foreign = admin | {"Cookie": "toru_session=x", "Origin": "http://elsewhere.test"}
    assert ask("POST", "/api/plugins/rescan", foreign).status_code == 403


@pytest.mark.parametrize(
    ("path", "method"),
    [(path, method) for path, item in DOCUMENT["paths"].items() for method in item],
)
def test_as_nobody(running: Running, path: str, method: str) -> None:
    target = path.replace("{id}", "hello").replace("{route}", "hello").replace("{path}", "x")
    for headers in ({}, {"Authorization": "Bearer toru_of-nobody"}, {"Cookie": "toru_session=of-nobody"}):
        reply = running.core.request(method.upper(), target, headers=headers, as_=None)
        assert (reply.status == 401) == bool(DOCUMENT["paths"][path][method]["security"])


@thorough.parametrize()
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_as_admin(case: Case[Any], running: Running) -> None:
    aim(case, running.ids)
    case.call_and_validate(
        running.url,
        headers={"Authorization": running.core.authorization()},
        additional_checks=[says_what_may_go_wrong],
    )


@brief.parametrize()
@settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_as_a_client_who_signed_in(case: Case[Any], running: Running) -> None:
    aim(case, running.ids)
    case.call_and_validate(running.url, cookies=running.session, additional_checks=[says_what_may_go_wrong])
