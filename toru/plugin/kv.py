"""The plugin's storage: strings by key, kept by toru, asked for over HTTP."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import EllipsisType
    from typing import Any

    # An action and its members, and what comes of it. Raises KVError.
    Ask = Callable[[str, dict[str, Any]], dict[str, Any]]

_TIMEOUT = 30.0


class KVError(Exception):
    """toru refused it, or could not be asked. `status` is that of HTTP, 0 where there was no answer.

    400 and 413: no such key or value can be; 507: the storage is full; 503: try again.
    """

    def __init__(self, message: str, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class KVConflict(KVError):
    """The value is not what `expect` says."""


class KV:
    """Blocks until toru has answered; what was set or deleted is on disk then. Any thread may use it."""

    def __init__(self, ask: Ask | None = None) -> None:
        self.ask = ask or ask_toru

    def get(self, key: str) -> str | None:
        """The value, None where there is none."""
        value: str | None = self.ask("get", {"key": key})["value"]
        return value

    def set(
        self, key: str, value: str, *, ttl: float | None = None, expect: str | EllipsisType | None = ...
    ) -> None:
        """Keep it, for `ttl` seconds where that is given.

        With `expect` only if that is the value now, None for no value; else raises KVConflict.
        """
        members: dict[str, Any] = {"key": key, "value": value}
        if ttl is not None:
            members["ttl_seconds"] = ttl
        if expect is not ...:
            members["expect"] = expect
        self.ask("set", members)

    def delete(self, key: str) -> None:
        """Forget it, if it is there."""
        self.ask("delete", {"key": key})

    def keys(self, prefix: str = "") -> list[str]:
        """All keys that begin so, in order."""
        found: list[str] = []
        members: dict[str, Any] = {"prefix": prefix}
        while True:
            page = self.ask("list", members)
            found += page["keys"]
            if page["next"] is None:
                return found
            members["after"] = page["next"]


class AsyncKV:
    """The same for `async` handlers, and for those that return Deferreds: `await plugin.async_kv.get("key")`."""

    def __init__(self, kv: KV, in_thread: Callable[..., Awaitable[Any]]) -> None:
        self._kv = kv
        self._in_thread = in_thread

    def get(self, key: str) -> Awaitable[str | None]:
        """The value, None where there is none."""
        return self._in_thread(self._kv.get, key)

    def set(
        self, key: str, value: str, *, ttl: float | None = None, expect: str | EllipsisType | None = ...
    ) -> Awaitable[None]:
        """Keep it. See `KV.set`."""
        return self._in_thread(lambda: self._kv.set(key, value, ttl=ttl, expect=expect))

    def delete(self, key: str) -> Awaitable[None]:
        """Forget it, if it is there."""
        return self._in_thread(self._kv.delete, key)

    def keys(self, prefix: str = "") -> Awaitable[list[str]]:
        """All keys that begin so, in order."""
        return self._in_thread(self._kv.keys, prefix)


def ask_toru(action: str, members: dict[str, Any]) -> dict[str, Any]:
    """One call, on a connection of its own: one that is kept may be closed just then, and whether
    a `set` was done before could not be told.
    """
    import json
    from http.client import HTTPConnection, HTTPException
    from urllib.parse import urlsplit

    try:
        url = urlsplit(os.environ["TORU_API_URL"])
        headers = {"Authorization": f"Bearer {os.environ['TORU_PLUGIN_TOKEN']}"}
        path = f"{url.path}/api/plugins/{os.environ['TORU_PLUGIN_ID']}/kv"
    except KeyError as missing:
        raise KVError(
            f"There is no storage without toru: {missing.args[0]} is not set. "
            "In tests, use toru.plugin.testing.TestClient."
        ) from None
    connection = HTTPConnection(url.hostname or "", url.port, timeout=_TIMEOUT)
    try:
        body = json.dumps({"action": action, **members}).encode()
        connection.request("POST", path, body, {**headers, "Content-Type": "application/json"})
        answer = connection.getresponse()
        status, text = answer.status, answer.read()
    except (OSError, HTTPException) as error:
        why = str(error) or type(error).__name__
        raise KVError(f"toru's storage could not be asked at {url.netloc}: {why}") from error
    finally:
        connection.close()
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if status == 200 and isinstance(said, dict):
        return said
    problem = said if isinstance(said, dict) else {}
    kind = KVConflict if status == 409 else KVError
    detail = problem.get("detail") or problem.get("title") or "it gave no reason"
    raise kind(f"{action} was refused ({status}): {detail}", status, problem.get("code", ""))
