"""A socket between two processes of toru, which carries whole messages, each with a connection or without one."""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReadWriteDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

_log = Logger()

# Of a longer message each packet has so much, and one byte before it: whether it is the last.
_PIECE = 64 * 1024
_MORE, _LAST = b"\0", b"\1"
# Bytes that may wait for the other side to read; one with more is stuck. A log message of a plugin has up to 16 MiB.
MOST_WAITING = 256 * 2**20
# Too many descriptors of this user are on their way, or the system has no memory: that passes, and is not the other
# side's fault.
_PASSING = (errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM)
_AGAIN_SECONDS = 0.05
# Packets that are read before others have their turn.
_AT_ONCE = 64


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends. Packets stay apart, so that no connection can come to the wrong message, even where one is lost."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        # A packet has to fit into it, whatever the system's default is.
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * _PIECE)
    return ends


@implementer(IReadWriteDescriptor)
class Channel:
    """One end. `hear` gets each message, and the connection that came with it; `lost` is called once, at the end."""

    def __init__(
        self,
        reactor: Any,
        end: socket.socket,
        hear: Callable[[bytes, socket.socket | None], None],
        lost: Callable[[], None],
    ) -> None:
        # Any: Twisted has no one interface for a reactor that watches files and has a clock.
        self._reactor = reactor
        self._end = end
        self._hear = hear
        self._lost = lost
        self._queue: deque[tuple[bytes, socket.socket | None]] = deque()
        # Bytes that wait for the other side to read.
        self.waiting = 0
        self._pieces: list[bytes] = []
        self._carried: socket.socket | None = None
        self._closed = False
        self._again: IDelayedCall | None = None
        end.setblocking(False)
        reactor.addReader(self)

    def send(self, message: bytes, carried: socket.socket | None = None) -> None:
        """Send it, with a connection that is the other side's from now on. Nothing where the channel is closed."""
        if self._closed:
            if carried is not None:
                carried.close()
            return
        view, last = memoryview(message), max(0, len(message) - 1) // _PIECE
        for number in range(last + 1):
            mark = _LAST if number == last else _MORE
            self._put(b"".join((mark, view[number * _PIECE : (number + 1) * _PIECE])), carried)
            carried = None
        if self.waiting > MOST_WAITING:
            self._fail()

    def close(self) -> None:
        """Say and hear nothing more; what waits is dropped. `lost` is not called."""
        if self._closed:
            return
        self._closed = True
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self)
        self._end.close()
        if self._again is not None:
            self._again.cancel()
            self._again = None
        queue, self._queue = self._queue, deque()
        for _, carried in queue:
            if carried is not None:
                carried.close()
        if self._carried is not None:
            self._carried.close()

    def _put(self, packet: bytes, carried: socket.socket | None) -> None:
        if self._queue or not self._sent(packet, carried):
            if not self._queue and self._again is None:
                self._reactor.addWriter(self)
            self._queue.append((packet, carried))
            self.waiting += len(packet)

    def _sent(self, packet: bytes, carried: socket.socket | None) -> bool:
        """Whether it is on its way; what it carries is closed here then."""
        try:
            if carried is None:
                self._end.send(packet)
            else:
                socket.send_fds(self._end, [packet], [carried.fileno()])
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in _PASSING:
                self._later()
            else:
                self._reactor.callLater(0, self._fail)  # the other side is gone
            return False
        if carried is not None:
            carried.close()
        return True

    def _later(self) -> None:
        """What stands in the way is not of this socket, so that nobody says when it is over."""
        if self._again is None:
            self._again = self._reactor.callLater(_AGAIN_SECONDS, self._try_again)
            self._reactor.removeWriter(self)

    def _try_again(self) -> None:
        self._again = None
        if self._queue:
            self._reactor.addWriter(self)

    def _fail(self) -> None:
        if not self._closed:
            self.close()
            self._lost()

    # -- what the reactor calls

    def fileno(self) -> int:
        return -1 if self._closed else self._end.fileno()

    def logPrefix(self) -> str:
        return "channel"

    def doWrite(self) -> None:
        while self._queue:
            packet, carried = self._queue[0]
            if not self._sent(packet, carried):
                return
            self._queue.popleft()
            self.waiting -= len(packet)
        self._reactor.removeWriter(self)

    def doRead(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                packet, descriptors, _, _ = socket.recv_fds(self._end, _PIECE + 1, 1, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError:
                packet, descriptors = b"", []
            if not packet:
                self._fail()
                return
            for descriptor in descriptors:
                self._carried = socket.socket(fileno=descriptor)
            self._pieces.append(packet[1:])
            if packet[:1] == _LAST:
                message, self._pieces = b"".join(self._pieces), []
                carried, self._carried = self._carried, None
                try:
                    self._hear(message, carried)
                except Exception:  # noqa: BLE001  a fault of ours costs one message, and not all that comes this way
                    _log.failure("a message of another process could not be dealt with")
                if self._closed:
                    return

    def connectionLost(self, reason: Failure) -> None:
        self._fail()
