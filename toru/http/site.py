"""The HTTP server in front, on twisted.web: connections, and an end without a cut answer."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http, server
from twisted.web.http import datetimeToString
from twisted.web.http_headers import Headers

from toru.access.doors import Doors
from toru.errors import (
    BadRequest,
)
from toru.http._interfaces import InThread, Plugins
from toru.http.accounts import AccountCalls
from toru.http.app import Face
from toru.http.audit import Audit
from toru.http.dashboard import Dashboard
from toru.http.front import Networks
from toru.http.gate import admit, admit_plugin
from toru.http.messages import Outgoing
from toru.http.metrics import Metrics
from toru.http.problems import problem
from toru.http.records import Records
from toru.http.request import REASONS, SERVER, Request, complete_head
from toru.http.streams import Streams
from toru.store.accounts import Accounts

# Nobody raises it: this is what a client is told whose bytes are no request.
_NO_REQUEST = BadRequest("This is no request of HTTP/1.1, or its head is longer than 16 KiB or 500 headers.")


class Channel(http.HTTPChannel):
    """One connection of a client, known to its site as long as it lasts."""

    site: Site
    # A request came on it before.
    used = False
    _closing: IDelayedCall | None = None

    @property
    def target(self) -> bytes:
        """That of the request whose head has come, as it was sent."""
        return self._path

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

    def _respondToBadRequestAndDisconnect(self) -> None:
        # What it overrides sends a bare line. Who was refused already has an answer.
        if self._closing is None:
            self.refuse(problem(_NO_REQUEST), linger=0)

    def lineLengthExceeded(self, line: bytes) -> None:
        self._respondToBadRequestAndDisconnect()

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
        headers = Headers()
        complete_head(headers, outgoing, b"")
        headers.setRawHeaders(b"server", [SERVER])
        headers.setRawHeaders(b"date", [datetimeToString()])
        headers.setRawHeaders(b"connection", [b"close"])
        reason = REASONS[outgoing.status]
        self.writeHeaders(b"HTTP/1.1", b"%d" % outgoing.status, reason, headers)
        self.write(outgoing.body)
        self.persistent = False
        if linger:
            self._closing = self.site.reactor.callLater(linger, self.loseConnection)
        else:
            self.loseConnection()


class Site(server.Site):
    """All connections, and how they end.

    `stopping` says that no new request is taken: each gets 503, on a connection that is then closed. Only plugins
    may still reach their storage, to put their affairs in order.
    """

    # Typed by what it overrides as the proxy that chooses between HTTP/1.1 and HTTP/2.
    protocol = cast(Any, Channel)
    requestFactory = Request
    # Who listens says so; this would name an object's address.
    noisy = False

    def __init__(
        self,
        face: Face,
        reactor: IReactorTime,
        doors: Doors,
        max_body_bytes: int,
        trusted_proxies: Networks,
        audit: Audit,
    ) -> None:
        """`max_body_bytes`: a request with more in its body gets 413. `doors` know who sends a request."""
        super().__init__(face.klein, reactor=reactor)
        self.face = face
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
            self.face, self.reactor, self.doors, self.max_body_bytes, self.trusted_proxies, self.audit
        )
        site.admit = admit_plugin
        return site

    def begin_stop(self) -> None:
        """Take no new requests, close idle connections, and let the others close with their answer.

        On one that is new a request may be on its way: it is told that we stop.
        """
        self.stopping = True
        for channel in list(self.channels):
            if channel in self._busy:
                channel.persistent = False
            elif channel.used and not channel.requests:
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
        channel.used = True
        if self.stopping:
            # Whoever keeps asking does not hold up the end.
            channel.persistent = False
        else:
            self._busy.add(channel)

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
    dashboard: Dashboard,
    metrics: Metrics,
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
        dashboard=dashboard,
        metrics=metrics,
    )
    return Site(face, reactor, doors, max_body_bytes, trusted_proxies, audit)


def all_drained(sites: Sequence[Site], seconds: float, clock: IReactorTime) -> Deferred[None]:
    """Fires when no request is in progress on any of them. Fails with Twisted's TimeoutError after that long."""

    async def one_by_one() -> None:
        # Gathered they would wrap the end of our patience in an error of their own.
        for site in sites:
            await site.drained()

    return Deferred.fromCoroutine(one_by_one()).addTimeout(seconds, clock)
