"""The details of a plugin: what it is, how it does, and what happened to it."""

from __future__ import annotations

import json
import os
import re
import signal
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.browsing import ADMIN_ACCOUNT, CLIENT_ACCOUNT, Browsing, assert_no_sideways, axe
from tests.integration.cores import PATIENT, Core

DESCRIPTION = "Says hello to whoever asks, and counts how often."


@pytest.fixture(scope="module")
def settings() -> str:
    """What crashed stays down while a test looks."""
    return "[supervision]\nbackoff_first = 60\nbackoff_max = 60\n"


@pytest.fixture(scope="module", autouse=True)
def plugins(core: Core) -> None:
    """One that says much of itself, one that says nothing, and one that crashed."""
    more: dict[str, Any] = {"icon": "👋", "author": "Ada Author", "description": DESCRIPTION}
    core.plugin("hello", PATIENT, version="1.2.3", name="Hello", capabilities=["ping", "cancel"], **more)
    core.plugin("plain", name="Plain")
    core.plugin("crashed", "sys.exit(3)", name="Crashed one")
    assert core.post("/api/plugins/rescan").status == 200
    for id in ("hello", "plain"):
        core.wait_pid(id)
    core.wait_state("crashed", "backoff")


def panel(page: Page) -> Locator:
    """The details."""
    return page.get_by_role("dialog").first


def fact(page: Page, section: str, name: str) -> Locator:
    """What stands behind a name in a section."""
    group = panel(page).locator("section", has=page.get_by_role("heading", name=section, exact=True))
    return group.locator("div", has=page.get_by_text(name, exact=True)).locator("dd")


def test_a_click_on_a_card_tells_all_of_it(browse: Browsing, core: Core) -> None:
    page = browse(as_=ADMIN_ACCOUNT)
    page.locator("#card-hello").click()

    expect(page).to_have_url(re.compile(r"/plugins\?plugin=hello$"))
    expect(panel(page)).to_have_accessible_name(re.compile("Hello$"))
    expect(panel(page)).to_contain_text(DESCRIPTION)
    about = {"Id": "hello", "Author": "Ada Author", "Version": "1.2.3", "Route": "/hello", "Protocol": "2"}
    for name, value in about.items():
        expect(fact(page, "About", name)).to_have_text(value)
    expect(fact(page, "About", "Capabilities")).to_have_text("pingcancel")
    expect(fact(page, "Process", "Pid")).to_have_text(str(core.status("hello")["pid"]))
    route = panel(page).get_by_role("link", name="/hello").get_attribute("href")
    assert page.request.get(str(route)).status == 200
    expect(panel(page).get_by_role("link", name="Open")).to_have_attribute("href", "/plugin/hello")

    page.reload()
    expect(panel(page)).to_contain_text(DESCRIPTION)
    page.goto("/plugins?plugin=plain")
    expect(fact(page, "About", "Author")).to_have_text("not given")
    expect(fact(page, "About", "Capabilities")).to_have_text("none")


def test_it_is_opened_and_left_by_the_keyboard(browse: Browsing) -> None:
    page = browse("/plugins?q=hello", as_=ADMIN_ACCOUNT)
    link = page.locator("#card-hello")
    link.focus()
    page.keyboard.press("Enter")
    expect(panel(page)).to_be_visible()
    assert page.evaluate("document.activeElement.closest('dialog') !== null")

    page.get_by_role("tab", name="Overview").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Events")).to_be_focused()
    expect(page).to_have_url(re.compile(r"\?q=hello&plugin=hello&tab=events$"))
    page.keyboard.press("End")
    expect(page.get_by_role("tab", name="Storage")).to_be_focused()
    expect(page.get_by_role("tab", name="Storage")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(link).to_be_focused()
    expect(page).to_have_url(re.compile(r"/plugins\?q=hello$"))
    page.keyboard.press("Enter")
    expect(panel(page)).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/plugins\?q=hello$"))


def test_a_link_to_it_is_closed_to_the_manager(browse: Browsing) -> None:
    page = browse("/plugins?plugin=hello", as_=ADMIN_ACCOUNT)

    panel(page).get_by_role("button", name="Close").click()

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(re.compile("/plugins$"))
    expect(page.locator("#card-hello")).to_be_focused()


def test_the_last_ten_minutes_are_drawn(browse: Browsing, core: Core) -> None:
    page = browse("/plugins?plugin=hello", as_=ADMIN_ACCOUNT)
    charts = page.get_by_role("region", name="The last 10 minutes")
    for measure in ("CPU", "Memory", "Requests", "Latency"):
        name = re.compile(rf"^{measure} over the last 10 minutes: now .*, at most ")
        expect(charts.get_by_role("img", name=name)).to_be_visible()
    memory = charts.get_by_role("figure").filter(has_text="Memory")
    expect(memory).to_contain_text(re.compile("max [0-9.]+ MiB"))

    memory.get_by_role("img").hover()

    expect(memory).to_contain_text(re.compile(r"\d+ (s|min.*) ago"))


def test_how_the_last_process_ended_is_told_as_it_happens(browse: Browsing, core: Core) -> None:
    pid = core.up("victim", name="Victim")
    page = browse("/plugins?plugin=victim", as_=ADMIN_ACCOUNT)
    expect(panel(page)).to_contain_text("No process of it ended since toru started.")

    os.kill(pid, signal.SIGKILL)

    expect(panel(page).get_by_text("Signal SIGKILL", exact=True)).to_be_visible()
    expect(panel(page)).to_contain_text("It crashed")
    expect(panel(page)).to_contain_text("One crash. toru starts it again by itself")
    expect(panel(page)).to_contain_text(re.compile(r"next try in \d+ s"))
    expect(fact(page, "Process", "Crashes in a row")).to_have_text("1")

    panel(page).get_by_role("button", name="Restart").click()

    expect(panel(page).get_by_text("Running", exact=True)).to_be_visible()
    page.goto("/plugins?plugin=crashed")
    expect(panel(page).get_by_text("Code 3", exact=True)).to_be_visible()


def test_it_can_be_switched_there_as_well(browse: Browsing, core: Core) -> None:
    core.up("switched", name="Switched")
    page = browse("/plugins?plugin=switched", as_=ADMIN_ACCOUNT)
    enabled = panel(page).get_by_role("switch", name="Enabled")

    enabled.click()

    expect(panel(page).get_by_text("Switched is disabled.")).to_be_visible()
    expect(enabled).not_to_be_checked()
    expect(panel(page).get_by_role("link", name="Open")).to_have_count(0)
    expect(panel(page).get_by_role("button", name="Restart")).to_be_disabled()
    assert core.status("switched")["state"] == "disabled"


def test_its_logs_lie_over_it(browse: Browsing) -> None:
    page = browse("/plugins?plugin=hello", as_=ADMIN_ACCOUNT)

    panel(page).get_by_role("button", name="Logs").click()
    expect(page.get_by_role("dialog", name="Logs of Hello")).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog", name="Logs of Hello")).to_have_count(0)
    expect(panel(page)).to_contain_text(DESCRIPTION)


def test_what_happens_to_it_appears_by_itself(browse: Browsing, core: Core) -> None:
    core.up("eventful", name="Eventful")
    page = browse("/plugins?plugin=eventful&tab=events", as_=ADMIN_ACCOUNT)
    events = page.get_by_role("list", name="Events, newest first").get_by_role("listitem")
    expect(events.last).to_contain_text("Found in eventful.binary")
    expect(events.first).to_contain_text("Ready")
    axe(page)

    assert core.post("/api/plugins/eventful/disable").status == 200

    expect(events.filter(has_text=re.compile("Disabled"))).to_have_count(1)
    expect(events.filter(has_text="disabled it")).to_contain_text("test-admin")
    expect(events.filter(has_text="Stopped")).to_have_count(1)


def test_what_is_gone_says_so(browse: Browsing, core: Core) -> None:
    core.up("brief", name="Brief")
    page = browse("/plugins?plugin=brief", as_=ADMIN_ACCOUNT)
    expect(panel(page)).to_have_accessible_name(re.compile("Brief$"))

    (core.plugins / "brief.binary").unlink()

    expect(panel(page)).to_contain_text("This plugin is gone")
    axe(page)


@pytest.mark.parametrize("tab", ["overview", "events", "storage"])
def test_everybody_can_use_it_on_any_screen(browse: Browsing, tab: str) -> None:
    page = browse(f"/plugins?plugin=crashed&tab={tab}", as_=ADMIN_ACCOUNT)
    what = {"overview": "Code 3", "events": "Crashed:", "storage": "Nothing is stored"}[tab]
    expect(panel(page).get_by_text(what).first).to_be_visible()
    axe(page)
    assert_no_sideways(page)


def test_a_client_has_no_details(browse: Browsing) -> None:
    page = browse("/plugins?plugin=hello&tab=storage", as_=CLIENT_ACCOUNT)
    expect(page.get_by_text("Details and controls are for admins.")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    listed = json.dumps({"action": "list"})
    assert page.request.post("/api/plugins/hello/kv", data=listed).status == 403
