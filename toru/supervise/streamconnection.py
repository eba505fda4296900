"""A connection to a plugin that one exchange at a time has to itself."""

from __future__ import annotations

from typing import Protocol as Interface

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from toru.errors import LinkLost, ProtocolError, ToruError
from toru.supervise.channels import PAUSE_SECONDS, UNASKED_AT_ONCE, UNASKED_BYTES, PluginConnection
from toru.wire.messages import Answer, Log, Nonsense, Pong, Refusal, Unknown
from toru.wire.streamreader import Accepted, Aside, Closed, Ending, Final, Head, Part, Said
from toru.wire.streams import StreamLines


class User(Interface):
    """The exchange that has the connection."""

    def heard(self, event: Head | Part | Accepted | Said) -> None:
        """The plugin said something, and may say more."""

    def ended(self, event: Ending) -> None:
        """The plugin said the last of it."""

    def failed(self, error: ToruError) -> None:
        """The connection is of no use any more."""

    def blocked(self) -> None:
        """The plugin does not read: nothing more is to be sent now."""

    def unblocked(self) -> None:
        """It reads again."""


class Home(Interface):
    """Where connections come from. `resting`: how many of them read nothing for a while."""

    resting: int

    @property
    def choked(self) -> bool:
        """Whether what the plugin said aside has to be dealt with before it may say more."""

    def aside(self, message: Aside) -> None:
        """The plugin said something that belongs to no exchange."""

    def gone(self, connection: StreamConnection, error: ToruError) -> None:
        """It is lost, with its user or without."""


@implementer(IPushProducer)
class StreamConnection(PluginConnection):
    """`init` first, then one exchange after the other. `blocked` says that the plugin does not read.

    It is its transport's producer so as to learn when the plugin stops reading.
    """

    def __init__(self, lines: StreamLines, init: bytes, home: Home, clock: IReactorTime) -> None:
        self.blocked = False
        self._user: User | None = None
        self._init = init
        self._reader = lines.reader()
        self._home = home
        self._clock = clock
        self._paused = False
        self._rest: IDelayedCall | None = None
        self._over = False

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)
        self.transport.write(self._init)

    # -- what its user asks

    def begin(self, user: User, request_id: str, line: bytes, *, websocket: bool) -> None:
        """`user` has it from now on, and `line` is how its exchange begins."""
        self._user = user
        self._reader.begin(request_id, websocket=websocket)
        self.transport.write(line)

    def write(self, *data: bytes) -> None:
        """Send that. The user is told where it is more than the plugin reads."""
        self.transport.writeSequence(data)

    def pause(self) -> None:
        """Read nothing more for now."""
        if not self._paused:
            self._paused = True
            self.transport.pauseProducing()

    def resume(self) -> None:
        """Read on."""
        if self._paused:
            self._paused = False
            if self._rest is None:
                self.transport.resumeProducing()

    def free(self) -> None:
        """Its user needs it no more, and another may have it."""
        self._user = None
        self.resume()

    def close(self) -> None:
        """Say nothing more, hear nothing more. Nobody is told."""
        self._user = None
        self._end()

    # -- what the plugin says

    def dataReceived(self, data: bytes) -> None:
        asides = 0
        ending: Ending | None = None
        try:
            for event in self._reader.feed(data):
                if isinstance(event, Pong | Log | Unknown):
                    asides += 1
                    self._home.aside(event)
                elif isinstance(event, Answer | Nonsense | Refusal | Final | Closed):
                    # Told when all is read: whoever hears it may begin the next exchange here.
                    ending = event
                elif self._user is not None:
                    self._user.heard(event)
                if self._over:
                    return
        except ProtocolError as error:
            self._lost(error)
            return
        lines, self._reader.lines = self._reader.lines, 0
        size, self._reader.unasked = self._reader.unasked, 0
        if lines > UNASKED_AT_ONCE or size > UNASKED_BYTES or (asides and self._home.choked):
            self._have_a_rest()
        if ending is not None and self._user is not None:
            self._user.ended(ending)

    def _have_a_rest(self) -> None:
        self.transport.pauseProducing()
        if self._rest is None:
            # All connections of a plugin together get what one gets.
            self._home.resting += 1
            self._rest = self._clock.callLater(PAUSE_SECONDS * self._home.resting, self._read_on)

    def _read_on(self) -> None:
        self._rest = None
        self._home.resting -= 1
        if self._home.choked:
            self._have_a_rest()
        elif not self._paused:
            self.transport.resumeProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        where = "in the middle of a message" if self._reader.halfway else "before its answer was whole"
        self._lost(LinkLost(f"the plugin closed its connection {where}"))

    def _lost(self, error: ToruError) -> None:
        if not self._over:
            user, self._user = self._user, None
            self._end()
            self._home.gone(self, error)
            if user is not None:
                user.failed(error)

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        self._reader.drop()
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
            self._home.resting -= 1
        if self.transport.connected:
            self.transport.unregisterProducer()
            # Not loseConnection: that waits for a reader, who may be anybody that was handed the socket.
            self.transport.abortConnection()

    # -- what its transport tells

    def pauseProducing(self) -> None:
        self.blocked = True
        if self._user is not None:
            self._user.blocked()

    def resumeProducing(self) -> None:
        self.blocked = False
        if self._user is not None:
            self._user.unblocked()

    def stopProducing(self) -> None:
        """Its loss is told otherwise."""
