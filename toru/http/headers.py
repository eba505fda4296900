"""Which headers pass between a client and a plugin, both ways: pure, and one pass over each list."""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import uuid4

from toru.access.secret import holds_token
from toru.errors import ProtocolError
from toru.http.messages import Incoming
from toru.wire.headers import FIELD_VALUE, MAX_HEADER_BYTES, MAX_HEADERS, TOKEN

SESSION_COOKIE = "toru_session"
_SESSION_COOKIE = SESSION_COOKIE.encode()

# RFC 9110, 7.6.1, and the two that carry credentials for the next hop alone.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# These speak for the whole origin, which a plugin shares with the dashboard and with other plugins.
_NOT_FROM_PLUGINS = _HOP_BY_HOP | {
    "clear-site-data",
    "content-length",
    "service-worker-allowed",
    "strict-transport-security",
}
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")


def to_plugin(incoming: Incoming, prefix: str, *, trusted: bool) -> dict[str, str]:
    """The headers that a plugin gets: lower-case names, one string each.

    `prefix` is the path up to and with the plugin's route. `trusted`: the peer is a proxy whose
    `x-forwarded-*` are to be believed.
    """
    kept: dict[str, str] = {}
    named: list[str] = []
    for raw_name, raw_value in incoming.headers:
        name = raw_name.decode("iso-8859-1").lower()
        value = raw_value.decode("iso-8859-1")
        if name in _HOP_BY_HOP:
            if name == "connection":
                named += _tokens(value)
            continue
        if _is_ours(name, trusted) or (name == "authorization" and holds_token(raw_value)):
            continue
        if name == "cookie":
            value = _without_session(value)
            if not value:
                continue
        if name in kept:
            kept[name] += ("; " if name == "cookie" else ", ") + value
        else:
            kept[name] = value
    for name in named:
        kept.pop(name, None)

    peer = incoming.peer or "unknown"
    came_for = kept.get("x-forwarded-for")
    kept["x-forwarded-for"] = f"{came_for}, {peer}" if came_for else peer
    kept.setdefault("x-forwarded-proto", incoming.scheme)
    if incoming.host:
        kept.setdefault("x-forwarded-host", incoming.host)
    kept["x-forwarded-prefix"] = prefix
    if incoming.principal is not None:
        kept["x-toru-user"] = incoming.principal.name
        kept["x-toru-role"] = incoming.principal.kind
    if not _REQUEST_ID.fullmatch(kept.get("x-request-id", "")):
        kept["x-request-id"] = uuid4().hex
    return kept


def session_cookies(values: Iterable[bytes]) -> list[bytes]:
    """What the `Cookie` headers with these values hold under the name of our session cookie."""
    found = []
    for value in values:
        for pair in value.split(b";") if _SESSION_COOKIE in value else ():
            name, _, content = pair.partition(b"=")
            if name.strip(b" \t") == _SESSION_COOKIE:
                found.append(content.strip(b" \t"))
    return found


def from_plugin(headers: list[tuple[str, str]], prefix: str, *, bare: bool) -> list[tuple[bytes, bytes]]:
    """The headers of a plugin's answer that its client gets, without `content-length`.

    `bare`: the client asked for the route with no slash behind it, so that a cookie without a path
    would be taken for one of the folder above. Raises ProtocolError for what HTTP forbids.
    """
    if (
        len(headers) > MAX_HEADERS
        or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES
    ):
        raise ProtocolError(
            f"it has more than {MAX_HEADERS} headers, or more than {MAX_HEADER_BYTES:,} bytes of them"
        )
    kept: list[tuple[str, str]] = []
    named: set[str] = set()
    for raw_name, raw_value in headers:
        if not TOKEN.fullmatch(raw_name):
            raise ProtocolError(f"a header has a name that HTTP forbids: {raw_name[:100]!r}")
        if not FIELD_VALUE.fullmatch(raw_value):
            raise ProtocolError(f"the header {raw_name[:100]!r} has a value that HTTP forbids")
        name = raw_name.lower()
        if name in _NOT_FROM_PLUGINS:
            if name == "connection":
                named.update(_tokens(raw_value))
            continue
        value = raw_value.strip(" \t")
        if name == "set-cookie":
            value = _confined(value, prefix, bare)
            if not value:
                continue
        kept.append((name, value))
    return [(name.encode("ascii"), value.encode("iso-8859-1")) for name, value in kept if name not in named]


def _tokens(value: str) -> list[str]:
    return [token.strip(" \t").lower() for token in value.split(",")]


def _is_ours(name: str, trusted: bool) -> bool:
    # A plugin behind CGI or WSGI cannot tell `x_toru_role` from `x-toru-role`.
    plain = name.replace("_", "-")
    if plain.startswith("x-toru-"):
        return True
    return plain.startswith("x-forwarded-") and not (trusted and plain == name)


def _cookie_name(pair: str) -> str:
    # Browsers send a cookie that was set with an empty name as its bare value, so that `=toru_session=x`
    # would come back as `toru_session=x`.
    return pair.lstrip(" \t=").partition("=")[0].rstrip(" \t")


def _without_session(value: str) -> str:
    if SESSION_COOKIE not in value:
        return value
    pairs = [pair.strip(" \t") for pair in value.split(";")]
    return "; ".join(pair for pair in pairs if pair and _cookie_name(pair) != SESSION_COOKIE)


def _confined(value: str, prefix: str, bare: bool) -> str:
    pair, *attributes = value.split(";")
    if _cookie_name(pair) == SESSION_COOKIE:
        return ""
    kept = [pair]
    has_path = False
    for attribute in attributes:
        name, _, content = attribute.partition("=")
        match name.strip(" \t").lower():
            case "domain":
                continue
            case "path":
                has_path = True
                path = content.strip(" \t")
                kept.append(
                    attribute if path == prefix or path.startswith(f"{prefix}/") else f" Path={prefix}"
                )
            case _:
                kept.append(attribute)
    if bare and not has_path:
        kept.append(f" Path={prefix}")
    return ";".join(kept)
