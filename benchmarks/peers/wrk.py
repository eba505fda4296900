"""wrk, and what it says."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.peers.installing import debian

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class Rate(NamedTuple):
    """Answers a second, and the seconds that half and 99 % of them took at the most."""

    rate: float
    p50: float
    p99: float


class WrkError(Exception):
    """The figures are worth nothing: not all was answered, or wrk could not run."""


def parse(said: str) -> Rate:
    """What stands in wrk's output with `--latency`. Raises WrkError where an answer was no success."""
    if found := re.search(r"Socket errors: (.+)", said):
        raise WrkError(f"connections failed: {found[1]}")
    if found := re.search(r"Non-2xx or 3xx responses: (\d+)", said):
        raise WrkError(f"{found[1]} answers were no success")
    rate = re.search(r"^Requests/sec: +([\d.]+)$", said, re.MULTILINE)
    if rate is None or float(rate[1]) == 0:
        raise WrkError(f"wrk has no answers: {' '.join(said.split())[:200]}")
    return Rate(float(rate[1]), _percentile(said, "50%"), _percentile(said, "99%"))


def _percentile(said: str, which: str) -> float:
    found = re.search(rf"^ +{which} +([\d.]+)(us|ms|s|m|h)$", said, re.MULTILINE)
    if found is None:
        raise WrkError(f"wrk does not say {which}")
    return float(found[1]) * _SECONDS[found[2]]


def run(
    url: str,
    headers: Mapping[str, str],
    connections: int,
    seconds: int,
    *,
    script: str = "",
) -> Rate:
    """So many connections for so long; `script` is Lua, for what is no plain GET. Raises WrkError."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = [
            debian("wrk", "wrk"),
            f"-t{min(connections, 2)}",
            f"-c{connections}",
            f"-d{seconds}s",
            "--latency",
            "--timeout=10s",
            f"--script={file.name}",
        ]
        for name, value in headers.items():
            command += ["-H", f"{name}: {value}"]
        done = subprocess.run(
            [*command, url], capture_output=True, text=True, check=False, timeout=seconds + 60
        )
    if done.returncode:
        raise WrkError(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    return parse(done.stdout)
