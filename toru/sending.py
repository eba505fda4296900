"""Bytes handed to the kernel at once, and not at the next turn of the reactor."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

from twisted.internet.tcp import Connection


def send_now(transport: Connection, data: bytes) -> None:
    """Write what nothing is likely to follow in this turn.

    Most messages fit into a socket: to try it spares telling the kernel to say when they would, and back.
    """
    if not (transport.dataBuffer or transport._tempDataBuffer):
        sent = transport.writeSomeData(data)
        if sent == len(data):
            return
        # A connection that was lost shows to who writes later.
        if isinstance(sent, int) and sent > 0:
            data = data[sent:]
    transport.write(data)
