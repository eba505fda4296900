"""Starts real cores with real plugins and prints what they cost: `make bench`, on a machine that does nothing else.

Each figure stands beside what it is to be compared with, measured in the same run.
"""

from __future__ import annotations

import http.client
import os
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.cores import Core, wait_for
from toru.config import cores

PLUGINS = 200


def main() -> None:
    """Run all, one after the other."""
    start_of_many()
    notice_of_a_kill()
    neighbour_of_a_stopped_plugin()
    memory_of_idle_plugins()


@contextmanager
def a_core() -> Iterator[Core]:
    with tempfile.TemporaryDirectory(prefix="t") as folder:
        core = Core(Path(folder))
        try:
            yield core
        finally:
            if core.process is not None and core.process.poll() is None:
                core.stop(signal.SIGTERM)


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


def neighbour_of_a_stopped_plugin() -> None:
    """Nine plugins answering, while a tenth is well and while it is stopped and 100 requests wait for it."""
    with a_core() as core:
        for number in range(10):
            core.plugin(f"p{number}")
        core.start()
        for number in range(10):
            core.wait_state(f"p{number}", "running")
        figures = []
        quiet = latencies(core, range(9))
        os.kill(core.status("p9")["pid"], signal.SIGSTOP)
        waiting = [http.client.HTTPConnection("127.0.0.1", core.port) for _ in range(100)]
        for connection in waiting:
            connection.request("GET", "/api/plugins/route/p9/")
        wait_for(lambda: core.status("p9")["traffic"]["in_flight"] == len(waiting))
        disturbed = latencies(core, range(9))
        os.kill(core.status("p9")["pid"], signal.SIGCONT)
        for connection in waiting:
            connection.close()
        for one in (quiet, disturbed):
            figures.append((statistics.median(one), statistics.quantiles(one, n=100)[98]))
        (quiet_p50, quiet_p99), (p50, p99) = figures
        print(
            f"900 answers of nine plugins: p50 {milliseconds(quiet_p50)}, p99 {milliseconds(quiet_p99)}; beside a "
            f"stopped one: p50 {milliseconds(p50)} ({p50 / quiet_p50:.2f}), p99 {milliseconds(p99)} ({p99 / quiet_p99:.2f})"
        )


def latencies(core: Core, plugins: range) -> list[float]:
    """Seconds for each of 100 requests to each of these, one thread a plugin."""
    took: list[float] = []

    def work(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", core.port)
        for _ in range(100):
            began = time.perf_counter()
            connection.request("GET", f"/api/plugins/route/p{number}/")
            connection.getresponse().read()
            took.append(time.perf_counter() - began)
        connection.close()

    workers = [threading.Thread(target=work, args=(number,)) for number in plugins]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return took


def memory_of_idle_plugins() -> None:
    """How much larger the core is for each of 100 idle plugins."""
    one, many = memory_with(1), memory_with(101)
    print(
        f"memory of the core: {one:,.0f} KiB with 1 plugin, {many:,.0f} KiB with 101: "
        f"{(many - one) / 100:.1f} KiB a plugin"
    )


def memory_with(plugins: int) -> float:
    """Resident KiB of a core with that many idle plugins."""
    with a_core() as core:
        for number in range(plugins):
            core.plugin(f"p{number}")
        core.start()
        wait_for(lambda: sum(plugin["running"] for plugin in core.get("/api/plugins").json()) == plugins)
        assert core.process is not None
        pages = int(Path(f"/proc/{core.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


if __name__ == "__main__":
    main()
