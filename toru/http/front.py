"""How a request came in: over what, and from where, also through proxies that are trusted. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

Headers = Iterable[tuple[bytes, bytes]]
Networks = Sequence[IPv4Network | IPv6Network]


class Front(NamedTuple):
    """The client's address (empty where it has none), `http` or `https`, and the host that it asked for."""

    address: str
    scheme: str
    host: str


def seen_from_outside(front: Front, headers: Headers, trusted: Networks) -> Front:
    """What the client saw of us, and we of it; `front` is what the connection says, `trusted` where proxies are."""
    if not trusts(trusted, front.address):
        return front
    told = _told(headers)
    address = front.address
    # The nearest comes last; what an untrusted one told of those before it may be made up.
    for hop in reversed(told.get(b"x-forwarded-for", [])):
        if _parsed(hop) is None:
            break
        address = hop
        if not trusts(trusted, hop):
            break
    scheme = told.get(b"x-forwarded-proto", [front.scheme])[0].lower()
    return Front(
        address,
        scheme if scheme in ("http", "https") else front.scheme,
        told.get(b"x-forwarded-host", [front.host])[0],
    )


def trusts(trusted: Networks, peer: str) -> bool:
    """Whether a peer with this address is a proxy whose `x-forwarded-*` are to be believed."""
    address = _parsed(peer) if trusted else None
    return address is not None and any(address in network for network in trusted)


def _told(headers: Headers) -> dict[bytes, list[str]]:
    found: dict[bytes, list[str]] = {}
    for name, value in headers:
        if name.lower().startswith(b"x-forwarded-"):
            values = [each.strip() for each in value.decode("iso-8859-1").split(",")]
            found.setdefault(name.lower(), []).extend(values)
    return found


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
