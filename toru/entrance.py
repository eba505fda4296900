"""Everything by which toru knows who comes in, put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from toru.access.admin import MadeUp, settle_admin
from toru.access.doors import Doors
from toru.access.passwords import Hasher, Passwords
from toru.access.secret import PluginTokens
from toru.access.throttle import WINDOW
from toru.store.accounts import Accounts
from toru.store.accounttable import AdminAccount, Keys, read_keys, recent_failures
from toru.store.database import Database


class Entrance:
    """The doors, and what is behind them."""

    _log = Logger(namespace="toru")

    def __init__(self, reactor: Any, database: Database, environ: Mapping[str, str]) -> None:
        # Any: Twisted has no one interface for a reactor with a clock that takes calls from threads.
        self._reactor = reactor
        self._database = database
        self._environ = environ
        self._hasher = Hasher()
        self._passwords = Passwords(reactor, self._hasher)
        self.accounts = Accounts(database, reactor)
        self.plugin_tokens = PluginTokens()
        self.doors = Doors(reactor, self.accounts, self._passwords, self.plugin_tokens)

    def open(self) -> None:
        """Blocks: opens the database too. Raises StartError, and then leaves it closed."""
        self._database.open()
        try:
            made_up, keys, failures = self._database.at_start(self._settle)
        except BaseException:
            # Its threads would keep the program from ending.
            self._database.give_up()
            raise
        if made_up is not None:
            self._log.info(
                "made an admin account, and this is the only time that its password is shown: "
                "sign in as {username} with {password}",
                username=made_up.username,
                password=made_up.password.reveal(),
            )
        self._passwords.start()
        self.doors.start(keys, failures)

    def close(self) -> Deferred[None]:
        """Fires once the hashes under way are done. The database is left open."""
        self.doors.stop()
        return deferToThread(self._passwords.stop)

    def _settle(self, connection: Connection) -> tuple[MadeUp | None, Keys, list[tuple[str, str, float]]]:
        now = self._reactor.seconds()
        made_up = settle_admin(
            AdminAccount(connection, now),
            self._hasher,
            self._environ.get("TORU_ADMIN_USERNAME"),
            self._environ.get("TORU_ADMIN_PASSWORD"),
        )
        return made_up, read_keys(connection, now), recent_failures(connection, now - WINDOW)
