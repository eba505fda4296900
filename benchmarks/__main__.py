"""Starts real cores with real plugins and prints what they cost: `make bench`, on a machine that does nothing else.

Each figure stands beside what it is to be compared with, measured in the same run, and goes into docs/performance.md.
`python -m benchmarks.flood`, say, runs one of them alone, and writes nothing there; `benchmarks.peers` does.
"""

from __future__ import annotations

import subprocess
import sys

from benchmarks import page

# Each in a process of its own: one that breaks is missing, and a reactor runs once.
MODULES = ("starts", "kit", "neighbours", "memory", "flood", "doors", "kv", "logs", "dashboard")


def main() -> None:
    """Run all, one after the other. Ends with code 1 where one of them failed."""
    lines: list[str] = []
    failed = [name for name in MODULES if not _run(name, lines)]
    page.write("others", (f"- {line}" for line in lines))
    if not _run("peers", []):
        failed.append("peers")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _run(name: str, lines: list[str]) -> bool:
    with subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{name}"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(" ".join(line.split()))
    return process.returncode == 0


if __name__ == "__main__":
    main()
