"""The machine that figures are of, in a line or two."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil


def described() -> str:
    """Processors, memory, kernel, Python and what toru stands on."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    model = names[0] if names else platform.machine()
    return (
        f"{len(os.sched_getaffinity(0))} cores of {model}, {psutil.virtual_memory().total / 2**30:.0f} GiB, "
        f"Linux {platform.release()}, Python {platform.python_version()}, Twisted {version('Twisted')}"
    )
