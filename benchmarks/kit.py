"""What it costs a plugin in Python to load the kit, beside a Python that does nothing."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

import toru.plugin

_RUNS = 40
_KIT = Path(toru.plugin.__file__).parent
_PEAK = "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"


class Cost(NamedTuple):
    """Of one process: seconds from its start to its end, seconds of a processor, resident KiB at the most."""

    wall: float
    cpu: float
    resident: float


def main() -> None:
    """All in turns, so that whatever else the machine does meets each of them."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "kit.zip"
        with zipfile.ZipFile(archive, "w") as written:
            written.writestr("toru/__init__.py", "")
            for path in _KIT.glob("*.py"):
                written.write(path, f"toru/plugin/{path.name}")
        codes = {
            "nothing": "pass",
            "the kit": f"import sys; sys.path.insert(0, {str(_KIT.parents[1])!r}); import toru.plugin",
            "the kit from a zipapp, which compiles it": (
                f"import sys; sys.path.insert(0, {str(archive)!r}); import toru.plugin"
            ),
        }
        figures: dict[str, list[Cost]] = {name: [] for name in codes}
        # Once for nothing: what was installed is compiled, and all of it read before.
        for _ in range(_RUNS + 1):
            for name, code in codes.items():
                figures[name].append(cost(code))
    found = {name: median(costs[1:]) for name, costs in figures.items()}
    nothing = found["nothing"]
    for name, each in found.items():
        print(
            f"python that loads {name}: {each.wall * 1000:.1f} ms ({each.wall / nothing.wall:.2f} times nothing), "
            f"{each.cpu * 1000:.1f} ms of a processor ({each.cpu / nothing.cpu:.2f}), "
            f"{each.resident:,.0f} KiB ({each.resident / nothing.resident:.2f})"
        )


def cost(code: str) -> Cost:
    """Run it in a Python of its own."""
    began = time.perf_counter()
    # It has to say itself how large it was: the kernel counts in what it was forked from.
    process = subprocess.Popen([sys.executable, "-I", "-c", f"{code}; {_PEAK}"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    said = process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return Cost(wall, usage.ru_utime + usage.ru_stime, int(said))


def median(costs: list[Cost]) -> Cost:
    """Of each figure."""
    return Cost(*(statistics.median(figures) for figures in zip(*costs, strict=True)))


if __name__ == "__main__":
    main()
