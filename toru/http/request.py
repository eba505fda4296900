"""One request as it comes in: its limits, who sends it, and its way to an answer."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.http import datetimeToString
from twisted.web.http_headers import Headers

from toru.errors import (
    BadRequest,
    BodyTooLarge,
    CoreStopping,
    MethodNotAllowed,
    NotFound,
    ToruError,
    Unauthenticated,
)
from toru.http.codings import compressed
from toru.http.front import Front, seen_from_outside
from toru.http.gate import comes_from_plugin, methods, recognise
from toru.http.messages import Incoming, Outgoing
from toru.http.problems import problem, unexpected
from toru.http.routes import PREFIX, is_proxied, origin_form
from toru.model import Principal

if TYPE_CHECKING:
    from toru.http.site import Channel, Site

# How long a refused client may go on sending, in seconds: a socket that is closed with bytes unread
# resets the connection, and the client never sees why.
_LINGER = 2.0
# The most that is taken in from somebody unknown: far more than a sign-in needs.
STRANGERS_BYTES = 256 * 1024
SERVER = b"toru"
# Twisted knows none for 429.
REASONS = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
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
        """As `relay`, for an answer of ours, which is compressed where that is worth it."""
        return self.relay(compressed(outgoing, self.requestHeaders.getRawHeaders(b"accept-encoding", [])))

    def relay(self, outgoing: Outgoing) -> bytes:
        """Take over status and headers of an answer; the body, which is returned, is still to be written."""
        complete_head(self.responseHeaders, outgoing, self.method)
        self.setResponseCode(outgoing.status, REASONS.get(outgoing.status))
        if self.site.stopping:
            self.responseHeaders.setRawHeaders(b"connection", [b"close"])
        return outgoing.body

    def begin(self, outgoing: Outgoing) -> None:
        """Take over status and headers of an answer whose body is written piece by piece."""
        for name, value in outgoing.headers:
            self.responseHeaders.addRawHeader(name, value)
        self.setResponseCode(outgoing.status, REASONS.get(outgoing.status))

    def answer_with(self, answer: Deferred[Outgoing], told: Callable[[Failure], Outgoing]) -> None:
        """Finish with what `answer` gives, or with what a failure is told as. Cancelled where the client goes away."""
        gone = self.notifyFinish().addErrback(lambda _: answer.cancel())

        def over(outcome: Outgoing | Failure) -> None:
            if not gone.called:
                self._answer(told(outcome) if isinstance(outcome, Failure) else outcome)

        answer.addBoth(over)

    def gotLength(self, length: int | None) -> None:
        self.content = BytesIO()
        site = self.channel.site
        site.began(self.channel)
        self._late = site.stopping
        if length is not None:
            self._check_size(length)

    def handleContentChunk(self, data: bytes) -> None:
        if self._refused:
            return
        self._received += len(data)
        self._check_size(self._received)
        if not self._refused:
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
        self.setHeader(b"server", SERVER)
        self.setHeader(b"date", datetimeToString())
        self.site.began(self.channel)
        try:
            if self._late and not comes_from_plugin(self, self.site.doors):
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
            self._answer(self.site.face.lost(self) if self._is_lost(error) else problem(error))
            return
        self.site.face.serve(self, path)

    def processingFailed(self, reason: Failure) -> Failure:
        self._answer(unexpected(reason))
        return reason

    def getRequestHostname(self) -> bytes:
        # Klein hands it to its router, which fails on names that are none; nothing is routed by it here.
        return SERVER

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

    def _is_lost(self, error: ToruError) -> bool:
        accepted = b",".join(self.requestHeaders.getRawHeaders(b"accept", []))
        return (
            # All pages that there are, are open to all.
            isinstance(error, (NotFound, Unauthenticated))
            and self.method in (b"GET", b"HEAD")
            and b"text/html" in accepted
            and not self._target.startswith(b"/api/")
        )

    def _answer(self, outgoing: Outgoing) -> None:
        self.write(self.reply(outgoing))
        self.finish()

    def _check_size(self, size: int) -> None:
        """Refuse a body of so many bytes, or at least so many, where that is too much."""
        site = self.channel.site
        if size > site.max_body_bytes:
            self._refuse(BodyTooLarge(f"A request body may have at most {site.max_body_bytes} bytes here."))
            site.face.refused(self.channel.target, BodyTooLarge.status)
        elif size > STRANGERS_BYTES and self.principal is None:
            # A body waits in memory until it is whole, and only then is anybody refused.
            recognise(self, site.doors)
            if self.principal is None:
                self._refuse(Unauthenticated("Sign in first, or send a valid token."))

    def _refuse(self, error: ToruError) -> None:
        self._refused = True
        self.content = BytesIO()
        waits = self.requestHeaders.hasHeader(b"expect")
        # Otherwise the channel, which looks next, invites the body that was just refused.
        self.requestHeaders.removeHeader(b"expect")
        self.channel.refuse(problem(error), linger=0 if waits else _LINGER)


def complete_head(headers: Headers, outgoing: Outgoing, method: bytes) -> None:
    """Add those of an answer to that method, with the length of its body where there is one to tell.

    A header of the answer takes the place of one that is there already.
    """
    for name, _ in outgoing.headers:
        headers.removeHeader(name)
    for name, value in outgoing.headers:
        headers.addRawHeader(name, value)
    if (
        outgoing.status not in _BODILESS
        and not headers.hasHeader(b"content-length")
        and (outgoing.body or method != b"HEAD")
    ):
        headers.setRawHeaders(b"content-length", [b"%d" % len(outgoing.body)])


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
