"""Everything that is remembered beside accounts: logs, events, what plugins store, and what webhooks are to be told."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from toru.config import Config
from toru.errors import ToruError
from toru.store.database import Database
from toru.store.deliveries import Deliveries
from toru.store.events import Events
from toru.store.kv import KeyValues
from toru.store.livefeed import LiveFeed
from toru.store.logfiles import LogFiles
from toru.store.logs import Logs
from toru.webhooks import TreqPost, Webhooks

# Seconds between two looks for keys whose time is over.
_PRUNE_SECONDS = 60.0


class Memory:
    """The parts, and the order in which they begin and end."""

    _log = Logger()

    def __init__(self, reactor: Any, config: Config, database: Database) -> None:
        # Any: Twisted has no one interface for a reactor that can do everything.
        self._pool = ThreadPool(1, 1, name="toru-logs")
        self._files = LogFiles(reactor, reactor, config.logs, self._pool)
        self.feed = LiveFeed()
        self.logs = Logs(database, reactor, config.log_limits, self._files, self.feed)
        self.values = KeyValues(database, reactor, config.kv_limits)
        self.deliveries = Deliveries(database)
        self.webhooks = Webhooks(config.webhooks, self.deliveries, reactor, TreqPost(reactor))
        self.events = Events(database, self._files, self.feed, self.webhooks)
        self._pruning = LoopingCall(
            lambda: Deferred.fromCoroutine(self._prune()).addErrback(self._not_pruned)
        )
        self._pruning.clock = reactor

    def start(self) -> None:
        """Take what comes from now on. The database is open."""
        self._pool.start()
        self.logs.start()
        self.webhooks.start()
        self._pruning.start(_PRUNE_SECONDS)

    async def stop(self) -> None:
        """Write what was given. The database must still be open."""
        self._pruning.stop()
        await self.webhooks.stop()
        await self.logs.close()
        await self._files.close()
        self._pool.stop()

    async def _prune(self) -> None:
        try:
            while await self.values.prune():
                pass
        except ToruError:
            # The database says so itself, and there is a next time.
            return

    def _not_pruned(self, failure: Failure) -> None:
        # There is a next time after an error of our own as well, and an end in order.
        self._log.failure("keys whose time is over could not be removed", failure)
