"""One request whose body goes to the plugin in parts, and whose answer may come in parts."""

from __future__ import annotations

from typing import Protocol as Interface

from toru.supervise.streamconnection import StreamConnection
from toru.supervise.streamexchange import Client, Keeper, StreamExchange
from toru.wire.messages import Answer, Pairs, StreamRequest
from toru.wire.streamreader import Accepted, Ending, Final, Head, Part, Said
from toru.wire.streams import MAX_PART


class StreamClient(Client, Interface):
    """Whoever asks. What comes here is told in this order, and `failed` may come at any time but after the end."""

    def answered(self, status: int, headers: Pairs, body: bytes | None) -> None:
        """The answer: all of it, and so the end, or where `body` is None its beginning."""

    def part(self, data: bytes) -> None:
        """More of the body."""

    def finished(self) -> None:
        """The end: the body is whole."""


class StreamedRequest(StreamExchange):
    """The request's body is written to it; what is written after the end is dropped."""

    def __init__(
        self, keeper: Keeper, client: StreamClient, request_id: str, request: StreamRequest, began: float
    ) -> None:
        super().__init__(keeper, client, request_id, keeper.lines.streamed(request_id, request), began)
        self._client = client
        # What was written before there is a connection: one piece, for then the client is paused.
        self._held: list[bytes] = []
        self._whole = False
        self._answering = False

    # -- what whoever asked says

    def write(self, data: bytes) -> None:
        """The next bytes of the request's body."""
        if self.over or self._whole or not data:
            return
        if self._connection is None:
            self._held.append(data)
            self.blocked()
        else:
            self._send(self._connection, data)
            self._moved()

    def finish(self) -> None:
        """The request's body is whole."""
        if self.over or self._whole:
            return
        self._whole = True
        if self._connection is not None:
            self._connection.write(self._keeper.lines.part(self._request_id, 0, final=True))
            self._moved()

    def begin(self, connection: StreamConnection) -> None:
        super().begin(connection)
        held, self._held = self._held, []
        for data in held:
            self._send(connection, data)
        if self._whole:
            connection.write(self._keeper.lines.part(self._request_id, 0, final=True))
        if held or self._whole:
            self._moved()
        if not connection.blocked:
            self.unblocked()

    def _send(self, connection: StreamConnection, data: bytes) -> None:
        part = self._keeper.lines.part
        if len(data) <= MAX_PART:
            connection.write(part(self._request_id, len(data), final=False), data)
            return
        for start in range(0, len(data), MAX_PART):
            piece = data[start : start + MAX_PART]
            connection.write(part(self._request_id, len(piece), final=False), piece)

    def _moved(self) -> None:
        if self._answering:
            self._keeper.moved(self)
        else:
            self._keeper.allow(self)

    # -- what the plugin says

    def heard(self, event: Head | Part | Accepted | Said) -> None:
        match event:
            case Part():
                self._keeper.moved(self)
                self._client.part(event.data)
            case Head():
                self._answering = True
                self._keeper.answering(self)
                self._keeper.moved(self)
                self._client.answered(event.status, event.headers, None)

    def ended(self, event: Ending) -> None:
        match event:
            case Final():
                self._conclude()
                self._client.finished()
            case Answer():
                self._keeper.answering(self)
                self._conclude()
                self._client.answered(event.status, event.headers, event.body)
            case _:
                super().ended(event)

    def _conclude(self) -> None:
        if self._whole:
            self._finish()
        else:
            # The plugin wanted no more of the body, and has part of it still to read, or half a part.
            self._stop()

    def blocked(self) -> None:
        if not self._whole:
            super().blocked()
