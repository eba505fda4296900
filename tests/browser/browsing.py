"""Chromium as people use it, on a real core: pages that are signed in, and what nobody may find in them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from tests.integration.cores import ADMIN, ADMIN_PASSWORD, PATIENCE, Core

# Names and passwords.
ADMIN_ACCOUNT = (ADMIN, ADMIN_PASSWORD)
CLIENT_ACCOUNT = ("clara", "Correct-h0rse-2")

Theme = Literal["light", "dark"]
DESKTOP, PHONE = (1280, 800), (375, 812)

_AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"

# As root there is no sandbox, and nothing but the tests' pages is to be asked for.
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Once nothing fades any more, axe sees the colours that people see.
_FINDINGS = """async () => {
    do await new Promise(requestAnimationFrame);
    while (document.getAnimations().some((one) => one.playState === "running"));
    return (await axe.run()).violations;
}"""

# What is wider than its place and can be scrolled there.
_SIDEWAYS = """() => [...document.querySelectorAll("*")]
    .filter((each) => each.scrollWidth > each.clientWidth && !each.matches("pre, input, :has(> table)"))
    .filter((each) => each === document.documentElement || /auto|scroll/.test(getComputedStyle(each).overflowX))
    .map((each) => each.outerHTML.slice(0, 100))"""

INSTALL_CHROMIUM = "apt-get install chromium-headless-shell"

expect.set_options(timeout=PATIENCE * 1000)


class Finding(TypedDict):
    """One rule of axe that a page breaks."""

    id: str
    help: str
    nodes: list[dict[str, Any]]


def found_chromium() -> str | None:
    """Without windows around its pages, which nobody sees here, it takes a third of the time to open one."""
    return shutil.which("chromium-headless-shell") or shutil.which("chromium")


@contextmanager
def started_chromium() -> Iterator[Browser]:
    """Debian's Chromium; Playwright's own does not run everywhere."""
    program = found_chromium()
    if program is None:
        pytest.fail(f"There is no Chromium in PATH; as root: {INSTALL_CHROMIUM}", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Console:
    """What pages complained of, in the order of it, and which of that a test expects."""

    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expects(self, *patterns: str) -> None:
        """Complaints in which one of these is found (regular expressions) are no fault. Say it beforehand."""
        self.expected += patterns

    def unexpected(self) -> list[str]:
        """Whatever else there was."""
        return [one for one in self.complaints if not any(re.search(known, one) for known in self.expected)]

    def watch(self, context: BrowserContext, home: str) -> None:
        """From now on hear what the pages of `context` say; they may ask nobody but `home`."""

        def said(message: ConsoleMessage) -> None:
            if message.type == "error":
                self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

        def asked(request: Request) -> None:
            if not request.url.startswith((f"{home}/", "data:", f"blob:{home}/")):
                self.complaints.append(f"a request to another host: {request.url}")

        # Chromium says here as well what the content security policy kept from happening.
        context.on("console", said)
        context.on("weberror", lambda error: self.complaints.append(f"thrown: {error.error}"))
        context.on("request", asked)


@dataclass
class Browsing:
    """Opens pages of `core`, each in a browser of its own as far as cookies and storage go."""

    chromium: Browser
    core: Core
    console: Console
    contexts: list[BrowserContext] = field(default_factory=list)

    @property
    def home(self) -> str:
        """What all addresses begin with."""
        return f"http://127.0.0.1:{self.core.port}"

    def __call__(
        self,
        path: str | None = "/plugins",
        *,
        as_: tuple[str, str] | None = None,
        size: tuple[int, int] = DESKTOP,
        theme: Theme = "light",
        **more: Any,
    ) -> Page:
        """A page at `path`, or an empty one; signed in with that name and password, or as nobody.

        `theme` is what the system prefers; `more` are settings of Playwright's `new_context`. Addresses given
        to `page.goto` begin with `/`.
        """
        width, height = size
        context = self.chromium.new_context(
            **{
                "base_url": self.home,
                "viewport": {"width": width, "height": height},
                "color_scheme": theme,
                "reduced_motion": "reduce",
                "locale": "en-GB",
                **more,
            }
        )
        self.contexts.append(context)
        context.set_default_timeout(PATIENCE * 1000)
        self.console.watch(context, self.home)
        if as_ is not None:
            name, _, value = self.core.sign_in(*as_).partition("=")
            context.add_cookies([{"name": name, "value": value, "url": self.home}])
        page = context.new_page()
        if path is not None:
            page.goto(path)
        return page

    def close(self) -> None:
        """Everything that was opened."""
        for context in self.contexts:
            context.close()


def add_client(core: Core, account: tuple[str, str], display_name: str | None = None) -> None:
    """An account with that name and password, which is not there yet."""
    username, password = account
    body = json.dumps({"username": username, "password": password, "display_name": display_name})
    made = core.request("POST", "/api/users", body.encode())
    assert made.status == 201, made


def axe(page: Page) -> None:
    """Fails where axe-core finds anything in the page as it is, light or dark; the theme has to be the system's."""
    if not _AXE.is_file():
        pytest.fail(f"axe-core is not installed: there is no {_AXE}. `make test` does it.", pytrace=False)
    # It goes in past the content security policy, as the developer tools do.
    page.evaluate(_AXE.read_text())
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        found: list[Finding] = page.evaluate(_FINDINGS)
        assert not found, f"{page.url}, {theme}:\n" + "\n".join(_told(finding) for finding in found)


def assert_no_sideways(page: Page) -> None:
    """On a narrow phone nothing is scrolled sideways, but tables and texts as they were written, in themselves."""
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate(_SIDEWAYS) == []


def _told(finding: Finding) -> str:
    places = "".join(f"\n    {node['target']}: {node['failureSummary']}" for node in finding["nodes"])
    return f"  {finding['id']}: {finding['help']}{places}"
