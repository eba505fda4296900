"""The manager, as an admin uses it: what each plugin is and does, and what can be done with it."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.browser.browsing import ADMIN_ACCOUNT, Browsing, Console, assert_no_sideways, axe
from tests.integration.cores import PATIENT, Core, fresh_core

CRASHING = """
note("crashing", os.getpid())
print("this is the last that it says", flush=True)
sys.exit(3)
"""

LONG_NAME = "Anextraordinarilylongnamewithoutanyspace" * 2
ARABIC_NAME = "الطقس اليوم"
MARKUP = "<img src=/nowhere onerror=alert(1)>"

REASON = "toru is stopping, and starts and stops nothing any more."
STOPPING = {
    "type": "about:blank",
    "title": "Stopping",
    "status": 503,
    "detail": REASON,
    "code": "core-stopping",
}


@pytest.fixture(scope="module")
def settings() -> str:
    """What crashed stays down while a test looks, and a second crash in a row is too many."""
    return "[supervision]\nbackoff_first = 60\nbackoff_max = 60\nmax_crashes = 2\n"


@pytest.fixture(scope="module", autouse=True)
def plugins(core: Core) -> None:
    """Three that run, one that is disabled, and names of all kinds."""
    core.plugin(
        "hello", PATIENT, version="1.2.3", name="Hello", icon="👋", author="Ada", capabilities=["ping"]
    )
    core.plugin(
        "weather", name="Weather", author="Wendy", version="2", description="Tells tomorrow's weather."
    )
    core.plugin("off", name="Off")
    core.plugin("long", name=LONG_NAME, version="2026.11.22-beta.1+build.4711", icon="Icon", author=LONG_NAME)
    core.plugin("arabic", name=ARABIC_NAME, icon="☀️")
    core.plugin("markup", name=MARKUP, icon="<b>")
    assert core.post("/api/plugins/rescan").status == 200
    for id in ("off", "long", "arabic", "markup"):
        assert core.post(f"/api/plugins/{id}/disable").status == 200
    for id in ("hello", "weather"):
        core.wait_pid(id)


@pytest.fixture
def page(page: Page) -> Page:
    """The page, once the plugins are there and it hears the keyboard."""
    expect(card(page, "hello").get_by_role("img").first).to_be_visible()
    return page


def card(page: Page, id: str) -> Locator:
    """All of a plugin's card."""
    return page.locator("li", has=page.locator(f"#card-{id}"))


def switch(page: Page, name: str) -> Locator:
    """What enables and disables it."""
    return page.get_by_role("switch", name=f"{name} enabled")


def names(page: Page) -> Locator:
    """The names on the cards, in their order."""
    return page.get_by_role("list", name="Plugins").last.get_by_role("heading", level=2)


def show(page: Page, what: str) -> None:
    """Choose a filter."""
    page.get_by_role("radio", name=re.compile(f"^{what}")).check(force=True)


def test_each_plugin_is_there_with_what_it_is(page: Page, core: Core) -> None:
    hello, pid = card(page, "hello"), core.status("hello")["pid"]
    for text in ("Hello", "👋", "v1.2.3", "Ada", "Running", f"pid {pid}"):
        expect(hello.get_by_text(text, exact=True)).to_be_visible()
    expect(switch(page, "Hello")).to_be_checked()
    expect(card(page, "off")).to_contain_text("Disabled")
    expect(switch(page, "Off")).not_to_be_checked()
    expect(names(page)).to_have_count(6)


def test_what_it_uses_is_shown_as_it_is_now(page: Page, core: Core) -> None:
    hello = card(page, "hello")
    for measure, unit in (("CPU", "%"), ("Memory", "MiB"), ("Requests", "s")):
        chart = hello.get_by_role("img", name=re.compile(rf"^{measure}, last 10 minutes; now \d.*{unit}$"))
        expect(chart).to_be_visible()
        expect(chart.locator("path").nth(1)).to_have_attribute("d", re.compile("[ML]"))
    restarts = hello.get_by_title("New processes since toru started")
    expect(restarts).to_have_text("Restarts0")
    latency = hello.get_by_title("Half of the latest answers took no longer than this")
    expect(latency).to_have_text("p50\N{EN DASH}")

    core.route("hello")

    expect(latency).to_have_text(re.compile(r"p50\d.* ms"))


def test_the_time_that_it_runs_goes_on(page: Page) -> None:
    uptime = card(page, "hello").get_by_title("Running for")
    before = uptime.inner_text()
    assert re.search(r"\d+ s", before)
    expect(uptime).not_to_have_text(before)


def test_a_switch_disables_and_enables(page: Page, core: Core) -> None:
    core.up("toggled", name="Toggled")

    switch(page, "Toggled").click()

    expect(page.get_by_role("status").get_by_text("Toggled is disabled.")).to_be_visible()
    expect(switch(page, "Toggled")).not_to_be_checked()
    expect(card(page, "toggled")).to_contain_text("Disabled")
    assert core.status("toggled")["state"] == "disabled"
    assert core.route("toggled").status == 404

    switch(page, "Toggled").click()

    expect(page.get_by_role("status").get_by_text("Toggled is enabled.")).to_be_visible()
    expect(switch(page, "Toggled")).to_be_checked()
    expect(card(page, "toggled")).to_contain_text("Running")
    assert core.route("toggled").status == 200


def test_a_switch_is_busy_meanwhile(page: Page, core: Core) -> None:
    core.up("slow", name="Slow")
    held: list[Route] = []
    page.route("**/api/plugins/slow/disable", lambda route: held.append(route))
    target = switch(page, "Slow")

    with page.expect_request("**/api/plugins/slow/disable"):
        target.click()

    expect(target).to_have_attribute("aria-busy", "true")
    expect(target).not_to_be_checked()
    expect(card(page, "slow")).to_contain_text("Disabling…")
    # Whoever is impatient does nothing twice.
    target.click(force=True)
    assert len(held) == 1
    held[0].continue_()
    expect(card(page, "slow")).to_contain_text("Disabled")
    expect(target).not_to_have_attribute("aria-busy", "true")


def test_what_fails_is_as_before_and_the_server_says_why(page: Page, console: Console) -> None:
    console.expects("status of 503")
    page.route("**/api/plugins/hello/disable", lambda route: route.fulfill(status=503, json=STOPPING))

    switch(page, "Hello").click()

    expect(page.get_by_role("alert").get_by_text(REASON)).to_be_visible()
    expect(switch(page, "Hello")).to_be_checked()
    expect(card(page, "hello")).to_contain_text("Running")


def test_what_one_does_all_others_see(page: Page, browse: Browsing, client_page: Page, core: Core) -> None:
    core.up("common", name="Common")
    other = browse(as_=ADMIN_ACCOUNT)
    theirs = client_page.get_by_role("main").get_by_role("link", name=re.compile("^Common"))
    expect(switch(other, "Common")).to_be_checked()
    expect(theirs).to_be_visible()

    switch(page, "Common").click()

    expect(switch(other, "Common")).not_to_be_checked()
    expect(card(other, "common")).to_contain_text("Disabled")
    expect(theirs).to_have_count(0)
    switch(other, "Common").click()
    expect(switch(page, "Common")).to_be_checked()
    expect(theirs).to_be_visible()


def test_a_restart_is_a_new_process(page: Page, core: Core) -> None:
    pid = core.up("again", name="Again")
    expect(card(page, "again").get_by_text(f"pid {pid}")).to_be_visible()

    page.get_by_role("button", name="Restart Again").click()

    expect(page.get_by_text("Again was restarted.")).to_be_visible()
    expect(card(page, "again").get_by_text(f"pid {core.wait_pid('again', other_than=pid)}")).to_be_visible()
    expect(card(page, "again").get_by_title("New processes since toru started")).to_have_text("Restarts1")
    expect(page.get_by_role("button", name="Restart Off")).to_be_disabled()


def test_what_is_searched_stands_in_the_address(page: Page) -> None:
    page.keyboard.press("/")
    expect(page.get_by_label("Search plugins")).to_be_focused()
    page.keyboard.type("wendy TOMORROW")

    expect(names(page)).to_have_text(["Weather"])
    expect(page.get_by_text(re.compile(r"^1 of \d+ plugins$"))).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?q=wendy\+TOMORROW$"))
    page.reload()
    expect(page.get_by_label("Search plugins")).to_have_value("wendy TOMORROW")
    expect(names(page)).to_have_text(["Weather"])

    page.get_by_label("Search plugins").fill("nothing of the kind")
    expect(page.get_by_text("No plugin is like that")).to_be_visible()
    axe(page)
    page.get_by_role("button", name="Show all").click()
    expect(card(page, "hello")).to_be_visible()
    expect(page).to_have_url(re.compile("/plugins$"))


def test_filters_and_order_stand_in_the_address(page: Page) -> None:
    show(page, "Disabled")
    expect(card(page, "hello")).to_have_count(0)
    expect(card(page, "off")).to_be_visible()
    show(page, "Running")
    expect(card(page, "off")).to_have_count(0)
    expect(card(page, "hello")).to_be_visible()

    page.get_by_label("Sort by").select_option("Memory")

    expect(page).to_have_url(re.compile(r"\?show=running&sort=memory$"))
    page.reload()
    expect(page.get_by_role("radio", name=re.compile("^Running"))).to_be_checked()
    expect(page.get_by_label("Sort by")).to_have_value("memory")
    expect(card(page, "hello")).to_be_visible()
    page.goto("/plugins?sort=state")
    expect(names(page).last).to_have_text(ARABIC_NAME)
    page.goto("/plugins?sort=nonsense")
    expect(names(page).last).to_have_text(ARABIC_NAME)


def test_a_crash_counts_down_and_too_many_are_the_end(page: Page, core: Core, console: Console) -> None:
    console.expects("status of 502")
    core.plugin("crashing", CRASHING, name="Crashing")
    crashing = card(page, "crashing")

    # Nobody has to look: the core finds it, and all is told.
    expect(crashing.get_by_text("Crashed", exact=True)).to_be_visible()
    expect(crashing).to_contain_text("exited with code 3")
    countdown = crashing.get_by_text(re.compile(r"^next try in \d+ s$"))
    first = countdown.inner_text()
    expect(countdown).not_to_have_text(first)
    show(page, "Trouble")
    expect(names(page)).to_have_text(["Crashing"])
    axe(page)

    page.get_by_role("button", name="Restart Crashing").click()

    expect(crashing.get_by_text("Disabled after crashes")).to_be_visible()
    expect(switch(page, "Crashing")).not_to_be_checked()
    page.locator("#card-crashing").click()
    details = page.get_by_role("dialog")
    expect(details).to_contain_text("toru gave up on it")
    expect(details).to_contain_text("Put it right, then enable it again")
    axe(page)
    core.plugin("crashing", name="Crashing", version="2")
    details.get_by_role("switch", name="Enabled").click()
    expect(details.get_by_text("Running", exact=True)).to_be_visible()


def test_logs_are_one_step_away(page: Page, core: Core) -> None:
    core.up("talker", 'print("a line to read", flush=True)\nserve(lambda *_: None)', name="Talker")

    page.get_by_role("button", name="More for Talker").click()
    axe(page)
    page.get_by_role("menuitem", name="Logs").click()

    expect(page.get_by_role("dialog", name="Logs of Talker")).to_contain_text("a line to read")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_files_that_are_no_plugins_are_named_with_the_reason(page: Page, core: Core) -> None:
    core.file("broken.binary", "#!/bin/sh\necho no metadata\n")

    unusable = page.get_by_role("region", name="1 file that is no usable plugin")
    expect(unusable).to_contain_text("broken.binary")
    expect(unusable).to_contain_text("JSON")
    page.get_by_role("button", name="1 unusable file").click()
    expect(unusable).to_be_focused()

    core.plugin("broken", name="Mended")

    expect(card(page, "broken")).to_contain_text("Mended")
    expect(unusable).to_have_count(0)


def test_a_plugin_comes_and_goes_with_its_file(page: Page, core: Core) -> None:
    core.plugin("guest", name="Guest")
    expect(card(page, "guest")).to_contain_text("Running")

    core.plugin("guest", name="Guest", version="7")
    expect(card(page, "guest")).to_contain_text("v7")

    (core.plugins / "guest.binary").unlink()
    expect(card(page, "guest")).to_have_count(0)


def test_look_again_says_what_it_found(page: Page) -> None:
    page.get_by_role("button", name="Look again").click()
    expect(page.get_by_text("Nothing has changed in the plugins folder.")).to_be_visible()

    found = {"added": ["hello"], "removed": ["gone"], "changed": ["weather"], "problems": []}
    page.route("**/api/plugins/rescan", lambda route: route.fulfill(json=found))
    page.get_by_role("button", name="Look again").click()
    expect(page.get_by_text("New: Hello. Changed: Weather. Gone: gone.")).to_be_visible()


def test_who_looks_again_in_vain_learns_why(page: Page, console: Console) -> None:
    console.expects("status of 503")
    page.route("**/api/plugins/rescan", lambda route: route.fulfill(status=503, json=STOPPING))
    page.get_by_role("button", name="Look again").click()
    expect(page.get_by_role("alert").get_by_text(REASON)).to_be_visible()


def test_plugins_that_cannot_be_had_can_be_asked_for_again(browse: Browsing, console: Console) -> None:
    console.expects("status of 503")
    page = browse(None, as_=ADMIN_ACCOUNT)
    page.route("**/api/plugins", lambda route: route.fulfill(status=503, json=STOPPING))
    page.goto("/plugins")
    expect(page.get_by_role("alert").filter(has_text=REASON)).to_be_visible()
    axe(page)

    page.unroute("**/api/plugins")
    page.get_by_role("button", name="Try again").click()

    expect(card(page, "hello")).to_be_visible()


def test_where_there_is_no_plugin_it_says_what_to_do(
    chromium: Browser, console: Console, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with fresh_core(tmp_path_factory.mktemp("e")) as core:
        core.start()
        browse = Browsing(chromium, core, console)
        page = browse(as_=ADMIN_ACCOUNT, permissions=["clipboard-read", "clipboard-write"])
        expect(page.get_by_text("No plugins yet")).to_be_visible()
        command = "install -m 755 my-plugin plugins/my-plugin.binary"
        expect(page.get_by_text(command)).to_be_visible()
        page.get_by_role("button", name="Copy").first.click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == command
        axe(page)

        core.plugin("first", name="First")

        expect(card(page, "first")).to_contain_text("Running")
        browse.close()


def test_names_of_all_kinds_keep_their_place(page: Page) -> None:
    sizes = [card(page, id).bounding_box() for id in ("hello", "off", "long", "arabic", "markup")]
    assert len({(box["width"], box["height"]) for box in sizes if box}) == 1
    expect(page.locator("#card-long")).to_have_text(LONG_NAME)
    expect(page.locator("#card-markup")).to_have_text(MARKUP)
    expect(names(page).filter(has_text=ARABIC_NAME)).to_have_attribute("dir", "auto")
    assert page.locator("main img[src]").count() == 0
    assert_no_sideways(page)


def test_all_of_it_works_by_the_keyboard(page: Page, core: Core) -> None:
    core.up("typist", name="Typist")
    expect(switch(page, "Typist")).to_be_checked()
    page.locator("#card-typist").focus()

    page.keyboard.press("Tab")
    expect(switch(page, "Typist")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_text("Typist is disabled.")).to_be_visible()
    expect(switch(page, "Typist")).not_to_be_checked()
    expect(switch(page, "Typist")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_text("Typist is enabled.")).to_be_visible()

    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Restart Typist")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Open")).to_be_focused()
    page.keyboard.press("s")
    expect(page.get_by_role("menuitem", name="Storage")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?plugin=typist&tab=storage$"))
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("/plugins$"))

    # A card that goes leaves the focus to the one in its place.
    show(page, "Running")
    expect(card(page, "off")).to_have_count(0)
    switch(page, "Typist").focus()
    page.keyboard.press("Space")
    expect(card(page, "typist")).to_have_count(0)
    assert page.evaluate("document.activeElement.closest('main ul') !== null")


def test_a_client_sees_none_of_it_and_the_server_refuses(
    client_page: Page, core: Core, console: Console
) -> None:
    page = client_page
    expect(page.get_by_role("main").get_by_role("link", name=re.compile("^Hello"))).to_be_visible()
    main = page.get_by_role("main")
    expect(main.get_by_role("link", name=re.compile("^Off"))).to_have_count(0)
    expect(main.get_by_role("switch")).to_have_count(0)
    expect(main.get_by_role("button")).to_have_count(0)
    expect(main).not_to_contain_text("pid")

    page.goto("/plugins?plugin=hello")
    expect(page.get_by_text("Details and controls are for admins.")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    axe(page)

    for path in ("hello/enable", "hello/disable", "hello/restart", "rescan"):
        assert page.request.post(f"/api/plugins/{path}").status == 403
    for path in ("problems", "hello/logs"):
        assert page.request.get(f"/api/plugins/{path}").status == 403
    key = {"action": "get", "key": "secret"}
    assert page.request.post("/api/plugins/hello/kv", data=json.dumps(key)).status == 403
    [hello] = [one for one in page.request.get("/api/plugins").json() if one["id"] == "hello"]
    assert not {"pid", "socket_path", "last_exit", "usage"} & hello.keys()
    assert core.status("hello")["running"]
