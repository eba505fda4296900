"""The life of one plugin: its state machine, its process, and the successor of that while a restart is under way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import to_builtins
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.config import PluginSettings
from toru.errors import PluginDisabled, RestartFailed
from toru.model import Event, EventType, Exit, Protocol, State, Usage
from toru.supervise.backoff import CHANGES_SECONDS, change_delay, counted_crashes, restart_delay
from toru.supervise.child import Child
from toru.supervise.framings import FRAMINGS, Framings
from toru.supervise.host import Host, Recipe
from toru.supervise.lifecycle import Core, make_lifecycle
from toru.supervise.registry import Found
from toru.supervise.traffic import TrafficCounter
from toru.supervise.waiting import Waiting, within
from toru.wire.messages import rfc3339

_make_machine = make_lifecycle()
_ON_THE_WAY = ("starting", "stopping", "stopped")


@dataclass(frozen=True)
class Office:
    """Where a plugin reports."""

    tell: Callable[[Event], None]
    """Something happened."""
    gave_up: Callable[[str], None]
    """The plugin with that id crashed once too often: it is to be remembered as disabled."""
    framed: Callable[[Found, Protocol], None]
    """What this version of its file speaks is known now."""
    usage: Callable[[int], Usage | None]
    """What the process with that pid costs."""
    changed: Callable[[str], None]
    """The plugin with that id is in another state."""


class Life:
    """Starts, ends and replaces the processes of a plugin: by what it is told, and by what becomes of them."""

    def __init__(
        self, host: Host, office: Office, found: Found, settings: PluginSettings, *, enabled: bool
    ) -> None:
        self.found = found
        self.enabled = enabled
        self.state: State = "stopped"
        self.traffic = TrafficCounter()
        self._host = host
        self._office = office
        self._settings = settings
        self._core = Core(host.clock, self)
        self._machine = _make_machine(self._core)
        self._child: Child | None = None
        self._successor: Child | None = None
        self._leaving: set[Child] = set()
        self._crashes = 0
        self._starts = 0
        self._begun = False
        self._ending = False
        self._changes: list[float] = []
        self._change: IDelayedCall | None = None
        self._last_exit: Exit | None = None
        self._problem: str | None = None
        self.broken_file: str | None = None
        self._succession: list[Deferred[None]] = []
        self._waiting = Waiting()
        self._log = Logger(namespace="toru.plugin")
        # What its processes wrote may take longer to be safe than they lived.
        self._speaking: set[Child] = set()
        self._tail = host.tail(found.metadata.id, lambda: self.pid)
        self._learn(found)

    @property
    def id(self) -> str:
        """Its id, which never changes."""
        return self.found.metadata.id

    @property
    def pid(self) -> int | None:
        """The pid of the process that serves, where there is one."""
        return self._child.pid if self._child is not None else None

    # -- what it is told

    def begin(self) -> None:
        """Take up the state that it was left in: up where it is enabled.

        Until then nothing is started: one of the same id, from another file, may be on its way out.
        """
        self._begun = True
        self._tail.start()
        if self.enabled:
            self._machine.start()
        else:
            self._machine.disable()

    def _start(self) -> None:
        if self._begun:
            self._machine.start()

    def enable(self) -> Deferred[None]:
        """Have it up; crashes before are forgiven. Fires when it is up, has crashed, or after `start_timeout`."""
        if not self.enabled:
            self.enabled = True
            self._crashes = 0
            self._problem = None
            self.tell("enabled")
        self._start()
        started = self._waiting.when(lambda: self.state not in _ON_THE_WAY)
        return within(started, self._host.supervision.start_timeout, self._host.clock)

    def disable(self) -> Deferred[None]:
        """Have it down. Fires when nothing of it is left, also where somebody enabled it again meanwhile."""
        child = self._child
        if self.enabled:
            self.enabled = False
            self._problem = None
            self.tell("disabled")
        self._end_others("it was disabled")
        self._machine.disable()

        def gone() -> bool:
            down = (
                self.state == "disabled"
                or (self._ending and self.state == "stopped")
                or (self.enabled and self._child is not child)
            )
            return down and not self._leaving

        return self._waiting.when(gone)

    def stop(self) -> Deferred[None]:
        """Have it down for good. Fires when nothing of it is left, and all that it wrote is safe."""
        self._ending = True
        self._forget_change()
        self._end_others("it was stopped")
        self._machine.stop()

        def gone() -> bool:
            down = self.state in ("stopped", "disabled")
            return down and not self._leaving and not self._speaking

        return self._waiting.when(gone).addCallback(lambda _: self._tail.stop())

    def restart(self) -> Deferred[None]:
        """A new process. Where the plugin is up and may overlap, the old one serves until it is ready.

        Fails with PluginDisabled, or RestartFailed where the new process did not get ready.
        """
        if not self.enabled:
            return fail(PluginDisabled(f"The plugin '{self.id}' is disabled: enable it instead."))
        if self.state == "running" and self._settings.restart == "overlap":
            waiter: Deferred[None] = Deferred()
            self._succession.append(waiter)
            if self._successor is None:
                self._start_successor()
            return waiter
        if self.state in ("starting", "running"):
            self._machine.stop()
        self._start()

        def decided() -> bool:
            return self.state not in _ON_THE_WAY or (self._ending and self.state == "stopped")

        return self._waiting.when(decided).addCallback(self._came_up)

    def _came_up(self, _: None) -> None:
        if self.state != "running":
            raise self._restart_failed(self._problem or f"the plugin is {self.state}")

    def _restart_failed(self, why: str) -> RestartFailed:
        return RestartFailed(f"The new process of '{self.id}' did not get ready: {why}")

    def update(self, found: Found) -> None:
        """Its file changed: have the new version run in place of the old one."""
        self._learn(found)
        self._crashes = 0
        self.tell("changed", version=found.metadata.version)
        self._drop_successor("its file changed once more")
        now = self._host.clock.seconds()
        self._changes = [*(at for at in self._changes if now - at < CHANGES_SECONDS), now]
        self._forget_change()
        delay = change_delay(len(self._changes))
        if delay:
            self._change = self._host.clock.callLater(delay, self._replace)
        else:
            self._replace()

    def _replace(self) -> None:
        if self.enabled and self.state != "stopped":
            self.restart().addErrback(self._not_replaced)

    def _forget_change(self) -> None:
        if self._change is not None and self._change.active():
            self._change.cancel()

    def _not_replaced(self, failure: Failure) -> None:
        error = failure.getErrorMessage()
        if self.enabled and self.state == "running":
            self._problem = error  # what runs is the version before
        self.tell("problem", error=error)

    def _learn(self, found: Found) -> None:
        self.found = found
        self.broken_file = None
        self._framings = Framings(self._settings.protocol or found.metadata.protocol or found.framing)

    # -- what it does to the world: lifecycle.Effects

    def spawn(self) -> None:
        self._child = self._new_child()
        self._child.start()

    def stop_process(self) -> None:
        assert self._child is not None
        self._child.stop()

    def adopt(self) -> None:
        old, self._child, self._successor = self._child, self._successor, None
        if old is not None:
            self._leaving.add(old)
            old.retire()
        self._problem = None
        self.tell("upgraded", version=self.found.metadata.version)

    def drop_successor(self) -> None:
        self._drop_successor("the plugin was stopped meanwhile")

    def crashed(self, exit: Exit) -> float | None:
        supervision = self._host.supervision
        self._crashes = self._consecutive_crashes() + 1
        self._child = None
        self._last_exit = exit
        self._problem = f"crashed: {exit.detail}"
        self.tell("crashed", exit=to_builtins(exit), consecutive_crashes=self._crashes)
        if self._crashes >= supervision.max_crashes:
            self.enabled = False
            self._problem = f"disabled after {self._crashes} crashes in a row; the last: {self._problem}"
            return None
        delay = restart_delay(self._crashes, supervision.backoff_first, supervision.backoff_max)
        self.tell("restarting", delay_seconds=delay)
        return delay

    def gave_up(self) -> None:
        self._end_others("it was disabled")
        self.tell("disabled-after-crashes", crashes=self._crashes)
        self._office.gave_up(self.id)

    def entered(self, state: State) -> None:
        self.state = state
        self._office.changed(self.id)
        self._waiting.look()

    # -- what its processes tell: child.Listener

    def started(self, child: Child) -> None:
        self._starts += 1
        self._speaking.add(child)
        self.tell("started", pid=child.pid)

    def ready(self, child: Child) -> None:
        self.tell("ready", pid=child.pid)
        if child is self._successor:
            self._machine.succeeded()
            self._succession, waiting = [], self._succession
            for waiter in waiting:
                waiter.callback(None)
        elif child is self._child:
            self._problem = None
            self._machine.ready()

    def framed(self, child: Child, framing: Protocol, sure: bool) -> None:
        self._framings.known = framing
        if sure:
            self._office.framed(self.found, framing)
        else:
            self._log.warn(
                "{plugin}: answered in neither framing when it was probed; taken to speak JSON lines. "
                'Have its metadata say "protocol": "1" or "2"',
                plugin=self.id,
            )

    def unhealthy(self, child: Child, why: str) -> None:
        if child is self._child:
            self._problem = f"unhealthy: {why}"
        self.tell("unhealthy", pid=child.pid, why=why)

    def silent(self, child: Child) -> None:
        self._speaking.discard(child)
        self._waiting.look()

    def exited(self, child: Child, exit: Exit) -> None:
        if not ({self._child, self._successor, *self._leaving} - {child, None}):
            self._tail.flush()
        if child in self._leaving:
            self._leaving.discard(child)
            self.tell("stopped", pid=child.pid)
            self._waiting.look()
        elif child is self._successor:
            self._successor = None
            if self._forgive(child) and self.state == "running":
                self._start_successor()
            else:
                self._no_successor(exit.detail)
        elif child is self._child:
            if self._forgive(child):
                self._last_exit = exit
                self.tell(
                    "stopped", pid=child.pid, exit=to_builtins(exit), asked_in=f"protocol {child.probing}"
                )
                self._machine.died_in_probe(exit)
            else:
                if self.state == "stopping":
                    self._child = None
                    self._last_exit = exit
                    self.tell("stopped", pid=child.pid)
                self._machine.exited(exit)

    def _forgive(self, child: Child) -> bool:
        """Whether that process died of being asked in a framing for the first time, which is no crash."""
        forgiven = self._framings.forgive(child.probing)
        if forgiven and self._framings.exhausted:
            self.framed(child, FRAMINGS[0], False)
        return forgiven

    # -- inside

    def _new_child(self) -> Child:
        framings = self._framings
        recipe = Recipe(
            self.found.path, self.found.metadata, self._settings, framings.to_try, framings.known is None
        )
        return Child(self._host, recipe, self.traffic, self)

    def _start_successor(self) -> None:
        self._successor = self._new_child()
        self._successor.start()

    def _no_successor(self, why: str) -> None:
        self._successor = None
        self._succession, waiting = [], self._succession
        for waiter in waiting:
            waiter.errback(self._restart_failed(why))

    def _end_others(self, why: str) -> None:
        """End what runs beside the process: what was to take over, and what still answers old requests."""
        self._drop_successor(why)
        for child in list(self._leaving):
            child.stop()

    def _drop_successor(self, why: str) -> None:
        if self._successor is not None:
            self._leaving.add(self._successor)
            self._successor.stop()
            self._no_successor(why)

    def _consecutive_crashes(self) -> int:
        child = self._child
        healthy_for = 0.0
        if child is not None and child.ready_at is not None:
            healthy_for = self._host.clock.seconds() - child.ready_at
        return counted_crashes(self._crashes, healthy_for, self._host.supervision.stable_seconds)

    def tell(self, type: EventType, **details: object) -> None:
        """Something happened to this plugin."""
        self._office.changed(self.id)
        self._office.tell(
            Event(timestamp=rfc3339(self._host.clock.seconds()), plugin=self.id, type=type, details=details)
        )
