"""What a handler gets and gives: requests, responses, and errors that are meant for the client.

Here and in all that `import toru.plugin` loads, other modules are imported where they are used: a plugin
is started often, and most of what Python has is not needed by most plugins.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
    from typing import Any

    from toru.plugin.engine import Engine

    Receive = Callable[[], Coroutine[Any, Any, bytes | None]]

# What a body may have that is not streamed, as toru limits it.
MAX_BODY = 8 * 2**20
_MAX_HEADERS = 256
_MAX_HEADER_BYTES = 64 * 1024


class HTTPError(Exception):
    """Raise it in a handler to answer with that status (200 to 599) and that text."""

    def __init__(self, status: int, message: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.headers = headers


class ClientGone(ConnectionError):
    """Nobody waits for the answer any more. Raised where a handler reads or writes then."""


class Request:
    """One request. Who sends it has been let in by toru.

    `path` is what stands behind the plugin's route, percent-encoded, without the query, which is
    `query_string`. Names in `headers` are lower-case. `cancelled` becomes True once nobody waits any more.
    """

    def __init__(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        receive: Receive | None = None,
        engine: Engine | None = None,
    ) -> None:
        """`target` is the path with its query. With `receive` the body comes in parts, None after the last."""
        self.method = method
        self.path, _, self.query_string = target.partition("?")
        self.headers = dict(headers)
        self.cancelled = False
        # Whether something of the handler's waits for the client just now.
        self.hears = False
        self._body: bytes | None = body
        self._receive = receive
        self._engine = engine
        self._query: dict[str, str] | None = None
        self._interrupt: Callable[[], object] | None = None
        if receive is not None:
            self._body = None

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path}>"

    @property
    def user(self) -> str:
        """Who asks: a username, or the name of an API token."""
        return self.headers.get("x-toru-user", "")

    @property
    def role(self) -> str:
        """`admin` or `client`."""
        return self.headers.get("x-toru-role", "")

    @property
    def prefix(self) -> str:
        """What stands before `path` in a browser, `/api/plugins/route/…`: put it before links."""
        return self.headers.get("x-forwarded-prefix", "")

    @property
    def query(self) -> dict[str, str]:
        """The query, decoded; of a name that is there twice the last value."""
        if self._query is None:
            from urllib.parse import parse_qsl

            self._query = dict(parse_qsl(self.query_string, keep_blank_values=True))
        return self._query

    @property
    def body(self) -> bytes:
        """All of it, for routes without `stream=True`."""
        if self._body is None:
            raise RuntimeError(
                "The body of a request to a route with stream=True comes in parts: iterate over the request."
            )
        return self._body

    def text(self) -> str:
        """The body as UTF-8. What is none is answered with 400."""
        try:
            return self.body.decode()
        except UnicodeDecodeError as error:
            raise HTTPError(400, f"The body is not UTF-8: {error}") from None

    def json(self) -> Any:
        """The body as JSON. What is none is answered with 400."""
        import json

        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise HTTPError(400, f"The body is not JSON: {error}") from None

    def __iter__(self) -> Iterator[bytes]:
        """The body in parts as they come. Raises ConnectionError where the client goes before the last."""
        if self._body is not None:
            if self._body:
                yield self._body
            return
        assert self._receive is not None
        assert self._engine is not None
        while (part := self._engine.wait(self._receive())) is not None:
            yield part

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The same for `async` handlers."""
        if self._body is not None:
            if self._body:
                yield self._body
            return
        assert self._receive is not None
        assert self._engine is not None
        while (part := await self._engine.awaitable(self._receive())) is not None:
            yield part

    def reader(self) -> Receive:
        """What gives the next part at each call, None after the last, also after a call that was interrupted.

        For the kit itself.
        """
        if self._body is None and self._receive is not None:
            return self._receive
        parts = iter(self)

        async def following() -> bytes | None:
            return next(parts, None)

        return following

    async def collect(self) -> None:
        """Read the whole body, of at most MAX_BODY bytes, else 413. For the kit itself."""
        if self._receive is None:
            return
        parts = bytearray()
        while (part := await self._receive()) is not None:
            parts += part
            if len(parts) > MAX_BODY:
                raise HTTPError(413, f"The body has more than {MAX_BODY:,} bytes.")
        self._body = bytes(parts)

    def cancel(self) -> None:
        """Nobody waits any more: what can be interrupted is. For the kit itself.

        A handler that waits for the client is told there that it is gone.
        """
        self.cancelled = True
        if self._interrupt is not None and not self.hears:
            self._interrupt()


class Response:
    """An answer.

    `body` may be text, bytes, None, an iterator or async iterator of text or bytes (a stream, see
    `Plugin.route`), or anything else that JSON can say. `status` is 200 unless given, 204 where there is
    no body. A value in `headers` may be a list, for several of one name.
    """

    def __init__(
        self,
        body: object = None,
        status: int | None = None,
        headers: Mapping[str, str | Sequence[str]] | None = None,
    ) -> None:
        """Raises TypeError for a body that JSON cannot say, ValueError for a status or a header that HTTP cannot."""
        kind, self.body = _read_body(body)
        self.status = (204 if body is None else 200) if status is None else status
        self.headers: dict[str, str | list[str]] = {} if kind is None else {"content-type": kind}
        for name, value in (headers or {}).items():
            self.headers[name.lower()] = value if isinstance(value, str) else list(value)
        _check(self.status, self.headers)

    @property
    def streams(self) -> bool:
        """Whether the body comes in parts."""
        return not isinstance(self.body, bytes)


def as_response(result: object) -> Response:
    """What a handler returned, as an answer."""
    return result if isinstance(result, Response) else Response(result)


def as_bytes(part: object) -> bytes:
    """A part of a stream."""
    if isinstance(part, str):
        return part.encode()
    if isinstance(part, (bytes, bytearray, memoryview)):
        return bytes(part)
    raise TypeError(f"a part of a stream is text or bytes; it is {type(part).__name__}")


def _read_body(body: object) -> tuple[str | None, Any]:
    """Its usual content type, and bytes or an iterator."""
    if body is None:
        return None, b""
    if isinstance(body, str):
        return "text/plain; charset=utf-8", body.encode()
    if isinstance(body, (bytes, bytearray, memoryview)):
        return "application/octet-stream", bytes(body)
    if hasattr(body, "__anext__") or hasattr(body, "__next__"):
        return "application/octet-stream", body
    import json

    try:
        return "application/json", json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"a handler answers with text, bytes, a Response, an iterator or what JSON can say: {error}"
        ) from None


def _check(status: int, headers: Mapping[str, str | list[str]]) -> None:
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise ValueError(f"a status is a whole number from 200 to 599; it is {status!r}")
    size = count = 0
    for name, values in headers.items():
        if not name or not name.isascii() or not name.replace("-", "a").replace("_", "a").isalnum():
            raise ValueError(f"a header cannot be called {name!r}")
        for value in [values] if isinstance(values, str) else values:
            if not isinstance(value, str):
                raise TypeError(f"the header {name} is a string, or a list of strings; it is {value!r}")
            if any(c > "\xff" or c == "\x7f" or (c < " " and c != "\t") for c in value):
                raise ValueError(f"the header {name} holds characters that no header can have: {value!r}")
            size += len(name) + len(value)
            count += 1
    if count > _MAX_HEADERS or size > _MAX_HEADER_BYTES:
        raise ValueError(
            f"an answer has at most {_MAX_HEADERS} headers and {_MAX_HEADER_BYTES:,} bytes of them; "
            f"it has {count:,} and {size:,}"
        )
