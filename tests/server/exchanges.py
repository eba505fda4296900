"""Rows on connections, methods, expectations, limits and who may ask: RFC 9112, 9, and RFC 9110, 7 to 10 and 15."""

from __future__ import annotations

from tests.server.case import Case, Then, bad, chunked, get, good, last, post, request

X = b"GET <R>/x"
TE = b"Transfer-Encoding: chunked"
# What the core of these tests takes in a body.
MAX_BODY = 100_000


def lines(count: int) -> list[bytes]:
    return [b"X-%d: a" % number for number in range(count)]


def stranger(
    *headers: bytes, body: bytes = b"", method: bytes = b"POST", host: bytes = b"Host: toru.test"
) -> bytes:
    """A request without a word on who asks."""
    return method + b" <R>/x HTTP/1.1\r\n" + b"\r\n".join((host, *headers, b"", b"")) + body


CONNECTIONS: list[Case] = [
    good("9112 9.3", "one request", get()),
    good("9112 9.3", "Connection: keep-alive", get(b"Connection: keep-alive"), headers={"connection": None}),
    good(
        "9112 9.3",
        "a word that is not close",
        get(b"Connection: closed, x-close"),
        headers={"connection": None},
    ),
    good(
        "9112 9.3",
        "what Connection says is for nobody else",
        get(b"Connection: x-hop, X-Other", b"X-Hop: 1", b"x-other: 2", b"X-A: 3"),
        headers={"x-hop": None, "x-other": None, "x-a": "3", "connection": None},
    ),
    good(
        "9110 7.6.1",
        "Connection takes nothing from what we say",
        get(b"Connection: x-toru-user, x-forwarded-for, x-request-id"),
        headers={"x-toru-user": "test-admin", "x-forwarded-for": "127.0.0.1"},
    ),
    good(
        "9110 7.6.1",
        "Connection takes nothing from the framing",
        post(b"Connection: content-length", b"Content-Length: 5", body=b"hello") + get(),
        200,
        200,
    ),
    good(
        "9110 7.6.1",
        "headers for the next hop",
        get(b"Keep-Alive: timeout=5", b"TE: trailers", b"Upgrade: other"),
        headers={"keep-alive": None, "te": None, "upgrade": None},
    ),
    # It is in no standard, and closing too often harms nobody.
    Case(
        "9112 C.2.2",
        "Proxy-Connection",
        get(b"Proxy-Connection: close"),
        (200,),
        Then.EITHER,
        headers={"proxy-connection": None},
    ),
    *(
        last("9112 9.6", name, get(*headers))
        for name, headers in {
            "Connection: close": [b"Connection: close"],
            "close in capitals": [b"Connection: CLOSE"],
            "close in a list": [b"Connection: x, close"],
            "close before others": [b"Connection: close , x"],
            "close beside keep-alive": [b"Connection: keep-alive, close"],
            "close on a second line": [b"Connection: keep-alive", b"Connection: close"],
            "close before keep-alive": [b"Connection: close", b"Connection: keep-alive"],
            "close among empty elements": [b"Connection: ,, close ,"],
        }.items()
    ),
    last("9112 9.6", "close with a body", post(b"Connection: close", b"Content-Length: 5", body=b"hello")),
    last("9112 9.6", "close with a chunked body", chunked(b"5\r\nhello\r\n0\r\n\r\n", b"Connection: close")),
    last("9112 9.3", "HTTP/1.0", X + b" HTTP/1.0\r\n<G>\r\n"),
    last("9112 9.3", "HTTP/1.0 that would keep it", X + b" HTTP/1.0\r\n<G>Connection: keep-alive\r\n\r\n"),
    good(
        "9112 9.3.2", "two at once", get(target=b"<R>/1") + get(target=b"<R>/2"), 200, 200, saw={"path": "/2"}
    ),
    good(
        "9112 9.3.2",
        "a hundred at once",
        get() * 99 + get(target=b"<R>/100"),
        *[200] * 100,
        saw={"path": "/100"},
    ),
    good(
        "9112 9.3.2",
        "with bodies of both kinds",
        (post(b"Content-Length: 5", body=b"hello") + chunked(b"1\r\nx\r\n0\r\n\r\n")) * 5,
        *[200] * 10,
        saw={"body": "x"},
    ),
    good(
        "9112 9.3.2",
        "of ours and of a plugin's, in order",
        (get() + get(target=b"/api/nothing")) * 3,
        *[200, 404] * 3,
    ),
    good(
        "9112 9.3.2",
        "an answer without a body before another",
        request(b"HEAD") + get(target=b"<R>/status/204") + get(),
        200,
        204,
        200,
    ),
    good(
        "9112 9.3.2",
        "a long body behind another request",
        get() + post(b"Content-Length: 90000", body=b"a" * 90_000) + get(),
        200,
        200,
        200,
    ),
    last("9112 9.3.2", "the last one closes", get() * 4 + get(b"Connection: close"), *[200] * 5),
    last(
        "9112 9.3.2",
        "nothing behind one that closes",
        get() + get(b"Connection: close") + get(target=b"<R>/behind") * 3,
        200,
        200,
    ),
    bad("9112 9.3.2", "a bad one behind two", get() * 2 + get(b"X-A : b"), 200, 200, 400),
    bad(
        "9112 9.3.2",
        "a bad one in the midst of a hundred",
        get() * 50 + get(b"X A: b") + get(target=b"<R>/behind") * 49,
        *[200] * 50,
        400,
    ),
    bad(
        "9112 9.3.2",
        "a bad body behind a good one",
        chunked(b"1\r\nx\r\n0\r\n\r\n") + chunked(b"1\r\nxx\r\n0\r\n\r\n"),
        200,
        400,
    ),
    last("9112 9.5", "a client that says no more", get(), ends=True),
    last("9112 9.5", "several, and no more", get() * 3, 200, 200, 200, ends=True),
    last("9112 9.5", "a body, and no more", post(b"Content-Length: 5", body=b"hello"), ends=True),
    Case("9112 8", "no more in a request line", b"GET <R>/behi", (), Then.CLOSED, ends=True),
    Case("9112 8", "no more in a head", get(target=b"<R>/behind")[:-2], (), Then.CLOSED, ends=True),
    Case(
        "9112 8",
        "no more in a body",
        post(b"Content-Length: 9", body=b"hello", target=b"<R>/behind"),
        (),
        Then.CLOSED,
        ends=True,
    ),
    Case(
        "9112 8",
        "no more in a chunk",
        post(TE, body=b"9\r\nhello", target=b"<R>/behind"),
        (),
        Then.CLOSED,
        ends=True,
    ),
    Case(
        "9112 8",
        "no more before the last chunk",
        post(TE, body=b"5\r\nhello\r\n", target=b"<R>/behind"),
        (),
        Then.CLOSED,
        ends=True,
    ),
    Case(
        "9112 8",
        "no more in the trailers",
        post(TE, body=b"5\r\nhello\r\n0\r\nX-A: b\r\n", target=b"<R>/behind"),
        (),
        Then.CLOSED,
        ends=True,
    ),
    Case("9112 8", "nothing at all", b"", (), Then.CLOSED, ends=True),
]

METHODS: list[Case] = [
    good("9110 9.3.2", "HEAD", request(b"HEAD"), saw={}),
    good(
        "9110 9.3.2",
        "HEAD with a body",
        request(b"HEAD", b"Content-Length: 5", body=b"hello") + get(),
        200,
        200,
    ),
    good("9110 9.3.2", "HEAD for what is not there", request(b"HEAD", target=b"<R>/status/404"), 404),
    good("9110 15.3.5", "204", get(target=b"<R>/status/204"), 204),
    good("9110 15.4.5", "304", get(target=b"<R>/status/304"), 304),
    good("9110 15.3.6", "205", get(target=b"<R>/status/205"), 205),
    good("9110 15.6.4", "503 of the plugin's own", get(target=b"<R>/status/503"), 503),
    good(
        "9110 7.8",
        "another protocol that nobody speaks",
        get(b"Connection: Upgrade", b"Upgrade: other/1") + get(),
        200,
        200,
        headers={"upgrade": None},
    ),
    good(
        "9113 3.1",
        "HTTP/2 in place of this",
        get(
            b"Connection: Upgrade, HTTP2-Settings",
            b"Upgrade: h2c",
            b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        )
        + get(),
        200,
        200,
        headers={"upgrade": None, "http2-settings": None},
    ),
    bad(
        "9110 7.8",
        "another protocol behind a body",
        post(b"Connection: Upgrade", b"Upgrade: other", b"Content-Length: 5", body=b"hello"),
    ),
]

EXPECTATIONS: list[Case] = [
    good(
        "9110 10.1.1",
        "a client that waits with a length",
        post(b"Expect: 100-continue", b"Content-Length: 5"),
        100,
        200,
        invited=b"hello",
        saw={"body": "hello"},
    ),
    good(
        "9110 10.1.1",
        "a client that waits with chunks",
        post(b"Expect: 100-continue", TE),
        100,
        200,
        invited=b"5\r\nhello\r\n0\r\n\r\n",
        saw={"body": "hello"},
    ),
    good(
        "9110 10.1.1",
        "in other letters",
        post(b"expect: 100-Continue", b"Content-Length: 5"),
        100,
        200,
        invited=b"hello",
        saw={"body": "hello"},
    ),
    good("9110 10.1.1", "without a body", get(b"Expect: 100-continue")),
    good(
        "9110 10.1.1",
        "behind another request",
        get() + post(b"Expect: 100-continue", b"Content-Length: 5"),
        200,
        100,
        200,
        invited=b"hello",
        saw={"body": "hello"},
    ),
    last(
        "9110 10.1.1",
        "in HTTP/1.0 it means nothing",
        b"POST <R>/x HTTP/1.0\r\n<G>Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    ),
    Case("9110 10.1.1", "another expectation", get(b"Expect: 200-ok"), (417,), Then.EITHER),
    bad(
        "9110 10.1.1", "another expectation before a body", post(b"Expect: x", b"Content-Length: 100000"), 417
    ),
    bad("9110 10.1.1", "two expectations", post(b"Expect: 100-continue, x", b"Content-Length: 100000"), 417),
    bad(
        "9110 10.1.1",
        "from somebody unknown",
        stranger(b"Expect: 100-continue", b"Content-Length: 5000"),
        401,
    ),
    bad("9110 10.1.1", "for more than may be", post(b"Expect: 100-continue", b"Content-Length: 100001"), 413),
    bad(
        "9110 10.1.1",
        "for no plugin",
        post(b"Expect: 100-continue", b"Content-Length: 5000", target=b"/api/plugins/route/nobody"),
        404,
    ),
    bad(
        "9110 10.1.1",
        "for a route that tries to leave",
        post(b"Expect: 100-continue", b"Content-Length: 5000", target=b"/api/plugins/route/%2e%2e/x"),
        400,
    ),
    bad(
        "9110 10.1.1",
        "for a call that takes none",
        post(b"Expect: 100-continue", b"Content-Length: 5000", target=b"/api/nothing"),
        (404, 405),
    ),
    bad("9110 10.1.1", "with a length and a coding", post(b"Expect: 100-continue", b"Content-Length: 5", TE)),
]

LIMITS: list[Case] = [
    good("6585 5", "a hundred headers", get(*lines(98)), headers={"x-97": "a"}),
    bad("6585 5", "a hundred and one headers", get(*lines(99)), 431),
    bad("6585 5", "ten thousand headers", get(*lines(10_000)), 431),
    good("6585 5", "a head of 60 KiB", get(b"X-A: " + b"b" * 60_000), headers={"x-a": "b" * 60_000}),
    bad("6585 5", "a head of 66 KiB in one header", get(b"X-A: " + b"b" * 67_000), 431),
    bad("6585 5", "a head of 66 KiB in fifty", get(*[b"X-A: " + b"b" * 1350] * 50), 431),
    bad("6585 5", "a head of 1 MiB that does not end", X + b" HTTP/1.1\r\n<G>X-A: " + b"b" * 1_048_576, 431),
    bad("6585 5", "a name of 70,000 bytes", get(b"b" * 70_000 + b": x"), 431),
    good(
        "9112 3", "a target of 8,000 bytes", get(target=b"<R>/" + b"a" * 8000), saw={"path": "/" + "a" * 8000}
    ),
    bad("9112 3", "a target of 70,000 bytes", get(target=b"<R>/" + b"a" * 70_000), (414, 431)),
    bad("9112 3", "a target that does not end", X + b"a" * 300_000, (414, 431)),
    bad("9112 3.1", "a method that does not end", b"A" * 300_000, (400, 431, 501)),
    good(
        "9110 15.5.14",
        "a body as long as it may be",
        post(b"Content-Length: %d" % MAX_BODY, body=b"a" * MAX_BODY),
        saw={"body": "a" * MAX_BODY},
    ),
    bad("9110 15.5.14", "one more byte that is announced", post(b"Content-Length: %d" % (MAX_BODY + 1)), 413),
    bad(
        "9110 15.5.14",
        "one more byte that is sent",
        post(b"Content-Length: %d" % (MAX_BODY + 1), body=b"a" * (MAX_BODY + 1)),
        413,
    ),
    bad("9110 15.5.14", "the greatest number that is one", post(b"Content-Length: 9223372036854775807"), 413),
    bad("9110 15.5.14", "2 MB that are sent", post(b"Content-Length: 2000000", body=b"a" * 2_000_000), 413),
    bad("9110 15.5.14", "2 MB in a chunk", chunked(b"%x\r\n" % 2_000_000 + b"a" * 2_000_000), 413),
    bad("9110 15.5.14", "2 MB in small chunks", chunked((b"3e8\r\n" + b"a" * 1000 + b"\r\n") * 2000), 413),
    good(
        "9110 15.5.14",
        "chunks that come to as much as may be",
        chunked((b"3e8\r\n" + b"a" * 1000 + b"\r\n") * 100 + b"0\r\n\r\n"),
        saw={"body": "a" * MAX_BODY},
    ),
    bad("9112 9.6", "a bad head, and 2 MB behind it", get(b"X A: b", body=b"a" * 2_000_000)),
]

CREDENTIALS: list[Case] = [
    good("9110 15.5.2", "nobody", stranger(method=b"GET"), 401),
    good(
        "9110 15.5.2",
        "a token that is none",
        stranger(b"Authorization: Bearer toru_none", method=b"GET"),
        401,
    ),
    bad("9110 15.5.2", "nobody, before a body that is never sent", stranger(b"Content-Length: 90000"), 401),
    bad("9110 15.5.2", "nobody, before chunks that are never sent", stranger(TE, body=b"ffff\r\n"), 401),
    bad("9110 15.5.2", "nobody, before more than may be", stranger(b"Content-Length: 900000000"), (401, 413)),
    bad("9110 15.5.2", "nobody, and a bad head", stranger(b"X A: b", method=b"GET")),
    good("9110 11.6.2", "who asks reaches no plugin", get(), headers={"authorization": None}),
    good(
        "9110 5.1",
        "nobody can say who asks",
        get(
            b"X-Toru-User: eve", b"x-toru-role: root", b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-Prefix: /"
        ),
        headers={"x-toru-user": "test-admin", "x-toru-role": "admin", "x-forwarded-for": "127.0.0.1"},
    ),
]
