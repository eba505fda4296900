"""How a plugin takes what is not the plain case: strangers, pieces, slow readers, lost connections, silence."""

from __future__ import annotations

import time
from functools import partial

from toru.conformance.bench import Bench, request
from toru.conformance.findings import Finding, Trouble, failed, passed, warning
from toru.conformance.wire import deliver, pump
from toru.wire.messages import HttpRequest

_PIECE_SECONDS = 0.02
_SLOW_READER_SECONDS = 0.3
_SLOW_READER_BODY = b"slow reader " * 5000
_SLOW_READER_REQUESTS = 64
_IDLE_SECONDS = 0.5
_STRANGER_SECONDS = 0.2
_BUSY = 0.1
_TRIES = 4
# More than plugins have threads, each of which begins with a heap of its own.
_ROUNDS = 40
_MOST_KEPT = 4 * 2**20
_ENOUGH_KEPT = 256 * 2**20


def unknown_messages(bench: Bench) -> list[Finding]:
    if bench.framing == "1":
        return [_strange_connections(bench)]
    wire = bench.take()
    id = bench.number()
    for message in [*wire.speech.strange(), wire.speech.request(id, request())]:
        wire.say(message)
    try:
        bench.wait({wire: {id}}, {}, bench.patience.answer + bench.slowest)
    except Trouble as trouble:
        ended = bench.trouble(0.3)
        raise Trouble(
            "after a message of an unknown type, and a `lifecycle` of an unknown action: "
            f"{trouble.detail}{ended and f'; {ended}'}",
            "ignore messages of a type, or an action, that you do not know: newer versions of toru may say more",
        ) from None
    bench.give_back(wire)
    found = [passed("it ignored messages of unknown types")]
    if bench.unknown:
        found.append(
            warning(
                f"it sent messages of types that toru does not know: {', '.join(sorted(bench.unknown))}",
                "plugins send `http`, `error`, `log` and answers to `ping`",
            )
        )
    return found


def _strange_connections(bench: Bench) -> Finding:
    """With protocol 1 nobody ever sends such a thing, so that nothing fails by it."""
    process = bench.process()
    try:
        for message in bench.speech().strange():
            wire = bench.take()
            wire.say(message)
            # Whether it answers, hangs up or waits for more is its own choice.
            pump([wire], partial(bool, wire.messages), _STRANGER_SECONDS)
            wire.close()
        bench.ask(request())
    except Trouble as trouble:
        detail = trouble.detail
    else:
        if process.code is None:
            return passed("it ignored messages of unknown types")
        detail = f"its process {process.describe_end()}"
    bench.forget()
    return warning(f"after a message of an unknown type {detail}", "ignore what you do not know")


def pieces(bench: Bench) -> list[Finding]:
    asked = request("POST", "/toru-check/pieces", "é € 😀 in pieces".encode())
    process = bench.process()
    try:
        count = _in_pieces(bench, asked)
    except Trouble as trouble:
        if bench.framing != "1":
            raise
        process.wait(_PIECE_SECONDS)
        ended = "" if process.code is None else f"; its process {process.describe_end()}"
        bench.forget()
        return [
            warning(
                f"a message that came in pieces: {trouble.detail}{ended}",
                "toru writes a message at once, but a large one still arrives in pieces: read on until the "
                "four bytes of the length, and then the message, are complete",
            )
        ]
    if bench.framing == "1" or bench.streams or bench.at_once == 1:
        return [passed(f"a message in {count} pieces was answered")]
    _all_but_an_end(bench, asked)
    return [passed(f"a message in {count} pieces, and several in one but for the last end, were answered")]


def _in_pieces(bench: Bench, asked: HttpRequest) -> int:
    wire = bench.take()
    id = bench.number()
    message = wire.speech.request(id, asked)
    # Within the length of protocol 1, within a character, and before the end of the line.
    cuts = sorted({2, 5, len(message) // 3, message.find("é".encode()) + 1, len(message) - 1} - {0})
    for start, end in zip([0, *cuts], [*cuts, len(message)], strict=True):
        wire.say(message[start:end])
        pump([wire], lambda: False, _PIECE_SECONDS)
    bench.wait({wire: {id}}, {}, bench.patience.answer + bench.slowest)
    bench.give_back(wire)
    return len(cuts) + 1


def _all_but_an_end(bench: Bench, asked: HttpRequest) -> None:
    wire = bench.take()
    ids = [bench.number() for _ in range(bench.several(3))]
    messages = b"".join(wire.speech.request(id, asked) for id in ids)
    wire.say(messages[:-40])
    pump([wire], lambda: False, _PIECE_SECONDS)
    wire.say(messages[-40:])
    bench.wait({wire: set(ids)}, {}, bench.patience.answer + bench.slowest * len(ids))
    bench.give_back(wire)


def slow_reader(bench: Bench) -> list[Finding]:
    many = bench.several(_SLOW_READER_REQUESTS)
    asked = [request("POST", "/echo" if number % 2 else "/", _SLOW_READER_BODY) for number in range(many)]
    alone = bench.framing == "1" or bench.streams
    if alone:
        asked, many = asked[:1], 1
    wire = bench.take()
    ids = [bench.number() for _ in asked]
    for id, each in zip(ids, asked, strict=True):
        wire.say(wire.speech.request(id, each))
    # It may answer all the while, until nobody takes that any more.
    pump([wire], lambda: False, _SLOW_READER_SECONDS, reading=False)
    bench.wait({wire: set(ids)}, {}, bench.patience.answer + bench.slowest * many)
    bench.give_back(wire)
    return [passed(f"answers to {many} requests were whole, though nobody read them for a while")]


def dropped(bench: Bench) -> list[Finding]:
    process = bench.process()
    for what, said in _ways_to_drop(bench):
        wire = bench.take()
        wire.say(said)
        deliver(wire, 0.5)
        wire.close()
        bench.hang_up()
        try:
            bench.ask(request())
        except Trouble as trouble:
            process.wait(0.2)
            ended = "" if process.code is None else f"; its process {process.describe_end()}"
            raise Trouble(
                f"after {what}: {trouble.detail}{ended}",
                "an end of the connection, or an error in writing to it, ends that connection alone: accept the next one",
            ) from None
        if process.code is not None:
            return [
                failed(
                    f"after {what} its process {process.describe_end()}",
                    "a lost connection is no reason to exit: accept the next one (and ignore SIGPIPE)",
                )
            ]
    return [passed("after each lost connection it took a new one, and answered on it")]


def _ways_to_drop(bench: Bench) -> list[tuple[str, bytes]]:
    speech = bench.speech()
    whole = speech.request(bench.number(), request())
    large = speech.request(bench.number(), request("POST", "/toru-check/dropped", b"x" * 300_000))
    ways = [
        ("a connection that was closed in the middle of a message", whole[: len(whole) // 2]),
        ("a connection that was closed before the answer could be read", whole),
    ]
    if bench.framing == "2":
        ways.insert(0, ("a connection that was closed without a word", b""))
    if bench.framing == "2" and not bench.streams and bench.at_once > 1:
        several = b"".join(speech.request(bench.number(), request()) for _ in range(bench.several(8)))
        ways.append(("a connection that was closed with several requests under way", several))
    ways.append(("a connection that was closed in the middle of a large body", large[:200_000]))
    return ways


def idle(bench: Bench) -> list[Finding]:
    # What it had to finish first is forgiven, on a machine that is busy itself too.
    used = _idle_use(bench)
    for _ in range(_TRIES - 1):
        if used <= _BUSY:
            break
        used = min(used, _idle_use(bench))
    if used > _BUSY:
        return [
            warning(
                f"while nobody asks anything it uses {used:.0%} of a processor",
                "wait for the next message in a call that blocks; mind that the end of a connection is no message",
            )
        ]
    if (each := _kept_bytes(bench)) > _MOST_KEPT:
        return [
            warning(
                f"each GET / leaves {each / 2**20:.0f} MiB more in its memory",
                "let go of what was made for a request once it is answered, and give caches a size; "
                "what takes too much memory is killed",
            )
        ]
    return [passed("while nobody asks anything it says nothing, and rests")]


def _kept_bytes(bench: Bench) -> float:
    """What a request adds to its memory, after all that came before; 0 where that is once not much."""
    process = bench.process()
    first = before = process.memory_bytes()
    for count in range(1, _ROUNDS + 1):
        bench.ask(request())
        now = process.memory_bytes()
        if now - before <= _MOST_KEPT:
            break
        if now - first > _ENOUGH_KEPT or count == _ROUNDS:
            return (now - first) / count
        before = now
    return 0.0


def _idle_use(bench: Bench) -> float:
    """The share of a processor that it uses while nobody asks. Raises Trouble where it speaks unasked."""
    process = bench.process()
    before, began = process.cpu_seconds(), time.monotonic()
    if bench.framing == "1":
        time.sleep(_IDLE_SECONDS)
    else:
        wire = bench.take()
        pump([wire], lambda: False, _IDLE_SECONDS)
        # What came was asked by nobody.
        bench.hear(wire, set(), {})
        bench.give_back(wire)
    return (process.cpu_seconds() - before) / (time.monotonic() - began)
