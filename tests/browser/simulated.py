"""Live updates that a test makes up: an hour of them in a moment, and of more plugins than a core should run here.

    page = browse(None, as_=ADMIN_ACCOUNT)
    live = Simulated(page, 60)
    page.goto("/plugins")
    live.wait()
    live.say([live.usage()])

Everything else that the page asks is answered by the core.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.sync_api import Page, Route

# `fetch` as it is, but for the one stream: it is open, and says what the test says.
_STREAM = """(() => {
    const fetched = window.fetch;
    window.fetch = (resource, options) => {
        if (!String(resource.url ?? resource).endsWith("/api/events/stream")) return fetched(resource, options);
        const body = new ReadableStream({ start: (stream) => { window.simulated = stream; } });
        const headers = { "content-type": "text/event-stream" };
        return Promise.resolve(new Response(body, { headers }));
    };
})()"""

# As much at once as the network brings, and each drawn before the next comes.
_SAY = """async (pieces) => {
    const encoder = new TextEncoder();
    for (const piece of pieces) {
        window.simulated.enqueue(encoder.encode(piece));
        await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    }
}"""


_LISTENS = """() => new Promise((resolve) => {
    const look = () => window.simulated ? resolve() : requestAnimationFrame(look);
    look();
})"""


class Simulated:
    """`count` plugins of that page, with the ids `p0`, `p1` and so on; they exist nowhere else."""

    def __init__(self, page: Page, count: int) -> None:
        """Before the page is opened."""
        self._page = page
        self._time = datetime.now(UTC)
        self._step = 0
        self._event = 1_000_000
        self.plugins = [plugin(number) for number in range(count)]
        page.add_init_script(_STREAM)
        page.route(re.compile(r"/api/plugins$"), lambda route: route.fulfill(json=self.plugins))
        page.route(re.compile(r"/api/plugins/p\d+/usage$"), lambda route: route.fulfill(json=[]))
        page.route(re.compile(r"/api/plugins/p\d+/events\b"), _no_events)

    def wait(self) -> None:
        """Until the page listens."""
        # Playwright's own way to wait is an `eval`, which the page's policy forbids.
        self._page.evaluate(_LISTENS)

    def say(self, messages: list[str], at_once: int = 1) -> None:
        """Send them, so many at once, and return when all of it is drawn."""
        pieces = ["".join(messages[at : at + at_once]) for at in range(0, len(messages), at_once)]
        self._page.evaluate(_SAY, pieces)

    def usage(self) -> str:
        """The message with the figures two seconds later, which are others for each plugin and each time."""
        self._step += 1
        self._time += timedelta(seconds=2)
        figures = {
            each["id"]: {
                "usage": {
                    "cpu_percent": (self._step * 7.3 + number) % 130,
                    "rss_bytes": 1_000_000 * (1 + (self._step * 37 + number) % 2000),
                },
                "traffic": traffic(self._step**2 * (number + 1), (self._step * 1.7) % 2500),
            }
            for number, each in enumerate(self.plugins)
        }
        return _message({"timestamp": _written(self._time), "plugins": figures}, "event: usage\n")

    def event(self, type: str, number: int, **details: object) -> str:
        """The message of something that happened to a plugin."""
        self._event += 1
        told = {
            "id": self._event,
            "timestamp": _written(self._time),
            "plugin": self.plugins[number]["id"],
            "type": type,
            "details": details,
        }
        return _message(told, f"id: {self._event}\n")

    def change(self, number: int, **fields: object) -> str:
        """The message of a plugin that is another now."""
        self.plugins[number] |= fields
        return _message(self.plugins[number], "event: plugin\n")


def plugin(number: int) -> dict[str, Any]:
    """One that runs well."""
    return {
        "id": f"p{number}",
        "name": f"Plugin {number:02}",
        "version": "1.0.0",
        "author": "Somebody",
        "description": f"It is number {number}.",
        "icon": "🔌",
        "route": f"/p{number}",
        "capabilities": ["ping"],
        "protocol": "2",
        "enabled": True,
        "state": "running",
        "running": True,
        "health": "healthy",
        "pid": 4000 + number,
        "socket_path": f"/nowhere/p{number}.sock",
        "started_at": "2026-01-02T03:04:05Z",
        "uptime_seconds": 12.5,
        "restarts": 0,
        "consecutive_crashes": 0,
        "next_restart_at": None,
        "last_exit": None,
        "problem": None,
        "usage": {"cpu_percent": 0.4, "rss_bytes": 18_350_080},
        "traffic": traffic(0, None),
    }


def traffic(requests: int, milliseconds: float | None) -> dict[str, Any]:
    """So many requests, answered in about that time."""
    latency = {"p50": milliseconds, "p99": milliseconds and milliseconds * 2}
    return {"requests": requests, "errors": requests // 100, "in_flight": 0, "latency_ms": latency}


def _no_events(route: Route) -> None:
    route.fulfill(json={"events": [], "page": 0, "page_size": 50, "total": 0})


def _message(data: object, before: str) -> str:
    return f"{before}data: {json.dumps(data)}\n\n"


def _written(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
