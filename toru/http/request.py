"""A request on its way to Klein: what came in on a connection of ours, as twisted.web knows requests."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IPushProducer
from twisted.internet.tcp import Server
from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.http_headers import Headers

from toru.http.codings import compressed
from toru.http.front import Front
from toru.http.messages import Outgoing
from toru.http.problems import unexpected
from toru.http.server.exchange import Exchange
from toru.http.server.rendering import BODILESS, REASONS, SERVER
from toru.http.server.whole import Whole
from toru.model import Principal


class Visit(Whole):
    """Waits for the body of a request that is Klein's to answer."""

    __slots__ = ("_path", "_request", "_segments")

    def __init__(self, exchange: Exchange, limit: int, path: str, segments: list[bytes]) -> None:
        """`path` is decoded, without its query; `segments` are what Klein routes by, decoded too."""
        super().__init__(exchange, limit)
        self._path = path
        self._segments = segments
        self._request: Request | None = None

    def ready(self, body: bytes) -> None:
        self._request = Request(self.exchange, self._segments, body)
        self._request.serve(self._path)

    def gone(self) -> None:
        if self._request is not None:
            self._request.connectionLost(Failure(ConnectionDone()))


class Request(server.Request):
    """One whole request, with its body in memory."""

    # An answer without a content type stays without one.
    defaultContentType = None

    site: Any
    content: BytesIO

    def __init__(self, exchange: Exchange, segments: list[bytes], body: bytes) -> None:
        super().__init__(_Way(exchange), parsePOSTFormSubmission=False)
        head = exchange.head
        self.exchange = exchange
        self.site = exchange.connection.site
        self.principal: Principal | None = exchange.principal
        self.method, self.uri = head.method.encode("ascii"), head.target
        self.clientproto = b"HTTP/" + head.version.encode("ascii")
        self.prepath = []
        self.postpath = segments
        self.content = BytesIO(body)
        self.requestHeaders = read_headers(head.fields.lines)

    @property
    def front(self) -> Front:
        """How it came in, also through proxies that are trusted."""
        return self.exchange.front

    @property
    def query(self) -> bytes:
        """What stands behind the question mark of its target, as it was sent."""
        return self.uri.partition(b"?")[2]

    @property
    def caller(self) -> Principal:
        """Who asks, where the call is for nobody who is not signed in."""
        assert self.principal is not None
        return self.principal

    def take_body(self) -> bytes:
        """The body, which lives from now on only as long as somebody needs it."""
        body, self.content = self.content.getvalue(), BytesIO()
        return body

    def reply(self, outgoing: Outgoing) -> bytes:
        """Take over status and headers of an answer, compressed where that is worth it; its body, which is
        returned, is still to be written.
        """
        outgoing = compressed(outgoing, self.requestHeaders.getRawHeaders(b"accept-encoding", []))
        self.begin(outgoing)
        if outgoing.status not in BODILESS and (self.method != b"HEAD" or outgoing.body):
            self.responseHeaders.setRawHeaders(b"content-length", [b"%d" % len(outgoing.body)])
        return outgoing.body

    def begin(self, outgoing: Outgoing) -> None:
        """Take over status and headers of an answer whose body is written piece by piece."""
        for name, value in outgoing.headers:
            self.responseHeaders.addRawHeader(name, value)
        self.setResponseCode(outgoing.status, REASONS.get(outgoing.status))

    def serve(self, path: str) -> None:
        """Have it answered."""
        self.site.audit.watch(self, path)
        self.site.face.klein.render(self)

    def processingFailed(self, reason: Failure) -> Failure:
        self._answer(unexpected(reason))
        return reason

    def getRequestHostname(self) -> bytes:
        # Klein hands it to its router, which fails on names that are none; nothing is routed by it here.
        return SERVER

    def _answer(self, outgoing: Outgoing) -> None:
        self.write(self.reply(outgoing))
        self.finish()


class _Way:
    """What twisted.web's requests ask of the channel that they came in on, given by an exchange."""

    factory = None

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.transport: Server = exchange.connection.transport

    def getPeer(self) -> IAddress:
        peer: IAddress = self.transport.getPeer()
        return peer

    def getHost(self) -> IAddress:
        host: IAddress = self.transport.getHost()
        return host

    def isSecure(self) -> bool:
        return self._exchange.connection.scheme == "https"

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        fields = [(name.lower(), value) for name, values in headers.getAllRawHeaders() for value in values]
        length = headers.getRawHeaders(b"content-length")
        # It would frame what is not told as chunks; the exchange does that.
        fields = [field for field in fields if field[0] not in (b"content-length", b"transfer-encoding")]
        self._exchange.begin(int(code), fields, int(length[0]) if length else None)

    def write(self, data: bytes) -> None:
        self._exchange.raw(data)

    def writeSequence(self, pieces: Iterable[bytes]) -> None:
        self._exchange.raw(b"".join(pieces))

    def requestDone(self, request: Request) -> None:
        self._exchange.finished()

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        self._exchange.producer = producer
        if self._exchange.connection.choked:
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        self._exchange.producer = None

    def loseConnection(self) -> None:
        self._exchange.break_off()


def read_headers(fields: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The fields of a head as twisted.web has them."""
    headers = Headers()
    for name, value in fields:
        headers.addRawHeader(name, value)
    return headers
