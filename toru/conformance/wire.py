"""Connections to a plugin on which nothing waits longer than it was told to."""

from __future__ import annotations

import errno
import select
import socket
import time
from collections.abc import Callable, Sequence

from toru.conformance.findings import Trouble
from toru.conformance.speech import Speech
from toru.errors import ProtocolError
from toru.wire.messages import Message

_CHUNK = 256 * 1024
_BACKLOG_SECONDS = 0.02


class Wire:
    """One connection. What the plugin says on it is in `messages`, in order; `over` once it can say no more."""

    def __init__(self, path: str, speech: Speech, seconds: float) -> None:
        """Raises OSError where the socket does not take it within that time."""
        self.speech = speech
        self.messages: list[Message] = []
        self.over = False
        self.error: ProtocolError | None = None
        # Bytes that came since the last message.
        self.unfinished = 0
        self._outbox = bytearray()
        self._socket = connect(path, seconds)

    @property
    def unsent(self) -> int:
        """Bytes that the plugin has not taken yet."""
        return len(self._outbox)

    def say(self, data: bytes) -> None:
        """Have these bytes sent, as far as they are taken now; the rest goes with `pump`."""
        self._outbox += data
        self._write()

    def close(self) -> None:
        """Hang up, whatever is under way."""
        self.over = True
        self._socket.close()

    def register(self, poll: select.poll, reading: bool) -> int:
        """Have `poll` wait for what can be done here. Returns the number that it will tell."""
        wanted = (select.POLLIN if reading else 0) | (select.POLLOUT if self._outbox else 0)
        poll.register(self._socket, wanted)
        return self._socket.fileno()

    def proceed(self, ready: int, reading: bool) -> None:
        """Do what can be done."""
        if ready & select.POLLOUT:
            self._write()
        if ready & (select.POLLIN | select.POLLHUP | select.POLLERR) and (
            reading or not ready & select.POLLIN
        ):
            self._read()

    def _write(self) -> None:
        try:
            while self._outbox:
                del self._outbox[: self._socket.send(self._outbox[:_CHUNK])]
        except BlockingIOError:
            return
        except OSError:
            # What it said before it stopped reading may still be there.
            self._outbox.clear()

    def _read(self) -> None:
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.over = True
            return
        before = len(self.messages)
        try:
            self.messages.extend(self.speech.heard(data))
        except ProtocolError as error:
            self.error = error
            self.over = True
        self.unfinished = self.unfinished + len(data) if len(self.messages) == before else 0


def connect(path: str, seconds: float) -> socket.socket:
    """A connection to the socket at `path`; one whose backlog is full is tried again for so many seconds."""
    give_up = time.monotonic() + seconds
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            connection.connect(path)
        except OSError as error:
            connection.close()
            if error.errno != errno.EAGAIN or time.monotonic() > give_up:
                raise
            time.sleep(_BACKLOG_SECONDS)
        else:
            return connection


def deliver(wire: Wire, seconds: float) -> None:
    """Wait until the plugin took all that was said to it, at most so long."""
    pump([wire], lambda: not wire.unsent, seconds)


def pump(wires: Sequence[Wire], done: Callable[[], bool], seconds: float, *, reading: bool = True) -> bool:
    """Send and take what these connections carry until `done`.

    Returns False where the time was over before, or all that is still open has ended. Raises Trouble
    where a plugin says what the protocol forbids.
    """
    give_up = time.monotonic() + seconds
    while not done():
        live = [wire for wire in wires if not wire.over]
        left = give_up - time.monotonic()
        if not live or left <= 0:
            return False
        poll = select.poll()
        by_number = {wire.register(poll, reading): wire for wire in live}
        for number, ready in poll.poll(max(1, left * 1000)):
            by_number[number].proceed(ready, reading)
        for wire in live:
            if wire.error is not None:
                raise Trouble(
                    f"it said something that the protocol forbids: {wire.error}",
                    "each message is one JSON object as docs/protocol.md describes it, in protocol 2 on one line; toru "
                    "closes the connection over this, and every request on it fails with 502",
                )
    return True
