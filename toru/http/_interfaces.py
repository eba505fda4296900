"""What the face needs of whoever keeps the plugins, and nothing more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred

from toru.errors import ToruError
from toru.model import Figures, PluginNumbers, PluginStatus, Problem, Rescan
from toru.wire.messages import Answer, HttpRequest

T = TypeVar("T")


class InThread(Protocol):
    """Runs what blocks away from the reactor's thread, as `deferToThread` does."""

    def __call__(self, work: Callable[[], T], /) -> Deferred[T]: ...


class Waiter(Protocol):
    """Whoever asks a plugin."""

    def answered(self, answer: Answer, /) -> None: ...

    def failed(self, error: ToruError, /) -> None: ...


class ProxyTarget(Protocol):
    """One enabled plugin, as the route table gives it."""

    @property
    def id(self) -> str: ...

    def request(self, request: HttpRequest, /) -> Deferred[Answer]:
        """Ask the plugin. Cancelling the Deferred ends the wait and tells the plugin.

        Fails with PluginUnavailable, PluginBusy, PluginTimeout or a PluginFailure.
        """

    def ask(self, request: HttpRequest, waiter: Waiter, /) -> Callable[[], None]:
        """As `request`, without a Deferred: what is returned is how to go away.

        Raises PluginUnavailable or PluginBusy. The waiter is told once: of an answer later, of a failure at any time.
        """

    def served(self, status: int, /) -> None:
        """Count what a client of its route got, 200 to 599, from the plugin or from us."""


class Plugins(Protocol):
    """All plugins. Each call returns a Deferred of its own, and cancelling one ends that wait only.

    What was begun (a stop, a restart) goes on when its caller has gone.
    """

    def route(self, segment: str, /) -> ProxyTarget:
        """The enabled plugin whose route is `/segment`. Raises RouteNotFound."""

    def get(self, id: str, /) -> PluginStatus:
        """Raises PluginNotFound."""

    def require(self, id: str, /) -> None:
        """Raises PluginNotFound; cheaper than `get`."""

    def problems(self) -> Sequence[Problem]:
        """The files in the plugins folder that are no usable plugins."""

    def enable(self, id: str, /) -> Deferred[PluginStatus]:
        """Fails with PluginNotFound."""

    def disable(self, id: str, /) -> Deferred[PluginStatus]:
        """Fires when the process is gone. Fails with PluginNotFound."""

    def restart(self, id: str, /) -> Deferred[PluginStatus]:
        """Fails with PluginNotFound, PluginDisabled or RestartFailed."""

    def rescan(self) -> Deferred[Rescan]:
        """Look at the plugins folder now."""

    def list(self) -> Sequence[PluginStatus]:
        """Every plugin, in any order."""


class Numbers(Protocol):
    """What is counted of each plugin."""

    def numbers(self) -> Sequence[PluginNumbers]:
        """Of every plugin, in any order."""


class UsageOf(Protocol):
    """What plugins cost and did in the last ten minutes."""

    def of(self, id: str, /) -> Sequence[Figures]:
        """What there is of a plugin, oldest first."""
