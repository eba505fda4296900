"""Protocol 2: JSON lines, many exchanges on one connection."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Literal, cast, get_args

from msgspec import DecodeError, Raw, Struct, json

from toru.errors import ProtocolError
from toru.wire import payloads
from toru.wire.framing import LineFramer
from toru.wire.messages import (
    REQUEST_ID,
    BodyEncoding,
    Envelope,
    HttpRequest,
    Init,
    Log,
    LogLevel,
    Message,
    Outgoing,
    Pairs,
    Pong,
    Refusal,
    RequestHead,
    Unknown,
    encode_within,
    excerpt,
    make_answer,
    pairs_of,
    read,
    read_envelope,
    rfc3339,
)

# Bytes of headers, and sets of them for each plugin, that are worth remembering.
_USUAL_LENGTH = 1024
_USUAL_SETS = 64
_STREAMING = "an `http` message has `stream: true`, and the plugin may not stream"
_LEVELS = frozenset[str](get_args(LogLevel))


class _UsualPayload(Struct):
    status: int | float
    # Read apart, for most answers of a plugin have the same few.
    headers: Raw = Raw(b"{}")
    body: str | None = None
    body_encoding: str = "utf-8"
    stream: bool = False


class _UsualAnswer(Struct):
    type: Literal["http"]
    request_id: str
    payload: _UsualPayload


_encode = json.Encoder().encode
answers = json.Decoder(payloads.Answer)
ANSWERED = "the payload of an `http` message"
_errors = json.Decoder(payloads.Error)
_usual = json.Decoder(_UsualAnswer)
_headers = json.Decoder(payloads.Headers)
_lifecycles = json.Decoder(payloads.Lifecycle)
_logs = json.Decoder(payloads.Log)


class JsonLines:
    """The codec of protocol 2. A message is at most `max_message_bytes` long, without its newline.

    `wall_clock` gives seconds since 1970, for timestamps.
    """

    protocol: Final = "2"

    def __init__(self, max_message_bytes: int, wall_clock: Callable[[], float] = time.time) -> None:
        self._max_message_bytes = max_message_bytes
        self._wall_clock = wall_clock
        self._millisecond, self._timestamp = 0, ""
        self._usual_headers = lru_cache(maxsize=_USUAL_SETS)(_headers_in)

    def framer(self) -> LineFramer:
        return LineFramer(self._max_message_bytes)

    def init(self, init: Init) -> bytes:
        payload = payloads.Init(
            "init",
            "2",
            init.plugin_id,
            init.instance_id,
            init.socket_path,
            init.log_path,
            init.api_url,
            init.token,
        )
        return _encode(Outgoing("lifecycle", self._now(), payload)) + b"\n"

    def shutdown(self, grace_seconds: float) -> bytes:
        return (
            _encode(Outgoing("lifecycle", self._now(), payloads.Shutdown("shutdown", grace_seconds))) + b"\n"
        )

    def ping(self, request_id: str) -> bytes:
        """Only for a plugin with the capability `ping`."""
        return _encode(Outgoing("lifecycle", self._now(), payloads.Ping("ping"), request_id)) + b"\n"

    def cancel(self, request_id: str) -> bytes:
        """Nobody waits for that answer any more. Only for a plugin with the capability `cancel`."""
        return _encode(Outgoing("cancel", self._now(), payloads.Cancel(), request_id)) + b"\n"

    def request(self, request_id: str, request: HttpRequest) -> bytes:
        head = request.head
        start = head.encoded
        if start is None:
            start = head.encoded = _start_of(head)
        own = (
            start.removesuffix(",")
            if head.own_id or not request.id
            else f'{start}"{REQUEST_ID}":"{request.id}"'
        )
        begun = f'{{"type":"http","timestamp":"{self._now()}","request_id":"{request_id}",{own}}},"body":'
        if request.body is None:
            message = f'{begun}null,"body_encoding":"utf-8"}}}}\n'.encode()
            if len(message) <= self._max_message_bytes:
                return message

        def encode(body: str | None, body_encoding: BodyEncoding) -> bytes:
            end = f',"body_encoding":"{body_encoding}"}}}}'
            return b"".join((begun.encode(), _encode(body), end.encode()))

        return encode_within(self._max_message_bytes, request.body, encode) + b"\n"

    def decode(self, frame: bytes) -> Message:
        # Nearly all messages are answers, and read in one go; what is none is looked at closely.
        try:
            usual = _usual.decode(frame)
            answer = usual.payload
            raw = bytes(answer.headers)
            headers = self._usual_headers(raw) if len(raw) <= _USUAL_LENGTH else _headers_in(raw)
        except (DecodeError, UnicodeDecodeError, RecursionError):
            envelope = read_envelope(frame)
            return _read_http(envelope) if envelope.type == "http" else read_other(envelope)
        if answer.stream:
            raise ProtocolError(_STREAMING)
        return make_answer(usual.request_id, answer.status, headers, answer.body, answer.body_encoding)

    def _now(self) -> str:
        now = self._wall_clock()
        millisecond = int(now * 1000)
        if millisecond != self._millisecond or not self._timestamp:
            self._millisecond, self._timestamp = millisecond, rfc3339(now)
        return self._timestamp


def read_other(envelope: Envelope) -> Message:
    """What is no answer of type `http`. Raises ProtocolError."""
    reader = _READERS.get(envelope.type)
    return Unknown(excerpt(envelope.type)) if reader is None else reader(envelope)


def asked(envelope: Envelope) -> str:
    """The request that a message answers. Raises ProtocolError where it names none."""
    if envelope.request_id is None:
        raise ProtocolError(f"a message of type `{envelope.type}` has no `request_id`")
    return envelope.request_id


def _read_http(envelope: Envelope) -> Message:
    request_id = asked(envelope)
    answer = read(answers, envelope.payload, ANSWERED)
    if answer.stream:
        raise ProtocolError(_STREAMING)
    return make_answer(request_id, answer.status, pairs_of(answer.headers), answer.body, answer.body_encoding)


def _start_of(head: RequestHead) -> str:
    """A request's payload as far as its headers, to which one more can be added."""
    encoded = _encode(payloads.RequestHead(head.method, head.path, head.headers)).decode()
    return f'"payload":{encoded.removesuffix("}}")}{"," if head.headers else ""}'


def _headers_in(raw: bytes) -> Pairs:
    """Raises DecodeError."""
    return pairs_of(_headers.decode(raw))


def _read_error(envelope: Envelope) -> Message:
    request_id = asked(envelope)
    error = read(_errors, envelope.payload, "the payload of an `error` message")
    return Refusal(request_id, error.message, error.code)


def _read_lifecycle(envelope: Envelope) -> Message:
    action = read(_lifecycles, envelope.payload, "the payload of a `lifecycle` message").action
    return Pong(asked(envelope)) if action == "pong" else Unknown(excerpt(f"lifecycle {action}"))


def _read_log(envelope: Envelope) -> Message:
    line = read(_logs, envelope.payload, "the payload of a `log` message")
    # A level of the plugin's own making is no reason to fail the requests on its connection.
    level = cast(LogLevel, line.level) if line.level in _LEVELS else "info"
    return Log(level, line.message, line.fields)


_READERS: dict[str, Callable[[Envelope], Message]] = {
    "error": _read_error,
    "lifecycle": _read_lifecycle,
    "log": _read_log,
}
