"""What a streamed request and a WebSocket have in common: a connection of their own, and exactly one end."""

from __future__ import annotations

from typing import Protocol as Interface

from toru.errors import PluginError, ProtocolError, ToruError
from toru.supervise.streamconnection import StreamConnection
from toru.wire.messages import Nonsense, Refusal
from toru.wire.streamreader import Accepted, Ending, Head, Part, Said
from toru.wire.streams import StreamLines


class Client(Interface):
    """Whoever asks, as far as all are alike. Nothing is told after the end, nor after whoever asks went away."""

    def failed(self, error: ToruError) -> None:
        """The end: the plugin is at fault, or late."""

    def pause(self) -> None:
        """The plugin does not read: send it nothing more for now."""

    def resume(self) -> None:
        """Go on sending."""


class Keeper(Interface):
    """What an exchange asks of the pool that it is one of."""

    lines: StreamLines

    def allow(self, exchange: StreamExchange) -> None:
        """It has the time of a request anew."""

    def moved(self, exchange: StreamExchange) -> None:
        """Something of a body went one way or the other: it has the time of an idle stream anew."""

    def answering(self, exchange: StreamExchange) -> None:
        """The plugin begins to answer; from now on its time is counted otherwise, or not at all."""

    def closing(self, exchange: StreamExchange) -> None:
        """One side closed the WebSocket, and the other has its time to do so too."""

    def ended(self, exchange: StreamExchange, *, failed: bool = False) -> None:
        """It is over."""

    def give_back(self, connection: StreamConnection) -> None:
        """Both directions of what it was for came to their ends."""


class StreamExchange:
    """Waits for a connection, has it, and is over once: answered, failed, or given up by whoever asked."""

    websocket = False
    # Whether a failure is the plugin's fault.
    blamed = True

    def __init__(self, keeper: Keeper, client: Client, request_id: str, line: bytes, began: float) -> None:
        """`line` is how it begins; `began` when that was, in seconds."""
        self.began = began
        self.over = False
        self._keeper = keeper
        self._told = client
        self._request_id = request_id
        self._line = line
        self._connection: StreamConnection | None = None
        self._client_paused = False

    # -- what the pool tells

    def begin(self, connection: StreamConnection) -> None:
        """It has a connection."""
        self._connection = connection
        line, self._line = self._line, b""
        connection.begin(self, self._request_id, line, websocket=self.websocket)

    def fail(self, error: ToruError) -> None:
        """It cannot come to its end."""
        if not self.over:
            self._stop(failed=self.blamed)
            self._told.failed(error)

    def goodbye(self, code: int, reason: str) -> None:
        """The plugin's process is about to be stopped."""

    # -- what its connection tells: streamconnection.User

    def heard(self, event: Head | Part | Accepted | Said) -> None:
        raise NotImplementedError

    def ended(self, event: Ending) -> None:
        match event:
            case Refusal():
                self.fail(PluginError(event.why))
            case Nonsense():
                self.fail(ProtocolError(event.why))

    def failed(self, error: ToruError) -> None:
        self.fail(error)

    def blocked(self) -> None:
        if not self._client_paused:
            self._client_paused = True
            self._told.pause()

    def unblocked(self) -> None:
        if self._client_paused:
            self._client_paused = False
            self._told.resume()

    # -- what whoever asked says

    def pause(self) -> None:
        """Stop reading from the plugin: at most what was read already is still told."""
        if self._connection is not None and not self.over:
            self._connection.pause()

    def resume(self) -> None:
        """Go on reading from the plugin."""
        if self._connection is not None and not self.over:
            self._connection.resume()

    def cancel(self) -> None:
        """Whoever asked has gone; the plugin learns of it by the end of its connection."""
        if not self.over:
            self._stop()

    # -- ends

    def _stop(self, *, failed: bool = False) -> None:
        """Over, and not cleanly."""
        self.over = True
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        self._keeper.ended(self, failed=failed)

    def _finish(self) -> None:
        """Over, and its connection as good as new."""
        self.over = True
        connection, self._connection = self._connection, None
        assert connection is not None
        connection.free()
        self._keeper.ended(self)
        self._keeper.give_back(connection)
