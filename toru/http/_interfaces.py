"""What the face needs of whoever keeps the plugins, and nothing more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from twisted.internet.defer import Deferred

from toru.errors import ToruError
from toru.model import Figures, PluginNumbers, PluginStatus, Problem, Rescan
from toru.wire.messages import Answer, HttpRequest, Pairs, StreamRequest, WebSocketRequest

if TYPE_CHECKING:
    from toru.http.server.connection import Connection

T = TypeVar("T")


class InThread(Protocol):
    """Runs what blocks away from the reactor's thread, as `deferToThread` does."""

    def __call__(self, work: Callable[[], T], /) -> Deferred[T]: ...


class Waiter(Protocol):
    """Whoever asks a plugin."""

    def answered(self, answer: Answer, /) -> None: ...

    def failed(self, error: ToruError, /) -> None: ...


class Exchanging(Protocol):
    """Whoever streams, as far as all are alike. Nothing is told after the end, nor after `cancel`."""

    def failed(self, error: ToruError, /) -> None:
        """The end, where the plugin is at fault or late. It may come at any time."""

    def pause(self) -> None:
        """The plugin does not read: send it nothing more for now. One piece more is taken yet."""

    def resume(self) -> None:
        """Go on sending."""


class StreamClient(Exchanging, Protocol):
    """Whoever asks a plugin on a stream."""

    def answered(self, status: int, headers: Pairs, body: bytes | None, /) -> None:
        """The whole answer, and so the end; or its beginning, where `body` is None and parts follow."""

    def part(self, data: bytes, /) -> None:
        """More of the answer's body."""

    def finished(self) -> None:
        """The end: the answer's body is whole."""


class WebSocketClient(Exchanging, Protocol):
    """Whoever opens a WebSocket of a plugin."""

    def accepted(self, subprotocol: str | None, /) -> None:
        """The plugin takes it, with one of the subprotocols that were offered or none."""

    def refused(self, status: int, headers: Pairs, body: bytes, /) -> None:
        """The end: the plugin answers otherwise."""

    def message(self, data: bytes, text: bool, /) -> None:
        """A whole message, at most 16 MiB; UTF-8 where it is `text`."""

    def closed(self, code: int, reason: str, /) -> None:
        """The plugin says no more: it closed, or answers the client's `close`, or is being stopped. Said once.

        `code` is from 1000 to 4999, and may be one that never stands in a frame. Where the client has not said
        `close` it is to say so; `failed` comes where it does not within 10 s.
        """


class _Plugin(Protocol):
    def pause(self) -> None:
        """Read nothing more from the plugin for now; what was read already, at most 64 KiB, is still told."""

    def resume(self) -> None:
        """Read on."""

    def cancel(self) -> None:
        """The client has gone. Nothing is told any more."""


class PluginStream(_Plugin, Protocol):
    """A request that a plugin has in hand. What is said after its end is dropped."""

    def write(self, data: bytes, /) -> None:
        """More of the request's body."""

    def finish(self) -> None:
        """The request's body is whole; also to be said where it has none."""


class PluginWebSocket(_Plugin, Protocol):
    """A WebSocket that a plugin has in hand. What is said after its end is dropped."""

    def message(self, data: bytes, text: bool, /) -> None:
        """A whole message of the client's, at most 16 MiB; UTF-8 where it is `text`."""

    def close(self, code: int, reason: str, /) -> None:
        """The client says no more. `closed` comes once the plugin has answered, unless it came before."""


class Askable(Protocol):
    """A plugin, as far as whole requests need it."""

    @property
    def id(self) -> str: ...

    def ask(self, request: HttpRequest, waiter: Waiter, /) -> Callable[[], None]:
        """Ask the plugin. What is returned is how to go away.

        Raises PluginUnavailable or PluginBusy. The waiter is told once: of an answer later, of a failure at any time.
        """

    def served(self, status: int, /) -> None:
        """Count what a client of its route got, 200 to 599, from the plugin or from us."""


class ProxyTarget(Askable, Protocol):
    """One enabled plugin, as the route table gives it."""

    def request(self, request: HttpRequest, /) -> Deferred[Answer]:
        """As `ask`, for who awaits. Cancelling the Deferred ends the wait and tells the plugin.

        Fails with PluginUnavailable, PluginBusy, PluginTimeout or a PluginFailure.
        """

    @property
    def streams(self) -> bool:
        """Whether the running version takes every request by `open`."""

    @property
    def websockets(self) -> bool:
        """Whether it takes WebSockets."""

    def open(self, request: StreamRequest, client: StreamClient, /) -> PluginStream:
        """Ask the plugin, the body to be written to what is returned.

        Raises PluginUnavailable or PluginBusy. The client may be told of a failure before this returns; then
        what is returned does nothing.
        """

    def open_websocket(self, request: WebSocketRequest, client: WebSocketClient, /) -> PluginWebSocket:
        """Open a WebSocket, likewise."""


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


class Lender(Protocol):
    """Whoever has other processes that serve clients."""

    @property
    def lent(self) -> int:
        """How many clients those have."""

    def lend(self, connection: Connection, plugin_id: str, /) -> bool:
        """Leave a client to one of them, with a request for that plugin that is its first; whether it was left."""

    def ended(self, connection: Connection, /) -> None:
        """It is gone, lent or not."""

    def make_room(self) -> None:
        """Have one of them close a connection that is idle."""


class Numbers(Protocol):
    """What is counted of each plugin."""

    def numbers(self) -> Sequence[PluginNumbers]:
        """Of every plugin, in any order."""


class UsageOf(Protocol):
    """What plugins cost and did in the last ten minutes."""

    def of(self, id: str, /) -> Sequence[Figures]:
        """What there is of a plugin, oldest first."""
