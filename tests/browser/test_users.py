"""The page of accounts, tokens and sign-ins, as an admin uses it."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.browsing import ADMIN_ACCOUNT, CLIENT_ACCOUNT, Browsing, Console, add_client, axe
from tests.integration.cores import Core, Reply


@pytest.fixture
def page(browse: Browsing) -> Page:
    """The page, once its list is there."""
    page = browse("/users", as_=ADMIN_ACCOUNT)
    expect(row(page, "Clara Client")).to_be_visible()
    return page


def row(page: Page, name: str) -> Locator:
    """A row of the table."""
    return page.get_by_role("row", name=name)


def choose(page: Page, name: str, action: str) -> None:
    """Something from the menu of an account."""
    page.get_by_role("button", name=f"Actions for {name}").click()
    page.get_by_role("menuitem", name=action).click()


def show_tokens(page: Page) -> None:
    """The tab with the tokens."""
    page.get_by_role("tab", name="API tokens").click()
    expect(page.get_by_role("button", name="Make a token")).to_be_visible()


def login(core: Core, username: str, password: str) -> Reply:
    """A sign-in without a browser."""
    body = json.dumps({"username": username, "password": password}).encode()
    return core.request("POST", "/api/auth/login", body, as_=None)


def test_an_account_with_a_password_that_was_made_up(page: Page, core: Core) -> None:
    page.get_by_role("button", name="Add account").click()
    expect(page.get_by_label("Username")).to_be_focused()
    page.get_by_label("Username").fill("nina")
    page.get_by_label("Name", exact=True).fill("Nina New")
    page.get_by_role("button", name="Make one up").click()
    page.get_by_label("Username").press("Enter")

    secret = page.get_by_role("dialog", name="Password of nina").get_by_role("textbox")
    expect(page.get_by_role("button", name="Copy", exact=True)).to_be_focused()
    assert login(core, "nina", secret.input_value()).status == 200
    page.keyboard.press("Escape")
    expect(page.get_by_text("It was not copied")).to_be_visible()
    page.get_by_role("button", name="Close without a copy").click()

    expect(row(page, "Nina New")).to_be_visible()
    expect(page.get_by_role("button", name="Add account")).to_be_focused()


def test_the_rules_are_said_before_and_the_broken_one_after(page: Page, console: Console) -> None:
    console.expects("status of 400", "status of 409")
    page.get_by_role("button", name="Add account").click()
    name, password = page.get_by_label("Username"), page.get_by_label("Password", exact=True)
    expect(password).to_have_accessible_description(re.compile("8 characters or more.*special character"))

    page.keyboard.press("Enter")
    expect(name).to_be_focused()
    expect(name).to_have_accessible_description(re.compile("Enter a username"))
    name.fill(CLIENT_ACCOUNT[0])
    password.fill("lower-case-7")
    page.keyboard.press("Enter")
    expect(password).to_have_accessible_description(re.compile("needs an upper-case letter"))
    expect(password).to_be_focused()

    password.fill("Upper-case-7")
    expect(password).not_to_have_attribute("aria-invalid", "true")
    page.keyboard.press("Enter")
    expect(name).to_have_accessible_description(
        re.compile("There is an account with the name 'clara' already")
    )
    expect(password).to_have_value("Upper-case-7")
    name.fill("with space")
    page.keyboard.press("Enter")
    expect(name).to_have_accessible_description(re.compile("ASCII letters"))
    axe(page)


def test_an_account_is_renamed(page: Page, core: Core) -> None:
    add_client(core, ("olga", "Correct-h0rse-4"), "Olga Old")

    choose(page, "Olga Old", "Change the name")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Olga Old")
    page.keyboard.type("Olga Ōkami")
    page.keyboard.press("Enter")

    expect(row(page, "Olga Ōkami")).to_contain_text("olga")
    expect(page.get_by_role("button", name="Actions for Olga Ōkami")).to_be_focused()


def test_who_is_switched_off_is_out_at_once_until_it_is_undone(
    page: Page, browse: Browsing, core: Core, console: Console
) -> None:
    console.expects("status of 401")
    account = ("otto", "Correct-h0rse-5")
    add_client(core, account, "Otto")
    theirs = browse("/account", as_=account)
    expect(theirs.get_by_role("heading", name="Password")).to_be_visible()
    may = page.get_by_role("switch", name="Otto may sign in")

    # The switch does not wait for the core.
    with page.expect_response("**/api/users/*"):
        may.click()

    expect(may).not_to_be_checked()
    assert login(core, *account).status == 401
    theirs.get_by_label("Current password").fill("x")
    theirs.get_by_label("New password").fill("Upper-case-7")
    theirs.keyboard.press("Enter")
    expect(theirs.get_by_role("dialog", name="Sign in again")).to_be_visible()
    with page.expect_response("**/api/users/*"):
        page.get_by_role("button", name="Undo").click()
    expect(may).to_be_checked()
    assert login(core, *account).status == 200


def test_a_new_password_takes_the_place_of_the_old_one(page: Page, core: Core) -> None:
    add_client(core, ("petra", "Correct-h0rse-6"), "Petra")

    choose(page, "Petra", "Set a new password")
    page.get_by_label("New password", exact=True).fill("Correct-h0rse-7")
    page.keyboard.press("Enter")

    expect(page.get_by_text("The password of Petra is a new one.")).to_be_visible()
    assert login(core, "petra", "Correct-h0rse-6").status == 401
    assert login(core, "petra", "Correct-h0rse-7").status == 200


def test_a_deleted_account_leaves_every_browser(page: Page, browse: Browsing, core: Core) -> None:
    add_client(core, ("quentin", "Correct-h0rse-8"), "Quentin")
    other = browse("/users", as_=ADMIN_ACCOUNT)
    expect(row(other, "Quentin")).to_be_visible()

    choose(page, "Quentin", "Delete")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Actions for Quentin")).to_be_focused()
    choose(page, "Quentin", "Delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()

    expect(row(page, "Quentin")).to_have_count(0)
    expect(row(other, "Quentin")).to_have_count(0)
    expect(page.get_by_role("button", name="Add account")).to_be_focused()
    assert login(core, "quentin", "Correct-h0rse-8").status == 401


def test_what_somebody_else_deleted_is_said(page: Page, core: Core, console: Console) -> None:
    console.expects("status of 404")
    add_client(core, ("rosa", "Correct-h0rse-9"), "Rosa")
    choose(page, "Rosa", "Change the name")
    [rosa] = [one for one in core.get("/api/users").json() if one["username"] == "rosa"]
    assert core.request("DELETE", f"/api/users/{rosa['id']}").status == 200

    page.get_by_label("Name", exact=True).fill("Rosa Rot")
    page.keyboard.press("Enter")

    expect(page.get_by_role("dialog").get_by_role("alert").first).to_contain_text("no")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Rosa Rot")


def test_a_token_is_shown_once_and_revoked(page: Page, core: Core) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    show_tokens(page)
    page.get_by_role("button", name="Make a token").click()
    page.get_by_role("textbox", name="Name").fill("watcher")
    expect(page.get_by_role("radio", name="Monitor")).to_be_checked()
    expect(page.get_by_role("radio", name="Monitor")).to_have_accessible_description(re.compile("metrics"))
    page.get_by_role("textbox", name="Name").press("Enter")

    dialog = page.get_by_role("dialog", name="Token watcher")
    expect(dialog).to_contain_text("This is shown only once.")
    token = dialog.get_by_role("textbox").input_value()
    dialog.get_by_role("button", name="Copy", exact=True).click()
    expect(dialog.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == token
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()

    headers = {"Authorization": f"Bearer {token}"}
    assert core.request("GET", "/api/metrics", headers=headers, as_=None).status == 200
    assert core.request("GET", "/api/users", headers=headers, as_=None).status == 403
    page.reload()
    expect(row(page, "watcher")).to_contain_text("Monitor")
    assert token not in page.content()
    page.get_by_role("button", name="Revoke watcher").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(row(page, "watcher")).to_have_count(0)
    assert core.request("GET", "/api/metrics", headers=headers, as_=None).status == 401


def test_the_role_of_a_token_is_chosen_by_the_keyboard(page: Page, core: Core) -> None:
    show_tokens(page)
    page.get_by_role("button", name="Make a token").press("Enter")
    expect(page.get_by_role("dialog").get_by_role("textbox")).to_be_focused()
    page.keyboard.type("deploy")
    page.keyboard.press("Tab")
    expect(page.get_by_role("radio", name="Monitor")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("radio", name="Admin")).to_be_checked()
    page.keyboard.press("Enter")

    expect(page.get_by_role("dialog", name="Token deploy")).to_be_visible()
    assert ("deploy", "admin") in [(one["name"], one["role"]) for one in core.get("/api/tokens").json()]


def test_failed_sign_ins_are_marked(page: Page, core: Core) -> None:
    assert login(core, "mallory", "Wr0ng-guess").status == 401

    page.get_by_role("tab", name="Sign-ins").click()

    expect(page.get_by_role("row").nth(1)).to_contain_text(re.compile("mallory.*127.0.0.1.*Failed"))
    expect(page.get_by_role("row").nth(2)).to_contain_text(re.compile("root.*Signed in"))


def test_sign_ins_come_in_pages(page: Page) -> None:
    def history(route: Route) -> None:
        found = re.search(r"page=(\d+)", route.request.url)
        assert found is not None
        first = int(found[1]) * 50
        attempts = [
            {
                "id": 1000 - index,
                "timestamp": "2026-01-02T03:04:05Z",
                "username": f"guest-{index}",
                "address": "192.0.2.1",
                "success": True,
            }
            for index in range(first, min(first + 50, 120))
        ]
        route.fulfill(json={"attempts": attempts, "page": first // 50, "page_size": 50, "total": 120})

    page.route("**/api/auth/login-history*", history)
    page.get_by_role("tab", name="Sign-ins").click()

    expect(page.get_by_text(re.compile(r"^1\D50 of 120$"))).to_be_visible()
    expect(page.get_by_role("button", name="Newer")).to_be_disabled()
    page.get_by_role("button", name="Older").click()
    expect(page.get_by_text(re.compile(r"^51\D100 of 120$"))).to_be_visible()
    page.get_by_role("button", name="Older").click()
    expect(page.get_by_role("cell", name="guest-119")).to_be_visible()
    expect(page.get_by_role("button", name="Older")).to_be_disabled()
    page.get_by_role("button", name="Newer").click()
    expect(page.get_by_role("cell", name="guest-50")).to_be_visible()


def test_a_list_that_cannot_be_had_says_why(browse: Browsing, console: Console) -> None:
    console.expects("status of 507")
    page = browse(None, as_=ADMIN_ACCOUNT)
    problem = {
        "type": "about:blank",
        "title": "Full",
        "status": 507,
        "detail": "The disk is full.",
        "code": "full",
    }
    page.route("**/api/users", lambda route: route.fulfill(status=507, json=problem))

    page.goto("/users")
    expect(page.get_by_role("alert").filter(has_text="The disk is full.")).to_be_visible()
    page.unroute("**/api/users")
    page.get_by_role("button", name="Try again").click()

    expect(row(page, "Clara Client")).to_be_visible()


def test_nobody_is_kept_out_of_the_page(page: Page) -> None:
    axe(page)
    show_tokens(page)
    page.get_by_role("button", name="Make a token").click()
    axe(page)
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="API tokens").press("ArrowRight")
    expect(page.get_by_role("table", name="Sign-ins")).to_be_visible()
    axe(page)
