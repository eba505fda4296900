"""One process of a plugin: from its place in the queue of starters to the last of its session gone."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol as Interface

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore, gatherResults
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.process import Process
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.errors import LinkLost
from toru.model import Exit, LogRecord, Protocol
from toru.supervise import sessions
from toru.supervise.backoff import poll_delay
from toru.supervise.channels import Channel, Multiplexed, Owner, PerMessage
from toru.supervise.dial import remove_socket
from toru.supervise.health import Health
from toru.supervise.host import Host, Recipe
from toru.supervise.link import Link
from toru.supervise.output import Output
from toru.supervise.probe import PROBE_SECONDS, Probe
from toru.supervise.sharing import NOT_SHARED, Offer, Share, Sharing
from toru.supervise.spawn import describe_end, rest_of
from toru.supervise.streampool import Streams
from toru.supervise.traffic import TrafficCounter
from toru.wire.messages import Init, Log, rfc3339
from toru.wire.protocol1 import LengthPrefixed
from toru.wire.protocol2 import JsonLines
from toru.wire.streams import StreamLines

CONCURRENCY = {"1": 1, "2": 64}
# How long a process is one of the few that may be starting at once; one that takes longer, or hangs, is not
# to keep the others waiting.
_STARTER_SECONDS = 1.0
# How often what is left of its session is looked for, and how long at most.
_BURY_SECONDS, _BURY_TRIES = 0.01, 200
# Something that left the session may hold pipes and connections for ever: they are closed that long after the end.
_PIPES_SECONDS = 5.0


class Listener(Interface):
    """What a child tells; each with itself, since a plugin may have two for a while."""

    def started(self, child: Child) -> None:
        """It has a process."""

    def ready(self, child: Child) -> None:
        """Its socket took our connection, and it is known what it speaks."""

    def framed(self, child: Child, framing: Protocol, sure: bool) -> None:
        """It was found out what it speaks; not `sure` where nothing was answered and it was assumed."""

    def unhealthy(self, child: Child, why: str) -> None:
        """It is not well, and is being killed for it."""

    def silent(self, child: Child) -> None:
        """All that it wrote to its pipes is safe. Told once, to whom it was told that it has a process."""

    def exited(self, child: Child, exit: Exit) -> None:
        """It is gone with all its session. Said once, also where it never started."""


class Child(ProcessProtocol):
    """One process, its socket, its link and its output."""

    transport: Process

    def __init__(self, host: Host, recipe: Recipe, traffic: TrafficCounter, listener: Listener) -> None:
        self.recipe = recipe
        self.pid: int | None = None
        self.started_at: float | None = None
        self.ready_at: float | None = None
        self.probing: Protocol | None = None
        self.socket_path = os.fspath(host.run / f"{recipe.metadata.id[:12]}.{next(host.socket_numbers)}.sock")
        self._request_timeout = recipe.settings.request_timeout or host.request_timeout
        self.link = Link(
            recipe.metadata.id,
            host.clock,
            traffic,
            request_timeout=self._request_timeout,
            heard_log=self._heard_log,
        )
        self.streams = Streams(
            recipe.metadata.id,
            host.clock,
            traffic,
            host.streams,
            StreamLines(host.max_message_bytes),
            self.link,
            request_timeout=self._request_timeout,
            idle_timeout=recipe.settings.stream_idle_timeout or host.stream_idle_timeout,
        )
        self._host = host
        self._listener = listener
        self._health = Health(
            host.clock,
            self.link,
            self.streams,
            self.socket_path,
            busy_elsewhere=lambda: self._share.in_flight > 0,
            unhealthy=self.fail,
        )
        self._share = NOT_SHARED
        self._traffic = traffic
        self._slot: Deferred[DeferredSemaphore] | None = None
        self._holds_slot = False
        self._coming_up: Deferred[None] | None = None
        self._timers: dict[str, IDelayedCall] = {}
        self._output: Output | None = None
        self._token: str | None = None
        self._leader = 0
        self._end: Failure | None = None
        self._why: str | None = None
        self._stopping = False
        self._said_all = False
        self._over = False
        self._log = Logger(namespace="toru.child")

    @property
    def healthy(self) -> bool:
        """Whether it is alive and answers, as far as is known."""
        return self.ready_at is not None and self._end is None and self._health.good

    @property
    def waiting(self) -> int:
        """How many requests wait to be given to it."""
        return self.link.waiting + self.streams.waiting + self._share.waiting

    # -- starting

    def start(self) -> None:
        """Start as soon as there is room among the starters."""
        self._slot = self._host.starting.acquire()
        self._slot.addCallbacks(self._spawn, lambda failure: failure.trap(CancelledError))
        self._slot.addErrback(self._broken)

    def _spawn(self, _: DeferredSemaphore) -> None:
        self._holds_slot = True
        metadata, settings = self.recipe.metadata, self.recipe.settings
        self._token = token = self._host.tokens.issue(metadata.id)
        log_path = os.fspath(self._host.run / f"{metadata.id}.log")
        api_url = self._host.api_url()
        self._init = Init(
            plugin_id=metadata.id,
            instance_id=self._host.instance_id,
            socket_path=self.socket_path,
            log_path=log_path,
            api_url=api_url,
            token=token,
        )
        environment = {
            **settings.env,
            "TORU_PLUGIN_ID": metadata.id,
            "TORU_PLUGIN_SOCKET": self.socket_path,
            "TORU_INSTANCE_ID": self._host.instance_id,
            "TORU_LOG_PATH": log_path,
            "TORU_API_URL": api_url,
            "TORU_PLUGIN_TOKEN": token,
        }
        self.started_at = self._host.clock.seconds()
        try:
            # A tmp cleaner may have taken it, or a plugin.
            self._host.run.mkdir(mode=0o700, exist_ok=True)
            self._host.spawner.spawn(
                self,
                [os.fspath(self.recipe.path)],
                environment,
                memory_max=settings.memory_max,
                nofile=settings.nofile,
            )
        except OSError as error:
            self._why = f"cannot be started: {error.strerror}"
            self._conclude()
            return
        self._listener.started(self)
        if self._end is not None:
            return  # dead before anybody looked, and its end is under way
        self._after("slot", _STARTER_SECONDS, self._leave_slot)
        seconds = self._host.supervision.ready_timeout
        self._after("ready", seconds, self.fail, f"it did not get ready within {seconds:g} s")
        self._coming_up = Deferred.fromCoroutine(self._come_up())
        self._coming_up.addErrback(lambda failure: failure.trap(CancelledError)).addErrback(self._broken)

    def connectionMade(self) -> None:
        pid = self.transport.pid
        assert pid is not None
        self.pid = self._leader = pid
        self._output = Output(
            self._host.clock,
            self.recipe.metadata.id,
            pid,
            self._host.sink,
            pause=self.transport.pauseProducing,
            resume=self.transport.resumeProducing,
        )

    async def _come_up(self) -> None:
        framings = self.recipe.framings
        if not self.recipe.probe:
            channel = await self._connection(framings[0], self.link)
            self._leave_slot()
            self._open(framings[0], channel)
            return
        for framing in framings:
            probe = Probe()
            channel = await self._connection(framing, probe)
            self._leave_slot()
            # A death is put down to what was asked first: one that dies of it may do so when the connection is
            # closed on it, and the next question is on its way already.
            self.probing = self.probing or framing
            if await probe.ask(channel, self._host.clock):
                self.probing = None
                self._listener.framed(self, framing, True)
                self._open(framing, channel)
                return
            channel.close()
        # The last question may be unanswered because the process is dying of the one before.
        await deferLater(self._host.clock, PROBE_SECONDS)
        self.probing = None
        self._listener.framed(self, "2", False)
        self._open("2", None)

    def _open(self, framing: Protocol, channel: Channel | None) -> None:
        metadata, settings = self.recipe.metadata, self.recipe.settings
        concurrency = settings.concurrency or metadata.concurrency or CONCURRENCY[framing]
        self._health.pings = framing == "2" and "ping" in metadata.capabilities
        self.link.open(lambda owner: self._connect(framing, owner), concurrency, channel)
        if framing == "2":
            self.streams.open(
                partial(self._host.dial, self.socket_path),
                self._init,
                requests="stream" in metadata.capabilities,
                websockets="websocket" in metadata.capabilities,
            )
        if self._host.sharing is not None and self._health.pings and not self.streams.requests:
            self._share = self._offer_to(self._host.sharing, concurrency)
        self.ready_at = self._host.clock.seconds()
        self._cancel("ready")
        self._health.start(self._host.supervision.health_interval)
        # Told in a turn of its own: whoever hears it may stop us, which cancels the story that we are in.
        self._after("tell", 0, self._listener.ready, self)

    def _offer_to(self, sharing: Sharing, concurrency: int) -> Share:
        metadata = self.recipe.metadata
        offer = Offer(
            plugin_id=metadata.id,
            socket_path=self.socket_path,
            init=self._init,
            concurrency=concurrency,
            request_timeout=self._request_timeout,
            cancel="cancel" in metadata.capabilities,
        )
        return sharing.offer(offer, self.link, self._traffic, self._heard_log)

    async def _connection(self, framing: Protocol, owner: Owner) -> Channel:
        """The first connection that the socket takes."""
        began = self._host.clock.seconds()
        while True:
            if os.path.exists(self.socket_path):
                with suppress(OSError):
                    return self._connect(framing, owner)
            await deferLater(self._host.clock, poll_delay(self._host.clock.seconds() - began))

    def _connect(self, framing: Protocol, owner: Owner) -> Channel:
        limit = self._host.max_message_bytes
        if framing == "1":
            return PerMessage(
                LengthPrefixed(limit), self.socket_path, self._init, owner, self._host.dial, self._host.clock
            )
        channel = Multiplexed(
            JsonLines(limit),
            self._init,
            owner,
            self._host.clock,
            cancel="cancel" in self.recipe.metadata.capabilities,
        )
        self._host.dial(self.socket_path, channel)
        return channel

    def _leave_slot(self) -> None:
        self._cancel("slot")
        if self._holds_slot:
            self._holds_slot = False
            self._host.starting.release()

    def _broken(self, failure: Failure) -> None:
        self._log.failure("{plugin}: starting it failed", failure, plugin=self.recipe.metadata.id)
        self.fail("an error of toru itself, which is in its log")

    # -- what it says

    def outReceived(self, data: bytes) -> None:
        assert self._output is not None
        self._output.received("stdout", data)

    def errReceived(self, data: bytes) -> None:
        assert self._output is not None
        self._output.received("stderr", data)

    def _heard_log(self, message: Log) -> Deferred[None]:
        return self._host.sink.write(
            [
                LogRecord(
                    timestamp=rfc3339(self._host.clock.seconds()),
                    plugin=self.recipe.metadata.id,
                    level=message.level,
                    message=message.message,
                    stream="link",
                    fields=message.fields,
                    pid=self.pid,
                )
            ]
        )

    # -- ending

    def stop(self) -> None:
        """Ask it to exit; SIGTERM where it has not after `stop_grace`; SIGKILL after `term_grace` more."""
        if self._stopping or self._over or self._end is not None:
            return
        self._stopping = True
        self.probing = None
        if self._leader == 0:
            self._never_started()
            return
        self._quiesce()
        self._share.withdraw()
        self.streams.goodbye()
        grace = self._host.supervision.stop_grace
        if self.link.shutdown(grace):
            self._after("stop", grace, self._terminate)
        else:
            self._terminate()

    def retire(self) -> None:
        """Stop once whoever waits for it has been served: a newer process takes what comes from now on."""
        drained = gatherResults([self.link.drained(), self.streams.drained(), self._share.withdraw()])
        drained.addCallback(lambda _: self.stop())

    def fail(self, why: str) -> None:
        """It is not well: end it without asking, and say why when it is gone."""
        if self._stopping or self._over or self._end is not None:
            return
        self._stopping = True
        self.probing = None
        self._why = why
        if self._leader == 0:
            self._never_started()
            return
        self._quiesce()
        error = LinkLost(f"the plugin is being restarted: {why}")
        self._share.withdraw()
        self.link.close(error)
        self.streams.close(error)
        self._listener.unhealthy(self, why)
        self._terminate()

    def _never_started(self) -> None:
        assert self._slot is not None
        self._slot.cancel()
        self._conclude()

    def _quiesce(self) -> None:
        self._health.stop()
        self._cancel("ready")
        self._cancel("tell")
        if self._coming_up is not None:
            self._coming_up.cancel()

    def _terminate(self) -> None:
        sessions.signal_group(self._leader, signal.SIGTERM)
        self._after("stop", self._host.supervision.term_grace, self._kill)

    def _kill(self) -> None:
        sessions.signal_session(self._leader, signal.SIGKILL)

    def processExited(self, reason: Failure) -> None:
        self._end = reason
        session, self._leader = self._leader, 0
        self._quiesce()
        self._cancel("stop")
        self._leave_slot()
        self._share.withdraw()
        self.link.close()
        if self.streams.end():
            self._after("streams", _PIPES_SECONDS, self.streams.close)
        remove_socket(self.socket_path)
        self._bury(session, _BURY_TRIES)

    def _bury(self, session: int, tries: int) -> None:
        """Kill what is left of the session, until nothing is."""
        if sessions.kill_members(session) and tries:
            self._after("bury", _BURY_SECONDS, self._bury, session, tries - 1)
            return
        # Its pipes are not read while the disk is waited for; why it fell is told at once all the same.
        if words := rest_of(self.transport, 2):
            self.errReceived(words)
        if not self._said_all:
            self._after("pipes", _PIPES_SECONDS, self._close_pipes)
        self._conclude()

    def _close_pipes(self) -> None:
        self.transport.loseConnection()

    def processEnded(self, reason: Failure) -> None:
        self._said_all = True
        self._cancel("pipes")
        if self._output is not None:
            self._output.finish().addCallback(lambda _: self._listener.silent(self))

    def _conclude(self) -> None:
        if self._over:
            return
        self._over = True
        if self._token is not None:
            self._host.tokens.revoke(self._token)
        self._leave_slot()
        self.link.close()
        self.streams.end()
        code, name, ended = describe_end(self._end or Failure(ConnectionDone()))
        if self._end is None:
            detail = self._why or "it was not started"
        else:
            last_error = self._output.last_error if self._output is not None else ""
            detail = ": ".join(part for part in (self._why, ended, last_error) if part)
        self._listener.exited(
            self, Exit(at=rfc3339(self._host.clock.seconds()), code=code, signal=name, detail=detail)
        )

    # -- timers: each by its name, none outlives the process

    def _after(self, name: str, seconds: float, call: Callable[..., None], *arguments: object) -> None:
        self._cancel(name)
        self._timers[name] = self._host.clock.callLater(seconds, self._due, name, call, *arguments)

    def _due(self, name: str, call: Callable[..., None], *arguments: object) -> None:
        del self._timers[name]
        call(*arguments)

    def _cancel(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
