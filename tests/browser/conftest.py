"""Fixtures for tests in a real Chromium, on a real core.

    def test_it(core, page):                # a core; a page of it, signed in as its admin, at /plugins
        core.up("hello")                    # tests/integration/cores.py: plugins, requests, restarts
        expect(page.get_by_role("link", name="hello")).to_be_visible()

- `core` is started once for each module, with no plugin and with one client, CLIENT_ACCOUNT. A module that wants
  plugins adds them in an autouse fixture of scope "module"; other settings come from a fixture `settings` of its own.
- `page` and `client_page` are pages at /plugins, signed in as the admin and as that client. `browse(path, as_=ADMIN_ACCOUNT,
  size=PHONE, theme="dark")` (browsing.py) opens further ones, each with its own cookies and storage.
- `console` fails a test in whose pages an error reached the console, something was thrown, the content security policy
  was broken, or another host was asked. What a test provokes it announces: `console.expects(r"status of 401")`.
- `axe(page)` (browsing.py) fails where axe-core finds anything, in either theme.
- Wait with Playwright's `expect`, which asks again until it is true; never for a time. Motion is reduced.

pytest-twisted does not mind: nothing here needs the reactor, and Playwright has an event loop of its own, which ends
with the last test of this folder.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.browsing import (
    ADMIN_ACCOUNT,
    CLIENT_ACCOUNT,
    Browsing,
    Console,
    add_client,
    started_chromium,
)
from tests.integration.cores import Core, fresh_core


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One Chromium for all tests of this folder."""
    with started_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def settings() -> str:
    """What stands in the core's toru.toml, for a module to replace."""
    return "[supervision]\nbackoff_first = 0.05\n"


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory, settings: str) -> Iterator[Core]:
    """A running core without plugins, which the tests of a module share."""
    with fresh_core(tmp_path_factory.mktemp("b")) as core:  # a short name: paths of sockets are limited
        core.settings(settings)
        core.start()
        add_client(core, CLIENT_ACCOUNT, "Clara Client")
        yield core


@pytest.fixture
def console() -> Iterator[Console]:
    """What pages complain of. Its end is after that of the pages."""
    console = Console()
    yield console
    assert not console.unexpected(), "\n".join(console.unexpected())


@pytest.fixture
def browse(chromium: Browser, core: Core, console: Console) -> Iterator[Browsing]:
    """Opens pages."""
    browsing = Browsing(chromium, core, console)
    yield browsing
    browsing.close()


@pytest.fixture
def page(browse: Browsing) -> Page:
    """Of the admin."""
    return browse(as_=ADMIN_ACCOUNT)


@pytest.fixture
def client_page(browse: Browsing) -> Page:
    """Of a client."""
    return browse(as_=CLIENT_ACCOUNT)
