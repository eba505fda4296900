"""`toru logs` and `toru events`: what plugins wrote and what happened, once or followed."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from toru.cli.completion import plugin_ids
from toru.cli.options import as_json, core, core_options

if TYPE_CHECKING:
    from toru.cli.client import Core

LEVELS = ("trace", "debug", "info", "warn", "error")
# How many records are shown where nobody says more.
LINES = 100
_PAGE = 1000
_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Moment(click.ParamType[str]):
    """A moment: RFC 3339, a local date with or without a time, or how long ago, e.g. 10m."""

    name = "when"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """As RFC 3339 in UTC."""
        try:
            if ago := _AGO.fullmatch(value):
                then = datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            else:
                then = datetime.fromisoformat(value).astimezone(UTC)
        except ValueError:
            self.fail("write it like 10m, 2h, 3d, 2026-01-31, or 2026-01-31T12:00:00Z", parameter, context)
        except OverflowError:
            self.fail("that is before the first year that can be counted", parameter, context)
        return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@click.command()
@core_options
@click.argument("id", shell_complete=plugin_ids)
@click.option("--follow", "-f", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@click.option("--level", type=click.Choice(LEVELS), help="The least severe that is shown.")
@click.option(
    "--since", type=Moment(), help="Only from then on: 10m, 2h, 3d, or a date, with a time or without."
)
@click.option("--grep", metavar="TEXT", help="Only messages with this text, in upper or lower case.")
@click.option(
    "--lines",
    "-n",
    type=click.IntRange(0),
    help=f"How many of the latest; without, {LINES}, or with --since all.",
)
@as_json
def logs(
    url: str | None,
    id: str,
    follow: bool,
    level: str | None,
    since: str | None,
    grep: str | None,
    lines: int | None,
    as_json: bool,
) -> None:
    """Show a plugin's log, oldest first.

    Escape sequences are taken out, other control characters are shown as escapes. With --json each
    record is a line, as the plugin wrote it.
    """
    from toru.cli.client import plugin_path, run

    wanted: dict[str, str] = {
        name: value for name, value in (("level", level), ("since", since), ("q", grep)) if value
    }
    count = lines if lines is not None else (None if since else LINES)
    show = _record_as_json if as_json else record_as_line

    async def story(reactor: Any) -> None:
        asked = core(url, reactor=reactor)
        path = f"{plugin_path(id)}/logs"
        if not follow:
            for record in await _latest(asked, path, wanted, count, None):
                show(record)
            return
        least = LEVELS.index(level) if level else 0
        begun = False
        async for record in _followed(asked, f"{path}/stream"):
            if isinstance(record, int):
                # What was written before comes once, when the place from which to go on is known.
                if not begun:
                    begun = True
                    for earlier in await _latest(asked, path, wanted, count, record + 1):
                        show(earlier)
                    sys.stdout.flush()
            elif LEVELS.index(record["level"]) >= least and _matches(record["message"], grep):
                show(record)
                sys.stdout.flush()

    run(story)


@click.command()
@core_options
@click.argument("id", required=False, shell_complete=plugin_ids)
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens from now on, until Ctrl-C.")
@click.option("--lines", "-n", type=click.IntRange(0), default=LINES, help="How many of the latest.")
@as_json
def events(url: str | None, id: str | None, follow: bool, lines: int, as_json: bool) -> None:
    """Show what happened, to one plugin or to all, oldest first.

    With --json each event is a line.
    """
    from toru.cli.client import plugin_path, run

    show = _event_as_json if as_json else event_as_line

    async def story(reactor: Any) -> None:
        asked = core(url, reactor=reactor)
        path = "/api/events" if id is None else f"{plugin_path(id)}/events"
        if not follow:
            for event in await _events(asked, path, lines, None):
                show(event)
            return
        begun = False
        async for event in _followed(asked, "/api/events/stream"):
            if isinstance(event, int):
                if not begun:
                    begun = True
                    for earlier in await _events(asked, path, lines, event):
                        show(earlier)
            elif id is None or event["plugin"] == id:
                show(event)
            sys.stdout.flush()

    run(story)


async def _followed(asked: Core, path: str) -> Any:
    """Rows of the stream; and the place where it begins, a number, each time that it is connected."""
    from toru.cli.follow import follow

    async for message in follow(asked, path):
        if message.id is not None:
            yield json.loads(message.data) if message.data else message.id


async def _latest(
    asked: Core, path: str, wanted: dict[str, str], count: int | None, before: int | None
) -> list[dict[str, Any]]:
    """The latest records that match, oldest first; all of them where `count` is None."""
    from toru.cli.output import busy

    found: list[dict[str, Any]] = []
    with busy("reading the log …") as shown:
        # Where none are wanted too: it tells whether there is such a plugin.
        while True:
            size = _PAGE if count is None else min(max(count - len(found), 1), _PAGE)
            query: dict[str, str | int] = {**wanted, "page_size": size}
            if before is not None:
                query["before"] = before
            page = (await asked.get(path, query))["logs"]
            found += page
            shown.update(f"reading the log: {len(found)} records …")
            if len(page) < size or (count is not None and len(found) >= count):
                break
            before = page[-1]["id"]
    return found[:count][::-1]


async def _events(asked: Core, path: str, count: int, last: int | None) -> list[dict[str, Any]]:
    """The latest events up to the one with the id `last`, oldest first."""
    found: dict[int, dict[str, Any]] = {}
    number = 0
    # Where none are wanted too: it tells whether there is such a plugin.
    size = min(max(count, 1), _PAGE)
    # Pages shift while events arrive: one that comes again is the same.
    while True:
        page = (await asked.get(path, {"page": number, "page_size": size}))["events"]
        found.update((event["id"], event) for event in page if last is None or event["id"] <= last)
        number += 1
        if len(page) < size or len(found) >= count:
            break
    return [found[id] for id in sorted(found)][-count:] if count else []


def _matches(message: str, text: str | None) -> bool:
    return not text or text.lower() in message.lower()


def _record_as_json(record: dict[str, Any]) -> None:
    from toru.cli.output import print_json

    print_json(record)


_event_as_json = _record_as_json


def record_as_line(record: dict[str, Any]) -> None:
    from toru.cli.output import clean, level_style, moment, one_line, say

    # A message of many lines is one record: what follows is set in, so that no line of it passes for another record.
    first, *more = clean(record["message"]).split("\n")
    fields = "".join(
        f" {one_line(name)}={one_line(value if isinstance(value, str) else json.dumps(value))}"
        for name, value in (record.get("fields") or {}).items()
    )
    head = f"{moment(record['timestamp'])} {level_style(record['level'])} "
    say("\n".join([f"{head}{first}", *(f"    {line}" for line in more)]) + click.style(fields, dim=True))


def event_as_line(event: dict[str, Any]) -> None:
    from toru.cli.output import moment, one_line, say

    details = "".join(
        f" {one_line(name)}={one_line(value if isinstance(value, str) else json.dumps(value))}"
        for name, value in event["details"].items()
    )
    about = one_line(event["plugin"]) or "-"
    say(f"{moment(event['timestamp'])} {about}: {one_line(event['type'])}" + click.style(details, dim=True))
