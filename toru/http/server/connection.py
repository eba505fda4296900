"""One connection of a client: bytes in, requests one after another, answers out in their order."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections import deque
from socket import SO_ERROR, SOL_SOCKET, socket
from typing import TYPE_CHECKING, NoReturn

from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IPushProducer,
    ISSLTransport,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Server
from twisted.python.failure import Failure
from zope.interface import implementer

from toru.errors import BadRequest, RequestTimeout, ToruError
from toru.http.gate import is_still_in, signed_out
from toru.http.server.exchange import Exchange
from toru.http.server.fields import Fields
from toru.http.server.head import Head
from toru.http.server.reader import Reader
from toru.http.server.receiver import Receiver
from toru.http.server.rendering import CONTINUE
from toru.sending import close_below, say_no_more, send_now, take_unsent, unsent

if TYPE_CHECKING:
    from toru.http.server.serving import Serving

# Seconds that a head may take, a body without a new byte of it, a connection between two requests, and a client that
# was refused and sends on: a socket that is closed with bytes unread resets the connection, and nobody sees why.
HEAD_SECONDS = 10
BODY_SECONDS = 30
IDLE_SECONDS = 75
LINGER_SECONDS = 2
# So long a client may take nothing of what waits for it, be it an answer or the last of one.
STUCK_SECONDS = 75
# After so long without a word to it, a client that says no more and has its answer in part is taken to have gone: only
# a word would tell, and there may be none for hours.
SILENT_SECONDS = 5
_NEVER = 0


# What reading waits for: requests that came before, whoever takes the body, the answer to a request to upgrade, and a
# client that takes what was answered.
BEHIND, TAKER, UPGRADE, CHOKED = 1, 2, 4, 8


@implementer(IPushProducer, IHalfCloseableProtocol)
class Connection(Protocol):
    """One request is in hand at a time; those behind it wait, and while they do nothing is read."""

    # Typed by what it does here; over TLS it is another.
    transport: Server

    def __init__(self, site: Serving) -> None:
        self.site = site
        self.address = ""
        self.scheme = "http"
        # A request came on it before; what was written waits in memory for its client; a request is in hand, or its answer
        # has not left, that the end of the core waits for.
        self.used = self.choked = self.holds_up = False
        # All that has come, while its first request is the one in question: with that somebody else can begin anew.
        self.first = b""
        self._reader: Reader | None = Reader(self)
        self._exchanges: deque[Exchange] = deque()
        self._arriving: Exchange | None = None
        self._receiver: Receiver | None = None
        self._feeding = self._turning = False
        self._held = 0
        # What came behind a request to upgrade.
        self._rest = b""
        self._closing = self._lost = self._plain = self._half_closed = False
        # How many of the site's ticks something is waited for, and since when.
        self._since, self._patience = site.ticks, IDLE_SECONDS
        # What its client had still to take when it was last looked for, and since when it is as much.
        self._unsent, self._stuck_since = 0, site.ticks

    @property
    def _in_head(self) -> bool:
        return self._reader is not None and self._reader.in_head

    @property
    def idle_since(self) -> int | None:
        """The site's tick since when nothing of a request has come, all before is answered, and nobody else has it."""
        busy = self._exchanges or self._closing or self._in_head or self._receiver
        return None if busy else self._since

    def connectionMade(self) -> None:
        if ISSLTransport.providedBy(self.transport):
            self.scheme = "https"
        self._plain = isinstance(self.transport, Server)
        if ITCPTransport.providedBy(self.transport):
            # An answer in two writes would otherwise wait for the client's system to confirm the first, 40 ms say.
            self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        self.site.opened(self)

    # -- reading

    def dataReceived(self, data: bytes) -> None:
        reader = self._reader
        if reader is None:
            if self._receiver is not None:
                self._receiver.received(data)
            elif self._held & UPGRADE:
                self._rest += data  # TLS gives what it has even when it was told to wait
            return  # else it was refused and sends on, or there is nobody to hear it
        if not self._exchanges:
            body = reader.again(data)
            if body is not None:
                self.headed(reader.head, closes=False, body=body)
                return
        if not self.used and self._plain and not self._in_head:
            self.first = data
        rest = self._read(reader, data)
        while rest and self._reader is not None:
            rest = self._read(self._reader, rest)
        self.first = b""

    def _read(self, reader: Reader, data: bytes) -> bytes:
        """Returns what is to be read on behind a request to upgrade that was answered as any other."""
        self._feeding = True
        try:
            rest = reader.feed(data)
        except ToruError as error:
            # Not so where it is about what came behind the last request that we take.
            if self._reader is not None:
                self._fail(error)
        else:
            if rest is not None and self._reader is not None:
                # Read on only once it is known whether this is a new protocol or the next request.
                self._rest = rest
                self._reader = None
                self.hold(UPGRADE)
        finally:
            self._feeding = False
        if self._held & UPGRADE and not self._exchanges:
            return self._reopened()
        if self._exchanges:
            self._exchanges[0].settle()
            if len(self._exchanges) > 1:
                self.hold(BEHIND)
        elif self._in_head and self._patience != HEAD_SECONDS:
            self._wait(HEAD_SECONDS)
        return b""

    def headed(self, head: Head, *, closes: bool, body: bytes | None = None) -> None:
        """A head has come; where `body` is given, which may be empty, all of a request."""
        if self._reader is None:
            _stop_reading()
        if not self.used:
            # Only now: behind a proxy that speaks the PROXY protocol, Twisted's wrapper knows it from what came first.
            self._learn_address()
        else:
            self.first = b""
        exchange = self.site.make_exchange(self, head, closes=closes)
        self._exchanges.append(exchange)
        if body is None:
            self._arriving = exchange
            self._wait(BODY_SECONDS)
        else:
            if body:
                exchange.part(body)
            exchange.arrived = True
            self._patience = _NEVER
        self._turn()

    def part(self, body: bytes) -> None:
        """A piece of its body."""
        if self._arriving is None:
            _stop_reading()
        self._since = self.site.ticks
        self._arriving.part(body)

    def ended(self) -> None:
        """All of it has come."""
        exchange, self._arriving = self._arriving, None
        if exchange is None:
            _stop_reading()
        self._patience = _NEVER
        if exchange.closes:
            self._reader = None
        exchange.whole()

    def _fail(self, error: ToruError) -> None:
        """What comes in cannot be told apart any more: answer what came before, say so, and close."""
        self._reader = None
        exchange = self._arriving
        if exchange is None:
            exchange = self.site.make_exchange(self, Head(b"GET", b"/", "1.1", Fields([])), closes=True)
            exchange.arrived = True
            self._exchanges.append(exchange)
        self._arriving = None
        exchange.fail(error)
        self._turn()

    def go_on(self, unsent: bytes, data: bytes) -> None:
        """Begin with a client that somebody else had (`leave`): what is still to be written to it, and what has come."""
        self.used = True
        self._learn_address()
        if unsent:
            self.transport.write(unsent)
        self.dataReceived(data)

    def _learn_address(self) -> None:
        self.address = getattr(self.transport.getPeer(), "host", "") or ""

    def deafen(self) -> None:
        """Take nothing of what comes in any more."""
        self._reader = None

    # -- one after another

    def _turn(self) -> None:
        """Let the first request that waits be handled, and the next where that is over at once."""
        if self._turning:
            return
        self._turning = self.used = True
        while self._exchanges and not self._exchanges[0].handled:
            if self.choked:
                # Who takes no answers would else have us keep all that it asks for.
                self.hold(CHOKED)
                break
            exchange = self._exchanges[0]
            # Whoever keeps asking does not hold up the end.
            self.holds_up = not self.site.stopping
            exchange.handle()
            if not self._feeding:
                exchange.settle()
        self._turning = False

    def done(self, exchange: Exchange) -> None:
        """The answer to the request in hand is written as a whole."""
        if self._closing or self._lost:
            return
        self._exchanges.popleft()
        # Whoever took it may have been paused by a plugin that never read on.
        self.release(TAKER)
        if exchange.closes or not exchange.arrived or self.site.stopping:
            self.close(linger=not exchange.arrived and not exchange.head.expects)
            return
        if self._held & UPGRADE and not self._exchanges and not self._feeding:
            self._go_on()
        elif self._exchanges:
            self._turn()
        if self._closing:
            return
        if self._held and len(self._exchanges) <= 1:
            self.release(BEHIND)
        if not self._exchanges:
            self._since, self._patience = self.site.ticks, HEAD_SECONDS if self._in_head else IDLE_SECONDS
            self.holds_up = False

    def _reopened(self) -> bytes:
        """What came behind a request to upgrade: it is for who took it, and where nobody did the next request."""
        if self._receiver is None:
            self._reader = Reader(self)
        rest, self._rest = self._rest, b""
        self.release(UPGRADE)
        return rest

    def _go_on(self) -> None:
        rest = self._reopened()
        if rest:
            self.dataReceived(rest)

    def switch(self, receiver: Receiver) -> None:
        """All is the receiver's from now on; it says `close`. What was kept of requests is dropped: that may be long."""
        self._receiver = receiver
        self._reader = None
        self._exchanges.clear()
        self._go_on()

    def hold(self, reason: int) -> None:
        """Read nothing until that is over."""
        if not self._held and not self._lost:
            self.transport.pauseProducing()
        self._held |= reason

    def release(self, reason: int) -> None:
        """Read on, unless there is another reason not to."""
        if self._held == reason and not self._lost and not self._closing:
            self._since = self.site.ticks
            self.transport.resumeProducing()
        self._held &= ~reason

    # -- writing

    def write(self, data: bytes) -> None:
        """Write, however much the client has still to read."""
        if self._lost:
            return
        if self._half_closed:
            self._since = self.site.ticks
        if len(self._exchanges) == 1:
            send_now(self.transport, data)
        else:
            self.transport.write(data)

    def pauseProducing(self) -> None:
        self.choked = True
        producer = self._exchanges[0].producer if self._exchanges else self._receiver
        if producer is not None:
            producer.pauseProducing()

    def resumeProducing(self) -> None:
        self.choked = False
        producer = self._exchanges[0].producer if self._exchanges else self._receiver
        if producer is not None:
            producer.resumeProducing()
        if self._held & CHOKED:
            self.release(CHOKED)
            self._turn()

    def stopProducing(self) -> None:
        """Nothing: whoever writes is told when the connection is lost."""

    # -- the end

    def stop(self) -> None:
        """The core stops: what is idle is closed. On a new one a request may be on its way, which is told so."""
        if self._receiver is not None:
            self._receiver.stop()
        elif self.used and self.idle_since is not None:
            self.close()

    def close(self, *, linger: bool = False) -> None:
        """Close once what is written has left; `linger`: what still comes in is dropped for a while."""
        if self._closing or self._lost:
            return
        self._closing = True
        self._reader = self._receiver = self._arriving = None
        self._exchanges.clear()
        # TLS waits for the client's own goodbye, which may never come.
        self._stuck_since = self.site.ticks
        # As a producer that is paused it would keep the transport from ending.
        self.transport.unregisterProducer()
        if linger:
            if self._held:
                self.transport.resumeProducing()
            self._held = 0
            self._wait(LINGER_SECONDS)
            say_no_more(self.transport)
        else:
            self._patience = _NEVER
            self.transport.loseConnection()

    def leave(self) -> tuple[socket, bytes]:
        """Somebody else goes on with the client: with this socket, to which these bytes are still to be written.

        No request may be in hand but one that is begun anew there.
        """
        transport = self.transport
        for exchange in self._exchanges:
            exchange.over = True
        self._exchanges.clear()
        self._reader = self._arriving = None
        self._lost = True
        self.holds_up = False
        transport.unregisterProducer()
        transport.stopReading()
        transport.stopWriting()
        self.site.lost(self)
        return transport.socket, take_unsent(transport)

    def abort(self) -> None:
        """Close now, whatever the client has still to read."""
        if not self._lost:
            self.transport.abortConnection()

    def readConnectionLost(self) -> None:
        """The client says no more. It may still be there and wait for its answers, or have gone altogether."""
        self._reader = None
        self._half_closed = True
        self._since = self.site.ticks
        if self._arriving is not None:
            # RFC 9112, 8: nobody answers what was not whole.
            arriving, self._arriving = self._arriving, None
            self._exchanges.remove(arriving)
            arriving.gone()
        if not self._exchanges:
            (self.close if self._receiver is None else self.abort)()
            return
        self._exchanges[-1].closes = True
        first = self._exchanges[0]
        if not first.begun and first.head.version == "1.1":
            # Whoever waits takes it for what it is (RFC 9110, 15.2), and the system of who has gone resets the connection.
            self.transport.write(CONTINUE)

    def writeConnectionLost(self) -> None:
        """Nothing: only who lingers is told so."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._lost:
            return  # it was left to somebody else
        self._lost = True
        self.holds_up = False
        self._reader = None
        exchanges, self._exchanges = self._exchanges, deque()
        for exchange in exchanges:
            exchange.gone()
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.gone()
        self.site.lost(self)

    # -- patience

    def _wait(self, seconds: int) -> None:
        self._since, self._patience = self.site.ticks, seconds

    def look(self) -> None:
        """A tick of the site: see whether what is waited for has come in time."""
        if self._receiver is not None:
            self._receiver.look()
        elif self._exchanges:
            self._look_at(self._exchanges[0])
        if self._half_closed and self._has_gone():
            self.abort()
            return
        if (self.choked or self._closing) and self._is_stuck():
            self.abort()
            return
        if not self._patience or self.site.ticks - self._since <= self._patience:
            return
        if self._closing:
            self._patience = _NEVER
            close_below(self.transport)
        elif self._arriving is not None:
            taker = self._arriving.taker
            if not self._held and not (taker is not None and taker.patient):
                self._fail(RequestTimeout(f"Nothing of the body came for {BODY_SECONDS} s."))
                self._settle_first()
        elif self._in_head:
            self._fail(RequestTimeout(f"The head was not whole after {HEAD_SECONDS} s."))
            self._settle_first()
        else:
            self.close()

    def _look_at(self, exchange: Exchange) -> None:
        """See whether who sent what is in hand is still signed in. What is here as a whole was let in, and is answered."""
        if exchange.watched:
            return
        if (exchange.begun or not exchange.arrived) and not is_still_in(exchange):
            if exchange is self._arriving:
                self._fail(signed_out())
                self._settle_first()
            else:
                exchange.fail(signed_out())

    def _has_gone(self) -> bool:
        if self._plain and self.transport.socket.getsockopt(SOL_SOCKET, SO_ERROR):
            return True
        silent = self.site.ticks - self._since > SILENT_SECONDS and not self.choked
        return silent and bool(self._exchanges) and self._exchanges[0].begun

    def _is_stuck(self) -> bool:
        before, self._unsent = self._unsent, unsent(self.transport)
        if self._unsent != before or not (self._unsent or self._closing):
            self._stuck_since = self.site.ticks
        return self.site.ticks - self._stuck_since > STUCK_SECONDS

    def _settle_first(self) -> None:
        if self._exchanges:
            self._exchanges[0].settle()


def _stop_reading() -> NoReturn:
    """The connection was closed, or is with its last request: only so llhttp reads no further in what it was given."""
    raise BadRequest("Nothing is taken behind the last request of a connection.")
