"""A real `twistd toru` in a folder of its own, and plugins written on the spot."""

from __future__ import annotations

import http.client
import json
import os
import queue
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

T = TypeVar("T")

ADMIN, ADMIN_PASSWORD = "root", "Correct-h0rse"

# Everything that a test waits for takes far less; this is for a machine that is busy with something else.
PATIENCE = 30.0

# What every plugin here starts with. `-IS`: neither the environment nor site-packages slow it down.
PRELUDE = f'''#!{sys.executable} -IS
import base64, json, os, signal, socket, struct, subprocess, sys, threading, time

HERE = os.path.dirname(os.path.dirname(sys.argv[0]))

def note(name, line):
    """Tell the test something, in a file of the core's folder."""
    with open(os.path.join(HERE, name), "a") as file:
        file.write(f"{{line}}\\n")

def is_there(name):
    return os.path.exists(os.path.join(HERE, name))

def wait_until_there(name):
    while not is_there(name):
        time.sleep(0.01)

def metadata(**fields):
    if "--metadata" in sys.argv:
        note("asked-what-it-is", f"{{fields.get('id')}} {{fields.get('version')}}")
        print(json.dumps(fields))
        sys.exit(0)

def listen(backlog=100):
    server = socket.socket(socket.AF_UNIX)
    server.bind(os.environ["TORU_PLUGIN_SOCKET"])
    server.listen(backlog)
    return server

def send(file, **message):
    file.write(json.dumps(message).encode() + b"\\n")
    file.flush()

def answer(file, request, status=200, headers=None, body="", **more):
    send(file, type="http", request_id=request["request_id"],
         payload=dict(status=status, headers=headers or {{}}, body=body, **more))

def serve(handle, server=None):
    """One message after the other: `handle(file, message)` for each, connection after connection."""
    server = server or listen()
    while True:
        connection, _ = server.accept()
        file = connection.makefile("rwb")
        try:
            for line in file:
                message = json.loads(line)
                if message["payload"].get("action") == "shutdown":
                    sys.exit(0)
                handle(file, message)
        except (BrokenPipeError, ConnectionResetError):
            pass
'''

HELLO = """
def handle(file, message):
    if message["type"] == "http":
        answer(file, message, body=json.dumps({**message["payload"], "pid": os.getpid(), "version": VERSION}))
serve(handle)
"""

# Answers pings; a request for `/wait` notes that it is there, and is answered once the test says "go".
PATIENT = """
def handle(file, message):
    if message["payload"].get("action") == "ping":
        send(file, type="lifecycle", request_id=message["request_id"], payload={"action": "pong"})
    elif message["type"] == "http":
        if message["payload"]["path"] == "/wait":
            note("asked", os.getpid())
            wait_until_there("go")
        answer(file, message, body=json.dumps({"pid": os.getpid(), "version": VERSION}))
serve(handle)
"""


def wait_for(what: Callable[[], T | None], *, timeout: float = PATIENCE, every: float = 0.01) -> T:
    """The first true value of `what`, asked again and again, every so many seconds."""
    give_up = time.monotonic() + timeout
    pause = threading.Event()
    while not (value := what()):
        assert time.monotonic() < give_up, f"waited {timeout} s in vain, last: {value!r}"
        pause.wait(every)
    return value


def source(id: str, code: str = HELLO, *, version: str = "1", **metadata: object) -> str:
    """The text of a plugin's file."""
    fields = {"id": id, "name": id, "version": version, "route": f"/{id}", "protocol": "2", **metadata}
    given = {name: value for name, value in fields.items() if value is not None}
    return f"{PRELUDE}\nVERSION = {version!r}\nmetadata(**{given!r})\n{code}"


def _asked(
    processes: Iterable[psutil.Process], ask: Callable[[psutil.Process], T]
) -> Iterator[tuple[int, T]]:
    """What each says, without those that end meanwhile, by their pids."""
    for process in processes:
        with suppress(psutil.Error):
            yield process.pid, ask(process)


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@dataclass
class Reply:
    """An HTTP answer, read whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Core:
    """A `twistd toru` in `folder`, started and stopped by the test."""

    folder: Path
    output: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None
    port: int = 0
    password: str = ADMIN_PASSWORD
    tokens: dict[str, str] = field(default_factory=dict)
    clients: list[http.client.HTTPConnection] = field(default_factory=list)
    asked: int = 0

    @property
    def plugins(self) -> Path:
        """Its plugins folder."""
        return self.folder / "plugins"

    def plugin(self, id: str, code: str = HELLO, *, version: str = "1", **metadata: object) -> Path:
        """Write an executable plugin. Without more it speaks JSON lines and tells what it was asked."""
        return self.file(f"{id}.binary", source(id, code, version=version, **metadata))

    def file(self, name: str, text: str, mode: int = 0o755) -> Path:
        """Write a file into the plugins folder, in one step as `mv` would."""
        self.plugins.mkdir(exist_ok=True)
        path = self.plugins / name
        temporary = path.with_name(f".{name}.new")
        temporary.write_text(text)
        temporary.chmod(mode)
        temporary.rename(path)
        return path

    def settings(self, text: str) -> None:
        """What stands in toru.toml."""
        (self.folder / "toru.toml").write_text(text)

    def start(
        self,
        *flags: str,
        wait: bool = True,
        environ: Mapping[str, str] | None = None,
        listen: str = "tcp:0:interface=127.0.0.1",
    ) -> None:
        """Start it; with `wait`, return once it listens on a TCP port of this machine.

        `listen` is empty where the settings say it.
        """
        twistd = Path(sys.executable).with_name("twistd")
        self.tokens.clear()
        self.password = (environ or {}).get("TORU_ADMIN_PASSWORD", ADMIN_PASSWORD)
        self.process = subprocess.Popen(
            [
                twistd,
                "-n",
                "--pidfile=",
                "toru",
                *([f"--listen={listen}"] * bool(listen)),
                "--logs=logs",
                *flags,
            ],
            cwd=self.folder,
            env={
                **os.environ,
                "TORU_ADMIN_USERNAME": ADMIN,
                "TORU_ADMIN_PASSWORD": ADMIN_PASSWORD,
                **(environ or {}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, args=(self.process, lines), daemon=True).start()
        while wait:
            line = lines.get(timeout=PATIENCE)
            if found := re.search(r"toru listens on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                return
            assert line, f"it did not start: {self.output}"

    def _read(self, process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.output.append(line.rstrip("\n"))
            lines.put(line)
        lines.put("")

    def stop(self, signum: int = signal.SIGINT) -> int:
        """Stop it with a signal, and wait for its end. Returns the exit code, negative for a signal."""
        assert self.process is not None
        self.process.send_signal(signum)
        return self.process.wait(PATIENCE)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = PATIENCE,
        as_: str | None = "admin",
    ) -> Reply:
        """One request on a connection of its own, with that role's API token; `path` from `/api` on."""
        signed = {} if as_ is None or path == "/api/health" else {"Authorization": self.authorization(as_)}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, {**signed, **(headers or {})})
            answer = connection.getresponse()
            return Reply(
                answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
            )
        finally:
            connection.close()

    def sign_in(self, username: str = ADMIN, password: str | None = None) -> str:
        """The value of a `Cookie` header for a new session."""
        body = json.dumps({"username": username, "password": password or self.password}).encode()
        reply = self.request("POST", "/api/auth/login", body, as_=None)
        assert reply.status == 200, reply
        return reply.headers["set-cookie"].partition(";")[0]

    def authorization(self, role: str = "admin") -> str:
        """The value of an `Authorization` header with an API token of that role, made where there is none yet."""
        if role not in self.tokens:
            body = json.dumps({"name": f"test-{role}", "role": role}).encode()
            made = self.request("POST", "/api/tokens", body, {"Cookie": self.sign_in()}, as_=None)
            assert made.status == 201, made
            self.tokens[role] = made.json()["token"]
        return f"Bearer {self.tokens[role]}"

    @property
    def pid(self) -> int:
        """Of the core itself."""
        assert self.process is not None
        return self.process.pid

    # -- workers

    def workers(self) -> list[int]:
        """The pids of its workers, as far as they run."""
        return [
            pid
            for pid, command in _asked(psutil.Process(self.pid).children(), lambda each: each.cmdline())
            if "toru.workers.main" in command
        ]

    def server_of(self, client: http.client.HTTPConnection) -> int:
        """The pid of the process that has the other end of that connection, the core's own or a worker's."""
        assert client.sock is not None
        port = client.sock.getsockname()[1]

        def pid() -> int | None:
            # On its way from one to the other nobody has it.
            found = _asked(
                [psutil.Process(self.pid), *psutil.Process(self.pid).children()],
                lambda each: each.net_connections("tcp"),
            )
            for pid, connections in found:
                if any(each.raddr and each.raddr.port == port for each in connections):
                    return pid
            return None

        return wait_for(pid)

    def lent(self, id: str, headers: Mapping[str, str] | None = None) -> http.client.HTTPConnection:
        """A connection that a worker has, on which that plugin was asked once; the plugin answers there with 200.

        Those that stayed with the core stay open beside the first, so that it is a worker's turn.
        """
        signed = headers or {"Authorization": self.authorization()}

        def lent() -> http.client.HTTPConnection | None:
            client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            client.request("GET", f"/api/plugins/route/{id}/", headers=signed)
            reply = client.getresponse()
            assert reply.status == 200, reply.read()
            reply.read()
            self.asked += 1
            stayed = self.server_of(client) == self.pid
            if stayed and not self.clients:
                client.close()  # the worker is not there yet
            else:
                self.clients.append(client)
            return None if stayed else client

        return wait_for(lent, every=0.1)

    def get(self, path: str) -> Reply:
        """GET."""
        return self.request("GET", path)

    def post(self, path: str) -> Reply:
        """POST without a body."""
        return self.request("POST", path)

    def route(self, id: str, rest: str = "/") -> Reply:
        """GET of something behind a plugin's route."""
        return self.get(f"/api/plugins/route/{id}{rest}")

    def notes(self, name: str) -> list[str]:
        """The lines that plugins noted under that name."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def wait_notes(self, name: str, count: int) -> list[str]:
        """The same, once there are so many."""
        return wait_for(lambda: notes if len(notes := self.notes(name)) >= count else None)

    def tell(self, name: str) -> None:
        """What a plugin waits for with `wait_until_there`."""
        (self.folder / name).touch()

    def up(self, id: str, code: str = HELLO, **metadata: Any) -> int:
        """Write a plugin and have the running core find it. Returns the pid once it runs."""
        self.plugin(id, code, **metadata)
        assert self.post("/api/plugins/rescan").status == 200
        return self.wait_pid(id)

    def wait_pid(self, id: str, *, other_than: int | None = None) -> int:
        """The plugin's pid, once it runs, as another process than that one where it is given."""

        def pid() -> int | None:
            status = self.status(id)
            return status["pid"] if status.get("running") and status["pid"] != other_than else None

        return wait_for(pid)

    def status(self, id: str) -> dict[str, Any]:
        """What `GET /api/plugins/<id>` says; an empty object where there is no such plugin."""
        reply = self.get(f"/api/plugins/{id}")
        return reply.json() if reply.status == 200 else {}

    def problems(self) -> dict[str, str]:
        """Errors by file name."""
        return {problem["file"]: problem["error"] for problem in self.get("/api/plugins/problems").json()}

    def wait_state(self, id: str, state: str, *, timeout: float = PATIENCE) -> dict[str, Any]:
        """Wait until the plugin is in that state."""
        return wait_for(
            lambda: status if (status := self.status(id)).get("state") == state else None, timeout=timeout
        )

    def events(self, *types: str, plugin: str | None = None) -> list[dict[str, Any]]:
        """What stands in plugin-supervisor.log, of those types where some are named."""
        path = self.folder / "logs" / "plugin-supervisor.log"
        written = path.read_text().rpartition("\n")[0] if path.exists() else ""
        return [
            event
            for event in map(json.loads, written.splitlines())
            if (not types or event["type"] in types) and plugin in (None, event["plugin"])
        ]

    def said(self, *words: str) -> list[str]:
        """The lines of its own log, on standard output, that hold all these words."""
        return [line for line in self.output if all(word in line for word in words)]

    def log(self, id: str) -> list[dict[str, Any]]:
        """A plugin's log records, as far as they are written."""
        path = self.folder / "logs" / "plugins" / f"{id}.log"
        written = path.read_text().rpartition("\n")[0] if path.exists() else ""
        return [json.loads(line) for line in written.splitlines()]

    def resident_bytes(self) -> int:
        """Its memory."""
        return self._proc("statm", 1) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        """The processor time that it has used so far."""
        return (self._proc("stat", 13) + self._proc("stat", 14)) / os.sysconf("SC_CLK_TCK")

    def _proc(self, file: str, number: int) -> int:
        assert self.process is not None
        return int(Path(f"/proc/{self.process.pid}/{file}").read_text().split()[number])

    def wait_events(self, *types: str, plugin: str, count: int) -> list[dict[str, Any]]:
        """The same, once there are so many; they are written a moment after they happened."""
        return wait_for(
            lambda: events if len(events := self.events(*types, plugin=plugin)) >= count else None
        )

    def sockets(self) -> list[Path]:
        """Socket files in its run folder."""
        run = self.folder / "data" / "run"
        return [path for path in run.iterdir() if stat.S_ISSOCK(path.lstat().st_mode)] if run.exists() else []


@contextmanager
def fresh_core(folder: Path) -> Iterator[Core]:
    """A core that is not started yet; whatever is left of it is killed at the end."""
    core = Core(folder)
    try:
        yield core
    finally:
        for client in core.clients:
            client.close()
        if core.process is not None and core.process.poll() is None:
            core.process.kill()
            core.process.wait()
        mark = os.fsencode(core.folder) + b"/"
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    if mark in (entry / "environ").read_bytes():
                        os.kill(int(entry.name), signal.SIGKILL)
                except OSError:
                    continue
