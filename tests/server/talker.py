"""A client of WebSockets: the protocol of `websockets`, which judges what a server sends, and frames of our own."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from typing import Self

from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from tests.server.client import PATIENCE

# What came: kind, and a payload or a code; None for the end of the connection.
Heard = tuple[str, bytes | int] | None
_KINDS = {Opcode.TEXT: "text", Opcode.BINARY: "binary"}
MAX_MESSAGE = 16 * 2**20
# A close frame without a code (RFC 6455, 7.1.5).
NO_CODE = 1005


class Talker:
    """A WebSocket that was opened. `response` is what the server said to the handshake."""

    def __init__(
        self,
        port: int,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        deflate: bool | int = False,
        subprotocols: tuple[str, ...] = (),
    ) -> None:
        """`deflate`: compression is offered; a number is that of the bits of the server's window.

        Raises what `websockets` raises where the server's answer is not one to this handshake.
        """
        window = None if isinstance(deflate, bool) else deflate
        self._protocol = ClientProtocol(
            parse_uri(f"ws://127.0.0.1:{port}{path}"),
            extensions=[ClientPerMessageDeflateFactory(server_max_window_bits=window)] if deflate else None,
            subprotocols=[Subprotocol(one) for one in subprotocols] or None,
            max_size=MAX_MESSAGE,
        )
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._heard: list[Heard] = []
        self._parts: list[bytes] = []
        self._kind = ""
        self._ended = False
        request = self._protocol.connect()
        request.headers.update(headers or {})
        self._protocol.send_request(request)
        self._flush()
        self.response = self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def subprotocol(self) -> str | None:
        return self._protocol.subprotocol

    @property
    def extensions(self) -> list[str]:
        """What was agreed on, with its parameters."""
        return self.response.headers.get_all("Sec-WebSocket-Extensions")

    def send(self, data: bytes) -> None:
        """These bytes, as they are; nothing where the server has closed already."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def heard(self) -> Heard:
        """The next message, pong or goodbye. Raises what `websockets` raises at a frame that must not be."""
        while not self._heard and not self._ended:
            self._read()
        return self._heard.pop(0) if self._heard else None

    def _answer(self) -> Response:
        while True:
            for event in self._protocol.events_received():
                assert isinstance(event, Response)
                if self._protocol.handshake_exc is not None:
                    raise self._protocol.handshake_exc
                self._take()
                return event
            if self._ended:
                raise self._protocol.handshake_exc or EOFError("closed before it answered")
            self._receive()

    def _read(self) -> None:
        self._receive()
        self._take()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._ended = True
            self._protocol.receive_eof()
        self._flush()

    def _take(self) -> None:
        for event in self._protocol.events_received():
            assert isinstance(event, Frame)
            self._one(event)
        if not self._ended and self._protocol.parser_exc is not None:
            raise self._protocol.parser_exc

    def _one(self, event: Frame) -> None:
        if event.opcode is Opcode.CLOSE:
            self._heard.append(("close", Close.parse(event.data).code))
        elif event.opcode is Opcode.PONG:
            self._heard.append(("pong", bytes(event.data)))
        elif event.opcode is not Opcode.PING:
            self._kind = _KINDS.get(event.opcode, self._kind)
            self._parts.append(bytes(event.data))
            if event.fin:
                self._heard.append((self._kind, b"".join(self._parts)))
                self._parts.clear()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self.send(data)
