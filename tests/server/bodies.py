"""Rows on where a request's body ends: RFC 9112, 6 and 7, and RFC 9110, 6.5 and 8.6."""

from __future__ import annotations

from tests.server.case import Case, Then, bad, chunked, each, get, good, last, post

TE = b"Transfer-Encoding: chunked"
END = b"0\r\n\r\n"
HELLO = b"5\r\nhello\r\n"
SEEN = {"body": "hello"}


def length(value: bytes, body: bytes = b"hello") -> bytes:
    return post(b"Content-Length: " + value, body=body)


LENGTHS: list[Case] = [
    good("9112 6.2", "a length", length(b"5"), saw={"body": "hello", "method": "POST", "path": "/x"}),
    good(
        "9112 6.2",
        "a body with GET",
        get(b"Content-Length: 5", body=b"hello"),
        saw={"body": "hello", "method": "GET"},
    ),
    good("9112 6.2", "a length of 0", length(b"0", b""), saw={"body": None}),
    good("9112 6.2", "zeros before a length", length(b"0005"), saw=SEEN),
    good("9112 6.2", "white space around a length", post(b"Content-Length:\t 5 \t", body=b"hello"), saw=SEEN),
    good("9112 6.2", "the name in any case", post(b"cONTENT-lENGTH: 5", body=b"hello"), saw=SEEN),
    good("9112 6.3", "neither length nor coding", post(), saw={"body": None}),
    good(
        "9112 6.2",
        "a body that looks like a request",
        length(b"28", b"GET /behind HTTP/1.1\r\nHost:x") + get(),
        200,
        200,
    ),
    good("9112 6.2", "a body of CR and LF", length(b"8", b"\r\n\r\n\r\n\r\n") + get(), 200, 200),
    good(
        "9112 6.2",
        "a body that is not text",
        length(b"4", b"\xff\0\x80\n"),
        saw={"body": "/wCACg==", "body_encoding": "base64"},
    ),
    good(
        "9112 6.2",
        "a name that only looks like it",
        post(b"Content-Length: 5", b"Content_Length: 3", body=b"hello"),
        saw=SEEN,
    ),
    *each(
        "9110 8.6",
        "a length",
        [
            length(value)
            for value in (
                b"",
                b"+5",
                b"-5",
                b"-0",
                b"0x5",
                b"5.0",
                b"5,",
                b",5",
                b"5,5",
                b"5, 5",
                b"5, 6",
                b"5 5",
                b"5;",
                b"5e0",
                b"1_0",
                b"five",
                b'"5"',
                b"5\x0b",
                b"\xb2",
                b"\xef\xbc\x95",
                b"5h",
                b"0 5",
                b"5\t5",
                b"NaN",
                b"--5",
                b"5 ,",
            )
        ],
    ),
    *each(
        "9110 8.6",
        "a length past all numbers",
        [
            length(value)
            for value in (
                b"18446744073709551616",
                b"18446744073709551621",
                b"99999999999999999999999",
                b"1" * 400,
            )
        ],
        (400, 413),
    ),
    bad("9112 6.3", "the same length twice", post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello")),
    bad("9112 6.3", "two lengths", post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello")),
    bad(
        "9112 6.3",
        "two lengths, the other way round",
        post(b"Content-Length: 6", b"Content-Length: 5", body=b"hello"),
    ),
    bad(
        "9112 6.3",
        "two lengths, apart and in other letters",
        post(b"Content-Length: 5", b"X-A: b", b"content-length: 0", body=b"hello"),
    ),
    bad(
        "9112 6.3",
        "an empty length and another",
        post(b"Content-Length:", b"Content-Length: 5", body=b"hello"),
    ),
    bad("9112 6.3", "a length and a coding", post(b"Content-Length: 5", TE, body=END)),
    bad("9112 6.3", "a coding and a length", post(TE, b"Content-Length: 5", body=END)),
    bad("9112 6.3", "a coding and a length of 0", post(TE, b"Content-Length: 0", body=HELLO + END)),
    bad("9112 6.3", "a coding and the right length", post(TE, b"Content-Length: 15", body=HELLO + END)),
    bad("9112 6.3", "a coding, and a length that is none", post(TE, b"Content-Length: x", body=END)),
    bad(
        "9112 6.3",
        "a length and an unknown coding",
        post(b"Content-Length: 5", b"Transfer-Encoding: xchunked", body=b"hello"),
    ),
    bad(
        "9112 6.3",
        "a length and an empty coding",
        post(b"Content-Length: 5", b"Transfer-Encoding:", body=b"hello"),
    ),
    bad("9112 6.3", "a length and a coding with GET", get(b"Content-Length: 5", TE, body=END)),
    last("9112 6.3", "HTTP/1.0 with a length", b"POST <R>/x HTTP/1.0\r\n<G>Content-Length: 5\r\n\r\nhello"),
]

CODINGS: list[Case] = [
    good("9112 7.1", "one chunk", chunked(HELLO + END), saw=SEEN, headers={"transfer-encoding": None}),
    good("9112 7.1", "no chunk but the last", chunked(END), saw={"body": None}),
    good(
        "9112 7.1",
        "many chunks",
        chunked(b"".join(b"1\r\n%c\r\n" % byte for byte in b"hello" * 50) + END),
        saw={"body": "hello" * 50},
    ),
    good("9112 7.1", "a size in capitals", chunked(b"A\r\n0123456789\r\n" + END), saw={"body": "0123456789"}),
    good(
        "9112 7.1",
        "a size in small letters",
        chunked(b"a\r\n0123456789\r\n" + END),
        saw={"body": "0123456789"},
    ),
    good("9112 7.1", "zeros before a size", chunked(b"00005\r\nhello\r\n" + END), saw=SEEN),
    good("9112 7.1", "several zeros as the last", chunked(HELLO + b"000\r\n\r\n"), saw=SEEN),
    good(
        "9112 7.1", "a chunk with CR and LF in it", chunked(b"7\r\n\r\n0\r\n\r\n\r\n" + END) + get(), 200, 200
    ),
    good("9112 7.1", "a chunked body with GET", get(TE, body=HELLO + END), saw=SEEN),
    good("9112 7", "the coding in capitals", post(b"Transfer-Encoding: CHUNKED", body=HELLO + END), saw=SEEN),
    good(
        "9112 7",
        "spaces around the coding",
        post(b"Transfer-Encoding:  chunked  ", body=HELLO + END),
        saw=SEEN,
    ),
    # A tab may stand there, too; not every parser looks for one, and that harms nobody.
    Case(
        "9112 7",
        "tabs around the coding",
        post(b"Transfer-Encoding:\tchunked\t", body=HELLO + END),
        ((200, 400),),
        Then.EITHER,
    ),
    good(
        "9112 6.1",
        "a name that only looks like it",
        post(b"Content-Length: 5", b"Transfer_Encoding: chunked", body=b"hello"),
        saw=SEEN,
    ),
    *each(
        "9112 6.1",
        "the coding",
        [
            post(b"Transfer-Encoding: " + coding, body=HELLO + END)
            for coding in (
                b"",
                b"identity",
                b"gzip",
                b"gzip, chunked",
                b"chunked, gzip",
                b"chunked, chunked",
                b"chunked, identity",
                b"identity, chunked",
                b"xchunked",
                b"chunkedx",
                b"chunked,",
                b",chunked",
                b"chunked;q=1",
                b"chunked x",
                b'"chunked"',
                b"\x0bchunked",
                b"chunked\x00",
                b"ch\xfcnked",
                b"compress",
                b"chunk",
                b"[chunked]",
            )
        ],
        (400, 501),
    ),
    bad("9112 6.1", "the coding twice", post(TE, TE, body=HELLO + END)),
    bad(
        "9112 6.1",
        "another coding before it, on a line of its own",
        post(b"Transfer-Encoding: gzip", TE, body=HELLO + END),
        (400, 501),
    ),
    bad(
        "9112 6.1",
        "another coding behind it, on a line of its own",
        post(TE, b"Transfer-Encoding: identity", body=HELLO + END),
        (400, 501),
    ),
    bad(
        "9112 6.1", "an empty coding behind it", post(TE, b"Transfer-Encoding:", body=HELLO + END), (400, 501)
    ),
    bad(
        "9112 6.1",
        "a coding with HTTP/1.0",
        b"POST <R>/x HTTP/1.0\r\n<G>Transfer-Encoding: chunked\r\n\r\n" + HELLO + END,
    ),
    bad(
        "9112 6.1",
        "a coding and keep-alive with HTTP/1.0",
        b"POST <R>/x HTTP/1.0\r\n<G>Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + END,
    ),
]

CHUNKS: list[Case] = [
    good("9112 7.1.1", "an extension", chunked(b"5;a\r\nhello\r\n0;b\r\n\r\n"), saw=SEEN),
    good("9112 7.1.1", "an extension with a value", chunked(b"5;a=b;c=d\r\nhello\r\n" + END), saw=SEEN),
    good(
        "9112 7.1.1",
        "an extension with a quoted value",
        chunked(b'5;a="b;c\\"d"\r\nhello\r\n' + END),
        saw=SEEN,
    ),
    bad(
        "9112 7.1.1",
        "an extension of 300 KiB",
        chunked(b"5;a=" + b"b" * 300_000 + b"\r\nhello\r\n" + END),
        (400, 413, 431),
    ),
    bad("9112 7.1.1", "an extension that does not end", chunked(b"5;" + b"b" * 300_000), (400, 413, 431)),
    *each(
        "9112 7.1.1",
        "an extension",
        [
            chunked(b"5" + extension + b"\r\nhello\r\n" + END)
            for extension in (b";a\n", b";a\rb", b";\0", b';a="b\nc"', b';a="\r\n"')
        ],
    ),
    *each(
        "9112 7.1",
        "a chunk's size",
        [
            chunked(size + b"\r\nhello\r\n" + END)
            for size in (
                b"",
                b"+5",
                b"-5",
                b"-0",
                b"0x5",
                b"x5",
                b"5h",
                b" 5",
                b"5 ",
                b"\t5",
                b"5\t",
                b"5 5",
                b"5,",
                b"5.0",
                b"g",
                b"h5",
                b'"5"',
                b"5\0",
                b"\x005",
                b"_5",
                b"5_",
                b"\xb2",
                b"5\x0b",
                b"5\x0c",
                b"\r5",
            )
        ],
    ),
    *each(
        "9112 7.1",
        "a chunk's size past all numbers",
        [
            chunked(size + b"\r\nhello\r\n" + END)
            for size in (
                b"10000000000000000",
                b"10000000000000005",
                b"ffffffffffffffffff",
                b"F" * 100,
            )
        ],
        (400, 413),
    ),
    bad("9112 7.1", "a size that ends in LF", chunked(b"5\nhello\r\n" + END)),
    bad("9112 7.1", "a size that ends in CR", chunked(b"5\rhello\r\n" + END)),
    bad("9112 7.1", "a size that ends in CR CR LF", chunked(b"5\r\r\nhello\r\n" + END)),
    bad("9112 7.1", "data that ends in LF", chunked(b"5\r\nhello\n" + END)),
    bad("9112 7.1", "data that ends in CR", chunked(b"5\r\nhello\r" + END)),
    bad("9112 7.1", "data without an end", chunked(b"5\r\nhello" + END)),
    bad("9112 7.1", "more data than its size", chunked(b"5\r\nhello!\r\n" + END)),
    bad("9112 7.1", "less data than its size", chunked(b"6\r\nhello\r\n" + END)),
    bad("9112 7.1", "data that ends in two spaces", chunked(b"5\r\nhello  " + END)),
    bad("9112 7.1", "the last chunk ends in LF", chunked(HELLO + b"0\n\r\n")),
    bad("9112 7.1", "the body ends in LF", chunked(HELLO + b"0\r\n\n")),
    bad("9112 7.1", "the body ends in CR CR LF", chunked(HELLO + b"0\r\n\r\r\n")),
    bad("9112 7.1", "the body ends in CR x", chunked(HELLO + b"0\r\n\rx")),
    bad("9112 7.1", "empty lines between chunks", chunked(HELLO + b"\r\n" + HELLO + END)),
    good(
        "9112 7.1.2",
        "a trailer is dropped",
        chunked(HELLO + b"0\r\nX-T: 1\r\n\r\n"),
        saw=SEEN,
        headers={"x-t": None},
    ),
    good(
        "9110 6.5.1",
        "a trailer that was announced is dropped",
        chunked(HELLO + b"0\r\nX-T: 1\r\n\r\n", b"Trailer: X-T"),
        saw=SEEN,
        headers={"x-t": None, "trailer": None},
    ),
    good(
        "9110 6.5.1",
        "a trailer takes no place of a header",
        chunked(HELLO + b"0\r\nX-A: 2\r\nCookie: a=b\r\n\r\n", b"X-A: 1"),
        saw=SEEN,
        headers={"x-a": "1", "cookie": None},
    ),
    good(
        "9110 6.5.1",
        "a trailer tells nobody who asks",
        chunked(HELLO + b"0\r\nX-Toru-User: root\r\nHost: other.test\r\n\r\n"),
        saw=SEEN,
        headers={"host": "toru.test"},
    ),
    good(
        "9112 7.1.2",
        "behind trailers comes the next request",
        chunked(HELLO + b"0\r\nX-T: 1\r\n\r\n") + get(),
        200,
        200,
    ),
    bad("9112 7.1.2", "a trailer with a space before the colon", chunked(HELLO + b"0\r\nX-T : 1\r\n\r\n")),
    bad("9112 7.1.2", "a trailer without a colon", chunked(HELLO + b"0\r\nX-T\r\n\r\n")),
    bad("9112 7.1.2", "a trailer without a name", chunked(HELLO + b"0\r\n: 1\r\n\r\n")),
    bad("9112 7.1.2", "a trailer with NUL", chunked(HELLO + b"0\r\nX-T: \0\r\n\r\n")),
    bad("9112 7.1.2", "a trailer that ends in LF", chunked(HELLO + b"0\r\nX-T: 1\n\r\n")),
    bad("9112 7.1.2", "a trailer that ends in CR", chunked(HELLO + b"0\r\nX-T: 1\rX-U: 2\r\n\r\n")),
    bad("9112 7.1.2", "a trailer that is folded", chunked(HELLO + b"0\r\nX-T: 1\r\n 2\r\n\r\n")),
    bad(
        "9112 7.1.2",
        "trailers of 300 KiB",
        chunked(HELLO + b"0\r\n" + b"X-T: 1234567890\r\n" * 18_000 + b"\r\n"),
        (400, 413, 431),
    ),
]
