"""One plugin under check: started, spoken to as toru speaks to it, started anew where it broke."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from toru.conformance.answers import Reply, check_headers
from toru.conformance.findings import Trouble
from toru.conformance.sandbox import INSTANCE_ID, Process, Sandbox
from toru.conformance.speech import Lengths, Lines, Speech, Streams, describe, to_stranger
from toru.conformance.wire import Wire, deliver, pump
from toru.model import PluginMetadata, Protocol
from toru.wire.messages import Answer, HttpRequest, Init, Log, Nonsense, Pong, Refusal, RequestHead

# As `toru.supervise.child` has it, for plugins that leave it open.
_CONCURRENCY = {"1": 1, "2": 64}
_LOOK_SECONDS = 0.01
_IDLE_WIRES = 8
_CLOSING_SECONDS = 0.005
# What a check with many requests may take, about.
_WORTH_SECONDS = 3.0
# How long a socket that took connections may refuse one.
_AGAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Patience:
    """How long things may take, in seconds: as long as toru waits, and for further answers a third of that."""

    start: float = 30.0
    first_answer: float = 30.0
    answer: float = 10.0
    exit: float = 5.0
    term: float = 2.0


def request(
    method: str = "GET", path: str = "/", body: bytes | None = None, kind: str = "text/plain; charset=utf-8"
) -> HttpRequest:
    """A request as toru sends it to a plugin."""
    headers = {
        "host": "127.0.0.1:3000",
        "accept": "*/*",
        "user-agent": "toru-check",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "127.0.0.1:3000",
        "x-forwarded-prefix": "/api/plugins/route/check",
        "x-toru-user": "check",
        "x-toru-role": "admin",
        "x-request-id": "0" * 32,
    }
    if body is not None:
        headers |= {"content-type": kind, "content-length": str(len(body))}
    return HttpRequest(RequestHead(method, path, headers), body)


class Bench:
    """The plugin. What earlier checks found out is in `printed` (by `--metadata`), `metadata` and `framing`.

    `slowest` is the longest wait for an answer so far, in seconds; `logged_token`: its token was in a `log` message.
    """

    def __init__(self, path: Path, sandbox: Sandbox, patience: Patience) -> None:
        self.path = path
        self.sandbox = sandbox
        self.patience = patience
        self.metadata = PluginMetadata(id="check", name="check", version="0", route="/check")
        self.printed = b""
        self.framing: Protocol | None = None
        self.slowest = 0.0
        self.unknown: set[str] = set()
        self.answers: list[bytes] = []
        self.logged_token = False
        self.processes: list[Process] = []
        self._process: Process | None = None
        self._wires: list[Wire] = []
        self._numbers = count(1)
        self._settled: set[str] = set()

    # -- processes

    @property
    def at_once(self) -> int:
        """How many requests toru would send it at once."""
        return self.metadata.concurrency or _CONCURRENCY[self.framing or "2"]

    def several(self, most: int) -> int:
        """How many requests to send it at once: no more than it takes, and fewer where each takes long."""
        affordable = (
            most if self.slowest * most < _WORTH_SECONDS else max(2, int(_WORTH_SECONDS / self.slowest))
        )
        return min(most, self.at_once, affordable)

    @property
    def streams(self) -> bool:
        """Whether each exchange has a connection to itself, with its bodies in parts."""
        return self.framing == "2" and "stream" in self.metadata.capabilities

    def process(self) -> Process:
        """The running process, started where there is none. Raises Trouble where it does not get ready."""
        if self._process is not None and self._process.code is None:
            return self._process
        self.forget()
        self._process = process = self.launch()
        if self.framing is not None:
            self.greet(process)
        return process

    def launch(self) -> Process:
        """One more process, whose socket is there and takes connections."""
        process = self.sandbox.start(self.path, self.metadata.id)
        self.processes.append(process)
        give_up = process.started + self.patience.start
        while not Path(process.socket_path).exists():
            if process.code is not None:
                raise Trouble(
                    f"it {process.describe_end()}, before there was a socket",
                    "without arguments it listens at $TORU_PLUGIN_SOCKET and runs until it is told to stop, "
                    "in the foreground, with nothing but a clean environment",
                )
            if time.monotonic() > give_up:
                raise Trouble(
                    f"there is no socket at $TORU_PLUGIN_SOCKET after {self.patience.start:g} s",
                    "bind a Unix stream socket to exactly that path, and listen",
                )
            time.sleep(_LOOK_SECONDS)
        return process

    def greet(self, process: Process) -> None:
        """Say `init` on a first connection, which a plugin of protocol 2 then keeps."""
        wire = self.say_init(process)
        if self.framing == "1":
            wire.close()
        else:
            self._wires.append(wire)

    def say_init(self, process: Process) -> Wire:
        """A new connection on which nothing but `init` is said."""
        speech = self.speech()
        wire = self.dial(process, speech)
        wire.say(speech.init(self.init(process)))
        deliver(wire, self.patience.answer)
        return wire

    def forget(self) -> None:
        """End what runs, so that the next check begins with a new process."""
        self.hang_up()
        if self._process is not None:
            self._process.end()
            self._process = None

    def hang_up(self) -> None:
        """Close all connections; the next question opens a new one."""
        for wire in self._wires:
            wire.close()
        self._wires.clear()

    def trouble(self, seconds: float = 0) -> str:
        """What became of the process since, "" where it lives and its standing connection too.

        `seconds`: how long to wait for its end, where it is likely that it comes.
        """
        if self._process is None:
            return ""
        self._process.wait(seconds)
        if self._wires:
            pump(self._wires, lambda: False, 0.02)
        # A process takes a moment from closing its connections to its end.
        if any(wire.over for wire in self._wires):
            self._process.wait(0.05 if self.streams else 0.5)
        if self._process.code is not None:
            return f"its process {self._process.describe_end()}"
        if any(wire.over for wire in self._wires) and not self.streams:
            self.hang_up()
            return "it closed its connection"
        return ""

    # -- connections

    def init(self, process: Process) -> Init:
        told = self.sandbox.environment(self.metadata.id, process.folder)
        return Init(
            plugin_id=self.metadata.id,
            instance_id=INSTANCE_ID,
            socket_path=process.socket_path,
            log_path=told["TORU_LOG_PATH"],
            api_url=told["TORU_API_URL"],
            token=self.sandbox.token,
        )

    def dial(self, process: Process, speech: Speech) -> Wire:
        """A new connection, on which nothing is said yet. Raises Trouble."""
        # The socket is there a moment before anybody listens.
        give_up = time.monotonic() + (_AGAIN_SECONDS if process.reached else self.patience.start)
        while True:
            try:
                wire = Wire(process.socket_path, speech, self.patience.answer)
            except OSError as error:
                if process.code is None and time.monotonic() < give_up:
                    time.sleep(_LOOK_SECONDS)
                    continue
                raise Trouble(
                    f"its socket takes no connection: {error.strerror}",
                    "go on accepting connections for as long as the process runs; toru opens a new one "
                    "whenever one is lost",
                ) from None
            process.reached = True
            return wire

    def speech(self) -> Speech:
        """How it is spoken to."""
        if self.framing == "1":
            return Lengths()
        return Streams() if self.streams else Lines()

    def open(self) -> Wire:
        """A new connection as toru opens it: with protocol 2 `init` comes first."""
        process = self.process()
        return self.dial(process, self.speech()) if self.framing == "1" else self.say_init(process)

    def take(self) -> Wire:
        """A connection for the next exchange: the one that stands, or a new one."""
        self.process()
        if self.framing == "1":
            return self.open()
        while self._wires:
            wire = self._wires.pop()
            # One that carried a whole exchange may be closed by whoever likes.
            if self.streams:
                pump([wire], lambda: False, _CLOSING_SECONDS)
            if not wire.over:
                return wire
            wire.close()
        return self.open()

    def give_back(self, wire: Wire) -> None:
        """What was asked on it is answered."""
        if self.framing == "2" and not wire.over and not wire.unsent and len(self._wires) < _IDLE_WIRES:
            self._wires.append(wire)
        else:
            wire.close()

    # -- questions

    def number(self) -> str:
        """A new request id."""
        return f"check-{next(self._numbers)}"

    def ask(self, *requests: HttpRequest, seconds: float | None = None) -> list[Reply]:
        """The answers, in the order of the requests, which are sent at once as far as the plugin takes that.

        Raises Trouble where one has none, or not its own.
        """
        replies: list[Reply] = []
        for at in range(0, len(requests), self.at_once):
            replies += self._ask_at_once(requests[at : at + self.at_once], seconds)
        return replies

    def _ask_at_once(self, requests: Sequence[HttpRequest], seconds: float | None) -> list[Reply]:
        self.process()
        began = time.monotonic()
        alone = self.framing == "1" or self.streams
        wires = [self.take() for _ in (requests if alone else requests[:1])]
        ids = [self.number() for _ in requests]
        messages = [wires[0].speech.request(id, each) for id, each in zip(ids, requests, strict=True)]
        for wire, message in zip(wires, messages if alone else [b"".join(messages)], strict=True):
            wire.say(message)
        if seconds is None:
            seconds = self.patience.answer + self.slowest * len(requests)
        replies: dict[str, Reply] = {}
        if alone:
            expected = {wire: {id} for wire, id in zip(wires, ids, strict=True)}
        else:
            expected = {wires[0]: set(ids)}
        self.wait(expected, replies, seconds)
        for wire in wires:
            self.give_back(wire)
        self.slowest = max(self.slowest, (time.monotonic() - began) / len(requests))
        return [replies[id] for id in ids]

    def wait(
        self,
        expected: dict[Wire, set[str]],
        replies: dict[str, Reply],
        seconds: float,
    ) -> None:
        """Wait for the answers to the requests with these ids, by connection. Raises Trouble."""

        def done() -> bool:
            for wire, ids in expected.items():
                self.hear(wire, ids, replies)
            return not any(expected.values())

        if pump(list(expected), done, seconds):
            return
        missing = sum(map(len, expected.values()))
        which = "there was no answer" if missing == 1 else f"{missing} requests had no answer"
        if all(wire.over for wire, ids in expected.items() if ids):
            raise Trouble(
                f"{which}: it closed the connection",
                "answer each `http` message with one `http` or `error` message before the connection is closed"
                if self.framing == "1"
                else "keep the connection open, and answer each `http` message on it",
            )
        raise Trouble(
            f"{which} within {seconds:.0f} s",
            "answer each `http` message with an `http` message, or an `error` message, of the same request_id",
        )

    def wait_amid(self, wire: Wire, id: str, optional: set[str], seconds: float) -> bool:
        """Whether the request with that id was answered, amid others that may be answered and need not."""
        replies: dict[str, Reply] = {}
        owed = {id, *optional}

        def done() -> bool:
            self.hear(wire, owed, replies)
            return id in replies

        answered = pump([wire], done, seconds)
        self._settled |= optional
        return answered

    def forget_heard(self, wire: Wire) -> None:
        """Drop what came on a connection, but for what its log gives away."""
        for message in wire.messages:
            if isinstance(message, Log):
                self._read_log(message)
        wire.messages.clear()

    def _read_log(self, message: Log) -> None:
        told = f"{message.message} {message.fields or ''}"
        self.logged_token = self.logged_token or self.sandbox.token in told

    def hear(self, wire: Wire, ids: set[str], replies: dict[str, Reply]) -> None:
        """Take in what came on a connection; `ids` are what it is still owed."""
        while wire.messages:
            message = wire.messages.pop(0)
            if isinstance(message, Log):
                self._read_log(message)
                continue
            if not isinstance(message, (Answer, Refusal, Nonsense, Pong)):
                self.unknown.add(message.type)
                continue
            if to_stranger(message):
                continue
            id = message.request_id
            if self.framing == "1" and ids:
                # A connection has one answer there, whatever id it has.
                id = next(iter(ids))
            if id not in ids:
                self._stray(message, ids)
            if isinstance(message, Pong):
                raise Trouble(f"it answered a request with {describe(message)}", _ANSWER_RIGHT)
            if isinstance(message, Nonsense):
                raise Trouble(f"its answer means nothing: {message.why}", _ANSWER_RIGHT)
            if isinstance(message, Answer):
                check_headers(message)
                self.answers.append(message.body[:65536])
            ids.remove(id)
            self._settled.add(id)
            replies[id] = message

    def _stray(self, message: Answer | Refusal | Nonsense | Pong, ids: set[str]) -> None:
        if message.request_id in self._settled:
            raise Trouble(
                f"it answered the request {message.request_id!r} twice", "send one answer to each request"
            )
        raise Trouble(
            f"{describe(message)} came, and nobody asked that"
            + (f"; what was asked is {min(ids)!r}" if ids else ""),
            "send back exactly the request_id of the message that is answered",
        )


_ANSWER_RIGHT = (
    "an answer is `http` with `status` (200 to 599), `headers`, `body`, `body_encoding`, or `error`"
)
