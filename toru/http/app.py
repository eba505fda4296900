"""The management calls, and the way to the proxy, as a Klein app."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from klein import Klein
from msgspec import json
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from werkzeug import exceptions
from werkzeug.routing import BaseConverter

from toru.errors import BundleNotFound, MethodNotAllowed, NotFound, RouteNotFound, ToruError
from toru.http._interfaces import InThread, Plugins
from toru.http.bundle import etag, is_known, read_bundle
from toru.http.messages import Outgoing
from toru.http.problems import problem, unexpected
from toru.http.proxy import Proxy, ask
from toru.http.routes import PREFIX
from toru.wire.messages import HttpRequest

if TYPE_CHECKING:
    from toru.http.site import Request


class _PluginId(BaseConverter):
    """What can be an id, so that nothing else ever reaches a handler."""

    regex = r"(?!(?:route|rescan|problems)\Z)[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?"


def _app() -> Klein:
    app = Klein()
    # Set before the first rule, which copies them: a path is what it is, and nothing is redirected.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    app.url_map.converters["id"] = _PluginId
    return app


class Face:
    """Every handler gives its answer to `Request.reply`, which returns the body that Klein writes."""

    app = _app()

    def __init__(
        self,
        plugins: Plugins,
        *,
        plugins_folder: Path,
        trusted_proxies: Sequence[IPv4Network | IPv6Network],
        in_thread: InThread,
    ) -> None:
        self._in_thread = in_thread
        self._plugins = plugins
        self._plugins_folder = plugins_folder
        self._proxy = Proxy(plugins, trusted_proxies)

    @app.route(PREFIX)
    def proxy(self, request: Request) -> Deferred[bytes]:
        return self._proxy.handle(request.incoming()).addCallback(request.reply)

    @app.route("/api/health", methods=["GET"])
    def health(self, request: Request) -> bytes:
        return request.reply(_json({"status": "ok"}))

    @app.route("/api/plugins", methods=["GET"])
    def list_plugins(self, request: Request) -> bytes:
        plugins = sorted(self._plugins.list(), key=lambda plugin: (plugin.name.casefold(), plugin.id))
        return request.reply(_json(plugins))

    @app.route("/api/plugins/problems", methods=["GET"])
    def problems(self, request: Request) -> bytes:
        return request.reply(_json(self._plugins.problems()))

    @app.route("/api/plugins/rescan", methods=["POST"])
    def rescan(self, request: Request) -> Deferred[bytes]:
        return self._plugins.rescan().addCallback(_json).addCallback(request.reply)

    @app.route("/api/plugins/<id:id>", methods=["GET"])
    def get_plugin(self, request: Request, id: str) -> bytes:
        return request.reply(_json(self._plugins.get(id)))

    @app.route("/api/plugins/<id:id>/enable", methods=["POST"])
    def enable(self, request: Request, id: str) -> Deferred[bytes]:
        return self._plugins.enable(id).addCallback(_json).addCallback(request.reply)

    @app.route("/api/plugins/<id:id>/disable", methods=["POST"])
    def disable(self, request: Request, id: str) -> Deferred[bytes]:
        return self._plugins.disable(id).addCallback(_json).addCallback(request.reply)

    @app.route("/api/plugins/<id:id>/restart", methods=["POST"])
    def restart(self, request: Request, id: str) -> Deferred[bytes]:
        return self._plugins.restart(id).addCallback(_json).addCallback(request.reply)

    @app.route("/api/plugins/<id:id>/bundle.js", methods=["GET"])
    async def bundle(self, request: Request, id: str) -> bytes:
        status = self._plugins.get(id)
        if not status.enabled:
            raise BundleNotFound(f"The plugin '{id}' is disabled.")
        content = await self._in_thread(lambda: read_bundle(self._plugins_folder, id))
        if content is None:
            content = await self._asked_bundle(id, status.route.removeprefix("/"))
        body = content
        tag = await self._in_thread(lambda: etag(body))
        headers = [
            (b"etag", tag),
            # Kept, and asked about each time: that is what the tag is for.
            (b"cache-control", b"private, no-cache"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if is_known(request.requestHeaders.getRawHeaders(b"if-none-match", []), tag):
            return request.reply(Outgoing(304, headers, b""))
        headers.append((b"content-type", b"application/javascript; charset=utf-8"))
        return request.reply(Outgoing(200, headers, body))

    @app.handle_errors(Exception)
    def failed(self, request: IRequest, failure: Failure) -> bytes:
        # Klein types what it gives to an error handler more widely than it gives it to a route.
        return cast("Request", request).reply(_told(failure))

    async def _asked_bundle(self, id: str, route: str) -> bytes:
        none = BundleNotFound(f"The plugin '{id}' has no bundle.")
        try:
            target = self._plugins.route(route)
        except RouteNotFound:
            raise none from None
        asking = HttpRequest("GET", "/bundle.js", {"accept": "application/javascript"}, None)
        answer = await ask(target, asking, lambda answer: Outgoing(answer.status, [], answer.body))
        if answer.status != 200:
            raise none
        return answer.body


def _told(failure: Failure) -> Outgoing:
    match failure.value:
        case ToruError() as error:
            return problem(error)
        case exceptions.MethodNotAllowed(valid_methods=methods):
            return problem(MethodNotAllowed("This path does not know that method."), allow=methods or ())
        case exceptions.NotFound():
            return problem(NotFound("There is nothing at this path."))
    return unexpected(failure)


def _json(value: Any) -> Outgoing:
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    return Outgoing(200, headers, json.encode(value))
