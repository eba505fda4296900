"""The table of cases against any server: `python -m tests.server.compare`.

Without arguments it starts Debian's nginx in front of a trivial server, and prints each row where nginx does not do as
the table wants toru to. With `PORT ROUTE [TOKEN]` it asks the server on that port of this machine, whose echo is at
ROUTE: a core with the plugin of test_from_outside.py, say. What the echo says of nginx is no plugin's view, so there
only answers and connections count.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.integration.cores import wait_for
from tests.server.case import Case
from tests.server.client import Client
from tests.server.exchanges import MAX_BODY
from tests.server.judge import objections
from tests.server.table import CASES

CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors crit;
events {{}}
http {{
    access_log off; client_max_body_size {max_body}; large_client_header_buffers 4 64k;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    scgi_temp_path {folder}/d; uwsgi_temp_path {folder}/e; ignore_invalid_headers off; underscores_in_headers on;
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{behind}; }} }}
}}
"""


class Echo(BaseHTTPRequestHandler):
    """Says the path, and otherwise does as it is told by it."""

    def do(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        status = int(self.path[8:11]) if self.path.startswith("/status/") else 200
        body = b"" if status in (204, 304) else json.dumps({"path": self.path}).encode()
        self.send_response(status)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def __getattr__(self, name: str) -> object:
        if name.startswith("do_"):
            return self.do
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Behind(ThreadingHTTPServer):
    """Says nothing of clients that go away: nginx does, as soon as it has a reason."""

    def handle_error(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def nginx() -> Iterator[int]:
    """Its port."""
    echo = Behind(("127.0.0.1", 0), Echo)
    threading.Thread(target=echo.serve_forever, daemon=True).start()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "nginx.conf")
        settings.write_text(
            CONFIGURATION.format(folder=folder, port=port, behind=echo.server_port, max_body=MAX_BODY)
        )
        process = subprocess.Popen(["nginx", "-e", f"{folder}/errors", "-c", settings])
        try:
            wait_for(lambda: listens(port))
            yield port
        finally:
            process.terminate()
            process.wait()
            echo.shutdown()
            echo.server_close()


def listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def differences(cases: Sequence[Case], port: int, route: bytes, signed: bytes) -> Iterator[str]:
    """A line for each row where that server does otherwise."""

    def one(case: Case) -> str:
        with Client(port, route, signed) as client:
            found = objections(case, client)
        return f"{case.id}: {'; '.join(found)}" if found else ""

    with ThreadPoolExecutor(8) as threads:
        yield from filter(None, threads.map(one, cases))


def main(arguments: Sequence[str]) -> None:
    if arguments:
        port, route, *token = arguments
        signed = "".join(f"Authorization: Bearer {one}\r\n" for one in token)
        lines = list(differences(CASES, int(port), route.encode(), signed.encode()))
    else:
        plain = [replace(case, saw={}, headers={}) for case in CASES]
        with nginx() as own:
            lines = list(differences(plain, own, b"", b""))
    print(*lines, f"{len(lines)} of {len(CASES)} rows differ.", sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
