"""What is said on a connection that one exchange has to itself: the same however the bytes come, and nothing else."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from toru.errors import ProtocolError
from toru.wire.messages import Answer, Log, Nonsense, Pong, Refusal, StreamRequest, Unknown, WebSocketRequest
from toru.wire.streamreader import Accepted, Closed, Event, Final, Head, Part, Said, StreamReader
from toru.wire.streams import StreamLines
from toru.wire.unfinished import Unfinished

LINES = StreamLines(4096, lambda: 0.0)
NOW = "1970-01-01T00:00:00.000Z"


def line(type: str, request_id: str | None = "7", **payload: object) -> bytes:
    return json.dumps({"type": type, "request_id": request_id, "payload": payload}).encode() + b"\n"


def body(data: bytes, *, final: bool = False) -> bytes:
    return line("body", length=len(data), final=final) + data


def said(data: bytes, kind: str = "binary") -> bytes:
    return line("websocket", action="message", kind=kind, length=len(data)) + data


HEAD = line("http", status=200, headers={"A": "b", "C": ["d", "e"]}, stream=True)
ACCEPT = line("websocket", action="accept")
LOG = line("log", None, level="info", message="hello")
PONG = line("lifecycle", "ping", action="pong")


def heard(*pieces: bytes, websocket: bool = False) -> list[Event]:
    reader = LINES.reader()
    reader.begin("7", websocket=websocket)
    return [event for piece in pieces for event in reader.feed(piece)]


def joined(events: Iterable[Event]) -> list[Event]:
    """The same events, with parts of a body that follow each other put together."""
    found: list[Event] = []
    for event in events:
        if isinstance(event, Part) and found and isinstance(found[-1], Part):
            event = Part(found.pop().data + event.data)  # type: ignore[union-attr]
        found.append(event)
    return found


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


class TestSaying:
    def test_a_request_and_its_parts(self) -> None:
        request = StreamRequest("POST", "/up?x=1", {"a": "b"})
        assert json.loads(LINES.streamed("7", request)) == {
            "type": "http",
            "timestamp": NOW,
            "request_id": "7",
            "payload": {"method": "POST", "path": "/up?x=1", "headers": {"a": "b"}, "stream": True},
        }
        assert json.loads(LINES.part("7", 65536, final=False)) == {
            "type": "body",
            "timestamp": NOW,
            "request_id": "7",
            "payload": {"length": 65536, "final": False},
        }

    def test_a_websocket(self) -> None:
        spoken = (
            LINES.open("7", WebSocketRequest("/live", {"a": "b"}, ["chat"])),
            LINES.message("7", 5, text=True),
            LINES.message("7", 6, text=False),
            LINES.close("7", 1000, "bye"),
        )
        assert all(each.endswith(b"\n") for each in spoken)
        messages = [json.loads(each) for each in spoken]
        assert {(each["type"], each["timestamp"], each["request_id"]) for each in messages} == {
            ("websocket", NOW, "7")
        }
        assert [each["payload"] for each in messages] == [
            {"action": "open", "path": "/live", "headers": {"a": "b"}, "subprotocols": ["chat"]},
            {"action": "message", "kind": "text", "length": 5},
            {"action": "message", "kind": "binary", "length": 6},
            {"action": "close", "code": 1000, "reason": "bye"},
        ]


class TestReading:
    def test_an_answer_in_parts(self) -> None:
        events = heard(HEAD + body(b"one") + LOG + body(b"") + body(b"two", final=True) + PONG)
        assert events == [
            Head(200, (("A", "b"), ("C", "d"), ("C", "e"))),
            Part(b"one"),
            Log("info", "hello", None),
            Part(b"two"),
            Final(),
            Pong("ping"),
        ]

    def test_the_last_part_may_be_empty(self) -> None:
        assert heard(HEAD + body(b"", final=True))[1:] == [Final()]

    def test_a_part_is_told_as_its_bytes_come(self) -> None:
        piece = b"x" * 1000
        reader = LINES.reader()
        reader.begin("7", websocket=False)
        list(reader.feed(HEAD + line("body", length=2500, final=True)))
        first = list(reader.feed(piece))
        assert first == [Part(piece)]
        assert isinstance(first[0], Part)
        assert first[0].data is piece  # and is not copied
        assert reader.halfway
        assert list(reader.feed(piece + piece[:500])) == [Part(piece + piece[:500]), Final()]
        assert not reader.halfway

    def test_a_whole_answer(self) -> None:
        assert heard(line("http", status=201, body="hello")) == [Answer("7", 201, (), b"hello")]

    def test_a_failure(self) -> None:
        assert heard(line("error", message="no")) == [Refusal("7", "no", None)]
        assert heard(HEAD + body(b"x") + line("error", message="no"))[2:] == [Refusal("7", "no", None)]

    @pytest.mark.parametrize("stream", [True, False])
    def test_a_status_that_means_nothing(self, stream: bool) -> None:
        (event,) = heard(line("http", status=99, stream=stream))
        assert isinstance(event, Nonsense)

    def test_a_websocket(self) -> None:
        text = "grüß".encode()
        spoken = ACCEPT + said(b"\x00\xff") + said(text, "text") + said(b"", "text") + LOG
        events = heard(
            spoken + line("websocket", action="close", code=4000, reason="bye") + LOG, websocket=True
        )
        assert [event for event in events if not isinstance(event, Log)] == [
            Accepted(None),
            Said(b"\x00\xff", False),
            Said(text, True),
            Said(b"", True),
            Closed(4000, "bye"),
        ]

    def test_a_websocket_that_is_refused(self) -> None:
        assert heard(line("http", status=403, body="no"), websocket=True) == [Answer("7", 403, (), b"no")]

    def test_one_exchange_after_the_other(self) -> None:
        reader = LINES.reader()
        for request_id in ("1", "2"):
            reader.begin(request_id, websocket=request_id == "2")
            (event,) = reader.feed(line("http", request_id, status=200))
            assert event == Answer(request_id, 200, (), b"")

    def test_what_belongs_to_no_request(self) -> None:
        reader = LINES.reader()
        assert list(reader.feed(LOG + line("news", None))) == [Log("info", "hello", None), Unknown("'news'")]
        assert reader.unasked == len(LOG + line("news", None)) - 2

    @given(st.lists(st.integers(0, 10_000), max_size=12))
    def test_however_an_answer_is_split(self, cuts: list[int]) -> None:
        whole = HEAD + body(b"one\n" * 30) + LOG + body(b"{}", final=False) + body(b"two\n", final=True) + LOG
        assert joined(heard(*split(whole, cuts))) == joined(heard(whole))

    @given(st.lists(st.integers(0, 10_000), max_size=12))
    def test_however_a_websocket_is_split(self, cuts: list[int]) -> None:
        whole = ACCEPT + said(b"one\n" * 30) + said("zwölf".encode(), "text") + LOG + said(b"")
        whole += line("websocket", action="close")
        assert heard(*split(whole, cuts), websocket=True) == heard(whole, websocket=True)

    def test_a_message_in_single_bytes_takes_no_more_than_itself(self) -> None:
        reader = LINES.reader()
        reader.begin("7", websocket=True)
        data = b"x" * 100_000
        list(reader.feed(ACCEPT + line("websocket", action="message", kind="binary", length=len(data))))
        tracemalloc.start()
        try:
            for _ in range(len(data) - 1):
                assert not list(reader.feed(b"x"))
            assert tracemalloc.get_traced_memory()[0] < 2 * len(data)
        finally:
            tracemalloc.stop()
        assert list(reader.feed(b"x")) == [Said(data, False)]


HTTP: dict[str, tuple[bytes, str]] = {
    "a part before the answer": (body(b"x"), "came where it cannot be"),
    "two answers": (line("http", status=200) * 2, "came where it cannot be"),
    "a second head": (HEAD * 2, "came where it cannot be"),
    "a part after the last": (HEAD + body(b"", final=True) + body(b"x"), "nothing: no request"),
    "an error after the last": (HEAD + body(b"", final=True) + line("error", message="no"), "nothing"),
    "another request": (line("http", "8", status=200), "has the `request_id` '8'"),
    "no request": (line("http", None, status=200), "has no `request_id`"),
    "another part": (HEAD + line("body", "8", length=1), "has the `request_id` '8'"),
    "a long part": (HEAD + line("body", length=2**20 + 1), "<= 1048576"),
    "a negative length": (HEAD + line("body", length=-1), ">= 0"),
    "no length": (HEAD + line("body"), "`length`"),
    "a length that is none": (HEAD + line("body", length="1"), "got `str`"),
    "stream and body": (line("http", status=200, stream=True, body="x"), "only one is possible"),
    "a websocket": (ACCEPT, "came where it cannot be"),
    "no message": (HEAD + b"\n", "is empty"),
    "no JSON": (HEAD + b"xx\n", "cannot be used"),
    "a long line": (line("http", status=200, body="x" * 4096), "longer than 4,096 bytes"),
    "a line without an end": (b"x" * 4097, "longer than 4,096 bytes"),
    "a length that is too short": (HEAD + line("body", length=2) + b"xyz\n", "cannot be used"),
}
WEBSOCKET: dict[str, tuple[bytes, str]] = {
    "a message before it is open": (said(b"x"), "what the plugin may say is `accept`"),
    "accepted twice": (ACCEPT * 2, "what the plugin may say is messages"),
    "refused afterwards": (ACCEPT + line("http", status=200), "came where it cannot be"),
    "refused in parts": (HEAD, "the refusal of a WebSocket"),
    "a body": (ACCEPT + body(b"x"), "came where it cannot be"),
    "a long message": (ACCEPT + line("websocket", action="message", kind="text", length=2**24 + 1), "<= 1"),
    "an unknown kind": (ACCEPT + said(b"x", "blob"), "Invalid enum value"),
    "an unknown action": (ACCEPT + line("websocket", action="ping"), "unknown action 'ping'"),
    "no action": (line("websocket"), "`action`"),
    "text that is none": (ACCEPT + said(b"\xff", "text"), "is not UTF-8"),
    "a code that is none": (ACCEPT + line("websocket", action="close", code=999), "code 999"),
    "a message after the end": (ACCEPT + line("websocket", action="close") + said(b"x"), "nothing"),
    "another socket": (line("websocket", "8", action="accept"), "has the `request_id` '8'"),
}


@pytest.mark.parametrize(
    ("spoken", "why", "websocket"),
    [(*case, False) for case in HTTP.values()] + [(*case, True) for case in WEBSOCKET.values()],
    ids=[*HTTP, *(f"websocket: {name}" for name in WEBSOCKET)],
)
def test_what_the_protocol_forbids(spoken: bytes, why: str, websocket: bool) -> None:
    for pieces in ([spoken], [spoken[at : at + 1] for at in range(len(spoken))]):
        with pytest.raises(ProtocolError) as caught:
            heard(*pieces, websocket=websocket)
        assert why in caught.value.detail


def test_nothing_was_asked() -> None:
    reader: Any = StreamReader(100, Unfinished(1000))
    with pytest.raises(ProtocolError, match="nothing"):
        list(reader.feed(line("http", status=200)))
