"""The kit for plugins in Python: `Plugin` and what its handlers get and give.

It needs nothing but the standard library, and nothing else of toru: a copy of this folder in a zipapp
is all that a plugin has to carry.
"""

from __future__ import annotations

from toru.plugin.kv import KVConflict, KVError
from toru.plugin.messages import HTTPError, Request, Response
from toru.plugin.plugin import Plugin
from toru.plugin.websocket import AsyncWebSocket, WebSocket, WebSocketClosed

__all__ = [
    "AsyncWebSocket",
    "HTTPError",
    "KVConflict",
    "KVError",
    "Plugin",
    "Request",
    "Response",
    "WebSocket",
    "WebSocketClosed",
]
