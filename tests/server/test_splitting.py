"""However a request is cut on its way, it gets the same answer: bytes come in whatever pieces the network makes."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from msgspec import json
from twisted.internet.defer import Deferred, succeed

from tests.http.fakes import FakePlugins, signed, status
from tests.http.memory import LIMIT, connected, on_a_clock
from tests.server.case import Case, filled
from tests.server.table import CASES
from toru.http.site import Site
from toru.wire.messages import Answer, HttpRequest

# What a client waits for is not the same where the body is there already, and neither is what becomes of a connection
# whose next bytes nobody wants.
_TIMELY = re.compile(rb"HTTP/1\.1 100 Continue\r\n\r\n|connection: close\r\n|x-request-id: \w+\r\n")
_REFUSED = {401, 404, 405, 413, 417}


def _whole(case: Case) -> bytes:
    return filled(case.sent + case.invited, b"/api/plugins/route/hello", f"{signed()}\r\n".encode())


SHORT = [
    case
    for case in CASES
    if len(_whole(case)) < LIMIT and not case.ends and not any(one in _REFUSED for one in case.want)
]
# One of each kind of row, and each byte of these.
CUT = [case for number, case in enumerate(SHORT) if number % 12 == 0]


def _echo(request: HttpRequest) -> Deferred[Answer]:
    headers = {name: value for name, value in request.headers.items() if name != "x-request-id"}
    body = (request.body or b"").decode("iso-8859-1")
    return succeed(Answer("1", 200, (), json.encode([request.method, request.path, headers, body])))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site with the echo."""
    plugins = FakePlugins(status("hello"))
    plugins.reaction = _echo
    return on_a_clock(tmp_path_factory.mktemp("site"), plugins)[1]


def _said(site: Site, pieces: Iterable[bytes]) -> bytes:
    """All that comes back on one connection."""
    transport = connected(site)
    for piece in pieces:
        # Nothing more is read from one that is closed, or that is not to be read.
        if not transport.connected or transport.disconnecting or transport.producerState == "paused":
            break
        transport.protocol.dataReceived(piece)
    said = _TIMELY.sub(b"", transport.value())
    if transport.connected:
        transport.loseConnection()
    return said


@pytest.mark.parametrize("case", SHORT, ids=lambda case: case.id)
def test_byte_by_byte(site: Site, case: Case) -> None:
    whole = _whole(case)
    assert _said(site, [whole[at : at + 1] for at in range(len(whole))]) == _said(site, [whole])


@pytest.mark.parametrize("case", CUT, ids=lambda case: case.id)
def test_cut_in_two_anywhere(site: Site, case: Case) -> None:
    whole = _whole(case)
    once = _said(site, [whole])
    for at in range(1, len(whole)):
        assert _said(site, [whole[:at], whole[at:]]) == once, at


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=st.sampled_from(SHORT), data=st.data())
def test_cut_into_any_pieces(site: Site, case: Case, data: st.DataObject) -> None:
    whole = _whole(case)
    places = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=8)))
    pieces = [whole[begin:end] for begin, end in zip([0, *places], [*places, None], strict=True)]
    assert _said(site, pieces) == _said(site, [whole])
