"""Notices what happens to `*.binary` files in the plugins folder, once each of them has come to rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorFDSet, IReactorTime
from twisted.logger import Logger
from twisted.python.filepath import FilePath

from toru.supervise.discovery import is_plugin_name

# Seconds without any event after which a file counts as complete.
SETTLE = 0.3
# Files that settle within this many seconds of each other are told of together.
TOGETHER = 0.02
# Seconds between two tries to watch a folder that went away.
RETRY = 1.0

# From <sys/inotify.h>. Twisted has the names too, in a module that cannot be imported where there is no inotify.
MODIFY = 0x2
ATTRIB = 0x4
CLOSE_WRITE = 0x8
MOVED_FROM = 0x40
MOVED_TO = 0x80
CREATE = 0x100
DELETE = 0x200
DELETE_SELF = 0x400
MOVE_SELF = 0x800
UNMOUNT = 0x2000
OVERFLOW = 0x4000
IGNORED = 0x8000
ONLYDIR = 0x1000000

_WATCHED = (
    MODIFY
    | ATTRIB
    | CLOSE_WRITE
    | MOVED_FROM
    | MOVED_TO
    | CREATE
    | DELETE
    | DELETE_SELF
    | MOVE_SELF
    | ONLYDIR
)
_FOLDER_GONE = DELETE_SELF | MOVE_SELF | UNMOUNT | IGNORED
# After these there is no writer, or none that has this name open: what was copied is complete or elsewhere.
_REPLACED = CLOSE_WRITE | MOVED_FROM | MOVED_TO | DELETE
_OVERFLOW_WATCH = 0xFFFFFFFF


class Settling:
    """Which files are still changing, and when all of those that are not should be looked at.

    A file settles 300 ms after its last event. One that somebody writes to does not settle before they
    close it, however long that takes, and delays no other.
    """

    def __init__(self, clock: IReactorTime, settled: Callable[[], None]) -> None:
        """`settled` is called after one file or several have settled."""
        self._clock = clock
        self._settled = settled
        self._timer: IDelayedCall | None = None
        # In the order in which they are due, because each event puts its file at the end.
        self._due: dict[str, float] = {}
        self._written: set[str] = set()
        self._lost = False

    def happened(self, name: str, mask: int) -> None:
        """Take in an event of inotify, which needs no particular order."""
        if mask & _REPLACED:
            self._written.discard(name)
        self._due.pop(name, None)
        if mask & MODIFY:
            self._written.add(name)
        elif name not in self._written:
            self._due[name] = self._clock.seconds() + SETTLE
            self._wait()

    def events_were_lost(self, names: Iterable[str]) -> None:
        """Look at everything, once these files, and those that were on their way, have settled.

        Whoever still writes to one of them will be heard of again.
        """
        self._lost = True
        for name in {*names, *self._due, *self._written}:
            self.happened(name, CLOSE_WRITE)
        self._wait()

    def unsettled(self, by_hand: bool) -> frozenset[str]:
        """The files to leave alone: those being written, and unless somebody asked by hand all that change."""
        return frozenset(self._written if by_hand else (*self._written, *self._due))

    def stop(self) -> None:
        """Leave no timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self._clock.callLater(SETTLE, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        settled = [name for name, due in self._due.items() if due <= now]
        for name in settled:
            del self._due[name]
        if self._due:
            earliest = next(iter(self._due.values()))
            self._timer = self._clock.callLater(max(earliest - now, TOGETHER), self._look)
        if settled or self._lost:
            self._lost = False
            self._settled()


class FolderWatch:
    """Watches one folder with inotify, and finds it again where somebody removes it and makes it anew."""

    _log = Logger()

    def __init__(
        self, reactor: IReactorFDSet, clock: IReactorTime, folder: Path, settled: Callable[[], None]
    ) -> None:
        """`settled` is called when the folder should be looked at."""
        self._reactor = reactor
        self._clock = clock
        self._folder = folder
        self._settling = Settling(clock, settled)
        # Any: Twisted's module has no types, and cannot be imported where there is no inotify.
        self._notifier: Any = None
        self._retry: IDelayedCall | None = None
        self._missing = False

    def start(self) -> None:
        """Watch from now on. Where that cannot be done, a log line says so, and looking by hand remains."""
        try:
            inotify: Any = import_module("twisted.internet.inotify")
        except ImportError:
            self._unwatched("this system has no inotify")
            return
        try:
            notifier = inotify.INotify(self._reactor)
        except inotify.INotifyError:
            self._unwatched("the system has no inotify instance left: raise fs.inotify.max_user_instances")
            return
        try:
            watch = notifier.watch(FilePath(os.fsencode(self._folder)), _WATCHED, callbacks=[self._happened])
        except inotify.INotifyError:
            notifier.loseConnection()
            if self._folder.is_dir():
                self._unwatched("the system has no inotify watch left: raise fs.inotify.max_user_watches")
            else:
                self._come_back_later()
            return
        # Twisted drops the overflow event, because it belongs to no watch.
        notifier._watchpoints[_OVERFLOW_WATCH] = notifier._watchpoints[watch]
        notifier.startReading()
        self._notifier = notifier

    def stop(self) -> None:
        """Leave no timer and no file descriptor."""
        self._settling.stop()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._close()

    def unsettled(self, by_hand: bool) -> frozenset[str]:
        """The names to leave alone for now; by hand, only those that somebody is writing to."""
        return self._settling.unsettled(by_hand)

    def _unwatched(self, why: str) -> None:
        self._log.warn(
            "changes in the plugins folder go unnoticed until somebody asks for a rescan: {why}", why=why
        )

    def _happened(self, _watch: object, path: FilePath[bytes], mask: int) -> None:
        # Nothing may be raised in here: the reactor would end the watch without a word to us.
        if mask & OVERFLOW:
            self._log.warn("too many changes in the plugins folder at once: looking at all of it")
            self._settling.events_were_lost(self._names())
        elif mask & _FOLDER_GONE:
            if self._notifier is not None:
                self._log.warn("the plugins folder was removed or renamed: waiting for it to come back")
                self._close()
                self._come_back_later()
        else:
            name = os.fsdecode(path.basename())
            if is_plugin_name(name):
                self._settling.happened(name, mask)

    def _come_back_later(self) -> None:
        # It is not made again here: `mv new plugins` would then move the new folder into ours.
        self._retry = self._clock.callLater(RETRY, self._come_back)

    def _come_back(self) -> None:
        self._retry = None
        self.start()
        if self._notifier is not None or not self._missing:
            self._settling.events_were_lost(self._names())
        self._missing = self._notifier is None

    def _names(self) -> list[str]:
        try:
            return [name for name in os.listdir(self._folder) if is_plugin_name(name)]
        except OSError:
            return []

    def _close(self) -> None:
        notifier, self._notifier = self._notifier, None
        if notifier is not None:
            notifier.loseConnection()
