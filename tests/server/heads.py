"""Rows on the head of a request: RFC 9112, 2 to 5, and RFC 9110, 4 to 5 and 7.2."""

from __future__ import annotations

from tests.server.case import Case, Then, bad, each, get, good, last, post

HOST = b"Host: toru.test\r\n"
X = b"GET <R>/x"
# A version that is not ours is no syntax of ours either.
VERSION = (400, 505)
# A parser may not know that this was to be a method.
METHOD = (400, 501)

LINES: list[Case] = [
    good("9112 2.2", "an empty line before a request line", b"\r\n" + get(), saw={"path": "/x"}),
    good("9112 2.2", "two empty lines before a request line", b"\r\n\r\n" + get(), saw={"path": "/x"}),
    good("9112 2.2", "an empty line between two requests", get() + b"\r\n" + get(), 200, 200),
    good(
        "9112 2.2",
        "an empty line behind a body",
        post(b"Content-Length: 2", body=b"ab\r\n") + get(),
        200,
        200,
    ),
    bad("9112 2.2", "empty lines without end", b"\r\n" * 150_000, (400, 431)),
    bad("9112 2.2", "a request line that ends in LF", X + b" HTTP/1.1\n<G>\r\n"),
    bad("9112 2.2", "a request line that ends in CR", X + b" HTTP/1.1\r<G>\r\n"),
    bad("9112 2.2", "a request line that ends in CR CR LF", X + b" HTTP/1.1\r\r\n<G>\r\n"),
    bad("9112 2.2", "a field line that ends in LF", X + b" HTTP/1.1\r\n<G>X-A: b\n\r\n"),
    bad("9112 2.2", "a field line that ends in CR", X + b" HTTP/1.1\r\n<G>X-A: b\rX-B: c\r\n\r\n"),
    bad("9112 2.2", "a field line that ends in CR CR LF", X + b" HTTP/1.1\r\n<G>X-A: b\r\r\n\r\n"),
    bad("9112 2.2", "a head that ends in LF", X + b" HTTP/1.1\r\n<G>\n"),
    bad("9112 2.2", "a head that ends in CR CR LF", X + b" HTTP/1.1\r\n<G>\r\r\n"),
    bad("9112 2.2", "every line ends in LF", X + b" HTTP/1.1\nHost: toru.test\n\n"),
    bad("9112 2.2", "space before the first field", X + b" HTTP/1.1\r\n <G>\r\n"),
    bad("9112 2.2", "a tab before the first field", X + b" HTTP/1.1\r\n\t<G>\r\n"),
    bad("9112 2.2", "a line of spaces before the first field", X + b" HTTP/1.1\r\n  \r\n<G>\r\n"),
    bad("9112 3", "a space before the method", b" " + get()),
    bad("9112 3", "a tab before the method", b"\t" + get()),
    bad("9112 3", "a tab before the target", b"GET\t<R>/x HTTP/1.1\r\n<G>\r\n"),
    bad("9112 3", "a tab before the version", X + b"\tHTTP/1.1\r\n<G>\r\n"),
    bad("9112 3", "a form feed before the version", X + b"\x0cHTTP/1.1\r\n<G>\r\n"),
    bad("9112 3", "a space behind the version", X + b" HTTP/1.1 \r\n<G>\r\n"),
    bad("9112 3", "a tab behind the version", X + b" HTTP/1.1\t\r\n<G>\r\n"),
    bad("9112 3", "a word behind the version", X + b" HTTP/1.1 x\r\n<G>\r\n"),
    bad("9112 3", "two versions", X + b" HTTP/1.1 HTTP/1.1\r\n<G>\r\n"),
    bad("9112 3", "no target", b"GET HTTP/1.1\r\n<G>\r\n"),
    bad("9112 3", "an empty target", b"GET  HTTP/1.1\r\n<G>\r\n"),
    bad("9112 3", "only a method", b"GET\r\n<G>\r\n"),
    bad("9112 3", "no request line at all", b"<G>\r\n"),
    bad("9112 3", "an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    *each(
        "9112 3.1",
        "a method",
        [
            b"get <R>/x HTTP/1.1\r\n<G>\r\n",
            b"Get <R>/x HTTP/1.1\r\n<G>\r\n",
            b"GE T <R>/x HTTP/1.1\r\n<G>\r\n",
            b"G@T <R>/x HTTP/1.1\r\n<G>\r\n",
            b"G\0T <R>/x HTTP/1.1\r\n<G>\r\n",
            b"G\x7fT <R>/x HTTP/1.1\r\n<G>\r\n",
            b"G\xc9T <R>/x HTTP/1.1\r\n<G>\r\n",
            b"GET: <R>/x HTTP/1.1\r\n<G>\r\n",
            b'"GET" <R>/x HTTP/1.1\r\n<G>\r\n',
            b"(GET) <R>/x HTTP/1.1\r\n<G>\r\n",
            b"GET,GET <R>/x HTTP/1.1\r\n<G>\r\n",
            b"A" * 300 + b" <R>/x HTTP/1.1\r\n<G>\r\n",
        ],
        METHOD,
    ),
    *(
        good(
            "9110 9.1",
            f"the method {name}",
            b"%s <R>/x HTTP/1.1\r\n<G>\r\n" % name.encode(),
            saw={"method": name, "body": None},
        )
        for name in (
            "GET",
            "POST",
            "PUT",
            "PATCH",
            "DELETE",
            "OPTIONS",
            "PROPFIND",
            "MKCOL",
            "REPORT",
            "SEARCH",
            "QUERY",
        )
    ),
    *each(
        "9112 2.3",
        "the version",
        [
            X + b" " + version + b"\r\n<G>\r\n"
            for version in (
                b"HTTP/2.0",
                b"HTTP/2",
                b"HTTP/3.0",
                b"HTTP/9.9",
                b"HTTP/0.9",
                b"HTTP/0.1",
                b"HTTP/1.2",
                b"HTTP/1",
                b"HTTP/11",
                b"HTTP/1.",
                b"HTTP/.1",
                b"HTTP/1.1.1",
                b"HTTP/1.10",
                b"HTTP/01.1",
                b"HTTP/1.01",
                b"HTTP/1,1",
                b"HTTP/-1.1",
                b"HTTP/+1.1",
                b"HTTP/1.x",
                b"HTTP/ 1.1",
                b"HTTP /1.1",
                b"http/1.1",
                b"Http/1.1",
                b"HTTP\\1.1",
                b"HTTPS/1.1",
                b"XHTTP/1.1",
                b"HTTP/\xb2.0",
            )
        ],
        VERSION,
    ),
    bad("9112 2.3", "RTSP", b"DESCRIBE rtsp://toru.test/x RTSP/1.0\r\n<G>\r\n", (400, 505)),
    bad("9112 A", "HTTP/0.9", b"GET <R>/x\r\n", VERSION),
    bad("9112 A", "HTTP/0.9 with a space behind", b"GET <R>/x \r\n", VERSION),
    bad(
        "9113 3.4", "the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", VERSION
    ),
    bad("9113 3.4", "the preface of HTTP/2 at a path", b"PRI <R>/x HTTP/2.0\r\n<G>\r\n", VERSION),
    bad(
        "8446 4.1.2",
        "the first bytes of TLS",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(range(154)) + b"\r\n\r\n",
    ),
    bad("4253 4.2", "a banner of SSH", b"SSH-2.0-OpenSSH_9.2\r\n"),
    bad(
        "9112 3",
        "a header of the PROXY protocol that nobody asked for",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + get(),
    ),
]

TARGETS: list[Case] = [
    good("9112 3.2.1", "a query", get(target=b"<R>/x?a=b&c=/?d"), saw={"path": "/x?a=b&c=/?d"}),
    good("9112 3.2.1", "an empty query", get(target=b"<R>/x?"), saw={"path": "/x?"}),
    good(
        "9112 3.2.1",
        "encoded bytes stay as they are",
        get(target=b"<R>/%00%0d%0a%ff%2f"),
        saw={"path": "/%00%0d%0a%ff%2f"},
    ),
    good(
        "9112 3.2.1",
        "dots and slashes stay as they are",
        get(target=b"<R>//a/../b/./c"),
        saw={"path": "//a/../b/./c"},
    ),
    good(
        "9112 3.2.1",
        "what browsers leave bare in a query",
        get(target=b"<R>/x?a|b^c{d}`"),
        saw={"path": "/x?a|b^c{d}`"},
    ),
    good("9112 3.2.2", "absolute form", get(target=b"http://toru.test<R>/x?y"), saw={"path": "/x?y"}),
    good(
        "9112 3.2.2",
        "absolute form, in capitals",
        get(target=b"HTTP://TORU.test:80<R>/x"),
        saw={"path": "/x"},
    ),
    good(
        "9112 3.2.2",
        "absolute form and another Host",
        get(target=b"http://other.test<R>/x"),
        saw={"path": "/x"},
        headers={"x-forwarded-host": "other.test"},
    ),
    bad("9112 3.2.2", "absolute form without Host", b"GET http://toru.test<R>/x HTTP/1.1\r\n<A>\r\n"),
    bad("9112 3.2.2", "absolute form with another scheme", get(target=b"ftp://toru.test<R>/x")),
    bad("9112 3.2.2", "absolute form without a host", get(target=b"http:///x")),
    bad("9112 3.2.3", "authority form", get(target=b"toru.test:80")),
    bad("9112 3.2.3", "CONNECT", b"CONNECT toru.test:80 HTTP/1.1\r\n<G>\r\n", (400, 405, 501)),
    bad("9112 3.2.3", "CONNECT to a path", b"CONNECT <R>/x HTTP/1.1\r\n<G>\r\n", (400, 405, 501)),
    Case(
        "9112 3.2.4",
        "OPTIONS for the server as a whole",
        b"OPTIONS * HTTP/1.1\r\n<G>\r\n",
        ((200, 204, 400, 404),),
        Then.EITHER,
    ),
    bad("9112 3.2.4", "an asterisk and another method", get(target=b"*")),
    bad("9112 3.2", "a target without a slash", get(target=b"x")),
    bad("9112 3.2", "a question mark without a path", get(target=b"?x")),
    bad("9112 3.2", "a backslash in place of the slash", get(target=b"\\x")),
    bad("9112 3.2", "a fragment", get(target=b"<R>/x#part")),
    bad("9112 3.2", "a space within", get(target=b"<R>/x y")),
    bad("9112 3.2", "a tab within", get(target=b"<R>/x\ty")),
    *each(
        "9112 3.2",
        "a byte within that no URI has",
        [
            get(target=b"<R>/a" + bytes([byte]) + b"b")
            for byte in (0x00, 0x01, 0x08, 0x0A, 0x0B, 0x0C, 0x0D, 0x1B, 0x1F, 0x7F)
        ],
    ),
]

FIELDS: list[Case] = [
    good("9112 5", "no space behind the colon", get(b"X-A:b"), headers={"x-a": "b"}),
    good("9112 5", "white space around a value", get(b"X-A: \t b c\t "), headers={"x-a": "b c"}),
    good("9112 5", "an empty value", get(b"X-A:"), headers={"x-a": ""}),
    good("9112 5", "a value of spaces", get(b"X-A:   "), headers={"x-a": ""}),
    good("9110 5.1", "a name in any case", get(b"x-A: b"), headers={"x-a": "b"}),
    good(
        "9110 5.1",
        "every character that a name may have",
        get(b"!#$%&'*+-.^_`|~09Az: b"),
        headers={"!#$%&'*+-.^_`|~09az": "b"},
    ),
    good("9110 5.3", "a field twice", get(b"X-A: b", b"X-A: c"), headers={"x-a": "b, c"}),
    good("9110 5.5", "bytes over 127 in a value", get(b"X-A: \xe9\x80\xff"), headers={"x-a": "\xe9\x80\xff"}),
    good("9110 5.5", "a tab within a value", get(b"X-A: b\tc"), headers={"x-a": "b\tc"}),
    good("9110 5.5", "a colon within a value", get(b"X-A: b: c"), headers={"x-a": "b: c"}),
    bad("9112 5.1", "a space before the colon", get(b"X-A : b")),
    bad("9112 5.1", "a tab before the colon", get(b"X-A\t: b")),
    bad("9112 5.1", "a space before the colon of Host", X + b" HTTP/1.1\r\nHost : toru.test\r\n<A>\r\n"),
    bad("9112 5.1", "a space before the colon of Content-Length", post(b"Content-Length : 3", body=b"abc")),
    bad(
        "9112 5.1",
        "a space before the colon of Transfer-Encoding",
        post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
    ),
    bad("9112 5", "a line without a colon", get(b"X-A")),
    bad("9112 5", "a line without a colon behind others", get(b"X-A: b", b"c")),
    bad("9112 5", "an empty name", get(b": b")),
    bad("9112 5", "an empty name behind a space", get(b" : b")),
    bad("9112 5.2", "a line that is folded with a space", get(b"X-A: b", b" c")),
    bad("9112 5.2", "a line that is folded with a tab", get(b"X-A: b", b"\tc")),
    bad("9112 5.2", "a folded line without a value before it", get(b"X-A:", b" b")),
    bad("9112 5.2", "a folded line that looks like a field", get(b"X-A: b", b" Content-Length: 3")),
    bad("9112 5.2", "Content-Length folded", post(b"Content-Length:", b" 3", body=b"abc")),
    bad("9112 5.2", "Transfer-Encoding folded", post(b"Transfer-Encoding:", b" chunked", body=b"0\r\n\r\n")),
    bad("9112 5.2", "a line of spaces at the end of a head", get(b"X-A: b", b"  ")),
    *each(
        "9110 5.1",
        "in a name",
        [get(b"X" + bytes([byte]) + b"A: b") for byte in b'"(),/;<=>?@[\\]{} \0\t\n\r\x01\x7f\x80\xff'],
    ),
    *each(
        "9110 5.5",
        "in a value",
        [
            get(b"X-A: b" + bytes([byte]) + b"c")
            for byte in (0x00, 0x01, 0x02, 0x07, 0x08, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x1B, 0x1F, 0x7F)
        ],
    ),
    bad("9110 5.5", "CR LF CR behind a value", get(b"X-A: b\r\n\r")),
    bad("9110 5.5", "NUL at the end of a value", get(b"X-A: b\0")),
    bad("9110 5.5", "NUL at the end of a length", post(b"Content-Length: 3\0", body=b"abc")),
]

HOSTS: list[Case] = [
    *(
        good(
            "9112 3.2",
            f"the host {host.decode()}",
            X + b" HTTP/1.1\r\nHost: " + host + b"\r\n<A>\r\n",
            headers={"x-forwarded-host": host.decode()},
        )
        for host in (
            b"toru.test:8080",
            b"toru.test:",
            b"127.0.0.1",
            b"[::1]",
            b"[2001:db8::1]:80",
            b"a_b.test",
            b"TORU.test",
            b"xn--tr-xka.test",
        )
    ),
    bad("9112 3.2", "no host", X + b" HTTP/1.1\r\n<A>\r\n"),
    bad("9112 3.2", "two hosts", X + b" HTTP/1.1\r\n<G>Host: other.test\r\n\r\n"),
    bad("9112 3.2", "the same host twice", X + b" HTTP/1.1\r\n<G>Host: toru.test\r\n\r\n"),
    bad(
        "9112 3.2",
        "two hosts, apart and in other letters",
        X + b" HTTP/1.1\r\nhOST: a.test\r\nX-A: b\r\nHOST: toru.test\r\n<A>\r\n",
    ),
    bad("9112 3.2", "two hosts in HTTP/1.0", X + b" HTTP/1.0\r\n<G>Host: other.test\r\n\r\n"),
    bad("9112 3.2", "an empty host and another", X + b" HTTP/1.1\r\nHost:\r\n<G>\r\n"),
    *each(
        "9112 3.2",
        "the host",
        [
            X + b" HTTP/1.1\r\nHost: " + host + b"\r\n<A>\r\n"
            for host in (
                b"a b",
                b"a.test, b.test",
                b"user@toru.test",
                b"http://toru.test",
                b"toru.test/",
                b"toru.test/x",
                b"toru.test?x",
                b"toru.test#x",
                b"toru.test\\x",
                b"toru.test:80:80",
                b"toru.test:x",
                b"toru.test:-1",
                b"[::1",
                b"::1",
                b"[::1]x",
                b"[]x]",
                b"<toru.test>",
                b'"toru.test"',
                b"toru\xe9.test",
                b"toru.test\x7f",
                b"toru.test|x",
                b"toru.test^",
                b"toru.test`",
                b"{toru}",
            )
        ],
    ),
    last("9112 3.2", "HTTP/1.0 without a host", X + b" HTTP/1.0\r\n<A>\r\n"),
]
