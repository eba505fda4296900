"""Signing in, in the browser: what is said where it fails, where one comes to, and what happens when it ends."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsing import ADMIN_ACCOUNT, CLIENT_ACCOUNT, Browsing, Console, axe
from tests.integration.cores import Core


def fill_in(page: Page, username: str, password: str) -> None:
    """Type both, and press Enter."""
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password", exact=True).fill(password)
    page.keyboard.press("Enter")


def end_session(core: Core, page: Page) -> None:
    """Somewhere else, so that the page does not know."""
    [cookie] = page.context.cookies()
    headers = {"Cookie": f"{cookie['name']}={cookie['value']}"}
    assert core.request("POST", "/api/auth/logout", headers=headers, as_=None).status == 200


def test_somebody_who_signs_in_comes_to_the_page_they_wanted(browse: Browsing) -> None:
    page = browse("/account")

    expect(page).to_have_url(re.compile(r"/login\?next=%2Faccount$"))
    fill_in(page, *ADMIN_ACCOUNT)

    expect(page).to_have_url(re.compile("/account$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Account")


@pytest.mark.parametrize(
    "next", ["//elsewhere.invalid/", "https://elsewhere.invalid/", "/api/users", "/\\elsewhere"]
)
def test_nobody_is_led_elsewhere(browse: Browsing, next: str) -> None:
    page = browse(f"/login?next={next}", as_=CLIENT_ACCOUNT)

    expect(page).to_have_url(f"{browse.home}/plugins")


def test_a_wrong_password_is_said_and_the_name_stays(browse: Browsing, console: Console) -> None:
    console.expects("status of 401")
    page = browse("/login")

    fill_in(page, "nobody", "Wr0ng-guess")

    expect(page.locator("form").get_by_role("alert")).to_have_text("The username or the password is wrong.")
    expect(page.get_by_label("Username")).to_have_value("nobody")
    expect(page.get_by_label("Password", exact=True)).to_be_focused()


def test_who_failed_too_often_sees_how_long_it_takes(browse: Browsing, console: Console) -> None:
    console.expects("status of 401", "status of 429")
    page = browse("/login")
    page.clock.install()

    for _ in range(3):
        fill_in(page, "mallory", "Wr0ng-guess")
        expect(page.get_by_label("Password", exact=True)).to_have_value("")
    fill_in(page, "mallory", "Wr0ng-guess")

    submit = page.locator("form").get_by_role("button", name=re.compile("^(Sign in|Try again)"))
    expect(page.locator("form").get_by_role("alert")).to_contain_text("Too many attempts failed.")
    expect(submit).to_have_text(re.compile(r"Try again in (1:00|0:5\d)"))
    expect(submit).to_be_disabled()
    page.clock.fast_forward("00:30")
    expect(submit).to_have_text(re.compile(r"Try again in 0:[12]\d"))
    page.clock.fast_forward("00:31")
    expect(submit).to_have_text("Sign in")
    expect(submit).to_be_enabled()


def test_somebody_else_is_not_held_up_by_it(browse: Browsing, console: Console) -> None:
    console.expects("status of 401", "status of 429")
    page = browse("/login")
    for _ in range(3):
        fill_in(page, "eve", "Wr0ng-guess")
        expect(page.get_by_label("Password", exact=True)).to_have_value("")
    fill_in(page, "eve", "Wr0ng-guess")
    expect(page.get_by_role("button", name="Try again in")).to_be_disabled()

    fill_in(page, *CLIENT_ACCOUNT)

    expect(page).to_have_url(f"{browse.home}/plugins")


def test_nothing_typed_is_lost_when_a_session_ends(browse: Browsing, core: Core, console: Console) -> None:
    console.expects("status of 401")
    page = browse("/users", as_=ADMIN_ACCOUNT)
    page.get_by_role("button", name="Add account").click()
    page.get_by_label("Username").fill("late")
    page.get_by_label("Name", exact=True).fill("Late Riser")
    page.get_by_label("Password", exact=True).fill("Correct-h0rse-3")
    end_session(core, page)

    page.keyboard.press("Enter")

    again = page.get_by_role("dialog", name="Sign in again")
    expect(again).to_be_visible()
    expect(again.get_by_label("Username")).to_have_value(ADMIN_ACCOUNT[0])
    again.get_by_label("Password", exact=True).fill(ADMIN_ACCOUNT[1])
    page.keyboard.press("Enter")
    expect(again).to_be_hidden()
    expect(page.get_by_role("row", name="Late Riser")).to_be_visible()
    expect(page).to_have_url(f"{browse.home}/users")


def test_who_does_not_want_to_go_on_leaves(browse: Browsing, core: Core, console: Console) -> None:
    console.expects("status of 401")
    page = browse("/account", as_=CLIENT_ACCOUNT)
    page.get_by_label("Current password").fill("something")
    page.get_by_label("New password").fill("Something-3lse")
    end_session(core, page)
    page.keyboard.press("Enter")

    page.get_by_role("button", name="sign in as someone else").click()

    expect(page).to_have_url(re.compile("/login"))
    fill_in(page, *ADMIN_ACCOUNT)
    expect(page.get_by_role("link", name="Users")).to_be_visible()


def test_who_signed_out_is_out(browse: Browsing, core: Core) -> None:
    page = browse("/plugins", as_=CLIENT_ACCOUNT)
    [cookie] = page.context.cookies()

    page.get_by_role("button", name="Sign out").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    headers = {"Cookie": f"{cookie['name']}={cookie['value']}"}
    assert core.request("GET", "/api/auth/me", headers=headers, as_=None).json()["authenticated"] is False
    page.goto("/plugins")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_the_page_is_for_everybody(browse: Browsing, console: Console) -> None:
    console.expects("status of 401")
    page = browse("/login")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    axe(page)
    fill_in(page, "nobody-else", "Wr0ng-guess")
    expect(page.locator("form").get_by_role("alert")).to_contain_text("is wrong")
    axe(page)
