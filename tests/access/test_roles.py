"""Who may make which call."""

from __future__ import annotations

import pytest

from toru.access.roles import RULES, allowed, check, may_use_key
from toru.errors import Forbidden, MethodNotAllowed, NotFound, ToruError, Unauthenticated
from toru.model import Principal, PrincipalKind

ADMIN = Principal("admin", "1", "admin", "Admin", "session")
CLIENT = Principal("client", "7", "ann", "Ann", "session")
MONITOR = Principal("monitor", "1", "prometheus", "prometheus", "token")
PLUGIN = Principal("plugin", "hello", "hello", "hello", "plugin")
FOREIGN = Principal("plugin", "other", "other", "other", "plugin")
SCRIPT = Principal("client", "7", "script", "script", "token")
EVERYBODY = {
    "nobody": None,
    "admin": ADMIN,
    "client": CLIENT,
    "monitor": MONITOR,
    "plugin": PLUGIN,
    "foreign": FOREIGN,
}

ALL = set(EVERYBODY)
ANY = {"admin", "client"}
ONLY_ADMIN = {"admin"}

# The table of the interface, written down a second time: by method, path and who.
CALLS: list[tuple[str, str, set[str]]] = [
    ("POST", "/api/auth/login", ALL),
    ("POST", "/api/auth/logout", ALL),
    ("GET", "/api/auth/me", ALL),
    ("GET", "/api/auth/login-history", ONLY_ADMIN),
    ("GET", "/api/users", ONLY_ADMIN),
    ("POST", "/api/users", ONLY_ADMIN),
    ("GET", "/api/users/7", ONLY_ADMIN),
    ("PUT", "/api/users/7", ONLY_ADMIN),
    ("DELETE", "/api/users/7", ONLY_ADMIN),
    ("PUT", "/api/users/7/password", ONLY_ADMIN),
    ("PUT", "/api/me/password", ANY),
    ("GET", "/api/tokens", ONLY_ADMIN),
    ("POST", "/api/tokens", ONLY_ADMIN),
    ("DELETE", "/api/tokens/3", ONLY_ADMIN),
    ("GET", "/api/plugins", ANY | {"monitor"}),
    ("GET", "/api/plugins/problems", ONLY_ADMIN),
    ("POST", "/api/plugins/rescan", ONLY_ADMIN),
    ("GET", "/api/plugins/hello", ANY),
    ("POST", "/api/plugins/hello/enable", ONLY_ADMIN),
    ("POST", "/api/plugins/hello/disable", ONLY_ADMIN),
    ("POST", "/api/plugins/hello/restart", ONLY_ADMIN),
    ("GET", "/api/plugins/hello/bundle.js", ANY),
    ("GET", "/api/plugins/hello/logs", ONLY_ADMIN),
    ("GET", "/api/plugins/hello/logs/stream", ONLY_ADMIN),
    ("GET", "/api/plugins/hello/events", ANY),
    ("GET", "/api/events", ANY),
    ("GET", "/api/events/stream", ANY),
    ("GET", "/api/plugins/hello/usage", ANY),
    ("POST", "/api/plugins/hello/kv", ANY | {"plugin"}),
    ("GET", "/api/plugins/route/hello", ANY),
    ("POST", "/api/plugins/route/hello/a/b", ANY),
    ("PURGE", "/api/plugins/route/hello/kv", ANY),
    ("POST", "/api/plugins/route/x/api/auth/login", ANY),
    ("GET", "/api/plugins/route", ANY),
    ("GET", "/api/health", ALL),
    ("GET", "/api/metrics", {"admin", "monitor"}),
    ("GET", "/api/openapi.json", ANY),
    ("GET", "/", ALL),
    ("GET", "/login", ALL),
    ("GET", "/plugins", ALL),
    ("GET", "/plugin/hello", ALL),
    ("GET", "/plugin/hello/logs", ALL),
    ("GET", "/events", ALL),
    ("GET", "/users", ALL),
    ("GET", "/account", ALL),
    ("GET", "/assets/index-1a2b3c4d.js", ALL),
    ("GET", "/favicon.svg", ALL),
    ("GET", "/robots.txt", ALL),
]


@pytest.mark.parametrize("who", EVERYBODY)
@pytest.mark.parametrize(
    ("method", "path", "expected"),
    CALLS,
    ids=lambda value: value if isinstance(value, str) else "-".join(sorted(value)),
)
def test_every_call(method: str, path: str, expected: set[str], who: str) -> None:
    principal = EVERYBODY[who]
    assert allowed(principal, method, path) is (who in expected)
    if who in expected:
        check(principal, method, path)
        return
    with pytest.raises(Unauthenticated if principal is None else Forbidden):
        check(principal, method, path)


def test_every_rule_is_tried_above() -> None:
    tried = {(method, tuple(path.split("/"))) for method, path, _ in CALLS}
    for rule in RULES:
        wanted = rule.path.split("/")
        assert any(
            rule.method in (method, "*")
            and all(
                part == segment or part[:1] in (":", "*") for part, segment in zip(wanted, path, strict=False)
            )
            and (len(path) == len(wanted) or wanted[-1] == "*")
            for method, path in tried
        ), rule


@pytest.mark.parametrize("who", EVERYBODY)
def test_head_goes_with_get(who: str) -> None:
    for method, path, _ in CALLS:
        if method == "GET":
            principal = EVERYBODY[who]
            assert allowed(principal, "HEAD", path) is allowed(principal, "GET", path)
    assert not allowed(EVERYBODY[who], "HEAD", "/api/auth/login")


UNKNOWN = [
    ("GET", "/api/plugins/"),
    ("GET", "//api/plugins"),
    ("GET", "/API/plugins"),
    ("GET", "/api/nothing"),
    ("GET", "/api/plugins/hello/kv/x"),
    ("GET", "/api/plugins/routes/hello"),
    ("GET", "/api/users/7/"),
    ("GET", "/api/users/"),
    ("GET", ""),
    ("GET", "/api/plugins/hello/bundlexjs"),
    ("GET", "/assets"),
    ("GET", "/assets/"),
    ("GET", "/assets/a/b.js"),
    ("GET", "/assets/../index.html"),
]


@pytest.mark.parametrize("who", EVERYBODY)
@pytest.mark.parametrize(("method", "path"), UNKNOWN)
def test_an_unknown_path_is_nobodys(method: str, path: str, who: str) -> None:
    assert not allowed(EVERYBODY[who], method, path)


WRONG_METHODS = [
    ("DELETE", "/api/plugins"),
    ("GET", "/api/plugins/rescan"),
    ("POST", "/api/plugins/problems"),
    ("GET", "/api/plugins/hello/kv"),
    ("PATCH", "/api/users/7"),
    ("*", "/api/users/7"),
    ("get", "/api/users/7"),
    ("OPTIONS", "/api/plugins"),
]


@pytest.mark.parametrize("who", EVERYBODY)
@pytest.mark.parametrize(("method", "path"), WRONG_METHODS)
def test_an_unknown_method_is_nobodys(method: str, path: str, who: str) -> None:
    assert not allowed(EVERYBODY[who], method, path)


@pytest.mark.parametrize(
    ("principal", "method", "path", "error"),
    [
        (None, "GET", "/api/nothing", Unauthenticated),
        (None, "DELETE", "/api/users", Unauthenticated),
        (None, "DELETE", "/api/health", MethodNotAllowed),
        (CLIENT, "GET", "/api/nothing", NotFound),
        (ADMIN, "GET", "/api/nothing", NotFound),
        (ADMIN, "DELETE", "/api/users", MethodNotAllowed),
        (MONITOR, "GET", "/api/nothing", Forbidden),
        (PLUGIN, "GET", "/api/nothing", Forbidden),
        (PLUGIN, "GET", "/api/plugins/hello/kv", Forbidden),
        (CLIENT, "GET", "/api/users", Forbidden),
    ],
)
def test_what_the_door_says(
    principal: Principal | None, method: str, path: str, error: type[ToruError]
) -> None:
    with pytest.raises(error):
        check(principal, method, path)


@pytest.mark.parametrize(
    ("principal", "key", "may"),
    [
        (ADMIN, "anything", True),
        (PLUGIN, "anything", True),
        (PLUGIN, "", True),
        (FOREIGN, "anything", False),
        (MONITOR, "user/1/x", False),
        (CLIENT, "user/7/x", True),
        (CLIENT, "user/7/", True),
        (CLIENT, "user/7", False),
        (CLIENT, "user/70/x", False),
        (CLIENT, "user/8/x", False),
        (CLIENT, "user/", False),
        (CLIENT, "", False),
        (CLIENT, " user/7/x", False),
        (CLIENT, "USER/7/x", False),
        (SCRIPT, "user/7/x", False),
    ],
)
def test_whose_keys(principal: Principal, key: str, *, may: bool) -> None:
    assert may_use_key(principal, "hello", key) is may


def test_nobody_but_these_kinds_is_in_the_table() -> None:
    kinds: set[PrincipalKind | None] = {None, "admin", "client", "monitor", "plugin"}
    assert set().union(*(rule.who for rule in RULES)) == kinds
