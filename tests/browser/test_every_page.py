"""What holds on all pages: nobody is kept out, no other host is asked, it is light, stands still, and stays small."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsing import (
    ADMIN_ACCOUNT,
    CLIENT_ACCOUNT,
    Browsing,
    Console,
    assert_no_sideways,
    axe,
)
from tests.browser.simulated import Simulated
from tests.integration.cores import Core

KIB, MIB = 1024, 1024**2

# Answers requests, and has no view.
NO_VIEW = """
serve(lambda file, message: message["type"] == "http" and answer(file, message, status=404))
"""

BUNDLE = """
export function mount(container, api) {
    container.innerHTML = "<h2>A view</h2><p>Of a plugin.</p>";
}
export function unmount(container) {
    container.replaceChildren();
}
"""

# What else the pages show is tested where they are: the tabs of details and users, dialogs, what fails.
ADMIN_PAGES = {
    "/plugins": "Plugins",
    "/plugin/hello": "Hello",
    "/plugin/silent": "Silent",
    "/plugin/off": "Off",
    "/plugin/nobody": "There is no such plugin",
    "/plugin/hello/logs": "Logs of Hello",
    "/events": "Events",
    "/users": "Users",
    "/account": "Account",
    "/no/such/page": "There is no such page",
}
CLIENT_PAGES = {
    "/plugins": "Plugins",
    "/plugin/off": "Off",
    "/plugin/hello/logs": "Logs of Hello",
    "/events": "Events",
}
LOADED_PAGES = ["/login", "/plugins", "/plugin/hello", "/plugin/hello/logs", "/events", "/users", "/account"]

# Whatever moved without anybody having touched the page, and from where to where.
_SHIFTS = """window.shifts = [];
new PerformanceObserver((list) => {
    for (const { sources } of list.getEntries()) {
        for (const { node, previousRect, currentRect } of sources) {
            window.shifts.push([node?.outerHTML?.slice(0, 100), previousRect, currentRect]);
        }
    }
}).observe({ type: "layout-shift", buffered: true });
"""

# Which cards are drawn anew.
_WATCH_CARDS = """() => {
    window.changed = new Set();
    const note = ({ target }) => {
        const card = (target.closest ? target : target.parentElement)?.closest("main li");
        if (card) window.changed.add(card.querySelector("a").id);
    };
    const everything = { subtree: true, childList: true, characterData: true, attributes: true };
    new MutationObserver((changes) => changes.forEach(note)).observe(document.querySelector("main"), everything);
}"""


@pytest.fixture(scope="module", autouse=True)
def plugins(core: Core) -> None:
    """One with a view, one without, one that is disabled, and a file that is none."""
    core.plugin("silent", NO_VIEW, name="Silent")
    core.plugin("off", name="Off")
    core.file("broken.binary", "#!/bin/sh\nexit 3\n")
    core.up("hello", name="Hello", icon="👋", author="Ada", description="Says hello.")
    core.wait_pid("silent")
    (core.plugins / "hello").mkdir()
    (core.plugins / "hello" / "bundle.js").write_text(BUNDLE)
    assert core.post("/api/plugins/off/disable").status == 200


def settle(page: Page) -> None:
    """Wait until it shows what it is to show."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("status", name="Loading…")).to_have_count(0)


def check(page: Page, path: str, title: str) -> None:
    """Look at a page in both themes and on a phone; `console` looks as well."""
    page.goto(path)
    settle(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text(title)
    expect(page).to_have_title(f"{title} · toru")
    axe(page)
    assert_no_sideways(page)


@pytest.mark.parametrize(("path", "title"), ADMIN_PAGES.items())
def test_a_page_of_the_admin(browse: Browsing, console: Console, path: str, title: str) -> None:
    if path in ("/no/such/page", "/plugin/silent"):
        console.expects("status of 404")
    check(browse(None, as_=ADMIN_ACCOUNT), path, title)


@pytest.mark.parametrize(("path", "title"), CLIENT_PAGES.items())
def test_a_page_of_a_client(browse: Browsing, path: str, title: str) -> None:
    check(browse(None, as_=CLIENT_ACCOUNT), path, title)


def test_the_page_of_nobody(browse: Browsing) -> None:
    check(browse(None), "/login", "Sign in")


@pytest.mark.parametrize(("path", "account"), [("/login", None), ("/plugins", ADMIN_ACCOUNT)])
def test_the_first_visit_takes_less_than_100_kib(
    browse: Browsing, path: str, account: tuple[str, str] | None
) -> None:
    page = browse(None, as_=account)
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    addresses: dict[str, str] = {}
    sizes: dict[str, int] = {}

    def sent(event: dict[str, Any]) -> None:
        addresses[event["requestId"]] = event["request"]["url"].removeprefix(browse.home)

    def finished(event: dict[str, Any]) -> None:
        # As it went over the wire. How long the history of figures is depends on how long the core runs.
        address = addresses[event["requestId"]]
        if not address.endswith("/usage"):
            sizes[address] = event["encodedDataLength"]

    network.on("Network.requestWillBeSent", sent)
    network.on("Network.loadingFinished", finished)
    with page.expect_event("requestfinished", lambda request: request.url.endswith(".woff2")):
        page.goto(path)
    expect(page.locator("#card-hello" if account else "form")).to_be_visible()

    assert any(address.endswith(".js") for address in sizes)
    assert sum(sizes.values()) < 100 * KIB, sizes


def test_a_second_visit_asks_for_nothing_that_cannot_have_changed(browse: Browsing) -> None:
    page = browse(as_=ADMIN_ACCOUNT)
    expect(page.locator("#card-hello")).to_be_visible()
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    answers: dict[str, dict[str, Any]] = {}
    from_memory: set[str] = set()
    network.on("Network.requestServedFromCache", lambda event: from_memory.add(event["requestId"]))
    network.on(
        "Network.responseReceived", lambda event: answers.update({event["requestId"]: event["response"]})
    )

    page.goto("/plugins")
    expect(page.locator("#card-hello")).to_be_visible()

    def caching(answer: dict[str, Any]) -> str:
        headers = {name.lower(): str(value) for name, value in answer["headers"].items()}
        return headers["cache-control"]

    [index] = [one for one in answers.values() if one["url"] == f"{browse.home}/plugins"]
    assert caching(index) == "no-cache"
    assets = {id: one for id, one in answers.items() if "/assets/" in one["url"]}
    assert assets
    for id, asset in assets.items():
        assert "immutable" in caching(asset), asset["url"]
        assert asset["fromDiskCache"] or id in from_memory, asset["url"]


def watch_shifts(page: Page) -> None:
    """From the first moment of all pages that it opens."""
    page.add_init_script(_SHIFTS)


def assert_still(page: Page) -> None:
    """Nothing has moved by itself."""
    # What is told of the last frame is told after it.
    page.evaluate("() => new Promise((told) => requestAnimationFrame(() => setTimeout(told)))")
    assert page.evaluate("window.shifts") == []


@pytest.mark.parametrize("path", LOADED_PAGES)
def test_nothing_moves_while_it_loads(browse: Browsing, path: str) -> None:
    page = browse(None, as_=None if path == "/login" else ADMIN_ACCOUNT)
    watch_shifts(page)

    page.goto(path)
    settle(page)

    assert_still(page)


def test_nothing_moves_while_it_lives(browse: Browsing) -> None:
    page = browse(None, as_=ADMIN_ACCOUNT)
    live = Simulated(page, 10)
    watch_shifts(page)
    page.goto("/plugins")
    live.wait()
    expect(page.locator("#card-p9")).to_be_visible()

    crash = {"state": "backoff", "running": False, "health": "unhealthy", "pid": None, "problem": "Crashed."}
    again = {
        "state": "running",
        "running": True,
        "health": "healthy",
        "problem": None,
        "next_restart_at": None,
    }
    live.say(
        [
            live.usage(),
            live.event("crashed", 1, detail="exit code 3"),
            live.change(1, **crash, next_restart_at="2036-01-02T03:04:05Z"),
            live.usage(),
            live.change(1, **again, pid=123_456),
            live.usage(),
            live.change(3, restarts=1_000_000),
            live.usage(),
            live.usage(),
        ]
    )

    expect(page.get_by_text("pid 123456")).to_be_visible()
    assert_still(page)


def test_what_changes_alone_is_drawn_anew(browse: Browsing) -> None:
    page = browse(None, as_=ADMIN_ACCOUNT)
    live = Simulated(page, 60)
    page.goto("/plugins")
    live.wait()
    expect(page.get_by_role("list", name="Plugins").get_by_role("heading")).to_have_count(60)
    # The history of their figures, of those that can be seen.
    page.wait_for_load_state("networkidle")
    page.evaluate(_WATCH_CARDS)

    live.say([live.change(1, version="2.0.0")])
    assert page.evaluate("[...window.changed]") == ["card-p1"]
    live.say([live.usage()])

    assert "card-p0" in page.evaluate("[...window.changed]")
    # What cannot be seen is not drawn before somebody scrolls there.
    assert "card-p59" not in page.evaluate("[...window.changed]")
    page.locator("#card-p59").scroll_into_view_if_needed()
    expect(page.locator("li", has=page.locator("#card-p59")).get_by_role("img").first).to_be_visible()


@pytest.mark.parametrize("path", ["/plugins?plugin=p1&tab=events", "/events"])
def test_memory_is_flat_over_an_hour(browse: Browsing, path: str) -> None:
    page = browse(None, as_=ADMIN_ACCOUNT)
    live = Simulated(page, 10)
    page.goto(path)
    live.wait()
    expect(page.locator("h1")).to_be_visible()
    inside = page.context.new_cdp_session(page)
    inside.send("Performance.enable")

    def live_on() -> None:
        """A third of the hour: figures every 2 s, and each second something that happened."""
        messages = []
        for second in range(0, 1200, 2):
            number = second % 10
            messages += [live.usage(), live.event("crashed", number, detail="exit code 3")]
            messages += [live.event("started", number, pid=second), live.change(number, restarts=second)]
        live.say(messages, at_once=400)

    def heap() -> int:
        inside.send("HeapProfiler.collectGarbage")
        metrics = inside.send("Performance.getMetrics")["metrics"]
        return next(int(one["value"]) for one in metrics if one["name"] == "JSHeapUsedSize")

    live_on()
    after_a_third = heap()
    live_on()
    live_on()

    assert heap() - after_a_third < 3 * MIB
