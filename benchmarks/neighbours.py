"""Nine plugins answering, while a tenth is well and while it is stopped and 100 requests wait for it."""

from __future__ import annotations

import os
import signal
import socket

from benchmarks.harness import a_core, load, milliseconds, request
from tests.integration.cores import wait_for


def main() -> None:
    """p50 and p99 of the nine, without and beside it."""
    with a_core() as core:
        for number in range(10):
            core.plugin(f"p{number}")
        core.start()
        for number in range(10):
            core.wait_state(f"p{number}", "running")
        asks = [request(core, "GET", f"/api/plugins/route/p{number}/") for number in range(10)]
        load(core, asks, seconds=1.0)
        quiet = load(core, asks[:9], seconds=3.0)
        os.kill(core.status("p9")["pid"], signal.SIGSTOP)
        waiting = [socket.create_connection(("127.0.0.1", core.port)) for _ in range(100)]
        for connection in waiting:
            connection.sendall(asks[9])
        wait_for(lambda: core.status("p9")["traffic"]["in_flight"] == len(waiting))
        beside = load(core, asks[:9], seconds=3.0)
        os.kill(core.status("p9")["pid"], signal.SIGCONT)
        for connection in waiting:
            connection.close()
        print(
            f"{len(quiet.took):,} answers of nine plugins: p50 {milliseconds(quiet.p50)}, p99 {milliseconds(quiet.p99)}; "
            f"beside a stopped one: p50 {milliseconds(beside.p50)} ({beside.p50 / quiet.p50:.2f}), "
            f"p99 {milliseconds(beside.p99)} ({beside.p99 / quiet.p99:.2f})"
        )


if __name__ == "__main__":
    main()
