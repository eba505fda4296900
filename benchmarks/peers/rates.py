"""Answers a second and how long they took, of each peer in turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import psutil

from benchmarks.peers import wrk
from benchmarks.peers.running import Peer, cpu_seconds
from benchmarks.peers.table import Row


class Case(NamedTuple):
    """So many connections, answers of so many bytes, and bodies of so many where something is sent.

    `varied`: no request is the same as another.
    """

    connections: int
    answer: int
    post: int = 0
    varied: bool = False

    def __str__(self) -> str:
        told = f"{self.connections} connection{'s' if self.connections > 1 else ''}, {size(self.answer)}"
        sent = f", {size(self.post)} sent" if self.post else ""
        return told + sent + (", each request another" if self.varied else "")

    @property
    def script(self) -> str:
        """What wrk has to be told in Lua."""
        if self.varied:
            return _VARIED
        return _POST.format(bytes=self.post) if self.post else ""


class Measured(NamedTuple):
    """Of one peer in one case: answers a second, seconds, and microseconds of a processor for each answer."""

    rate: float
    p50: float
    p99: float
    proxy_cpu: float
    plugin_cpu: float


SMALL = 13

_POST = """\
wrk.method = "POST"
wrk.headers["Content-Type"] = "text/plain"
wrk.body = string.rep("x", {bytes})
"""

# The path is known once the threads of wrk are there.
_VARIED = """\
local number = 0
request = function()
  number = number + 1
  return wrk.format(nil, wrk.path .. "?" .. number)
end
"""

CASES = (
    *(Case(connections, SMALL) for connections in (1, 32, 128)),
    Case(32, SMALL, varied=True),
    *(Case(32, bytes) for bytes in (1024, 65536)),
    *(Case(32, SMALL, bytes) for bytes in (1024, 65536)),
)


def size(bytes: int) -> str:
    """For people."""
    return f"{bytes // 1024} KiB" if bytes >= 1024 else f"{bytes} bytes"


def measure(
    peers: Sequence[Peer],
    cases: Iterable[Case],
    *,
    rounds: int,
    seconds: int,
    say: Callable[[str], None],
) -> list[Row]:
    """Medians over the rounds; in the place of figures why there are none."""
    rows = []
    for peer in peers:
        # What is made once is made before.
        _try(peer, Case(32, SMALL), 1)
    for case in cases:
        found: dict[str, list[Measured]] = {peer.name: [] for peer in peers}
        failed: dict[str, str] = {}
        for _ in range(rounds):
            for peer in peers:
                if peer.name not in failed:
                    one = _try(peer, case, seconds)
                    if isinstance(one, str):
                        failed[peer.name] = one
                    else:
                        found[peer.name].append(one)
        medians = {name: median(all) for name, all in found.items() if name not in failed}
        rows += _rows(case, medians, failed)
        for name in found:
            say(f"{case}: {name} {told(medians[name]) if name in medians else failed[name]}")
    return rows


def _rows(case: Case, medians: Mapping[str, Measured], failed: Mapping[str, str]) -> list[Row]:
    def row(label: str, figure: Callable[[Measured], float]) -> Row:
        return Row(f"{case}: {label}", {name: figure(each) for name, each in medians.items()})

    rate = row("answers a second", lambda each: each.rate)
    return [
        rate._replace(values={**rate.values, **failed}),
        row("p50, µs", lambda each: each.p50 * 1e6),
        row("p99, µs", lambda each: each.p99 * 1e6),
        # The plugin alone has no proxy that could need any.
        Row(
            f"{case}: processor time of the proxy for each, µs",
            {name: each.proxy_cpu for name, each in medians.items() if each.proxy_cpu},
        ),
        row("processor time of the plugin for each, µs", lambda each: each.plugin_cpu),
    ]


def told(measured: Measured) -> str:
    """In a line."""
    return (
        f"{measured.rate:,.0f} a second, p50 {measured.p50 * 1e6:,.0f} µs, p99 {measured.p99 * 1e6:,.0f} µs; "
        f"CPU for each {measured.proxy_cpu:.1f} µs, in the plugin {measured.plugin_cpu:.1f} µs"
    )


def median(all: Sequence[Measured]) -> Measured:
    """Of each figure."""
    return Measured(*(statistics.median(figures) for figures in zip(*all, strict=True)))


def _try(peer: Peer, case: Case, seconds: int) -> Measured | str:
    plugin = psutil.Process(peer.plugins["fast"])
    before, plugin_before = peer.cpu_seconds(), cpu_seconds(plugin)
    try:
        rate = wrk.run(
            peer.url("fast", f"/{case.answer}"),
            peer.headers,
            case.connections,
            seconds,
            script=case.script,
        )
    except wrk.WrkError as error:
        return str(error)
    each = 1e6 / (rate.rate * seconds)
    return Measured(*rate, (peer.cpu_seconds() - before) * each, (cpu_seconds(plugin) - plugin_before) * each)
