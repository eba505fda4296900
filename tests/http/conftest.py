"""A face that listens on a port of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_twisted
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.threads import deferToThread

from toru.http.site import make_site
from toru.store.accounts import Accounts
from toru.store.database import Database

from .fakes import Door, FakePlugins, conforms, doors_of, status, unrecorded
from .keeping import Kept, make_kept


async def _door(tmp_path: Path) -> AsyncIterator[Door]:
    plugins = FakePlugins(status("hello"), status("asleep", enabled=False, state="disabled", running=False))
    accounts = Accounts(Database(f"sqlite:///{tmp_path}/toru.db", reactor), reactor)
    doors, _ = doors_of(reactor, accounts)
    site = make_site(
        reactor,
        conforms(plugins),
        plugins_folder=tmp_path,
        max_body_bytes=1000,
        trusted_proxies=(),
        in_thread=deferToThread,
        doors=doors,
        accounts=accounts,
        **unrecorded(reactor),
    )
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(site)
    yield Door(plugins, site, tmp_path, port.getHost().port)
    site.begin_stop()
    await site.drained()
    await port.stopListening()
    doors.stop()


# Called and not used as a decorator: it has no types.
door = pytest_twisted.async_yield_fixture(name="door")(_door)


async def _kept(tmp_path: Path) -> AsyncIterator[Kept]:
    async for kept in make_kept(tmp_path):
        yield kept


kept = pytest_twisted.async_yield_fixture(name="kept")(_kept)
