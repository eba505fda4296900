"""One row of the table: what is sent, what has to come back, and what the plugin got of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

# In what is sent these stand for what differs between servers: the path that leads to the echo, the line that says who
# asks (none where nobody has to), and both lines that a good request has.
ROUTE, SIGNED, GOOD = b"<R>", b"<A>", b"<G>"

# A status, or several that are as good as each other.
Status = int | tuple[int, ...]


class Then(Enum):
    """What becomes of the connection."""

    OPEN = "the next request on it is answered"
    CLOSED = "it is closed, and nothing behind is taken for a request"
    EITHER = "one or the other"


@dataclass(frozen=True)
class Case:
    """`section` is that of the RFC. `sent` goes out at once; `invited` once an answer with 100 has come; with `ends`
    the client then says that nothing follows.

    `want` has a status for each answer. `saw` is what the plugin got of the last one's request, as far as it matters,
    and `headers` those of it: None where it must not have got one.
    """

    section: str
    name: str
    sent: bytes
    want: tuple[Status, ...]
    then: Then
    saw: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str | None] = field(default_factory=dict)
    invited: bytes = b""
    ends: bool = False

    @property
    def id(self) -> str:
        return f"{self.section} {self.name}"


def filled(sent: bytes, route: bytes, signed: bytes) -> bytes:
    """What goes over the wire. `route` has no slash behind; `signed` is a line with its end, or empty."""
    good = b"Host: toru.test\r\n" + signed
    return sent.replace(GOOD, good).replace(SIGNED, signed).replace(ROUTE, route)


# -- requests


def request(method: bytes, *lines: bytes, body: bytes = b"", target: bytes = b"<R>/x") -> bytes:
    """A good request line, the headers that a good request has, these lines, and a body."""
    return (
        method
        + b" "
        + target
        + b" HTTP/1.1\r\n"
        + GOOD
        + b"".join(line + b"\r\n" for line in lines)
        + b"\r\n"
        + body
    )


def get(*lines: bytes, body: bytes = b"", target: bytes = b"<R>/x") -> bytes:
    return request(b"GET", *lines, body=body, target=target)


def post(*lines: bytes, body: bytes = b"", target: bytes = b"<R>/x") -> bytes:
    return request(b"POST", *lines, body=body, target=target)


def chunked(body: bytes, *lines: bytes) -> bytes:
    """With a body that is written out in chunks."""
    return post(b"Transfer-Encoding: chunked", *lines, body=body)


# What must not be answered where the connection has to be closed, and what must be where it has to stay open.
BEHIND = get(target=b"<R>/behind")
PROBE = get(target=b"<R>/probe")


# -- rows


def good(
    section: str,
    name: str,
    sent: bytes,
    *want: Status,
    then: Then = Then.OPEN,
    saw: Mapping[str, object] | None = None,
    headers: Mapping[str, str | None] | None = None,
    invited: bytes = b"",
    ends: bool = False,
) -> Case:
    """It is understood, and answered with 200 where nothing else is said."""
    return Case(section, name, sent, want or (200,), then, saw or {}, headers or {}, invited, ends)


def last(section: str, name: str, sent: bytes, *want: Status, ends: bool = False) -> Case:
    """It is understood, and the last request of its connection."""
    return Case(section, name, sent, want or (200,), Then.CLOSED, ends=ends)


def bad(section: str, name: str, sent: bytes, *want: Status) -> Case:
    """It cannot be relied on: 400 where nothing else is said, and the connection is closed."""
    return Case(section, name, sent, want or (400,), Then.CLOSED)


def each(section: str, name: str, sents: Mapping[str, bytes] | Sequence[bytes], *want: Status) -> list[Case]:
    """Several rows that are all bad in the same way."""
    named = sents.items() if isinstance(sents, Mapping) else ((repr(sent)[2:-1], sent) for sent in sents)
    return [bad(section, f"{name}: {what}", sent, *want) for what, sent in named]
