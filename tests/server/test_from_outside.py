"""The table of cases, sent to a core over TCP, with a plugin behind that says what it got."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.bursts import ROUTE
from tests.integration.cores import Core, fresh_core
from tests.server.case import Case
from tests.server.client import Client
from tests.server.exchanges import MAX_BODY
from tests.server.judge import objections
from tests.server.table import CASES

ECHO = """
def handle(file, message):
    if message["type"] != "http":
        return
    asked = message["payload"]
    path = asked["path"]
    if path.startswith("/behind"):
        note("behind", json.dumps(asked))
    answer(file, message, status=int(path[8:11]) if path.startswith("/status/") else 200, body=json.dumps(asked))
serve(handle)
"""


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A core with the echo."""
    with fresh_core(tmp_path_factory.mktemp("c")) as core:
        core.settings(f"max_body_bytes = {MAX_BODY}")
        core.plugin("echo", ECHO)
        core.start()
        core.wait_state("echo", "running")
        yield core


def client(core: Core) -> Client:
    signed = f"Authorization: {core.authorization()}\r\n"
    return Client(core.port, f"{ROUTE}/echo".encode(), signed.encode())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case(core: Core, case: Case) -> None:
    before = core.notes("behind")
    with client(core) as connection:
        assert objections(case, connection) == []
    # What stands behind the end of a connection, or was cut off, is no request.
    assert core.notes("behind") == before


def test_head_has_the_length_that_get_has(core: Core) -> None:
    with client(core) as connection:
        lengths = []
        for method in (b"GET", b"HEAD"):
            connection.send(method + b" <R>/status/200 HTTP/1.1\r\n<G>X-Request-Id: always-the-same\r\n\r\n")
            answer = connection.answer(method)
            assert answer is not None
            lengths.append(int(answer.all("content-length")[0]))
            assert len(answer.body) == (0 if method == b"HEAD" else lengths[0])
    # The echo says the method, too.
    assert lengths[1] - lengths[0] == len("HEAD") - len("GET")
