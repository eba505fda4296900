"""What is painted before the program is there: the frame of the shell, where the shell then is."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.browsing import ADMIN_ACCOUNT, DESKTOP, PHONE, Browsing

PROGRAM = "**/assets/index-*.js"
BOXES = """() => [...document.querySelectorAll("#frame, #frame > svg")]
    .map((each) => each.getBoundingClientRect())
    .map(({ x, y, width, height }) => [x, y, width, height])"""
SHELL = """() => {
    const bar = document.querySelector("nav")?.parentElement ?? document.querySelector("header");
    return [bar, bar.querySelector("svg[viewBox='0 0 32 32']")]
        .map((each) => each.getBoundingClientRect())
        .map(({ x, y, width, height }) => [x, y, width, height]);
}"""


def before_the_program(page: Page, path: str = "/plugins", **kept: str) -> list[Route]:
    """Open it in a browser that keeps these things, and hold what would fill it."""
    for name, value in kept.items():
        page.add_init_script(f"localStorage.setItem('toru.{name.replace('_', '-')}', '{value}')")
    held: list[Route] = []
    page.route(PROGRAM, lambda route: held.append(route))
    page.goto(path, wait_until="commit")
    expect(page.locator("#frame")).to_be_attached()
    return held


@pytest.mark.parametrize(
    ("size", "sidebar"), [(DESKTOP, "wide"), (DESKTOP, "narrow"), (PHONE, "wide"), (PHONE, "narrow")]
)
def test_the_frame_is_where_the_shell_will_be(browse: Browsing, size: tuple[int, int], sidebar: str) -> None:
    page = browse(None, as_=ADMIN_ACCOUNT, size=size)
    held = before_the_program(page, signed_in="yes", sidebar=sidebar)
    expect(page.locator("#frame")).to_be_visible()
    frame = page.evaluate(BOXES)

    for each in held:
        each.continue_()
    expect(page.get_by_role("heading", name="Plugins", exact=True)).to_be_visible()
    expect(page.locator("#frame")).to_be_hidden()
    assert page.evaluate(SHELL) == frame


@pytest.mark.parametrize(
    ("theme", "colour"), [("light", "oklch(0.987 0.002 262)"), ("dark", "oklch(0.172 0.008 262)")]
)
def test_it_is_painted_in_the_theme_that_was_chosen(browse: Browsing, theme: str, colour: str) -> None:
    page = browse(None, as_=ADMIN_ACCOUNT, theme="light" if theme == "dark" else "dark")
    before_the_program(page, signed_in="yes", theme=theme)
    expect(page.locator("body")).to_have_css("background-color", colour)


def test_who_was_not_signed_in_sees_none(browse: Browsing) -> None:
    page = browse(None)
    held = before_the_program(page)
    expect(page.locator("#frame")).to_be_hidden()
    for each in held:
        each.continue_()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_nor_is_it_there_for_the_sign_in_page(browse: Browsing) -> None:
    page = browse(None)
    before_the_program(page, "/login", signed_in="yes")
    expect(page.locator("#frame")).to_be_hidden()
