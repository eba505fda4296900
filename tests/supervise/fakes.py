"""Fakes for what touches the world: connections, processes, signals; each records what was asked of it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredSemaphore, succeed
from twisted.internet.error import ConnectionDone, ProcessDone, ProcessTerminated
from twisted.internet.interfaces import IProcessTransport, ITransport
from twisted.internet.protocol import ProcessProtocol, Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from toru.access.secret import PluginTokens
from toru.config import PluginSettings, Supervision
from toru.errors import ToruError
from toru.model import Event, LogRecord, PluginMetadata, State, Usage
from toru.supervise.channels import Owner
from toru.supervise.host import Host
from toru.supervise.life import Office
from toru.supervise.plugin import Plugin
from toru.supervise.registry import Found, Stamp
from toru.supervise.streampool import Room
from toru.wire.messages import HttpRequest, Init, Message, RequestHead

INIT = Init("demo", "instance", "/run/demo.sock", "/run/demo.log", "http://127.0.0.1:1", "toru_plugin_x")
REQUEST = HttpRequest(RequestHead("GET", "/", {}), None)


def results(waiter: Deferred[Any]) -> list[Any]:
    """A list that gets the result, or the exception, as soon as there is one."""
    got: list[Any] = []
    waiter.addCallbacks(got.append, lambda failure: got.append(failure.value))
    return got


def json_line(type: str, request_id: str | None = None, **payload: object) -> bytes:
    """A message of protocol 2."""
    return json.dumps({"type": type, "request_id": request_id, "payload": payload}).encode() + b"\n"


def prefixed(type: str, **payload: object) -> bytes:
    """A message of protocol 1."""
    message = json.dumps({"type": type, "payload": payload}).encode()
    return len(message).to_bytes(4, "big") + message


@implementer(ITransport)
class Wire:
    """A connection whose other end is the test. As in life, the end that closes hears of it only later.

    `calls` is what was asked of it besides writing, in order.
    """

    def __init__(self, path: str, protocol: Protocol) -> None:
        self.path = path
        self.protocol = protocol
        self.connected = True
        self.calls: list[str] = []
        self._written = b""

    def write(self, data: bytes) -> None:
        self._written += data

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def registerProducer(self, producer: object, streaming: bool) -> None:
        assert producer is self.protocol
        self.calls.append("register push" if streaming else "register pull")

    def unregisterProducer(self) -> None:
        self.calls.append("unregister")

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def loseConnection(self) -> None:
        self.calls.append("lose")

    def abortConnection(self) -> None:
        self.calls.append("abort")

    def getPeer(self) -> Any: ...

    def getHost(self) -> Any: ...

    def hear(self, *data: bytes) -> None:
        """The plugin writes that, in as many pieces."""
        for piece in data:
            self.protocol.dataReceived(piece)

    def said(self) -> list[Any]:
        """The messages that were written since the last time, in either framing."""
        written, self._written = self._written, b""
        messages = []
        while written:
            if written.startswith(b"{"):
                line, _, written = written.partition(b"\n")
            else:
                end = 4 + int.from_bytes(written[:4], "big")
                line, written = written[4:end], written[end:]
            messages.append(json.loads(line))
        return messages

    def end(self) -> None:
        """The connection is closed, whoever wanted it."""
        self.connected = False
        self.protocol.connectionLost(Failure(ConnectionDone()))


class FakeDial:
    """Connects to nobody. `wires` holds the connections, `refusal` is the errno of those that fail."""

    def __init__(self) -> None:
        self.wires: list[Wire] = []
        self.refusal: int | None = None
        self.refused = 0
        self.listening = True

    def is_listening(self, path: str) -> bool:
        return self.listening

    def __call__(self, path: str, protocol: Protocol) -> None:
        if self.refusal is not None:
            self.refused += 1
            raise OSError(self.refusal, os.strerror(self.refusal), path)
        wire = Wire(path, protocol)
        self.wires.append(wire)
        protocol.makeConnection(wire)


class FakeOwner:
    """Whoever has a channel: `told` is what it was told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.choked = False
        self.waits_for: Callable[[Message], bool] = lambda message: True

    def received(self, message: Message) -> bool:
        self.told.append(("received", message))
        return self.waits_for(message)

    def failed(self, request_id: str, error: ToruError) -> None:
        self.told.append(("failed", request_id, type(error), error.detail))

    def lost(self, error: ToruError) -> None:
        self.told.append(("lost", type(error), error.detail))

    def writable(self) -> None:
        self.told.append(("writable",))


class FakeChannel:
    """A channel that records what it is asked; `refuse` makes it answer a request with an error instead."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.can_send = True
        self.answering = True
        self.calls: list[tuple[str, Any]] = []
        self.refuse: Callable[[str], None] | None = None

    def send(self, request_id: str, request: HttpRequest, *, alone: bool = False) -> None:
        self.calls.append(("send", request_id))
        if self.refuse is not None:
            self.refuse(request_id)

    def cancel(self, request_id: str) -> None:
        self.calls.append(("cancel", request_id))

    def ping(self, request_id: str) -> None:
        self.calls.append(("ping", request_id))

    def look(self) -> None:
        """Its tests say whether it answers."""

    def shutdown(self, grace_seconds: float) -> None:
        self.calls.append(("shutdown", grace_seconds))

    def close(self) -> None:
        self.calls.append(("close", None))

    def sent(self) -> list[str]:
        """The ids of the requests that it was given."""
        return [what for call, what in self.calls if call == "send"]


@implementer(IProcessTransport)
class FakeProcess:
    """A process that does what the test says, and nothing by itself."""

    def __init__(
        self, pid: int, protocol: ProcessProtocol, command: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self.pid = pid
        self.protocol = protocol
        self.command = command
        self.environment = environment
        self.socket = Path(environment["TORU_PLUGIN_SOCKET"])
        self.pipes: dict[int, Any] = {}
        self.calls: list[str] = []

    def listen(self) -> None:
        """Its socket is there."""
        self.socket.touch()

    def exit(self, code: int = 0, *, signal: int | None = None, pipes_closed: bool = True) -> None:
        """It ends; where something else holds its pipes, they stay open."""
        done = code == 0 and signal is None
        reason = Failure(ProcessDone(0) if done else ProcessTerminated(code, signal))
        self.protocol.processExited(reason)
        if pipes_closed:
            self.close_pipes(reason)

    def close_pipes(self, reason: Failure | None = None) -> None:
        self.protocol.processEnded(reason or Failure(ProcessDone(0)))

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def loseConnection(self) -> None:
        self.calls.append("close")

    def closeStdin(self) -> None: ...

    def closeStdout(self) -> None: ...

    def closeStderr(self) -> None: ...

    def closeChildFD(self, descriptor: int) -> None: ...

    def writeToChild(self, childFD: int, data: bytes) -> None: ...

    def signalProcess(self, signalID: str | int) -> None: ...

    def write(self, data: bytes) -> None: ...

    def writeSequence(self, data: Any) -> None: ...

    def getPeer(self) -> Any: ...

    def getHost(self) -> Any: ...


class FakeSpawner:
    """Starts nothing. `processes` holds what it was to start; `error` is what it raises instead."""

    def __init__(self) -> None:
        self.processes: list[FakeProcess] = []
        self.limits: list[dict[str, Any]] = []
        self.error: OSError | None = None
        self.dead_at_once = False
        self._pids = count(1001)

    def spawn(
        self, protocol: ProcessProtocol, command: Sequence[str], environment: Mapping[str, str], **limits: Any
    ) -> FakeProcess:
        if self.error is not None:
            raise self.error
        process = FakeProcess(next(self._pids), protocol, command, environment)
        self.processes.append(process)
        self.limits.append(limits)
        protocol.makeConnection(process)
        if self.dead_at_once:  # as happens on a busy machine
            process.exit(1, pipes_closed=False)
        return process


class FakeSessions:
    """Signals that reach nobody. `left` is how many each look finds in the sessions of the dead."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.left: list[int] = []

    def signal_group(self, leader: int, signum: int) -> None:
        self.calls.append(("group", leader, signal.Signals(signum).name))

    def signal_session(self, leader: int, signum: int) -> None:
        self.calls.append(("session", leader, signal.Signals(signum).name))

    def kill_members(self, session: int) -> int:
        self.calls.append(("bury", session))
        return self.left.pop(0) if self.left else 0


class FakeSink:
    """Takes log records at once."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []

    def write(self, records: Sequence[LogRecord]) -> Deferred[None]:
        self.records.extend(records)
        return succeed(None)


class FakeTail:
    """`calls` is what was asked of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")

    def flush(self) -> Deferred[None]:
        self.calls.append("flush")
        return succeed(None)

    def stop(self) -> Deferred[None]:
        self.calls.append("stop")
        return succeed(None)


class Stage:
    """One plugin among fakes. `plugin` is it, `events` what it told, `gave_up` and `framed` its reports."""

    def __init__(
        self,
        run: Path,
        *,
        enabled: bool = True,
        max_starting: int = 4,
        supervision: Supervision | None = None,
        settings: PluginSettings | None = None,
        **metadata: Any,
    ) -> None:
        self.clock = Clock()
        self.spawner = FakeSpawner()
        self.dial = FakeDial()
        self.sink = FakeSink()
        self.tail = FakeTail()
        self.events: list[Event] = []
        self.gave_up: list[str] = []
        self.framed: list[str] = []
        self.room = Room(1000)
        self.starting = DeferredSemaphore(max_starting)
        self.supervision = supervision or Supervision()
        host = Host(
            clock=self.clock,
            spawner=self.spawner,  # type: ignore[arg-type]  # a Spawner is a class, not an interface
            dial=self.dial,
            sink=self.sink,
            starting=self.starting,
            supervision=self.supervision,
            request_timeout=30.0,
            stream_idle_timeout=300.0,
            max_message_bytes=2**20,
            streams=self.room,
            run=run,
            instance_id="instance",
            api_url=lambda: "http://127.0.0.1:1",
            socket_numbers=count(1),
            tokens=PluginTokens(),
            sharing=None,
            tail=lambda id, pid: self.tail,
        )
        office = Office(
            tell=self.events.append,
            gave_up=self.gave_up.append,
            framed=lambda found, framing: self.framed.append(framing),
            usage=lambda pid: Usage(1.0, pid),
            changed=lambda id: None,
        )
        self.found = self.file(**{"protocol": "2", **metadata})
        self.plugin = Plugin(host, office, self.found, settings or PluginSettings(), enabled=enabled)

    def file(self, size: int = 1, **metadata: Any) -> Found:
        """The plugin's file, in the version with that size."""
        described = PluginMetadata(
            **{"id": "demo", "name": "Demo", "version": str(size), "route": "/demo", **metadata}
        )
        return Found(Path("/plugins/demo.binary"), Stamp(size, 0), described)

    @property
    def process(self) -> FakeProcess:
        """The latest process."""
        return self.spawner.processes[-1]

    @property
    def wire(self) -> Wire:
        """The latest connection."""
        return self.dial.wires[-1]

    def state(self) -> State:
        """The plugin's; a method, since a type checker takes an attribute to be what it was found to be."""
        return self.plugin.state

    def told(self) -> list[str]:
        """The types of the events since the last time."""
        types = [event.type for event in self.events]
        self.events.clear()
        return [str(type) for type in types]

    def come_up(self) -> FakeProcess:
        """The latest process gets ready."""
        self.process.listen()
        self.clock.pump([0.25, 0])
        return self.process

    def bury(self) -> None:
        """Time for a process that ended to be gone with all that it left."""
        self.clock.pump([0.01] * 5)

    def crash(self, process: FakeProcess | None = None) -> None:
        """The process, the latest where none is named, exits by itself and is gone."""
        (process or self.process).exit(1)
        self.bury()

    def idle_calls(self) -> list[str]:
        """What the clock still has to do."""
        return sorted(str(call) for call in self.clock.getDelayedCalls())
