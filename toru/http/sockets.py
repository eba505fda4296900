"""The way between a WebSocket's client and a plugin: messages pass whole, as fast as the slower side takes them."""

from __future__ import annotations

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from toru.errors import PluginUnavailable, ProtocolError, ToruError
from toru.http._interfaces import PluginWebSocket, ProxyTarget
from toru.http.passing import headers_for, lines_from, told
from toru.http.problems import problem
from toru.http.routes import Routed
from toru.http.server import handshake
from toru.http.server.connection import TAKER
from toru.http.server.exchange import Exchange
from toru.http.server.handshake import Handshake
from toru.http.server.websocket import (
    INTERNAL,
    Broken,
    Frames,
    Goodbye,
    Ping,
    Said,
    goodbye,
    ping,
    pong,
)
from toru.wire.messages import REQUEST_ID, Pairs, WebSocketRequest
from toru.wire.unfinished import Unfinished

# Seconds of silence until the client is asked whether it is there, and until it is taken for gone; that it may take
# to answer a goodbye, and to read what was said (16 MiB over a slow line).
_ASK_SECONDS, _GONE_SECONDS = 30, 60
_CLOSE_SECONDS = 10
_READ_SECONDS = 600
_GOING_AWAY = 1001
_SIGNED_OUT = 1008
_RESTART = 1012
# What they say is between the client and us.
_OURS = ("sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions")


class Opening:
    """Takes the handshake for one plugin."""

    __slots__ = ("_between", "_exchange", "_handshake", "_route", "_target", "_unfinished")

    patient = True

    def __init__(
        self, exchange: Exchange, target: ProxyTarget, route: Routed, unfinished: Unfinished
    ) -> None:
        """Raises BadRequest or UpgradeRequired."""
        self._exchange = exchange
        self._target = target
        self._route = route
        self._unfinished = unfinished
        self._handshake = handshake.read(exchange.head)
        self._between: _Between | None = None

    def part(self, data: bytes) -> None:
        """Nothing: a handshake has no body."""

    def end(self) -> None:
        headers = headers_for(self._exchange, self._route)
        for name in _OURS:
            headers.pop(name, None)
        between = self._between = _Between(
            self._exchange,
            self._target,
            self._route,
            self._handshake,
            self._unfinished,
            headers[REQUEST_ID],
        )
        request = WebSocketRequest(self._route.path, headers, self._handshake.subprotocols)
        between.plugin = self._target.open_websocket(request, between)

    def refused(self, status: int) -> None:
        self._target.served(status)

    def gone(self) -> None:
        if self._between is not None:
            self._between.gone()


@implementer(IPushProducer)
class _Between:
    """Who speaks for the client to the plugin, and for the plugin to the client."""

    __slots__ = (
        "_asked",
        "_blocked",
        "_choked",
        "_connection",
        "_exchange",
        "_frames",
        "_handshake",
        "_key",
        "_over",
        "_ping",
        "_reading",
        "_request_id",
        "_route",
        "_said_goodbye",
        "_since",
        "_target",
        "_unfinished",
        "plugin",
    )

    plugin: PluginWebSocket | None

    def __init__(
        self,
        exchange: Exchange,
        target: ProxyTarget,
        route: Routed,
        handshake: Handshake,
        unfinished: Unfinished,
        request_id: str,
    ) -> None:
        self._connection = exchange.connection
        admitted = exchange.head.admitted
        assert admitted is not None  # nobody else gets here
        self._key = admitted.key
        # Until the plugin has accepted: who a page of ours asked for once is not held for as long as it talks.
        self._exchange: Exchange | None = exchange
        self._handshake: Handshake | None = handshake
        self._target = target
        self._route = route
        self._request_id = request_id
        self._unfinished = unfinished
        self._frames: Frames | None = None
        self.plugin = None
        # The plugin does not read; the client does not.
        self._blocked = self._choked = False
        # The client was told that no more follows, and its own goodbye is waited for; nothing is said any more.
        self._said_goodbye = self._over = False
        self._reading = False
        # When the client was heard last, or when what it is given time for began; whether it was asked for a sign.
        self._since = 0
        self._asked = False
        # What of the client's pings could not be answered yet (RFC 6455, 5.5.3: the last is enough).
        self._ping: bytes | None = None

    # -- what the plugin says

    def accepted(self, subprotocol: str | None) -> None:
        exchange, handshake = self._exchange, self._handshake
        if exchange is None or handshake is None or exchange.over:
            return
        connection = self._connection
        self._exchange = self._handshake = None
        self._frames = Frames(self._unfinished, handshake.deflate)
        self._since = connection.site.ticks
        exchange.switch(handshake.accepted(subprotocol), self)
        if connection.choked:
            self.pauseProducing()
        if connection.site.stopping:
            self.stop()

    def refused(self, status: int, headers: Pairs, body: bytes) -> None:
        exchange = self._exchange
        if exchange is None or exchange.over:
            return
        try:
            lines = lines_from(headers, self._route)
        except ProtocolError as error:
            self.failed(error)
            return
        self._finish()
        self._target.served(status)
        exchange.answer_lines(status, lines, body)

    def message(self, data: bytes, text: bool) -> None:
        if self._frames is not None and not self._said_goodbye:
            self._connection.write(self._frames.message(data, text=text))

    def closed(self, code: int, reason: str) -> None:
        self._say_goodbye(code, reason)

    def failed(self, error: ToruError) -> None:
        # After its goodbye there is nothing that it could fail in: what is missing is the client's.
        if self._over or self._said_goodbye:
            return
        error = told(self._target.id, self._request_id, error)
        exchange = self._exchange
        if exchange is not None:
            self._finish()
            if not exchange.over:
                self._target.served(error.status)
                exchange.answer(problem(error))
        elif isinstance(error, PluginUnavailable):
            self._say_goodbye(_RESTART, "the plugin is not running")
        else:
            self._say_goodbye(INTERNAL, "the plugin failed")

    def pause(self) -> None:
        if not self._said_goodbye and not self._over:
            self._blocked = True
            self._connection.hold(TAKER)

    def resume(self) -> None:
        if self._blocked:
            self._blocked = False
            self._read()
            if not self._blocked and not self._over:
                self._since = self._connection.site.ticks
                self._connection.release(TAKER)

    # -- what the client says

    def received(self, data: bytes) -> None:
        """Bytes have come."""
        self._asked = False
        if not self._said_goodbye:
            self._since = self._connection.site.ticks
        if self._frames is not None:
            self._frames.feed(data)
            self._read()

    def _read(self) -> None:
        frames = self._frames
        # Whoever is told something may say `resume` before it returns.
        if self._reading or frames is None:
            return
        self._reading = True
        try:
            # What the plugin does not take waits as bytes: they are few, and the messages in them may not be.
            while not self._blocked and not self._over and (event := frames.next()) is not None:
                self._take(event)
        except Broken as broken:
            self._tell_plugin(broken.code, broken.reason)
            if not self._said_goodbye:
                self._connection.write(goodbye(broken.code, broken.reason))
            self._end(linger=True)
        finally:
            self._reading = False

    def _take(self, event: Said | Ping | Goodbye) -> None:
        match event:
            case Goodbye():
                self._tell_plugin(event.code, event.reason)
                if not self._said_goodbye:
                    self._connection.write(goodbye(event.code, event.reason))
                self._end()
            case _ if self._said_goodbye:
                pass
            case Said():
                assert self.plugin is not None
                self.plugin.message(event.data, event.text)
            case Ping() if self._choked:
                self._ping = event.data
            case Ping():
                self._connection.write(pong(event.data))

    # -- what the client's connection says

    def pauseProducing(self) -> None:
        self._choked = True
        self._since = self._connection.site.ticks
        if self.plugin is not None:
            self.plugin.pause()

    def resumeProducing(self) -> None:
        self._choked = False
        self._since = self._connection.site.ticks
        if self._over:
            return
        waiting, self._ping = self._ping, None
        if waiting is not None and not self._said_goodbye:
            self._connection.write(pong(waiting))
        if self.plugin is not None:
            self.plugin.resume()

    def stopProducing(self) -> None:
        """Nothing: `gone` tells that the connection is lost."""

    def look(self) -> None:
        """A second has passed: see whether the client is still signed in, and there."""
        if not self._connection.site.doors.still_knows(self._key):
            self._part(_SIGNED_OUT, "signed out")
        silent = self._connection.site.ticks - self._since
        if self._choked:
            if silent > _READ_SECONDS:
                self._connection.abort()
        elif self._said_goodbye:
            if silent > _CLOSE_SECONDS:
                self._connection.abort()
        elif self._blocked:
            self._since += silent  # nothing is read, and so nothing heard
        elif silent > _GONE_SECONDS:
            self._connection.abort()
        elif silent > _ASK_SECONDS and not self._asked:
            self._asked = True
            self._connection.write(ping())

    def stop(self) -> None:
        """The core stops."""
        self._part(_GOING_AWAY, "toru is stopping")

    def gone(self) -> None:
        """The client has gone."""
        if not self._over:
            self._finish()
            if self.plugin is not None:
                self.plugin.cancel()

    # -- the end

    def _part(self, code: int, reason: str) -> None:
        """End it from here: neither side is heard any more."""
        if self._frames is not None and not self._said_goodbye:
            self._tell_plugin(code, reason)
            self._say_goodbye(code, reason)

    def _tell_plugin(self, code: int, reason: str) -> None:
        if self.plugin is not None:
            self.plugin.close(code, reason)

    def _say_goodbye(self, code: int, reason: str) -> None:
        """No more follows; the client has its time to say the same."""
        if self._said_goodbye or self._frames is None:
            return
        self._said_goodbye = True
        self._since = self._connection.site.ticks
        self._connection.write(goodbye(code, reason))
        if self._blocked:
            # What it still says is for nobody.
            self.resume()

    def _end(self, *, linger: bool = False) -> None:
        self._finish()
        self._connection.close(linger=linger)

    def _finish(self) -> None:
        self._over = True
        self._exchange = None
        if self._frames is not None:
            self._frames.drop()
            self._frames = None
