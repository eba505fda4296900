"""The management calls, and the way to the proxy, as a Klein app."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import cast

from klein import Klein
from msgspec import structs
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from werkzeug import exceptions
from werkzeug.routing import BaseConverter

from toru.errors import BundleNotFound, MethodNotAllowed, NotFound, RouteNotFound, ToruError
from toru.http._interfaces import InThread, Plugins
from toru.http.accounts import AccountCalls
from toru.http.answers import Alive, as_json, ours
from toru.http.bundle import etag, is_known, read_bundle
from toru.http.dashboard import Dashboard
from toru.http.messages import Outgoing
from toru.http.metrics import Metrics
from toru.http.openapi import make_document
from toru.http.problems import problem, unexpected
from toru.http.proxy import ask
from toru.http.records import Records
from toru.http.request import Request, read_headers
from toru.http.server.head import Head
from toru.http.streams import Streams
from toru.http.views import shown_to
from toru.wire.messages import HttpRequest, RequestHead


class _PluginId(BaseConverter):
    """What can be an id, so that nothing else ever reaches a handler."""

    regex = r"(?!(?:route|rescan|problems)$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?"


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
        in_thread: InThread,
        accounts: AccountCalls,
        records: Records,
        streams: Streams,
        dashboard: Dashboard,
        metrics: Metrics,
    ) -> None:
        self._metrics = metrics
        self._dashboard = dashboard
        self._records = records
        self._streams = streams
        self._accounts = accounts
        self._in_thread = in_thread
        self._plugins = plugins
        self._plugins_folder = plugins_folder
        self.klein = self.app.resource()

    def lost(self, head: Head) -> Outgoing:
        """For a person who follows a wrong address: the dashboard, which says so in words."""
        page = self._dashboard.page(read_headers(head.fields.lines))
        return structs.replace(page, status=404) if page.status == 200 else page

    @app.route("/api/health", methods=["GET"])
    def health(self, request: Request) -> bytes:
        return request.reply(as_json(Alive("ok")))

    @app.route("/api/auth/login", methods=["POST"])
    def login(self, request: Request) -> Deferred[bytes]:
        return self._accounts.login(request).addCallback(request.reply)

    @app.route("/api/auth/logout", methods=["POST"])
    async def logout(self, request: Request) -> bytes:
        return request.reply(await self._accounts.logout(request))

    @app.route("/api/auth/me", methods=["GET"])
    def me(self, request: Request) -> bytes:
        return request.reply(self._accounts.me(request))

    @app.route("/api/auth/login-history", methods=["GET"])
    def login_history(self, request: Request) -> Deferred[bytes]:
        return self._accounts.login_history(request).addCallback(request.reply)

    @app.route("/api/me/password", methods=["PUT"])
    def change_password(self, request: Request) -> Deferred[bytes]:
        return self._accounts.change_password(request).addCallback(request.reply)

    @app.route("/api/users", methods=["GET"])
    def list_users(self, request: Request) -> Deferred[bytes]:
        return self._accounts.list_users().addCallback(request.reply)

    @app.route("/api/users", methods=["POST"])
    def add_user(self, request: Request) -> Deferred[bytes]:
        return self._accounts.add_user(request).addCallback(request.reply)

    @app.route("/api/users/<id>", methods=["GET"])
    def get_user(self, request: Request, id: str) -> Deferred[bytes]:
        return self._accounts.get_user(id).addCallback(request.reply)

    @app.route("/api/users/<id>", methods=["PUT"])
    def change_user(self, request: Request, id: str) -> Deferred[bytes]:
        return self._accounts.change_user(request, id).addCallback(request.reply)

    @app.route("/api/users/<id>", methods=["DELETE"])
    def remove_user(self, request: Request, id: str) -> Deferred[bytes]:
        return self._accounts.remove_user(id).addCallback(request.reply)

    @app.route("/api/users/<id>/password", methods=["PUT"])
    def set_user_password(self, request: Request, id: str) -> Deferred[bytes]:
        return self._accounts.set_user_password(request, id).addCallback(request.reply)

    @app.route("/api/tokens", methods=["GET"])
    def list_tokens(self, request: Request) -> Deferred[bytes]:
        return self._accounts.list_tokens().addCallback(request.reply)

    @app.route("/api/tokens", methods=["POST"])
    def add_token(self, request: Request) -> Deferred[bytes]:
        return self._accounts.add_token(request).addCallback(request.reply)

    @app.route("/api/tokens/<id>", methods=["DELETE"])
    def remove_token(self, request: Request, id: str) -> Deferred[bytes]:
        return self._accounts.remove_token(id).addCallback(request.reply)

    @app.route("/api/plugins", methods=["GET"])
    def list_plugins(self, request: Request) -> bytes:
        plugins = sorted(self._plugins.list(), key=lambda plugin: (plugin.name.casefold(), plugin.id))
        return request.reply(as_json([shown_to(request.caller, plugin) for plugin in plugins]))

    @app.route("/api/plugins/problems", methods=["GET"])
    def problems(self, request: Request) -> bytes:
        return request.reply(as_json(self._plugins.problems()))

    @app.route("/api/plugins/rescan", methods=["POST"])
    def rescan(self, request: Request) -> Deferred[bytes]:
        return self._plugins.rescan().addCallback(as_json).addCallback(request.reply)

    @app.route("/api/plugins/<id:id>", methods=["GET"])
    def get_plugin(self, request: Request, id: str) -> bytes:
        return request.reply(as_json(shown_to(request.caller, self._plugins.get(id))))

    @app.route("/api/plugins/<id:id>/enable", methods=["POST"])
    def enable(self, request: Request, id: str) -> Deferred[bytes]:
        return self._plugins.enable(id).addCallback(as_json).addCallback(request.reply)

    @app.route("/api/plugins/<id:id>/disable", methods=["POST"])
    def disable(self, request: Request, id: str) -> Deferred[bytes]:
        return self._plugins.disable(id).addCallback(as_json).addCallback(request.reply)

    @app.route("/api/plugins/<id:id>/restart", methods=["POST"])
    def restart(self, request: Request, id: str) -> Deferred[bytes]:
        return self._plugins.restart(id).addCallback(as_json).addCallback(request.reply)

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
        return request.reply(_tagged(request, tag, b"application/javascript; charset=utf-8", body))

    @app.route("/api/plugins/<id:id>/logs", methods=["GET"])
    async def logs(self, request: Request, id: str) -> bytes:
        return await self._records.logs(request, id)

    @app.route("/api/plugins/<id:id>/logs/stream", methods=["GET"])
    async def stream_logs(self, request: Request, id: str) -> bytes:
        return await self._streams.logs(request, id)

    @app.route("/api/plugins/<id:id>/events", methods=["GET"])
    async def events_of(self, request: Request, id: str) -> bytes:
        return request.reply(await self._records.events(request, id))

    @app.route("/api/plugins/<id:id>/usage", methods=["GET"])
    def usage(self, request: Request, id: str) -> bytes:
        return request.reply(self._records.usage(id))

    @app.route("/api/events", methods=["GET"])
    async def events(self, request: Request) -> bytes:
        return request.reply(await self._records.events(request))

    @app.route("/api/events/stream", methods=["GET"])
    async def stream_events(self, request: Request) -> bytes:
        return await self._streams.events(request)

    @app.route("/api/metrics", methods=["GET"])
    async def metrics(self, request: Request) -> bytes:
        return request.reply(await self._metrics.answer(request))

    @app.route("/", methods=["GET"])
    @app.route("/login", methods=["GET"])
    @app.route("/plugins", methods=["GET"])
    @app.route("/plugin/<id>", methods=["GET"])
    @app.route("/plugin/<id>/logs", methods=["GET"])
    @app.route("/events", methods=["GET"])
    @app.route("/users", methods=["GET"])
    @app.route("/account", methods=["GET"])
    def page(self, request: Request, id: str | None = None) -> bytes:
        return request.reply(self._dashboard.page(request.requestHeaders))

    @app.route("/assets/<name>", methods=["GET"])
    def asset(self, request: Request, name: str) -> bytes:
        return request.reply(self._dashboard.file(f"assets/{name}", request.requestHeaders))

    @app.route("/favicon.svg", methods=["GET"])
    def favicon(self, request: Request) -> bytes:
        return request.reply(self._dashboard.file("favicon.svg", request.requestHeaders))

    @app.route("/robots.txt", methods=["GET"])
    def robots(self, request: Request) -> bytes:
        return request.reply(self._dashboard.file("robots.txt", request.requestHeaders))

    @app.route("/api/openapi.json", methods=["GET"])
    async def openapi(self, request: Request) -> bytes:
        document, tag = await self._in_thread(_document)
        return request.reply(_tagged(request, tag, b"application/json", document))

    @app.handle_errors(Exception)
    def failed(self, request: IRequest, failure: Failure) -> bytes:
        # Klein types what it gives to an error handler more widely than it gives it to a route.
        return cast(Request, request).reply(_told(failure))

    async def _asked_bundle(self, id: str, route: str) -> bytes:
        none = BundleNotFound(f"The plugin '{id}' has no bundle.")
        try:
            target = self._plugins.route(route)
        except RouteNotFound:
            raise none from None
        # What runs may be the version before, whose route is another plugin's by now.
        if target.id != id:
            raise none
        asking = HttpRequest(RequestHead("GET", "/bundle.js", {"accept": "application/javascript"}), None)
        answer = await ask(target, asking, lambda answer: Outgoing(answer.status, [], answer.body))
        if answer.status != 200:
            raise none
        return answer.body


@cache
def _document() -> tuple[bytes, bytes]:
    document = make_document(Face.app.url_map)
    return document, etag(document)


def _tagged(request: Request, tag: bytes, content_type: bytes, body: bytes) -> Outgoing:
    """Kept by its client, which asks each time whether it is the same still."""
    headers = [(b"etag", tag), (b"cache-control", b"private, no-cache")]
    if is_known(request.requestHeaders.getRawHeaders(b"if-none-match", []), tag):
        return ours(304, headers, b"")
    return ours(200, [*headers, (b"content-type", content_type)], body)


def _told(failure: Failure) -> Outgoing:
    match failure.value:
        case ToruError() as error:
            return problem(error)
        case exceptions.MethodNotAllowed(valid_methods=methods):
            return problem(MethodNotAllowed(methods or ()))
        case exceptions.NotFound():
            return problem(NotFound("There is nothing at this path."))
    return unexpected(failure)
