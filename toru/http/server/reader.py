"""Bytes of a connection in; heads, pieces of bodies and ends of requests out."""

from __future__ import annotations

import re
from typing import Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from toru.errors import BadRequest
from toru.http.server.fields import Fields, Lines
from toru.http.server.head import MAX_FIELDS, MAX_HEAD_BYTES, Head, too_large

# Of a request that is remembered, for the next one may be the same: somebody who looks again and again.
MAX_REPEATED_BYTES = 4096
# Targets in which no two parsers see different things (RFC 3986, 3.3 and 3.4).
_PLAIN = re.compile(rb"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")


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

    A client that sends the same head again gets the same `Head`, on which what follows from it is kept. `repeated` are the
    bytes of `head` where nothing else was sent with it: between two requests they mean the same again, unread; and so
    do they with another target (`resembles`).
    """

    def __init__(self, listener: Listener) -> None:
        self.head = Head(b"GET", b"/", "1.1", Fields([]))
        self.repeated: bytes | None = None
        # What of these stands before the target, and behind it.
        self._before = self._behind = b""
        # A head has begun, and is not whole.
        self.in_head = False
        self._listener = listener
        self._parser = HttpRequestParser(self)
        self._url = b""
        self._lines: Lines = []
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
        self.repeated = None
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
        one = between and self._between and self._heads == 1
        if one and not self._has_body and len(data) <= MAX_REPEATED_BYTES:
            self.repeated = data
            self._before, _, self._behind = data.partition(self._url)
        return None

    def resembles(self, data: bytes) -> bool:
        """Whether it differs from `repeated` by its target alone, between two requests; then it is read, and `head`."""
        if self.repeated is None or len(data) > MAX_REPEATED_BYTES:
            return False
        before, behind = self._before, self._behind
        if not (data.startswith(before) and data.endswith(behind)):
            return False
        target = data[len(before) : -len(behind)]
        if not _PLAIN.fullmatch(target):
            return False
        head = self.head
        self.head = Head(head.method.encode(), target, head.version, head.fields)
        self.repeated = data
        return True

    # -- what llhttp tells

    def on_message_begin(self) -> None:
        self.in_head = True
        self._between = self._has_body = False
        self._url = b""
        self._lines = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        # Those behind a chunked body are no part of the head: they are dropped.
        if self.in_head and len(self._lines) <= MAX_FIELDS:
            self._lines.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.in_head = False
        self._unseen = 0
        self._heads += 1
        parser, head = self._parser, self.head
        method, version, upgrades = parser.get_method(), parser.get_http_version(), parser.should_upgrade()
        same = self._lines == head.fields.lines
        if not same or not head.has(method, self._url, version, upgrades=upgrades):
            fields = head.fields if same else Fields(self._lines)
            head = self.head = Head(method, self._url, version, fields, upgrades=upgrades)
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
