"""What can go wrong with a plugin's view, or with its plugin, costs only that view."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.browsing import ADMIN_ACCOUNT, CLIENT_ACCOUNT, Browsing, Console, add_client, axe
from tests.browser.bundles import (
    FOCUS,
    NEVER,
    SUBJECT,
    alert,
    bundle,
    expect_living_shell,
    go,
    happened,
    mounting,
    recorder,
    view,
    wait_true,
)
from tests.integration.cores import Core, fresh_core, wait_for


@pytest.fixture(scope="module", autouse=True)
def plugins(core: Core) -> None:
    core.up("subject", SUBJECT)
    core.up("other", SUBJECT)
    bundle(core, recorder(), "other")


# -- what goes wrong


def test_a_broken_bundle_costs_only_its_view(core: Core, page: Page, console: Console) -> None:
    console.expects("")
    gone = "removed its own container"
    for text, title, why in (
        ('throw new Error("at load")', "could not be loaded", "at load"),
        ("export const nothing = 1", "could not be loaded", "exports no function mount"),
        ("const = 1", "could not be loaded", "Unexpected token"),
        ("<!doctype html><p>Hi", "could not be loaded", "a page of HTML"),
        (mounting('throw new Error("in mount")'), "could not start", "in mount"),
        (mounting('return Promise.reject(new Error("later"))'), "could not start", "later"),
        (mounting("throw undefined"), "could not start", "undefined"),
        (mounting("container.remove()"), "Something went wrong", gone),
        (mounting("container.parentElement.remove()"), "Something went wrong", gone),
    ):
        bundle(core, text)
        go(page, "subject")
        expect(alert(page)).to_contain_text(title)
        expect(alert(page)).to_contain_text(why)
        expect_living_shell(page)
    bundle(core, recorder("mended"))
    go(page, "subject")
    expect(view(page).get_by_role("heading")).to_have_text("mended")


def test_trying_again_loads_anew(core: Core, page: Page, console: Console) -> None:
    console.expects("first time")
    bundle(
        core,
        'globalThis.times = (globalThis.times ?? 0) + 1;\nif (times < 2) throw new Error("first time");\n'
        + mounting("container.textContent = `times: ${times}`"),
    )
    go(page, "subject")
    expect(alert(page)).to_contain_text("first time")
    axe(page)
    alert(page).get_by_text("Details").click()
    expect(alert(page).locator("pre")).to_contain_text("/bundle.js")

    page.get_by_role("button", name="Try again").dblclick()
    expect(view(page)).to_have_text("times: 2")
    expect(alert(page)).to_have_count(0)


def test_what_never_settles_is_given_up(core: Core, browse: Browsing, console: Console) -> None:
    console.expects("within 10 seconds")
    loading = f"globalThis.begun = true;\nawait {NEVER};\n" + mounting("")
    for text, why in (
        (loading, "did not arrive, or did not finish running, within 10 seconds"),
        (mounting(f"globalThis.begun = true; return {NEVER}"), "did not settle within 10 seconds"),
    ):
        bundle(core, text)
        page = browse(None, as_=ADMIN_ACCOUNT)
        page.clock.install()
        page.goto("/plugin/subject")
        wait_true(page, "globalThis.begun")
        page.clock.run_for(10_000)
        expect(alert(page)).to_contain_text(why)
        expect_living_shell(page)


def test_what_breaks_later_leaves_the_view_as_it_is(core: Core, page: Page, console: Console) -> None:
    console.expects("a slip")
    bundle(core, recorder())
    go(page, "subject")
    page.get_by_label("Note").fill("kept")
    for breaking in (
        'throw new Error("a slip")',
        'Promise.reject(new Error("a slip"))',
        'Promise.reject("a slip")',
        'setTimeout(() => { throw "a slip" })',
    ):
        # Not by `evaluate`, whose errors are nobody's.
        bundle(
            core,
            recorder().replace(
                "`;", f"`; container.querySelector('button').onclick = () => {{ {breaking} }};"
            ),
        )
        page.evaluate(FOCUS)
        expect(page.get_by_label("Note")).to_have_value("")
        page.get_by_label("Note").fill("kept")
        page.get_by_role("button", name="Act", exact=True).click()
        expect(alert(page)).to_contain_text("a slip")
        expect(page.get_by_label("Note")).to_have_value("kept")
        alert(page).get_by_role("button", name="Dismiss").click()
        expect(alert(page)).to_have_count(0)

    page.get_by_role("button", name="Act", exact=True).click()
    alert(page).get_by_role("button", name="View logs").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect_living_shell(page)


def test_the_shell_outlives_what_a_bundle_does_to_the_page(core: Core, page: Page) -> None:
    style = "* { margin: 9px } button, a, nav { display: none; color: red }"
    for deed in (
        'document.body.innerHTML = ""',
        "for (const one of document.body.children) one.remove()",
        'document.querySelectorAll("link[rel=stylesheet], style").forEach((one) => one.remove())',
        'document.body.className = "x"; document.documentElement.style.fontSize = "40px"',
        'document.body.style = "display: none"',
        'history.pushState({}, "", "/no/such/page")',
        f"const s = document.createElement('style'); s.textContent = '{style}'; document.head.append(s)",
    ):
        bundle(core, mounting(f"setTimeout(() => {{ {deed}; globalThis.done = true; }})"))
        page.goto("/plugin/subject")
        wait_true(page, "globalThis.done")
        page.evaluate("""document.querySelector('nav a[href="/events"]').click()""")
        expect(page.get_by_role("heading", level=1)).to_have_text("Events")
        assert 150 < page.evaluate("document.querySelector('nav').getBoundingClientRect().width") < 350
        assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "16px"
        expect_living_shell(page)


# -- a plugin that is not running


def wait_up_again(core: Core, id: str, restarts: int) -> None:
    """Until it runs after so many restarts."""
    wait_for(lambda: (status := core.status(id))["running"] and status["restarts"] == restarts)


def test_nothing_that_was_typed_is_lost_by_a_crash(core: Core, page: Page, console: Console) -> None:
    console.expects("status of 502")
    core.up("brittle", SUBJECT)
    bundle(core, recorder(), "brittle")
    go(page, "brittle")
    page.get_by_label("Note").fill("kept")
    for restarts in (1, 2):
        page.evaluate("api.fetch('/crash').then(() => null)")
        wait_up_again(core, "brittle", restarts)
    expect(page.get_by_label("Note")).to_be_visible()
    expect(page.get_by_label("Note")).to_have_value("kept")
    assert happened(page) == ["executed", "mounted"]


def test_a_crashed_plugin_says_why_and_when_it_comes_back(
    chromium: Browser, console: Console, tmp_path: Path
) -> None:
    console.expects("status of 502")
    with fresh_core(tmp_path) as core:
        core.settings("[supervision]\nbackoff_first = 300\nbackoff_max = 300\nmax_crashes = 2\n")
        core.start()
        add_client(core, CLIENT_ACCOUNT)
        core.plugin("doomed", 'print("no config file", flush=True)\nos._exit(7)')
        core.wait_state("doomed", "backoff")
        browse = Browsing(chromium, core, console)
        page = browse(as_=ADMIN_ACCOUNT)
        client_page = browse("/plugin/doomed", as_=CLIENT_ACCOUNT)

        expect(page.get_by_role("navigation").get_by_role("img", name="Crashed")).to_be_visible()
        go(page, "doomed")
        expect(alert(page)).to_contain_text("doomed crashed")
        expect(alert(page)).to_contain_text("7")
        main = page.get_by_role("main")
        expect(main).to_contain_text(re.compile(r"Next startin [45]:\d\d"))
        expect(main.get_by_role("list", name="The last lines")).to_contain_text("no config file")
        axe(page)
        alert(page).get_by_role("button", name="View logs").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")

        expect(alert(client_page)).to_contain_text("doomed crashed")
        expect(client_page.get_by_role("button", name="Restart now")).to_have_count(0)
        expect(client_page.get_by_role("list", name="The last lines")).to_have_count(0)

        page.get_by_role("button", name="Restart now").click()
        expect(page.get_by_text("doomed is disabled", exact=True)).to_be_visible()
        expect(alert(page)).to_contain_text("7")
        expect(client_page.get_by_text("An administrator can enable it.")).to_be_visible()
        browse.close()


def test_a_plugin_that_is_not_up_yet(core: Core, page: Page) -> None:
    core.plugin("slow", "wait_until_there('up')\n" + SUBJECT)
    core.wait_state("slow", "starting")
    bundle(core, recorder(), "slow")
    go(page, "slow")
    expect(page.get_by_text("slow is starting", exact=True)).to_be_visible()
    axe(page)
    core.tell("up")
    expect(view(page).get_by_role("heading")).to_have_text("one")


def test_there_is_no_bundle(core: Core, page: Page, console: Console) -> None:
    console.expects("status of 404")
    core.up("bare", SUBJECT, description="Does one thing.", author="Ada")
    go(page, "bare")
    expect(page.get_by_text("This plugin has no view of its own")).to_be_visible()
    expect(page.get_by_role("link", name="/api/plugins/route/bare/")).to_be_visible()
    expect(page.get_by_text("Does one thing.")).to_be_visible()
    axe(page)

    bundle(core, recorder(), "bare")
    page.evaluate(FOCUS)
    expect(view(page).get_by_role("heading")).to_have_text("one")


def test_it_is_removed_while_one_looks(core: Core, page: Page) -> None:
    core.up("brief", SUBJECT)
    bundle(core, recorder(), "brief")
    go(page, "brief")
    expect(view(page)).to_be_visible()
    (core.plugins / "brief.binary").unlink()
    expect(page.get_by_role("heading", name="There is no such plugin")).to_be_visible()
    assert happened(page) == ["executed", "mounted", "unmounted true"]


def test_there_is_no_such_plugin(page: Page) -> None:
    page.goto("/plugin/nobody")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such plugin")
    axe(page)
