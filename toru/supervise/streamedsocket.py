"""One WebSocket: its opening, its messages, and its closing from both sides."""

from __future__ import annotations

from typing import Protocol as Interface

from toru.errors import ProtocolError, ToruError
from toru.supervise.streamexchange import Client, Keeper, StreamExchange
from toru.wire.messages import Answer, Pairs, WebSocketRequest, excerpt
from toru.wire.streamreader import Accepted, Closed, Ending, Head, Part, Said


class WebSocketClient(Client, Interface):
    """Whoever opens it. `failed` is the end, and so is `refused`; after `closed` it may fail yet."""

    def accepted(self, subprotocol: str | None) -> None:
        """The plugin takes it; the subprotocol is one that was offered."""

    def refused(self, status: int, headers: Pairs, body: bytes) -> None:
        """The plugin answers otherwise."""

    def message(self, data: bytes, text: bool) -> None:
        """The plugin says that; UTF-8 where it is `text`."""

    def closed(self, code: int, reason: str) -> None:
        """The plugin says no more. Said once, also where it answers the client's own `close`."""


class StreamedWebSocket(StreamExchange):
    """Open until both sides closed it."""

    websocket = True

    def __init__(
        self,
        keeper: Keeper,
        client: WebSocketClient,
        request_id: str,
        request: WebSocketRequest,
        began: float,
    ) -> None:
        super().__init__(keeper, client, request_id, keeper.lines.open(request_id, request), began)
        self._client = client
        self._offered = request.subprotocols
        self._accepted = False
        # Who said goodbye to whom.
        self._said_close = False
        self._heard_close = False
        self._told_client = False

    # -- what whoever opened it says

    def message(self, data: bytes, text: bool) -> None:
        """Say that to the plugin: at most 16 MiB, in UTF-8 where it is `text`."""
        if self._connection is not None and self._accepted and not self._said_close:
            line = self._keeper.lines.message(self._request_id, len(data), text=text)
            self._connection.write(line, data)

    def close(self, code: int, reason: str) -> None:
        """The client says no more."""
        if self._connection is None or self._said_close:
            return
        if not self._accepted:
            self.cancel()
            return
        self._said_close = True
        self._connection.write(self._keeper.lines.close(self._request_id, code, reason))
        # What it still says is dropped, down to its goodbye.
        self._connection.resume()
        self._closing()

    def goodbye(self, code: int, reason: str) -> None:
        if self._accepted and not self._said_close and not self._heard_close:
            self.close(code, reason)
            self._tell_client(code, reason)

    def pause(self) -> None:
        if not self._said_close:
            super().pause()

    # -- what the plugin says

    def heard(self, event: Head | Part | Accepted | Said) -> None:
        match event:
            case Said():
                if not self._said_close:
                    self._client.message(event.data, event.text)
            case Accepted():
                if event.subprotocol is not None and event.subprotocol not in self._offered:
                    self.fail(
                        ProtocolError(
                            f"it took the subprotocol {excerpt(event.subprotocol)}, which was not offered"
                        )
                    )
                    return
                self._accepted = True
                self._keeper.answering(self)
                self._client.accepted(event.subprotocol)

    def ended(self, event: Ending) -> None:
        match event:
            case Closed():
                self._heard_close = True
                self._closing()
                self._tell_client(event.code, event.reason)
            case Answer():
                self._keeper.answering(self)
                self._finish()
                self._client.refused(event.status, event.headers, event.body)
            case _:
                super().ended(event)

    def failed(self, error: ToruError) -> None:
        if self._told_client:
            # Its end was told, and there is nothing more that the plugin owes to anybody.
            self._stop()
        else:
            super().failed(error)

    def _closing(self) -> None:
        if self._said_close and self._heard_close:
            self._finish()
        else:
            self._keeper.closing(self)

    def _tell_client(self, code: int, reason: str) -> None:
        if not self._told_client:
            self._told_client = True
            self.blamed = False
            self._client.closed(code, reason)
