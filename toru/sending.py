"""What Twisted's transports do not offer: bytes handed to the kernel at once, and how many still wait."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

from typing import Any

from twisted.internet.tcp import Connection


def send_now(transport: Connection, data: bytes) -> None:
    """Write what nothing is likely to follow in this turn.

    Most messages fit into a socket: to try it spares telling the kernel to say when they would, and back.
    """
    if not (transport.dataBuffer or transport._tempDataBuffer):
        try:
            sent = transport.socket.send(data)
        except OSError:
            sent = 0  # that it is full, or lost, shows when the reactor writes
        if sent == len(data):
            return
        data = data[sent:]
    transport.write(data)


def unsent(transport: Any) -> int:
    """Bytes that wait in memory for the kernel to take them, below TLS and whatever else is around a socket."""
    while (below := getattr(transport, "transport", None)) is not None:
        transport = below
    if not isinstance(transport, Connection):
        return 0
    waiting: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
    return waiting
