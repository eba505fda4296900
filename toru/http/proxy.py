"""The short way: a request for a plugin's route in, the plugin's answer out."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.errors import BodyTooLarge, PluginFailure, PluginTimeout, ProtocolError, ToruError
from toru.http._interfaces import Plugins, ProxyTarget
from toru.http.front import trusts
from toru.http.headers import from_plugin, passed_on, to_plugin
from toru.http.messages import Outgoing
from toru.http.problems import problem
from toru.http.routes import Routed, split
from toru.http.server.exchange import Exchange
from toru.http.server.fields import Fields
from toru.http.server.rendering import BODILESS
from toru.http.server.whole import Whole
from toru.wire.messages import Answer, HttpRequest

_log = Logger()

# Headers that an answer may have to be one of the usual ones.
_USUAL = 6
# An error's own detail may quote the plugin, so a client gets one of these instead.
_SENTENCES = {
    "plugin-connection-lost": "lost its connection before it answered",
    "plugin-protocol-error": "gave an answer that the plugin protocol forbids",
    "plugin-error": "could not handle the request",
    "plugin-timeout": "did not answer in time",
}


class Proxy:
    """Hands requests under `/api/plugins/route` to the plugins whose routes they name."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

    def take(self, exchange: Exchange) -> Whole:
        """Whoever takes a request that was let in. Raises BadRoute, RouteNotFound or BodyTooLarge."""
        route = split(exchange.head.target)
        target = self._plugins.route(route.segment)
        try:
            return _Asking(exchange, target, route)
        except BodyTooLarge as error:
            target.served(error.status)
            raise


class _Asking(Whole):
    """A request for one plugin, whole in memory until the plugin has it in hand."""

    __slots__ = ("_give_up", "_over", "_request_id", "_route", "_target")

    def __init__(self, exchange: Exchange, target: ProxyTarget, route: Routed) -> None:
        super().__init__(exchange, exchange.connection.site.max_body_bytes)
        self._target = target
        self._route = route
        self._request_id = "-"
        self._give_up: Callable[[], None] | None = None
        self._over = False

    def ready(self, body: bytes) -> None:
        exchange = self.exchange
        head = exchange.head
        # Of two hosts in one connection's requests a target may name the second.
        passed = (
            _passed_on(head.fields, exchange) if head.authority else head.fields.once(_passed_on, exchange)
        )
        headers = to_plugin(passed, self._route.prefix, exchange.principal)
        self._request_id = headers["x-request-id"]
        # Nothing here holds the request itself, and so its body, while the plugin has it in hand.
        try:
            self._give_up = self._target.ask(
                HttpRequest(head.method, self._route.path, headers, body or None), self
            )
        except ToruError as error:
            self.failed(error)

    def refused(self, status: int) -> None:
        self._target.served(status)
        self.gone()

    def gone(self) -> None:
        if self._give_up is not None and not self._over:
            self._over = True
            self._give_up()

    def answered(self, answer: Answer) -> None:
        self.exchange.attempt(self._answered, answer)

    def _answered(self, answer: Answer) -> None:
        status, body = answer.status, answer.body
        try:
            if not 200 <= status <= 599:
                raise ProtocolError(f"its answer has the status {status}, which is not in 200 to 599")
            lines = _lines(answer.headers, self._route.prefix, bare=self._route.bare)
        except ToruError as error:
            self.failed(error)
            return
        if self._over:
            return
        if not body and status not in BODILESS and self.exchange.head.method == "HEAD":
            length = _declared_length(answer.headers)
            lines += b"content-length: %s\r\n" % length if length else b""
        self._over = True
        self._target.served(status)
        self.exchange.answer_lines(status, lines, body)

    def failed(self, error: ToruError) -> None:
        self._answer(problem(told(self._target.id, self._request_id, error)))

    def _answer(self, outgoing: Outgoing) -> None:
        if not self._over:
            self._over = True
            self._target.served(outgoing.status)
            self.exchange.answer(outgoing)


def ask(target: ProxyTarget, request: HttpRequest, shape: Callable[[Answer], Outgoing]) -> Deferred[Outgoing]:
    """Ask a plugin for ourselves, and give its answer a shape. It fails as a client would be told."""
    request_id = request.headers.get("x-request-id", "-")

    def failed(failure: Failure) -> Failure:
        error = failure.value
        return Failure(told(target.id, request_id, error)) if isinstance(error, ToruError) else failure

    return maybeDeferred(target.request, request).addCallback(shape).addErrback(failed)


def told(plugin_id: str, request_id: str, error: ToruError) -> ToruError:
    """What a client is told of an error: of a plugin's failure only which plugin it was; the rest is logged."""
    if not isinstance(error, PluginFailure | PluginTimeout):
        return error
    _log.warn(
        "plugin {plugin} failed request {request_id}: {code}: {detail!r}",
        plugin=plugin_id,
        request_id=request_id,
        code=error.code,
        detail=error.detail,
    )
    sentence = _SENTENCES.get(error.code, "did not give a usable answer")
    return type(error)(f"The plugin '{plugin_id}' {sentence}.")


def _passed_on(fields: Fields, exchange: Exchange) -> dict[str, str]:
    seen = exchange.seen
    return passed_on(
        fields.lines, seen, trusted=trusts(exchange.connection.site.trusted_proxies, seen.address)
    )


def _lines(headers: list[tuple[str, str]], prefix: str, *, bare: bool) -> bytes:
    # Most answers of a plugin have the same few headers.
    make = _usual_lines if len(headers) <= _USUAL else from_plugin
    return make(tuple(headers), prefix, bare=bare)


@lru_cache(maxsize=512)
def _usual_lines(headers: tuple[tuple[str, str], ...], prefix: str, *, bare: bool) -> bytes:
    return from_plugin(headers, prefix, bare=bare)


def _declared_length(headers: list[tuple[str, str]]) -> bytes:
    lengths = {value for name, value in headers if name.lower() == "content-length"}
    length = lengths.pop() if len(lengths) == 1 else ""
    return length.encode() if length.isascii() and length.isdigit() else b""
