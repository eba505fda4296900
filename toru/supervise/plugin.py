"""One plugin, as others see it: who asks it for something, and who asks how it is."""

from __future__ import annotations

import math
from collections.abc import Callable

from twisted.internet.defer import Deferred

from toru.errors import PluginUnavailable
from toru.model import Health, PluginNumbers, PluginStatus
from toru.supervise.child import Child
from toru.supervise.collecting import collect
from toru.supervise.life import Life
from toru.supervise.link import Waiter, deferred
from toru.supervise.streamedrequest import StreamClient, StreamedRequest
from toru.supervise.streamedsocket import StreamedWebSocket, WebSocketClient
from toru.wire.messages import Answer, HttpRequest, StreamRequest, WebSocketRequest, rfc3339

_UNAVAILABLE = {"backoff": "crashed, and will be restarted", "stopped": "is not running"}


class Plugin(Life):
    """What the supervisor holds of each plugin, and what the route table hands out."""

    # -- what it is asked for

    def request(self, request: HttpRequest) -> Deferred[Answer]:
        """As `ask`, for who awaits. Cancelling is how one goes away; it fails with what `ask` raises, too."""
        return deferred(self.ask, request)

    def ask(self, request: HttpRequest, waiter: Waiter) -> Callable[[], None]:
        """See `Link.ask`. Raises PluginUnavailable where the plugin is not up."""
        child = self._up()
        if child.streams.requests:
            return collect(child.streams, request, waiter, self._host.max_message_bytes)
        return child.link.ask(request, waiter)

    @property
    def streams(self) -> bool:
        """Whether it takes requests by `open`: what runs, or where nothing does what its file declares."""
        child = self._child
        if child is not None and self.state == "running":
            return child.streams.requests
        return "stream" in self.found.metadata.capabilities

    @property
    def websockets(self) -> bool:
        """Whether it takes WebSockets, in the same way."""
        child = self._child
        if child is not None and self.state == "running":
            return child.streams.websockets
        return "websocket" in self.found.metadata.capabilities

    def open(self, request: StreamRequest, client: StreamClient) -> StreamedRequest:
        """See `Streams.request`. Raises PluginUnavailable where the plugin is not up."""
        return self._up().streams.request(request, client)

    def open_websocket(self, request: WebSocketRequest, client: WebSocketClient) -> StreamedWebSocket:
        """See `Streams.websocket`. Raises PluginUnavailable where the plugin is not up."""
        return self._up().streams.websocket(request, client)

    def _up(self) -> Child:
        if self.state == "running" and self._child is not None:
            return self._child
        wait = 1
        if self._core.backoff is not None:
            wait = max(math.ceil(self._core.backoff.getTime() - self._host.clock.seconds()), 1)
        is_ = _UNAVAILABLE.get(self.state, f"is {self.state}")
        raise PluginUnavailable(f"The plugin '{self.id}' {is_}.", retry_after=wait)

    def served(self, status: int) -> None:
        """A client of its route got that status."""
        self.traffic.served(status)

    # -- how it is

    @property
    def _health(self) -> Health:
        if not self.enabled:
            return "disabled"
        up = self.state == "running" and self._child is not None and self._child.healthy
        return "healthy" if up else "unhealthy"

    @property
    def _restarts(self) -> int:
        return max(self._starts - 1, 0)

    def numbers(self) -> PluginNumbers:
        """Everything that metrics show."""
        # A process that leaves may still have requests that wait for it.
        children = [child for child in {self._child, *self._leaving} if child is not None]
        queued = sum(child.waiting for child in children)
        pid = self.pid
        return PluginNumbers(
            id=self.id,
            state=self.state,
            health=self._health,
            restarts=self._restarts,
            consecutive_crashes=self._consecutive_crashes(),
            answers=tuple(self.traffic.answers),
            latency=self.traffic.durations.snapshot(),
            queued=queued,
            in_flight=self.traffic.in_flight - queued,
            usage=None if pid is None else self._office.usage(pid),
        )

    def status(self) -> PluginStatus:
        """Everything that `GET /api/plugins/:id` shows."""
        child, now = self._child, self._host.clock.seconds()
        # Of what runs: a new version of the file may not have come up, or not yet.
        metadata = child.recipe.metadata if child is not None else self.found.metadata
        pid = self.pid
        started = child.started_at if child is not None else None
        due = self._core.backoff.getTime() if self.state == "backoff" and self._core.backoff else None
        return PluginStatus(
            id=metadata.id,
            name=metadata.name,
            version=metadata.version,
            author=metadata.author,
            description=metadata.description,
            icon=metadata.icon,
            route=metadata.route,
            capabilities=metadata.capabilities,
            protocol=self._framings.known,
            enabled=self.enabled,
            state=self.state,
            running=self.state == "running",
            health=self._health,
            pid=pid,
            socket_path=child.socket_path if child is not None else None,
            started_at=None if started is None else rfc3339(started),
            uptime_seconds=None if started is None else round(now - started, 3),
            restarts=self._restarts,
            consecutive_crashes=self._consecutive_crashes(),
            next_restart_at=None if due is None else rfc3339(due),
            last_exit=self._last_exit,
            problem=self._problem or self.broken_file,
            usage=None if pid is None else self._office.usage(pid),
            traffic=self.traffic.snapshot(),
        )
