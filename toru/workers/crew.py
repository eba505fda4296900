"""All workers: hired, told what they need to know, given clients, and replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from socket import socket
from typing import Any, Literal

from msgspec import json, structs
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from twisted.logger import Logger, LogLevel

from toru.access.known import Known
from toru.http.server.connection import Connection
from toru.http.server.logged import Lines
from toru.http.server.serving import Serving
from toru.store.accounttable import Key
from toru.supervise.backoff import restart_delay
from toru.supervise.link import Link
from toru.supervise.sharing import NOT_SHARED, Offer, Share as SharedProcess
from toru.supervise.spawn import Spawner
from toru.supervise.traffic import TrafficCounter
from toru.supervise.waiting import Waiting
from toru.wire.messages import Log
from toru.workers.hired import Hired
from toru.workers.messages import (
    Begin,
    Drained,
    Finished,
    Keys,
    Lost,
    MakeRoom,
    Moved,
    Noted,
    Proven,
    Ready,
    Reports,
    Routes,
    Said,
    Spoke,
    Stop,
    ToCore,
    ToWorker,
    Written,
)
from toru.workers.moving import take_over
from toru.workers.share import Share

_LOOK_SECONDS = 1.0
# Connections that workers are asked to close between two looks, for others that wait: many may be refused meanwhile.
_MOST_ROOM = 20
# A worker that lived so long has not failed in a row with the one before.
_LASTING_SECONDS = 60.0
_FIRST_DELAY, _MOST_DELAY = 1.0, 16.0


class Crew:
    """`supervise.sharing.Sharing` and `http._interfaces.Lender`, with `processes - 1` workers beside the core.

    A client is lent with its first request, where that is for a plugin that workers may ask: to whoever has the fewest
    such clients, the core included, which counts those that came back. It comes back with the first request that is not.
    """

    def __init__(
        self,
        reactor: Any,
        spawner: Spawner,
        doors: Known,
        site: Callable[[], Serving],
        access_log: Lines | None,
        *,
        processes: int,
        max_body_bytes: int,
        max_message_bytes: int,
        trusted_proxies: Sequence[str],
    ) -> None:
        """`site` is where clients come back to."""
        # Any: Twisted has no one interface for a reactor that can do everything.
        self._reactor = reactor
        self._spawner = spawner
        self._doors = doors
        self._site = site
        self._access_log = access_log
        self._processes = processes
        self._begin = Begin(
            number=0,
            max_body_bytes=max_body_bytes,
            max_message_bytes=max_message_bytes,
            trusted_proxies=list(trusted_proxies),
            access_log=access_log is not None,
        )
        self._workers: dict[int, Hired] = {}
        self._failures: dict[int, int] = {}
        self._hiring: dict[int, IDelayedCall] = {}
        self._routes: Mapping[str, str] = {}
        self._numbers = count(1)
        self._shares: dict[int, Share] = {}
        # Clients that could have been lent, or came back, and are the core's.
        self._kept: set[Connection] = set()
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor
        self._room_wanted = 0
        self._stopping = False
        self._finished: set[Hired] = set()
        self._waiting = Waiting()
        self._log = Logger(namespace="toru.workers")

    # -- the start

    def start(self) -> None:
        """Hire all. From now on the keyrings of `doors` are followed."""
        self._doors.sessions.follow(partial(self._keys_changed, "sessions"))
        self._doors.tokens.follow(partial(self._keys_changed, "tokens"))
        for number in range(1, self._processes):
            self._failures[number] = 0
            self._hire(number)
        self._looking.start(_LOOK_SECONDS, now=False)

    def _hire(self, number: int) -> None:
        self._hiring.pop(number, None)
        try:
            worker = Hired(number, self._reactor, self._spawner, self)
        except OSError as error:
            self._log.warn("worker {number} cannot be started: {error}", number=number, error=error)
            self._hire_later(number)
            return
        if worker.over:
            return  # and will be replaced: it was gone before anybody looked
        self._workers[number] = worker
        worker.tell(structs.replace(self._begin, number=number))
        worker.tell(Keys("sessions", self._doors.sessions.all(), []))
        worker.tell(Keys("tokens", self._doors.tokens.all(), []))
        worker.tell(Routes(dict(self._routes)))
        for share in self._shares.values():
            share.offer_to(worker)

    def _hire_later(self, number: int) -> None:
        self._failures[number] += 1
        delay = restart_delay(self._failures[number], _FIRST_DELAY, _MOST_DELAY)
        self._hiring[number] = self._reactor.callLater(delay, self._hire, number)

    def _look(self) -> None:
        self._room_wanted = 0
        for worker in list(self._workers.values()):
            worker.look()

    # -- what they are told

    def _tell_all(self, message: ToWorker) -> None:
        for worker in list(self._workers.values()):
            worker.tell(message)

    def _keys_changed(
        self, ring: Literal["sessions", "tokens"], added: Sequence[Key], removed: Sequence[bytes]
    ) -> None:
        self._tell_all(Keys(ring, list(added), list(removed)))

    def routed(self, routes: Mapping[str, str]) -> None:
        """Which plugin each route stands for, from now on."""
        self._routes = routes
        self._tell_all(Routes(dict(routes)))

    # -- supervise.sharing.Sharing

    def offer(
        self,
        offer: Offer,
        link: Link,
        traffic: TrafficCounter,
        heard_log: Callable[[Log], Deferred[None]],
    ) -> SharedProcess:
        if offer.concurrency < self._processes or self._stopping:
            return NOT_SHARED
        share = Share(next(self._numbers), offer, link, traffic, heard_log, self._processes, self._share_over)
        self._shares[share.number] = share
        for worker in self._workers.values():
            share.offer_to(worker)
        return share

    def _share_over(self, share: Share) -> None:
        self._shares.pop(share.number, None)

    def _share_of(self, plugin_id: str) -> Share | None:
        """That of its newest process that is not on its way out."""
        for share in reversed(self._shares.values()):
            if share.offer.plugin_id == plugin_id and not share.withdrawn:
                return share
        return None

    # -- http._interfaces.Lender

    @property
    def lent(self) -> int:
        return sum(worker.connections for worker in self._workers.values())

    @property
    def connections(self) -> dict[int, int]:
        """How many clients each worker has that is ready, by its number."""
        return {worker.number: worker.connections for worker in self._workers.values() if worker.ready}

    def lend(self, connection: Connection, plugin_id: str) -> bool:
        share = self._share_of(plugin_id)
        if share is None or self._stopping:
            return False
        able = [worker for worker in self._workers.values() if worker in share.granted and worker.is_fresh()]
        if not able:
            return False
        worker = min(able, key=lambda each: each.connections)
        if worker.connections > len(self._kept):
            self._kept.add(connection)
            return False
        data = connection.first
        client, unsent = connection.leave()
        worker.tell(Moved(unsent, data), client)
        return True

    def ended(self, connection: Connection) -> None:
        self._kept.discard(connection)

    def make_room(self) -> None:
        if self._workers and self._room_wanted < _MOST_ROOM:
            self._room_wanted += 1
            max(self._workers.values(), key=lambda each: each.connections).tell(MakeRoom())

    # -- hired.Office: what they say

    def heard(self, worker: Hired, message: ToCore, carried: socket | None) -> None:
        match message:
            case Reports():
                for report in message.reports:
                    if (share := self._shares.get(report.share)) is not None:
                        share.reported(worker, report)
                for share in self._shares.values():
                    share.grant()
            case Moved():
                connection = Connection(self._site())
                self._kept.add(connection)
                if not take_over(self._reactor, connection, message, carried):
                    self._kept.discard(connection)
                return
            case Noted():
                if self._access_log is not None:
                    self._access_log.add(message.lines)
            case Proven() | Lost() | Drained() | Said():
                share = self._shares.get(message.share)
                if share is not None:
                    self._heard_of(share, worker, message)
            case Spoke():
                level = LogLevel.levelWithName(message.level)
                Logger(namespace=message.namespace).emit(
                    level, "worker {number}: {text}", number=worker.number, text=message.text
                )
            case Ready():
                worker.ready = True
                self._log.info("worker {number} is ready", number=worker.number)
            case Finished():
                self._finished.add(worker)
                self._waiting.look()
        if carried is not None:
            carried.close()

    def _heard_of(self, share: Share, worker: Hired, message: Proven | Lost | Drained | Said) -> None:
        match message:
            case Proven():
                share.proven(worker, message.proof)
            case Lost():
                share.lost(worker)
            case Drained():
                share.drained(worker)
            case Said():
                fields = None if message.fields is None else json.decode(message.fields)
                written = share.heard_log(Log(message.level, message.message, fields))
                written.addBoth(lambda _: worker.tell(Written(message.number)))

    def gone(self, worker: Hired, why: str) -> None:
        number = worker.number
        if self._workers.get(number) is worker:
            del self._workers[number]
        for share in list(self._shares.values()):
            share.drained(worker)
        self._waiting.look()
        if self._stopping:
            return
        self._log.warn("worker {number} has ended: {why}; it will be replaced", number=number, why=why)
        if self._reactor.seconds() - worker.began_at > _LASTING_SECONDS:
            self._failures[number] = 0
        self._hire_later(number)

    # -- the end

    def begin_stop(self) -> None:
        """Have them take nothing new, and give back whoever asks on."""
        self._stopping = True
        for hiring in self._hiring.values():
            hiring.cancel()
        self._hiring.clear()
        self._tell_all(Stop())

    def drained(self) -> Deferred[None]:
        """Fires when no request is in progress there; asked after `begin_stop`."""
        return self._waiting.when(self._is_drained)

    def _is_drained(self) -> bool:
        # One that is not ready has nobody's request.
        return all(worker in self._finished for worker in self._workers.values() if worker.ready)

    def stop(self) -> Deferred[None]:
        """Fires once all have ended."""
        self._stopping = True
        if self._looking.running:
            self._looking.stop()
        ending = gatherResults([worker.end() for worker in list(self._workers.values())])
        return ending.addCallback(lambda _: None)
