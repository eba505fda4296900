"""What a process is started with: what all need of the core, and what one start needs of its plugin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from twisted.internet.defer import DeferredSemaphore
from twisted.internet.interfaces import IReactorTime

from toru.config import PluginSettings, Supervision
from toru.model import PluginMetadata, Protocol
from toru.supervise.dial import Dial
from toru.supervise.output import LogSink
from toru.supervise.spawn import Spawner


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
    max_message_bytes: int
    run: Path
    instance_id: str
    api_url: Callable[[], str]
    socket_numbers: count[int]


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
