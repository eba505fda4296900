"""How long it takes until many plugins are up, until one was restarted, and until a kill is noticed."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import threading
import time
from pathlib import Path

from benchmarks.harness import a_core, milliseconds
from tests.integration.cores import wait_for
from toru.config import cores

PLUGINS = 200


def main() -> None:
    """All of it."""
    start_of_many()
    restart()
    notice_of_a_kill()


def start_of_many() -> None:
    """200 plugins, one of them broken, from nothing and again; beside as many bare starts of the same files."""
    with a_core() as core:
        files = [core.plugin(f"p{number:03}") for number in range(PLUGINS - 1)]
        core.file("broken.binary", "#!/bin/sh\nexit 3\n")
        for name, runs in (("first start", 2), ("second start, nothing changed", 1)):
            bare = bare_starts(files * runs)
            began = time.perf_counter()
            core.start()
            # Asked seldom, because telling of 200 plugins is work that would be measured too.
            wait_for(
                lambda: sum(plugin["running"] for plugin in core.get("/api/plugins").json()) == len(files),
                timeout=120,
                every=0.1,
            )
            took = time.perf_counter() - began
            core.stop(signal.SIGTERM)
            print(
                f"{name}: {len(files)} plugins up in {took:.2f} s, {len(files) * runs} bare starts in {bare:.2f} s, "
                f"ratio {took / bare:.2f}"
            )


def bare_starts(files: list[Path]) -> float:
    """Seconds that `<file> --metadata` takes for all of them, as many at a time as there are cores."""
    waiting = iter(files)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                file = next(waiting, None)
            if file is None:
                return
            subprocess.run([file, "--metadata"], stdout=subprocess.DEVNULL, check=True)

    began = time.perf_counter()
    workers = [threading.Thread(target=work) for _ in range(cores())]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - began


def restart() -> None:
    """From asking for it to the new process answering; beside bare starts of the same file."""
    with a_core() as core:
        file = core.plugin("again")
        core.start()
        before = core.wait_pid("again")
        took, bare = [], []
        for _ in range(20):
            bare.append(bare_starts([file]))
            began = time.perf_counter()
            assert core.post("/api/plugins/again/restart").status == 200
            answering = core.route("again").json()["pid"]
            took.append(time.perf_counter() - began)
            assert answering != before
            before = answering
        print(
            f"restart: median {milliseconds(statistics.median(took))}; "
            f"one bare start: median {milliseconds(statistics.median(bare))}; "
            f"ratio {statistics.median(took) / statistics.median(bare):.2f}"
        )


def notice_of_a_kill() -> None:
    """From kill -9 of a plugin to the interface saying so; beside one such call."""
    with a_core() as core:
        core.settings("[supervision]\nbackoff_first = 0.05\nbackoff_max = 0.05\nmax_crashes = 1000\n")
        core.plugin("victim")
        core.start()
        took, calls = [], []
        for _ in range(50):
            status = core.wait_state("victim", "running")
            began = time.perf_counter()
            core.status("victim")
            calls.append(time.perf_counter() - began)
            began = time.perf_counter()
            os.kill(status["pid"], signal.SIGKILL)
            while core.status("victim")["consecutive_crashes"] == status["consecutive_crashes"]:
                pass
            took.append(time.perf_counter() - began)
        print(
            f"kill -9 noticed: median {milliseconds(statistics.median(took))}, worst {milliseconds(max(took))}; "
            f"one call: median {milliseconds(statistics.median(calls))}"
        )


if __name__ == "__main__":
    main()
