"""The core goes away and comes back, before the eyes of whoever looks at a page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsing import Console
from tests.integration.cores import Core


@pytest.fixture(autouse=True)
def expected(console: Console) -> None:
    """What Chromium says of a core that is away."""
    console.expects("net::ERR_CONNECTION_REFUSED", "net::ERR_INCOMPLETE_CHUNKED_ENCODING", "status of 503")


def test_a_page_outlives_its_core(page: Page, core: Core) -> None:
    core.up("hello", name="Hello")
    plugins = page.get_by_role("list", name="Plugins")
    expect(plugins.get_by_role("link", name="Hello Running")).to_be_visible()
    page.get_by_role("link", name="Account").click()
    typed = page.get_by_label("Current password")
    typed.fill("half a passw")

    core.stop()
    expect(page.get_by_role("status").filter(has_text="Reconnecting…")).to_be_visible()
    expect(page.get_by_text(re.compile(r"next try in \d+ s"))).to_be_visible()
    expect(plugins.get_by_role("link", name="Hello")).to_be_visible()

    # What happens meanwhile nobody told the page.
    core.plugin("newcomer", name="Newcomer")
    (core.plugins / "hello.binary").unlink()
    core.start(listen=f"tcp:{core.port}:interface=127.0.0.1")
    # Unless it came back by itself just before.
    page.get_by_role("button", name="Try now").evaluate_all("(all) => all.forEach((each) => each.click())")

    expect(page.get_by_text("Reconnecting…")).to_be_hidden()
    expect(plugins.get_by_role("link", name="Newcomer Running")).to_be_visible()
    expect(plugins.get_by_role("link", name="Hello")).to_have_count(0)
    expect(typed).to_have_value("half a passw")


def test_it_comes_back_by_itself(page: Page, core: Core) -> None:
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_be_visible()
    core.stop()
    expect(page.get_by_text("Reconnecting…")).to_be_visible()

    core.start(listen=f"tcp:{core.port}:interface=127.0.0.1")

    expect(page.get_by_text("Reconnecting…")).to_be_hidden()
    core.up("another", name="Another")
    expect(page.get_by_role("link", name="Another Running")).to_be_visible()
