"""The OpenAPI document: from the routes that serve, the Structs that they decode and encode, and who may call."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import reduce
from operator import or_
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from msgspec import NODEFAULT, UNSET, UnsetType, json, structs
from werkzeug.routing import Map, Rule

from toru import __version__
from toru.access.origin import SAFE_METHODS
from toru.access.roles import OPEN, Who, rules_at
from toru.errors import (
    BadRequest,
    BodyTooLarge,
    CoreStopping,
    Forbidden,
    NotFound,
    TooManyConnections,
    ToruError,
    Unauthenticated,
)
from toru.http.calls import CALLS, EVENT_STREAM, JSON, Call
from toru.http.headers import SESSION_COOKIE
from toru.http.problems import ProblemDetails
from toru.http.routes import PREFIX

Json = dict[str, Any]

_PROBLEM = "application/problem+json"
# All that OpenAPI 3.1 knows.
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_PARAMETER = re.compile(r"<(?:(\w+):)?(\w+)>")

_ABOUT = (
    "A host for plugins: what it knows of them, what they store and write, and the way to what they serve. "
    "Every error is a problem (RFC 9457) with a stable word in `code`; a fault inside toru is a 500 with the "
    "code `internal-error`. Whatever answers GET answers HEAD as well. A request with the session cookie that "
    "changes something and comes from a page of another origin is refused."
)
_SECURITY_SCHEMES = {
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "Set by a sign-in.",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API token, or a plugin's own token, which opens that plugin's storage alone.",
    },
}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which it is worth trying again, where that is known.",
        "schema": {"type": "integer", "minimum": 0},
    }
}
_ETAG = {"ETag": {"schema": {"type": "string"}}}

_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` of what the client has.",
    "schema": {"type": "string"},
}
_LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "The id of the last message that the client got: the stream goes on behind it.",
    "schema": {"type": "string", "pattern": "^[0-9]{0,18}$"},
}
_PROXIED_PARAMETERS = (
    {
        "name": "route",
        "in": "path",
        "required": True,
        "description": "A plugin's route, without its slash.",
        "schema": {"type": "string", "pattern": r"^\.?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?$"},
    },
    {
        "name": "path",
        "in": "path",
        "required": True,
        "description": "What the plugin is asked for. It may hold slashes, and a query may stand behind it.",
        "schema": {"type": "string"},
    },
)


# Calls of it never get as far as the router.
_STORAGE = Rule("/api/plugins/<id:id>/kv", methods=["POST"], endpoint="kv")


def make_document(routes: Map) -> bytes:
    """JSON. Of `routes` those outside of `/api` serve the dashboard, and stand in no document."""
    schemas = _Schemas()
    paths = _proxied(CALLS["proxy"], schemas)
    for rule in (*routes.iter_rules(), _STORAGE):
        call = CALLS.get(rule.endpoint) if rule.rule.startswith("/api/") else None
        if call is None:
            continue
        path = _PARAMETER.sub(r"{\2}", rule.rule)
        parameters = [*_in_path(routes, rule), *_in_query(call, schemas), *_in_headers(call)]
        for method in sorted((rule.methods or set()) - {"HEAD"}):
            operation = _operation(call, method, path, parameters, schemas)
            paths.setdefault(path, {})[method.lower()] = {"operationId": rule.endpoint, **operation}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "toru", "version": __version__, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": schemas.components, "securitySchemes": _SECURITY_SCHEMES},
    }
    return json.encode(document)


class _Schemas:
    """The schemas of types; those of Structs become components, and references to them."""

    def __init__(self) -> None:
        self.components: dict[str, Json] = {}

    def of(self, *types: Any) -> Json:
        """What is of any of these types."""
        found, components = json.schema_components(types, ref_template="#/components/schemas/{name}")
        self.components |= components
        return found[0] if len(found) == 1 else {"anyOf": list(found)}


def _operation(call: Call, method: str, path: str, parameters: Collection[Json], schemas: _Schemas) -> Json:
    who = rules_at(path)[method]
    operation: Json = {
        "summary": call.summary,
        "tags": [path.split("/")[2]],
        "security": _security(who),
        "parameters": list(parameters),
        "responses": _answers(call, schemas) | _problems(_errors(call, method, path, who), schemas),
    }
    if call.body is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schemas.of(call.body)}}}
    return operation


def _security(who: Who) -> list[Json]:
    """The lists name the roles, as OpenAPI 3.1 allows it."""
    if who == OPEN:
        return []
    roles = {str(kind) for kind in who}
    return [{"session": sorted(roles & {"admin", "client"})}, {"token": sorted(roles)}]


def _in_path(routes: Map, rule: Rule) -> Iterator[Json]:
    for converter, name in _PARAMETER.findall(rule.rule):
        pattern = routes.converters[converter or "default"].regex
        schema = {"type": "string", "pattern": f"^{pattern}$"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _in_query(call: Call, schemas: _Schemas) -> Iterator[Json]:
    for field in structs.fields(call.query) if call.query is not None else ():
        schema = schemas.of(_given(field.type))
        if field.default not in (NODEFAULT, UNSET, None):
            schema["default"] = field.default
        yield {"name": field.encode_name, "in": "query", "allowEmptyValue": True, "schema": schema}


def _given(type: Any) -> Any:
    """The type of a parameter where it is there: None and UNSET stand for one that is not."""
    if get_origin(type) not in (Union, UnionType):
        return type
    return reduce(or_, (each for each in get_args(type) if each not in (NoneType, UnsetType)))


def _in_headers(call: Call) -> Iterator[Json]:
    if call.tagged:
        yield _IF_NONE_MATCH
    if EVENT_STREAM in call.media:
        yield _LAST_EVENT_ID


def _answers(call: Call, schemas: _Schemas) -> Json:
    content: Json = {media: {} for media in call.media}
    if call.gives:
        content[JSON] = {"schema": schemas.of(*call.gives)}
    answer: Json = {"description": "Done.", "content": content}
    if not call.tagged:
        return {str(call.status): answer}
    return {
        str(call.status): {**answer, "headers": _ETAG},
        "304": {"description": "The client has it already.", "headers": _ETAG},
    }


def _errors(call: Call, method: str, path: str, who: Who) -> Iterator[type[ToruError]]:
    """What the call can fail with, in the order of the checks."""
    yield CoreStopping
    yield TooManyConnections
    yield BodyTooLarge
    if call.body is not None or call.query is not None or EVENT_STREAM in call.media or "{" in path:
        yield BadRequest
    if who != OPEN:
        yield Unauthenticated
    if who != OPEN or method not in SAFE_METHODS:
        yield Forbidden
    if "{" in path:
        yield NotFound
    yield from call.errors


def _problems(errors: Iterator[type[ToruError]], schemas: _Schemas) -> Json:
    by_status: dict[int, list[type[ToruError]]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error)
    content = {_PROBLEM: {"schema": schemas.of(ProblemDetails)}}
    answers: Json = {}
    for status, alike in sorted(by_status.items()):
        codes = "; ".join(f"{error.title} (`{error.code}`)" for error in alike)
        answers[str(status)] = {"description": f"{codes}.", "content": content}
        if status in (429, 503):
            answers[str(status)]["headers"] = _RETRY_AFTER
    return answers


def _proxied(call: Call, schemas: _Schemas) -> dict[str, Json]:
    """Every method of the routes behind which plugins answer."""
    paths: dict[str, Json] = {}
    for number, path in enumerate((f"{PREFIX}/{{route}}", f"{PREFIX}/{{route}}/{{path}}"), start=1):
        who = rules_at(path)["*"]
        problems = _problems(_errors(call, "*", path, who), schemas)
        for problem in problems.values():
            # A plugin may give an answer of its own with the same status.
            problem["content"] = {**problem["content"], **{media: {} for media in call.media}}
        operation = {
            "summary": call.summary,
            "tags": ["plugins"],
            "security": _security(who),
            "parameters": list(_PROXIED_PARAMETERS[:number]),
            "responses": {
                "default": {
                    "description": "Any answer of the plugin.",
                    "content": {media: {} for media in call.media},
                },
                **problems,
            },
        }
        body: Json = {"requestBody": {"content": {media: {} for media in call.media}}}
        paths[path] = {
            method: operation if method.upper() in _BODILESS else operation | body for method in _METHODS
        }
    return paths
