"""Protocol 1: what plugins for the older product read and write, unchanged."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, strategies as st

from toru.errors import BodyTooLarge, ProtocolError
from toru.wire.messages import Answer, Codec, HttpRequest, Init, Nonsense, Refusal, RequestHead, Unknown
from toru.wire.protocol1 import LengthPrefixed

LIMIT = 16 * 2**20
INIT = Init("hello", "an-instance", "/run/s", "/run/l", "http://127.0.0.1:3000", "toru_secret")

codec = LengthPrefixed(LIMIT, lambda: 1768305600.0)


def sent(frame: bytes) -> dict[str, Any]:
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    message: dict[str, Any] = json.loads(frame[4:])
    assert message.pop("timestamp") == "2026-01-13T12:00:00.000Z"
    return message


def frame(payload: object, **more: object) -> bytes:
    return json.dumps({"type": "http", "timestamp": "now", "payload": payload, **more}).encode()


def flat(**answer: object) -> bytes:
    return frame(answer)


def wrapped(**answer: object) -> bytes:
    request = {"method": "GET", "path": "", "headers": {}, "body": json.dumps(answer)}
    return frame({"type": "http", "request_id": "7", "payload": request})


shapes = pytest.mark.parametrize("shape", [flat, wrapped])


def test_it_is_a_codec() -> None:
    as_codec: Codec = codec
    assert as_codec.protocol == "1"
    assert list(as_codec.framer().feed(as_codec.shutdown(1))) == [as_codec.shutdown(1)[4:]]


def test_init_is_strings_only_and_holds_no_secret() -> None:
    assert sent(codec.init(INIT)) == {
        "type": "lifecycle",
        "request_id": "init",
        "payload": {
            "type": "lifecycle",
            "action": "init",
            "instance_id": "an-instance",
            "plugin_socket": "/run/s",
            "log_path": "/run/l",
        },
    }


def test_shutdown() -> None:
    assert sent(codec.shutdown(5)) == {
        "type": "lifecycle",
        "request_id": "shutdown",
        "payload": {"type": "lifecycle", "action": "shutdown"},
    }


@given(
    headers=st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=4),
    body=st.none() | st.text(max_size=60),
)
def test_a_request_is_nested_once_more(headers: dict[str, str], body: str | None) -> None:
    request = HttpRequest(RequestHead("GET", "/a?b", headers), None if body is None else body.encode())
    assert sent(codec.request("7", request)) == {
        "type": "http",
        "request_id": "7",
        "payload": {
            "type": "http",
            "request_id": "7",
            "payload": {"method": "GET", "path": "/a?b", "headers": headers, "body": body},
        },
    }


def test_a_body_that_is_no_text_is_marked() -> None:
    inner = sent(codec.request("7", HttpRequest(RequestHead("PUT", "/", {}), b"\xff\x00")))["payload"][
        "payload"
    ]
    assert inner["body_encoding"] == "base64"
    assert base64.b64decode(inner["body"]) == b"\xff\x00"


def test_the_largest_body_of_control_characters_fits() -> None:
    body = b"\x02" * (8 * 2**20)
    message = codec.request("7", HttpRequest(RequestHead("POST", "/", {}), body))
    assert len(message) - 4 <= LIMIT
    inner = json.loads(message[4:])["payload"]["payload"]
    assert base64.b64decode(inner["body"]) == body


def test_the_limit_counts_the_message_without_its_length() -> None:
    request = HttpRequest(RequestHead("POST", "/", {}), b"\xff" * 100)
    size = len(codec.request("7", request)) - 4
    assert len(LengthPrefixed(size).request("7", request)) == size + 4
    with pytest.raises(BodyTooLarge):
        LengthPrefixed(size - 1).request("7", request)


@shapes
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": 200, "headers": {}, "body": "hi"}, Answer("", 200, (), b"hi")),
        ({"status": 200}, Answer("", 200, (), b"")),
        ({"status": 201.0, "headers": None, "body": None}, Answer("", 201, (), b"")),
        ({"status": 200, "body": 'grün " \n'}, Answer("", 200, (), 'grün " \n'.encode())),
        ({"status": 200, "body": ""}, Answer("", 200, (), b"")),
        ({"status": 200, "body": {"a": [1, 2.50, None]}}, Answer("", 200, (), b'{"a": [1, 2.5, null]}')),
        ({"status": 200, "body": 5}, Answer("", 200, (), b"5")),
        ({"status": 200, "body": False}, Answer("", 200, (), b"false")),
        ({"status": 200, "body": "/w==", "body_encoding": "base64"}, Answer("", 200, (), b"\xff")),
        ({"status": 200, "body": 1234, "body_encoding": "base64"}, Answer("", 200, (), b"1234")),
        (
            {"status": 200, "headers": {"Age": 5, "Q": 0.5, "Set-Cookie": ["a", "b"], "N": [1], "X": "\n"}},
            Answer(
                "",
                200,
                (
                    ("Age", "5"),
                    ("Q", "0.5"),
                    ("Set-Cookie", "a"),
                    ("Set-Cookie", "b"),
                    ("N", "1"),
                    ("X", "\n"),
                ),
                b"",
            ),
        ),
    ],
)
def test_both_shapes_of_an_answer_mean_the_same(
    shape: Any, answer: dict[str, object], expected: Answer
) -> None:
    assert codec.decode(shape(**answer)) == expected


def test_an_answer_may_carry_its_own_request_id_or_none() -> None:
    for request_id, expected in (("other", "other"), (None, ""), ("", "")):
        assert codec.decode(frame({"status": 200}, request_id=request_id)) == Answer(expected, 200, (), b"")


def test_a_body_that_is_json_keeps_the_characters_it_came_with() -> None:
    body = b'{"x":  1e2, "y": 12345678901234567890123, "z": "\xc3\xa9"}'
    message = b'{"type": "http", "payload": {"status": 200, "body": ' + body + b"}}"
    assert codec.decode(message) == Answer("", 200, (), body)


def test_a_status_decides_for_the_flat_shape() -> None:
    assert codec.decode(flat(status=200, body="flat", payload={"body": '{"status": 500}'})) == Answer(
        "", 200, (), b"flat"
    )


@shapes
@pytest.mark.parametrize("status", [0, 100, 199, 600, 200.5])
def test_a_status_that_is_none_is_nonsense(shape: Any, status: float) -> None:
    message = codec.decode(shape(status=status))
    assert isinstance(message, Nonsense)
    assert "200 to 599" in message.why


@shapes
def test_bad_base64_is_nonsense(shape: Any) -> None:
    assert isinstance(codec.decode(shape(status=200, body="?", body_encoding="base64")), Nonsense)


@pytest.mark.parametrize(
    ("payload", "refusal"),
    [
        ({"message": "no", "code": "e1"}, Refusal("7", "no", "e1")),
        ({"type": "error", "payload": {"message": "no", "code": "e1"}}, Refusal("7", "no", "e1")),
        ({"error": "no"}, Refusal("7", "no", None)),
        ({}, Refusal("7", "the plugin gave no reason", None)),
    ],
)
def test_an_error_is_a_refusal(payload: dict[str, object], refusal: Refusal) -> None:
    assert codec.decode(frame(payload, type="error", request_id="7")) == refusal


@pytest.mark.parametrize("kind", ["kv", "lifecycle", "log", "cancel"])
def test_other_types_are_unknown(kind: str) -> None:
    assert codec.decode(frame({"value": None}, type=kind)) == Unknown(f"'{kind}'")


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"", "empty"),
        (b"{", "truncated"),
        (b"[1]", "object"),
        (b'{"payload": {"status": 200}}', "`type`"),
        (b'{"type": "\xff"}', "UTF-8"),
        (frame({"status": 200}, request_id=7), "request_id"),
        (b'{"type": "http"}', "object"),
        (frame("text"), "object"),
        (frame({}), "no `status`"),
        (frame({"payload": None}), "no `status`"),
        (frame({"payload": {"body": None}}), "no `status`"),
        (frame({"payload": "text"}), "`payload.payload`"),
        (frame({"payload": {"body": 5}}), "`payload.payload`"),
        (frame({"payload": {"body": "Not found"}}), "`payload.payload.body`.*malformed"),
        (frame({"payload": {"body": "[]"}}), "`payload.payload.body`.*object"),
        (frame({"payload": {"body": '{"value": null}'}}), "`payload.payload.body`.*`status`"),
        (frame({"payload": {"body": '{"status": 200, "body": ' + "[" * 100_000}}), "nested"),
        (b'{"type": "http", "payload": {"status": 200, "body": ["\xff"]}}', "UTF-8"),
        (b'{"type": "http", "payload": {"status": 200, "body": "\xff"}}', "UTF-8"),
        (frame({"message": 5}, type="error"), "`error`.*message"),
        (frame("no", type="error"), "`error`"),
    ],
)
def test_what_cannot_be_used_is_named(message: bytes, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        codec.decode(message)


@shapes
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"status": "200"}, "status"),
        ({"status": True}, "status"),
        ({"status": None}, "status"),
        ({"status": 200, "headers": []}, "headers"),
        ({"status": 200, "headers": {"a": True}}, "headers"),
        ({"status": 200, "headers": {"a": None}}, "headers"),
        ({"status": 200, "headers": {"a": {}}}, "headers"),
        ({"status": 200, "body": "", "body_encoding": "gzip"}, "'gzip'"),
    ],
)
def test_wrong_types_in_an_answer(shape: Any, answer: dict[str, object], why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        codec.decode(shape(**answer))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["status", "headers", "body", "payload", "message"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(
    st.binary()
    | st.builds(
        lambda kind, payload: frame(payload, type=kind), st.sampled_from(["http", "error", "x"]), anything
    )
)
def test_whatever_comes_is_a_message_or_a_protocol_error(message: bytes) -> None:
    with suppress(ProtocolError):
        assert isinstance(codec.decode(message), Answer | Nonsense | Refusal | Unknown)
