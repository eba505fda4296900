"""The end of a plugin's process, what it leaves behind, and how it gets on with a second one."""

from __future__ import annotations

import os
import signal
import time

from toru.conformance.bench import Bench, request
from toru.conformance.findings import Finding, Trouble, failed, passed, warning
from toru.conformance.sandbox import Process
from toru.conformance.speech import GRACE_SECONDS
from toru.conformance.wire import pump

_SLOW_SECONDS = 2.0


def shutdown(bench: Bench) -> list[Finding]:
    process = bench.process()
    wire = bench.take()
    wire.say(wire.speech.shutdown())
    pump([wire], lambda: process.code is not None, 0.02)
    began = time.monotonic()
    if bench.framing == "1":
        wire.close()
    ended = process.wait(min(GRACE_SECONDS, bench.patience.exit))
    seconds = time.monotonic() - began
    wire.close()
    if not ended:
        return [_ignored(bench, process)]
    found = [passed(f"it exited {seconds:.2f} s after it was told to shut down")]
    if process.code:
        found.append(
            (warning if bench.framing == "1" else failed)(
                f"told to shut down it {process.describe_end()}",
                "exit with code 0: anything else looks like a failure to whoever reads the events",
            )
        )
    if seconds > _SLOW_SECONDS:
        found.append(
            warning(f"that took {seconds:.1f} s, and {GRACE_SECONDS:g} s is all there is", "exit sooner")
        )
    found += _leftovers(process)
    bench.forget()
    return found


def _ignored(bench: Bench, process: Process) -> Finding:
    """With protocol 1 a host was known to kill."""
    detail = f"it did not exit within {GRACE_SECONDS:g} s after it was told to shut down"
    mend = "at `lifecycle` with `action: shutdown` finish what is under way and exit, before SIGTERM comes"
    bench.forget()
    return warning(detail, mend) if bench.framing == "1" else failed(detail, mend)


def _leftovers(process: Process) -> list[Finding]:
    found = []
    if left := process.remains():
        found.append(
            failed(
                f"it left running: {', '.join(left)}",
                "end and await what the plugin starts before it exits; toru kills what is left at once",
            )
        )
    if os.path.lexists(process.socket_path):
        found.append(
            warning("its socket was still there after its exit", "unlink $TORU_PLUGIN_SOCKET before exiting")
        )
    return found


def sigterm(bench: Bench) -> list[Finding]:
    process = bench.process()
    process.signal(signal.SIGTERM)
    began = time.monotonic()
    if not process.wait(bench.patience.term):
        bench.forget()
        return [
            failed(
                f"it did not exit within {bench.patience.term:g} s after SIGTERM",
                "leave SIGTERM as it is, or exit in its handler; what comes next is SIGKILL",
            )
        ]
    seconds = time.monotonic() - began
    bench.forget()
    return [passed(f"it exited {seconds:.2f} s after SIGTERM")]


def overlap(bench: Bench) -> list[Finding]:
    first = bench.process()
    try:
        second = bench.launch()
        bench.say_init(second)
    except Trouble as trouble:
        return [
            warning(
                f"while one process runs, a second one does not get ready: {trouble.detail}",
                "toru starts the new process before the old one ends; an operator turns that off with "
                '`restart = "stop-first"`, which a plugin that holds a port or a lock has to ask for in its documents',
            )
        ]
    if first.code is not None:
        return [
            failed(
                f"when a second process started, the first one {first.describe_end()}",
                "leave other processes alone; each has a socket of its own",
            )
        ]
    bench.ask(request())
    second.end()
    bench.ask(request())
    return [passed("a second process got ready beside it, and did not disturb it")]


def secrets(bench: Bench) -> list[Finding]:
    mend = (
        "what it prints or logs is kept, and others read it: do not print messages or the environment whole"
    )
    if any(each.stdout.leaked or each.stderr.leaked for each in bench.processes):
        return [failed("it printed its token, which opens its storage", mend)]
    if bench.logged_token or any(map(bench.sandbox.log_has_token, bench.processes)):
        return [failed("its log has its token in it, which opens its storage", mend)]
    if any(bench.sandbox.token.encode() in body for body in bench.answers):
        return [
            failed(
                "its token, which opens its storage, stands in an answer", "keep the environment to yourself"
            )
        ]
    return [passed("its token is in no line that it printed or logged and in no answer")]
