"""What a plugin stores, as an admin looks at it and changes it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.browsing import ADMIN_ACCOUNT, Browsing, Console, assert_no_sideways, axe
from tests.integration.cores import Core

LONG_KEY = "user/1/" + "very-long-key-" * 20


@pytest.fixture(scope="module", autouse=True)
def plugins(core: Core) -> None:
    """One that stores little, one that stores much, and one that stores nothing."""
    for id in ("hello", "full", "plain"):
        core.plugin(id)
    assert core.post("/api/plugins/rescan").status == 200


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
    """The details, in which all of it is."""
    return page.get_by_role("dialog").first


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


def test_a_value_is_shown_as_what_it_is(storage: Page, core: Core) -> None:
    kv(core, "set", LONG_KEY, value="x" * 2000)
    page = storage
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
    assert_no_sideways(page)


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
    asked.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("“added” is deleted.")).to_be_visible()
    assert stored(core, "added") is None
    expect(page.get_by_role("list", name="Keys")).not_to_contain_text("added")


def test_where_nothing_is_stored_it_says_so(browse: Browsing) -> None:
    page = browse("/plugins?plugin=plain&tab=storage", as_=ADMIN_ACCOUNT)
    expect(panel(page)).to_contain_text("Nothing is stored")
    axe(page)
