"""From the file to the first answer: metadata, socket, protocol."""

from __future__ import annotations

import difflib
import os
import re
import stat
import time
from codecs import BOM_UTF8
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

from msgspec import DecodeError, json
from msgspec.structs import fields as fields_of

from toru.conformance.answers import answers_in
from toru.conformance.bench import Bench, request
from toru.conformance.findings import Finding, Trouble, failed, passed, warning
from toru.conformance.sandbox import Process
from toru.conformance.wire import Wire, connect, pump
from toru.errors import InvalidMetadata
from toru.model import Capability, PluginMetadata, Protocol
from toru.supervise.spawn import METADATA_BYTES, METADATA_SECONDS
from toru.wire.messages import Unknown, excerpt
from toru.wire.metadata import parse_metadata

_SLOW_METADATA_SECONDS = 2.5
# `enable` waits that long for the socket.
_SLOW_START_SECONDS = 2.0
_PROBE_SECONDS = 1.0
_FIELD = re.compile(r"field `(\w+)`: ")
_CAPABILITIES = get_args(Capability)
_KNOWN = [field.name for field in fields_of(PluginMetadata)]
_RIGHT = {"id": "check", "name": "check", "version": "0", "route": "/check"}
_NAMES: dict[Protocol, str] = {"2": "JSON lines (protocol 2)", "1": "lengths and JSON (protocol 1)"}


def file(bench: Bench) -> list[Finding]:
    path = bench.path
    if not os.access(path, os.X_OK):
        return [failed("it is not executable", f"chmod +x {path.name}")]
    if not stat.S_ISREG(path.stat().st_mode):
        return [failed("it is no regular file", "a plugin is an executable file")]
    with path.open("rb") as opened:
        start = opened.read(256)
    if start.startswith(b"#!") and start.split(b"\n", 1)[0].endswith(b"\r"):
        return [
            failed(
                "its first line ends as on Windows, and so names an interpreter that does not exist",
                "end lines with a newline alone",
            )
        ]
    if path.suffix != ".binary":
        return [
            warning(
                f"toru looks only at names that end with .binary, and this is {excerpt(path.name)}",
                "name it so when you install it, or let `toru plugin pack` make the file",
            )
        ]
    return [passed("executable, and its name ends with .binary")]


def metadata(bench: Bench) -> list[Finding]:
    process = bench.sandbox.ask_metadata(bench.path)
    try:
        seconds = _wait(process)
        left = process.remains()
    finally:
        process.end()
    printed = bench.printed = process.stdout.head
    if not printed.strip():
        raise Trouble("`--metadata` printed nothing", "print one JSON object on standard output")
    _parsed(printed)
    found = [passed(f"one JSON object after {seconds:.2f} s")]
    if seconds > _SLOW_METADATA_SECONDS:
        found.append(
            warning(
                f"it took {seconds:.1f} s, and toru gives it {METADATA_SECONDS:g} s, on a machine "
                "that may be busy with other plugins",
                "look at the arguments before anything is loaded or opened",
            )
        )
    if left:
        found.append(failed(f"it left running: {', '.join(left)}", "start nothing for `--metadata`"))
    _find_errors(bench, printed, found)
    return found


def _wait(process: Process) -> float:
    """The seconds that it took. Raises Trouble."""
    give_up = process.started + METADATA_SECONDS
    while not process.wait(0.02):
        if time.monotonic() > give_up:
            raise Trouble(
                f"`--metadata` did not exit within {METADATA_SECONDS:g} s",
                "print the JSON object and exit, whatever else the environment lacks",
            )
        if process.stdout.size > METADATA_BYTES:
            break
    seconds = time.monotonic() - process.started
    process.stdout.finish()
    if process.stdout.size > METADATA_BYTES:
        raise Trouble("`--metadata` printed more than 1 MiB", "print one JSON object and nothing else")
    if process.code:
        raise Trouble(
            f"`--metadata` {process.describe_end()}",
            "print the JSON object and exit with code 0; no socket and no token is set then",
        )
    return seconds


def _parsed(printed: bytes) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = json.decode(printed, type=dict[str, Any])
    except (DecodeError, RecursionError, UnicodeDecodeError):
        try:
            parse_metadata(printed)
        except InvalidMetadata as error:
            if printed.startswith(BOM_UTF8):
                raise Trouble(
                    "what `--metadata` printed begins with a byte order mark", "print UTF-8 without that mark"
                ) from None
            begin = printed[:60].decode(errors="replace")
            raise Trouble(
                f"{error}; it begins with {excerpt(begin)}",
                "print one JSON object on standard output, and all else on standard error",
            ) from None
        raise
    return parsed


def _find_errors(bench: Bench, printed: bytes, found: list[Finding]) -> None:
    """Every field that breaks a rule, not only the first; the checks that follow do with what is left."""
    values = _parsed(printed)
    while True:
        try:
            bench.metadata = parse_metadata(json.encode(values))
            return
        except InvalidMetadata as error:
            match = _FIELD.match(str(error))
            if match is None:
                raise Trouble(str(error)) from None
            field = match[1]
            found.append(failed(str(error), f"correct `{field}` in what `--metadata` prints"))
            values.pop(field, None)
            if field in _RIGHT:
                values[field] = _RIGHT[field]


def fields(bench: Bench) -> list[Finding]:
    values = _parsed(bench.printed)
    found: list[Finding] = []
    for name in values:
        likely = difflib.get_close_matches(name.lower(), _KNOWN, 1, 0.8)
        if name not in _KNOWN and likely:
            found.append(
                warning(
                    f"{excerpt(name)} means nothing, and is close to `{likely[0]}`",
                    f"write `{likely[0]}`, or another name",
                )
            )
    # What is no list was told of with the other rules.
    capabilities = values.get("capabilities")
    if not isinstance(capabilities, list):
        capabilities = []
    unknown = [each for each in capabilities if each not in _CAPABILITIES]
    if unknown:
        found.append(
            warning(
                f"capabilities that toru does not know: {excerpt(', '.join(map(str, unknown)))}",
                f"there are {', '.join(_CAPABILITIES)}",
            )
        )
    if bench.metadata.capabilities and bench.metadata.protocol == "1":
        found.append(warning("protocol 1 has no capabilities", "leave `capabilities` out"))
    told = f"{bench.metadata.name} {bench.metadata.version}, id {bench.metadata.id}, route {bench.metadata.route}"
    return found or [passed(told)]


def start(bench: Bench) -> list[Finding]:
    process = bench.process()
    status = os.stat(process.socket_path)
    if not stat.S_ISSOCK(status.st_mode):
        raise Trouble("what it made at $TORU_PLUGIN_SOCKET is no socket", "bind a Unix stream socket there")
    seconds = _accepting(bench, process)
    found = [passed(f"its socket was there after {seconds:.2f} s")]
    if seconds > _SLOW_START_SECONDS:
        found.append(
            warning(
                f"it took {seconds:.1f} s until its socket took a connection; "
                f"who enables it waits {_SLOW_START_SECONDS:g} s, and it counts as crashed after 30 s",
                "listen first, and prepare the rest then",
            )
        )
    return found


def _accepting(bench: Bench, process: Process) -> float:
    """Seconds until somebody listens, seen without a connection, which a plugin might take for a message."""
    give_up = process.started + bench.patience.start
    while not _listens(process.socket_path):
        if process.code is not None:
            raise Trouble(
                f"it {process.describe_end()}, before its socket took a connection",
                "without arguments it runs until it is told to stop",
            )
        if time.monotonic() > give_up:
            raise Trouble(
                "there is a socket, and nobody listens on it as a stream",
                "it is a Unix socket of the kind SOCK_STREAM, and listen() is called after bind()",
            )
        time.sleep(0.01)
    return time.monotonic() - process.started


def _listens(path: str) -> bool:
    end = b" " + os.fsencode(path)
    # Num RefCount Protocol Flags Type St Inode Path; the flag is __SO_ACCEPTCON of linux/net.h.
    lines = [line for line in Path("/proc/net/unix").read_bytes().splitlines() if line.endswith(end)]
    if lines:
        # A connection that was taken has the same path.
        return any(int(line.split()[3], 16) & 0x10000 for line in lines)
    # One that was bound elsewhere and moved here is listed under the name that it had.
    with suppress(OSError):
        connect(path, 0).close()
        return True
    return False


def framing(bench: Bench) -> list[Finding]:
    declared = bench.metadata.protocol
    return [_found_out(bench) if declared is None else _as_declared(bench, declared)]


def _found_out(bench: Bench) -> Finding:
    for framing, name in _NAMES.items():
        # toru takes a death, or nonsense, for an answer in another framing.
        with suppress(Trouble):
            if _answers_in(bench, framing, _PROBE_SECONDS):
                return passed(
                    f'{name}, found out by asking; with `"protocol": "{framing}"` nobody has to ask'
                )
        bench.forget()
    raise Trouble(
        "it gave no answer to OPTIONS / within a second, neither in JSON lines (protocol 2) nor in "
        "lengths and JSON (protocol 1)",
        'answer each `http` message as docs/protocol.md describes it, and say `"protocol": "2"` in the metadata',
    )


def _as_declared(bench: Bench, declared: Protocol) -> Finding:
    try:
        if _answers_in(bench, declared, bench.patience.answer):
            return passed(f"{_NAMES[declared]}, as declared")
        ended = bench.trouble()
        why = Trouble(
            f"it gave no answer to OPTIONS / in {_NAMES[declared]}{ended and f': {ended}'}",
            "answer each `http` message, also of methods that mean nothing to you (with 405, say), "
            "as docs/protocol.md describes it; `init` comes before, and must not hold that up",
        )
    except Trouble as trouble:
        why = trouble
    other: Protocol = "1" if declared == "2" else "2"
    bench.forget()
    with suppress(Trouble):
        if _answers_in(bench, other, _PROBE_SECONDS):
            why = Trouble(
                f"it declares protocol {declared}, and speaks {_NAMES[other]}",
                f'say `"protocol": "{other}"` in the metadata',
            )
    bench.framing = None
    raise why


def _answers_in(bench: Bench, framing: Protocol, seconds: float) -> bool:
    """Whether it answers a harmless question in that framing, as toru asks a plugin that does not say.

    The bench has that framing where it does, and else none.
    """
    process = bench.process()
    _accepting(bench, process)
    bench.framing = framing
    answered = False
    try:
        bench.greet(process)
        wire = bench.take()
        wire.say(wire.speech.request("probe", request("OPTIONS")))
        answered = pump([wire], lambda: _answered(wire), seconds)
        if answered:
            bench.forget_heard(wire)
            bench.give_back(wire)
        else:
            _judge_instead(wire, framing)
    finally:
        if not answered:
            bench.framing = None
    return answered


def _judge_instead(wire: Wire, framing: Protocol) -> None:
    """Raises Trouble where something else than an answer came."""
    unknown = [each.type for each in wire.messages if isinstance(each, Unknown)]
    if unknown:
        raise Trouble(
            f"OPTIONS / was not answered, and a message of the unknown type {unknown[-1]} came",
            "give the answer to an `http` message the type `http`",
        )
    if wire.unfinished:
        raise Trouble(
            f"OPTIONS / was not answered, and {wire.unfinished:,} bytes came that are no whole message",
            "end each message with a newline, and flush"
            if framing == "2"
            else "put the length of the JSON before it, as four bytes, the highest first, and flush",
        )


def _answered(wire: Wire) -> bool:
    return bool(answers_in(wire))
