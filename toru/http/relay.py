"""The short way to a plugin that streams: bodies pass in pieces, both ways, as fast as the slower side takes them."""

from __future__ import annotations

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from toru.errors import ProtocolError, ToruError
from toru.http._interfaces import PluginStream, ProxyTarget
from toru.http.passing import declared_length, headers_for, lines_from, told
from toru.http.problems import problem
from toru.http.routes import Routed
from toru.http.server.connection import TAKER
from toru.http.server.exchange import Exchange
from toru.wire.messages import REQUEST_ID, Pairs, StreamRequest


class Relay:
    """Takes a request for one plugin, and hands on each piece of it as it comes."""

    __slots__ = ("_stream",)

    # How long a client may be silent within a body is the plugin's affair.
    patient = True

    def __init__(self, exchange: Exchange, target: ProxyTarget, route: Routed) -> None:
        """Raises PluginUnavailable or PluginBusy."""
        head = exchange.head
        headers = headers_for(exchange, route)
        back = _Back(exchange, target, route, headers[REQUEST_ID])
        self._stream = back.stream = target.open(StreamRequest(head.method, route.path, headers), back)
        back.opened()

    def part(self, data: bytes) -> None:
        self._stream.write(data)

    def end(self) -> None:
        self._stream.finish()

    def refused(self, status: int) -> None:
        """Nothing: only what is taken in as a whole is refused once it was taken."""

    def gone(self) -> None:
        self._stream.cancel()


@implementer(IPushProducer)
class _Back:
    """Takes the plugin's answer to its client."""

    __slots__ = ("_early", "_exchange", "_left", "_request_id", "_route", "_target", "stream")

    stream: PluginStream | None

    def __init__(self, exchange: Exchange, target: ProxyTarget, route: Routed, request_id: str) -> None:
        self._exchange = exchange
        self._target = target
        self._route = route
        self._request_id = request_id
        # Bytes that the plugin has announced and not given yet, where it announced any.
        self._left: int | None = None
        self._early: ToruError | None = None
        self.stream = None

    def opened(self) -> None:
        """There is a stream, and whoever takes the request is known."""
        if self._early is not None:
            raise told(self._target.id, self._request_id, self._early)

    # -- what the plugin says

    def answered(self, status: int, headers: Pairs, body: bytes | None) -> None:
        exchange = self._exchange
        try:
            lines = lines_from(headers, self._route)
        except ProtocolError as error:
            self._drop()
            self.failed(error)
            return
        self._target.served(status)
        if body is not None:
            length = declared_length(headers) if exchange.head.method == "HEAD" and not body else None
            exchange.answer_lines(status, lines, body, length)
            return
        self._left = declared_length(headers)
        exchange.begin_lines(status, lines, self._left)
        exchange.producer = self
        self._end_if_whole()
        if not exchange.over and exchange.connection.choked:
            self.pauseProducing()

    def part(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange.over:
            self._drop()
            return
        if self._left is not None and exchange.has_body:
            self._left -= len(data)
            if self._left < 0:
                self._drop()
                self.failed(ProtocolError("its answer is longer than its `content-length` says"))
                return
        exchange.write(data)
        self._end_if_whole()

    def _end_if_whole(self) -> None:
        """The client has all that it waits for: its next request is not to wait for the plugin's last word."""
        exchange = self._exchange
        if exchange.arrived and not exchange.over and (not exchange.has_body or self._left == 0):
            exchange.end()

    def finished(self) -> None:
        if self._left and self._exchange.has_body:
            self.failed(ProtocolError("its answer is shorter than its `content-length` says"))
        else:
            self._exchange.end()

    def failed(self, error: ToruError) -> None:
        if self.stream is None:
            # Whoever asked has not been told yet that it was taken.
            self._early = error
            return
        error = told(self._target.id, self._request_id, error)
        if self._exchange.begun:
            self._exchange.break_off()
        elif not self._exchange.over:
            self._target.served(error.status)
            self._exchange.answer(problem(error))

    def pause(self) -> None:
        self._exchange.connection.hold(TAKER)

    def resume(self) -> None:
        self._exchange.connection.release(TAKER)

    def _drop(self) -> None:
        assert self.stream is not None
        self.stream.cancel()

    # -- what the client's connection says

    def pauseProducing(self) -> None:
        assert self.stream is not None
        self.stream.pause()

    def resumeProducing(self) -> None:
        assert self.stream is not None
        self.stream.resume()

    def stopProducing(self) -> None:
        """Nothing: whoever takes the request is told when the connection is lost."""
