"""The details of a plugin: what it is, what happened to it, and what it stores."""

from __future__ import annotations

import json
import os
import re
import signal
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.browsing import ADMIN_ACCOUNT, CLIENT_ACCOUNT, Browsing, Console, axe
from tests.integration.cores import PATIENT, Core

LONG_KEY = "user/1/" + "very-long-key-" * 20
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
    core.plugin("full", name="Full")
    core.plugin("crashed", "sys.exit(3)", name="Crashed one")
    assert core.post("/api/plugins/rescan").status == 200
    for id in ("hello", "plain", "full"):
        core.wait_pid(id)
    core.wait_state("crashed", "backoff")


def kv(core: Core, action: str, key: str, id: str = "hello", **more: object) -> Any:
    """What the storage says."""
    body = json.dumps({"action": action, "key": key, **more}).encode()
    reply = core.request("POST", f"/api/plugins/{id}/kv", body)
    assert reply.status == 200, reply
    return reply.json()


def stored(core: Core, key: str) -> str | None:
    """The value that is stored for that key."""
    value: str | None = kv(core, "get", key)["value"]
    return value


@pytest.fixture
def storage(browse: Browsing, core: Core) -> Page:
    """The tab with what `hello` stores, which is a text in `note`, and JSON in `settings`."""
    kv(core, "set", "note", value="plain <b>text</b>")
    kv(core, "set", "settings", value='{"colour":"blue","limits":{"most":10}}')
    page = browse("/plugins?plugin=hello&tab=storage", as_=ADMIN_ACCOUNT)
    expect(page.get_by_role("list", name="Keys")).to_be_visible()
    return page


def panel(page: Page) -> Locator:
    """The details."""
    return page.get_by_role("dialog").first


def fact(page: Page, section: str, name: str) -> Locator:
    """What stands behind a name in a section."""
    group = panel(page).locator("section", has=page.get_by_role("heading", name=section, exact=True))
    return group.locator("div", has=page.get_by_text(name, exact=True)).locator("dd")


def open_key(page: Page, key: str) -> None:
    """Look at a value."""
    page.get_by_role("list", name="Keys").get_by_role("button", name=key).click()
    expect(page.get_by_role("button", name="Edit")).to_be_visible()


def edit(page: Page, key: str, value: str) -> None:
    """Type another value, without saving it."""
    open_key(page, key)
    page.get_by_role("button", name="Edit").click()
    expect(page.get_by_label("Value", exact=True)).to_be_focused()
    page.get_by_label("Value", exact=True).fill(value)


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
    axe(page)

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


def test_keys_are_found_by_how_they_begin_and_come_in_parts(browse: Browsing, core: Core) -> None:
    kv(core, "set", "another", id="full", value="")
    for number in range(105):
        kv(core, "set", f"counter/{number:03}", id="full", value=str(number))
    page = browse("/plugins?plugin=full&tab=storage", as_=ADMIN_ACCOUNT)
    keys = page.get_by_role("list", name="Keys").get_by_role("listitem")

    page.get_by_label("Keys that begin with").fill("counter/")

    expect(keys).to_have_count(100)
    page.get_by_role("button", name="Show more").click()
    expect(keys).to_have_count(105)
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)
    page.get_by_label("Keys that begin with").fill("counter/10")
    expect(keys).to_have_text([f"counter/10{digit}" for digit in range(5)])
    page.get_by_label("Keys that begin with").fill("unheard of")
    expect(panel(page)).to_contain_text("No key begins with “unheard of”")
    axe(page)


def test_a_value_is_shown_as_what_it_is(storage: Page, core: Core) -> None:
    kv(core, "set", LONG_KEY, value="x" * 2000)
    page = storage
    axe(page)
    open_key(page, "settings")
    expect(panel(page).locator("pre")).to_have_text(
        '{\n  "colour": "blue",\n  "limits": {\n    "most": 10\n  }\n}'
    )
    expect(panel(page).get_by_text("JSON", exact=True)).to_be_visible()
    axe(page)

    page.get_by_role("button", name="All keys").click()
    open_key(page, "note")
    expect(panel(page).locator("pre")).to_have_text("plain <b>text</b>")
    expect(panel(page).get_by_text("Text", exact=True)).to_be_visible()

    page.get_by_role("button", name="All keys").click()
    open_key(page, LONG_KEY)
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 740})
        box = panel(page).evaluate(
            "(dialog) => [dialog, ...dialog.querySelectorAll(':not(pre)')].filter((one) => "
            "one.scrollWidth > one.clientWidth && /auto|scroll/.test(getComputedStyle(one).overflowX)).length"
        )
        assert box == 0, width
    axe(page)


def test_a_value_is_changed(storage: Page, core: Core) -> None:
    page = storage
    edit(page, "settings", '{"colour": ')
    expect(panel(page)).to_contain_text("It was JSON, and this is none")
    page.get_by_label("Value", exact=True).fill('{"colour":"red"}')
    axe(page)
    page.get_by_role("button", name="Format").click()
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_text("“settings” is saved.")).to_be_visible()
    expect(panel(page).locator("pre")).to_have_text('{\n  "colour": "red"\n}')
    assert json.loads(str(stored(core, "settings"))) == {"colour": "red"}


def test_what_somebody_else_changed_is_never_overwritten_without_a_word(
    storage: Page, core: Core, console: Console
) -> None:
    console.expects("status of 409")
    page = storage
    edit(page, "note", "mine")
    kv(core, "set", "note", value="theirs")

    page.get_by_role("button", name="Save").click()

    conflict = panel(page).get_by_role("alert").filter(has_text="Somebody changed this meanwhile")
    expect(conflict).to_contain_text("theirs")
    assert stored(core, "note") == "theirs"
    axe(page)
    kv(core, "set", "note", value="theirs again")
    page.get_by_role("button", name="Overwrite it with mine").click()
    expect(conflict).to_contain_text("theirs again")
    page.get_by_role("button", name="Overwrite it with mine").click()
    expect(page.get_by_text("“note” is saved.")).to_be_visible()
    assert stored(core, "note") == "mine"

    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Value", exact=True).fill("mine again")
    kv(core, "set", "note", value="theirs")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Take this one").click()
    expect(panel(page).locator("pre")).to_have_text("theirs")
    assert stored(core, "note") == "theirs"


def test_what_somebody_deleted_is_not_stored_again_without_a_word(
    storage: Page, core: Core, console: Console
) -> None:
    console.expects("status of 409")
    page = storage
    edit(page, "note", "mine")
    kv(core, "delete", "note")

    page.get_by_role("button", name="Save").click()

    expect(panel(page)).to_contain_text("Somebody deleted this meanwhile")
    assert stored(core, "note") is None
    page.get_by_role("button", name="Store mine anew").click()
    expect(page.get_by_text("“note” is saved.")).to_be_visible()
    assert stored(core, "note") == "mine"


def test_a_value_that_the_server_refuses_is_not_lost(storage: Page, console: Console) -> None:
    console.expects("status of 413")
    page = storage
    edit(page, "note", "x" * (1024 * 1024 + 1))

    page.get_by_role("button", name="Save").click()

    expect(page.get_by_label("Value", exact=True)).to_have_accessible_description(re.compile("value"))
    assert len(page.get_by_label("Value", exact=True).input_value()) == 1024 * 1024 + 1


def test_nobody_loses_what_was_typed_without_being_asked(storage: Page, core: Core) -> None:
    page = storage
    edit(page, "note", "something")

    page.keyboard.press("Escape")

    asked = page.get_by_role("dialog", name="Discard what you typed?")
    expect(asked).to_be_visible()
    axe(page)
    asked.get_by_role("button", name="Cancel").click()
    expect(page.get_by_label("Value", exact=True)).to_have_value("something")
    page.get_by_role("tab", name="Overview").click()
    asked.get_by_role("button", name="Discard").click()
    expect(page.get_by_role("tab", name="Overview")).to_have_attribute("aria-selected", "true")
    assert stored(core, "note") == "plain <b>text</b>"


def test_a_key_is_added_and_deleted(storage: Page, core: Core, console: Console) -> None:
    console.expects("status of 409")
    page = storage
    page.get_by_role("button", name="New key").click()
    expect(page.get_by_label("Key", exact=True)).to_be_focused()
    axe(page)
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_label("Key", exact=True)).to_have_accessible_description(
        re.compile("Give the key a name")
    )
    page.get_by_label("Key", exact=True).fill("note")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_label("Key", exact=True)).to_have_accessible_description(
        re.compile("There is such a key already")
    )
    page.get_by_label("Key", exact=True).fill("added")
    page.get_by_label("Value", exact=True).fill("a value")
    page.get_by_label("Expires after").fill("soon")
    expect(panel(page)).to_contain_text("Give a number of seconds above 0, or nothing.")
    page.get_by_label("Expires after").fill("")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("“added” is saved.")).to_be_visible()
    assert stored(core, "added") == "a value"

    page.get_by_role("button", name="Delete").click()
    asked = page.get_by_role("dialog", name="Delete this key?")
    axe(page)
    kv(core, "set", "added", value="another value")
    asked.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Somebody changed the value since you saw it.")).to_be_visible()
    assert stored(core, "added") == "another value"
    expect(panel(page).locator("pre")).to_have_text("another value")
    if asked.count():
        asked.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("“added” is deleted.")).to_be_visible()
    assert stored(core, "added") is None
    expect(page.get_by_role("list", name="Keys")).not_to_contain_text("added")


def test_where_nothing_is_stored_it_says_so(browse: Browsing) -> None:
    page = browse("/plugins?plugin=plain&tab=storage", as_=ADMIN_ACCOUNT)
    expect(panel(page)).to_contain_text("Nothing is stored")
    axe(page)


@pytest.mark.parametrize("tab", ["overview", "events", "storage"])
def test_everybody_can_use_it_on_any_screen(browse: Browsing, core: Core, tab: str) -> None:
    kv(core, "set", LONG_KEY, id="crashed", value="1")
    page = browse(f"/plugins?plugin=crashed&tab={tab}", as_=ADMIN_ACCOUNT)
    what = {"overview": "Code 3", "events": "Crashed:", "storage": "very-long-key"}[tab]
    expect(panel(page).get_by_text(what).first).to_be_visible()
    axe(page)

    page.set_viewport_size({"width": 360, "height": 740})

    found = panel(page).evaluate(
        "(dialog) => [dialog, ...dialog.querySelectorAll(':not(pre)')].filter((one) => "
        "one.scrollWidth > one.clientWidth && /auto|scroll/.test(getComputedStyle(one).overflowX)).length"
    )
    assert found == 0


def test_a_client_has_no_details(browse: Browsing) -> None:
    page = browse("/plugins?plugin=hello&tab=storage", as_=CLIENT_ACCOUNT)
    expect(page.get_by_text("Details and controls are for admins.")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    listed = json.dumps({"action": "list"})
    assert page.request.post("/api/plugins/hello/kv", data=listed).status == 403
