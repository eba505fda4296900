"""Everybody's own page: the password, and what is at hand beside it."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.browsing import ADMIN_ACCOUNT, CLIENT_ACCOUNT, Browsing, Console, add_client, axe
from tests.integration.cores import Core


def test_a_new_password_ends_the_other_sessions(browse: Browsing, core: Core, console: Console) -> None:
    console.expects("status of 401", "status of 403", "status of 400")
    account = ("tina", "Correct-h0rse-1")
    add_client(core, account, "Tina")
    page, other = browse("/account", as_=account), browse("/account", as_=account)
    current, new = page.get_by_label("Current password"), page.get_by_label("New password")
    expect(page.get_by_text("signs you out everywhere else")).to_be_visible()
    expect(other.get_by_role("heading", name="Password")).to_be_visible()

    page.get_by_role("button", name="Change password").click()
    expect(current).to_be_focused()
    current.fill("Wr0ng-guess")
    new.fill("short")
    page.keyboard.press("Enter")
    expect(new).to_have_accessible_description(re.compile("The password needs at least 8 characters"))
    new.fill("Correct-h0rse-2")
    page.keyboard.press("Enter")
    expect(current).to_have_accessible_description(re.compile("The current password is wrong"))
    expect(current).to_be_focused()
    expect(new).to_have_value("Correct-h0rse-2")

    current.fill(account[1])
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your password is a new one")).to_be_visible()
    expect(current).to_have_value("")
    expect(new).to_have_value("")
    core.sign_in("tina", "Correct-h0rse-2")
    assert page.request.get("/api/plugins").status == 200
    assert other.request.get("/api/plugins").status == 401


def test_a_password_manager_knows_what_is_what(browse: Browsing) -> None:
    page = browse("/account", as_=CLIENT_ACCOUNT)
    expect(page.get_by_label("Current password")).to_have_attribute("autocomplete", "current-password")
    expect(page.get_by_label("New password")).to_have_attribute("autocomplete", "new-password")
    expect(page.locator("input[autocomplete=username]")).to_have_value(CLIENT_ACCOUNT[0])


def test_it_says_who_one_is(browse: Browsing) -> None:
    client = browse("/account", as_=CLIENT_ACCOUNT).get_by_role("main")
    expect(client).to_contain_text("Clara Client")
    expect(client).to_contain_text("You see the plugins and use them.")
    expect(client).not_to_contain_text("TORU_ADMIN_PASSWORD")

    admin = browse("/account", as_=ADMIN_ACCOUNT).get_by_role("main")
    expect(admin).to_contain_text("Admin")
    expect(admin).to_contain_text("TORU_ADMIN_PASSWORD")


def test_nobody_is_kept_out_of_the_page(browse: Browsing) -> None:
    page = browse("/account", as_=ADMIN_ACCOUNT)
    page.get_by_role("button", name="Make one up").click()
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_label("Current password")).to_be_focused()
    axe(page)
