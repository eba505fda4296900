"""What plugins write, and what happens to them, as people look at it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.browsing import ADMIN_ACCOUNT, CLIENT_ACCOUNT, PHONE, Browsing, Console, axe
from tests.integration.cores import Core

# A request for /<n> writes n lines, numbered over the life of the process; /<n>/<word> with that word in them.
WRITER = """
written = 0
def handle(file, message):
    global written
    if message["type"] == "http":
        _, count, *word = message["payload"]["path"].split("/")
        if not count.isdigit():
            return answer(file, message, body="export const mount = () => {};")
        for _ in range(int(count)):
            written += 1
            print(f"line {written} {' '.join(word)}")
        sys.stdout.flush()
        answer(file, message, body=str(written))
serve(handle)
"""

STRANGE = r"""
print("\x1b[1;31mred\x1b[0m and \x1b]8;;http://elsewhere\x1b\\a link\x1b]8;;\x1b\\")
print("bell \x07 and user\u202egnp.exe")
print("<img src=x onerror=alert(1)>")
print("مرحبا 🎉")
print(json.dumps({"level": "error", "msg": "it failed", "user": {"name": "Zoë"}}))
print("x" * 100 + "needle" + "y" * 200_000)
sys.stdout.flush()
serve(lambda file, message: None)
"""


@pytest.fixture(scope="module", autouse=True)
def plugins(core: Core) -> None:
    core.up("writer", WRITER, name="Writer")
    core.up("strange", STRANGE, name="Strange")
    core.up("quiet", name="Quiet")


def lines(page: Page) -> Locator:
    """The lines that are drawn, without what stands above and below them."""
    return page.get_by_role("grid").locator("tr[aria-rowindex]")


def numbers(text: str) -> list[int]:
    """Of the writer's lines."""
    return [int(number) for number in re.findall(r"\bline (\d+)", text)]


def downloaded(page: Page, what: str, to: Path) -> str:
    """What a download holds."""
    page.get_by_role("button", name="Copy and download").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name=what).click()
    path = to / download.value.suggested_filename
    download.value.save_as(path)
    return path.read_text()


def test_new_lines_come_by_themselves_and_older_ones_when_they_are_wanted(
    browse: Browsing, core: Core
) -> None:
    core.route("writer", "/2500")
    page = browse("/plugin/writer/logs", as_=ADMIN_ACCOUNT)
    last = lines(page).last
    expect(last).to_contain_text("line 2500")
    core.route("writer", "/10")
    expect(last).to_contain_text("line 2510")

    # To the very first line, page by page.
    grid = page.get_by_role("grid")
    grid.focus()
    first = page.get_by_text("Nothing older is kept.")
    while not first.is_visible():
        page.keyboard.press("Home")
    # It may be above what is seen still.
    page.keyboard.press("Home")
    expect(lines(page).first).to_contain_text("line 1 ")
    expect(grid).to_have_attribute("aria-rowcount", "2510")

    # Whoever reads is not carried away, and is told what came.
    core.route("writer", "/137")
    expect(page.get_by_role("button", name="Jump to the newest")).to_contain_text("137 new lines")
    expect(lines(page).first).to_contain_text("line 1 ")
    page.keyboard.press("End")
    expect(last).to_contain_text("line 2647")


def test_a_gap_in_the_stream_leaves_none_in_the_lines(
    browse: Browsing, core: Core, console: Console, tmp_path: Path
) -> None:
    console.expects("net::ERR_", "status of 50")
    page = browse("/plugin/writer/logs", as_=ADMIN_ACCOUNT)
    expect(lines(page).last).to_contain_text("line")
    last = int(core.route("writer", "/5").body)
    expect(lines(page).last).to_contain_text(f"line {last}")
    core.stop()
    expect(page.get_by_role("main").get_by_role("status")).to_contain_text("Reconnecting…")
    core.start(listen=f"tcp:{core.port}:interface=127.0.0.1")
    core.wait_pid("writer")
    # The process is another one, and so begins to count anew.
    core.route("writer", "/20/again")
    expect(lines(page).last).to_contain_text("line 20 again")
    expect(page.get_by_text(re.compile(r"^process \d+$")).last).to_be_visible()
    shown = [
        int(text.split()[1]) for text in page.get_by_text(re.compile(r"^line \d+ again$")).all_inner_texts()
    ]
    assert shown == list(range(1, 21))


def test_search_level_and_what_to_do_where_nothing_matches(
    browse: Browsing, core: Core, tmp_path: Path
) -> None:
    core.route("writer", "/30/needle")
    page = browse("/plugin/writer/logs", as_=ADMIN_ACCOUNT)
    expect(lines(page).last).to_contain_text("needle")
    core.route("writer", "/30/hay")
    expect(lines(page).last).to_contain_text("hay")

    page.keyboard.press("/")
    page.keyboard.type("NEEDLE")
    expect(lines(page)).to_have_count(30)
    expect(lines(page).last.locator("mark")).to_have_text("needle")
    # What comes live is chosen alike.
    core.route("writer", "/3/hay")
    core.route("writer", "/1/needle")
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "31")
    assert len(numbers(downloaded(page, "Download as text", tmp_path))) == 31
    records = [json.loads(line) for line in downloaded(page, "Download as JSON lines", tmp_path).splitlines()]
    assert [record["id"] for record in records] == sorted(record["id"] for record in records)
    assert all("needle" in record["message"] for record in records)

    page.get_by_label("Least severe level").select_option("error")
    expect(page.get_by_text("No line matches")).to_be_visible()
    page.get_by_role("button", name="Clear the filters").click()
    expect(lines(page).last).to_contain_text("needle")


def test_what_a_plugin_writes_is_shown_and_never_carried_out(browse: Browsing) -> None:
    page = browse("/plugin/strange/logs", as_=ADMIN_ACCOUNT)
    page.get_by_role("button", name="Wrap long lines").click()
    grid = page.get_by_role("grid")
    expect(grid).to_contain_text("red and a link")
    expect(grid).to_contain_text(r"bell \x07 and user\u202egnp.exe")
    expect(grid).to_contain_text("<img src=x onerror=alert(1)>")
    expect(grid).to_contain_text("مرحبا 🎉")
    expect(grid.get_by_text("part 4").last).to_be_visible()

    page.get_by_role("searchbox", name="Search in messages").fill("it failed")
    expect(grid.locator("mark").first).to_have_text("it failed")
    grid.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(grid).to_contain_text('"name": "Zoë"')
    axe(page)


def test_logs_lie_over_any_page_and_go_away_with_escape(page: Page) -> None:
    page.goto("/plugin/writer")
    button = page.get_by_role("main").get_by_role("button", name="View logs").first
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Logs of Writer")
    expect(dialog.get_by_role("grid")).to_be_visible()
    axe(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()


def test_a_plugin_that_is_disabled_and_one_that_wrote_nothing_have_a_log(
    browse: Browsing, core: Core
) -> None:
    page = browse("/plugin/quiet/logs", as_=ADMIN_ACCOUNT, size=PHONE)
    expect(page.get_by_text("Quiet has not written anything yet")).to_be_visible()
    axe(page)
    core.post("/api/plugins/strange/disable")
    page.goto("/plugin/strange/logs")
    expect(page.get_by_role("grid")).to_contain_text("part 4")
    axe(page)


def test_clients_see_no_logs_and_the_life_of_plugins_without_details(browse: Browsing, core: Core) -> None:
    page = browse("/plugin/writer/logs", as_=CLIENT_ACCOUNT)
    expect(page.get_by_text("Logs are for admins")).to_be_visible()
    page.get_by_role("link", name="Events").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Events")
    core.post("/api/plugins/quiet/restart")
    expect(page.get_by_role("listitem").filter(has_text="Quiet").first).to_be_visible()
    expect(page.get_by_text("from 127.0.0.1")).to_have_count(0)
    expect(page.get_by_role("main").get_by_role("button", name="Details")).to_have_count(0)


def test_events_come_live_and_are_chosen_by_plugin_and_type(browse: Browsing, core: Core) -> None:
    page = browse("/events", as_=ADMIN_ACCOUNT)
    events = page.get_by_role("main").get_by_role("listitem")
    expect(events.first).to_be_visible()
    done = events.filter(has_text="restarted it, from 127.0.0.1")
    before = done.count()
    core.post("/api/plugins/quiet/restart")
    expect(done).to_have_count(before + 1)
    done.first.get_by_role("button", name="Details").click()
    expect(done.first).to_contain_text("POST /api/plugins/quiet/restart")
    axe(page)

    page.get_by_label("Type", exact=True).select_option("discovered")
    page.get_by_label("Plugin", exact=True).select_option("writer")
    expect(events.filter(has_not_text="Writer")).to_have_count(0)
    expect(events.filter(has_text="Found in writer.binary").first).to_be_visible()
