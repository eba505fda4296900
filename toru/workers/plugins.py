"""Plugins as a worker sees them: processes that it asks over a connection of its own, once it is told that it may."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol as Interface

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from toru.errors import LinkLost, ToruError
from toru.http._interfaces import Waiter
from toru.supervise.backoff import restart_delay
from toru.supervise.channels import Channel, Multiplexed
from toru.supervise.dial import Dial
from toru.supervise.link import Link
from toru.supervise.traffic import TrafficCounter
from toru.wire.messages import HttpRequest, Log, Message, Pong
from toru.wire.protocol2 import JsonLines
from toru.workers.messages import (
    Drained,
    Granted,
    Lost,
    Offered,
    Proven,
    Report,
    Reports,
    ToCore,
)

# How long a process may take to answer on a connection beside the core's. Where it does not, it may be one that serves
# a single connection, and is left alone.
PROOF_SECONDS = 5.0
# So often a connection is made again that was lost: a plugin may take each new one in place of the one before.
_MOST_LOSSES = 3
_AGAIN_SECONDS, _MOST_AGAIN_SECONDS = 1.0, 16.0
_PROOF = "worker"
# The first ids of workers lie so far apart, and behind those of the core.
_IDS = 2**48


class Desk(Interface):
    """What all plugins of a worker share."""

    @property
    def clock(self) -> IReactorTime: ...

    @property
    def number(self) -> int:
        """The worker's own."""

    @property
    def max_message_bytes(self) -> int: ...

    @property
    def dial(self) -> Dial: ...

    @property
    def choked(self) -> bool:
        """Whether the core has to read before plugins may say more."""

    def tell(self, message: ToCore, /) -> None:
        """Tell the core."""

    def said(self, share: int, log: Log, /) -> Deferred[None]:
        """A plugin wrote that. Fires when it is safe."""


class _Proof:
    """Owns a channel until the process has answered on it."""

    def __init__(self, plugin: AskedPlugin, link: Link) -> None:
        self._plugin = plugin
        self._link = link

    @property
    def choked(self) -> bool:
        return self._link.choked

    def received(self, message: Message) -> bool:
        if isinstance(message, Pong) and message.request_id == _PROOF:
            self._plugin.answered()
            return True
        return self._link.received(message)

    def failed(self, request_id: str, error: ToruError) -> None:
        """Nothing was asked that could."""

    def lost(self, error: ToruError) -> None:
        self._plugin.lost()

    def writable(self) -> None:
        """What was said fits anywhere."""


class _Link(Link):
    """A link that has one connection, and is over with it."""

    plugin: AskedPlugin

    @property
    def choked(self) -> bool:
        return super().choked or self.plugin.desk.choked

    def lost(self, error: ToruError) -> None:
        super().lost(error)
        self.close(error)
        self.plugin.lost()


class AskedPlugin:
    """One process of a plugin. As `http._interfaces.ProxyTarget`, for whole requests alone."""

    streams = websockets = False

    def __init__(self, offered: Offered, desk: Desk) -> None:
        self.id = offered.offer.plugin_id
        self.granted = False
        # Whether its connection is, and how often one was.
        self._proven = False
        self._proofs = 0
        self.traffic = TrafficCounter()
        self.share = offered.share
        self._offer = offered.offer
        self.desk = desk
        self._link = self._new_link()
        self._channel: Channel | None = None
        self._timer: IDelayedCall | None = None
        self._losses = 0
        self._withdrawn = self.over = False
        self._reported = (0, 0)
        self._log = Logger(namespace="toru.workers")
        self._connect()

    # -- what requests need

    def ask(self, request: HttpRequest, waiter: Waiter) -> Callable[[], None]:
        """See `Link.ask`."""
        return self._link.ask(request, waiter)

    def served(self, status: int) -> None:
        """A client of its route got that status."""
        self.traffic.served(status)

    # -- its connection

    def _new_link(self) -> _Link:
        link = _Link(
            self.id,
            self.desk.clock,
            self.traffic,
            request_timeout=self._offer.request_timeout,
            heard_log=lambda log: self.desk.said(self.share, log),
            first_id=self.desk.number * _IDS + 1,
        )
        link.plugin = self
        return link

    def _connect(self) -> None:
        self._timer = None
        channel = Multiplexed(
            JsonLines(self.desk.max_message_bytes),
            self._offer.init,
            _Proof(self, self._link),
            self.desk.clock,
            cancel=self._offer.cancel,
        )
        try:
            self.desk.dial(self._offer.socket_path, channel)
        except OSError:
            self.lost()
            return
        self._channel = channel
        channel.ping(_PROOF)
        self._timer = self.desk.clock.callLater(PROOF_SECONDS, self._not_answered)

    def _not_answered(self) -> None:
        self._timer = None
        self._log.info(
            "{plugin} did not answer on one more connection, and is asked by the core alone", plugin=self.id
        )
        self._disconnect()

    def answered(self) -> None:
        """The process answered on the new connection."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._proven = True
            self._proofs += 1
            self.desk.tell(Proven(self.share, self._proofs))

    def lost(self) -> None:
        """Its connection is no more, or could not be made."""
        if self.over:
            return
        self._disconnect()
        if self._proven:
            self._proven = self.granted = False
            self.desk.tell(Lost(self.share))
        self._losses += 1
        if not self._withdrawn and self._losses <= _MOST_LOSSES:
            self._link = self._new_link()
            delay = restart_delay(self._losses, _AGAIN_SECONDS, _MOST_AGAIN_SECONDS)
            self._timer = self.desk.clock.callLater(delay, self._connect)

    def _disconnect(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    # -- what the core tells

    def grant(self, granted: Granted) -> None:
        """It may be asked."""
        if self._channel is None or not self._proven or self._withdrawn:
            return  # that the connection was lost is told already, or nobody wants it any more
        if granted.proof != self._proofs:
            return  # that was for the connection before this one
        self._link.limit(granted.concurrency, granted.max_waiting)
        if not self.granted:
            self.granted = True
            self._link.open(None, granted.concurrency, self._channel)

    def withdraw(self) -> None:
        """It is asked nothing new, and left once it has answered."""
        if self._withdrawn:
            return
        self._withdrawn = True
        self.granted = False
        self._link.drained().addCallback(lambda _: self._leave())

    def _leave(self) -> None:
        self.over = True
        self._link.close(LinkLost("the plugin was stopped"))
        self._disconnect()
        report = self.report()
        if report is not None:
            self.desk.tell(Reports([report]))
        self.desk.tell(Drained(self.share))

    # -- what it did

    def report(self) -> Report | None:
        """What was done since the last time, where that is anything."""
        link, traffic = self._link, self.traffic
        busy = link.in_flight, link.waiting
        if not traffic.requests and not any(traffic.answers) and busy == self._reported:
            return None
        self._reported = busy
        return Report(self.share, traffic.hand_over(), *busy)


class AskedPlugins:
    """All that the core offered, by their numbers, and those that may be asked, by route."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._all: dict[int, AskedPlugin] = {}
        self._by_id: dict[str, AskedPlugin] = {}
        self._routes: Mapping[str, str] = {}

    def find(self, segment: str) -> AskedPlugin | None:
        """The plugin of a route, where it may be asked here."""
        plugin = self._by_id.get(self._routes.get(segment, ""))
        return plugin if plugin is not None and plugin.granted else None

    def route(self, routes: Mapping[str, str]) -> None:
        self._routes = routes

    def offer(self, offered: Offered) -> None:
        self._all[offered.share] = AskedPlugin(offered, self._desk)

    def grant(self, granted: Granted) -> None:
        plugin = self._all.get(granted.share)
        if plugin is not None:
            plugin.grant(granted)
            current = self._by_id.get(plugin.id)
            # Numbers rise: the part of an older process may be free only after that of the newer.
            if plugin.granted and (current is None or not current.granted or current.share <= plugin.share):
                self._by_id[plugin.id] = plugin

    def withdraw(self, share: int) -> None:
        plugin = self._all.get(share)
        if plugin is not None:
            plugin.withdraw()
            if self._by_id.get(plugin.id) is plugin:
                del self._by_id[plugin.id]

    def reports(self) -> list[Report]:
        """Of those of which there is something new."""
        self._all = {share: plugin for share, plugin in self._all.items() if not plugin.over}
        return [report for plugin in self._all.values() if (report := plugin.report()) is not None]
