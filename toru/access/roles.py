"""The one table of who may make which call, and nothing else decides that."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from toru.errors import Forbidden, MethodNotAllowed, NotFound, Unauthenticated
from toru.model import Principal, PrincipalKind

Who = frozenset[PrincipalKind | None]

# None stands for somebody who is not signed in.
OPEN: Who = frozenset({None, "admin", "client", "monitor", "plugin"})
ANY: Who = frozenset({"admin", "client"})
LOOKING: Who = frozenset({"admin", "client", "monitor"})
WATCHING: Who = frozenset({"admin", "monitor"})
ADMIN: Who = frozenset({"admin"})
# A plugin for its own storage, a client for the keys that `may_use_key` says.
STORING: Who = frozenset({"admin", "client", "plugin"})

EVERY_METHOD = "*"


class Rule(NamedTuple):
    """`path`: a segment `:x` stands for any one segment, a last segment `*` for whatever follows, if anything."""

    method: str
    path: str
    who: Who


# The first path that matches is the one, so that a fixed segment stands before `:id`.
RULES: tuple[Rule, ...] = (
    Rule(EVERY_METHOD, "/api/plugins/route/*", ANY),
    Rule("POST", "/api/auth/login", OPEN),
    Rule("POST", "/api/auth/logout", OPEN),
    Rule("GET", "/api/auth/me", OPEN),
    Rule("GET", "/api/auth/login-history", ADMIN),
    Rule("GET", "/api/users", ADMIN),
    Rule("POST", "/api/users", ADMIN),
    Rule("GET", "/api/users/:id", ADMIN),
    Rule("PUT", "/api/users/:id", ADMIN),
    Rule("DELETE", "/api/users/:id", ADMIN),
    Rule("PUT", "/api/users/:id/password", ADMIN),
    Rule("PUT", "/api/me/password", ANY),
    Rule("GET", "/api/tokens", ADMIN),
    Rule("POST", "/api/tokens", ADMIN),
    Rule("DELETE", "/api/tokens/:id", ADMIN),
    Rule("GET", "/api/plugins", LOOKING),
    Rule("GET", "/api/plugins/problems", ADMIN),
    Rule("POST", "/api/plugins/rescan", ADMIN),
    Rule("GET", "/api/plugins/:id", ANY),
    Rule("POST", "/api/plugins/:id/enable", ADMIN),
    Rule("POST", "/api/plugins/:id/disable", ADMIN),
    Rule("POST", "/api/plugins/:id/restart", ADMIN),
    Rule("GET", "/api/plugins/:id/bundle.js", ANY),
    Rule("GET", "/api/plugins/:id/logs", ADMIN),
    Rule("GET", "/api/plugins/:id/logs/stream", ADMIN),
    Rule("GET", "/api/plugins/:id/events", ANY),
    Rule("GET", "/api/plugins/:id/usage", ANY),
    Rule("POST", "/api/plugins/:id/kv", STORING),
    Rule("GET", "/api/events", ANY),
    Rule("GET", "/api/events/stream", ANY),
    Rule("GET", "/api/health", OPEN),
    Rule("GET", "/api/metrics", WATCHING),
    Rule("GET", "/api/openapi.json", ANY),
    # The dashboard's pages: all the same document, which knows nothing until it has asked.
    Rule("GET", "/", OPEN),
    Rule("GET", "/login", OPEN),
    Rule("GET", "/plugins", OPEN),
    Rule("GET", "/plugin/:id", OPEN),
    Rule("GET", "/plugin/:id/logs", OPEN),
    Rule("GET", "/events", OPEN),
    Rule("GET", "/users", OPEN),
    Rule("GET", "/account", OPEN),
    # What that document is made of.
    Rule("GET", "/assets/:name", OPEN),
    Rule("GET", "/favicon.svg", OPEN),
    Rule("GET", "/robots.txt", OPEN),
)


@lru_cache(maxsize=256)
def rules_at(path: str) -> dict[str, Who]:
    """Who may call `path` (decoded, without its query) by method; empty where there is nothing at that path."""
    # By far the most frequent, and all the others would be tried first.
    if path.startswith(_PROXIED_FOLDER) or path == _PROXIED:
        return _BY_PATTERN[_PROXIED + "/*"]
    match = _PATHS.fullmatch(path)
    if match is None or match.lastgroup is None:
        return {}
    return _BY_PATTERN[_PATTERNS[int(match.lastgroup[1:])]]


def allowed(principal: Principal | None, method: str, path: str) -> bool:
    """Whether this call may be made; an unknown one by nobody. HEAD goes with GET."""
    at_path = rules_at(path)
    who = at_path.get("GET" if method == "HEAD" else method) or at_path.get(EVERY_METHOD)
    if who is None or (None if principal is None else principal.kind) not in who:
        return False
    if principal is None or principal.kind != "plugin" or who is OPEN:
        return True
    return path == f"/api/plugins/{principal.id}/kv"


def check(principal: Principal | None, method: str, path: str) -> None:
    """Raises what the door answers where the call may not be made.

    Unauthenticated before anything is told of what there is; then Forbidden, NotFound for an unknown
    path, and MethodNotAllowed.
    """
    if allowed(principal, method, path):
        return
    at_path = rules_at(path)
    known = method in at_path or (method == "HEAD" and "GET" in at_path)
    if OPEN in at_path.values() and not known:
        raise MethodNotAllowed(_methods(at_path))
    if principal is None:
        raise Unauthenticated("Sign in first, or send a valid token.")
    if known or principal.kind not in ANY:
        raise Forbidden("You may not do that.")
    if at_path:
        raise MethodNotAllowed(_methods(at_path))
    raise NotFound("There is nothing at this path.")


def _methods(at_path: Iterable[str]) -> list[str]:
    return [*at_path, "HEAD"] if "GET" in at_path else [*at_path]


def may_use_key(principal: Principal, plugin_id: str, key: str) -> bool:
    """Whether a key of that plugin's storage is open to somebody; for a listing `key` is its prefix."""
    match principal.kind:
        case "admin":
            return True
        case "client":
            # A token is no user.
            return principal.via == "session" and key.startswith(f"user/{principal.id}/")
        case "plugin":
            return principal.id == plugin_id
        case "monitor":
            return False


_PROXIED = "/api/plugins/route"
_PROXIED_FOLDER = _PROXIED + "/"


def _expression(path: str) -> str:
    return re.sub(r":[a-z]+", "[^/]+", re.escape(path))


_PATTERNS = list(dict.fromkeys(rule.path for rule in RULES))
_BY_PATTERN: dict[str, dict[str, Who]] = {
    pattern: {rule.method: rule.who for rule in RULES if rule.path == pattern} for pattern in _PATTERNS
}
_PATHS = re.compile(
    "|".join(f"(?P<p{number}>{_expression(pattern)})" for number, pattern in enumerate(_PATTERNS))
)
