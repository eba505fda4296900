"""The capabilities `stream` and `websocket`: exchanges that have a connection to themselves."""

from __future__ import annotations

from collections.abc import Callable

from toru.conformance.answers import answers_in
from toru.conformance.bench import Bench, request
from toru.conformance.findings import Finding, Trouble, passed, skipped
from toru.conformance.sockets import WebSocketTalk
from toru.conformance.speech import MAX_PART_BYTES, Streams
from toru.conformance.wire import Wire, deliver, pump
from toru.wire.messages import Answer, HttpRequest

_PART = b"part " * 10_000
_AT_ONCE = 4
_OPEN = "/"
_CLOSE_SECONDS = 2.0
_CLOSING_SECONDS = 0.1


def stream(bench: Bench) -> list[Finding]:
    if not bench.streams:
        return [skipped("`stream` is not declared")]
    if _kept(bench, request()) and not _kept(bench, request("POST", "/toru-check/stream", _PART)):
        raise Trouble(
            "it closed the connection after a request that had a body, and not after one that had none",
            "read each `body` message and the bytes that follow it, up to the one that is `final`, also where "
            "the answer needs none of them",
        )
    bench.ask(request("POST", "/toru-check/stream", _PART * 20))
    _in_parts(bench)
    _at_once(bench)
    _given_up(bench)
    return [passed("bodies in parts, several exchanges at once, and one that was given up, were no trouble")]


def _kept(bench: Bench, asked: HttpRequest) -> bool:
    """Whether the connection is still open after the exchange, as it need not be."""
    wire, id = bench.take(), bench.number()
    wire.say(wire.speech.request(id, asked))
    bench.wait({wire: {id}}, {}, bench.patience.answer + bench.slowest)
    pump([wire], lambda: False, _CLOSING_SECONDS)
    kept = not wire.over
    wire.close()
    return kept


def _in_parts(bench: Bench) -> None:
    """A body whose parts come one by one, empty ones among them, and one of the largest."""
    wire, id = bench.take(), bench.number()
    assert isinstance(wire.speech, Streams)
    wire.say(wire.speech.begin(id, request("POST", "/toru-check/stream")))
    for part in (b"first", b"", b"\xff\n\0", b"x" * MAX_PART_BYTES):
        deliver(wire, bench.patience.answer)
        wire.say(wire.speech.part(id, part, final=False))
    wire.say(wire.speech.part(id, b"", final=True))
    bench.wait({wire: {id}}, {}, bench.patience.answer + bench.slowest)
    bench.give_back(wire)
    # The connection that ended in order carries the next exchange.
    bench.ask(request())


def _at_once(bench: Bench) -> None:
    """Exchanges on connections of their own, none of which has all of its body before all are open."""
    wires = [bench.take() for _ in range(_AT_ONCE)]
    ids = [bench.number() for _ in wires]
    for wire, id in zip(wires, ids, strict=True):
        assert isinstance(wire.speech, Streams)
        wire.say(wire.speech.begin(id, request("POST", f"/toru-check/{id}")))
        wire.say(wire.speech.part(id, _PART, final=False))
    for wire, id in reversed(list(zip(wires, ids, strict=True))):
        assert isinstance(wire.speech, Streams)
        wire.say(wire.speech.part(id, b"", final=True))
    expected = {wire: {id} for wire, id in zip(wires, ids, strict=True)}
    bench.wait(expected, {}, bench.patience.answer + bench.slowest * _AT_ONCE)
    for wire in wires:
        bench.give_back(wire)


def _given_up(bench: Bench) -> None:
    """A client that goes away in the middle of its body."""
    wire, id = bench.take(), bench.number()
    assert isinstance(wire.speech, Streams)
    wire.say(wire.speech.begin(id, request("POST", "/toru-check/stream")))
    wire.say(wire.speech.part(id, _PART, final=False)[:-100])
    deliver(wire, 0.5)
    wire.close()
    bench.ask(request())


def websocket(bench: Bench) -> list[Finding]:
    if "websocket" not in bench.metadata.capabilities or bench.framing == "1":
        return [skipped("`websocket` is not declared")]
    process = bench.process()
    talk = WebSocketTalk()
    wire = bench.dial(process, talk)
    wire.say(talk.init(bench.init(process)))
    id = bench.number()
    asked = request()
    wire.say(talk.open(id, _OPEN, {**asked.headers, "sec-websocket-version": "13"}))
    _wait(bench, wire, lambda: talk.accepted is not None or bool(answers_in(wire)), "`open` had no answer")
    if talk.accepted is None:
        refused = answers_in(wire)[0]
        wire.close()
        if not isinstance(refused, Answer) or refused.request_id != id:
            raise Trouble("`open` was answered with something else than `accept` or `http`", _MEND)
        return [passed(f"a WebSocket at / was refused with {refused.status}; no other path is known here")]
    if talk.accepted != id:
        raise Trouble(f"`accept` has the request_id {talk.accepted!r}, not {id!r}", _MEND)
    wire.say(talk.message(id, "text", "é toru-check".encode()) + talk.message(id, "binary", b"\xff\0\n"))
    pump([wire], lambda: talk.closed, 0.2)
    if not talk.closed:
        wire.say(talk.close(id))
        # It may say goodbye, or hang up: both are an end.
        pump([wire], lambda: talk.closed, _CLOSE_SECONDS)
    ended = talk.closed or wire.over
    wire.close()
    bench.ask(request())
    if not ended:
        raise Trouble(
            f"{_CLOSE_SECONDS:g} s after `close` it had neither answered with `close` nor hung up", _MEND
        )
    return [
        passed(f"a WebSocket at / was accepted, took messages ({talk.heard_count} came back), and was closed")
    ]


_MEND = "see `websocket` in docs/protocol.md, or do not declare it"


def _wait(bench: Bench, wire: Wire, done: Callable[[], bool], what: str) -> None:
    if not pump([wire], done, bench.patience.answer):
        how = "it closed the connection" if wire.over else f"not within {bench.patience.answer:.0f} s"
        raise Trouble(f"{what}: {how}", _MEND)
