"""Runs the `toru` command in forks of a process that has imported what it needs: a tenth of the time.

Run as a script with the number of a socket, from which it takes a JSON object with `argv`, `env` and `cwd`,
and four file descriptors: standard input, output and error, and where the pid and the exit code are written.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from importlib import import_module
from io import BufferedReader, BufferedWriter, FileIO, TextIOWrapper
from typing import Any

MESSAGE_BYTES = 2**17


def main() -> None:
    """Until the socket is closed."""
    for module in ("cli.main", "cli.client", "cli.discover", "config", "store.backups"):
        import_module(f"toru.{module}")
    import_module("rich.table")
    # It holds a descriptor that forks would share.
    assert "twisted.internet.reactor" not in sys.modules
    requests = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, files, _, _ = socket.recv_fds(requests, MESSAGE_BYTES, 4)
        if not message:
            return
        if os.fork() == 0:
            requests.close()
            keep(json.loads(message), files)
        for file in files:
            os.close(file)


def keep(request: dict[str, Any], files: list[int]) -> None:
    """Have the command in a process of its own, and tell how it ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *standard, told = files
    pid = os.fork()
    if pid == 0:
        os.close(told)
        carry_out(request, standard)
    for file in standard:
        os.close(file)
    os.write(told, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def carry_out(request: dict[str, Any], standard: list[int]) -> None:
    """As the interpreter would have it, had it just been started."""
    from toru.cli.main import main as toru

    for number, file in enumerate(standard):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = TextIOWrapper(BufferedReader(FileIO(0, closefd=False)), encoding="utf-8")
    sys.stdout, sys.stderr = (
        TextIOWrapper(
            BufferedWriter(FileIO(number, "w", closefd=False)), encoding="utf-8", line_buffering=number == 2
        )
        for number in (1, 2)
    )
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    code = 1
    try:
        toru(request["argv"], prog_name="toru")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except Exception:
        sys.excepthook(*sys.exc_info())
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
