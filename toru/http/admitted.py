"""What a head was let in with, for the next time that it comes on its connection."""

from __future__ import annotations

from toru.http.routes import Routed, split
from toru.store.accounttable import Key
from toru.wire.messages import RequestHead


class Admitted:
    """By which key and which session's cookie, and whether as a handshake for a WebSocket.

    `request` is what the plugin is asked that a request is for; it is worked out when it is first wanted.
    """

    __slots__ = ("_route", "handshake", "key", "request", "session")

    def __init__(self, key: Key, session: bytes | None, *, handshake: bool) -> None:
        self.key = key
        self.session = session
        self.handshake = handshake
        self.request: RequestHead | None = None
        self._route: Routed | None = None

    def before_another_body(self) -> Admitted:
        """The same for a head that announces a body of another length, which a plugin is told."""
        other = Admitted(self.key, self.session, handshake=self.handshake)
        other._route = self._route
        return other

    def route(self, target: bytes) -> Routed:
        """Where a request for a plugin goes, `target` being that of the head. Raises BadRoute or RouteNotFound."""
        route = self._route
        if route is None:
            route = self._route = split(target)
        return route
