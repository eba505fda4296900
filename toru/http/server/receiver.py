"""What a connection tells whoever it was left to."""

from __future__ import annotations

from typing import Protocol


class Receiver(Protocol):
    """Who has a connection to itself from the 101 on, and what becomes of it. It is a push producer, too."""

    def received(self, data: bytes) -> None:
        """Bytes have come."""

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...

    def look(self) -> None:
        """A tick of the site."""

    def stop(self) -> None:
        """The core stops, and waits for the end of this connection."""

    def gone(self) -> None:
        """The connection is lost, and not closed by whoever has it."""
