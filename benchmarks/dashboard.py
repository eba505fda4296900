"""The manager in Chromium: how soon it can be used, beside an empty page of the same core, and what it costs then."""

from __future__ import annotations

import statistics
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks.harness import a_core, milliseconds
from tests.browser.browsing import (
    ADMIN_ACCOUNT,
    INSTALL_CHROMIUM,
    Browsing,
    Console,
    found_chromium,
    started_chromium,
)
from tests.browser.simulated import Simulated
from tests.integration.cores import Core

PLUGINS = 10
ROUNDS = 15
SCROLLED = 60
HOUR = 1800  # messages with figures, one every 2 s
MIB = 1024**2

EMPTY_PAGE = """
HTML = "<!doctype html><html lang=en><title>Empty</title><p id=ready>Empty"
def handle(file, message):
    if message["type"] == "http":
        answer(file, message, headers={"content-type": "text/html; charset=utf-8"}, body=HTML)
serve(handle)
"""

# In seconds since the navigation began: when anything was painted, when the page can be used (as Lighthouse has it:
# when it was painted or, if that was later, when its thread was busy for 50 ms or more for the last time in the two
# seconds after the end), and when what it is for (`READY`) was there in a frame that was drawn, which is that end.
WATCH = """
localStorage.setItem("toru.signed-in", "yes");
window.times = new Promise((resolve) => {
    let busyUntil = 0;
    new PerformanceObserver((list) => {
        for (const task of list.getEntries()) busyUntil = task.startTime + task.duration;
    }).observe({ type: "longtask", buffered: true });
    const look = () => {
        if (!document.querySelector(READY)) return requestAnimationFrame(look);
        requestAnimationFrame(() => setTimeout(() => {
            const shown = performance.now();
            setTimeout(() => {
                const painted = performance.getEntriesByName("first-contentful-paint")[0].startTime;
                resolve([painted, Math.max(painted, busyUntil), shown].map((time) => time / 1000));
            }, 2000);
        }));
    };
    look();
});
window.shifted = 0;
new PerformanceObserver((list) => {
    for (const shift of list.getEntries()) window.shifted += shift.value;
}).observe({ type: "layout-shift", buffered: true });
"""

# Two screens a second, down and up again, for 10 s; the milliseconds of all frames meanwhile.
SCROLL = """(async () => {
    const scrolled = [...document.querySelectorAll("*")].find((one) =>
        one.scrollHeight > one.clientHeight + 500 && /auto|scroll/.test(getComputedStyle(one).overflowY));
    const far = scrolled.scrollHeight - scrolled.clientHeight;
    const frames = [];
    const began = await new Promise(requestAnimationFrame);
    for (let before = began; before < began + 10_000; ) {
        const now = await new Promise(requestAnimationFrame);
        frames.push(now - before);
        before = now;
        const way = ((now - began) / 1000) * 2 * scrolled.clientHeight;
        scrolled.scrollTop = far - Math.abs(far - (way % (2 * far)));
    }
    return frames;
})()"""


def main() -> None:
    """All of it, with one core and one browser."""
    if found_chromium() is None:
        print(f"the dashboard is not measured: there is no Chromium in PATH; as root: {INSTALL_CHROMIUM}")
        return
    with a_core() as core, started_chromium() as chromium:
        for number in range(PLUGINS):
            core.plugin(f"p{number}", EMPTY_PAGE)
        core.start()
        for number in range(PLUGINS):
            core.wait_state(f"p{number}", "running")
        time_to_interactive(core, chromium)
        first_page(core, chromium)
        scrolling(core, chromium)
        memory(core, chromium)


def time_to_interactive(core: Core, chromium: Browser) -> None:
    """Of both pages in turns: on a first visit, and on a second with what the browser keeps."""
    pages = {"/plugins": f"#card-p{PLUGINS - 1}", "/api/plugins/route/p0/": "#ready"}
    visits = ("first", "second")
    taken: dict[tuple[str, str], list[list[float]]] = {
        (visit, path): [] for visit in visits for path in pages
    }
    for _ in range(ROUNDS):
        for path, ready in pages.items():
            browse = Browsing(chromium, core, Console())
            page = opened(browse, ready)
            for visit in visits:
                page.goto(path)
                taken[visit, path].append(page.evaluate("window.times"))
            browse.close()
    for visit in visits:
        ours, theirs = (
            [statistics.median(values) for values in zip(*taken[visit, path], strict=True)] for path in pages
        )
        for name, manager, empty in zip(("painted", "interactive", "shown"), ours, theirs, strict=True):
            print(
                f"/plugins with {PLUGINS} plugins, {visit} visit, {name} after {milliseconds(manager)}; "
                f"an empty page after {milliseconds(empty)}; ratio {manager / empty:.2f}"
            )


def first_page(core: Core, chromium: Browser) -> None:
    """Bytes of a first visit on the wire, with the headers, and what moves in its first ten seconds."""
    browse = Browsing(chromium, core, Console())
    page = opened(browse, f"#card-p{PLUGINS - 1}")
    addresses: dict[str, str] = {}
    received = {"dashboard": 0.0, "data": 0.0}

    def finished(event: dict[str, Any]) -> None:
        kind = "data" if "/api/" in addresses[event["requestId"]] else "dashboard"
        received[kind] += event["encodedDataLength"] / 1024

    network = page.context.new_cdp_session(page)
    network.on(
        "Network.requestWillBeSent",
        lambda event: addresses.__setitem__(event["requestId"], event["request"]["url"]),
    )
    network.on("Network.loadingFinished", finished)
    network.send("Network.enable")
    page.goto("/plugins")
    page.evaluate("window.times")
    told = f"{received['dashboard']:.1f} KiB of the dashboard, {received['data']:.1f} KiB of data"
    page.wait_for_timeout(8000)
    print(
        f"first visit of /plugins: {told}, {len(addresses)} requests; "
        f"cumulative layout shift over 10 s: {page.evaluate('window.shifted'):.4f}"
    )
    browse.close()


def scrolling(core: Core, chromium: Browser) -> None:
    """Frames of the manager with many plugins, live figures coming in meanwhile."""
    browse = Browsing(chromium, core, Console())
    page, live = simulated(browse, SCROLLED)
    page.evaluate(f"window.frames_ = {SCROLL}; 0")
    for _ in range(5):
        live.say([live.usage()])
        page.wait_for_timeout(2000)
    frames: list[float] = sorted(page.evaluate("window.frames_"))
    print(
        f"scrolling {SCROLLED} plugins for 10 s: {len(frames)} frames, p50 {statistics.median(frames):.1f} ms, "
        f"p99 {statistics.quantiles(frames, n=100)[98]:.1f} ms, longest {frames[-1]:.1f} ms"
    )
    browse.close()


def memory(core: Core, chromium: Browser) -> None:
    """What the page's heap holds after each hour of figures and events, its charts being full from the first on."""
    browse = Browsing(chromium, core, Console())
    page, live = simulated(browse, PLUGINS)
    heaps = []
    for _ in range(3):
        for number in range(HOUR // 100):
            events = [live.event("restarting", each % PLUGINS, delay_seconds=each) for each in range(200)]
            live.say([live.usage() for _ in range(100)] + events, at_once=50)
            live.say([live.change(number % PLUGINS, restarts=number)])
        heaps.append(heap(page))
    print(
        f"heap of the manager after 1, 2 and 3 hours of live updates of {PLUGINS} plugins: "
        f"{', '.join(f'{bytes / MIB:.1f}' for bytes in heaps)} MiB"
    )
    browse.close()


def opened(browse: Browsing, ready: str) -> Page:
    """An empty page, signed in, whose next ones are watched."""
    page = browse(None, as_=ADMIN_ACCOUNT)
    page.add_init_script(f"const READY = {ready!r};{WATCH}")
    return page


def simulated(browse: Browsing, count: int) -> tuple[Page, Simulated]:
    """The manager with so many plugins that exist only there."""
    page = opened(browse, f"#card-p{count - 1}")
    live = Simulated(page, count)
    page.goto("/plugins")
    live.wait()
    page.evaluate("window.times")
    return page, live


def heap(page: Page) -> float:
    """Bytes in use, once what is not needed any more is gone."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used: dict[str, Any] = session.send("Runtime.getHeapUsage")
    return float(used["usedSize"])


if __name__ == "__main__":
    main()
