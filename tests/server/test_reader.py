"""What a reader makes of bytes, in whatever pieces they come, and when it knows a request again."""

from __future__ import annotations

import string
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from toru.errors import BadRequest, HeadTooLarge
from toru.http.server.head import MAX_HEAD_BYTES, Head
from toru.http.server.reader import MAX_REPEATED_BYTES, Reader

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"


class Heard:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.heads: list[Head] = []
        self.said: list[bytes | str] = []

    def headed(self, head: Head, *, closes: bool) -> None:
        self.heads.append(head)
        self.said.append("closing head" if closes else "head")

    def part(self, body: bytes) -> None:
        self.said.append(body)

    def ended(self) -> None:
        self.said.append("end")


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def reader(heard: Heard) -> Reader:
    return Reader(heard)


def test_a_head_that_comes_again_is_the_same(reader: Reader, heard: Heard) -> None:
    for _ in range(2):
        reader.feed(GET)
    reader.feed(GET.replace(b"/x", b"/y"))
    first, second, third = heard.heads
    assert first is second
    assert third is not first
    # What follows from the fields alone stays known.
    assert third.fields is first.fields


@pytest.mark.parametrize(
    "other",
    [
        GET.replace(b"GET", b"POST"),
        GET.replace(b"/x", b"/y"),
        GET.replace(b"Host: a", b"Host: b"),
        GET.replace(b"Host: a", b"Host: a\r\nX: y"),
    ],
)
def test_a_head_that_differs_is_another(reader: Reader, heard: Heard, other: bytes) -> None:
    for each in (GET, other, GET):
        reader.feed(each)
    assert len({id(head) for head in heard.heads}) == 3


def test_a_whole_request_is_known_again(reader: Reader) -> None:
    reader.feed(GET)
    assert reader.repeated == GET
    reader.feed(GET.replace(b"/x", b"/y"))
    assert reader.repeated == GET.replace(b"/x", b"/y")


@given(
    st.text(string.printable, max_size=8),
    st.sampled_from(["GET", "POST", "HEAD", ""]),
    st.sampled_from([GET, GET.replace(b"/x", b"/"), b"\r\n" + GET, GET.replace(b"/x", b"x:1")]),
)
def test_what_differs_in_its_target_alone_means_what_it_would(target: str, method: str, known: bytes) -> None:
    reader, other = Reader(Heard()), Reader(Heard())
    with suppress(BadRequest):
        reader.feed(known)
    sent = f"{method or 'GET'} {'' if not method else '/'}{target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    if reader.resembles(sent):
        other.feed(sent)
        assert (reader.repeated, other.repeated) == (sent, sent)
        assert (reader.head.method, reader.head.target) == (other.head.method, other.head.target)
        assert reader.head.has(other.head.method.encode(), other.head.target, "1.1", upgrades=False)
        assert reader.head.fields.lines == other.head.fields.lines


def test_another_target_is_known_at_a_glance(reader: Reader) -> None:
    assert not reader.resembles(GET)
    reader.feed(GET)
    fields = reader.head.fields
    assert reader.resembles(GET.replace(b"/x", b"/y/z?%20"))
    assert (reader.head.method, reader.head.target) == ("GET", b"/y/z?%20")
    assert reader.head.fields is fields
    # And so does what comes behind that one.
    assert reader.resembles(GET)


@pytest.mark.parametrize(
    "other",
    [
        GET.replace(b"GET", b"HEAD"),
        GET.replace(b"Host: a", b"Host: b"),
        GET.replace(b"/x", b"x"),
        GET.replace(b"/x", b"/x HTTP/1.1\r\nHost: a\r\n\r\nGET /y"),
        GET.replace(b"/x", b"/x y"),
        GET.replace(b"/x", b"/x#y"),
        GET.replace(b"/x", b"http://b/x"),
        GET.replace(b"/x", b"/x\x00"),
        GET.replace(b"/x", b"/" + b"y" * MAX_REPEATED_BYTES),
        GET[:-2],
        GET + b"\r\n",
        b"",
    ],
)
def test_what_differs_in_more_is_read(reader: Reader, other: bytes) -> None:
    reader.feed(GET)
    assert not reader.resembles(other)
    assert reader.repeated == GET


@pytest.mark.parametrize(
    "pieces",
    [
        # Not all of it at once: the second half is no request.
        [GET[:10], GET[10:]],
        [GET[:-2], b"\r\n"],
        # With what belongs to the next one, or with all of it.
        [GET + b"G"],
        [GET + GET],
        # With a body.
        [b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"],
        [b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"],
        [b"GET /x HTTP/1.1\r\nHost: a\r\nX: " + b"y" * MAX_REPEATED_BYTES + b"\r\n\r\n"],
    ],
    ids=["in the line", "at the end", "begun", "two", "length", "chunked", "long"],
)
def test_what_is_not_one_whole_request_is_read(reader: Reader, pieces: list[bytes]) -> None:
    for piece in pieces:
        reader.feed(piece)
        assert reader.repeated is None
        assert not reader.resembles(GET)


def test_bodies_in_pieces(reader: Reader, heard: Heard) -> None:
    for piece in (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na", b"bc", GET):
        reader.feed(piece)
    assert heard.said == ["head", b"a", b"bc", "end", "head", "end"]


def test_whoever_wants_it_closed(reader: Reader, heard: Heard) -> None:
    reader.feed(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert heard.said == ["closing head", "end"]


def test_what_follows_a_request_to_upgrade(reader: Reader) -> None:
    asked = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert reader.feed(asked + b"\x81\x00") == b"\x81\x00"


def test_what_is_no_request(reader: Reader) -> None:
    with pytest.raises(BadRequest):
        reader.feed(b"GET / HTTP/1.1\r\nno colon\r\n\r\n")


def test_a_head_without_an_end(reader: Reader) -> None:
    reader.feed(b"GET / HTTP/1.1\r\nX: ")
    with pytest.raises(HeadTooLarge):
        reader.feed(b"y" * MAX_HEAD_BYTES)
