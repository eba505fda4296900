"""Asks the core, over HTTP with treq; whatever goes wrong becomes one line and an exit code."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import (
    ConnectError,
    ConnectionLost,
    DNSLookupError,
    TimeoutError as ConnectTimeout,
)
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import react
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from toru.cli.certificates import why_not_trusted
from toru.cli.credentials import Credential
from toru.cli.failures import Failed, Interrupted, Missing, NotAllowed, NotRunning, Unreachable
from toru.cli.output import duration, one_line
from toru.wire.metadata import ID, RESERVED_IDS

T = TypeVar("T")

CONNECT_SECONDS = 10.0
TIMEOUT = 30.0
# Bytes of a stream that may wait to be read before the core is asked to pause.
_AHEAD_BYTES = 2**20
_CONNECTIONS = 8
# How often somebody who is interrupted may try again.
_MOST_WAITS = 5
_REFUSALS = {401: NotAllowed, 403: NotAllowed, 404: Missing}


def run(story: Callable[[Any], Coroutine[Deferred[Any], Any, T]]) -> T:
    """What `story` returns, given the reactor, which runs until then. Raises what it raises; once a process.

    Ctrl-C ends it with exit code 130 and one line.
    """
    outcome: list[T | Failure] = []
    interrupted = False

    def begin(reactor: Any) -> Deferred[None]:
        def stopping() -> None:
            nonlocal interrupted
            interrupted = not outcome
            # What it has on the terminal it takes away; another wait that it begins instead is ended too.
            for _ in range(_MOST_WAITS * interrupted):
                telling.cancel()

        def done(result: T | Failure) -> None:
            # A reactor that stops ends all connections: what fails by that is of no interest.
            if not interrupted:
                outcome.append(result)

        reactor.addSystemEventTrigger("before", "shutdown", stopping)
        telling = Deferred.fromCoroutine(story(reactor))
        return telling.addBoth(done)

    # Each command exits with its own code, in its own time.
    with suppress(SystemExit):
        react(begin)
    if not outcome:
        raise Interrupted("interrupted")
    [result] = outcome
    if isinstance(result, Failure):
        result.raiseException()
    return result


def normalised(url: str) -> str:
    """Where toru is, without a path; `/api` at its end is what documents write. Raises Failed."""
    refused = Failed(f"{url!r} is no address of a toru; write it like http://127.0.0.1:3000")
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise refused from None
    if not usable or parts.path.rstrip("/") not in ("", "/api") or parts.query or parts.username:
        raise refused
    return f"{parts.scheme}://{parts.netloc}"


def segment(text: str) -> str:
    """A part of a path, whatever stands in it."""
    return quote(text, safe="")


def plugin_path(id: str) -> str:
    """Where a plugin is. Raises Missing for what can be the id of none, and would be another place."""
    if not ID.fullmatch(id) or id in RESERVED_IDS:
        raise Missing(f"There is no plugin {id!r}.")
    return f"/api/plugins/{id}"


class Core:
    """A core at `url`, asked with one credential."""

    def __init__(self, reactor: Any, url: str, credential: Credential, *, timeout: float = TIMEOUT) -> None:
        self.url = url
        self.credential = credential
        self._reactor = reactor
        self._timeout = timeout
        pool = HTTPConnectionPool(reactor)
        pool.maxPersistentPerHost = _CONNECTIONS
        self._http = HTTPClient(Agent(reactor, connectTimeout=CONNECT_SECONDS, pool=pool))

    @property
    def reactor(self) -> Any:
        """What it runs on."""
        return self._reactor

    async def get(self, path: str, query: Mapping[str, str | int] | None = None) -> Any:
        """The JSON that GET answers. `path` begins with `/api/`. Raises Failed."""
        return await self.call("GET", path, query=query)

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str | int] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """The JSON of the answer. `timeout` is in seconds. Raises Failed."""
        _, value = await self.exchange(method, path, body, query=query, timeout=timeout)
        return value

    async def exchange(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str | int] | None = None,
        timeout: float | None = None,
    ) -> tuple[IResponse, Any]:
        """The answer, and its JSON. Raises Failed."""
        seconds = timeout or self._timeout
        response = await self._request(method, path, body, query, {}, seconds)
        content = await self._content(response, seconds)
        try:
            return response, json.loads(content)
        except ValueError:
            raise Failed(f"what answers at {self.url} is no toru: it sent something else than JSON") from None

    async def lines(
        self,
        path: str,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Lines:
        """The lines of an answer while it comes. Raises Failed."""
        response = await self._request("GET", path, None, query, headers or {}, self._timeout)
        lines = Lines()
        response.deliverBody(lines)
        return lines

    async def _request(
        self,
        method: str,
        path: str,
        body: object,
        query: Mapping[str, str | int] | None,
        headers: Mapping[str, str],
        timeout: float,
    ) -> IResponse:
        sent = dict(headers)
        if (shown := self.credential.header()) is not None:
            sent.setdefault(*shown)
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        try:
            asked = self._http.request(
                method,
                self.url + path,
                params={name: str(value) for name, value in (query or {}).items()},
                headers=Headers({name: [value] for name, value in sent.items()}),
                data=data,
                timeout=timeout,
                unbuffered=True,
                allow_redirects=False,
            )
            response = await asked
        except (
            OSError,
            ConnectError,
            DNSLookupError,
            ConnectionLost,
            CancelledError,
            ResponseFailed,
            RequestTransmissionFailed,
            ResponseNeverReceived,
            UnicodeError,
        ) as error:
            raise Unreachable(self._why(error, timeout)) from error
        if response.code >= 300:
            raise await self._refusal(response, timeout)
        return response

    async def _content(self, response: IResponse, timeout: float) -> bytes:
        content: Deferred[bytes] = response.content()  # type: ignore[attr-defined]
        content.addTimeout(timeout, self._reactor)
        try:
            return await content
        except (TimeoutError, ResponseFailed, ConnectionLost) as error:
            raise Unreachable(f"the answer of {self.url} broke off in the middle") from error

    def _why(self, error: BaseException, timeout: float) -> str:
        """Why there was no answer at all."""
        reasons = [reason.value for reason in getattr(error, "reasons", ())] or [error]
        names = {type(reason).__name__ for reason in reasons}
        if names & {"CancelledError", "ConnectingCancelledError"}:
            hint = "; is it http:// there?" if self.url.startswith("https:") else ""
            return f"toru at {self.url} did not answer within {timeout:g} s{hint}"
        if isinstance(error, ConnectTimeout):
            return f"{self.url} cannot be reached: nothing answers there"
        if isinstance(error, (DNSLookupError, UnicodeError)):
            return f"{self.url} cannot be reached: its name is not known"
        if isinstance(error, (ConnectError, OSError)) and not isinstance(error, ResponseFailed):
            system = getattr(error, "osError", None)
            reason = os.strerror(system) if isinstance(system, int) else one_line(error).removesuffix(".")
            return f"there is no toru at {self.url} ({reason}); start it, or say with --url where it is"
        if names & {"VerificationError", "CertificateError", "Error"} and self.url.startswith("https:"):
            return f"{self.url}: {why_not_trusted(self.url)}"
        return f"{self.url} closed the connection without an answer; is it a toru, and is it http or https?"

    async def _refusal(self, response: IResponse, timeout: float) -> Failed:
        """What an answer says that is an error."""
        content = await self._content(response, timeout)
        try:
            problem = json.loads(content)
            detail, code = str(problem["detail"]), str(problem["code"])
        except (ValueError, KeyError, TypeError):
            location = (response.headers.getRawHeaders("location") or [""])[0]
            where = f", and points to {one_line(location)}" if location else ""
            return Unreachable(f"what answers at {self.url} is no toru: it said {response.code}{where}")
        if code == "unauthenticated":
            known = self.credential.header() is not None
            why = "the session is over, or the token is none" if known else "nobody is signed in"
            return NotAllowed(f"{why} at {self.url}; sign in with `toru login`")
        if code == "too-many-failures":
            seconds = (response.headers.getRawHeaders("retry-after") or [""])[0]
            wait = f"wait for {duration(int(seconds))}" if seconds.isdigit() else "wait"
            return NotAllowed(f"too many failed sign-ins: {wait} before the next one")
        if code == "plugin-restart-failed":
            return NotRunning(one_line(detail))
        return _REFUSALS.get(response.code, Failed)(one_line(detail))


class Lines(Protocol):
    """The lines of a body that comes, read no faster than they are asked for."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._rest: list[bytes] = []
        self._ended: Failure | None = None
        self._waiter: Deferred[None] | None = None
        self._paused = False

    async def next(self) -> bytes | None:
        """The next line without its end; None at the end of a body that is whole, or was given up.

        Raises Failed where it broke off.
        """
        while not self._lines:
            if self._ended is not None:
                if self._ended.check(ResponseFailed, ConnectionLost):
                    raise Unreachable("the answer broke off in the middle")
                return None
            self._resume()
            self._waiter = Deferred()
            await self._waiter
        line = self._lines.popleft()
        self._waiting_bytes -= len(line)
        return line

    def close(self) -> None:
        """Read no more."""
        if self.transport is not None and self._ended is None:
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = b"".join([*self._rest, lines[0]])
            self._rest = []
            self._lines.extend(lines)
            self._waiting_bytes += sum(map(len, lines))
        if rest:
            self._rest.append(rest)
        if self._waiting_bytes > _AHEAD_BYTES and not self._paused:
            self._paused = True
            self._producer.pauseProducing()
        if lines:
            self._wake()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._ended = reason
        if self._rest and reason.check(ResponseFailed, ConnectionLost) is None:
            self._lines.append(b"".join(self._rest))
        self._wake()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._producer.resumeProducing()

    @property
    def _producer(self) -> IPushProducer:
        producer: Any = self.transport
        return IPushProducer(producer)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.callback(None)


def pause(reactor: Any, seconds: float) -> Deferred[None]:
    """Fires after so many seconds."""
    from twisted.internet.task import deferLater

    return deferLater(reactor, seconds) if seconds else succeed(None)
