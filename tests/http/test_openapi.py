"""The document of the interface: of every call that is served, and of what it takes."""

from __future__ import annotations

import json
import sys
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import given, settings, strategies as st
from msgspec.json import Decoder

from toru.access.names import check_display_name, check_token_name, check_username
from toru.access.passwords import broken_rules
from toru.access.roles import EVERY_METHOD, OPEN, RULES, rules_at
from toru.errors import BadRequest
from toru.http import bodies
from toru.http.app import Face
from toru.http.calls import CALLS
from toru.http.openapi import make_document

from .fakes import in_reactor
from .keeping import Kept

DOCUMENT: dict[str, Any] = json.loads(make_document(Face.app.url_map))
PROXIED = "/api/plugins/route"
OPERATIONS = [
    (method.upper(), path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
    if not path.startswith(PROXIED)
]


def test_it_is_a_document_of_openapi() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    assert DOCUMENT["openapi"] == "3.1.0"
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_every_route_is_in_it_and_nothing_else() -> None:
    served = {
        (method, rule.rule.replace("<id:id>", "{id}").replace("<id>", "{id}"))
        for rule in Face.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
        if rule.rule.startswith("/api/")
    }
    served.add(("POST", "/api/plugins/{id}/kv"))
    assert {(method, path) for method, path, _ in OPERATIONS} == served
    assert {endpoint for _, _, operation in OPERATIONS if (endpoint := operation["operationId"])} == (
        CALLS.keys() - {"proxy"}
    )


def test_every_rule_is_in_it_and_nothing_else() -> None:
    rules = {
        (rule.method, rule.path.replace(":id", "{id}"))
        for rule in RULES
        if rule.path.startswith("/api/") and rule.method != EVERY_METHOD
    }
    assert {(method, path) for method, path, _ in OPERATIONS} == rules


def test_every_method_of_a_plugins_route_is_in_it() -> None:
    methods = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
    for path in (f"{PROXIED}/{{route}}", f"{PROXIED}/{{route}}/{{path}}"):
        assert DOCUMENT["paths"][path].keys() == methods
        for operation in DOCUMENT["paths"][path].values():
            assert operation["security"] == [{"session": ["admin", "client"]}, {"token": ["admin", "client"]}]
            assert operation["responses"]["default"]["description"] == "Any answer of the plugin."


@pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_who_may_call(method: str, path: str, operation: dict[str, Any]) -> None:
    who = rules_at(path)[method]
    named = {role for each in operation["security"] for roles in each.values() for role in roles}
    assert named == (set() if who == OPEN else set(who))
    assert ("401" in operation["responses"]) == (who != OPEN or path == "/api/auth/login")
    for each in operation["security"]:
        for scheme, roles in each.items():
            # Nobody signs in as a monitor or as a plugin.
            assert scheme in DOCUMENT["components"]["securitySchemes"]
            assert scheme == "token" or {"admin", "client"}.issuperset(roles)


@in_reactor
async def test_what_is_decoded_is_in_it(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Any] = []
    for name in ("decode_json", "decode_query"):
        decode = getattr(bodies, name)

        def watched(given: Any, type: Any, decode: Any = decode) -> Any:
            decoded.append(type.type if isinstance(type, Decoder) else type)
            return decode(given, type)

        for module in [each for each in sys.modules.values() if getattr(each, name, None) is decode]:
            monkeypatch.setattr(module, name, watched)
    for method, path, operation in OPERATIONS:
        # A stream has no end, and HEAD asks for what stands before it.
        asked = "HEAD" if path.endswith("/stream") else method
        await kept.door.ask(asked, path.replace("{id}", "hello"), body=b"{}" if method != "GET" else b"")
        call = CALLS[operation["operationId"]]
        assert decoded == [each for each in (call.query, call.body) if each is not None], path
        decoded.clear()


def holds(component: str, member: str, value: str) -> bool:
    """Whether the document allows this value."""
    schema = DOCUMENT["components"]["schemas"][component]["properties"][member]
    return jsonschema_rs.Draft202012Validator(schema).is_valid(value)


# A letter, a digit and a mark of each kind that somebody types, and what must be in no name.
TYPED = st.text(
    st.sampled_from("aZ09 é Ñ ß ж 中 ٣ . _ @ + - ! ~ 😀 \n \t \0 \x7f \xad \u2028 \u202e \u3000"), max_size=20
)


# How long each takes is the machine's affair.
@settings(deadline=None)
@given(TYPED)
def test_the_words_for_a_password_are_its_rules(text: str) -> None:
    for component in ("NewUser", "UserPassword"):
        assert holds(component, "password", text) == (not broken_rules(text))
    assert holds("OwnPassword", "new_password", text) == (not broken_rules(text))


@settings(deadline=None)
@given(TYPED)
def test_the_words_for_names_are_their_rules(text: str) -> None:
    for component, member, check, longest in (
        ("NewUser", "username", check_username, 64),
        ("NewUser", "display_name", check_display_name, 100),
        ("UserChange", "display_name", check_display_name, 100),
        ("TokenWish", "name", check_token_name, 64),
    ):
        for value in (text, text.strip(), "a" * longest, "a" * (longest + 1)):
            try:
                check(value)
            except BadRequest:
                assert not holds(component, member, value), (component, member, value)
            else:
                assert holds(component, member, value), (component, member, value)
