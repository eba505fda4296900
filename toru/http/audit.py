"""What admins do becomes an event: who, what, and from where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTime

from toru.access.origin import SAFE_METHODS
from toru.access.roles import ADMIN, rules_at
from toru.model import Event
from toru.store.events import ADMIN_ACTION, Events
from toru.wire.messages import rfc3339

if TYPE_CHECKING:
    from toru.http.request import Request

_PLUGINS = "/api/plugins/"


class Audit:
    """Watches the calls that change something and that only an admin may make."""

    def __init__(self, clock: IReactorTime, events: Events) -> None:
        self._clock = clock
        self._events = events

    def watch(self, request: Request, path: str) -> None:
        """Tell of this request once it is over, unless it was refused."""
        method = request.method.decode("ascii")
        if method in SAFE_METHODS or rules_at(path).get(method) != ADMIN:
            return
        details = {"who": request.caller.name, "what": f"{method} {path}", "from": request.front.address}
        plugin = path.removeprefix(_PLUGINS).partition("/") if path.startswith(_PLUGINS) else ("", "", "")

        def over(_: object) -> None:
            # Where the client went away before the answer, what it asked for goes on.
            if request.code < 400:
                about = plugin[0] if plugin[1] else ""
                self._events.append(Event(rfc3339(self._clock.seconds()), about, ADMIN_ACTION, details))

        request.notifyFinish().addBoth(over)
