"""One plugin prints as fast as its pipe lets it; beside it another answers requests."""

from __future__ import annotations

import signal
import sqlite3
import threading

from benchmarks.harness import a_core, load, milliseconds, request, resident_kib
from tests.integration.cores import wait_for

SECONDS = 10.0

FLOOD = f"""
def flood():
    number, end = 0, time.monotonic() + {SECONDS}
    while time.monotonic() < end:
        sys.stdout.write("".join(f"line {{each}}\\n" for each in range(number, number + 50)))
        sys.stdout.flush()
        number += 50
    note("printed", number)
def handle(file, message):
    if message["type"] == "http":
        threading.Thread(target=flood).start()
        answer(file, message)
serve(handle)
"""


def main() -> None:
    """p99 and memory beside the flood against the same without it, and whether each line was recorded, in order."""
    with a_core() as core:
        core.settings("[logs]\nmax_records = 100_000_000\nmax_bytes = 100_000_000_000\n")
        core.plugin("flood", FLOOD)
        core.plugin("calm")
        core.start()
        core.wait_pid("flood")
        core.wait_pid("calm")
        assert core.process is not None
        pid = core.process.pid
        ask = request(core, "GET", "/api/plugins/route/calm/")
        # What is allocated once is allocated before it is measured.
        load(core, [ask], seconds=1.0, pause=0.005)
        quiet = load(core, [ask], seconds=SECONDS, pause=0.005)
        before = resident_kib(pid)
        assert core.route("flood").status == 200
        most = [before]
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.05):
                most.append(resident_kib(pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        beside = load(core, [ask], seconds=SECONDS, pause=0.005)
        printed = int(core.wait_notes("printed", 1)[0])
        last = f"line {printed - 1}"
        wait_for(lambda: core.get("/api/plugins/flood/logs?page_size=1").json()["logs"][0]["message"] == last)
        done.set()
        watcher.join()
        core.stop(signal.SIGTERM)
        database = sqlite3.connect(core.folder / "data" / "toru.db")
        messages = database.execute("select message from plugin_logs where plugin = 'flood' order by id")
        recorded = all(message == f"line {number}" for number, (message,) in enumerate(messages))
        (count,) = database.execute("select count(*) from plugin_logs where plugin = 'flood'").fetchone()
        database.close()
        print(
            f"a flood of {printed / SECONDS:,.0f} lines a second for {SECONDS:g} s: "
            f"{'all' if recorded and count == printed else 'NOT ALL'} {printed:,} recorded in order; the core grew by "
            f"{(max(most) - before) / 1024:.1f} MiB; beside it p50 {milliseconds(beside.p50)} "
            f"({beside.p50 / quiet.p50:.2f} of quiet), p99 {milliseconds(beside.p99)} ({beside.p99 / quiet.p99:.2f})"
        )


if __name__ == "__main__":
    main()
