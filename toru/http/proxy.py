"""A request in, a plugin's answer out."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred, fail, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.errors import PluginFailure, PluginTimeout, ProtocolError, ToruError
from toru.http._interfaces import Plugins, ProxyTarget
from toru.http.front import Networks, trusts
from toru.http.headers import from_plugin, to_plugin
from toru.http.messages import Incoming, Outgoing
from toru.http.routes import PREFIX, origin_form, split
from toru.wire.messages import Answer, HttpRequest

_log = Logger()

# An error's own detail may quote the plugin, so a client gets one of these instead.
_SENTENCES = {
    "plugin-connection-lost": "lost its connection before it answered",
    "plugin-protocol-error": "gave an answer that the plugin protocol forbids",
    "plugin-error": "could not handle the request",
    "plugin-timeout": "did not answer in time",
}


class Proxy:
    """Hands requests under `/api/plugins/route` to the plugins whose routes they name."""

    def __init__(self, plugins: Plugins, trusted_proxies: Networks) -> None:
        """`trusted_proxies`: where the peers are whose `x-forwarded-*` are to be believed."""
        self._plugins = plugins
        self._trusted = trusted_proxies

    def handle(self, incoming: Incoming) -> Deferred[Outgoing]:
        """Fires with the client's answer, or fails with a ToruError. Cancelling it tells the plugin."""
        try:
            route = split(incoming.target)
            target = self._plugins.route(route.segment)
        except ToruError:
            return fail()
        prefix = f"{PREFIX}/{route.segment}"
        headers = to_plugin(incoming, prefix, trusted=trusts(self._trusted, incoming.peer))
        method = incoming.method
        request = HttpRequest(method, route.path, headers, incoming.body or None)

        def served(outgoing: Outgoing) -> Outgoing:
            target.served(outgoing.status)
            return outgoing

        def failed(failure: Failure) -> Failure:
            # Whoever went away got nothing.
            if not failure.check(CancelledError):
                target.served(failure.value.status if isinstance(failure.value, ToruError) else 500)
            return failure

        asking = ask(target, request, lambda answer: _outgoing(answer, method, prefix, route.bare))
        return asking.addCallbacks(served, failed)

    def refused(self, target: bytes, status: int) -> None:
        """A request with this target, in whatever form, was answered with that status before it came here."""
        try:
            self._plugins.route(split(origin_form(target)[0]).segment).served(status)
        except ToruError:
            return


def ask(target: ProxyTarget, request: HttpRequest, shape: Callable[[Answer], Outgoing]) -> Deferred[Outgoing]:
    """Ask a plugin, and give its answer the client's shape.

    A failure of the plugin is logged with what it said and becomes one that says only which plugin it was.
    """
    # Nothing here holds the request itself, and so its body, while the plugin has it in hand.
    request_id = request.headers.get("x-request-id", "-")

    def failed(failure: Failure) -> Failure:
        error = failure.value
        if not isinstance(error, PluginFailure | PluginTimeout):
            return failure
        _log.warn(
            "plugin {plugin} failed request {request_id}: {code}: {detail!r}",
            plugin=target.id,
            request_id=request_id,
            code=error.code,
            detail=error.detail,
        )
        sentence = _SENTENCES.get(error.code, "did not give a usable answer")
        return Failure(type(error)(f"The plugin '{target.id}' {sentence}."))

    return maybeDeferred(target.request, request).addCallback(shape).addErrback(failed)


def _outgoing(answer: Answer, method: str, prefix: str, bare: bool) -> Outgoing:
    if not 200 <= answer.status <= 599:
        raise ProtocolError(f"its answer has the status {answer.status}, which is not in 200 to 599")
    headers = from_plugin(answer.headers, prefix, bare=bare)
    if method == "HEAD":
        length = str(len(answer.body)) if answer.body else _declared_length(answer.headers)
        if length is not None and answer.status not in (204, 304):
            headers.append((b"content-length", length.encode("ascii")))
        return Outgoing(answer.status, headers, b"")
    return Outgoing(answer.status, headers, b"" if answer.status in (204, 304) else answer.body)


def _declared_length(headers: list[tuple[str, str]]) -> str | None:
    lengths = {value for name, value in headers if name.lower() == "content-length"}
    length = lengths.pop() if len(lengths) == 1 else ""
    return length if length.isascii() and length.isdigit() else None
