"""The published schema is current, and says of messages and metadata what the core does with them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings, strategies as st

from tests.languages.documents import ROOT
from toru.errors import InvalidMetadata, ProtocolError
from toru.model import PluginMetadata
from toru.wire.messages import HttpRequest, Init, Nonsense, RequestHead, Unknown
from toru.wire.metadata import parse_metadata
from toru.wire.protocol2 import JsonLines
from toru.wire.schema import schema

PUBLISHED = ROOT / "docs" / "protocol.schema.json"
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
CODEC = JsonLines(2**20, wall_clock=lambda: 1e9)


def definition(name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for({**schema(), "anyOf": [{"$ref": f"#/$defs/{name}"}]})


TO_PLUGIN, TO_TORU, METADATA = (definition(name) for name in ("to-plugin", "to-toru", "metadata"))

HELLO = {"id": "hello", "name": "Hello", "version": "1", "route": "/hello"}


def test_it_is_current() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "toru.wire.schema"], capture_output=True, check=True, timeout=60
    )
    assert done.stdout.decode() == PUBLISHED.read_text(), (
        "docs/protocol.schema.json is out of date: python -m toru.wire.schema > docs/protocol.schema.json"
    )


def test_its_definitions_lead_somewhere() -> None:
    published = json.loads(PUBLISHED.read_text())
    referred = set(re.findall(r'"#/\$defs/([^"]+)"', PUBLISHED.read_text()))
    assert referred == published["$defs"].keys() - {"metadata"}


@pytest.mark.parametrize(
    "line",
    [
        CODEC.init(Init("hello", "i", "/s", "/l", "http://127.0.0.1:1", "t")),
        CODEC.shutdown(5.0),
        CODEC.ping("1"),
        CODEC.cancel("1"),
        CODEC.request("1", HttpRequest(RequestHead("GET", "/", {}), None)),
        CODEC.request("1", HttpRequest(RequestHead("POST", "/a?b", {"x-y": "z"}), b"text")),
        CODEC.request("1", HttpRequest(RequestHead("POST", "/a?b", {"x-y": "z"}), b"\xff")),
    ],
    ids=["init", "shutdown", "ping", "cancel", "no-body", "text", "bytes"],
)
def test_what_the_core_says(line: bytes) -> None:
    message = json.loads(line)
    TO_PLUGIN.validate(message)
    assert not TO_TORU.is_valid(message)
    for member in message["payload"]:
        fewer = {name: value for name, value in message["payload"].items() if name != member}
        assert not TO_PLUGIN.is_valid({**message, "payload": fewer}), member


RIGHT: list[dict[str, Any]] = [
    {"type": "http", "request_id": "1", "payload": {"status": 200}},
    {"type": "http", "request_id": "1", "payload": {"status": 599, "headers": {"a": "b"}, "body": "c"}},
    {"type": "error", "request_id": "1", "payload": {"message": "m", "code": "c"}},
    {"type": "lifecycle", "request_id": "1", "payload": {"action": "pong"}},
    {"type": "log", "payload": {"level": "info", "message": "m"}},
]
# What each member may become; some of it is as right.
ENVELOPES: dict[str, list[Any]] = {
    "type": ["weather", None, 1],
    "request_id": ["", None, 1],
    "payload": [None, [], "text", {}],
    "more": [None],
}
PAYLOADS: dict[str, list[Any]] = {
    "status": [204, 204.0, 199, 600, 200.5, "200", None],
    "headers": [{}, {"a": ["b", "c"]}, {"a": 1}, {"a": [None]}, None, []],
    "body": ["", None, 1],
    "body_encoding": ["utf-8", "latin-1", None],
    "stream": [False, "yes"],
    "message": ["", None, 1],
    "code": ["", None, 1],
    "action": ["dance", None, 1],
    "level": ["trace", 3, None],
    "fields": [{}, {"a": [1]}, None, []],
    "more": [[]],
}
MISSING = object()


def changes(values: dict[str, list[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Up to two members with another value, or none."""
    one = st.sampled_from([(name, value) for name, them in values.items() for value in [*them, MISSING]])
    return st.lists(one, max_size=2).map(dict)


def changed(right: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**right, **changes}.items() if value is not MISSING}


MESSAGES = st.builds(
    lambda right, envelope, payload: changed(
        {**right, "payload": changed(right["payload"], payload)}, envelope
    ),
    st.sampled_from(RIGHT),
    st.just({}) | changes(ENVELOPES),
    changes(PAYLOADS),
)


@settings(max_examples=500, deadline=None)
@given(MESSAGES)
def test_what_a_plugin_says_is_taken_where_the_schema_takes_it(message: dict[str, Any]) -> None:
    try:
        taken = not isinstance(CODEC.decode(json.dumps(message).encode()), Nonsense | Unknown)
    except ProtocolError:
        taken = False
    # A line of the log may have a `request_id` that is null; it means nothing there.
    if message.get("type") == "log" and message.get("request_id", "") is None:
        del message["request_id"]
    assert TO_TORU.is_valid(message) == taken


METADATA_VALUES: dict[str, list[Any]] = {
    "id": ["A-1", "x" * 64, "x" * 65, "-a", "a-", "", "route", "a_b", None, 1],
    "name": ["n" * 99, "n" * 100, "🐚" * 99, "", "  ", "a\nb", "a\x9f", None, 1],
    "version": ["v" * 200, "", "\x00", None, 1],
    "route": ["/a.b_c-d", "/..", "/a..b", "/.", "/", "a", "/a/b", "/é", "", None],
    "icon": ["🐚", "", None, 1],
    "author": ["", "a" * 99, "a" * 100, "\x7f", None, []],
    "description": ["", "a\nb", None, {}],
    "protocol": ["1", "2", "3", 2, None],
    "capabilities": [[], ["ping"], ["fly"], [1], "ping", None],
    "concurrency": [1, 10_000, 0, 10_001, "1", None],
    "more": [None],
}


@settings(max_examples=500, deadline=None)
@given(st.builds(changed, st.just(HELLO), changes(METADATA_VALUES)))
def test_metadata_is_taken_where_the_schema_takes_it(metadata: dict[str, Any]) -> None:
    try:
        parse_metadata(json.dumps(metadata).encode())
        taken = True
    except InvalidMetadata:
        taken = False
    assert METADATA.is_valid(metadata) == taken


def test_all_of_the_metadata_is_named() -> None:
    assert schema()["$defs"]["metadata"]["properties"].keys() == set(PluginMetadata.__struct_fields__)


def test_the_messages_in_the_document() -> None:
    lines = re.findall(r'^\{"type": .*\}$', PROTOCOL, re.MULTILINE)
    told = [json.loads(line) for line in lines if "…" not in line]
    for message in told:
        assert TO_PLUGIN.is_valid(message) or TO_TORU.is_valid(message), message
    assert {message["type"] for message in told} >= {"http", "lifecycle", "body", "websocket", "error", "log"}
