"""Requests and answers: that each has one, and the right one."""

from __future__ import annotations

import time

from toru.conformance.answers import Reply
from toru.conformance.bench import Bench, request
from toru.conformance.findings import Finding, Trouble, failed, passed, skipped, warning
from toru.conformance.wire import pump
from toru.wire.messages import Answer, Refusal, excerpt

# Who waits for a page for so long goes away.
_SLOW_SECONDS = 5.0
_MANY = 16
_ROUNDS = 5
# How long an answer that is one too many may take to show.
_LATE_SECONDS = 0.05


def first(bench: Bench) -> list[Finding]:
    began = time.monotonic()
    [reply] = bench.ask(request(), seconds=bench.patience.first_answer)
    seconds = time.monotonic() - began
    found = [_judge(reply, "GET /")]
    if seconds > _SLOW_SECONDS:
        found.append(
            warning(
                f"the answer took {seconds:.1f} s; toru gives up after 30 s",
                "answer sooner, and do what takes long beside it",
            )
        )
    return found


def _judge(reply: Reply, what: str) -> Finding:
    if isinstance(reply, Refusal):
        return warning(
            f"{what} was answered with an `error` message: {excerpt(reply.message)}; the client gets 502",
            "answer with an `http` message whose status says what is the matter, where the plugin can tell",
        )
    return passed(f"{what} was answered with {reply.status}")


def kinds(bench: Bench) -> list[Finding]:
    odd = request("GET", "/toru-check/%c3%a9/%2e%2e?q=%ff&q=&=;&x")
    odd.headers.update({"x-latin": "caf\xe9", "x-empty": "", "cookie": "a=1; b=2", "x-long": "x" * 8000})
    asked = {
        "a path and headers with unusual characters": odd,
        "HEAD": request("HEAD"),
        "OPTIONS": request("OPTIONS"),
        "a method of nobody's": request("TORU-CHECK"),
        "POST with no body": request("POST"),
        "POST with an empty body": request("POST", body=b""),
        "PUT with JSON": request("PUT", body=b'{"a": [1, null, "\\ud83d\\ude00"]}', kind="application/json"),
        "DELETE of what is not there": request("DELETE", "/toru-check/none"),
        "a form": request("POST", body=b"a=1&b=%20", kind="application/x-www-form-urlencoded"),
        "text with every kind of character": request("POST", body='\0\x1f"\\\n\r\t\x7f\u2028é😀'.encode()),
    }
    for what, each in asked.items():
        try:
            bench.ask(each)
        except Trouble as trouble:
            ended = bench.trouble(0.3)
            raise Trouble(f"{what}: {trouble.detail}{ended and f'; {ended}'}", trouble.mend) from None
    return [passed(f"{len(asked)} requests of different methods, paths, headers and bodies were answered")]


def interleaved(bench: Bench) -> list[Finding]:
    many = bench.several(_MANY)
    if many == 1:
        return [skipped("it takes one request at a time")]
    bench.ask(*(request(path=f"/toru-check/{number}") for number in range(many)))
    _none_late(bench)
    return [passed(f"{many} requests at once were answered, each once")]


def _none_late(bench: Bench) -> None:
    """Raises Trouble where an answer comes that nobody waits for."""
    if bench.framing == "1":
        return
    wire = bench.take()
    pump([wire], lambda: bool(wire.messages), _LATE_SECONDS)
    bench.hear(wire, set(), {})
    bench.give_back(wire)


def order(bench: Bench) -> list[Finding]:
    many = bench.several(4)
    if many == 1:
        return [skipped("it takes one request at a time")]
    asked = [
        request("POST", f"/toru-check/{number}?number={number}", f"body {number}".encode())
        for number in range(many - 1)
    ]
    asked.append(request())
    alone = [_content(bench.ask(each)[0]) for each in asked]
    again = [_content(bench.ask(each)[0]) for each in asked]
    if alone != again or len(set(alone)) < 2:
        return [passed("answers do not tell to which request they belong")]
    for _ in range(_ROUNDS):
        together = [_content(reply) for reply in bench.ask(*asked)]
        for number, got in enumerate(together):
            # One that is nobody's may be different each time, and says nothing. What several get alone may be
            # what the request before it left there.
            if got != alone[number] and got in alone and alone.count(alone[number]) == 1:
                return [
                    failed(
                        f"asked at once, {asked[number].method} {asked[number].path} got the answer of "
                        f"{asked[alone.index(got)].method} {asked[alone.index(got)].path}",
                        "keep the request_id with the request that it came with, also where several are under way",
                    )
                ]
    return [passed(f"{many} different requests at once got the answers that they get alone")]


def _content(reply: Reply) -> tuple[int, bytes]:
    return (reply.status, reply.body) if isinstance(reply, Answer) else (0, reply.message.encode())
