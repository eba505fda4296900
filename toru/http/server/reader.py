"""Bytes of a connection in; heads, pieces of bodies and ends of requests out."""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from toru.errors import BadRequest
from toru.http.server.fields import Fields, Lines
from toru.http.server.head import MAX_FIELDS, MAX_HEAD_BYTES, Head, too_large

# Of a head that is remembered, for the next one may be the same: somebody who looks again and again.
MAX_REPEATED_BYTES = 4096
# Targets in which no two parsers see different things (RFC 3986, 3.3 and 3.4).
_PLAIN = re.compile(rb"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
_END_OF_HEAD = b"\r\n\r\n"
_ANNOUNCED = b"\r\ncontent-length:"
# Of what is announced; a body that comes with its head is far shorter.
_MOST_DIGITS = 9


class _Shape(NamedTuple):
    """A head around its target and what it announces; `behind` is None where it announces nothing."""

    before: bytes
    between: bytes
    behind: bytes | None


class Listener(Protocol):
    """What a reader tells, in the order of the bytes."""

    def headed(self, head: Head, *, closes: bool) -> None:
        """A head is whole. `closes`: its client wants the connection closed behind the answer."""

    def part(self, body: bytes) -> None:
        """A piece of the body of that request."""

    def ended(self) -> None:
        """That request is whole."""


class Reader:
    """Reads with llhttp.

    A client that sends the same head again gets the same `Head`, on which what follows from it is kept. A request that
    comes by itself and as a whole, behind one that did so too, is not read where the two differ in their targets, in
    their bodies and the lengths of these, and in nothing else (`again`).
    """

    def __init__(self, listener: Listener) -> None:
        self.head = Head(b"GET", b"/", "1.1", Fields([]))
        # A head has begun, and is not whole.
        self.in_head = False
        self._listener = listener
        self._parser = HttpRequestParser(self)
        self._url = b""
        self._lines: Lines = []
        self._announced: bytes | None = None
        # The last request, where it came by itself and as a whole: all of it where it had no body, and the shape of its
        # head.
        self._repeated: bytes | None = None
        self._shape: _Shape | None = None
        # Bytes since the last head was whole, or since a body's last piece.
        self._unseen = 0
        # Heads in what is being read.
        self._heads = 0
        # Nothing of a request has come since the last was whole; and that had more than a head.
        self._between = True
        self._has_body = False

    def feed(self, data: bytes) -> bytes | None:
        """Read on. Returns what stands behind a request to upgrade, where there is one: nothing more can be fed.

        Raises BadRequest or HeadTooLarge; what follows cannot be told apart.
        """
        between = self._between
        self._repeated = self._shape = None
        self._heads = 0
        self._unseen += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            return data[upgrade.args[0] :]
        except HttpParserError:
            raise BadRequest("This is no request of HTTP/1.1 with a method that is registered.") from None
        if self._unseen > MAX_HEAD_BYTES:
            raise too_large()
        if between and self._between and self._heads == 1:
            self._remember(data)
        return None

    def _remember(self, data: bytes) -> None:
        """Keep of that request what the next one may have in common with it."""
        announced = self.head.announced
        target = data.find(self._url)
        behind = target + len(self._url)
        if announced is None:
            if not self._has_body and len(data) <= MAX_REPEATED_BYTES:
                self._repeated, self._shape = data, _Shape(data[:target], data[behind:], None)
            return
        end = data.find(_END_OF_HEAD, behind) + len(_END_OF_HEAD)
        # In a head that is longer, the number may have more digits than Python reads. Empty lines behind a body are passed
        # over, and would be taken for a part of it.
        if end <= MAX_REPEATED_BYTES and len(data) - end == int(announced):
            head = data[:end]
            # Between the colon and the value there may be spaces, and nothing else.
            value = head.find(announced, head.lower().find(_ANNOUNCED, behind) + len(_ANNOUNCED))
            self._shape = _Shape(data[:target], data[behind:value], head[value + len(announced) :])

    def again(self, data: bytes) -> bytes | None:
        """The body of a request that needs no reading, with `head` for its head; None where it has to be read."""
        if data == self._repeated:
            return b""
        shape = self._shape
        if shape is None or not data.startswith(shape.before):
            return None
        # What is looked for and not found is at -1, behind which no such thing as is expected there has room.
        at = len(shape.before)
        end = data.find(b" ", at)
        target = data[at:end]
        if target != self._url and not _PLAIN.fullmatch(target):
            return None
        if not data.startswith(shape.between, end):
            return None
        at = end + len(shape.between)
        announced = body = b""
        if shape.behind is None:
            if len(data) != at or at > MAX_REPEATED_BYTES:
                return None
            self._repeated = data
        else:
            end = data.find(b"\r", at)
            announced = data[at:end]
            if not announced.isdigit() or len(announced) > _MOST_DIGITS:
                return None
            if not data.startswith(shape.behind, end):
                return None
            end += len(shape.behind)
            if len(data) - end != int(announced) or end > MAX_REPEATED_BYTES:
                return None
            body = data[end:]
        head = self.head
        if target != self._url:
            self._url = target
            self.head = Head(head.method.encode(), target, head.version, head.fields, announced or None)
        elif announced and announced != head.announced:
            self.head = head.announcing(announced)
        return body

    # -- what llhttp tells

    def on_message_begin(self) -> None:
        self.in_head = True
        self._between = self._has_body = False
        self._url = b""
        self._lines = []
        self._announced = None

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        # Those behind a chunked body are no part of the head: they are dropped.
        if not self.in_head:
            return
        name, value = name.lower(), value.rstrip(b" \t")
        if name == b"content-length":
            self._announced = value  # llhttp takes one at most
        elif len(self._lines) <= MAX_FIELDS:
            self._lines.append((name, value))

    def on_headers_complete(self) -> None:
        self.in_head = False
        self._unseen = 0
        self._heads += 1
        parser, head = self._parser, self.head
        method, version, upgrades = parser.get_method(), parser.get_http_version(), parser.should_upgrade()
        announced = self._announced
        same = self._lines == head.fields.lines
        if not (same and head.has(method, self._url, version, announced, upgrades=upgrades)):
            fields = head.fields if same else Fields(self._lines)
            head = self.head = Head(method, self._url, version, fields, announced, upgrades=upgrades)
        # Of HTTP/1.0 nobody can tell what a proxy on the way makes of keeping a connection (RFC 9112, 9.3).
        self._listener.headed(head, closes=version != "1.1" or not parser.should_keep_alive())

    def on_body(self, body: bytes) -> None:
        self._unseen = 0
        self._has_body = True
        self._listener.part(body)

    def on_message_complete(self) -> None:
        self._unseen = 0
        self._between = True
        self._listener.ended()
