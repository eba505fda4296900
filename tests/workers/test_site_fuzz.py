"""What worker and core answer together is what the core alone would have, whatever stands in what way between requests."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

import itertools
import re
from typing import Any

from hypothesis import given, settings, strategies as st
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection

from toru.errors import NotFound, ToruError
from toru.http.gate import admit
from toru.http.messages import Outgoing
from toru.http.problems import problem
from toru.http.proxy import Asking
from toru.http.routes import PREFIX, split
from toru.http.server.connection import Connection
from toru.http.server.exchange import Exchange, Taker
from toru.http.server.serving import Serving
from toru.http.server.whole import Whole
from toru.workers.site import LentConnection

from .test_site import PATH, Bench, Plugin, Transport, head, post


class Own(Whole):
    """What the core answers itself."""

    def ready(self, body: bytes) -> None:
        self.exchange.answer(Outgoing(200, [], b"core %s %d" % (self.exchange.head.target, len(body))))


class Core(Serving):
    """Answers all, itself or through the plugin."""

    def __init__(self, bench: Bench, plugin: Plugin) -> None:
        super().__init__(Clock(), bench.known, 1000, (), None)
        self.plugin = plugin

    def take(self, exchange: Exchange) -> Taker | None:
        head = exchange.head
        if head.proxied:
            admit(exchange, PREFIX, self.doors)
            route = split(head.target)
            assert head.admitted is not None
            if route.segment != "here" or head.admitted.handshake:
                raise NotFound("no")
            return Asking(exchange, self.plugin, route)
        return Own(exchange, 1000)

    def refusal(self, exchange: Exchange, error: ToruError) -> Outgoing:
        return problem(error)


def outcome(text: bytes) -> bytes:
    """What was answered, without what differs from one moment to the next, or may be said or not."""
    text = text.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
    text = re.sub(rb"date: [^\r]*\r\n", b"", text)
    return re.sub(rb"(request.id\"?:? ?\"?)[0-9a-f-]+", rb"\1", text)


class Connected(Transport, StringTransportWithDisconnection):
    """One that ends where its protocol wants that."""

    protocol: Any = None

    def abortConnection(self) -> None:
        self.loseConnection()


class Run:
    """A client's bytes, in pieces, to the core alone (`worker` False) or to a worker and then the core."""

    def __init__(self, worker: bool, at_once: bool) -> None:
        self.bench = Bench(at_once=at_once)
        self.plugin = self.bench.plugin
        self.core = Core(self.bench, self.plugin)
        self.given: list[tuple[Any, bytes, bytes]] = []
        self.bench.site.give_back = lambda *what: self.given.append(what)
        self.text = b""
        self.answered = 0
        self.queue: list[bytes] = []
        self.at_once = at_once
        self.connect(LentConnection(self.bench.site) if worker else Connection(self.core))

    def connect(self, connection: Any) -> None:
        self.transport = Connected()
        self.transport.protocol = self.connection = connection
        connection.makeConnection(self.transport)

    def moved(self) -> None:
        while self.given:
            [(_, unsent, data)] = self.given
            self.given.clear()
            self.text += self.transport.value()
            self.connect(Connection(self.core))
            self.connection.go_on(unsent, data)

    def step(self) -> bool:
        did = False
        while self.queue and self.transport.connected and self.transport.producerState != "paused":
            self.connection.dataReceived(self.queue.pop(0))
            self.moved()
            did = True
        return did

    def answer(self) -> bool:
        if self.at_once or self.answered >= len(self.plugin.asked):
            return False
        self.answered += 1
        self.plugin.answer(self.answered - 1)
        self.moved()
        return True

    def choke(self, on: bool) -> None:
        if (
            self.transport.connected
            and self.connection.choked is not on
            and self.transport.producer is not None
        ):
            (self.connection.pauseProducing if on else self.connection.resumeProducing)()
            self.moved()


def answered(worker: bool, pieces: list[bytes], at_once: bool, events: list[str]) -> bytes:
    it = Run(worker, at_once)
    events = list(events)
    for piece in pieces:
        it.queue.append(piece)
        it.step()
        event = events.pop(0) if events else ""
        if event == "answer":
            it.answer()
        elif event:
            it.choke(event == "choke")
        it.step()
    it.choke(False)
    while it.step() or it.answer():
        pass
    return outcome(it.text + it.transport.value())


NOISE = [b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b" ", b"\0", b"x", b"GET", b"\t"]
REQUESTS = [
    head(f"{PATH}/a"),
    head(f"{PATH}/b"),
    head(f"{PATH}/a", "HEAD"),
    head(f"{PATH}/k", "GET", "Connection: close"),
    head(f"{PATH}/h", "POST", "Content-Length: 3", "Expect: 100-continue") + b"abc",
    head(f"{PATH}/h", "POST", "Content-Length: 3", "Expect: 200-continue") + b"abc",
    head(f"{PATH}/h", "POST", "Content-Length: 3", "Content-Length: 4") + b"abc",
    head(f"{PATH}/h", "POST", "Content-Length: 3", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n",
    head(f"{PATH}/z", "POST", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\nX: y\r\n\r\n",
    head(f"{PATH}/z").replace(b"HTTP/1.1", b"HTTP/1.0"),
    head(f"{PATH}/z").replace(b"\r\n", b"\n"),
    head(f"{PATH}/z").replace(b"Host: x\r\n", b""),
    post(b"abc\r\n\r\nGET / HTTP/1.1", f"{PATH}/d"),
    post(b"", f"{PATH}/d"),
    post(b"x" * 900, f"{PATH}/e"),
    post(b"x" * 1001, f"{PATH}/e"),
    post(b"\r\n\r\n", f"{PATH}/f").replace(b"Host: x\r\n", b"Host: x\nX: y\r\n"),
    head("/api/health"),
    head("http://x" + PATH + "/abs"),
    head("x:80", "CONNECT"),
    head(f"{PATH}/up", "GET", "Connection: Upgrade", "Upgrade: h2c"),
    head(f"{PATH}/up", "GET", "Connection: Upgrade", "Upgrade: websocket"),
    head(f"{PATH}/g", "GET", "X: " + "y" * 3000),
    head(f"{PATH}/g", who="nobody"),
    head(f"{PATH}/#x"),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]
parts = st.lists(
    st.one_of(st.sampled_from(REQUESTS), st.sampled_from(REQUESTS[:5]), st.sampled_from(NOISE)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(
    parts=parts,
    cuts=st.lists(st.integers(0, 3000), max_size=6),
    at_once=st.booleans(),
    events=st.lists(st.sampled_from(["answer", "choke", "flow"]), max_size=8),
)
def test_both_answer_as_the_core_alone_would(
    parts: list[bytes], cuts: list[int], at_once: bool, events: list[str]
) -> None:
    whole = b"".join(parts)
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[a:b] for a, b in itertools.pairwise(places)]
    assert answered(True, pieces, at_once, events) == answered(False, pieces, at_once, events)


@settings(max_examples=200, deadline=None)
@given(
    parts=parts,
    at_once=st.booleans(),
    events=st.lists(st.sampled_from(["answer", "choke", "flow"]), max_size=8),
)
def test_so_it_is_where_each_request_is_a_piece(parts: list[bytes], at_once: bool, events: list[str]) -> None:
    assert answered(True, parts, at_once, events) == answered(False, parts, at_once, events)
