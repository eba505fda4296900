"""WSGI applications as plugins: what PEP 3333 asks, from a request and back."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

from toru.plugin.engine import Engine
from toru.plugin.messages import Request, Response

_READ_BYTES = 64 * 1024
# An answer that says it is no longer than that is sent in one piece.
_SMALL = 64 * 1024


class WSGI:
    """One application. It is called in a thread, and so are the iterators that it returns."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    async def answer(self, engine: Engine, request: Request) -> Response:
        """The application's answer, in parts unless it is small."""
        response: Response = await engine.call(request, self._call, request)
        return response

    def _call(self, request: Request) -> Response:
        started: list[tuple[str, list[tuple[str, str]]]] = []
        first: list[bytes] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: object = None
        ) -> Callable[[bytes], object]:
            started[:] = [(status, headers)]
            return first.append

        parts = self._app(_environ(request), start_response)
        rest = iter(parts)
        try:
            # An application may start to answer as late as with its first part.
            while not started and (part := next(rest, None)) is not None:
                first.append(part)
            if not started:
                raise RuntimeError("the WSGI application returned without calling start_response")
            status, headers = started[0]
            body = _Body(first, rest, parts)
            response = response_of(int(status.split(" ", 1)[0]), headers, body)
            length = str(response.headers.get("content-length", ""))
            if length.isdigit() and int(length) <= _SMALL and request.method != "HEAD":
                response.body = b"".join(body)
                body.close()
        except BaseException:
            _close(parts)
            raise
        return response


class _Body:
    """What is there already, and then what the application yields; `close` is passed on to it."""

    def __init__(self, first: list[bytes], rest: Iterator[bytes], parts: object) -> None:
        self._first = first
        self._rest = rest
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return self._first.pop(0) if self._first else next(self._rest)

    def close(self) -> None:
        """What the application wants to be told, however it ended."""
        _close(self._parts)


class _Input(io.RawIOBase):
    """The request's body as a file."""

    def __init__(self, request: Request) -> None:
        self._parts = iter(request)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = memoryview(next(self._parts, b""))
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def response_of(status: int, headers: Iterable[tuple[str, str]], body: object) -> Response:
    """An answer with the headers that an application chose, and no others."""
    grouped: dict[str, list[str]] = {}
    for name, value in headers:
        grouped.setdefault(name.lower(), []).append(value)
    response = Response(
        body, status, {name: values[0] if len(values) == 1 else values for name, values in grouped.items()}
    )
    if "content-type" not in grouped:
        del response.headers["content-type"]
    return response


def seen_headers(request: Request) -> dict[str, str]:
    """The request's headers as if the client had asked the application itself."""
    asked = request.headers.get("x-forwarded-host")
    return {**request.headers, "host": asked} if asked else request.headers


def address(request: Request) -> tuple[str, str, int, str]:
    """The scheme, the host and the port that were asked for, and the address of who asks."""
    scheme = request.headers.get("x-forwarded-proto", "http")
    asked = request.headers.get("x-forwarded-host") or request.headers.get("host") or "localhost"
    host, colon, port = asked.rpartition(":")
    client = request.headers.get("x-forwarded-for", "").partition(",")[0].strip()
    if colon and port.isdigit():
        return scheme, host, int(port), client
    return scheme, asked, 443 if scheme == "https" else 80, client


def _environ(request: Request) -> dict[str, Any]:
    scheme, host, port, client = address(request)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": unquote_to_bytes(request.prefix).decode("latin-1"),
        "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
        "QUERY_STRING": request.query_string,
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": client,
        "REMOTE_USER": request.user,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BufferedReader(_Input(request), _READ_BYTES),
        # It ends where the body does, whether its length is known or not.
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in seen_headers(request).items():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return environ


def _close(parts: object) -> None:
    close = getattr(parts, "close", None)
    if close is not None:
        close()
