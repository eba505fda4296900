"""The kit for Rust: built here, clean, tested, and its programs under a real core."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.bursts import burst
from tests.integration.cores import Core, wait_for
from tests.languages.installing import ask, install


@pytest.fixture(scope="module")
def tickets(core: Core, built_rust: Path) -> int:
    return install(core, built_rust / "tickets", "tickets")


def test_the_example(core: Core, built_rust: Path) -> None:
    install(core, built_rust / "hello-rust", "hello-rust")
    status = core.status("hello-rust")
    assert (status["name"], status["icon"], status["protocol"]) == ("Hello from Rust", "🦀", "2")
    assert status["capabilities"] == ["ping", "cancel"]
    for visitor in (1, 2):
        reply = ask(core, "GET", "hello-rust/?x")
        assert (reply.status, reply.body.decode()) == (200, f"Hello from Rust, visitor {visitor}!\n")
    assert ask(core, "GET", "hello-rust/elsewhere").status == 404
    view = core.get("/api/plugins/hello-rust/bundle.js")
    assert (view.status, b"export function unmount(container)" in view.body) == (200, True)
    wait_for(lambda: "GET /?x" in [record["message"] for record in core.log("hello-rust")])


def test_thirty_lines(core: Core, built_rust: Path) -> None:
    install(core, built_rust / "greeter.binary", "greeter")
    assert core.status("greeter")["author"] == "Ada"
    assert ask(core, "GET", "greeter").body == b"Hello, test-admin!\n"


def test_storage(core: Core, tickets: int) -> None:
    assert ask(core, "GET", "tickets/ticket").status == 404
    assert ask(core, "POST", "tickets/ticket", "Zoë".encode()).status == 201
    assert ask(core, "POST", "tickets/ticket", b"Bob").status == 409
    assert ask(core, "GET", "tickets/ticket").body.decode() == "Zoë"
    assert ask(core, "GET", "tickets/keys").body == b"started-by\nticket"
    assert ask(core, "DELETE", "tickets/ticket").status == 204
    assert ask(core, "GET", "tickets/keys").body == b"started-by"


def test_bodies_and_headers(core: Core, tickets: int) -> None:
    picture = bytes(range(256)) * 4096
    reply = ask(core, "POST", "tickets/picture", picture)
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, picture, "image/png")
    assert ask(core, "POST", "tickets/picture").status == 502


@pytest.mark.parametrize(
    ("method", "path", "status", "why"),
    [("GET", "panic", 500, "out of tickets"), ("POST", "picture", 502, "a picture, please")],
)
def test_what_fails_fails_alone(
    core: Core, tickets: int, method: str, path: str, status: int, why: str
) -> None:
    reply = ask(core, method, f"tickets/{path}")
    assert reply.status == status
    assert why not in reply.body.decode()
    if status == 502:
        wait_for(lambda: core.said("tickets", why))
    else:
        told = ("error", f"GET /panic panicked: {why}")
        wait_for(lambda: told in [(one["level"], one["message"]) for one in core.log("tickets")])
    assert ask(core, "GET", "tickets/keys").status == 200
    assert core.status("tickets")["pid"] == tickets


def test_many_at_once(core: Core, tickets: int) -> None:
    taken = burst(core, ["/tickets/keys"] * 100)
    assert {one.status for one in taken} == {200}
    assert core.status("tickets")["pid"] == tickets


def test_the_log_and_the_end(core: Core, tickets: int) -> None:
    assert ask(core, "GET", "tickets/nowhere").status == 404
    assert core.post("/api/plugins/tickets/disable").status == 200
    records = wait_for(lambda: found if "answered" in (found := core.log("tickets"))[-1]["message"] else None)
    assert records[-1]["message"].startswith("answered 1")
    assert ("warn", "nobody knows /nowhere") in [(record["level"], record["message"]) for record in records]
    assert core.status("tickets")["last_exit"]["code"] == 0


def test_one_from_before_runs_as_it_is(core: Core, built_rust: Path) -> None:
    pid = install(core, built_rust / "before", "before")
    reply = ask(core, "POST", "before/some/path?x=1", b"text")
    assert core.status("before")["protocol"] == "1"
    said, length = reply.body.decode().rsplit(" ", 1)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/plain")
    assert said == "POST /some/path?x=1 text"
    assert int(length) > 0, "it was told which instance this is"
    assert ask(core, "GET", "before/missing").status == 404
    assert {one.status for one in burst(core, ["/before/"] * 40)} == {200}
    assert core.status("before")["pid"] == pid
    assert core.post("/api/plugins/before/disable").status == 200
    assert core.status("before")["last_exit"]["code"] == 0


def test_one_that_was_moved(core: Core, built_rust: Path) -> None:
    install(core, built_rust / "moved", "hello-moved")
    answer = json.loads(ask(core, "GET", "hello-moved").body)
    assert answer["message"] == "Hello!"
    assert answer["instance_id"] == (core.folder / "data" / "instance-id").read_text().strip()
    assert core.status("hello-moved")["protocol"] == "2"
