"""Plugins as processes of their own, and the core's side of their socket, spoken by hand."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PATIENCE = 30.0
# Where the kit was installed, or the checkout that the tests were pointed to: a script finds neither by itself.
KIT = os.pathsep.join(filter(None, sys.path))


class Peer:
    """One connection to a plugin."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(path))
        self._file = self.socket.makefile("rb")
        self.send("lifecycle", None, {"action": "init", "protocol": "2"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Go away."""
        self._file.close()
        self.socket.close()

    def send(self, kind: str, request_id: str | None, payload: object, data: bytes = b"") -> None:
        """One message, and raw bytes behind it."""
        message = {"type": kind, "request_id": request_id, "payload": payload}
        self.socket.sendall(json.dumps(message).encode() + b"\n" + data)

    def ask(
        self,
        request_id: str,
        path: str,
        method: str = "GET",
        *,
        headers: Mapping[str, str] | None = None,
        body: str | bytes | None = None,
        **more: object,
    ) -> None:
        """Send a request."""
        text = base64.b64encode(body).decode() if isinstance(body, bytes) else body
        encoding = "base64" if isinstance(body, bytes) else "utf-8"
        payload = {"method": method, "path": path, "headers": {"x-toru-user": "ada", **(headers or {})}}
        self.send("http", request_id, {**payload, "body": text, "body_encoding": encoding, **more})

    def begin(
        self, request_id: str, path: str, method: str = "GET", *parts: bytes, final: bool = True
    ) -> None:
        """Send a request with a stream of parts."""
        self.ask(request_id, path, method, stream=True)
        self.parts(request_id, parts)
        if final:
            self.part(request_id, b"", final=True)

    def parts(self, request_id: str, parts: Iterable[bytes]) -> None:
        """Send parts of a request's body, and more to come."""
        for part in parts:
            self.part(request_id, part)

    def part(self, request_id: str, data: bytes, *, final: bool = False) -> None:
        """Send a part of a request's body."""
        self.send("body", request_id, {"length": len(data), "final": final}, data)

    def heard(self) -> dict[str, Any] | None:
        """The next message, with the raw bytes behind it as `data`; None where the plugin says no more."""
        line = self._file.readline()
        if not line:
            return None
        message: dict[str, Any] = json.loads(line)
        assert line.endswith(b"\n")
        if length := message["payload"].get("length"):
            message["data"] = self._file.read(length)
            assert len(message["data"]) == length
        return message

    def answer(self) -> tuple[str, int, bytes]:
        """The next message, an answer: its request, its status, its body."""
        message = self.heard()
        assert message is not None
        assert message["type"] == "http", message
        payload = message["payload"]
        body = payload.get("body") or ""
        data = base64.b64decode(body) if payload.get("body_encoding") == "base64" else body.encode()
        return message["request_id"], payload["status"], data

    def streamed(self) -> tuple[int, bytes]:
        """The next message, the start of a streamed answer, with all its parts: its status, its body."""
        head = self.heard()
        assert head is not None
        assert head["payload"].get("stream") is True, head
        body = b""
        while True:
            part = self.heard()
            assert part is not None
            assert part["type"] == "body", part
            body += part.get("data", b"")
            if part["payload"]["final"]:
                return head["payload"]["status"], body

    def is_closed(self) -> bool:
        """Wait for the end, and tell whether it came without another word."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True


class Running:
    """A plugin's process."""

    def __init__(self, file: Path, folder: Path, *flags: str, **environ: str) -> None:
        """`flags` are Python's own."""
        self.path = folder / "s"
        self._noted = threading.Condition()
        self.logs: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [sys.executable, *flags, file],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": KIT,
                "TORU_PLUGIN_SOCKET": str(self.path),
                **environ,
            },
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                record = json.loads(line)
            except ValueError:
                record = {"level": "", "message": line.decode().rstrip("\n")}
            with self._noted:
                self.logs.append(
                    record if isinstance(record, dict) else {"level": "", "message": str(record)}
                )
                self._noted.notify_all()
        with self._noted:
            self._noted.notify_all()

    def said(self, words: str, times: int = 1) -> dict[str, Any]:
        """Wait for so many lines of its log that hold these words."""
        with self._noted:
            found: list[dict[str, Any]] = []

            def look() -> bool:
                found[:] = [record for record in self.logs if words in record["message"]]
                return len(found) >= times

            assert self._noted.wait_for(look, PATIENCE), (words, [one["message"] for one in self.logs])
            return found[0]

    def connect(self) -> Peer:
        """A connection, once it listens."""
        wait = threading.Event()
        for _ in range(int(PATIENCE / 0.01)):
            try:
                return Peer(self.path)
            except (FileNotFoundError, ConnectionRefusedError):
                assert self.process.poll() is None, self.logs
                wait.wait(0.01)
        raise AssertionError(f"it does not listen: {self.logs}")

    def ended(self) -> int:
        """Wait for its end. Returns the exit code."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def kill(self) -> None:
        """Leave nothing of it."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def running(folder: Path, source: str, **environ: str) -> Iterator[Running]:
    """A plugin of that source, started."""
    file = folder / "plugin.py"
    file.write_text(source)
    plugin = Running(file, folder, **environ)
    try:
        yield plugin
    finally:
        plugin.kill()
