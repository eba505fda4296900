"""One request of a connection and its answer, from the head to the last byte of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure

from toru.errors import ToruError
from toru.http.front import Front, seen_from_outside
from toru.http.messages import Outgoing
from toru.http.problems import unexpected
from toru.http.server.head import Head
from toru.http.server.receiver import Receiver
from toru.http.server.rendering import BODILESS, CONTINUE, LAST_CHUNK, as_lines, chunk, start
from toru.model import Principal

if TYPE_CHECKING:
    from toru.http.server.connection import Connection


_CLOSE = b"connection: close\r\n\r\n"


class Taker(Protocol):
    """Who gets what comes in of a request that was let in. `patient`: who waits for a body itself, however long."""

    @property
    def patient(self) -> bool: ...

    def part(self, data: bytes) -> None:
        """A piece of the body."""

    def end(self) -> None:
        """The body is whole."""

    def refused(self, status: int) -> None:
        """The client is told that, in place of any answer: what came of the request is of no use."""

    def gone(self) -> None:
        """The client has gone before its answer was whole. Nothing is said to it any more."""


class Exchange:
    """A request, and the one place where its answer is said.

    `principal` and `session` are who sends it, as far as that is known. An answer is given whole (`answer`) or in
    pieces (`begin`, `write`, `end`); `raw` is for who frames it.
    """

    __slots__ = (
        "_chunked",
        "_parts",
        "_refusal",
        "_unframed",
        "arrived",
        "begun",
        "closes",
        "connection",
        "handled",
        "has_body",
        "head",
        "over",
        "principal",
        "producer",
        "session",
        "taker",
        "watched",
    )

    def __init__(self, connection: Connection, head: Head, *, closes: bool) -> None:
        """`closes`: the client asked that the connection be closed behind this answer."""
        self.connection = connection
        self.head = head
        self.closes = closes
        self.principal: Principal | None = None
        self.session: bytes | None = None
        self.taker: Taker | None = None
        # Who writes an answer in pieces and wants to know when to wait.
        self.producer: IPushProducer | None = None
        # Whoever writes the answer sees to it that its client is still let in.
        self.watched = False
        # The request is here as a whole; the answer has begun; it is over.
        self.arrived = self.begun = self.over = False
        # Of an answer in pieces: whether it has more than a head.
        self.has_body = False
        # And how its end is known: by its chunks, or by nothing but the connection's.
        self._chunked = self._unframed = False
        self.handled = False
        self._parts: list[bytes] = []
        self._refusal: Outgoing | None = None

    @property
    def front(self) -> Front:
        """How it came in, also through proxies that are trusted."""
        return seen_from_outside(self.seen, self.head.fields.lines, self.connection.site.trusted_proxies)

    @property
    def seen(self) -> Front:
        """How it came in, as the connection itself says."""
        connection, head = self.connection, self.head
        host = head.authority if head.authority is not None else head.fields.first(b"host") or b""
        return Front(connection.address, connection.scheme, host.decode("iso-8859-1"))

    # -- the request

    def handle(self) -> None:
        """Its turn has come: let somebody take it, and hand over what is there of it."""
        self.handled = True
        try:
            if self._refusal is None:
                if not self.head.checked:
                    self._check()
                self.taker = self.connection.site.take(self)
        except ToruError as error:
            self.refuse(error)
        except Exception:
            self._refuse(unexpected(Failure()))
        parts = self._parts
        if parts:
            self._parts = []
            for part in parts:
                self.part(part)
        if self.arrived:
            self.whole()
        elif self.head.expects and not parts and self._refusal is None and not self.begun:
            self.connection.write(CONTINUE)

    def _check(self) -> None:
        try:
            self.head.check()
        except ToruError:
            # Whoever made this may have meant something else by what follows.
            self.closes = True
            self.connection.deafen()
            raise

    def attempt(self, step: Callable[..., None], *arguments: object) -> None:
        """Do what a fault of ours may happen in: it costs this request, and nobody else anything."""
        try:
            step(*arguments)
        except ToruError as error:
            self.refuse(error)
        except Exception:
            # It must not end the parser either, or a plugin's link.
            self._refuse(unexpected(Failure()))
        else:
            return
        if self.begun:
            self.break_off()
        elif self.arrived:
            self.settle()

    def refuse(self, error: ToruError) -> None:
        """Answer so as soon as what there is to read is read, and take nothing in any more."""
        self._refuse(self.connection.site.refusal(self, error))

    def _refuse(self, outgoing: Outgoing) -> None:
        self._refusal = outgoing
        if self.taker is not None:
            self.taker.refused(outgoing.status)

    def part(self, data: bytes) -> None:
        """The next piece of the body has come."""
        if self._refusal is not None or self.over:
            return
        if self.taker is not None:
            self.taker.part(data)
        else:
            self._parts.append(data)

    def whole(self) -> None:
        """The request has come to its end."""
        self.arrived = True
        if self.handled and not self.over:
            if self._refusal is not None:
                self.answer(self._refusal)
            elif self.taker is not None:
                self.attempt(self.taker.end)

    def fail(self, error: ToruError) -> None:
        """What should have followed cannot be read: whoever took it is told, and the client where it can be."""
        self.closes = True
        taker, self.taker = self.taker, None
        if self._refusal is not None:
            return  # it is refused already, and whoever took it knows
        if taker is not None:
            taker.gone()
        if self.begun:
            self.break_off()
        else:
            self.refuse(error)

    def settle(self) -> None:
        """What there was to read is read: a refused request whose body is still to come is answered without it."""
        if self._refusal is not None and self.handled and not self.over:
            self.answer(self._refusal)

    def gone(self) -> None:
        """The client has gone."""
        if not self.over:
            self.over = True
            taker, self.taker = self.taker, None
            if taker is not None:
                taker.gone()

    # -- the answer

    def answer(self, outgoing: Outgoing) -> None:
        """Give the whole answer."""
        self.answer_lines(outgoing.status, as_lines(outgoing.headers), outgoing.body)

    def answer_lines(self, status: int, lines: bytes, body: bytes, length: int | None = None) -> None:
        """Give the whole answer, with headers that are lines already. `length`: what the body of an answer to HEAD
        would have had, where it is known and the body is not there.
        """
        if status in BODILESS:
            framing = body = b""
        elif self.head.method == "HEAD":
            length = len(body) if body else length
            framing, body = b"" if length is None else b"content-length: %d\r\n" % length, b""
        else:
            framing = b"content-length: %d\r\n" % len(body)
        if not self.arrived:
            # A body that is still to come, and that nobody will read, ends the connection.
            self.closes = True
        self.begun = True
        connection = self.connection
        connection.write(
            b"%s%s%s%s%s" % (start(status, connection.site.second), lines, framing, self._last_line(), body)
        )
        self.finished()

    def begin(self, status: int, headers: list[tuple[bytes, bytes]], length: int | None = None) -> None:
        """Begin an answer in pieces. `length`: of its body, where it is known."""
        self.begin_lines(status, as_lines(headers), length)

    def begin_lines(self, status: int, lines: bytes, length: int | None) -> None:
        """As `begin`, with headers that are lines already."""
        framing = b""
        self.has_body = status not in BODILESS and self.head.method != "HEAD"
        if status not in BODILESS and length is not None:
            framing = b"content-length: %d\r\n" % length
        elif self.has_body:
            if self.head.version == "1.1":
                self._chunked, framing = True, b"transfer-encoding: chunked\r\n"
            else:
                self.closes = self._unframed = True
        self.begun = True
        head = start(status, self.connection.site.second)
        self.connection.write(b"%s%s%s%s" % (head, lines, framing, self._last_line()))

    def write(self, data: bytes) -> None:
        """A piece of the body; nothing where the client has gone."""
        if not self.over and data and self.has_body:
            self.connection.write(chunk(data) if self._chunked else data)

    def end(self) -> None:
        """The answer in pieces is whole."""
        if not self.over:
            if self._chunked:
                self.connection.write(LAST_CHUNK)
            self.finished()

    def raw(self, data: bytes) -> None:
        """Bytes of an answer that somebody else frames."""
        if not self.over:
            self.begun = True
            self.connection.write(data)

    def switch(self, lines: bytes, receiver: Receiver) -> None:
        """Answer 101, and leave the connection to somebody else."""
        self.begun = self.over = True
        self.taker = None
        connection = self.connection
        connection.write(b"%s%s\r\n" % (start(101, connection.site.second), lines))
        connection.switch(receiver)

    def finished(self) -> None:
        """The last byte of the answer is written."""
        self.over = True
        # They know each other: without this only the collector of garbage would find them.
        self.producer = self.taker = None
        self.connection.done(self)

    def break_off(self) -> None:
        """What was said is not the whole answer, and the client has to see that: its connection is closed."""
        if not self.over:
            self.over = True
            self.producer = self.taker = None
            (self.connection.abort if self._unframed else self.connection.close)()

    def _last_line(self) -> bytes:
        if self.connection.site.stopping:
            self.closes = True
        return _CLOSE if self.closes else b"\r\n"
