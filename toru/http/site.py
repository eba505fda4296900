"""The HTTP server in front, on twisted.web: limits, values in and out, and an end without a cut answer."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http, server
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource

from toru.access.doors import Doors
from toru.errors import BadRequest, BodyTooLarge, CoreStopping, MethodNotAllowed, NotFound, ToruError
from toru.http._interfaces import InThread, Plugins
from toru.http.accounts import AccountCalls
from toru.http.app import Face
from toru.http.audit import Audit
from toru.http.front import Front, Networks, seen_from_outside
from toru.http.gate import admit, admit_plugin, methods
from toru.http.messages import Incoming, Outgoing
from toru.http.problems import problem, unexpected
from toru.http.records import Records
from toru.http.routes import PREFIX, is_proxied, origin_form
from toru.http.streams import Streams
from toru.model import Principal
from toru.store.accounts import Accounts

# How long a refused client may go on sending, in seconds: a socket that is closed with bytes unread
# resets the connection, and the client never sees why.
_LINGER = 2.0
_SERVER = b"toru"
_BODILESS = (204, 304)
_PROXIED = PREFIX.encode("ascii").split(b"/")[1:]


class Request(server.Request):
    """One request, with its body in memory and never more of it than is allowed."""

    # A plugin's answer without a content type stays without one.
    defaultContentType = None

    channel: Channel
    site: Site
    content: BytesIO
    principal: Principal | None = None
    # The session by which it was tried to know who asks.
    session: bytes | None = None
    _target = b""
    _authority: bytes | None = None
    _received = 0
    _refused = False
    _late = False

    def incoming(self) -> Incoming:
        """This request as a value, which takes the body away: it lives as long as somebody needs it."""
        return Incoming(
            self.method.decode("ascii"),
            self._target,
            self._headers(),
            self.take_body(),
            *self._front(),
            self.principal,
        )

    @property
    def front(self) -> Front:
        """How it came in, also through proxies that are trusted."""
        return seen_from_outside(self._front(), self._headers(), self.site.trusted_proxies)

    @property
    def query(self) -> bytes:
        """What stands behind the question mark of its target, as it was sent."""
        return self._target.partition(b"?")[2]

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
        """Take over status and headers of an answer; the body, which is returned, is still to be written."""
        for name, values in _head(outgoing, self.method).getAllRawHeaders():
            self.responseHeaders.setRawHeaders(name, values)
        self.setResponseCode(outgoing.status)
        if self.site.stopping:
            self.responseHeaders.setRawHeaders(b"connection", [b"close"])
        return outgoing.body

    def begin(self, outgoing: Outgoing) -> None:
        """Take over status and headers of an answer whose body is written piece by piece."""
        for name, value in outgoing.headers:
            self.responseHeaders.addRawHeader(name, value)
        self.setResponseCode(outgoing.status)

    def gotLength(self, length: int | None) -> None:
        self.content = BytesIO()
        site = self.channel.site
        site.began(self.channel)
        self._late = site.stopping
        if length is not None and length > self.channel.site.max_body_bytes:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        if self._refused:
            return
        self._received += len(data)
        if self._received > self.channel.site.max_body_bytes:
            self._refuse()
        else:
            self.content.write(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        # In place of what it overrides, which parses query and forms that nobody here reads.
        if self._refused:
            self.channel.loseConnection()
            return
        self.method, self.uri, self.clientproto = command, path, version
        self.process()

    def process(self) -> None:
        self.site = self.channel.site
        self.setHeader(b"server", _SERVER)
        self.setHeader(b"date", http.datetimeToString())
        self.site.began(self.channel)
        try:
            if self._late:
                raise CoreStopping("toru is stopping and takes no new requests.")
            self._target, self._authority = origin_form(self.uri)
            # Klein decodes what it routes by and wants it in UTF-8; what lies behind a plugin's route is
            # not ours to read.
            self.prepath = []
            self.postpath = _PROXIED.copy() if is_proxied(self._target) else _own_path(self._target)
            # As for the router, a slash behind changes nothing.
            path = "/" + b"/".join(self.postpath).decode().removesuffix("/")
            self.site.admit(self, path, self.site.doors)
            self.site.audit.watch(self, path)
        except MethodNotAllowed as error:
            self._answer(problem(error, allow=methods(path)))
            return
        except ToruError as error:
            self._answer(problem(error))
            return
        self.site.resource.render(self)

    def processingFailed(self, reason: Failure) -> Failure:
        self._answer(unexpected(reason))
        return reason

    def getRequestHostname(self) -> bytes:
        # Klein hands it to its router, which fails on names that are none; nothing is routed by it here.
        return _SERVER

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [(name, each) for name, values in self.requestHeaders.getAllRawHeaders() for each in values]

    def _front(self) -> Front:
        host = self._authority
        if host is None:
            host = (self.requestHeaders.getRawHeaders(b"host") or [b""])[0]
        return Front(
            getattr(self.client, "host", ""),
            "https" if self.isSecure() else "http",
            host.decode("iso-8859-1"),
        )

    def _answer(self, outgoing: Outgoing) -> None:
        self.write(self.reply(outgoing))
        self.finish()

    def _refuse(self) -> None:
        self._refused = True
        self.content = BytesIO()
        limit = self.channel.site.max_body_bytes
        waits = self.requestHeaders.hasHeader(b"expect")
        # Otherwise the channel, which looks next, invites the body that was just refused.
        self.requestHeaders.removeHeader(b"expect")
        refusal = problem(BodyTooLarge(f"A request body may have at most {limit} bytes here."))
        self.channel.refuse(refusal, linger=0 if waits else _LINGER)


class Channel(http.HTTPChannel):
    """One connection of a client, known to its site as long as it lasts."""

    site: Site
    _closing: IDelayedCall | None = None

    def connectionMade(self) -> None:
        super().connectionMade()
        self.site.channels.add(self)

    def checkPersistence(self, request: http.Request, version: bytes) -> bool:
        # What it overrides takes `close, x` for one option, and leaves a client waiting that reads to the end.
        options = b",".join(request.requestHeaders.getRawHeaders(b"connection", [])).lower().split(b",")
        persistent = version == b"HTTP/1.1" and b"close" not in [option.strip(b" \t") for option in options]
        if not persistent:
            request.responseHeaders.setRawHeaders(b"connection", [b"close"])
        return persistent

    def requestDone(self, request: Request) -> None:
        # One that is to be closed is busy until it is: only then has its client got the whole answer.
        if self.persistent:
            self.site.ended(self)
        super().requestDone(request)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        super().connectionLost(reason)
        self.site.channels.discard(self)
        self.site.ended(self)

    def refuse(self, outgoing: Outgoing, *, linger: float) -> None:
        """Answer before the request has come to its end, and close: after `linger` seconds at the latest."""
        headers = _head(outgoing, b"")
        headers.setRawHeaders(b"server", [_SERVER])
        headers.setRawHeaders(b"date", [http.datetimeToString()])
        headers.setRawHeaders(b"connection", [b"close"])
        reason = http.RESPONSES.get(outgoing.status, b"")
        self.writeHeaders(b"HTTP/1.1", b"%d" % outgoing.status, reason, headers)
        self.write(outgoing.body)
        self.persistent = False
        if linger:
            self._closing = self.site.reactor.callLater(linger, self.loseConnection)
        else:
            self.loseConnection()


class Site(server.Site):
    """All connections, and how they end.

    `stopping` says that no new request is taken: each gets 503, on a connection that is then closed.
    """

    # Typed by what it overrides as the proxy that chooses between HTTP/1.1 and HTTP/2.
    protocol = cast(Any, Channel)
    requestFactory = Request
    # Who listens says so; this would name an object's address.
    noisy = False

    def __init__(
        self,
        resource: IResource,
        reactor: IReactorTime,
        doors: Doors,
        max_body_bytes: int,
        trusted_proxies: Networks,
        audit: Audit,
    ) -> None:
        """`max_body_bytes`: a request with more in its body gets 413. `doors` know who sends a request."""
        super().__init__(resource, reactor=reactor)
        self.doors = doors
        self.max_body_bytes = max_body_bytes
        self.trusted_proxies = trusted_proxies
        self.audit = audit
        self.admit = admit
        self.stopping = False
        self.channels: set[Channel] = set()
        self._busy: set[Channel] = set()
        self._waiting: list[Deferred[None]] = []

    def for_plugins(self) -> Site:
        """One with the same calls, of which it serves to each plugin its own storage, and to others nothing."""
        site = Site(
            self.resource, self.reactor, self.doors, self.max_body_bytes, self.trusted_proxies, self.audit
        )
        site.admit = admit_plugin
        return site

    def begin_stop(self) -> None:
        """Take no new requests, close idle connections, and let the others close with their answer."""
        self.stopping = True
        for channel in list(self.channels):
            if channel in self._busy:
                channel.persistent = False
            elif not channel.requests:
                channel.loseConnection()

    def drained(self) -> Deferred[None]:
        """Fires when no request is in progress, and after `begin_stop` when all answers have left."""
        if not self._busy:
            return succeed(None)
        waiter: Deferred[None] = Deferred()
        self._waiting.append(waiter)
        return waiter

    def began(self, channel: Channel) -> None:
        """A request is coming in on this connection: its head is there."""
        self._busy.add(channel)
        if self.stopping:
            channel.persistent = False

    def ended(self, channel: Channel) -> None:
        """The request on this connection, if there was one, is over."""
        self._busy.discard(channel)
        if not self._busy:
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                waiter.callback(None)

    def acceptableProtocols(self) -> list[bytes]:
        # What it overrides offers HTTP/2 where a library for it is installed, and Channel does not speak it.
        return [b"http/1.1"]

    def startFactory(self) -> None:
        """Nothing: what it overrides opens an access log, and wakes up every second for its time."""

    def stopFactory(self) -> None:
        """Nothing, as for `startFactory`."""

    def log(self, request: http.Request) -> None:
        """Nothing: there is no access log."""


def make_site(
    reactor: IReactorTime,
    plugins: Plugins,
    *,
    plugins_folder: Path,
    max_body_bytes: int,
    trusted_proxies: Networks,
    in_thread: InThread,
    doors: Doors,
    accounts: Accounts,
    records: Records,
    streams: Streams,
    audit: Audit,
) -> Site:
    """The factory to listen with. `in_thread` is `deferToThread`, or does as it does."""
    face = Face(
        plugins,
        plugins_folder=plugins_folder,
        trusted_proxies=trusted_proxies,
        in_thread=in_thread,
        accounts=AccountCalls(doors, accounts),
        records=records,
        streams=streams,
    )
    return Site(face.app.resource(), reactor, doors, max_body_bytes, trusted_proxies, audit)


def _head(outgoing: Outgoing, method: bytes) -> Headers:
    headers = Headers()
    for name, value in outgoing.headers:
        headers.addRawHeader(name, value)
    if (
        outgoing.status not in _BODILESS
        and not headers.hasHeader(b"content-length")
        and (outgoing.body or method != b"HEAD")
    ):
        headers.setRawHeaders(b"content-length", [b"%d" % len(outgoing.body)])
    return headers


def _own_path(target: bytes) -> list[bytes]:
    path = target.partition(b"?")[0]
    # The router drops slashes in front, and takes an encoded one for a separator.
    if path.startswith(b"//") or b"%2f" in path.lower():
        raise NotFound("There is nothing at this path.")
    decoded = unquote_to_bytes(path)
    try:
        decoded.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The path is not UTF-8.") from None
    return decoded.split(b"/")[1:]
