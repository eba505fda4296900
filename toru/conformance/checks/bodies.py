"""Bodies: large ones, ones that are no text, and the one that is the plugin's view."""

from __future__ import annotations

import time

from toru.conformance.bench import Bench, request
from toru.conformance.findings import Finding, passed, skipped, warning
from toru.wire.messages import Answer

_LARGEST = 8 * 2**20
# Of every length in UTF-8, with all that JSON escapes.
_TEXT = 'plain text, "quotes", back\\slashes, é, €, 😀, and lines\r\n'.encode()
_BYTES = bytes(range(256)) * 16
_BUNDLE_LIMIT = 16 * 2**20
_SLOW_SECONDS = 10.0


def large(bench: Bench) -> list[Finding]:
    body = (_TEXT * (_LARGEST // len(_TEXT) + 1))[:_LARGEST].decode(errors="ignore").encode()
    usual, began = bench.slowest, time.monotonic()
    [reply] = bench.ask(request("POST", "/toru-check/large", body), seconds=bench.patience.first_answer)
    bench.ask(request())
    seconds = time.monotonic() - began
    bench.slowest = usual
    if seconds > _SLOW_SECONDS:
        return [
            warning(
                f"a body of 8 MiB took {seconds:.1f} s",
                "take what is read in pieces of 64 KiB or more, and do not search all of it again at each piece",
            )
        ]
    what = f"with {reply.status}" if isinstance(reply, Answer) else "with an `error` message"
    return [passed(f"POST of 8 MiB was answered {what} after {seconds:.1f} s, and so was the next request")]


def binary(bench: Bench) -> list[Finding]:
    kind = "application/octet-stream"
    bench.ask(request("POST", "/toru-check/binary", _BYTES, kind))
    bench.ask(request("POST", "/toru-check/binary", b"\xff", kind))
    # Who gives text back as it came may do the same with bytes.
    for path in ("/", "/echo"):
        [text] = bench.ask(request("POST", path, _TEXT))
        if isinstance(text, Answer) and text.body == _TEXT:
            [reply] = bench.ask(request("POST", path, _BYTES, kind))
            if isinstance(reply, Answer) and reply.status == text.status and reply.body != _BYTES:
                return [
                    warning(
                        f"POST {path} gives text back as it came, and changes bytes that are no text",
                        "such a body comes in base64, with `body_encoding` `base64`: decode it; say the same of what is sent",
                    )
                ]
            return [passed(f"bytes were answered, and came back from {path} as they were")]
    return [passed("bodies of bytes, which come in base64, were answered")]


def bundle(bench: Bench) -> list[Finding]:
    beside = bench.path.parent / bench.metadata.id / "bundle.js"
    if beside.is_file():
        source = beside.read_bytes()
        where = f"{bench.metadata.id}/bundle.js"
    else:
        [reply] = bench.ask(request(path="/bundle.js"))
        kinds = [value for name, value in getattr(reply, "headers", ()) if name.lower() == "content-type"]
        if not isinstance(reply, Answer) or reply.status != 200 or "javascript" not in "".join(kinds):
            return [skipped("it brings no view: there is no bundle.js")]
        source = reply.body
        where = "GET /bundle.js"
    if len(source) > _BUNDLE_LIMIT:
        return [warning(f"{where} has more than 16 MiB, which toru does not serve", "make it smaller")]
    if b"mount" not in source:
        return [
            warning(
                f"{where} has nothing with the name `mount`",
                "export a function `mount(container, api)`; answer /bundle.js with 404 where there is no view",
            )
        ]
    return [passed(f"{where} has {len(source):,} bytes and a `mount`")]
