"""What a head was let in with, for the next time that it comes on its connection."""

from __future__ import annotations

from toru.http.routes import Routed
from toru.store.accounttable import Key
from toru.wire.messages import RequestHead


class Admitted:
    """By which key and which session's cookie, and whether as a handshake for a WebSocket.

    `route` and `request` are of a request for a plugin: where it goes, and what the plugin is asked. They are worked
    out when they are first wanted.
    """

    __slots__ = ("handshake", "key", "request", "route", "session")

    def __init__(self, key: Key, session: bytes | None, *, handshake: bool) -> None:
        self.key = key
        self.session = session
        self.handshake = handshake
        self.route: Routed | None = None
        self.request: RequestHead | None = None
