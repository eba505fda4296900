"""The core that `toru plugin dev` runs, and what it does at each save."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogBeginner
from twisted.python.failure import Failure
from zope.interface import implementer

from toru.cli.failures import told_as_failure
from toru.cli.output import busy, say, warn
from toru.cli.plugin.asking import metadata_of
from toru.cli.plugin.building import build, sources
from toru.cli.records import event_as_line, record_as_line
from toru.config import load
from toru.model import PluginMetadata
from toru.tap import Toru

_LOOK_SECONDS = 0.2
_ADMIN = "admin"
# While somebody works on it a plugin may crash as often as it likes.
_MOST_CRASHES = 2**60
_BACKOFF_SECONDS = 1.0


def develop(folder: Path, listen: str) -> None:
    """Returns once it was told to end, and all has ended. Raises Failed."""
    from twisted.internet import reactor

    clock: Any = reactor
    home = folder / ".toru"
    with told_as_failure(), busy(f"packing {folder.name} …"):
        for place in (home, home / "plugins", home / "data"):
            place.mkdir(mode=0o700, exist_ok=True)
        (home / ".gitignore").write_text("*\n")
        password = _password(home / "password")
        binary = home / "plugins" / "plugin.binary"
        seen = _snapshot(folder)
        build(folder, binary)
        metadata = metadata_of(binary)

    # Sockets lie in the data folder, and their paths may have no more than 107 bytes; a folder of somebody's own may.
    with TemporaryDirectory(prefix="toru-") as short:
        data = Path(short, "data")
        data.symlink_to((home / "data").absolute(), target_is_directory=True)
        _run(clock, home, data, listen, password, metadata, Saves(folder, binary, seen))


def _run(
    clock: Any, home: Path, data: Path, listen: str, password: str, metadata: PluginMetadata, saves: Saves
) -> None:
    service = _core(clock, home, data, listen, password)
    voice = Voice(metadata, password)
    globalLogBeginner.beginLoggingTo([voice], redirectStandardIO=False, discardBuffer=True)
    with told_as_failure():
        service.startService()
    voice.silent = False
    clock.addSystemEventTrigger("before", "shutdown", service.stopService)
    logs = home / "logs"
    tails = [
        Tail(logs / "plugin-supervisor.log", event_as_line),
        Tail(logs / "plugins" / f"{metadata.id}.log", record_as_line),
    ]
    looks = [
        *(_every(clock, tail.look) for tail in tails),
        _every(clock, saves.look),
    ]
    clock.run()
    for look in looks:
        look.stop()
    for tail in tails:
        tail.look()


def _every(clock: IReactorTime, call: Callable[[], object]) -> LoopingCall:
    looking = LoopingCall(call)
    looking.clock = clock
    looking.start(_LOOK_SECONDS).addErrback(lambda failure: warn(f"an error of toru itself: {failure.value}"))
    return looking


def _core(reactor: Any, home: Path, data: Path, listen: str, password: str) -> Toru:
    """One that has nothing to do with the settings of another, but those in FOLDER/toru.toml."""
    folders = {"plugins": home / "plugins", "data": data, "logs": home / "logs"}
    flags = {"listen": [listen], **{name: os.fspath(folder) for name, folder in folders.items()}}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TORU_")}
    environ |= {"TORU_ADMIN_USERNAME": _ADMIN, "TORU_ADMIN_PASSWORD": password}
    with told_as_failure():
        config = load(flags, environ, home.parent)
    patient = msgspec.structs.replace(
        config.supervision, max_crashes=_MOST_CRASHES, backoff_max=_BACKOFF_SECONDS
    )
    return Toru(reactor, msgspec.structs.replace(config, supervision=patient), environ)


def _password(file: Path) -> str:
    """That of the admin, the same each time, so that a browser stays signed in."""
    if not file.exists():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w") as opened:
            # Of every kind that the rules for passwords ask for.
            opened.write(f"Dev-{secrets.token_hex(6)}-1")
    return file.read_text()


@implementer(ILogObserver)
class Voice:
    """Shows what the core itself says, unless it is `silent`: where it is, and what is wrong."""

    def __init__(self, metadata: PluginMetadata, password: str) -> None:
        # A start that fails is told of by who started it.
        self.silent = True
        self._metadata = metadata
        self._password = password

    def __call__(self, event: LogEvent) -> None:
        if self.silent:
            return
        if (address := event.get("address")) is not None:
            say(f"{self._metadata.name} is at {address}/plugin/{self._metadata.id}")
            say(f"its route is {address}/api/plugins/route{self._metadata.route}/")
            say(f"sign in as {_ADMIN} with {self._password}")
            say("each save packs it and starts it anew; Ctrl-C ends this")
        elif event["log_level"] in (LogLevel.warn, LogLevel.error, LogLevel.critical):
            warn(formatEvent(event))


class Tail:
    """Shows the lines that are added to a file of JSON lines, from where it ended at the beginning."""

    def __init__(self, path: Path, show: Callable[[dict[str, Any]], None]) -> None:
        self._path = path
        self._show = show
        self._inode, self._position = self._status()
        self._held = b""

    def look(self) -> None:
        """Show what came since the last time. A file that was rotated away was read to its end before."""
        inode, size = self._status()
        if inode != self._inode or size < self._position:
            self._inode, self._position, self._held = inode, 0, b""
        if size == self._position:
            return
        with self._path.open("rb") as file:
            file.seek(self._position)
            data = file.read()
        self._position += len(data)
        *lines, self._held = (self._held + data).split(b"\n")
        for line in lines:
            self._show(json.loads(line))

    def _status(self) -> tuple[int, int]:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return 0, 0
        return status.st_ino, status.st_size


class Saves:
    """Looks for changes in a plugin's folder, and packs it anew after each, one at a time."""

    def __init__(self, folder: Path, binary: Path, seen: frozenset[tuple[str, int, int]]) -> None:
        self._folder = folder
        self._binary = binary
        self._seen = seen
        self._building: Deferred[None] | None = None

    def look(self) -> None:
        """Build where something changed and nothing is being built."""
        now = _snapshot(self._folder)
        if now == self._seen or self._building is not None:
            return
        self._seen = now
        self._building = deferToThread(self._build)
        self._building.addCallbacks(self._built, self._not_built)

    def _build(self) -> None:
        """Put nothing in place of what runs that does not even say what it is. In a thread."""
        fresh = self._binary.with_name("fresh")
        build(self._folder, fresh)
        metadata_of(fresh)
        fresh.replace(self._binary)

    def _built(self, _: None) -> None:
        self._building = None
        say("packed anew")

    def _not_built(self, failure: Failure) -> None:
        self._building = None
        warn(f"not packed, and what ran before runs on: {failure.getErrorMessage()}")


def _snapshot(folder: Path) -> frozenset[tuple[str, int, int]]:
    return frozenset(_stamps(sources(folder)))


def _stamps(paths: Iterable[Path]) -> Iterable[tuple[str, int, int]]:
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue  # an editor's temporary file
        yield os.fspath(path), status.st_mtime_ns, status.st_size
