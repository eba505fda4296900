"""What Twisted's transports do not offer: bytes handed to the kernel at once, how many still wait, and ends with or without TLS."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IHalfCloseableDescriptor, ISSLTransport
from twisted.internet.tcp import Connection


def send_now(transport: Any, data: bytes) -> None:
    """Write what nothing is likely to follow in this turn.

    Most messages fit into a socket: to try it spares telling the kernel to say when they would, and back. What is no
    socket's own transport is written to as ever.
    """
    if isinstance(transport, Connection) and not (transport.dataBuffer or transport._tempDataBuffer):
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
    lowest = _lowest(transport)
    if not isinstance(lowest, Connection):
        return 0
    waiting: int = len(lowest.dataBuffer) - lowest.offset + lowest._tempDataLen
    return waiting


def take_unsent(transport: Connection) -> bytes:
    """What waits in memory for the kernel to take it, and waits here no more."""
    waiting = b"".join([transport.dataBuffer[transport.offset :], *transport._tempDataBuffer])
    transport.dataBuffer, transport.offset = b"", 0
    transport._tempDataBuffer, transport._tempDataLen = [], 0
    return waiting


def say_no_more(transport: Connection) -> None:
    """Tell the other side, behind all that is written, that nothing follows. What it says is still read."""
    if ISSLTransport.providedBy(transport):
        # TLS has a word for it, which goes out once there is a key, and waits for the other side's. Below it the same
        # word is not to be said: it would end the handshake, and be taken for a cut.
        transport.loseConnection()
    elif IHalfCloseableDescriptor.providedBy(transport):
        transport.loseWriteConnection()


def close_below(transport: Any) -> None:
    """Close once all that was written has left, whether or not the other side of TLS has said its goodbye."""
    _lowest(transport).loseConnection()


def _lowest(transport: Any) -> Any:
    while (below := getattr(transport, "transport", None)) is not None:
        transport = below
    return transport
