"""A client that sends what it is told, and takes no answer for one that is not exactly as it should be."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from dataclasses import dataclass
from typing import Any, Self

from tests.server.case import filled

PATIENCE = 20.0
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5]\d\d) [\t -~]*")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\t -~\x80-\xff]*)")


class Unsound(AssertionError):
    """What came is no answer of HTTP/1.1."""


@dataclass(frozen=True)
class Answer:
    """`headers` have lower-case names."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each == name]

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """A connection to a server whose echo is at `route`; `signed` is the line that says who asks, with its end."""

    def __init__(self, port: int, route: bytes, signed: bytes = b"") -> None:
        self.route, self.signed = route, signed
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send; nothing where the server has closed already."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(filled(data, self.route, self.signed))

    def end(self) -> None:
        """Say that nothing follows."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def answer(self, method: bytes = b"GET") -> Answer | None:
        """The next answer, to a request with that method; None where the connection was closed. Raises Unsound."""
        while b"\r\n\r\n" not in self._received:
            if not self._more():
                if self._received:
                    raise Unsound(f"a head that ends in {self._received[-80:]!r}")
                return None
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        line, *lines = head.split(b"\r\n")
        status = _STATUS_LINE.fullmatch(line)
        if status is None:
            raise Unsound(f"the status line {line!r}")
        headers = []
        for each in lines:
            parts = _FIELD.fullmatch(each)
            if parts is None:
                raise Unsound(f"the field line {each!r}")
            headers.append((parts[1].decode().lower(), parts[2].decode("iso-8859-1").strip(" \t")))
        answer = Answer(int(status[1]), headers, b"")
        return Answer(answer.status, headers, self._body(answer, method))

    def _body(self, answer: Answer, method: bytes) -> bytes:
        lengths, codings = answer.all("content-length"), answer.all("transfer-encoding")
        if len(lengths) + len(codings) > 1:
            raise Unsound(f"it is framed more than once: {answer.headers}")
        if answer.status < 200 or answer.status == 204:
            if lengths or codings:
                raise Unsound(f"{answer.status} is framed: {answer.headers}")
            return b""
        if method == b"HEAD" or answer.status == 304:
            return b""
        if codings:
            if codings != ["chunked"]:
                raise Unsound(f"the coding {codings}")
            return self._chunks()
        if not lengths:
            raise Unsound(f"nothing says where it ends: {answer.headers}")
        return self._exactly(int(lengths[0]))

    def _chunks(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self._received:
                self._must_more()
            size, _, self._received = self._received.partition(b"\r\n")
            chunk = self._exactly(int(size, 16))
            if self._exactly(2) != b"\r\n":
                raise Unsound("a chunk that goes on behind its end")
            if not chunk:
                return body
            body += chunk

    def _exactly(self, length: int) -> bytes:
        while len(self._received) < length:
            self._must_more()
        data, self._received = self._received[:length], self._received[length:]
        return data

    def _must_more(self) -> None:
        if not self._more():
            raise Unsound(f"a body that ends in {self._received[-80:]!r}")

    def _more(self) -> bool:
        try:
            data = self._socket.recv(1 << 20)
        except ConnectionResetError:
            return False
        self._received += data
        return bool(data)

    def raw(self) -> bytes:
        """The next bytes that come, as they come; none where the connection was closed."""
        if not self._received:
            self._more()
        data, self._received = self._received, b""
        return data

    def send_raw(self, data: bytes) -> None:
        """Send as it is; nothing where the server has closed already."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)
