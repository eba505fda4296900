"""Which headers pass between a client and a plugin, both ways: pure, and one pass over each list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from functools import lru_cache
from itertools import count
from secrets import token_hex

from toru.access.secret import holds_token
from toru.errors import ProtocolError
from toru.http.front import Front
from toru.model import Principal
from toru.wire.headers import FIELD_VALUE, MAX_HEADER_BYTES, MAX_HEADERS, TOKEN
from toru.wire.messages import REQUEST_ID

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
_GOOD_ID = re.compile(r"[\x21-\x7e]{1,128}")
# Ids of requests differ between all cores that there are, and nobody has to be unable to guess them.
_RUN = token_hex(8)
_numbers = count(1)


def passed_on(fields: Iterable[tuple[bytes, bytes]], front: Front, *, trusted: bool) -> dict[str, str]:
    """What of a client's headers a plugin gets, whichever it is: lower-case names, one string each.

    `fields` have lower-case names; `front` is how the connection itself says that the request came in. `trusted`: the
    peer is a proxy whose `x-forwarded-*` are to be believed.
    """
    kept: dict[str, str] = {}
    named: list[str] = []
    for raw_name, raw_value in fields:
        name, kind = _kind(raw_name)
        value = raw_value.decode("iso-8859-1")
        if kind is not _Kind.PLAIN:
            if kind is _Kind.DROPPED or (kind is _Kind.FORWARDED and not trusted):
                continue
            if kind is _Kind.CONNECTION:
                named += _tokens(value)
                continue
            if kind is _Kind.AUTHORIZATION and holds_token(raw_value):
                continue
            if kind is _Kind.COOKIE:
                value = _without_session(value)
                if not value:
                    continue
        if name in kept:
            kept[name] += ("; " if kind is _Kind.COOKIE else ", ") + value
        else:
            kept[name] = value
    for name in named:
        kept.pop(name, None)

    peer = front.address or "unknown"
    came_for = kept.get("x-forwarded-for")
    kept["x-forwarded-for"] = f"{came_for}, {peer}" if came_for else peer
    kept.setdefault("x-forwarded-proto", front.scheme)
    if front.host:
        kept.setdefault("x-forwarded-host", front.host)
    if not _GOOD_ID.fullmatch(kept.get(REQUEST_ID, "")):
        kept.pop(REQUEST_ID, None)
    return kept


def to_plugin(passed: dict[str, str], prefix: str, principal: Principal | None) -> dict[str, str]:
    """The headers of a request for one plugin: what is `passed_on`, and what we say of it, but for its id.

    `prefix` is the path up to and with the plugin's route.
    """
    headers = passed.copy()
    headers["x-forwarded-prefix"] = prefix
    if principal is not None:
        headers["x-toru-user"] = principal.name
        headers["x-toru-role"] = principal.kind
    return headers


def new_request_id() -> str:
    """The id of a request whose client gave it none."""
    return f"{_RUN}{next(_numbers):016x}"


def session_cookies(values: Iterable[bytes]) -> list[bytes]:
    """What the `Cookie` headers with these values hold under the name of our session cookie."""
    found = []
    for value in values:
        for pair in value.split(b";") if _SESSION_COOKIE in value else ():
            name, _, content = pair.partition(b"=")
            if name.strip(b" \t") == _SESSION_COOKIE:
                found.append(content.strip(b" \t"))
    return found


def from_plugin(headers: Sequence[tuple[str, str]], prefix: str, *, bare: bool) -> bytes:
    """The headers of a plugin's answer that its client gets, as lines, without `content-length`.

    `bare`: the client asked for the route with no slash behind it, so that a cookie without a path
    would be taken for one of the folder above. Raises ProtocolError for what HTTP forbids.
    """
    if (
        len(headers) > MAX_HEADERS
        or sum([len(name) + len(value) for name, value in headers]) > MAX_HEADER_BYTES
    ):
        raise ProtocolError(
            f"it has more than {MAX_HEADERS} headers, or more than {MAX_HEADER_BYTES:,} bytes of them"
        )
    kept: list[tuple[str, str]] = []
    named: set[str] = set()
    for raw_name, raw_value in headers:
        name, passes = _name_from_plugin(raw_name)
        if not FIELD_VALUE.fullmatch(raw_value):
            raise ProtocolError(f"the header {raw_name[:100]!r} has a value that HTTP forbids")
        if not passes:
            if name == "connection":
                named.update(_tokens(raw_value))
            continue
        value = raw_value.strip(" \t")
        if name == "set-cookie":
            value = _confined(value, prefix, bare)
            if not value:
                continue
        kept.append((name, value))
    if named:
        kept = [field for field in kept if field[0] not in named]
    return "".join([f"{name}: {value}\r\n" for name, value in kept]).encode("iso-8859-1")


@lru_cache(maxsize=512)
def _name_from_plugin(raw_name: str) -> tuple[str, bool]:
    """In lower case, and whether a header of that name may pass. Raises ProtocolError."""
    if not TOKEN.fullmatch(raw_name):
        raise ProtocolError(f"a header has a name that HTTP forbids: {raw_name[:100]!r}")
    name = raw_name.lower()
    return name, name not in _NOT_FROM_PLUGINS


def _tokens(value: str) -> list[str]:
    return [token.strip(" \t").lower() for token in value.split(",")]


class _Kind(Enum):
    """What becomes of a client's header."""

    PLAIN = auto()
    DROPPED = auto()
    CONNECTION = auto()
    FORWARDED = auto()
    AUTHORIZATION = auto()
    COOKIE = auto()


_KINDS = {
    "connection": _Kind.CONNECTION,
    "authorization": _Kind.AUTHORIZATION,
    "cookie": _Kind.COOKIE,
    **dict.fromkeys(_HOP_BY_HOP - {"connection"}, _Kind.DROPPED),
}


# Names come again and again; one that somebody makes up pushes another out.
@lru_cache(maxsize=512)
def _kind(raw_name: bytes) -> tuple[str, _Kind]:
    name = raw_name.decode("iso-8859-1")
    # A plugin behind CGI or WSGI cannot tell `x_toru_role` from `x-toru-role`.
    plain = name.replace("_", "-")
    if plain.startswith("x-toru-"):
        return name, _Kind.DROPPED
    if plain.startswith("x-forwarded-"):
        return name, _Kind.FORWARDED if plain == name else _Kind.DROPPED
    return name, _KINDS.get(name, _Kind.PLAIN)


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
