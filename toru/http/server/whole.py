"""A request whose body is taken in as a whole before anything is done with it."""

from __future__ import annotations

from toru.errors import BodyTooLarge
from toru.http.server.exchange import Exchange


class Whole:
    """Keeps at most `limit` bytes. Whoever inherits says what is done (`ready`), and what where the client goes (`gone`)."""

    patient = False

    __slots__ = ("_limit", "_parts", "_received", "exchange")

    def __init__(self, exchange: Exchange, limit: int) -> None:
        """Raises BodyTooLarge where more is announced."""
        self.exchange = exchange
        self._limit = limit
        self._parts: list[bytes] = []
        self._received = 0
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
        self._received += len(data)
        if self._received > self._limit:
            self._parts.clear()
            self.exchange.refuse(self._too_large())
        else:
            self._parts.append(data)

    def end(self) -> None:
        parts, self._parts = self._parts, []
        self.ready(parts[0] if len(parts) == 1 else b"".join(parts))

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"A request body may have at most {self._limit} bytes here.")
