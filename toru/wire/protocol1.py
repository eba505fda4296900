"""Protocol 1: length and JSON, one message a connection, as plugins for Toru Steering Center speak it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from msgspec import UNSET, Raw, Struct, UnsetType, json

from toru.errors import ProtocolError
from toru.wire.framing import LENGTH_BYTES, LengthFramer
from toru.wire.messages import (
    NULL,
    BodyEncoding,
    HttpRequest,
    Init,
    Message,
    Outgoing,
    Refusal,
    Unknown,
    encode_within,
    excerpt,
    make_answer,
    read,
    read_envelope,
    rfc3339,
)


class _Init(Struct):
    type: str
    action: str
    instance_id: str
    plugin_socket: str
    log_path: str


class _Shutdown(Struct):
    type: str
    action: str


class _Request(Struct):
    method: str
    path: str
    headers: dict[str, str]
    body: str | None
    body_encoding: BodyEncoding | UnsetType


class _RequestPayload(Struct):
    type: str
    request_id: str
    payload: _Request


class _Answer(Struct):
    """A flat answer, and what a wrapped one holds; the wrapping itself has `payload` and no `status`."""

    status: int | float | UnsetType = UNSET
    headers: dict[str, str | int | float | list[str | int | float]] | None = None
    body: Raw = NULL
    body_encoding: str = "utf-8"
    payload: Raw = NULL


class _Wrapping(Struct):
    body: str | None = None


class _Error(Struct):
    message: str | None = None
    error: str | None = None
    code: str | None = None
    payload: _Error | None = None


_encode = json.Encoder().encode
_answers = json.Decoder(_Answer)
_wrappings = json.Decoder(_Wrapping | None)
_errors = json.Decoder(_Error)
_strings = json.Decoder(str)


class LengthPrefixed:
    """The codec of protocol 1. A message is at most `max_message_bytes` long, without its length.

    `wall_clock` gives seconds since 1970, for timestamps.
    """

    protocol: Final = "1"

    def __init__(self, max_message_bytes: int, wall_clock: Callable[[], float] = time.time) -> None:
        self._max_message_bytes = max_message_bytes
        self._wall_clock = wall_clock

    def framer(self) -> LengthFramer:
        return LengthFramer(self._max_message_bytes)

    def init(self, init: Init) -> bytes:
        payload = _Init("lifecycle", "init", init.instance_id, init.socket_path, init.log_path)
        # Some readers want a request id in every envelope, though nothing answers this one.
        return _framed(_encode(Outgoing("lifecycle", self._now(), payload, "init")))

    def shutdown(self, grace_seconds: float) -> bytes:
        # The seconds are left out: these plugins know strings only in a lifecycle payload.
        payload = _Shutdown("lifecycle", "shutdown")
        return _framed(_encode(Outgoing("lifecycle", self._now(), payload, "shutdown")))

    def request(self, request_id: str, request: HttpRequest) -> bytes:
        now = self._now()

        def encode(body: str | None, body_encoding: BodyEncoding) -> bytes:
            marked = UNSET if body_encoding == "utf-8" else body_encoding
            inner = _Request(request.method, request.path, request.headers, body, marked)
            return _encode(Outgoing("http", now, _RequestPayload("http", request_id, inner), request_id))

        return _framed(encode_within(self._max_message_bytes, request.body, encode))

    def decode(self, frame: bytes) -> Message:
        envelope = read_envelope(frame)
        request_id = envelope.request_id or ""
        if envelope.type == "http":
            return _read_http(request_id, envelope.payload)
        if envelope.type == "error":
            return _read_error(request_id, envelope.payload)
        return Unknown(excerpt(envelope.type))

    def _now(self) -> str:
        return rfc3339(self._wall_clock())


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(LENGTH_BYTES, "big") + message


def _read_http(request_id: str, payload: Raw) -> Message:
    answer = read(_answers, payload, "the payload of an `http` message")
    if answer.status is UNSET:
        wrapping = read(_wrappings, answer.payload, "`payload.payload` of an `http` message")
        if wrapping is None or wrapping.body is None:
            raise ProtocolError(
                "the payload of an `http` message has no `status`, and no answer in `payload.body` either"
            )
        what = "the answer in `payload.payload.body` of an `http` message"
        answer = read(_answers, wrapping.body.encode(), what)
        if answer.status is UNSET:
            raise ProtocolError(f"{what} has no `status`")
    headers = tuple(
        (name, str(one))
        for name, value in (answer.headers or {}).items()
        for one in (value if isinstance(value, list) else [value])
    )
    body = bytes(answer.body)
    if body == b"null":
        return make_answer(request_id, answer.status, headers, None, answer.body_encoding)
    if body.startswith(b'"'):
        text = read(_strings, body, "the body of an `http` message")
        return make_answer(request_id, answer.status, headers, text, answer.body_encoding)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise ProtocolError("the body of an `http` message cannot be used: it is not UTF-8") from None
    return make_answer(request_id, answer.status, headers, text, "utf-8")


def _read_error(request_id: str, payload: Raw) -> Message:
    error = read(_errors, payload, "the payload of an `error` message")
    inner = error.payload or _Error()
    message = error.message or inner.message or error.error or "the plugin gave no reason"
    return Refusal(request_id, message, error.code or inner.code)
