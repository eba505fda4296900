"""Plugins that other processes of toru ask, too: what those are told of them, and what is heard back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as Interface

from msgspec import Struct
from twisted.internet.defer import Deferred, succeed

from toru.supervise.link import Link
from toru.supervise.traffic import TrafficCounter
from toru.wire.messages import Init, Log


class Offer(Struct, frozen=True):
    """A running process of a plugin, which speaks protocol 2 and answers pings.

    `concurrency` requests at once are what all together may ask of it; `request_timeout` is in seconds; `cancel` says
    whether it wants to be told of who went away.
    """

    plugin_id: str
    socket_path: str
    init: Init
    concurrency: int
    request_timeout: float
    cancel: bool


class Share(Interface):
    """What the others do with one process."""

    @property
    def in_flight(self) -> int:
        """Requests that they sent and that are not answered."""

    @property
    def waiting(self) -> int:
        """Requests that wait there to be sent."""

    def withdraw(self) -> Deferred[None]:
        """Have them ask it nothing new. Fires once nobody there waits for it; may be said again."""


class Sharing(Interface):
    """Whoever has other processes."""

    def offer(
        self,
        offer: Offer,
        link: Link,
        traffic: TrafficCounter,
        heard_log: Callable[[Log], Deferred[None]],
        /,
    ) -> Share:
        """Let them ask that process. `link` is our own to it, and is limited to what they leave of its concurrency."""


class _NotShared:
    in_flight = waiting = 0

    def withdraw(self) -> Deferred[None]:
        return succeed(None)


NOT_SHARED: Share = _NotShared()
