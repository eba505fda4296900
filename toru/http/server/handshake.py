"""The opening handshake of a WebSocket (RFC 6455, 4). Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from wsproto.utilities import generate_accept_token

from toru.errors import BadRequest, UpgradeRequired
from toru.http.server.deflate import Agreement, agree
from toru.http.server.head import Head

VERSION = b"13"
# 16 bytes in base64.
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Handshake(NamedTuple):
    """What a client asked for. `subprotocols` are in its order, `deflate` how messages may be compressed."""

    key: bytes
    subprotocols: list[str]
    deflate: Agreement | None

    def accepted(self, subprotocol: str | None) -> bytes:
        """The headers of the answer that opens the WebSocket, as lines."""
        lines = (
            b"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: %s\r\n"
            % generate_accept_token(self.key)
        )
        if subprotocol is not None:
            lines += b"sec-websocket-protocol: %s\r\n" % subprotocol.encode("ascii")
        if self.deflate is not None:
            lines += b"sec-websocket-extensions: %s\r\n" % self.deflate.said
        return lines


def read(head: Head) -> Handshake:
    """Raises BadRequest or UpgradeRequired."""
    fields = head.fields
    if head.method != "GET" or head.version != "1.1" or not head.upgrades:
        raise BadRequest(
            "A WebSocket is opened by GET in HTTP/1.1 with the headers `Upgrade: websocket` and `Connection: Upgrade`."
        )
    if fields.all(b"sec-websocket-version") != [VERSION]:
        raise UpgradeRequired("WebSockets are spoken here in version 13: say so in `Sec-WebSocket-Version`.")
    keys = fields.all(b"sec-websocket-key")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise BadRequest("The header `Sec-WebSocket-Key` has to be there once, with 16 bytes in base64.")
    offers = b",".join(fields.all(b"sec-websocket-extensions"))
    return Handshake(keys[0], _subprotocols(fields.all(b"sec-websocket-protocol")), agree(offers))


def _subprotocols(values: list[bytes]) -> list[str]:
    offered = [each.strip(b" \t") for each in b",".join(values).split(b",")] if values else []
    if not all(_TOKEN.fullmatch(each) for each in offered):
        raise BadRequest("The header `Sec-WebSocket-Protocol` is no list of names.")
    return [each.decode("ascii") for each in offered]
