"""The machine: programs that toru starts plugins with, its own dashboard, and the clock."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from toru.cli.doctor.finding import Finding
from toru.config import Config
from toru.http.dashboard import BUILT, INDEX

# Seconds by which a file may be newer than now: clocks of file servers differ a little.
TOLERANCE = 60.0
# No clock that is right shows less: the time at which this was written.
_LEAST = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def look_at_machine() -> Iterator[Finding]:
    """What has to be installed."""
    missing = [name for name in ("setsid", "setpriv", "prlimit") if shutil.which(name) is None]
    if missing:
        yield Finding("failure", "machine", f"{', '.join(missing)} cannot be found", "install util-linux")
    else:
        yield Finding("ok", "machine", "util-linux is installed")
    if not (BUILT / INDEX).exists():
        yield Finding(
            "warning",
            "machine",
            "this toru has no dashboard, because it runs from a folder with its source",
            "run `make web` there, or install it",
        )


def look_at_clock(config: Config) -> Iterator[Finding]:
    """Whether the clock can be believed: certificates, sessions and what is kept for so many days count on it."""
    written = max((path.stat().st_mtime for path in _written(config) if os.path.exists(path)), default=0.0)
    yield judge_clock(time.time(), written, _synchronised())


def judge_clock(now: float, written: float, synchronised: bool | None) -> Finding:
    """`written` is when something was written last, `synchronised` None where nobody knows. Seconds since 1970."""
    mend = "set the clock, and have it kept right: timedatectl set-ntp true"
    if now < _LEAST:
        return Finding("failure", "clock", f"the clock says {_shown(now)}, which is over", mend)
    if written > now + TOLERANCE:
        return Finding(
            "failure",
            "clock",
            f"the clock says {_shown(now)}, and toru wrote something at {_shown(written)}: it went back",
            mend,
        )
    if synchronised is False:
        return Finding("warning", "clock", f"nothing keeps the clock right; it says {_shown(now)}", mend)
    return Finding("ok", "clock", f"the clock says {_shown(now)}")


def _written(config: Config) -> Iterator[Path]:
    database = config.database.removeprefix("sqlite:///")
    yield from (Path(f"{database}{suffix}") for suffix in ("", "-wal"))
    yield from (config.data / "instance-id", config.logs / "plugin-supervisor.log")


def _shown(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _synchronised() -> bool | None:
    """Whether the system says that its clock is kept right; None where it cannot say."""
    if shutil.which("timedatectl") is None or not os.path.isdir("/run/systemd/system"):
        return None
    try:
        answer = subprocess.run(
            ["timedatectl", "show", "--property=NTPSynchronized", "--value"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(answer)
