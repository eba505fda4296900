"""An answer that is written piece by piece, as fast as its client reads it."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer, ITCPTransport
from zope.interface import implementer

from toru.http.answers import ours

if TYPE_CHECKING:
    from toru.http.request import Request


@implementer(IPushProducer)
class Flow:
    """Begins a 200. What waits for a slow client is one piece, beside what the transport holds already."""

    def __init__(self, request: Request, content_type: bytes) -> None:
        self._request = request
        self._waiter: Deferred[None] | None = None
        self.paused = False
        headers = [(b"content-type", content_type), (b"cache-control", b"no-store")]
        request.begin(ours(200, headers, b""))
        request.registerProducer(self, True)

    async def write(self, piece: bytes) -> None:
        """Write once the client has read what was written before."""
        if self.paused:
            self._waiter = Deferred()
            await self._waiter
        self.write_now(piece)

    def write_now(self, piece: bytes) -> None:
        """Write, however much the client has still to read."""
        self._request.write(piece)

    def close(self) -> None:
        """No more is written."""
        if self._connected:
            self._request.unregisterProducer()

    async def break_off(self) -> None:
        """Close the connection, so that the client sees that this is not the whole answer. Never returns."""
        if self._connected:
            self._request.channel.loseConnection()
        await Deferred()

    def abort(self) -> None:
        """Close the connection now, whatever the client has still to read."""
        if self._connected:
            cast(ITCPTransport, self._request.channel.transport).abortConnection()

    @property
    def _connected(self) -> bool:
        return self._request.channel is not None

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.called:
            waiter.callback(None)

    def stopProducing(self) -> None:
        """Nothing: whoever writes is cancelled when the connection is lost."""
