"""A plugin's own view in the dashboard: mounted, unmounted, replaced, and what it is given."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsing import ADMIN_ACCOUNT, PHONE, Browsing, Console, axe
from tests.browser.bundles import (
    FOCUS,
    NEVER,
    SUBJECT,
    bundle,
    expect_living_shell,
    go,
    happened,
    mounting,
    recorder,
    view,
    wait_true,
)
from tests.integration.cores import Core

OWN_BUNDLE = """
def handle(file, message):
    if message["type"] == "http":
        answer(file, message, body="export function mount(place) { place.textContent = 'version %s' }" % VERSION)
serve(handle)
"""


@pytest.fixture(scope="module", autouse=True)
def plugins(core: Core) -> None:
    core.up("subject", SUBJECT)
    core.up("other", SUBJECT)
    bundle(core, recorder(), "other")


# -- mounting and unmounting


def test_a_module_is_mounted_and_unmounted_and_executed_once(core: Core, page: Page) -> None:
    bundle(core, recorder())
    go(page, "subject")
    expect(view(page).get_by_role("heading")).to_have_text("one")
    assert happened(page) == ["executed", "mounted"]

    page.get_by_role("link", name="Events").click()
    expect(view(page)).to_have_count(0)
    assert happened(page) == ["executed", "mounted", "unmounted true"]

    page.go_back()
    expect(view(page).get_by_role("heading")).to_have_text("one")
    assert happened(page) == ["executed", "mounted", "unmounted true", "mounted"]


def test_there_and_back_quickly(core: Core, page: Page) -> None:
    bundle(core, recorder())
    for _ in range(3):
        go(page, "subject")
        page.get_by_role("link", name="Events").click()
    go(page, "subject")
    expect(view(page).get_by_role("heading")).to_have_text("one")

    told = happened(page)
    assert told.count("executed") == 1
    assert told.count("mounted") == len([one for one in told if one.startswith("unmounted")]) + 1


def test_a_script_that_registers_itself(core: Core, page: Page) -> None:
    bundle(
        core,
        """
        (function () {
          window.ToruPlugins = window.ToruPlugins || {};
          window.ToruPlugins["subject"] = {
            name: "registered",
            mount(container) { container.textContent = this.name; return Promise.resolve(); },
            unmount(container) { window.unmounted = container.textContent; return Promise.resolve(); },
          };
        })();
        """,
    )
    go(page, "subject")
    expect(view(page)).to_have_text("registered")
    page.get_by_role("link", name="Events").click()
    assert page.evaluate("window.unmounted") == "registered"


def test_a_changed_bundle_takes_the_place_of_the_old_one(core: Core, page: Page) -> None:
    bundle(core, recorder("one"))
    go(page, "subject")
    expect(view(page).get_by_role("heading")).to_have_text("one")

    bundle(core, recorder("two"))
    page.evaluate(FOCUS)

    expect(view(page).get_by_role("heading")).to_have_text("two")
    expect(page.get_by_role("status").filter(has_text="subject has a new view")).to_be_visible()
    assert happened(page) == ["executed", "mounted", "unmounted true", "executed", "mounted"]


def test_a_new_version_of_a_plugin_that_answers_with_its_bundle(core: Core, page: Page) -> None:
    core.up("own", OWN_BUNDLE, version="1")
    go(page, "own")
    expect(view(page)).to_have_text("version 1")

    core.plugin("own", OWN_BUNDLE, version="2")
    expect(view(page)).to_have_text("version 2")
    expect(page.get_by_role("status").filter(has_text="own has a new view")).to_be_visible()


def test_disabled_elsewhere_and_enabled_again(core: Core, page: Page) -> None:
    bundle(core, recorder())
    go(page, "subject")
    expect(view(page).get_by_role("heading")).to_have_text("one")

    core.post("/api/plugins/subject/disable")
    expect(page.get_by_text("subject is disabled", exact=True)).to_be_visible()
    assert happened(page) == ["executed", "mounted", "unmounted true"]
    axe(page)

    page.get_by_role("main").get_by_role("button", name="Enable").click()
    expect(view(page).get_by_role("heading")).to_have_text("one")
    assert happened(page)[3:] == ["mounted"]


def test_an_unmount_that_throws_or_hangs(core: Core, page: Page, console: Console) -> None:
    console.expects("no way out")
    for ending in ('throw new Error("no way out")', 'return Promise.reject("no way out")', f"return {NEVER}"):
        bundle(core, mounting('container.textContent = "in"') + f"\nexport function unmount() {{ {ending} }}")
        page.goto("/plugin/subject")
        expect(view(page)).to_have_text("in")
        expect_living_shell(page)
        go(page, "subject")
        expect(view(page)).to_have_text("in")


# -- what it is given


def test_what_a_bundle_is_given(core: Core, page: Page, console: Console) -> None:
    console.expects("status of 409")
    bundle(core, recorder())
    go(page, "subject")
    expect(view(page)).to_be_visible()

    asked = page.evaluate("api.fetch('/items?page=2', { method: 'PUT', body: 'text' }).then((r) => r.json())")
    assert (asked["method"], asked["path"], asked["body"]) == ("PUT", "/items?page=2", "text")
    for path in ("../other/", "/../../kv", "https://example.org/", "//example.org/"):
        assert "own route" in page.evaluate(
            "(path) => api.fetch(path).catch((e) => `${e.name}: ${e.message}`)", path
        )

    assert page.evaluate("api.kv.set('a/1', 'x')") == "x"
    assert page.evaluate("api.kv.get('a/1')") == "x"
    assert page.evaluate("api.kv.list('a/')") == {"keys": ["a/1"], "next": None}
    assert page.evaluate("api.kv.set('a/1', 'y', { expect: 'z' }).catch((e) => e.status)") == 409
    assert page.evaluate("api.kv.delete('a/1').then(() => api.kv.get('a/1'))") is None

    assert page.evaluate("[api.plugin.id, api.plugin.route]") == ["subject", "/subject"]
    assert page.evaluate("[api.user.username, api.user.role]") == ["root", "admin"]
    frozen = "[api, api.kv, api.plugin, api.user].every(Object.isFrozen)"
    assert page.evaluate(frozen)
    page.evaluate("api.showToast('All is well', 'success')")
    expect(page.get_by_role("status").filter(has_text="All is well")).to_be_visible()


def test_the_theme_is_live(core: Core, page: Page) -> None:
    bundle(core, recorder())
    go(page, "subject")
    expect(view(page)).to_be_visible()
    page.evaluate("container.addEventListener('toru-theme', (event) => happened.push(event.detail))")
    light = page.evaluate("getComputedStyle(container).backgroundColor")
    page.emulate_media(color_scheme="dark")
    wait_true(page, "happened.at(-1) === 'dark' && api.theme === 'dark'")
    assert page.evaluate("getComputedStyle(container).backgroundColor") != light


def test_navigating(core: Core, page: Page) -> None:
    bundle(core, recorder())
    go(page, "subject")
    expect(view(page)).to_be_visible()
    page.evaluate("api.navigate('?tab=2#top')")
    expect(page).to_have_url(re.compile(r"/plugin/subject\?tab=2#top$"))
    assert happened(page) == ["executed", "mounted"]
    for path in ("https://example.org/", "//example.org", "/api/plugins", "events"):
        assert "page of the dashboard" in page.evaluate(
            "(path) => { try { api.navigate(path) } catch (e) { return e.message } }", path
        )
    page.evaluate("api.navigate('/events')")
    expect(page.get_by_role("heading", level=1)).to_have_text("Events")


def test_after_it_was_left_the_api_does_nothing(core: Core, page: Page) -> None:
    bundle(core, recorder())
    go(page, "subject")
    expect(view(page)).to_be_visible()
    page.evaluate("() => { window.pending = api.fetch('/never').catch((e) => e.name); api.fetch('/never') }")
    page.get_by_role("link", name="Events").click()
    assert page.evaluate("pending") == "AbortError"
    assert page.evaluate("api.kv.get('a').catch((e) => e.name)") == "AbortError"
    page.evaluate("() => { api.kv.get('a'); api.navigate('/users'); api.showToast('from beyond') }")
    expect(page).to_have_url(re.compile("/events$"))
    expect(page.get_by_text("from beyond")).to_have_count(0)


def test_a_client_keeps_what_is_theirs(core: Core, client_page: Page, console: Console) -> None:
    console.expects("status of 403")
    bundle(core, recorder())
    go(client_page, "subject")
    expect(view(client_page)).to_be_visible()
    assert client_page.evaluate("api.kv.set(`user/${api.user.id}/a`, '1')") == "1"
    assert client_page.evaluate("api.kv.set('a', '1').catch((e) => e.status)") == 403
    expect(client_page.get_by_role("main").get_by_role("button", name="View logs")).to_have_count(0)


def test_the_session_ends_and_goes_on(core: Core, page: Page, console: Console) -> None:
    console.expects("status of 401")
    bundle(core, recorder())
    go(page, "subject")
    page.get_by_label("Note").fill("kept")
    page.context.clear_cookies()
    page.evaluate(
        """() => {
          const show = (asked) => { container.querySelector("h1").textContent = asked.path };
          api.fetch("/late").then((response) => response.json()).then(show);
        }"""
    )
    page.get_by_role("dialog").get_by_label("Username").fill(ADMIN_ACCOUNT[0])
    page.get_by_role("dialog").get_by_label("Password", exact=True).fill(ADMIN_ACCOUNT[1])
    page.keyboard.press("Enter")
    expect(view(page).get_by_role("heading")).to_have_text("/late")
    expect(page.get_by_label("Note")).to_have_value("kept")


def test_the_shell_s_styles_stay_outside(core: Core, browse: Browsing) -> None:
    bundle(
        core,
        mounting("""
        container.innerHTML = "<h1>Big</h1><ul><li>one</ul><button>Plain</button><div id=wide style='width: 3000px'>wide</div>";
        const portal = document.createElement("div"); portal.id = "portal"; portal.textContent = "over"; document.body.append(portal);
        const fixed = document.createElement("div"); fixed.id = "fixed"; fixed.style = "position: fixed; inset: 0; background: red; opacity: .1; pointer-events: none"; container.append(fixed);
    """),
    )
    for size in ((1280, 800), PHONE):
        page = browse("/plugin/subject", as_=ADMIN_ACCOUNT, size=size)
        expect(view(page).locator("h1")).to_be_visible()
        look = page.evaluate(
            """() => {
              const of = (selector) => getComputedStyle(document.querySelector("[data-plugin-container] " + selector));
              return [of("h1").fontWeight, of("h1").marginTop !== "0px", of("li").listStyleType, of("button").borderTopStyle];
            }"""
        )
        assert look == ["700", True, "disc", "outset"]
        assert page.evaluate("document.documentElement.scrollWidth") == size[0]
        box = page.evaluate(
            "(() => { const { x, y, width, height } = fixed.getBoundingClientRect(); const main = document.querySelector('main').getBoundingClientRect(); return x >= main.x && y >= main.y && width <= main.width })()"
        )
        assert box
        expect(page.locator("body > #portal")).to_be_visible()


# -- the examples


def test_the_view_of_an_example(core: Core, page: Page, client_page: Page) -> None:
    source = Path(__file__).parents[2] / "plugins" / "hello-python" / "hello-python.py"
    core.file("hello-python.binary", source.read_text())
    core.wait_state("hello-python", "running")
    for one in (page, client_page):
        go(one, "Hello from Python")
        expect(view(one).get_by_role("status")).to_have_text("Hello, world, from Python!")
        view(one).get_by_label("Your name").fill("Ada")
        one.keyboard.press("Enter")
        expect(view(one).get_by_role("status")).to_have_text("Hello, Ada, from Python!")
        one.reload()
        expect(view(one).get_by_label("Your name")).to_have_value("Ada")
    axe(page)
