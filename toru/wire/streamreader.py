"""What a plugin says on a connection that one exchange at a time has to itself: bytes in, events out. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from io import BytesIO
from typing import NoReturn, TypeAlias

from msgspec import Struct, json

from toru.errors import ProtocolError
from toru.wire import payloads
from toru.wire.messages import (
    Answer,
    Envelope,
    Log,
    Message,
    Nonsense,
    Pairs,
    Pong,
    Refusal,
    Unknown,
    excerpt,
    make_answer,
    pairs_of,
    read,
    read_envelope,
)
from toru.wire.protocol2 import ANSWERED, answers, asked, read_other
from toru.wire.unfinished import Unfinished


class Head(Struct, frozen=True):
    """The answer begins, and parts of its body follow. `status` and `headers` as in `Answer`."""

    status: int
    headers: Pairs


class Part(Struct, frozen=True):
    """Some bytes of the answer's body, as they came: never none."""

    data: bytes


class Final(Struct, frozen=True):
    """The answer's body is whole."""


class Accepted(Struct, frozen=True):
    """The plugin takes the WebSocket."""

    subprotocol: str | None


class Said(Struct, frozen=True):
    """A whole message on a WebSocket; where it is `text` its data is UTF-8."""

    data: bytes
    text: bool


class Closed(Struct, frozen=True):
    """The plugin closes the WebSocket. `code` is from 1000 to 4999."""

    code: int
    reason: str


Aside: TypeAlias = Pong | Log | Unknown
"""What may come at any time."""
Ending: TypeAlias = Answer | Nonsense | Refusal | Final | Closed
"""After which the plugin says nothing more in this exchange."""
Event: TypeAlias = Head | Part | Accepted | Said | Ending | Aside


class _Action(Struct):
    action: str


class _Next(Enum):
    """What the plugin may say in the exchange."""

    NOTHING = "nothing: no request is on this connection, or its answer has ended"
    ANSWER = "the answer, of type `http`"
    BODY = "parts of the answer's body, of type `body`"
    WELCOME = "`accept`, or a refusal of type `http`"
    MESSAGES = "messages of the WebSocket"


_SPOKEN = "the payload of a `websocket` message"
# Each alone may have as much as a message may; a plugin may have as many streams as there are for all.
MOST_UNFINISHED = 64 * 2**20
_EXCHANGE = (_Next.ANSWER, _Next.BODY, _Next.WELCOME, _Next.MESSAGES)

_actions = json.Decoder(_Action)
_parts = json.Decoder(payloads.BodyPart)
_accepts = json.Decoder(payloads.WebSocketAccept)
_messages = json.Decoder(payloads.WebSocketMessage)
_closes = json.Decoder(payloads.WebSocketClose)


class StreamReader:
    """One connection, for one exchange after the other. A line has at most `max_line` bytes; `unfinished` is the room
    of all connections of a process.
    """

    __slots__ = (
        "_borrowed",
        "_final",
        "_left",
        "_line",
        "_max_line",
        "_message",
        "_next",
        "_request_id",
        "_text",
        "_unfinished",
        "lines",
        "unasked",
    )

    def __init__(self, max_line: int, unfinished: Unfinished) -> None:
        self._max_line = max_line
        self._unfinished = unfinished
        # What of that is here.
        self._borrowed = 0
        self._next = _Next.NOTHING
        self._request_id = ""
        self._line: BytesIO | None = None
        # Of the raw bytes behind the last line: how many are still to come.
        self._left = 0
        self._final = False
        # A list of the pieces would cost 40 bytes for each, and a plugin may send them one by one.
        self._message: BytesIO | None = None
        self._text = False
        # Bytes of what came aside, since its owner last set this to 0.
        self.unasked = 0
        # Lines that came, since its owner last set this to 0: each costs the same, however little it says.
        self.lines = 0

    @property
    def halfway(self) -> bool:
        """Whether a stream that ended now would end inside something."""
        return self._line is not None or self._left > 0

    def begin(self, request_id: str, *, websocket: bool) -> None:
        """From now on the plugin may answer that request, which is sent."""
        assert self._next is _Next.NOTHING
        self._request_id = request_id
        self._next = _Next.WELCOME if websocket else _Next.ANSWER

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take the next bytes and yield what they tell. Parts of a body are not waited for to be whole.

        A generator: nothing is taken before it is iterated. Raises ProtocolError, after the events before it, for
        what the protocol forbids; what follows cannot be read any more, and the connection has to be closed.
        """
        at = 0
        while at < len(data):
            if self._left:
                piece = data[at : at + self._left]  # no copy where it is all of it
                at += len(piece)
                self._left -= len(piece)
                yield from self._raw(piece)
                continue
            newline = data.find(b"\n", at)
            if newline < 0:
                self._keep(data[at:])
                return
            line = data[at:newline]
            at = newline + 1
            if self._line is not None:
                self._line.write(line)
                line, self._line = self._line.getvalue(), None
                self.drop()
            if len(line) > self._max_line:
                self._too_long()
            event = self._heard(line)
            if event is not None:
                yield event

    def _keep(self, rest: bytes) -> None:
        if self._line is None:
            self._line = BytesIO()
        self._line.write(rest)
        if self._line.tell() > self._max_line:
            self._too_long()
        self._borrow(len(rest))

    def _borrow(self, length: int) -> None:
        if not self._unfinished.take(length):
            raise ProtocolError(
                f"the messages of the plugin that are not whole hold more than {MOST_UNFINISHED:,} bytes"
            )
        self._borrowed += length

    def drop(self) -> None:
        """Nothing is unfinished any more: it is whole, or will never be."""
        self._unfinished.give_back(self._borrowed)
        self._borrowed = 0

    def _too_long(self) -> NoReturn:
        self._line = None
        raise ProtocolError(
            f"a line is longer than {self._max_line:,} bytes, the most that a message may have"
        )

    # -- raw bytes

    def _raw(self, piece: bytes) -> Iterator[Event]:
        if self._next is _Next.BODY:
            yield Part(piece)
            if self._final and not self._left:
                self._next = _Next.NOTHING
                yield Final()
        elif self._message is None and not self._left:
            yield self._said(piece)
        else:
            if self._message is None:
                self._message = BytesIO()
            self._message.write(piece)
            self._borrow(len(piece))
            if not self._left:
                data, self._message = self._message.getvalue(), None
                self.drop()
                yield self._said(data)

    def _said(self, data: bytes) -> Said:
        if self._text:
            try:
                data.decode()
            except UnicodeDecodeError:
                raise ProtocolError("a message of kind `text` is not UTF-8") from None
        return Said(data, self._text)

    # -- lines

    def _heard(self, line: bytes) -> Event | None:
        self.lines += 1
        envelope = read_envelope(line)
        match envelope.type:
            case "body":
                return self._body(envelope)
            case "http":
                return self._http(envelope)
            case "websocket":
                return self._websocket(envelope)
            case "error":
                return self._ended(self._within(envelope, *_EXCHANGE))
        self.unasked += len(line)
        return _aside(read_other(envelope))

    def _within(self, envelope: Envelope, *allowed: _Next) -> Envelope:
        """It belongs to the exchange, and may come now."""
        if self._next not in allowed:
            raise ProtocolError(
                f"a message of type `{envelope.type}` came where it cannot be; "
                f"what the plugin may say is {self._next.value}"
            )
        if asked(envelope) != self._request_id:
            raise ProtocolError(
                f"a message of type `{envelope.type}` has the `request_id` {excerpt(asked(envelope))}; "
                f"on this connection is {excerpt(self._request_id)}"
            )
        return envelope

    def _ended(self, envelope: Envelope) -> Refusal:
        self._next = _Next.NOTHING
        refusal = read_other(envelope)
        assert isinstance(refusal, Refusal)
        return refusal

    def _body(self, envelope: Envelope) -> Final | None:
        self._within(envelope, _Next.BODY)
        part = read(_parts, envelope.payload, "the payload of a `body` message")
        self._left, self._final = part.length, part.final
        if self._left or not self._final:
            return None
        self._next = _Next.NOTHING
        return Final()

    def _http(self, envelope: Envelope) -> Head | Answer | Nonsense:
        self._within(envelope, _Next.ANSWER, _Next.WELCOME)
        may_stream = self._next is _Next.ANSWER
        payload = read(answers, envelope.payload, ANSWERED)
        if payload.stream and not may_stream:
            raise ProtocolError("the refusal of a WebSocket has `stream: true`; its body stands in `body`")
        if payload.stream and payload.body is not None:
            raise ProtocolError("an `http` message has `stream: true` and a `body`; only one is possible")
        answer = make_answer(
            self._request_id, payload.status, pairs_of(payload.headers), payload.body, payload.body_encoding
        )
        if payload.stream and isinstance(answer, Answer):
            self._next = _Next.BODY
            return Head(answer.status, answer.headers)
        self._next = _Next.NOTHING
        return answer

    def _websocket(self, envelope: Envelope) -> Event | None:
        self._within(envelope, _Next.WELCOME, _Next.MESSAGES)
        action = read(_actions, envelope.payload, _SPOKEN).action
        if (action == "accept") != (self._next is _Next.WELCOME):
            raise ProtocolError(
                f"a message of type `websocket` has the action {excerpt(action)}; "
                f"what the plugin may say is {self._next.value}"
            )
        match action:
            case "accept":
                self._next = _Next.MESSAGES
                return Accepted(read(_accepts, envelope.payload, _SPOKEN).subprotocol)
            case "message":
                message = read(_messages, envelope.payload, _SPOKEN)
                self._left, self._text = message.length, message.kind == "text"
                return None if self._left else Said(b"", self._text)
            case "close":
                close = read(_closes, envelope.payload, _SPOKEN)
                if not 1000 <= close.code <= 4999:
                    raise ProtocolError(
                        f"a WebSocket is closed with the code {close.code}; 1000 to 4999 exist"
                    )
                self._next = _Next.NOTHING
                return Closed(close.code, close.reason)
        raise ProtocolError(f"a message of type `websocket` has the unknown action {excerpt(action)}")


def _aside(message: Message) -> Aside:
    assert isinstance(message, Pong | Log | Unknown)
    return message
