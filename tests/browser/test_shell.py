"""What stands around every page: the sidebar as it lives, the palette, the theme, and a phone."""

from __future__ import annotations

import os
import re
import signal

import pytest
from playwright.sync_api import Locator, Page, Response, expect

from tests.browser.browsing import ADMIN_ACCOUNT, CLIENT_ACCOUNT, PHONE, Browsing, axe
from tests.integration.cores import Core

DARK, LIGHT = re.compile(r"^oklch\(0\.1"), re.compile(r"^oklch\(0\.9")


@pytest.fixture(scope="module")
def settings() -> str:
    """What crashed stays down while a test looks."""
    return "[supervision]\nbackoff_first = 60\nbackoff_max = 60\n"


@pytest.fixture(scope="module", autouse=True)
def plugins(core: Core) -> None:
    """One that runs, with a view, and one that is disabled."""
    core.up("hello", name="Hello", icon="👋")
    (core.plugins / "hello").mkdir()
    (core.plugins / "hello" / "bundle.js").write_text(
        "export function mount(container) { container.textContent = 'Hello from its view'; }\n"
        "export function unmount() {}\n"
    )
    core.up("unwanted", name="Unwanted")
    assert core.post("/api/plugins/unwanted/disable").status == 200


def in_sidebar(page: Page, name: str) -> Locator:
    """The link to a plugin, whatever its dot says."""
    return page.get_by_role("list", name="Plugins").get_by_role("link", name=re.compile(f"^{name} "))


def palette(page: Page) -> Locator:
    """Where it is open."""
    return page.get_by_role("dialog", name="Commands")


def run_command(page: Page, name: str) -> None:
    """By the keyboard alone."""
    page.keyboard.press("Control+k")
    expect(palette(page).get_by_role("combobox")).to_be_focused()
    page.keyboard.type(name)
    expect(palette(page).get_by_role("option", name=name, exact=True)).to_have_attribute(
        "aria-selected", "true"
    )
    page.keyboard.press("Enter")
    expect(palette(page).get_by_role("combobox")).to_be_hidden()


def background(page: Page) -> Locator:
    """What shows which theme it is."""
    return page.locator("body")


def test_the_sidebar_has_the_enabled_plugins(page: Page) -> None:
    expect(in_sidebar(page, "Hello")).to_have_accessible_name("Hello Running")
    expect(in_sidebar(page, "Unwanted")).to_have_count(0)


def test_a_crash_turns_the_dot_red_at_once(page: Page, core: Core) -> None:
    pid = core.up("victim", name="Victim")
    green = in_sidebar(page, "Hello").get_by_role("img")
    dot = in_sidebar(page, "Victim").get_by_role("img")
    expect(dot).to_have_accessible_name("Running")
    colour = green.evaluate("dot => getComputedStyle(dot).backgroundColor")
    expect(dot).to_have_css("background-color", colour)

    os.kill(pid, signal.SIGKILL)

    expect(dot).to_have_accessible_name("Crashed")
    expect(dot).not_to_have_css("background-color", colour)


def test_what_one_disables_leaves_every_sidebar(page: Page, client_page: Page, core: Core) -> None:
    core.up("shared", name="Shared")
    expect(in_sidebar(client_page, "Shared")).to_be_visible()

    run_command(page, "Disable Shared")

    expect(page.get_by_text("Shared is disabled.")).to_be_visible()
    expect(in_sidebar(page, "Shared")).to_have_count(0)
    expect(in_sidebar(client_page, "Shared")).to_have_count(0)
    run_command(page, "Enable Shared")
    expect(in_sidebar(client_page, "Shared")).to_have_accessible_name("Shared Running")


def test_what_is_removed_and_renamed_is_so_in_the_sidebar(page: Page, core: Core) -> None:
    core.up("brief", name="Brief")
    expect(in_sidebar(page, "Brief")).to_be_visible()

    core.plugin("brief", version="2", name="Lasting")
    core.post("/api/plugins/rescan")
    expect(in_sidebar(page, "Lasting")).to_be_visible()
    expect(in_sidebar(page, "Brief")).to_have_count(0)

    (core.plugins / "brief.binary").unlink()
    core.post("/api/plugins/rescan")
    expect(in_sidebar(page, "Lasting")).to_have_count(0)


def test_the_palette_leads_anywhere_by_the_keyboard(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_be_visible()

    run_command(page, "Account")
    expect(page).to_have_url(re.compile("/account$"))
    expect(page).to_have_title("Account · toru")
    expect(page.get_by_role("heading", level=1, name="Account")).to_be_focused()

    run_command(page, "Hello")
    expect(page).to_have_url(re.compile("/plugin/hello$"))
    expect(page.get_by_text("Hello from its view")).to_be_visible()


def test_the_palette_is_walked_with_arrows_and_left_with_escape(page: Page) -> None:
    search = page.get_by_role("button", name="Search", exact=True)
    search.focus()
    page.keyboard.press("Enter")
    first, second = palette(page).get_by_role("option").nth(0), palette(page).get_by_role("option").nth(1)
    expect(first).to_have_attribute("aria-selected", "true")

    page.keyboard.press("ArrowDown")
    expect(second).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(palette(page).get_by_role("option").last).to_have_attribute("aria-selected", "true")
    page.keyboard.type("no such thing")
    expect(palette(page).get_by_role("option")).to_have_count(0)
    expect(palette(page)).to_contain_text("Nothing is called “no such thing”.")
    page.keyboard.press("Escape")

    expect(palette(page).get_by_role("combobox")).to_be_hidden()
    expect(search).to_be_focused()


def test_the_keyboard_can_skip_the_sidebar(page: Page) -> None:
    expect(in_sidebar(page, "Hello")).to_be_visible()

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.get_by_role("main")).to_be_focused()


def test_a_chosen_theme_is_kept(browse: Browsing) -> None:
    page = browse("/account", as_=CLIENT_ACCOUNT)
    expect(background(page)).to_have_css("background-color", LIGHT)

    page.get_by_role("radio", name="Dark").check()
    expect(background(page)).to_have_css("background-color", DARK)
    page.reload()
    expect(page.get_by_role("radio", name="Dark")).to_be_checked()
    expect(background(page)).to_have_css("background-color", DARK)

    page.get_by_role("button", name="Theme").click()
    page.get_by_role("menuitemradio", name="System").click()
    expect(background(page)).to_have_css("background-color", LIGHT)
    page.emulate_media(color_scheme="dark")
    expect(background(page)).to_have_css("background-color", DARK)


def test_a_narrow_sidebar_stays_narrow(page: Page) -> None:
    page.get_by_role("button", name="Collapse the sidebar").click()
    narrow = page.get_by_role("navigation").bounding_box()
    assert narrow is not None
    assert narrow["width"] < 80
    expect(in_sidebar(page, "Hello")).to_have_accessible_name("Hello Running")

    page.reload()

    expect(page.get_by_role("button", name="Expand the sidebar")).to_be_visible()
    axe(page)


def test_a_client_sees_no_page_of_admins(client_page: Page) -> None:
    page = client_page
    navigation = page.get_by_role("navigation")
    expect(navigation.get_by_role("link", name="Overview")).to_be_visible()
    expect(navigation.get_by_role("link", name=re.compile("Users|Manager"))).to_have_count(0)

    page.keyboard.press("Control+k")
    for word in ("Users", "Disable", "Restart", "Logs"):
        palette(page).get_by_role("combobox").fill(word)
        expect(palette(page).get_by_role("option", name=re.compile(word))).to_have_count(0)

    page.goto("/users")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")
    # Where it is refused the console would tell.
    page.goto("/plugin/hello/logs")
    expect(page.get_by_role("heading", level=1)).to_have_text("Logs of Hello")
    for path in ("/api/users", "/api/tokens", "/api/auth/login-history", "/api/plugins/hello/logs"):
        assert page.request.get(path).status == 403


@pytest.mark.parametrize(
    "path", ["/login", "/plugins", "/users", "/users?show=tokens", "/users?show=history", "/account"]
)
def test_a_phone_never_scrolls_sideways(browse: Browsing, path: str) -> None:
    page = browse(path, as_=None if path == "/login" else ADMIN_ACCOUNT, size=(360, 740), has_touch=True)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_on_a_phone_the_sidebar_is_a_drawer(browse: Browsing) -> None:
    page = browse(as_=ADMIN_ACCOUNT, size=PHONE, has_touch=True)
    menu = page.get_by_role("button", name="Menu")
    menu.tap()
    drawer = page.get_by_role("dialog", name="Menu")
    expect(in_sidebar(page, "Hello")).to_be_visible()
    axe(page)

    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(menu).to_be_focused()
    menu.tap()
    drawer.get_by_role("link", name="Account").tap()

    expect(drawer).to_be_hidden()
    expect(page).to_have_url(re.compile("/account$"))


def test_the_first_page_is_light(browse: Browsing) -> None:
    page = browse(None, as_=ADMIN_ACCOUNT)
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))

    page.goto("/plugins")
    expect(in_sidebar(page, "Hello")).to_be_visible()

    sizes = {one.url: one.request.sizes()["responseBodySize"] for one in answers if "/api/" not in one.url}
    assert any(url.endswith(".js") for url in sizes)
    assert sum(sizes.values()) < 100 * 1024, sizes
