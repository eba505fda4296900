"""A request whose body is taken in as a whole before anything is done with it."""

from __future__ import annotations

from io import SEEK_END, BytesIO

from toru.errors import BodyTooLarge
from toru.http.gate import is_still_in, signed_out
from toru.http.server.exchange import Exchange


class Whole:
    """Keeps at most `limit` bytes. Whoever inherits says what is done (`ready`), and what where the client goes (`gone`)."""

    patient = False

    __slots__ = ("_limit", "_received", "exchange")

    def __init__(self, exchange: Exchange, limit: int) -> None:
        """Raises BodyTooLarge where more is announced."""
        self.exchange = exchange
        self._limit = limit
        # A list of the pieces would leave the memory of each in its place when they are joined.
        self._received: BytesIO | None = None
        if (exchange.head.length or 0) > limit:
            raise self._too_large()

    def ready(self, body: bytes) -> None:
        """All of it is here."""
        raise NotImplementedError

    def refused(self, status: int) -> None:
        """It is answered with that status, and not by whoever would have been ready."""

    def gone(self) -> None:
        """The client has gone, or what it sent is no request; nothing is to be said to it any more."""

    def part(self, data: bytes) -> None:
        received = self._received
        if len(data) + (0 if received is None else received.tell()) > self._limit:
            self._received = None
            self.exchange.refuse(self._too_large())
        elif received is None:
            # Most bodies are one piece, of which this makes no copy.
            received = self._received = BytesIO(data)
            received.seek(0, SEEK_END)
        else:
            received.write(data)

    def end(self) -> None:
        received, self._received = self._received, None
        if received is not None and not is_still_in(self.exchange):
            # A body may take its time.
            raise signed_out()
        self.ready(b"" if received is None else received.getvalue())

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"A request body may have at most {self._limit} bytes here.")
