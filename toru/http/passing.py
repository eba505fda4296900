"""What passes between a client and a plugin, whichever way it takes: headers, and how a failure is told."""

from __future__ import annotations

from twisted.logger import Logger

from toru.errors import PluginFailure, PluginTimeout, ToruError
from toru.http.front import trusts
from toru.http.headers import from_plugin, new_request_id, passed_on, to_plugin
from toru.http.routes import Routed
from toru.http.server.exchange import Exchange
from toru.http.server.fields import Fields
from toru.wire.messages import REQUEST_ID, HttpRequest, Pairs, RequestHead

_log = Logger()

# Most answers of a plugin have the same few headers: what becomes of those, as far as all of them together have no
# more characters, and of so many of them.
_USUAL_LENGTH = 1024
_USUAL_SETS = 512
_usual: dict[tuple[Pairs, str, bool], bytes] = {}
# An error's own detail may quote the plugin, so a client gets one of these instead.
_SENTENCES = {
    "plugin-connection-lost": "lost its connection before it answered",
    "plugin-protocol-error": "gave an answer that the plugin protocol forbids",
    "plugin-error": "could not handle the request",
    "plugin-timeout": "did not answer in time",
}


def request_for(exchange: Exchange, route: Routed, body: bytes | None) -> HttpRequest:
    """What a plugin is asked for its client."""
    admitted = exchange.head.admitted
    assert admitted is not None  # nobody else gets here
    head = admitted.request
    if head is None:
        headers = _headers_for(exchange, route)
        head = admitted.request = RequestHead(exchange.head.method, route.path, headers)
    return HttpRequest(head, body, head.own_id or new_request_id())


def headers_for(exchange: Exchange, route: Routed) -> dict[str, str]:
    """The headers of a request that a plugin gets, an id among them."""
    headers = _headers_for(exchange, route)
    headers.setdefault(REQUEST_ID, new_request_id())
    return headers


def _headers_for(exchange: Exchange, route: Routed) -> dict[str, str]:
    head = exchange.head
    # A target may name a host of its own.
    passed = _passed_on(head.fields, exchange) if head.authority else head.fields.once(_passed_on, exchange)
    headers = to_plugin(passed, route.prefix, exchange.principal)
    if head.announced is not None:
        headers["content-length"] = head.announced.decode("ascii")
    return headers


def _passed_on(fields: Fields, exchange: Exchange) -> dict[str, str]:
    seen = exchange.seen
    return passed_on(
        fields.lines, seen, trusted=trusts(exchange.connection.site.trusted_proxies, seen.address)
    )


def lines_from(headers: Pairs, route: Routed) -> bytes:
    """The headers of a plugin's answer that its client gets. Raises ProtocolError for what HTTP forbids."""
    key = headers, route.prefix, route.bare
    lines = _usual.get(key)
    if lines is None:
        lines = from_plugin(headers, route.prefix, bare=route.bare)
        # A cache of functools' would keep the longest, too.
        if sum([len(name) + len(value) for name, value in headers]) <= _USUAL_LENGTH:
            if len(_usual) >= _USUAL_SETS:
                _usual.clear()
            _usual[key] = lines
    return lines


def declared_length(headers: Pairs) -> int | None:
    """What a plugin says of how long its body is, where that makes sense."""
    lengths = {value for name, value in headers if name.lower() == "content-length"}
    length = lengths.pop() if len(lengths) == 1 else ""
    return int(length) if length.isascii() and length.isdigit() and len(length) < _DIGITS else None


# 2**63 has one more.
_DIGITS = 19


def told(plugin_id: str, request_id: str, error: ToruError) -> ToruError:
    """What a client is told of an error: of a plugin's failure only which plugin it was; the rest is logged."""
    if not isinstance(error, PluginFailure | PluginTimeout):
        return error
    _log.warn(
        "plugin {plugin} failed request {request_id}: {code}: {detail}",
        plugin=plugin_id,
        request_id=request_id,
        code=error.code,
        detail=error.detail,
    )
    sentence = _SENTENCES.get(error.code, "did not give a usable answer")
    return type(error)(f"The plugin '{plugin_id}' {sentence}.")
