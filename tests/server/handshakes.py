"""Rows on handshakes that open no WebSocket: RFC 6455, 4. `<R>` is a plugin's route whose `/talk` takes WebSockets."""

from __future__ import annotations

from tests.server.case import Case, Status, Then, request

KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
VERSION = b"Sec-WebSocket-Version: 13"
UPGRADE = b"Upgrade: websocket"
CONNECTION = b"Connection: Upgrade"
ALL = (UPGRADE, CONNECTION, KEY, VERSION)
TALK = b"<R>/talk"


def refused(section: str, name: str, sent: bytes, *want: Status) -> Case:
    return Case(section, name, sent, want, Then.EITHER)


def asking(*lines: bytes, method: bytes = b"GET", target: bytes = TALK, body: bytes = b"") -> bytes:
    return request(method, *lines, target=target, body=body)


HANDSHAKES: list[Case] = [
    *(
        refused(
            "6455 4.4",
            f"version {version.decode()}",
            asking(UPGRADE, CONNECTION, KEY, b"Sec-WebSocket-Version: " + version),
            (400, 426),
        )
        for version in (b"8", b"7", b"12", b"14", b"99", b"", b"13.0", b"x", b"-13")
    ),
    refused("6455 4.2.1", "no version", asking(UPGRADE, CONNECTION, KEY), (400, 426)),
    refused("6455 4.2.1", "two versions", asking(*ALL, b"Sec-WebSocket-Version: 8"), (400, 426)),
    refused("6455 4.2.1", "no key", asking(UPGRADE, CONNECTION, VERSION), 400),
    refused("6455 4.2.1", "two keys", asking(*ALL, KEY), 400),
    *(
        refused(
            "6455 4.2.1",
            f"the key {key.decode()!r}",
            asking(UPGRADE, CONNECTION, VERSION, b"Sec-WebSocket-Key: " + key),
            400,
        )
        for key in (
            b"",
            b"x",
            b"dGhlIHNhbXBsZSBub25jZQ",
            b"dGhlIHNhbXBsZSBub25j",
            b"dGhlIHNhbXBsZSBub25jZSE=",
            b"!!!!!!!!!!!!!!!!!!!!!!==",
            b"dGhlIHNhbXBsZSBub25jZQ== x",
        )
    ),
    refused("6455 4.2.1", "no Connection", asking(UPGRADE, KEY, VERSION), (400, 426)),
    refused(
        "6455 4.2.1",
        "Connection without upgrade",
        asking(UPGRADE, b"Connection: keep-alive", KEY, VERSION),
        (400, 426),
    ),
    refused("6455 4.2.1", "POST", asking(*ALL, method=b"POST"), (400, 405)),
    refused("6455 4.2.1", "a body", asking(*ALL, b"Content-Length: 5", body=b"hello"), 400),
    refused(
        "6455 4.2.1", "a chunked body", asking(*ALL, b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400
    ),
    refused("6455 4.2.1", "HTTP/1.0", asking(*ALL).replace(b"HTTP/1.1", b"HTTP/1.0"), (400, 404, 426)),
    refused("6455 10.2", "a page of another origin", asking(*ALL, b"Origin: http://other.test"), 403),
    refused(
        "6455 10.2",
        "a page of the same host and another port",
        asking(*ALL, b"Origin: http://toru.test:81"),
        403,
    ),
    refused("6455 10.2", "a page without an origin", asking(*ALL, b"Origin: null"), 403),
    refused("6455 4.2.2", "no such route", asking(*ALL, target=b"/api/plugins/route/nobody/talk"), 404),
    refused("6455 4.2.2", "no such WebSocket", asking(*ALL, target=b"<R>/nothing"), 404),
    refused(
        "6455 4.2.2", "a plugin that knows none", asking(*ALL, target=b"/api/plugins/route/echo/talk"), 501
    ),
    refused("6455 4.2.2", "one of ours", asking(*ALL, target=b"/api/events/stream"), (400, 404, 426, 501)),
    refused("6455 4.2.2", "nobody", asking(*ALL).replace(b"<G>", b"Host: toru.test\r\n"), 401),
]
