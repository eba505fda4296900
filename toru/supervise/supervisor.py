"""All plugins: what the folder holds becomes processes, and what people ask becomes what they do."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, gatherResults, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.config import PluginSettings
from toru.errors import CoreStopping, PluginNotFound, RouteNotFound
from toru.model import Event, PluginNumbers, PluginStatus, Problem, Protocol, Rescan
from toru.store.enabled import EnabledPlugins
from toru.supervise.discovery import Discovery
from toru.supervise.host import Host
from toru.supervise.life import Office
from toru.supervise.plugin import Plugin
from toru.supervise.registry import Decision, Found, difference
from toru.supervise.usage import UsageSampler
from toru.wire.messages import rfc3339

T = TypeVar("T")


@dataclass(frozen=True)
class Parts:
    """What the supervisor is put together from, besides what is its own."""

    host: Host
    enabled: EnabledPlugins
    usage: UsageSampler
    tell: Callable[[Event], None]
    changed: Callable[[str], None]
    routed: Callable[[Mapping[str, str]], None]
    """Which plugin each route stands for, without its slash."""


class Supervisor:
    """The plugins by id and by route. What it was asked to begin goes on when whoever asked has gone."""

    def __init__(
        self,
        parts: Parts,
        settings: Callable[[str], PluginSettings],
        make_discovery: Callable[[Callable[[Decision, Decision], None]], Discovery],
    ) -> None:
        """`make_discovery` is given what to call when the plugins folder holds something else than before."""
        self._parts = parts
        self._settings = settings
        self._discovery = make_discovery(self._published)
        self._plugins: dict[str, Plugin] = {}
        self._routes: dict[str, Plugin] = {}
        self._leaving: dict[str, Deferred[None]] = {}
        self._stopping = False
        self._log = Logger(namespace="toru.supervisor")
        self._office = Office(
            tell=parts.tell,
            gave_up=self._gave_up,
            framed=self._framed,
            usage=parts.usage,
            changed=parts.changed,
        )

    # -- what people ask: toru.http._interfaces.Plugins

    def route(self, segment: str) -> Plugin:
        """The enabled plugin whose route is `/segment`. Raises RouteNotFound."""
        plugin = self._routes.get(segment)
        if plugin is None or not plugin.enabled:
            raise RouteNotFound(f"No enabled plugin has the route '/{segment}'.")
        return plugin

    def get(self, id: str) -> PluginStatus:
        """Raises PluginNotFound."""
        return self._plugin(id).status()

    def require(self, id: str) -> None:
        """Raises PluginNotFound."""
        self._plugin(id)

    def problems(self) -> tuple[Problem, ...]:
        """The files in the plugins folder that are no usable plugins, and why."""
        return self._discovery.decision.problems

    def enable(self, id: str) -> Deferred[PluginStatus]:
        """Fires when it is up, has crashed, or after `start_timeout`. Fails with PluginNotFound."""
        return _detached(self._switch(id, True))

    def disable(self, id: str) -> Deferred[PluginStatus]:
        """Fires when nothing of it runs any more. Fails with PluginNotFound."""
        return _detached(self._switch(id, False))

    async def _switch(self, id: str, enabled: bool) -> PluginStatus:
        plugin = self._plugin_to_change(id)
        done = plugin.enable() if enabled else plugin.disable()
        await self._parts.enabled.set(id, enabled)
        await done
        return plugin.status()

    def restart(self, id: str) -> Deferred[PluginStatus]:
        """Fails with PluginNotFound, PluginDisabled or RestartFailed."""
        return _detached(self._restart(id))

    async def _restart(self, id: str) -> PluginStatus:
        plugin = self._plugin_to_change(id)
        await plugin.restart()
        return plugin.status()

    def rescan(self) -> Deferred[Rescan]:
        """Look at the plugins folder now, and ask those again that were no usable plugins."""
        before = self._discovery.decision
        return self._discovery.look(again=True).addCallback(partial(difference, before))

    def _plugin(self, id: str) -> Plugin:
        plugin = self._plugins.get(id)
        if plugin is None:
            raise PluginNotFound(f"There is no plugin '{id}'.")
        return plugin

    def _plugin_to_change(self, id: str) -> Plugin:
        if self._stopping:
            raise CoreStopping("toru is stopping, and starts and stops nothing any more.")
        return self._plugin(id)

    # -- what the folder holds

    def look(self) -> None:
        """Something happened in the plugins folder."""
        self._discovery.look().addErrback(lambda failure: failure.trap(CancelledError))

    def _published(self, before: Decision, after: Decision) -> None:
        if self._stopping:
            return
        self._tell_problems(before, after)
        for id, plugin in list(self._plugins.items()):
            file = plugin.found.path.name
            if id in after.plugins:
                continue
            if file in after.broken:
                # What runs is the version before, and it may go on: the new one cannot take its place.
                self._note_file(plugin, next(p.error for p in after.problems if p.file == file))
            else:
                self._remove(plugin)
        for id, found in after.plugins.items():
            known = self._plugins.get(id)
            if known is None:
                self._add(found)
            elif (known.found.path, known.found.stamp) != (found.path, found.stamp):
                known.update(found)
            else:
                self._note_file(known, None)
        # Those that the folder holds come last, so that no route is kept from them by one that it does not.
        held = sorted(self._plugins.values(), key=lambda plugin: plugin.id in after.plugins)
        self._routes = {plugin.found.metadata.route[1:]: plugin for plugin in held}
        self._parts.routed({route: plugin.id for route, plugin in self._routes.items()})

    def _note_file(self, plugin: Plugin, error: str | None) -> None:
        if plugin.broken_file != error:
            plugin.broken_file = error
            self._parts.changed(plugin.id)

    def _add(self, found: Found) -> None:
        id = found.metadata.id
        plugin = Plugin(
            self._parts.host, self._office, found, self._settings(id), enabled=id in self._parts.enabled
        )
        self._plugins[id] = plugin
        plugin.tell("discovered", file=found.path.name, version=found.metadata.version)
        # One of the same id, from a file that is gone, may still be on its way out.
        self._leaving.get(id, succeed(None)).addCallback(lambda _: self._begin(plugin))

    def _begin(self, plugin: Plugin) -> None:
        if not self._stopping and self._plugins.get(plugin.id) is plugin:
            plugin.begin()

    def _remove(self, plugin: Plugin) -> None:
        del self._plugins[plugin.id]
        plugin.tell("removed")
        before = self._leaving.get(plugin.id, succeed(None))
        gone: Deferred[None] = Deferred()
        self._leaving[plugin.id] = gone

        def left(_: None) -> None:
            if self._leaving.get(plugin.id) is gone:
                del self._leaving[plugin.id]
            gone.callback(None)

        ended = plugin.stop()

        def wait_for_it() -> None:
            ended.addCallback(left)

        # Where the one before it is still on its way out too, that is waited for first.
        before.addCallback(lambda _: wait_for_it())

    def _tell_problems(self, before: Decision, after: Decision) -> None:
        known = set(before.problems)
        for problem in after.problems:
            if problem not in known:
                self._parts.tell(
                    Event(
                        timestamp=rfc3339(self._parts.host.clock.seconds()),
                        plugin="",
                        type="problem",
                        details={"file": problem.file, "error": problem.error},
                    )
                )

    # -- what plugins report

    def _gave_up(self, id: str) -> None:
        Deferred.fromCoroutine(self._parts.enabled.set(id, False)).addErrback(self._not_saved)

    def _not_saved(self, failure: Failure) -> None:
        # Said already, by whoever could not write. It is disabled for as long as this core runs.
        failure.trap(Exception)

    def _framed(self, found: Found, framing: Protocol) -> None:
        self._discovery.remember_framing(found.path, found.stamp, framing)

    def list(self) -> Sequence[PluginStatus]:
        """Every plugin, in any order."""
        return [plugin.status() for plugin in self._plugins.values()]

    def numbers(self) -> Sequence[PluginNumbers]:
        """What metrics show of every plugin, in any order."""
        return [plugin.numbers() for plugin in self._plugins.values()]

    # -- its own life

    def pids(self) -> Sequence[int]:
        """The plugins' processes."""
        return [pid for plugin in self._plugins.values() if (pid := plugin.pid) is not None]

    def start(self) -> None:
        """Look at the folder, and start what is found and enabled, each as soon as it is known."""
        self._parts.usage.start()
        self.look()

    def stop(self) -> Deferred[None]:
        """Stop all plugins at once. Fires when nothing of them is left and all that was learned is saved."""
        self._stopping = True
        self._parts.usage.stop()
        ending = [plugin.stop() for plugin in self._plugins.values()]
        saved = self._discovery.stop()
        waiting = gatherResults([*ending, *self._leaving.values(), saved], consumeErrors=True)
        return waiting.addCallback(lambda _: None)


def _detached(work: Coroutine[Deferred[Any], Any, T]) -> Deferred[T]:
    """A Deferred of the caller's own: cancelling it ends the caller's wait, and the work goes on."""
    waiter: Deferred[T] = Deferred()
    Deferred.fromCoroutine(work).chainDeferred(waiter)
    return waiter
