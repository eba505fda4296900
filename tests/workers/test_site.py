"""What a worker takes of a connection, and what goes back: nothing twice, nothing lost, nothing in another order."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from tests.http.fakes import known, parsed, signed
from toru.access.known import Known
from toru.http._interfaces import Waiter
from toru.wire.messages import Answer, HttpRequest
from toru.workers.site import LentConnection, WorkerSite

PATH = "/api/plugins/route/here"


class Plugin:
    """Answers at once with what it was asked, or keeps who waits."""

    id = "here"
    granted = True

    def __init__(self, *, at_once: bool = True) -> None:
        self.at_once = at_once
        self.asked: list[tuple[HttpRequest, Waiter]] = []
        self.statuses: list[int] = []

    def ask(self, request: HttpRequest, waiter: Waiter) -> Callable[[], None]:
        self.asked.append((request, waiter))
        if self.at_once:
            self.answer(-1)
        return lambda: None

    def answer(self, number: int) -> None:
        request, waiter = self.asked[number]
        waiter.answered(Answer("", 200, (), f"{request.path} {len(request.body or b'')}".encode()))

    def served(self, status: int) -> None:
        self.statuses.append(status)


class Transport(StringTransport):
    """One that can be left: what waits to be written is `unsent`, and a fake socket tells whose it is."""

    def __init__(self) -> None:
        super().__init__(peerAddress=IPv4Address("TCP", "192.0.2.7", 1))
        self.socket: Any = object()
        self.dataBuffer, self.offset = b"", 0
        self._tempDataBuffer: list[bytes] = []
        self._tempDataLen = 0
        self.watched = True

    def stopReading(self) -> None:
        self.watched = False

    def stopWriting(self) -> None:
        """Nothing waits."""

    def write(self, data: bytes) -> None:
        assert self.watched, f"written to a client that is somebody else's: {data!r}"
        super().write(data)


class Lines:
    """Remembers lines of the access log."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.lines: list[bytes] = []

    def add(self, line: bytes) -> None:
        self.lines.append(line)


class Bench:
    """A worker's site with one client."""

    def __init__(self, *, at_once: bool = True, plugin: Plugin | None = None) -> None:
        clock = Clock()
        self.known = Known(clock)
        self.known.tokens.replace(known().tokens)
        self.known.sessions.replace(known().sessions)
        self.plugin = plugin or Plugin(at_once=at_once)
        self.lines = Lines()
        self.given_back: list[tuple[Any, bytes, bytes]] = []
        self.ended = 0
        self.site = WorkerSite(
            clock,
            self.known,
            lambda segment: self.plugin if segment == "here" else None,  # type: ignore[arg-type,return-value]
            1000,
            (),
            self.lines,
            ended=self._one_ended,
            give_back=lambda client, unsent, data: self.given_back.append((client, unsent, data)),
        )
        self.transport = Transport()
        self.connection = LentConnection(self.site)
        self.connection.makeConnection(self.transport)

    def _one_ended(self) -> None:
        self.ended += 1

    def hear(self, *pieces: bytes) -> None:
        """The client says that, for as long as it is ours; then what is left goes to whoever has it."""
        for piece in pieces:
            if self.transport.watched:
                self.connection.dataReceived(piece)
            else:
                client, unsent, data = self.given_back.pop()
                self.given_back.append((client, unsent, data + piece))

    @property
    def back(self) -> bytes:
        """What went back."""
        [(_, _, data)] = self.given_back
        return data


def head(path: str = PATH + "/", method: str = "GET", *lines: str, who: str = "admin") -> bytes:
    """A request's head."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", signed(who), *lines, "", ""]).encode()


def post(body: bytes, path: str = PATH + "/") -> bytes:
    return head(path, "POST", f"Content-Length: {len(body)}") + body


def test_a_request_for_here_is_answered() -> None:
    bench = Bench()
    bench.hear(head(f"{PATH}/one?x=1"))
    reply = parsed(bench.transport.value())
    assert (reply.status, reply.body) == (200, b"/one?x=1 0")
    assert (bench.given_back, bench.plugin.statuses) == ([], [200])
    [line] = bench.lines.lines
    assert line.startswith(b"192.0.2.7 - root-script [")


@pytest.mark.parametrize(
    "request_",
    [
        head("/api/health"),
        head("/"),
        head("/api/plugins/route/elsewhere/"),
        head("/api/plugins/route/%2e%2e/"),
        head("/api/plugins/here/kv", "POST", "Content-Length: 3") + b"abc",
        head(f"{PATH}/", "POST", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n",
        head(f"{PATH}/", "POST", "Content-Length: 1001") + b"x" * 1001,
        head(f"{PATH}/", "GET", "Connection: Upgrade", "Upgrade: websocket"),
        head(f"{PATH}/", "GET", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"),
        head(f"{PATH}/", who="nobody"),
        b"GET / HTTP/1.1\r\nHost: x",
        b"\r\n" + head(),
        b"\r\n\r\n" + head(),
        b"G",
    ],
    ids=lambda request: repr(request[:40]),
)
def test_what_is_not_for_here_goes_back_as_it_came(request_: bytes) -> None:
    bench = Bench()
    client = bench.transport.socket
    bench.hear(head(f"{PATH}/before"))
    before = bench.transport.value()
    bench.hear(request_)
    assert bench.given_back == [(client, b"", request_)]
    assert bench.transport.value() == before
    assert len(bench.plugin.asked) == 1
    assert len(bench.lines.lines) == 1, "it is the core's to log"
    assert (bench.ended, len(bench.site.connections)) == (1, 0)
    # Whatever the reactor still has of it changes nothing.
    bench.connection.connectionLost()
    assert bench.ended == 1


def test_who_is_signed_out_goes_back() -> None:
    bench = Bench()
    bench.hear(head())
    bench.known.tokens.replace([])
    bench.hear(head())
    assert bench.back == head()


def test_when_the_core_stops_who_asks_on_goes_back() -> None:
    bench = Bench(at_once=False)
    bench.hear(head())
    bench.site.begin_stop()
    bench.plugin.answer(0)
    assert parsed(bench.transport.value()).header("connection") == "close"
    late = Bench()
    late.hear(head())
    late.site.stopping = True
    late.hear(head())
    assert late.back == head()


def test_what_stands_behind_a_request_goes_back_once_it_is_answered() -> None:
    bench = Bench(at_once=False)
    bench.hear(head(f"{PATH}/1") + head(f"{PATH}/2") + b"GET /api", b"/health")
    assert bench.given_back == []
    assert bench.transport.producerState == "paused", "nothing more is read meanwhile"
    bench.plugin.answer(0)
    assert parsed(bench.transport.value()).body == b"/1 0"
    assert bench.back == head(f"{PATH}/2") + b"GET /api/health"
    assert len(bench.plugin.asked) == 1


@pytest.mark.parametrize("pieces", [1, 2])
def test_a_request_that_waited_for_its_client_to_read_is_not_done_twice(pieces: int) -> None:
    bench = Bench(at_once=False)
    bench.hear(head(f"{PATH}/one"))
    bench.connection.pauseProducing()
    bench.plugin.answer(0)
    two, three = head(f"{PATH}/two"), head("/api/health")
    bench.hear(*([two + three] if pieces == 1 else [two]))
    assert len(bench.plugin.asked) == 1
    bench.connection.resumeProducing()
    assert [request.path for request, _ in bench.plugin.asked] == ["/one", "/two"]
    if pieces == 2:
        bench.hear(three)
    bench.plugin.answer(1)
    assert bench.back == three
    assert bench.transport.value().count(b"HTTP/1.1 200 ") == 2


@pytest.mark.parametrize(
    "behind", [head("/api/health"), b"GET /api", post(b"abc")], ids=["whole", "part", "body"]
)
def test_a_client_that_does_not_read_goes_back_once_it_has(behind: bytes) -> None:
    bench = Bench(at_once=False)
    bench.hear(head(f"{PATH}/one") + behind)
    bench.connection.pauseProducing()
    bench.plugin.answer(0)
    assert bench.given_back == []
    assert bench.transport.producerState == "paused"
    # TLS is not here, but what was read already may still come.
    bench.hear(b"more")
    bench.connection.resumeProducing()
    assert bench.back == behind + b"more"


def test_half_a_head_of_a_client_that_does_not_read_goes_back_once_it_has() -> None:
    bench = Bench(at_once=False)
    bench.hear(head(f"{PATH}/one"))
    bench.connection.pauseProducing()
    bench.plugin.answer(0)
    bench.hear(b"GET /api", b"/health")
    assert bench.given_back == []
    bench.connection.resumeProducing()
    assert bench.back == b"GET /api/health"


def test_a_body_in_pieces() -> None:
    bench = Bench()
    whole = post(b"x" * 900)
    cut = whole.index(b"\r\n\r\n") + 4
    for pieces in ([whole[:cut], whole[cut:]], [whole[: cut + 1], whole[cut + 1 : -1], whole[-1:]], [whole]):
        bench.transport.clear()
        bench.hear(*pieces)
        assert parsed(bench.transport.value()).body == b"/ 900"
    assert bench.given_back == []


def test_what_is_still_to_be_written_goes_along() -> None:
    bench = Bench()
    bench.hear(head())
    bench.transport.dataBuffer, bench.transport.offset = b"sent, not sent", 6
    bench.transport._tempDataBuffer = [b", nor", b" this"]
    bench.hear(head("/"))
    assert bench.given_back == [(bench.transport.socket, b"not sent, nor this", head("/"))]
    assert (bench.transport.dataBuffer, bench.transport._tempDataBuffer) == (b"", [])


def test_one_that_comes_is_served_from_where_it_was() -> None:
    bench = Bench()
    bench.connection.go_on(b"the rest of an answer, ", head(f"{PATH}/next"))
    assert bench.transport.value().startswith(b"the rest of an answer, HTTP/1.1 200 ")
    assert bench.connection.address == "192.0.2.7"


@pytest.mark.parametrize("request_", [b"GET / HT", head("/api/health")])
def test_who_has_still_to_read_goes_back_once_it_has(request_: bytes) -> None:
    """Else all that waits for it goes through the channel, before everybody else's."""
    bench = Bench()
    bench.hear(head(f"{PATH}/one"))
    bench.connection.pauseProducing()
    bench.hear(request_)
    assert bench.given_back == []
    bench.connection.resumeProducing()
    assert bench.back == request_


def test_who_has_still_to_read_an_answer_that_came_at_once_goes_back_once_it_has() -> None:
    bench = Bench()
    write = bench.transport.write

    def choking(data: bytes) -> None:
        write(data)
        bench.connection.pauseProducing()

    bench.transport.write = choking  # type: ignore[method-assign]
    bench.hear(head(f"{PATH}/one") + head("/api/health"))
    assert bench.given_back == []


@pytest.mark.parametrize("cut", [None, 0, 2])
def test_a_body_of_a_request_that_waited_for_its_client_to_read_is_its_own(cut: int | None) -> None:
    bench = Bench()
    bench.hear(head(f"{PATH}/one"))
    bench.connection.pauseProducing()
    whole = post(b"abc", f"{PATH}/two")
    place = len(whole) if cut is None else len(whole) - 3 + cut
    bench.hear(whole[:place])
    bench.connection.resumeProducing()
    if bench.transport.producerState != "paused":  # else nothing more would come
        bench.hear(whole[place:])
    assert [(request.path, request.body) for request, _ in bench.plugin.asked] == [
        ("/one", None),
        ("/two", b"abc"),
    ]
    assert bench.transport.producerState == "producing"


REQUESTS: Sequence[tuple[bytes, bytes | None]] = [
    (head(f"{PATH}/a"), b"/a 0"),
    (head(f"{PATH}/b"), b"/b 0"),
    (post(b"", f"{PATH}/c"), b"/c 0"),
    (post(b"abc\r\n\r\nGET / HTTP/1.1", f"{PATH}/d"), b"/d 21"),
    (post(b"x" * 500, f"{PATH}/e"), b"/e 500"),
    (head("/api/health"), None),
    (head(f"{PATH}/", "POST", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n", None),
    (head("/api/plugins/route/elsewhere/"), None),
]


@given(
    requests=st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=6),
    cuts=st.lists(st.integers(0, 4000), max_size=8),
    at_once=st.booleans(),
)
def test_what_was_answered_and_what_went_back_are_all_that_came(
    requests: list[tuple[bytes, bytes | None]], cuts: list[int], at_once: bool
) -> None:
    bench = Bench(at_once=at_once)
    whole = b"".join(request for request, _ in requests)
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    for begin, end in itertools.pairwise(places):
        bench.hear(whole[begin:end])
        if not at_once:
            answered = bench.transport.value().count(b"HTTP/1.1 200")
            for number in range(answered, len(bench.plugin.asked)):
                bench.plugin.answer(number)
    answered = bench.transport.value().count(b"HTTP/1.1 200 ")
    assert bench.transport.value().count(b"HTTP/1.1 ") == answered
    # So many from the first on, each once; and all bytes behind them went back.
    bodies = [body for _, body in requests[:answered]]
    assert None not in bodies
    found, rest = [], bench.transport.value()
    for _ in range(answered):
        reply = parsed(rest)
        found.append(reply.body)
        rest = rest.partition(b"\r\n\r\n")[2][len(reply.body) :]
    assert (found, rest) == (bodies, b"")
    consumed = sum(len(request) for request, _ in requests[:answered])
    back = bench.back if bench.given_back else b""
    assert back == whole[consumed:]
    assert len(bench.plugin.asked) == answered
    assert len(bench.lines.lines) == answered
