"""Bundles of plugins, and what one sees of them in a page."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.integration.cores import Core, wait_for

# Answers what it was asked, has no bundle of its own, and ends when it is told to.
SUBJECT = """
def handle(file, message):
    if message["type"] != "http":
        return
    path = message["payload"]["path"]
    if path == "/bundle.js":
        answer(file, message, status=404)
    elif path == "/crash":
        print("about to crash", flush=True)
        os._exit(3)
    elif path == "/never":
        pass
    else:
        answer(file, message, body=json.dumps(message["payload"]))
serve(handle)
"""

# Writes down what happens to it, where it is looked for by the tests.
RECORDER = """
globalThis.happened = [...(globalThis.happened ?? []), "executed"];
export function mount(container, api) {
  happened.push("mounted");
  globalThis.api = api;
  globalThis.container = container;
  container.innerHTML = `<h1>VERSION</h1><input aria-label="Note"><button>Act</button>`;
}
export function unmount(container) {
  happened.push(`unmounted ${container.isConnected}`);
}
"""

NEVER = "new Promise(() => {})"
FOCUS = "window.dispatchEvent(new Event('focus'))"


def bundle(core: Core, text: str, id: str = "subject") -> None:
    """From now on that is the plugin's bundle."""
    folder = core.plugins / id
    folder.mkdir(exist_ok=True)
    (folder / "bundle.js").write_text(text)


def recorder(version: str = "one") -> str:
    return RECORDER.replace("VERSION", version)


def mounting(code: str) -> str:
    """A bundle whose mount does that, with `container` and `api`."""
    return f"export function mount(container, api) {{ {code} }}"


def view(page: Page) -> Locator:
    """What the bundle was given."""
    return page.locator("[data-plugin-container]")


def happened(page: Page) -> list[str]:
    found: list[str] = page.evaluate("globalThis.happened ?? []")
    return found


def alert(page: Page) -> Locator:
    """The error panel of the page."""
    return page.locator("main").get_by_role("alert")


def wait_true(page: Page, expression: str) -> None:
    """Until it is, in the page."""
    wait_for(lambda: page.evaluate(expression))


def go(page: Page, name: str) -> None:
    """By the sidebar."""
    page.get_by_role("navigation").get_by_role("link", name=re.compile(f"^{name}")).click()


def expect_living_shell(page: Page) -> None:
    """Other pages can be reached, and other views work."""
    go(page, "other")
    expect(view(page).get_by_role("heading")).to_have_text("one")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
