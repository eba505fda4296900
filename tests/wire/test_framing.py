"""Framers find the same frames wherever the stream is split, and hold no more than they may."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable
from io import BytesIO
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from toru.errors import ProtocolError
from toru.wire import framing
from toru.wire.framing import Framer, LengthFramer, LineFramer

Make = Callable[[int], Framer]


def as_line(frame: bytes) -> bytes:
    return frame + b"\n"


def with_length(frame: bytes) -> bytes:
    return len(frame).to_bytes(4, "big") + frame


FRAMINGS: dict[str, tuple[Make, Callable[[bytes], bytes]]] = {
    "lines": (LineFramer, as_line),
    "lengths": (LengthFramer, with_length),
}
both = pytest.mark.parametrize(("make", "wrap"), FRAMINGS.values(), ids=FRAMINGS)
# Drawn and not a mark: pytest-twisted wraps the inner test of a @given once more for each parameter.
either = st.sampled_from(list(FRAMINGS.values()))

frame_lists = st.lists(st.binary(max_size=30).map(lambda frame: frame.replace(b"\n", b" ")), max_size=12)


def cut(framer: Framer, chunks: Iterable[bytes]) -> tuple[list[bytes], bool]:
    """The frames of all chunks, and whether the framer refused one."""
    frames: list[bytes] = []
    refused = False
    for chunk in chunks:
        try:
            frames.extend(framer.feed(chunk))
        except ProtocolError:
            refused = True
    return frames, refused


def split(stream: bytes, cuts: Iterable[int]) -> list[bytes]:
    points = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[start:end] for start, end in pairwise(points)]


def byte_by_byte(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


@given(framing=either, frames=frame_lists, cuts=st.lists(st.integers(min_value=0), max_size=20))
def test_frames_are_found_wherever_the_stream_is_split(
    framing: tuple[Make, Callable[[bytes], bytes]], frames: list[bytes], cuts: list[int]
) -> None:
    make, wrap = framing
    stream = b"".join(map(wrap, frames))
    for chunks in ([stream], split(stream, cuts), byte_by_byte(stream)):
        framer = make(30)
        assert cut(framer, chunks) == (frames, False)
        assert framer.pending == 0


@given(
    make=st.sampled_from([LineFramer, LengthFramer]),
    stream=st.binary(max_size=300) | st.text("\0\1\n{", max_size=300).map(str.encode),
    cuts=st.lists(st.integers(0), max_size=20),
)
def test_garbage_reads_the_same_however_it_is_split(make: Make, stream: bytes, cuts: list[int]) -> None:
    whole = make(8)
    expected = cut(whole, [stream])
    for chunks in (split(stream, cuts), byte_by_byte(stream)):
        framer = make(8)
        assert cut(framer, chunks) == expected
        assert framer.pending == whole.pending <= 8 + 4


@both
def test_a_frame_of_just_the_allowed_length_passes_and_one_byte_more_does_not(
    make: Make, wrap: Callable[[bytes], bytes]
) -> None:
    stream = wrap(b"first") + wrap(b"x" * 10)
    assert cut(make(10), [stream]) == ([b"first", b"x" * 10], False)
    assert cut(make(9), [stream]) == ([b"first"], True)
    assert cut(make(10), byte_by_byte(stream)) == ([b"first", b"x" * 10], False)
    assert cut(make(9), byte_by_byte(stream)) == ([b"first"], True)


@both
def test_after_a_refusal_nothing_is_held_and_nothing_is_read(
    make: Make, wrap: Callable[[bytes], bytes]
) -> None:
    framer = make(4)
    received = framer.feed(wrap(b"ok") + wrap(b"too long") + wrap(b"ok"))
    assert next(received) == b"ok"
    with pytest.raises(ProtocolError, match=r"\b4\b"):
        next(received)
    assert framer.pending == 0
    assert cut(framer, [wrap(b"ok"), b"x" * 100]) == ([], False)
    assert framer.pending == 0


@both
def test_pending_tells_that_the_stream_ended_inside_a_frame(
    make: Make, wrap: Callable[[bytes], bytes]
) -> None:
    first = len(wrap(b"whole"))
    stream = wrap(b"whole") + wrap(b"unfinished")
    for end in range(len(stream)):
        framer = make(100)
        list(framer.feed(stream[:end]))
        assert framer.pending == (end if end < first else end - first)


@both
def test_frames_that_nobody_took_do_not_shift_the_rest(make: Make, wrap: Callable[[bytes], bytes]) -> None:
    framer = make(100)
    stream = wrap(b"a") + wrap(b"b") + wrap(b"rest")
    assert next(framer.feed(stream[:-2])) == b"a"
    assert list(framer.feed(stream[-2:])) == [b"rest"]


@both
def test_an_empty_frame_is_a_frame(make: Make, wrap: Callable[[bytes], bytes]) -> None:
    assert cut(make(10), [wrap(b"") * 2]) == ([b"", b""], False)


def test_a_line_is_refused_before_its_end_comes() -> None:
    framer = LineFramer(1000)
    assert list(framer.feed(b"x" * 1000)) == []
    with pytest.raises(ProtocolError, match="1,000"):
        list(framer.feed(b"x"))
    assert framer.pending == 0


def test_a_length_is_refused_as_soon_as_it_is_there() -> None:
    framer = LengthFramer(1000)
    assert list(framer.feed(b"\x00\x00\x03")) == []
    with pytest.raises(ProtocolError, match=r"1,001 bytes; at most 1,000"):
        list(framer.feed(b"\xe9"))
    assert cut(LengthFramer(1000), [(2**32 - 1).to_bytes(4, "big")]) == ([], True)


class Counted(BytesIO):
    """A buffer that counts what is copied into it, and how often it is read."""

    copied = 0
    reads = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]  # the framers only write bytes
        Counted.copied += len(data)
        return super().write(data)

    def getvalue(self) -> bytes:
        Counted.reads += 1
        return super().getvalue()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> type[Counted]:
    monkeypatch.setattr(Counted, "copied", 0)
    monkeypatch.setattr(Counted, "reads", 0)
    monkeypatch.setattr(framing, "BytesIO", Counted)
    return Counted


@both
@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_a_long_frame_is_copied_once_in_and_once_out(
    make: Make, wrap: Callable[[bytes], bytes], piece: int, counted: type[Counted]
) -> None:
    frame = b"x" * 50_000
    stream = wrap(frame)
    assert cut(make(50_000), [stream[at : at + piece] for at in range(0, len(stream), piece)]) == (
        [frame],
        False,
    )
    assert counted.copied == len(frame)
    assert counted.reads == 1


@both
def test_whole_frames_in_one_chunk_are_not_buffered(
    make: Make, wrap: Callable[[bytes], bytes], counted: type[Counted]
) -> None:
    assert cut(make(10), [wrap(b"small") * 5000]) == ([b"small"] * 5000, False)
    assert counted.copied == 0


@both
def test_small_pieces_cost_no_memory_of_their_own(make: Make, wrap: Callable[[bytes], bytes]) -> None:
    size = 2**16
    stream = wrap(b"ab" * (size // 2))
    framer = make(size)
    tracemalloc.start()
    try:
        for at in range(0, len(stream) - 2, 2):
            list(framer.feed(stream[at : at + 2]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert framer.pending >= size - 2
    assert peak < 3 * size
