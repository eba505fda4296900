"""A request that leaves a line in the access log: the combined format, with the milliseconds behind it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.web.http import datetimeToLogString

from toru.http.server.exchange import Exchange
from toru.http.server.fields import Fields
from toru.http.server.head import Head
from toru.http.server.receiver import Receiver
from toru.http.server.rendering import BODILESS

if TYPE_CHECKING:
    from toru.http.server.connection import Connection

# Bytes that are kept of a target, and of a header.
_MOST = 1024
# What would end a field or its line early, and what not each tool reads.
_UNSAFE = re.compile(rb"[^ !#-\[\]-~]")
# As nginx calls it: no answer was begun when the client went.
_GONE = 499


class Lines(Protocol):
    """Where the lines go."""

    @property
    def clock(self) -> IReactorTime: ...

    def add(self, line: bytes, /) -> None:
        """Take a line, with its newline."""


class Logged(Exchange):
    """Tells the access log when it is over."""

    __slots__ = ("_log", "_sent", "_since", "_status")

    def __init__(self, connection: Connection, head: Head, *, closes: bool) -> None:
        super().__init__(connection, head, closes=closes)
        assert connection.site.access_log is not None
        self._log = connection.site.access_log
        self._since = self._log.clock.seconds()
        self._status = _GONE
        # Bytes of the answer's body; None: not known.
        self._sent: int | None = 0

    def answer_lines(self, status: int, lines: bytes, body: bytes, length: int | None = None) -> None:
        self._status = status
        if status not in BODILESS and self.head.method != "HEAD":
            self._sent = len(body)
        super().answer_lines(status, lines, body, length)

    def begin_lines(self, status: int, lines: bytes, length: int | None) -> None:
        self._status = status
        super().begin_lines(status, lines, length)

    def write(self, data: bytes) -> None:
        if self.has_body and not self.over and self._sent is not None:
            self._sent += len(data)
        super().write(data)

    def raw(self, data: bytes) -> None:
        if self._chunked:
            self._sent = None
        elif not self.over and self._sent is not None:
            self._sent += len(data)
        super().raw(data)

    def switch(self, lines: bytes, receiver: Receiver) -> None:
        # What follows is no answer any more, and may last for days.
        self._status, self._sent = 101, None
        self._note()
        super().switch(lines, receiver)

    def finished(self) -> None:
        self._note()
        super().finished()

    def break_off(self) -> None:
        self._note()
        super().break_off()

    def gone(self) -> None:
        self._note()
        super().gone()

    def _note(self) -> None:
        if self.over:
            return
        head, log, connection = self.head, self._log, self.connection
        now = log.clock.seconds()
        # Without a proxy to believe there is nothing to work out.
        address = self.front.address if connection.site.trusted_proxies else connection.address
        log.add(
            b'%s - %s %s "%s" %d %s %s %.3f\n'
            % (
                _word(address),
                _word("" if self.principal is None else self.principal.name),
                _moment(int(now)),
                _request(head),
                self._status,
                b"-" if self._sent is None else b"%d" % self._sent,
                head.fields.once(_told),
                max(0.0, now - self._since) * 1000,
            )
        )


def _request(head: Head) -> bytes:
    if not head.fields.lines and head.announced is None and head.version == "1.1":
        # It has no Host even: what came was no request, or none as a whole.
        return b"-"
    target = _escaped(head.target)
    return b"%s %s HTTP/%s" % (head.method.encode("ascii"), target, head.version.encode("ascii"))


def _told(fields: Fields) -> bytes:
    """What a client says of itself, and of where it found us. Nothing else of a head is logged."""
    referer, agent = fields.first(b"referer"), fields.first(b"user-agent")
    return b'"%s" "%s"' % (_escaped(referer or b"-"), _escaped(agent or b"-"))


def _escaped(value: bytes) -> bytes:
    return _UNSAFE.sub(lambda match: b"\\x%02x" % ord(match[0]), value[:_MOST])


@lru_cache(maxsize=1024)
def _word(value: str) -> bytes:
    """An address or a name: the few of those that come again and again."""
    return _escaped(value.encode("utf-8")).replace(b" ", b"\\x20") or b"-"


@lru_cache(maxsize=2)
def _moment(second: int) -> bytes:
    made: str = datetimeToLogString(second)
    return made.encode("ascii")
