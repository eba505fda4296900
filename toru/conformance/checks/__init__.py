"""The checks, in their order. Each is a function of the bench that returns what it found, or raises Trouble."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from toru.conformance.bench import Bench
from toru.conformance.checks import bodies, capabilities, ending, manners, starting, streams, talking
from toru.conformance.findings import Finding


@dataclass(frozen=True)
class Check:
    """`needs` are the ids of earlier checks without which this one could tell nothing."""

    id: str
    title: str
    run: Callable[[Bench], list[Finding]]
    needs: tuple[str, ...] = ()


_ANSWERS = ("metadata", "start", "framing", "request")

CHECKS = (
    Check("file", "The file", starting.file),
    Check("metadata", "What --metadata prints", starting.metadata, ("file",)),
    Check("fields", "Fields of the metadata", starting.fields, ("metadata",)),
    Check("start", "Start and socket", starting.start, ("metadata",)),
    Check("framing", "The protocol that it speaks", starting.framing, ("metadata", "start")),
    Check("request", "A request and its answer", talking.first, ("metadata", "start", "framing")),
    Check("requests", "Requests of all kinds", talking.kinds, _ANSWERS),
    Check("interleaved", "Many requests at once", talking.interleaved, _ANSWERS),
    Check("order", "Which answer belongs to which request", talking.order, _ANSWERS),
    Check("large-body", "A body of 8 MiB", bodies.large, _ANSWERS),
    Check("binary-body", "A body of bytes that are no text", bodies.binary, _ANSWERS),
    Check("unknown-message", "Messages that it does not know", manners.unknown_messages, _ANSWERS),
    Check("half-messages", "Messages that come in pieces", manners.pieces, _ANSWERS),
    Check("slow-reader", "A host that reads slowly", manners.slow_reader, _ANSWERS),
    Check("dropped-connection", "Connections that are lost", manners.dropped, _ANSWERS),
    Check("idle", "Rest while nobody asks", manners.idle, _ANSWERS),
    Check("ping", "Capability ping", capabilities.ping, _ANSWERS),
    Check("cancel", "Capability cancel", capabilities.cancel, _ANSWERS),
    Check("stream", "Capability stream", streams.stream, _ANSWERS),
    Check("websocket", "Capability websocket", streams.websocket, _ANSWERS),
    Check("bundle", "The view in the dashboard", bodies.bundle, _ANSWERS),
    Check("shutdown", "Shutdown, exit code and leftovers", ending.shutdown, ("metadata", "start", "framing")),
    Check("sigterm", "SIGTERM", ending.sigterm, ("metadata", "start", "framing")),
    Check("overlap", "A second process beside the first", ending.overlap, _ANSWERS),
    Check("secrets", "Its token stays secret", ending.secrets, ("metadata", "start", "framing")),
)
