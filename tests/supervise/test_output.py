"""Lines out of bytes, records out of lines, and who waits for whom."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from toru.model import LogRecord
from toru.supervise import output
from toru.supervise.output import LAST_ERROR_BYTES, MOST_LINE, SLICE, Line, Lines, Output, Stream, record
from toru.wire.messages import MOST_NESTED

NOW = "1970-01-01T00:00:00.000Z"


def split(chunks: Sequence[bytes]) -> list[Line]:
    lines = Lines()
    return [line for chunk in chunks for line in lines.feed(chunk)] + lines.finish()


class TestLines:
    def test_lines(self) -> None:
        lines = Lines()
        assert lines.feed(b"one\ntwo\r\n\nthr") == [Line(b"one"), Line(b"two"), Line(b"")]
        assert lines.feed(b"ee") == []
        assert lines.feed(b"\n") == [Line(b"three")]
        assert lines.finish() == []

    def test_the_last_line_needs_no_end(self) -> None:
        lines = Lines()
        assert lines.feed(b"dying words") == []
        assert lines.finish() == [Line(b"dying words")]
        assert lines.finish() == []

    def test_a_line_as_long_as_may_be(self) -> None:
        assert split([b"x" * MOST_LINE + b"\ny\n"]) == [Line(b"x" * MOST_LINE), Line(b"y")]

    def test_a_longer_one_comes_in_parts(self) -> None:
        assert split([b"x" * (2 * MOST_LINE + 1) + b"\nshort\n"]) == [
            Line(b"x" * MOST_LINE, 1),
            Line(b"x" * MOST_LINE, 2),
            Line(b"x", 3),
            Line(b"short"),
        ]

    def test_parts_come_before_the_end_and_little_is_kept(self) -> None:
        lines = Lines()
        parts = [part for _ in range(1000) for part in lines.feed(b"x" * 8192)]
        assert len(parts) == 124
        assert len(lines._partial) <= MOST_LINE

    def test_characters_are_not_cut(self) -> None:
        text = "x" + "€" * MOST_LINE
        lines = split([text.encode()])
        assert "".join(line.content.decode() for line in lines) == text

    @settings(deadline=None)
    @given(st.data())
    def test_however_it_is_cut(self, data: st.DataObject) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(output, "MOST_LINE", 8)
            whole = b"".join(
                data.draw(
                    st.lists(
                        st.sampled_from([b"\n", b"\r\n", b"x", b"xxxxxxx", "€".encode(), "😀".encode()])
                        | st.binary(max_size=20)
                    )
                )
            )
            at = sorted(data.draw(st.lists(st.integers(0, len(whole)))))
            chunks = [whole[start:end] for start, end in pairwise([0, *at, len(whole)])]
            lines = split(chunks)
            assert lines == split([whole])
            assert all(len(line.content) <= 8 for line in lines)
            joined = b"".join(
                line.content + (b"" if after.part is not None and after.part > 1 else b"\n")
                for line, after in pairwise([*lines, Line(b"")])
            )
            assert joined.replace(b"\r", b"").removesuffix(b"\n") == whole.replace(b"\r", b"").removesuffix(
                b"\n"
            )


def of(content: bytes, stream: Stream = "stdout", part: int | None = None) -> LogRecord:
    return record(Line(content, part), stream, "hello", 42, NOW)


class TestRecord:
    def test_plain(self) -> None:
        assert of(b"hi") == LogRecord(NOW, "hello", "info", "hi", "stdout", None, 42)
        assert of(b"oh", "stderr") == LogRecord(NOW, "hello", "warn", "oh", "stderr", None, 42)

    def test_json_that_nests_too_deeply_to_be_shown_everywhere_is_text(self) -> None:
        fits, deep = (
            b'{"message":"m","a":' + b"[" * depth + b"]" * depth + b"}"
            for depth in (MOST_NESTED - 1, MOST_NESTED)
        )
        assert of(fits).message == "m"
        assert (of(deep).message, of(deep).fields) == (deep.decode(), None)

    def test_part(self) -> None:
        assert of(b"{}", part=2).fields == {"part": 2}

    def test_bytes_that_are_no_text(self) -> None:
        assert of(b"a\xffb\0c\xe2\x82\xac").message == "a\\xffb\\x00c€"

    @pytest.mark.parametrize(
        ("line", "level", "message", "fields"),
        [
            ({"level": "error", "message": "m"}, "error", "m", None),
            ({"level": "WARNING", "msg": "m"}, "warn", "m", None),
            ({"level": "err", "msg": "m"}, "error", "m", None),
            ({"level": "Critical", "msg": "m"}, "error", "m", None),
            ({"level": "fatal", "msg": "m"}, "error", "m", None),
            ({"level": "trace", "msg": "m"}, "trace", "m", None),
            ({"level": "loud", "msg": "m"}, "info", "m", {"level": "loud"}),
            ({"level": 30, "msg": "m"}, "info", "m", {"level": 30}),
            ({"message": "m", "msg": "n"}, "info", "m", {"msg": "n"}),
            ({"message": 5, "msg": "n"}, "info", "n", {"message": 5}),
            ({"message": "m", "timestamp": "t", "time": 1}, "info", "m", {"timestamp": "t", "time": 1}),
            ({"message": "a\0b"}, "info", "a\\x00b", None),
            ({"level": "error", "event": "boom"}, "error", None, {"event": "boom"}),
            ({}, "info", None, None),
        ],
    )
    def test_json(
        self, line: dict[str, Any], level: str, message: str | None, fields: dict[str, Any] | None
    ) -> None:
        content = json.dumps(line)
        found = of(content.encode())
        assert (found.level, found.message, found.fields) == (level, message or content, fields)
        assert found.timestamp == NOW

    @pytest.mark.parametrize(
        "content",
        [
            b"[1]",
            b"{x}",
            b'{"a": 1} and more',
            b'{"message": "\xff"}',
            b'{"message": "\\ud800"}',
            b'{"a": 1e999}',
            b'{"a":' * 5000 + b"1" + b"}" * 5000,
        ],
    )
    def test_what_looks_like_json_and_is_none(self, content: bytes) -> None:
        found = of(content)
        assert (found.message, found.fields) == (content.decode("utf-8", "backslashreplace"), None)


class Sink:
    """Keeps records, and the Deferreds of those that the test has not yet called safe."""

    def __init__(self, slow: bool = False) -> None:
        self.slow = slow
        self.batches: list[Sequence[LogRecord]] = []
        self.waiting: list[Deferred[None]] = []

    def write(self, records: Sequence[LogRecord]) -> Deferred[None]:
        self.batches.append(records)
        if not self.slow:
            return succeed(None)
        self.waiting.append(Deferred())
        return self.waiting[-1]

    @property
    def messages(self) -> list[str]:
        return [each.message for batch in self.batches for each in batch]


class Pipes:
    """An Output, and what it did to its pipes."""

    def __init__(self, sink: Sink) -> None:
        self.clock = Clock()
        self.calls: list[str] = []
        self.output = Output(
            self.clock,
            "hello",
            42,
            sink,
            lambda: self.calls.append("pause"),
            lambda: self.calls.append("resume"),
        )


class TestOutput:
    def test_a_little_goes_straight_through(self) -> None:
        sink = Sink()
        pipes = Pipes(sink)
        pipes.clock.advance(0.5)
        pipes.output.received("stdout", b"one\ntwo\nthr")
        pipes.output.received("stderr", b"oops\n")
        pipes.output.received("stdout", b"ee\n")
        assert [(each.stream, each.message) for batch in sink.batches for each in batch] == [
            ("stdout", "one"),
            ("stdout", "two"),
            ("stderr", "oops"),
            ("stdout", "three"),
        ]
        assert sink.batches[0][0] == LogRecord(
            "1970-01-01T00:00:00.500Z", "hello", "info", "one", "stdout", None, 42
        )
        assert pipes.calls == []
        assert pipes.clock.getDelayedCalls() == []

    def test_a_flood_comes_in_slices_with_turns_between(self) -> None:
        sink = Sink()
        pipes = Pipes(sink)
        seen: list[list[int]] = []

        def somebody_else() -> None:
            seen.append([len(batch) for batch in sink.batches])
            if len(seen) < 3:
                pipes.clock.callLater(0, somebody_else)

        pipes.output.received("stdout", b"x\n" * (2 * SLICE + 1))
        assert [len(batch) for batch in sink.batches] == [SLICE]
        assert pipes.calls == ["pause"]
        pipes.clock.callLater(0, somebody_else)
        pipes.clock.advance(0)
        assert seen == [[SLICE, SLICE], [SLICE, SLICE, 1], [SLICE, SLICE, 1]]
        assert pipes.calls == ["pause", "resume"]
        assert pipes.clock.getDelayedCalls() == []

    def test_the_pipes_wait_for_a_slow_sink(self) -> None:
        sink = Sink(slow=True)
        pipes = Pipes(sink)
        pipes.output.received("stdout", b"one\n")
        assert pipes.calls == ["pause"]
        pipes.output.received("stderr", b"was read already\n")
        assert sink.messages == ["one"]
        sink.waiting[0].callback(None)
        pipes.clock.advance(0)
        assert sink.messages == ["one", "was read already"]
        assert pipes.calls == ["pause"]
        sink.waiting[1].callback(None)
        assert pipes.calls == ["pause", "resume"]

    @pytest.mark.parametrize("size", [1, 7, 8192])
    def test_nothing_is_dropped(self, size: int) -> None:
        sink = Sink()
        pipes = Pipes(sink)
        whole = b"".join(b"line %d\n" % number for number in range(3000)) + b"last"
        for start in range(0, len(whole), size):
            pipes.output.received("stdout", whole[start : start + size])
            while pipes.clock.getDelayedCalls():
                pipes.clock.advance(0)
        pipes.output.finish()
        assert sink.messages == [f"line {number}" for number in range(3000)] + ["last"]
        assert pipes.calls.count("pause") == pipes.calls.count("resume")

    def test_finish_waits_for_the_sink(self) -> None:
        sink = Sink(slow=True)
        pipes = Pipes(sink)
        pipes.output.received("stderr", b"one\ndying words")
        finished: list[None] = []
        pipes.output.finish().addCallback(finished.append)
        pipes.output.finish().addCallback(finished.append)
        sink.waiting[0].callback(None)
        pipes.clock.advance(0)
        assert finished == []
        sink.waiting[1].callback(None)
        assert finished == [None, None]
        assert sink.messages == ["one", "dying words"]
        assert pipes.calls == ["pause"]

    def test_finish_of_a_silent_process(self) -> None:
        pipes = Pipes(Sink())
        finished: list[None] = []
        pipes.output.finish().addCallback(finished.append)
        assert finished == [None]

    def test_a_sink_that_fails_is_logged_and_stops_nothing(self) -> None:
        sink = Sink(slow=True)
        pipes = Pipes(sink)
        pipes.output.received("stdout", b"one\ntwo\n")
        with capturedLogs() as logged:
            sink.waiting[0].errback(OSError())
        assert [(event["count"], event["plugin"]) for event in logged] == [(2, "hello")]
        assert pipes.calls == ["pause", "resume"]

    def test_the_last_error_is_of_standard_error_alone(self) -> None:
        pipes = Pipes(Sink())
        assert pipes.output.last_error == ""
        pipes.output.received("stdout", b"all is well\n")
        assert pipes.output.last_error == ""
        pipes.output.received("stderr", b"Traceback\n\xff" + b"x" * 2 * LAST_ERROR_BYTES + b"\n\n  \n")
        assert pipes.output.last_error == "\\xff" + "x" * (LAST_ERROR_BYTES - 1)
        pipes.output.received("stderr", b"half")
        pipes.output.finish()
        assert pipes.output.last_error == "half"
