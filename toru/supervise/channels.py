"""How messages get to a plugin's process: over one connection (protocol 2), or one for each (protocol 1).

A channel carries; which request gets which answer, who may ask and how long it may take is the link's.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Protocol as Interface

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IFileDescriptorReceiver, IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.unix import Server as Connection
from twisted.python.failure import Failure
from zope.interface import implementer

from toru.errors import LinkLost, ProtocolError, ToruError
from toru.sending import send_now
from toru.supervise.dial import Dial
from toru.wire.messages import Answer, HttpRequest, Init, Message, Nonsense, Refusal
from toru.wire.protocol1 import LengthPrefixed
from toru.wire.protocol2 import JsonLines

# A plugin that says more than that in one read without having been asked, messages or bytes, is read on
# only after a pause, so that a flood costs other plugins at most a tenth of the time.
UNASKED_AT_ONCE = 200
UNASKED_BYTES = 32 * 1024
PAUSE_SECONDS = 0.05
# Bytes of messages that wait for the end of the turn: more leave at once.
_MOST_JOINED = 64 * 1024
# How often a connection is tried that the plugin's backlog has no room for.
AGAIN_SECONDS = 0.05


class Owner(Interface):
    """What a channel tells, and the one thing that it asks: whether it may go on reading."""

    @property
    def choked(self) -> bool:
        """Whether what the plugin said has to be dealt with before it may say more."""

    def received(self, message: Message) -> bool:
        """The plugin said something. Returns whether somebody waited for it."""

    def failed(self, request_id: str, error: ToruError) -> None:
        """This request gets no answer; others are not concerned."""

    def lost(self, error: ToruError) -> None:
        """The channel is of no use any more; what it carried gets no answer. Said at most once."""

    def writable(self) -> None:
        """It takes requests again."""


class Channel(Interface):
    """What the link asks of a channel. `can_send` is False while the plugin does not read."""

    owner: Owner
    can_send: bool
    answering: bool

    def send(self, request_id: str, request: HttpRequest, *, alone: bool = False) -> None:
        """Raises BodyTooLarge where it does not fit into a message. `alone`: no other is under way."""

    def cancel(self, request_id: str) -> None:
        """Nobody waits for this answer any more. The plugin is told where it wants to know."""

    def ping(self, request_id: str) -> None:
        """Ask for a sign of life. Only where the plugin declares `ping`."""

    def look(self) -> None:
        """See anew whether the plugin is `answering`, without a word to it."""

    def shutdown(self, grace_seconds: float) -> None:
        """Ask the process to exit."""

    def close(self) -> None:
        """Say nothing more, hear nothing more. What is still on its way is dropped."""


@implementer(IFileDescriptorReceiver)
class PluginConnection(Protocol):
    """A connection to a plugin."""

    transport: Connection

    def fileDescriptorReceived(self, descriptor: int) -> None:
        """A Unix socket can carry open files. Nobody asked for any, and unclosed ones would fill our table."""
        os.close(descriptor)


@implementer(IPushProducer)
class Multiplexed(PluginConnection):
    """Protocol 2: one connection for many requests at once.

    It is its transport's producer so as to learn when the plugin stops reading: then nothing more is
    written, and what is held stays within one message over what is joined, and the transport's own buffer.
    """

    def __init__(self, codec: JsonLines, init: Init, owner: Owner, clock: IReactorTime, *, cancel: bool):
        """`cancel`: whether the plugin declares that capability."""
        self.owner = owner
        self.can_send = False
        self.answering = False
        self._codec = codec
        self._init = init
        self._framer = codec.framer()
        self._clock = clock
        self._tell_cancel = cancel
        self._over = False
        self._pause: IDelayedCall | None = None
        # What was said in this turn of the reactor, and leaves in the next.
        self._joined: list[bytes] = []
        self._joined_size = 0
        self._leaving: IDelayedCall | None = None

    def connectionMade(self) -> None:
        self.can_send = self.answering = True
        self.transport.registerProducer(self, True)
        self.transport.write(self._codec.init(self._init))

    def send(self, request_id: str, request: HttpRequest, *, alone: bool = False) -> None:
        frame = self._codec.request(request_id, request)
        if self._over:
            return
        if alone and not self._joined:
            send_now(self.transport, frame)
            return
        # Of many, those of one turn of the reactor leave together.
        self._joined.append(frame)
        self._joined_size += len(frame)
        if self._joined_size >= _MOST_JOINED:
            self._leave()
        elif self._leaving is None:
            self._leaving = self._clock.callLater(0, self._turn_over)

    def _turn_over(self) -> None:
        self._leaving = None
        self._leave()

    def _leave(self) -> None:
        if self._joined:
            joined, self._joined, self._joined_size = b"".join(self._joined), [], 0
            send_now(self.transport, joined)

    def cancel(self, request_id: str) -> None:
        if self._tell_cancel:
            self._write(self._codec.cancel(request_id))

    def ping(self, request_id: str) -> None:
        self._write(self._codec.ping(request_id))

    def look(self) -> None:
        """Its connection tells."""

    def shutdown(self, grace_seconds: float) -> None:
        self._write(self._codec.shutdown(grace_seconds))

    def close(self) -> None:
        self._end(None)

    def _write(self, frame: bytes) -> None:
        if not self._over:
            self._leave()
            self.transport.write(frame)

    def dataReceived(self, data: bytes) -> None:
        unasked = size = 0
        try:
            for frame in self._framer.feed(data):
                if not self.owner.received(self._codec.decode(frame)):
                    unasked += 1
                    size += len(frame)
                if self._over:
                    return
        except ProtocolError as error:
            self._end(error)
            return
        if unasked > UNASKED_AT_ONCE or size > UNASKED_BYTES or self.owner.choked:
            self.transport.pauseProducing()
            self._pause = self._clock.callLater(PAUSE_SECONDS, self._read_on)

    def _read_on(self) -> None:
        if self.owner.choked:
            self._pause = self._clock.callLater(PAUSE_SECONDS, self._read_on)
        else:
            self._pause = None
            self.transport.resumeProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        within = "in the middle of a message" if self._framer.pending else "before it answered"
        self._end(LinkLost(f"the plugin closed its connection {within}"))

    def _end(self, error: ToruError | None) -> None:
        if self._over:
            return
        self._over = True
        self.can_send = self.answering = False
        for call in (self._pause, self._leaving):
            if call is not None:
                call.cancel()
        self._pause = self._leaving = None
        self._joined = []
        if self.transport is not None and self.transport.connected:  # not so where it was never dialled
            self.transport.unregisterProducer()
            # Not loseConnection: that waits for a reader, who may be anybody that was handed the socket.
            self.transport.abortConnection()
        if error is not None:
            self.owner.lost(error)

    def pauseProducing(self) -> None:
        self.can_send = False

    def resumeProducing(self) -> None:
        if not self._over:
            self.can_send = True
            self.owner.writable()

    def stopProducing(self) -> None:
        self.can_send = False


class PerMessage:
    """Protocol 1: connect, send one message, read its answer where it has one, close."""

    def __init__(
        self, codec: LengthPrefixed, path: str, init: Init, owner: Owner, dial: Dial, clock: IReactorTime
    ):
        """Raises OSError where the socket does not take the connection that carries `init`."""
        self.owner = owner
        self.can_send = True
        self.answering = True
        self._codec = codec
        self._path = path
        self._dial = dial
        self._clock = clock
        self._calls: dict[str, _Call] = {}
        self._over = False
        dial(path, _Notice(codec.init(init)))

    def send(self, request_id: str, request: HttpRequest, *, alone: bool = False) -> None:
        call = _Call(self._codec, self._codec.request(request_id, request))
        self._calls[request_id] = call
        call.done.addCallbacks(partial(self._answered, request_id), partial(self._failed, request_id))
        self._bring(call)

    def _bring(self, call: _Call) -> None:
        try:
            self._dial(self._path, call)
        except BlockingIOError:
            # It is busy with as many as it lets wait: its backlog may be as short as one.
            self.answering = False
            call.later = self._clock.callLater(AGAIN_SECONDS, self._bring, call)
        except OSError as error:
            self.answering = False
            call.done.errback(LinkLost(f"the plugin's socket takes no connection: {error.strerror}"))
        else:
            self.answering = True

    def _answered(self, request_id: str, message: Answer | Nonsense | Refusal) -> None:
        del self._calls[request_id]
        if not self._over:
            self.owner.received(replace(message, request_id=request_id))

    def _failed(self, request_id: str, reason: Failure) -> None:
        del self._calls[request_id]
        if not self._over:
            error = reason.value
            assert isinstance(error, ToruError)
            self.owner.failed(request_id, error)

    def cancel(self, request_id: str) -> None:
        call = self._calls.get(request_id)
        if call is not None:
            call.abort()

    def ping(self, request_id: str) -> None:
        """Protocol 1 has no ping."""

    def look(self) -> None:
        # Nobody may ask for hours, and a connection made to see whether it is taken would disturb readers.
        self.answering = self._dial.is_listening(self._path)

    def shutdown(self, grace_seconds: float) -> None:
        try:
            self._dial(self._path, _Notice(self._codec.shutdown(grace_seconds)))
        except OSError:
            self.answering = False

    def close(self) -> None:
        self._over = True
        self.can_send = self.answering = False
        for call in list(self._calls.values()):
            call.abort()


class _Notice(PluginConnection):
    """A connection that says one thing and is closed."""

    def __init__(self, frame: bytes) -> None:
        self._frame = frame

    def connectionMade(self) -> None:
        self.transport.write(self._frame)
        self.transport.loseConnection()


class _Call(PluginConnection):
    """A connection that asks one thing. `done` fires once it is closed: what counts is open connections."""

    later: IDelayedCall | None = None

    def __init__(self, codec: LengthPrefixed, frame: bytes) -> None:
        self.done: Deferred[Answer | Nonsense | Refusal] = Deferred()
        self._codec = codec
        self._frame = frame
        self._framer = codec.framer()
        self._result: Answer | Nonsense | Refusal | ToruError = LinkLost(
            "the plugin closed its connection before it answered"
        )
        self._heard = False
        self._others = 0

    def connectionMade(self) -> None:
        self.transport.write(self._frame)
        self._frame = b""

    def abort(self) -> None:
        """Nobody waits any more."""
        if self.transport is not None:
            self.transport.abortConnection()
        elif self.later is not None:
            self.later.cancel()
            self.connectionLost()

    def dataReceived(self, data: bytes) -> None:
        if self._heard:
            return
        try:
            for frame in self._framer.feed(data):
                message = self._codec.decode(frame)
                if isinstance(message, (Answer, Nonsense, Refusal)):
                    self._heard = True
                    self._result = message
                    # Not after the rest of the request: one that answers early may never read it.
                    self.transport.abortConnection()
                    return
                self._others += 1
                if self._others > UNASKED_AT_ONCE:
                    raise ProtocolError("the plugin keeps saying other things instead of answering")
        except ProtocolError as error:
            self._heard = True
            self._result = error
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if isinstance(self._result, ToruError):
            self.done.errback(self._result)
        else:
            self.done.callback(self._result)
