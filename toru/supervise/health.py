"""Whether a running plugin is well: its socket is there and answers, and so does it where it can."""

from __future__ import annotations

import os
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from toru.supervise.link import Link
from toru.supervise.streampool import Streams

MISSES_ALLOWED = 2


class Health:
    """Looks every `health_interval`, and calls `unhealthy` with the reason once it is sure.

    A socket file that is gone is certain at the first look: nobody could connect again. A socket that does
    not answer, and a ping that is not answered while no request is in flight, may be bad luck twice and is
    certain at the third look in a row. It is pinged from when `pings` is set: once that is known to work.
    """

    def __init__(
        self,
        clock: IReactorTime,
        link: Link,
        streams: Streams,
        socket_path: str,
        *,
        busy_elsewhere: Callable[[], bool],
        unhealthy: Callable[[str], None],
    ) -> None:
        """`busy_elsewhere`: whether it has requests in hand that neither `link` nor `streams` sent."""
        self._clock = clock
        self._link = link
        self._streams = streams
        self._socket_path = socket_path
        self.pings = False
        self._busy_elsewhere = busy_elsewhere
        self._unhealthy = unhealthy
        self._unanswered = 0
        self._missed_pings = 0
        self._pinged = False
        self._looked_at = 0.0
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    @property
    def good(self) -> bool:
        """Nothing is wrong as far as is known."""
        return self._link.answering and not self._missed_pings

    def start(self, interval: float) -> None:
        """Look every that many seconds, from then on."""
        self._loop.start(interval, now=False)

    def stop(self) -> None:
        """No more looks."""
        if self._loop.running:
            self._loop.stop()

    @property
    def _busy(self) -> bool:
        return self._link.in_flight > 0 or self._streams.unanswered > 0 or self._busy_elsewhere()

    def _look(self) -> None:
        why = self._what_is_wrong()
        if why is not None:
            self.stop()
            self._unhealthy(why)

    def _what_is_wrong(self) -> str | None:
        if not os.path.exists(self._socket_path):
            return "its socket file is gone"
        self._link.look()
        # A socket that is too busy to take a request has requests in flight, and those time out first.
        answering = self._link.answering or self._busy
        self._unanswered = 0 if answering else self._unanswered + 1
        if self._unanswered > MISSES_ALLOWED:
            return "its socket does not answer"
        if self.pings and self._ping() > MISSES_ALLOWED:
            return "it missed three pings"
        return None

    def _ping(self) -> int:
        """Count the last ping where it was missed, and send one. Returns how many were missed in a row."""
        since, self._looked_at = self._looked_at, self._clock.seconds()
        # A plugin that does one thing at a time answers when it is done; if it never is, the request
        # times out first.
        busy = self._busy
        if self._link.heard_at >= since:
            self._missed_pings = 0
        elif self._pinged and not busy:
            self._missed_pings += 1
        self._pinged = not busy
        if self._pinged:
            self._link.ping()
        return self._missed_pings
