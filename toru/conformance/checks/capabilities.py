"""The capabilities `ping` and `cancel`: what is declared has to be there."""

from __future__ import annotations

import time

from toru.conformance.bench import Bench, request
from toru.conformance.findings import Finding, Trouble, passed, skipped, warning
from toru.conformance.speech import Lines
from toru.conformance.wire import Wire, pump
from toru.wire.messages import Answer, Pong

# From then on there is something that could be cancelled.
_CANCELLABLE_SECONDS = 0.25
_UNDER_WAY_SECONDS = 0.05
_TRIES = 3


def _undeclared(bench: Bench, capability: str) -> str:
    """Why there is nothing to check; "" where there is."""
    if capability not in bench.metadata.capabilities:
        return f"`{capability}` is not declared"
    return "protocol 1 has no capabilities" if bench.framing == "1" else ""


def ping(bench: Bench) -> list[Finding]:
    if why := _undeclared(bench, "ping"):
        return [skipped(why)]
    seconds = 0.0
    for _ in range(3):
        wire, id = bench.take(), bench.number()
        assert isinstance(wire.speech, Lines)
        wire.say(wire.speech.ping(id))
        began = time.monotonic()
        _wait_for_pong(bench, wire, id)
        seconds = time.monotonic() - began
        bench.give_back(wire)
    bench.ask(request())
    return [passed(f"answered with `pong`, after {seconds * 1000:.0f} ms")]


def _wait_for_pong(bench: Bench, wire: Wire, id: str) -> None:
    def pongs() -> list[Pong]:
        return [message for message in wire.messages if isinstance(message, Pong)]

    mend = (
        "answer `lifecycle` with `action: ping` by `lifecycle` with `action: pong` and the same request_id, "
        "or do not declare `ping`"
    )
    if not pump([wire], lambda: bool(pongs()), bench.patience.answer):
        how = "it closed the connection" if wire.over else f"no answer within {bench.patience.answer:.0f} s"
        raise Trouble(f"it declares `ping`, and when it was sent one: {how}", mend)
    pong, *more = pongs()
    if more:
        raise Trouble("it answered one ping with several `pong`", mend)
    if pong.request_id != id:
        raise Trouble(f"its `pong` has the request_id {pong.request_id!r}, not {id!r}", mend)
    wire.messages.remove(pong)


def cancel(bench: Bench) -> list[Finding]:
    if why := _undeclared(bench, "cancel"):
        return [skipped(why)]
    if bench.streams:
        return [skipped("with `stream` a request is cancelled by closing its connection; see there")]
    found = [_cancel_at_once(bench)]
    usual = _usual_seconds(bench)
    if usual > _CANCELLABLE_SECONDS:
        found.append(_cancel_under_way(bench, usual))
    return found


def _cancel_at_once(bench: Bench) -> Finding:
    """Requests that are cancelled at once, one that is not, and a cancel of what nobody asked."""
    wire = bench.take()
    assert isinstance(wire.speech, Lines)
    cancelled = [bench.number() for _ in range(min(4, max(1, bench.at_once - 1)))]
    for id in cancelled:
        wire.say(wire.speech.request(id, request(path=f"/toru-check/{id}")) + wire.speech.cancel(id))
    kept = bench.number()
    wire.say(wire.speech.cancel(bench.number()) + wire.speech.request(kept, request()))
    seconds = bench.patience.answer + bench.slowest * 5
    replies = bench.wait_amid(wire, kept, set(cancelled), seconds)
    if not replies:
        raise Trouble(
            "after requests that were cancelled, one that was not had no answer",
            "a `cancel` concerns the request with its request_id alone, and one that is not under way is ignored",
        )
    bench.hang_up()
    wire.close()
    bench.ask(request())
    return passed("requests were cancelled, and those beside them were answered")


def _usual_seconds(bench: Bench) -> float:
    """The least that a request takes, so that a machine that is busy does not count."""
    least = bench.slowest
    for _ in range(_TRIES):
        if least > _CANCELLABLE_SECONDS:
            began = time.monotonic()
            bench.ask(request())
            least = min(least, time.monotonic() - began)
    return least


def _cancel_under_way(bench: Bench, usual: float) -> Finding:
    """One that takes its time, cancelled while it does; a late answer is allowed, and yet a pity."""
    wire, id = bench.take(), bench.number()
    assert isinstance(wire.speech, Lines)
    wire.say(wire.speech.request(id, request()))
    early = pump([wire], lambda: _answered(wire), _UNDER_WAY_SECONDS)
    wire.say(wire.speech.cancel(id))
    late = pump([wire], lambda: _answered(wire), usual * 2)
    wire.close()
    bench.hang_up()
    if late and not early:
        return warning(
            "a request that was cancelled while it was under way was answered all the same",
            "stop working on what nobody waits for any more, or do not declare `cancel`",
        )
    return passed("a request that was cancelled while it was under way was given up")


def _answered(wire: Wire) -> bool:
    """Whether an answer came. To log that it gave up, or to say so by `error`, is no answer."""
    return any(isinstance(message, Answer) for message in wire.messages)
