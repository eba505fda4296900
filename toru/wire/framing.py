"""Cuts a stream of bytes into frames: lines (protocol 2) or length and body (protocol 1)."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import NoReturn, Protocol

from toru.errors import ProtocolError

LENGTH_BYTES = 4


class Framer(Protocol):
    """One direction of one connection.

    The work grows with the bytes and not with their square, however small the pieces are in which
    they come, and no more is held than one frame of the allowed length and one chunk.
    """

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes of the stream and yield each frame that they complete, bare.

        A generator: nothing is taken before it is iterated. Raises ProtocolError after the frames
        that came before one over the limit. From then on the stream cannot be read any more:
        nothing is held, and further bytes yield nothing.
        """

    @property
    def pending(self) -> int:
        """How many bytes are held of a frame that is not complete: not 0 where a stream ended inside one."""


class LineFramer:
    """Frames that are lines, ended by one newline. `max_length` counts the bytes before it."""

    __slots__ = ("_broken", "_max_length", "_unfinished")

    def __init__(self, max_length: int) -> None:
        self._max_length = max_length
        self._unfinished: BytesIO | None = None
        self._broken = False

    @property
    def pending(self) -> int:
        return 0 if self._unfinished is None else self._unfinished.tell()

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._broken:
            return
        lines = data.split(b"\n")
        tail = lines.pop()
        if lines and self._unfinished is not None:
            self._unfinished.write(lines[0])
            lines[0] = self._unfinished.getvalue()
            self._unfinished = None
        if tail:
            # A list of the pieces would cost 40 bytes for each, and a plugin may send them one by one.
            if self._unfinished is None:
                self._unfinished = BytesIO()
            self._unfinished.write(tail)
        for line in lines:
            if len(line) > self._max_length:
                self._refuse()
            yield line
        if self.pending > self._max_length:
            self._refuse()

    def _refuse(self) -> NoReturn:
        self._broken = True
        self._unfinished = None
        raise ProtocolError(
            f"a line is longer than {self._max_length:,} bytes, the most that a message may have"
        )


class LengthFramer:
    """Frames that follow their length, four bytes in network order, which `max_length` does not count."""

    __slots__ = ("_body", "_broken", "_head", "_length", "_max_length")

    def __init__(self, max_length: int) -> None:
        self._max_length = max_length
        self._head = b""
        self._body: BytesIO | None = None
        self._length = 0
        self._broken = False

    @property
    def pending(self) -> int:
        return len(self._head) if self._body is None else LENGTH_BYTES + self._body.tell()

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._broken:
            return
        frames, announced = self._cut(data)
        yield from frames
        if announced > self._max_length:
            self._broken = True
            raise ProtocolError(
                f"a message announces {announced:,} bytes; at most {self._max_length:,} are allowed"
            )

    def _cut(self, data: bytes) -> tuple[list[bytes], int]:
        """The frames that `data` completes, and the length announced last."""
        if self._head:
            data, self._head = self._head + data, b""
        frames: list[bytes] = []
        length = at = 0
        while at < len(data):
            if self._body is None:
                start = at + LENGTH_BYTES
                if start > len(data):
                    self._head = data[at:]
                    break
                length = int.from_bytes(data[at:start], "big")
                if length > self._max_length:
                    break
                at = start + length
                if at <= len(data):
                    frames.append(data[start:at])
                    continue
                at, self._length, self._body = start, length, BytesIO()
            missing = self._length - self._body.tell()
            self._body.write(data[at : at + missing])
            at += missing
            if at <= len(data):
                frames.append(self._body.getvalue())
                self._body = None
        return frames, length
