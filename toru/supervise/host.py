"""What a process is started with: what all need of the core, and what one start needs of its plugin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Protocol as Interface

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import IReactorTime

from toru.config import PluginSettings, Supervision
from toru.model import PluginMetadata, Protocol
from toru.supervise.dial import Dial
from toru.supervise.output import LogSink
from toru.supervise.sharing import Sharing
from toru.supervise.spawn import Spawner
from toru.supervise.streampool import Room


class Tokens(Interface):
    """What processes show when they call toru."""

    def issue(self, plugin_id: str, /) -> str:
        """A new token for a process of that plugin."""

    def revoke(self, token: str, /) -> None:
        """It is worth nothing from now on."""


class Tail(Interface):
    """Reads what a plugin appends to its own log file: `toru.supervise.logtail`."""

    def start(self) -> None:
        """From now on."""

    def flush(self) -> Deferred[None]:
        """Nobody writes now: read the rest. Fires when that is safe."""

    def stop(self) -> Deferred[None]:
        """The same, and look no more."""


@dataclass(frozen=True)
class Host:
    """What every process needs of the core. One for the whole core."""

    clock: IReactorTime
    spawner: Spawner
    dial: Dial
    sink: LogSink
    starting: DeferredSemaphore
    supervision: Supervision
    request_timeout: float
    stream_idle_timeout: float
    max_message_bytes: int
    streams: Room
    run: Path
    instance_id: str
    api_url: Callable[[], str]
    socket_numbers: count[int]
    tokens: Tokens
    sharing: Sharing | None
    """Where there are other processes that ask plugins."""
    tail: Callable[[str, Callable[[], int | None]], Tail]
    """Makes one for the plugin with that id, whose process has the pid that the second gives."""


@dataclass(frozen=True)
class Recipe:
    """What one start of a plugin needs: what runs, how, and in which framings it may be spoken to.

    `framings` are tried in that order where `probe` is set; else there is one, and it is known.
    """

    path: Path
    metadata: PluginMetadata
    settings: PluginSettings
    framings: tuple[Protocol, ...]
    probe: bool
