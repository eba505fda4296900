"""Protocol 2: what is sent is read with plain `json`, what is received is written with it."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, strategies as st

from toru.errors import BodyTooLarge, ProtocolError
from toru.wire.messages import (
    Answer,
    Codec,
    HttpRequest,
    Init,
    Log,
    Nonsense,
    Pong,
    Refusal,
    RequestHead,
    Unknown,
)
from toru.wire.protocol2 import JsonLines

LIMIT = 16 * 2**20
NOON = 1768305600.0
INIT = Init("hello", "an-instance", "/run/s", "/run/l", "http://127.0.0.1:3000", "toru_secret")

codec = JsonLines(LIMIT, lambda: NOON)


def sent(line: bytes) -> dict[str, Any]:
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    message: dict[str, Any] = json.loads(line)
    assert message.pop("timestamp") == "2026-01-13T12:00:00.000Z"
    return message


def frame(kind: str, payload: object, **more: object) -> bytes:
    return json.dumps({"type": kind, "request_id": "7", "payload": payload, **more}).encode()


def http(**payload: object) -> bytes:
    return frame("http", payload)


def test_it_is_a_codec() -> None:
    as_codec: Codec = codec
    assert as_codec.protocol == "2"
    assert list(as_codec.framer().feed(as_codec.shutdown(1))) == [as_codec.shutdown(1)[:-1]]


def test_the_real_time_is_sent_where_no_clock_is_given() -> None:
    message = json.loads(JsonLines(LIMIT).shutdown(5))
    age = datetime.now().astimezone() - datetime.fromisoformat(message["timestamp"])
    assert abs(age.total_seconds()) < 60


def test_init() -> None:
    assert sent(codec.init(INIT)) == {
        "type": "lifecycle",
        "payload": {
            "action": "init",
            "protocol": "2",
            "plugin_id": "hello",
            "instance_id": "an-instance",
            "socket_path": "/run/s",
            "log_path": "/run/l",
            "api_url": "http://127.0.0.1:3000",
            "token": "toru_secret",
        },
    }


def test_shutdown_ping_and_cancel() -> None:
    assert sent(codec.shutdown(5.0)) == {
        "type": "lifecycle",
        "payload": {"action": "shutdown", "grace_seconds": 5.0},
    }
    assert sent(codec.ping("p1")) == {"type": "lifecycle", "request_id": "p1", "payload": {"action": "ping"}}
    assert sent(codec.cancel("7")) == {"type": "cancel", "request_id": "7", "payload": {}}


@given(
    path=st.text(max_size=20),
    headers=st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=4),
    body=st.none() | st.binary(max_size=60) | st.text(max_size=60).map(str.encode),
)
def test_a_request_says_what_was_asked(path: str, headers: dict[str, str], body: bytes | None) -> None:
    message = sent(codec.request("7", HttpRequest(RequestHead("POST", f"/{path}", headers), body)))
    payload = message.pop("payload")
    assert message == {"type": "http", "request_id": "7"}
    text, encoding = payload.pop("body"), payload.pop("body_encoding")
    assert payload == {"method": "POST", "path": f"/{path}", "headers": headers}
    if body is None:
        assert (text, encoding) == (None, "utf-8")
    elif encoding == "base64":
        assert base64.b64decode(text) == body
        with pytest.raises(UnicodeDecodeError):
            body.decode()
    else:
        assert encoding == "utf-8"
        assert text.encode() == body


@pytest.mark.parametrize("headers", [{}, {"a": "}}"}, {"a": 'x",', "b": ""}])
@pytest.mark.parametrize("body", [None, b"text", b"\xff"])
def test_the_id_of_a_request_is_one_of_its_headers(headers: dict[str, str], body: bytes | None) -> None:
    head = RequestHead("GET", "/", headers)
    for id in ("one", "two"):
        message = sent(codec.request("7", HttpRequest(head, body, id)))
        assert message["payload"]["headers"] == headers | {"x-request-id": id}


def test_the_id_that_a_client_gave() -> None:
    head = RequestHead("GET", "/", {"x-request-id": 'a"b\\', "a": "b"})
    message = sent(codec.request("7", HttpRequest(head, None, 'a"b\\')))
    assert message["payload"]["headers"] == head.headers


def test_the_largest_body_of_control_characters_fits() -> None:
    body = b"\x01" * (8 * 2**20)
    line = codec.request("7", HttpRequest(RequestHead("POST", "/", {}), body))
    assert len(line) - 1 <= LIMIT
    payload = json.loads(line)["payload"]
    assert payload["body_encoding"] == "base64"
    assert base64.b64decode(payload["body"]) == body


@pytest.mark.parametrize("body", [b"\x01" * 1000, b"\xff" * 1000, b"x" * 1000])
def test_a_request_is_never_over_the_limit(body: bytes) -> None:
    request = HttpRequest(RequestHead("POST", "/", {}), body)
    size = len(codec.request("7", request)) - 1
    as_base64 = (
        size if body[0] == 0xFF else size - len(json.dumps(body.decode())) + len(base64.b64encode(body)) + 3
    )
    smallest = min(size, as_base64)
    assert len(JsonLines(smallest).request("7", request)) - 1 == smallest
    with pytest.raises(BodyTooLarge, match=f"{smallest - 1:,} bytes"):
        JsonLines(smallest - 1).request("7", request)


def test_headers_alone_can_be_too_much() -> None:
    with pytest.raises(BodyTooLarge):
        JsonLines(1000).request("7", HttpRequest(RequestHead("GET", "/", {"a": "x" * 1000}), None))


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        ({"status": 200}, Answer("7", 200, (), b"")),
        ({"status": 599, "body": None}, Answer("7", 599, (), b"")),
        ({"status": 200.0, "body": "grün"}, Answer("7", 200, (), "grün".encode())),
        ({"status": 200, "body": "AP8=", "body_encoding": "base64"}, Answer("7", 200, (), b"\x00\xff")),
        ({"status": 200, "body": None, "body_encoding": "base64"}, Answer("7", 200, (), b"")),
        (
            {"status": 204, "headers": {"Set-Cookie": ["a=1", "b=2"], "X": "1\r\n", "é": "", "none": []}},
            Answer("7", 204, (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X", "1\r\n"), ("é", "")), b""),
        ),
        ({"status": 200, "stream": False, "unheard": {"of": 1}}, Answer("7", 200, (), b"")),
    ],
)
def test_answers(payload: dict[str, object], answer: Answer) -> None:
    assert codec.decode(frame("http", payload, also="unheard of")) == answer
    assert isinstance(answer.status, int)


@given(
    status=st.integers(200, 599),
    headers=st.dictionaries(st.text(), st.text() | st.lists(st.text())),
    body=st.text(),
)
def test_answers_survive(status: int, headers: dict[str, str | list[str]], body: str) -> None:
    answer = codec.decode(http(status=status, headers=headers, body=body))
    pairs = tuple(
        (name, one)
        for name, value in headers.items()
        for one in ([value] if isinstance(value, str) else value)
    )
    assert answer == Answer("7", status, pairs, body.encode())


@given(st.binary())
def test_base64_survives(body: bytes) -> None:
    text = base64.b64encode(body).decode()
    assert codec.decode(http(status=200, body=text, body_encoding="base64")) == Answer("7", 200, (), body)


@pytest.mark.parametrize("status", [0, 101, 199, 600, -200, 200.5, 1e300, 10**4000])
def test_a_status_that_is_none_fails_its_request_alone(status: float) -> None:
    message = codec.decode(http(status=status))
    assert isinstance(message, Nonsense)
    assert message.request_id == "7"
    assert "200 to 599" in message.why
    assert len(message.why) < 200


@pytest.mark.parametrize("body", ["!", "YQ", "YQ==\n", "é", "YQ==YQ=="])
def test_bad_base64_fails_its_request_alone(body: str) -> None:
    message = codec.decode(http(status=200, body=body, body_encoding="base64"))
    assert isinstance(message, Nonsense)
    assert "base64" in message.why


def test_other_messages() -> None:
    assert codec.decode(frame("error", {"message": "no", "code": "e1"})) == Refusal("7", "no", "e1")
    assert codec.decode(frame("error", {"message": "no"})) == Refusal("7", "no", None)
    assert codec.decode(frame("lifecycle", {"action": "pong"})) == Pong("7")
    assert codec.decode(
        b'{"type": "log", "payload": {"level": "warn", "message": "m", "fields": {"a": [1]}}}'
    ) == Log("warn", "m", {"a": [1]})
    assert codec.decode(frame("log", {"level": "trace", "message": "m"}, request_id=None)) == Log(
        "trace", "m", None
    )


def test_a_level_that_is_none_is_taken_as_info() -> None:
    assert codec.decode(frame("log", {"level": "fatal", "message": "m"})) == Log("info", "m", None)


def test_unknown_messages_are_not_errors() -> None:
    assert codec.decode(b'{"type": "news"}') == Unknown("'news'")
    assert codec.decode(frame("news", [1], timestamp=5)) == Unknown("'news'")
    assert codec.decode(frame("lifecycle", {"action": "hello"})) == Unknown("'lifecycle hello'")
    assert codec.decode(frame("lifecycle", {})) == Unknown("'lifecycle '")
    long = codec.decode(frame("\x1b" * 10_000, {}))
    assert isinstance(long, Unknown)
    assert len(long.type) <= 100
    assert "\x1b" not in long.type


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "empty"),
        (b" ", "message"),
        (b"hello", "malformed"),
        (b'{"type": "http"', "truncated"),
        (b'{"type": "http"} {}', "trailing"),
        (b"[]", "object"),
        (b"null", "object"),
        (b"{}", "`type`"),
        (b'{"type": 1}', r"\$\.type"),
        (b'{"type": "\xff"}', "UTF-8"),
        (b'{"type": "\\ud800 and more"}', "malformed"),
        (b'{"type": "http", "payload": {"status": 200, "body": "\xff"}, "request_id": "7"}', "UTF-8"),
        (b'{"type": "x", "payload": ' + b"[" * 100_000, "nested"),
        (b'{"type": "x", "payload": NaN}', "malformed"),
        (b'{"type": "http", "request_id": 7, "payload": {"status": 200}}', "request_id"),
        (b'{"type": "http", "payload": {"status": 200}}', "`http` has no `request_id`"),
        (b'{"type": "error", "payload": {"message": "no"}}', "`error` has no `request_id`"),
        (b'{"type": "lifecycle", "payload": {"action": "pong"}}', "`lifecycle` has no `request_id`"),
        (b'{"type": "http", "request_id": "7"}', "object"),
        (frame("http", "text"), "`http`.*object"),
        (frame("http", {}), "`http`.*`status`"),
        (http(status="200"), "status"),
        (http(status=True), "status"),
        (http(status=None), "status"),
        (http(status=200, headers=None), "headers"),
        (http(status=200, headers=[["a", "b"]]), "headers"),
        (http(status=200, headers={"a": 1}), "headers"),
        (http(status=200, headers={"a": [1]}), "headers"),
        (http(status=200, headers={"a": None}), "headers"),
        (http(status=200, body=5), "body"),
        (http(status=200, body={"a": 1}), "body"),
        (http(status=200, body_encoding="latin1"), "`body_encoding`.*'latin1'.*`base64`"),
        (http(status=200, body_encoding=None), "body_encoding"),
        (http(status=200, stream=True), "stream"),
        (http(status=200, stream="no"), "stream"),
        (frame("error", {}), "`error`.*`message`"),
        (frame("error", {"message": 1}), "message"),
        (frame("error", {"message": "no", "code": 5}), "code"),
        (frame("lifecycle", []), "`lifecycle`"),
        (frame("lifecycle", {"action": 1}), "action"),
        (frame("log", {"level": "info"}), "`log`.*`message`"),
        (frame("log", {"level": 3, "message": "m"}), "level"),
        (frame("log", {"level": "info", "message": "m", "fields": []}), "fields"),
    ],
)
def test_what_cannot_be_used_is_named(line: bytes, why: str) -> None:
    with pytest.raises(ProtocolError, match=f"(?s){why}"):
        codec.decode(line)


def test_an_error_never_repeats_much_of_what_came() -> None:
    for line in (http(status=200, body_encoding="é\n" * 50_000), frame("log", {"level": 1, "x" * 10_000: 1})):
        with pytest.raises(ProtocolError) as caught:
            codec.decode(line)
        assert len(caught.value.detail) < 300
        assert caught.value.detail.isprintable()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
payloads = st.dictionaries(
    st.sampled_from(
        ["status", "headers", "body", "body_encoding", "stream", "message", "level", "action", "fields"]
    ),
    anything,
)


@given(
    st.binary()
    | st.builds(
        lambda kind, payload, request_id: json.dumps(
            {"type": kind, "payload": payload, "request_id": request_id}
        ).encode(),
        st.sampled_from(["http", "error", "log", "lifecycle", "other"]),
        anything | payloads,
        st.just("7") | anything,
    )
)
def test_whatever_comes_is_a_message_or_a_protocol_error(line: bytes) -> None:
    with suppress(ProtocolError):
        assert isinstance(codec.decode(line), Answer | Nonsense | Refusal | Pong | Log | Unknown)
