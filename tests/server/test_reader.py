"""What a reader makes of bytes, in whatever pieces they come, and when it knows a request again."""

from __future__ import annotations

import string
from contextlib import suppress

import pytest
from hypothesis import event, given, settings, strategies as st

from toru.errors import BadRequest, HeadTooLarge, ToruError
from toru.http.admitted import Admitted
from toru.http.server.head import MAX_HEAD_BYTES, Head
from toru.http.server.reader import MAX_REPEATED_BYTES, Reader
from toru.model import Principal
from toru.store.accounttable import Key
from toru.wire.messages import RequestHead

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
    assert reader.again(GET) is None
    for known in (GET, GET.replace(b"/x", b"/y")):
        reader.feed(known)
        head = reader.head
        assert reader.again(known) == b""
        assert reader.head is head


def post(body: bytes, announced: bytes = b"", target: bytes = b"/x") -> bytes:
    length = announced or b"%d" % len(body)
    return b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %s\r\nX: y\r\n\r\n%s" % (target, length, body)


def test_another_body_is_known_at_a_glance(reader: Reader) -> None:
    reader.feed(post(b"abc"))
    first = reader.head
    assert reader.again(post(b"def")) == b"def"
    assert reader.head is first
    long = b"\r\n\r\nz" * 20_000
    for body in (b"", b"x", long, b"0123456789"):
        assert reader.again(post(body)) == body
        head = reader.head
        assert (head.method, head.target, head.announced) == ("POST", b"/x", b"%d" % len(body))
        assert head.fields is first.fields
    # And another target with it.
    assert reader.again(post(b"ab", target=b"/z?q")) == b"ab"
    assert (reader.head.target, reader.head.announced) == (b"/z?q", b"2")
    assert reader.again(post(b"abc")) == b"abc"


def test_what_follows_from_a_head_is_kept_before_another_body(reader: Reader) -> None:
    reader.feed(post(b"abc", target=b"http://b/api/plugins/route/x/y"))
    before = reader.head
    before.check()
    key = Key(b"", Principal("client", "u", "u", "u", "session"))
    before.admitted = Admitted(key, b"session", handshake=False)
    before.admitted.request = RequestHead("POST", "/y", {"content-length": "3"})
    assert reader.again(post(b"ab", target=b"http://b/api/plugins/route/x/y")) == b"ab"
    head = reader.head
    assert head.checked
    assert head.proxied
    assert (head.target, head.authority, head.length) == (b"/api/plugins/route/x/y", b"b", 2)
    assert head.admitted is not None
    assert (head.admitted.key, head.admitted.session) == (key, b"session")
    # What the plugin is told has the length in it.
    assert head.admitted.request is None


# What requests are put together from, so that two of them often differ in little.
LINES = st.lists(
    st.sampled_from(
        [
            b"Host: a",
            b"Content-Length: %d",
            b"Content-Length: %d",
            b"content-length:%d",
            b"Content-Length: \t%d ",
            b"Content-Length: 0%d",
            b"Content-Length: +%d",
            b"X: content-length: %d",
            b"X-Content-Length: %d",
            b"Transfer-Encoding: chunked",
            b"Connection: close",
            b"X: /x",
        ]
    ),
    max_size=2,
)
PLAIN = st.sampled_from([b"/x", b"/", b"/y?/x"])
TARGETS = st.one_of(
    PLAIN,
    PLAIN,
    st.sampled_from([b"http://a/x", b"/x#y", b"/x y", b"x", b"/\xff"]),
    st.text(string.printable, max_size=8).map(lambda target: b"/" + target.encode()),
)
BODIES = st.sampled_from([b"", b"", b"abc", b"0123456789", GET, b"0\r\n\r\n", b"\r\n\r\nx"])


def request(method: bytes, target: bytes, lines: list[bytes], body: bytes, off: int = 0) -> bytes:
    length = b"%d" % max(0, len(body) + off)
    fields = b"".join([line.replace(b"%d", length) + b"\r\n" for line in [b"Host: a", *lines]])
    return b"%s %s HTTP/1.1\r\n%s\r\n%s" % (method, target, fields, body)


@settings(max_examples=500)
@given(
    st.sampled_from(
        [
            (b"GET", b"GET"),
            (b"GET", b"GET"),
            (b"POST", b"POST"),
            (b"POST", b"POST"),
            (b"GET", b"HEAD"),
            (b"GET", b""),
        ]
    ),
    LINES,
    st.sampled_from([0, 0, 0, 0, 1, -1]),
    st.tuples(PLAIN | st.just(b"x:1"), TARGETS),
    st.tuples(BODIES, BODIES),
    st.sampled_from([b"", b"", b"", b"\r\n"]),
    st.sampled_from([b"", b"", b"", b"\r\n", b"\n", b"\r\n\r\n", b"x"]),
    st.data(),
)
def test_what_is_known_at_a_glance_means_what_it_would(
    methods: tuple[bytes, bytes],
    lines: list[bytes],
    off: int,
    targets: tuple[bytes, bytes],
    bodies: tuple[bytes, bytes],
    before: bytes,
    behind: bytes,
    data: st.DataObject,
) -> None:
    known = before + request(methods[0], targets[0], lines, bodies[0]) + behind
    sent = data.draw(st.sampled_from([before, b""])) + request(methods[1], targets[1], lines, bodies[1], off)
    if data.draw(st.sampled_from([False, False, True])):
        at = data.draw(st.integers(0, len(sent)))
        new = data.draw(st.sampled_from([b"", b"0", b"1", b"/", b" ", b"\r\n", b"x"]))
        sent = sent[:at] + new + sent[at + data.draw(st.integers(0, 2)) :]
    heard = Heard()
    glancing, reading = Reader(Heard()), Reader(heard)
    try:
        for each in (glancing, reading):
            each.feed(known)
    except BadRequest:
        return
    if "closing head" in heard.said:
        return  # nothing is read behind it
    del heard.heads[:], heard.said[:]
    body = glancing.again(sent)
    if body is None:
        return
    event("known at a glance")
    reading.feed(sent)
    assert heard.said == ["head", *([body] if body else []), "end"]
    (head,) = heard.heads
    for other in (head, glancing.head):
        with suppress(ToruError):
            other.check()
    assert described(glancing.head) == described(head)
    # What comes next is taken for the same by both.
    if reading.again(known) is not None:
        assert glancing.again(known) == reading.again(known)


def described(head: Head) -> tuple[object, ...]:
    return (
        head.method,
        head.target,
        head.version,
        head.fields.lines,
        head.announced,
        head.length if head.checked else None,
        head.authority,
        head.upgrades,
        head.checked,
    )


def test_another_target_is_known_at_a_glance(reader: Reader) -> None:
    reader.feed(GET)
    fields = reader.head.fields
    assert reader.again(GET.replace(b"/x", b"/y/z?%20")) == b""
    assert (reader.head.method, reader.head.target) == ("GET", b"/y/z?%20")
    assert reader.head.fields is fields
    # And so does what comes behind that one.
    assert reader.again(GET) == b""


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
        GET + GET,
        post(b"x"),
        b"",
    ],
)
def test_what_differs_in_more_is_read(reader: Reader, other: bytes) -> None:
    reader.feed(GET)
    assert reader.again(other) is None
    assert reader.again(GET) == b""


@pytest.mark.parametrize(
    "other",
    [
        post(b"abc")[:-1],
        post(b"abc") + b"d",
        post(b"abc") + GET,
        post(b"abc", b"4"),
        post(b"abc", b"+3"),
        post(b"abc", b"3 "),
        post(b"abc", b"3,3"),
        post(b"abc", b"3\r\nContent-Length: 3"),
        post(b"abc", b"0x3"),
        post(b"abc", b"3_0"),
        post(b"abc", b"\xc2\xb3"),
        post(b"abc", b"0000000003"),
        post(b"abc").replace(b"X: y", b"X: z"),
        post(b"abc", target=b"/" + b"y" * MAX_REPEATED_BYTES),
        post(b"abc")[: -len(b"\r\n\r\nabc")],
        post(b"abc")[: post(b"abc").index(b"3")],
        GET,
    ],
)
def test_what_differs_in_more_than_its_body_is_read(reader: Reader, other: bytes) -> None:
    reader.feed(post(b"abc"))
    assert reader.again(other) is None
    assert reader.again(post(b"abc")) == b"abc"


@pytest.mark.parametrize(
    "pieces",
    [
        # Not all of it at once: the second half is no request.
        [GET[:10], GET[10:]],
        [GET[:-2], b"\r\n"],
        [post(b"abc")[:-3], b"abc"],
        [post(b"abc")[:-1], b"c"],
        # With what belongs to the next one, or with all of it.
        [GET + b"G"],
        [GET + GET],
        [post(b"abc") + GET],
        [post(b"abc") + b"\r\n"],
        [post(b"\r\n\r\nabc") + b"\r\n\r\n"],
        # Its end is not known before it is there.
        [b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"],
        [b"GET /x HTTP/1.1\r\nHost: a\r\nX: " + b"y" * MAX_REPEATED_BYTES + b"\r\n\r\n"],
        [post(b"abc", target=b"/" + b"y" * MAX_REPEATED_BYTES)],
    ],
    ids=[
        "in the line",
        "at the end",
        "body",
        "in the body",
        "begun",
        "two",
        "behind",
        "empty line",
        "two of them",
        "chunked",
        "long",
        "long post",
    ],
)
def test_what_is_not_one_whole_request_is_read(reader: Reader, pieces: list[bytes]) -> None:
    for piece in pieces:
        reader.feed(piece)
        assert reader.again(piece) is None
        assert reader.again(GET) is None
        assert reader.again(post(b"abc")) is None


def test_bodies_in_pieces(reader: Reader, heard: Heard) -> None:
    for piece in (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na", b"bc", GET):
        reader.feed(piece)
    assert heard.said == ["head", b"a", b"bc", "end", "head", "end"]
    assert [head.announced for head in heard.heads] == [b"3", None]


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
