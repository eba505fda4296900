"""The storage of a plugin that is checked: toru's calls for keys and values, kept in memory."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

_MAX_BODY_BYTES = 8 * 2**20
_MAX_VALUE_BYTES = 2**20
_MAX_KEY_LENGTH = 512
_MOST_KEYS = 1000
_PATH = re.compile(r"/api/plugins/[^/]+/kv")


class Refused(Exception):
    """The call is answered with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class KeyValues:
    """`call` does what one request asks. `ttl_seconds` is taken and means nothing: a check is over before."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._lock = threading.Lock()

    def call(self, asked: Any) -> dict[str, Any]:
        """The members of the answer. Raises Refused."""
        if not isinstance(asked, dict):
            raise Refused(400)
        with self._lock:
            if asked.get("action") == "list":
                return self._list(asked)
            key = asked.get("key")
            if not isinstance(key, str) or not 1 <= len(key) <= _MAX_KEY_LENGTH:
                raise Refused(400)
            match asked.get("action"):
                case "get":
                    return {"value": self._values.get(key)}
                case "set":
                    return {"value": self._set(key, asked)}
                case "delete":
                    self._values.pop(key, None)
                    return {"value": None}
        raise Refused(400)

    def _set(self, key: str, asked: dict[str, Any]) -> str:
        value = asked.get("value")
        if not isinstance(value, str):
            raise Refused(400)
        if len(value.encode()) > _MAX_VALUE_BYTES:
            raise Refused(413)
        if "expect" in asked and self._values.get(key) != asked["expect"]:
            raise Refused(409)
        self._values[key] = value
        return value

    def _list(self, asked: dict[str, Any]) -> dict[str, Any]:
        prefix, after = asked.get("prefix") or "", asked.get("after") or ""
        limit = asked.get("limit", _MOST_KEYS)
        if not isinstance(limit, int) or not 1 <= limit <= _MOST_KEYS:
            raise Refused(400)
        found = sorted(key for key in self._values if key.startswith(prefix) and key > after)
        return {"keys": found[:limit], "next": found[limit - 1] if len(found) > limit else None}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Storage

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        try:
            if length > _MAX_BODY_BYTES:
                raise Refused(413)
            body = self.rfile.read(length)
            if not _PATH.fullmatch(self.path):
                raise Refused(404)
            if self.headers.get("authorization") != f"Bearer {self.server.token}":
                raise Refused(401)
            if self.path != f"/api/plugins/{self.server.plugin_id}/kv":
                raise Refused(403)
            self._answer(200, self.server.values.call(json.loads(body)))
        except Refused as refused:
            self._answer(refused.status, {"status": refused.status})
        except ValueError:
            self._answer(400, {"status": 400})

    def _answer(self, status: int, members: dict[str, Any]) -> None:
        body = json.dumps(members).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


class Storage(ThreadingHTTPServer):
    """Listens on this machine while it is used as a context. `url` and `token` are what a plugin is told.

    It is that of the plugin `plugin_id`, and refuses what is asked of another's.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.token = token
        self.plugin_id = ""
        self.values = KeyValues()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()
