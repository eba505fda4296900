"""A request with its whole body, and a whole answer, for a plugin that takes requests as streams alone."""

from __future__ import annotations

from collections.abc import Callable

from toru.errors import ProtocolError, ToruError
from toru.supervise.link import Waiter
from toru.supervise.streamedrequest import StreamedRequest
from toru.supervise.streampool import Streams
from toru.wire.messages import Answer, HttpRequest, Pairs, StreamRequest


def collect(streams: Streams, request: HttpRequest, waiter: Waiter, limit: int) -> Callable[[], None]:
    """As `Link.ask`, on a stream. An answer with more than `limit` bytes is a ProtocolError."""
    client = _Collecting(waiter, limit)
    head = StreamRequest(request.method, request.path, request.headers)
    stream = client.stream = streams.request(head, client)
    stream.write(request.body or b"")
    stream.finish()
    return stream.cancel


class _Collecting:
    stream: StreamedRequest

    def __init__(self, waiter: Waiter, limit: int) -> None:
        self._waiter = waiter
        self._limit = limit
        self._status = 0
        self._headers: Pairs = ()
        self._body = bytearray()

    def answered(self, status: int, headers: Pairs, body: bytes | None) -> None:
        if body is not None:
            self._waiter.answered(Answer("", status, headers, body))
        self._status, self._headers = status, headers

    def part(self, data: bytes) -> None:
        if len(self._body) + len(data) > self._limit:
            self.stream.fail(
                ProtocolError(f"its answer is longer than {self._limit:,} bytes, and is wanted as a whole")
            )
        else:
            self._body += data

    def finished(self) -> None:
        self._waiter.answered(Answer("", self._status, self._headers, bytes(self._body)))

    def failed(self, error: ToruError) -> None:
        self._waiter.failed(error)

    def pause(self) -> None:
        """The body is in memory already, as a whole."""

    def resume(self) -> None:
        """As above."""
