"""A site whose connections are in memory, and whose time is a test's own."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection

from toru.http.front import Networks
from toru.http.site import Site, make_site

from .fakes import FakePlugins, doors_of, unrecorded

# Bytes of a request's body that are taken in.
LIMIT = 1000


def on_a_clock(
    tmp_path: Path,
    plugins: FakePlugins,
    trusted_proxies: Networks = (),
    clock: Clock | None = None,
    **settings: Any,
) -> tuple[Clock, Site, StringTransportWithDisconnection]:
    """A site, and a connection to it. `settings` are arguments of `make_site`."""
    clock = clock or Clock()
    site = make_site(
        clock,
        plugins,
        plugins_folder=tmp_path,
        max_body_bytes=LIMIT,
        trusted_proxies=trusted_proxies,
        in_thread=lambda work: succeed(work()),
        accounts=cast(Any, None),
        # The time of the doors is not that of the connections.
        **{"doors": doors_of(Clock(), None)[0], **unrecorded(clock), **settings},
    )
    return clock, site, connected(site)


def connected(site: Site, peer: str = "192.0.2.7") -> StringTransportWithDisconnection:
    """Another connection."""
    address = IPv4Address("TCP", peer, 12345)
    transport = StringTransportWithDisconnection(peerAddress=address)
    transport.protocol = site.buildProtocol(address)
    transport.protocol.makeConnection(transport)
    return transport
