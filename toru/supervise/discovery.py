"""Looks at the plugins folder, asks each executable in it what it is, and publishes what follows.

A file goes from the queue (`_queue`) to being asked (`_asking`) to being known (`_known`), perhaps by way
of being held back (`_held`) for an earlier-named file that may turn out to have the same id or route.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from msgspec.structs import replace
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.errors import InvalidMetadata
from toru.model import PluginMetadata, Protocol
from toru.supervise.registry import Decision, Found, Stamp, decide, shown
from toru.supervise.remembered import InThread, Remembered
from toru.wire.metadata import parse_metadata

# Seconds after which a file that was asked holds nobody back any more: neither the results of
# later-named files, nor the files that wait to be asked.
PATIENCE = 0.5
# How many files may be asked at once when most of them hang, in multiples of `max_asking`.
CROWD = 4
# How often a file that changes while it is asked is asked again.
MOST_TRIES = 3


def is_plugin_name(name: str) -> bool:
    """Whether a file of this name is meant as a plugin.

    Names with a dot in front are the temporary names of editors and rsync.
    """
    return name.endswith(".binary") and not name.startswith(".")


def examine(folder: Path, name: str) -> Stamp | str | None:
    """What can be said of a file without running it: its version, why it is no plugin, or None if it is gone."""
    path = folder / name
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8: rename it"
    try:
        # Only a symlink can lead out of the folder.
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            return "it is a link that leads out of the plugins folder: copy the file there instead"
        status = path.stat()
    except FileNotFoundError:
        return "it is a link to a file that is not there" if path.is_symlink() else None
    except (OSError, RuntimeError) as error:
        # Before Python 3.13 a loop of links is a RuntimeError.
        return (
            f"it cannot be examined: {error.strerror if isinstance(error, OSError) else 'links in a circle'}"
        )
    if S_ISDIR(status.st_mode):
        return "it is a folder: a plugin is an executable file"
    if not S_ISREG(status.st_mode):
        return "it is not a regular file: a plugin is an executable file"
    if not os.access(path, os.X_OK):
        return "it is not executable for the user that runs toru: chmod +x it"
    return Stamp(status.st_size, status.st_mtime_ns)


@dataclass(eq=False)
class _Asked:
    """A file that was asked and has not answered. `tries` counts the times before, `crowded` that more
    than `max_asking` were asked with it."""

    stamp: Stamp
    tries: int
    timer: IDelayedCall
    answer: Deferred[bytes] = field(default_factory=Deferred)
    overdue: bool = False
    crowded: bool = False


class Discovery:
    """What the plugins folder holds. `decision` is what was published last.

    Bad answers are remembered until the file changes or somebody asks for them again, good ones in
    `cache` too, across restarts. While a changed file is asked, or is not settled, its last answer
    stands; one that turns out good later than a later-named file's is waited for at most 500 ms.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        folder: Path,
        cache: Path,
        clock: IReactorTime,
        ask: Callable[[Path], Deferred[bytes]],
        max_asking: int,
        in_thread: InThread,
        unsettled: Callable[[bool], frozenset[str]],
        publish: Callable[[Decision, Decision], None],
    ) -> None:
        """Reads `cache`, and does nothing else until the first `look`.

        `ask` runs `--metadata` of an absolute path; it sets the limits on time and size, fails with
        InvalidMetadata where they are broken, and can be cancelled. `unsettled` tells which names to
        leave as they are for now, given whether somebody asked by hand. `publish` gets the decision
        before and the one now, whenever they differ.
        """
        self.decision = Decision()
        self._folder = folder.absolute()
        self._clock = clock
        self._ask = ask
        self._max_asking = max_asking
        self._unsettled = unsettled
        self._publish = publish
        self._remembered = Remembered(cache, clock, in_thread)
        self._refused: dict[str, tuple[Stamp, str]] = {}
        self._queue: dict[str, int] = {}
        self._asking: dict[str, _Asked] = {}
        self._held: dict[str, tuple[Found, set[str]]] = {}
        self._known: dict[str, Found | str] = {}
        self._waiting: set[Deferred[Decision]] = set()
        self._starting = False
        self._stopped = False

    def look(self, *, again: bool = False) -> Deferred[Decision]:
        """Look at the folder now. Fires with the decision once every file is known.

        `again`: by hand, so that files that were bad are asked again too.
        """
        if not self._stopped:
            # What is recalled is not held back by what is asked now: it was a plugin the last time too.
            for name, answer in self._scan(again).items():
                self._settle(name, answer)
            self._proceed()
        if self._stopped or self._idle():
            return succeed(self.decision)
        waiter: Deferred[Decision] = Deferred(self._waiting.discard)
        self._waiting.add(waiter)
        return waiter

    def remember_framing(self, path: Path, stamp: Stamp, framing: Protocol) -> None:
        """Keep what probing found for this version of the file. Nothing is published for it."""
        found = self._remembered.get(path, stamp)
        if found is None:
            return
        probed = replace(found, framing=framing)
        self._remembered.put(probed)
        if self._known.get(path.name) == found:
            self._known[path.name] = probed
        if self.decision.plugins.get(found.metadata.id) == found:
            self.decision = replace(
                self.decision, plugins={**self.decision.plugins, found.metadata.id: probed}
            )

    def stop(self) -> Deferred[None]:
        """Cancel all that is going on. Fires when what was learned is saved; no timer is left."""
        self._stopped = True
        self._queue.clear()
        for name in list(self._asking):
            self._withdraw(name)
        while self._waiting:
            self._waiting.pop().cancel()
        return self._remembered.stop()

    def _scan(self, again: bool) -> dict[str, Found | str]:
        """Queue what has to be asked, forget what is gone; returns what is known without asking."""
        try:
            names = {name for name in os.listdir(self._folder) if is_plugin_name(name)}
        except FileNotFoundError:
            self._log.warn("the plugins folder is not there: make it again")
            names = set()
        except OSError as error:
            # No reason to stop plugins that run.
            self._log.error("the plugins folder cannot be read: {error}", error=error.strerror)
            return {}
        unsettled = self._unsettled(again)
        present = names | unsettled
        for name in {*self._known, *self._held, *self._asking, *self._queue} - present:
            self._forget(name)
        self._remembered.keep({self._folder / name for name in present})
        recalled: dict[str, Found | str] = {}
        for name in names - unsettled:
            stamp = examine(self._folder, name)
            if not isinstance(stamp, Stamp):
                self._withdraw(name)
                self._judge(name, stamp)
                continue
            if again:
                self._refused.pop(name, None)
            answer = self._recall(name, stamp)
            if answer is not None:
                self._withdraw(name)
                recalled[name] = answer
            elif name not in self._asking or self._asking[name].stamp != stamp:
                self._withdraw(name)
                self._queue[name] = 0
        return recalled

    def _recall(self, name: str, stamp: Stamp) -> Found | str | None:
        refused = self._refused.get(name)
        if refused is not None and refused[0] == stamp:
            return refused[1]
        return self._remembered.get(self._folder / name, stamp)

    def _start(self) -> None:
        # An answer may be there at once; then the loop that is running already goes on.
        if self._starting:
            return
        self._starting = True
        try:
            while (name := self._next()) is not None:
                self._ask_one(name)
        finally:
            self._starting = False

    def _next(self) -> str | None:
        """The file to ask now, if any: in order of names, those that get a second chance last."""
        if not self._queue:
            return None
        tries, name = min((tries, name) for name, tries in self._queue.items())
        if tries:
            room = len(self._asking) < self._max_asking
        else:
            prompt = sum(not asked.overdue for asked in self._asking.values())
            room = prompt < self._max_asking and len(self._asking) < CROWD * self._max_asking
        return name if room else None

    def _ask_one(self, name: str) -> None:
        tries = self._queue.pop(name)
        stamp = examine(self._folder, name)
        if not isinstance(stamp, Stamp):
            self._judge(name, stamp)
            return
        asked = _Asked(stamp, tries, self._clock.callLater(PATIENCE, self._lose_patience, name))
        self._asking[name] = asked
        if len(self._asking) > self._max_asking:
            for each in self._asking.values():
                each.crowded = True
        asked.answer = maybeDeferred(self._ask, self._folder / name)
        asked.answer.addCallback(parse_metadata).addBoth(self._answered, name, asked).addErrback(
            lambda failure: self._log.failure("{name} could not be taken in", failure, name=name)
        )

    def _lose_patience(self, name: str) -> None:
        self._asking[name].overdue = True
        self._release(name)
        self._proceed()

    def _answered(self, result: PluginMetadata | Failure, name: str, asked: _Asked) -> None:
        if self._asking.get(name) is not asked:
            return
        del self._asking[name]
        if asked.timer.active():
            asked.timer.cancel()
        stamp = examine(self._folder, name)
        if not isinstance(stamp, Stamp):
            self._judge(name, stamp)
        elif stamp != asked.stamp:
            self._changed_meanwhile(name, asked.tries + 1)
        elif isinstance(result, PluginMetadata):
            found = Found(self._folder / name, stamp, result)
            self._remembered.put(found)
            self._settle(name, found)
        elif asked.overdue and asked.crowded and not asked.tries:
            # It may have been too slow only because so many others were asked at the same time.
            self._queue[name] = 1
        else:
            self._refused[name] = stamp, self._reason(name, result)
            self._settle(name, self._refused[name][1])
        self._release(name)
        self._proceed()

    def _changed_meanwhile(self, name: str, tries: int) -> None:
        if name in self._unsettled(False):
            return  # Once it is settled there is another look.
        if tries < MOST_TRIES:
            self._queue[name] = tries
        else:
            self._settle(name, "it changes whenever it is asked what it is: rescan when it is complete")

    def _reason(self, name: str, failure: Failure) -> str:
        if isinstance(failure.value, InvalidMetadata):
            return str(failure.value)
        self._log.failure("{name} could not be asked", failure, name=name)
        return f"it could not be asked what it is: {failure.getErrorMessage()}"

    def _judge(self, name: str, verdict: str | None) -> None:
        """Take in what `examine` said of a file that cannot be asked."""
        if verdict is None:
            self._forget(name)
        else:
            self._settle(name, verdict)

    def _settle(self, name: str, answer: Found | str) -> None:
        """Take in what a file is, or the reason why it is none."""
        self._held.pop(name, None)
        if isinstance(answer, str):
            self._known[name] = f"{shown(name)}: {answer}"
            return
        holders = {other for other, asked in self._asking.items() if other < name and not asked.overdue}
        if holders:
            self._held[name] = answer, holders
        else:
            self._known[name] = answer

    def _release(self, holder: str) -> None:
        for name, (found, holders) in list(self._held.items()):
            holders.discard(holder)
            if not holders:
                del self._held[name]
                self._known[name] = found

    def _forget(self, name: str) -> None:
        self._withdraw(name)
        self._known.pop(name, None)
        self._refused.pop(name, None)

    def _withdraw(self, name: str) -> None:
        self._queue.pop(name, None)
        self._held.pop(name, None)
        asked = self._asking.pop(name, None)
        if asked is not None:
            if asked.timer.active():
                asked.timer.cancel()
            asked.answer.cancel()
            self._release(name)

    def _proceed(self) -> None:
        self._start()
        if self._starting:
            return
        decision = decide(self._known)
        if decision != self.decision:
            before, self.decision = self.decision, decision
            with self._log.failureHandler("what the plugins folder holds could not be acted upon"):
                self._publish(before, decision)
        while self._waiting and self._idle():
            self._waiting.pop().callback(self.decision)

    def _idle(self) -> bool:
        return not self._queue and not self._asking
