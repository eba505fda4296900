"""One connection to toru: bytes to messages and back. docs/protocol.md says what they mean."""

from __future__ import annotations

import json
from binascii import Error as NotBase64, a2b_base64, b2a_base64
from collections.abc import Mapping
from contextlib import suppress
from socket import SHUT_RDWR, socket
from typing import Any

from toru.plugin.engine import Engine
from toru.plugin.messages import ClientGone

MAX_LINE = 16 * 2**20
MAX_PART = 2**20
# What a body may have in a line, beside headers of at most 64 KiB, which may grow as well.
_ROOM = MAX_LINE - 2**19


class ProtocolError(Exception):
    """The other side said something that cannot be."""


class Wire:
    """Messages, and raw bytes between them. One coroutine reads; any number may write."""

    def __init__(self, engine: Engine, connection: socket) -> None:
        self._engine = engine
        self._connection = connection
        self._buffer = bytearray()
        self._searched = 0
        self._writing = engine.lock()
        self._closing = False
        self._waiting: set[object] = set()

    async def read_message(self) -> dict[str, Any] | None:
        """The next one, None where the other side says no more. Raises ProtocolError or ClientGone."""
        while (end := self._buffer.find(b"\n", self._searched)) < 0:
            self._searched = len(self._buffer)
            if self._searched > MAX_LINE:
                raise ProtocolError(f"a line is longer than {MAX_LINE:,} bytes")
            if not await self._read_more():
                return None
        line = self._take(end + 1)
        try:
            message = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(f"a line is not JSON: {error}") from None
        if not isinstance(message, dict):
            raise ProtocolError("a line is no JSON object")
        if not isinstance(message.get("payload"), dict):
            message["payload"] = {}
        return message

    async def read_bytes(self, count: int) -> bytes:
        """Exactly so many. Raises ClientGone."""
        while len(self._buffer) < count:
            if not await self._read_more():
                raise ClientGone("the connection to toru ended")
        return bytes(self._take(count))

    async def write(
        self, kind: str, request_id: object, payload: Mapping[str, Any], data: bytes = b""
    ) -> None:
        """A message, and raw bytes behind it. Waits while the other side does not read. Raises ClientGone."""
        message = {"type": kind, "request_id": request_id, "payload": payload}
        line = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        async with self._writing:
            await self._within(self._engine.send(self._connection, line + data))

    def end(self) -> None:
        """Say and hear nothing more; what waits for it fails. Any thread may call it."""
        self._closing = True
        with suppress(OSError):
            self._connection.shutdown(SHUT_RDWR)
        if not self._waiting:
            self._connection.close()

    async def _read_more(self) -> bool:
        data: bytes = await self._within(self._engine.receive(self._connection))
        self._buffer += data
        return bool(data)

    async def _within(self, job: Any) -> Any:
        """Not closed before it is done: the number of a closed file may soon be another's."""
        mark = object()
        self._waiting.add(mark)
        try:
            return await job
        except OSError as error:
            raise ClientGone(f"the connection to toru is lost: {error}") from error
        finally:
            self._waiting.discard(mark)
            if self._closing and not self._waiting:
                self._connection.close()

    def _take(self, count: int) -> bytearray:
        taken = self._buffer[:count]
        del self._buffer[:count]
        self._searched = 0
        return taken


def read_body(payload: Mapping[str, Any]) -> bytes:
    """The body of an `http` message that is no stream. Raises ProtocolError."""
    body = payload.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise ProtocolError("the body of an `http` message is neither a string nor null")
    if payload.get("body_encoding") != "base64":
        return body.encode()
    try:
        return a2b_base64(body)
    except NotBase64 as error:
        raise ProtocolError(f"the body of an `http` message is not base64: {error}") from None


def whole(status: int, headers: Mapping[str, str | list[str]], body: bytes) -> dict[str, Any]:
    """The payload of an answer with its body."""
    payload: dict[str, Any] = {"status": status, "headers": headers}
    try:
        text = body.decode()
    except UnicodeDecodeError:
        pass
    else:
        # Text of control characters grows six-fold in JSON, base64 by a third only.
        if 6 * len(text) < _ROOM or len(json.dumps(text, ensure_ascii=False).encode()) < _ROOM:
            return {**payload, "body": text}
    return {**payload, "body": b2a_base64(body, newline=False).decode(), "body_encoding": "base64"}
