"""What the plugins' processes cost: sampled on a thread, read at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

import psutil
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.model import Figures, PluginStatus, Usage

SAMPLE_SECONDS = 2.0
# How far back a plugin's figures are kept.
HISTORY_SECONDS = 600.0

Sample = dict[int, Usage]


class UsageSampler:
    """Looks at every process each two seconds. The first figure for a process is there after the second look."""

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        in_thread: Callable[[Callable[[], Sample]], Deferred[Sample]],
        pids: Callable[[], Sequence[int]],
        sampled: Callable[[], None] = lambda: None,
    ) -> None:
        """`pids` names the processes to look at; `sampled` is called after each look."""
        self._in_thread = in_thread
        self._pids = pids
        self._sampled = sampled
        self._processes: dict[int, psutil.Process] = {}
        self._latest: Sample = {}
        self._loop = LoopingCall(self._sample)
        self._loop.clock = clock

    def start(self) -> None:
        """Sample from now on."""
        self._loop.start(SAMPLE_SECONDS)

    def stop(self) -> None:
        """No more samples."""
        if self._loop.running:
            self._loop.stop()

    def __call__(self, pid: int) -> Usage | None:
        """The latest sample of that process; None where there is none yet."""
        return self._latest.get(pid)

    def _sample(self) -> Deferred[None]:
        pids = self._pids()
        return self._in_thread(lambda: self._look(pids)).addCallback(self._keep).addErrback(self._failed)

    def _keep(self, sample: Sample) -> None:
        self._latest = sample
        self._sampled()

    def _failed(self, failure: Failure) -> None:
        self._log.failure("processes could not be sampled", failure)

    def _look(self, pids: Sequence[int]) -> Sample:
        """On the thread, which alone touches `_processes`."""
        known, self._processes = self._processes, {}
        sample: Sample = {}
        for pid in pids:
            try:
                process = known.get(pid) or psutil.Process(pid)
                self._processes[pid] = process
                with process.oneshot():
                    cpu = process.cpu_percent()
                    memory = process.memory_info().rss
            except psutil.Error:
                continue
            if pid in known:  # the share of the CPU is one since the look before
                sample[pid] = Usage(cpu_percent=round(cpu, 1), rss_bytes=memory)
        return sample


class UsageHistory:
    """The figures of the last ten minutes, of each plugin that there is."""

    def __init__(self) -> None:
        self._kept: dict[str, deque[Figures]] = {}

    def add(self, timestamp: str, plugins: Iterable[PluginStatus]) -> Mapping[str, Figures]:
        """Take the figures of all plugins, and forget those that there are no more. Gives them by id."""
        before, self._kept = self._kept, {}
        latest = {}
        for plugin in plugins:
            latest[plugin.id] = Figures(timestamp, plugin.usage, plugin.traffic)
            kept = before.get(plugin.id)
            if kept is None:
                kept = deque(maxlen=int(HISTORY_SECONDS / SAMPLE_SECONDS))
            kept.append(latest[plugin.id])
            self._kept[plugin.id] = kept
        return latest

    def of(self, id: str) -> Sequence[Figures]:
        """What there is of a plugin, oldest first."""
        return tuple(self._kept.get(id, ()))
