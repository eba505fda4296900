"""`toru status`: how the plugins are, once or live."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from toru.cli.completion import plugin_ids
from toru.cli.options import as_json, core, core_options

if TYPE_CHECKING:
    from rich.table import Table

    from toru.cli.client import Core

_COLUMNS = ("PLUGIN", "STATE", "VERSION", "UP", "RESTARTS", "CPU", "MEMORY", "REQUESTS", "PROBLEM")
_FIGURES = ("UP", "RESTARTS", "CPU", "MEMORY", "REQUESTS")
# What a narrow terminal does without, the first of them first; and how wide a problem is to be at least.
_SPARED = ("VERSION", "REQUESTS", "MEMORY", "CPU", "RESTARTS", "UP")
_PROBLEM_WIDTH = 20
_STYLES = {
    "running": "green",
    "backoff": "red",
    "starting": "yellow",
    "stopping": "yellow",
    "disabled": "dim",
}


@click.command()
@core_options
@click.argument("ids", nargs=-1, metavar="[ID]...", shell_complete=plugin_ids)
@click.option("--watch", "-w", is_flag=True, help="Keep showing it as it changes, until Ctrl-C.")
@as_json
def status(url: str | None, ids: tuple[str, ...], watch: bool, as_json: bool) -> None:
    """How plugins are: all, or those named.

    The exit code is 6 where an enabled plugin is not healthy. With --watch and --json each plugin is a
    line, again whenever something about it changes.
    """
    from toru.cli.client import run
    from toru.cli.failures import NOT_RUNNING

    async def story(reactor: Any) -> bool:
        asked = core(url, reactor=reactor)
        if watch:
            await _watch(asked, ids, as_json)
        return await _once(asked, ids, as_json)

    if not run(story):
        click.get_current_context().exit(NOT_RUNNING)


async def _once(asked: Core, ids: tuple[str, ...], as_json: bool) -> bool:
    from toru.cli.output import console, one_line, pretty_json, rendered, say

    plugins = await _plugins(asked, ids)
    # Only an admin sees the files that are no plugins.
    problems = [] if ids else await _problems(asked)
    if as_json:
        pretty_json({"plugins": plugins, "problems": problems})
    else:
        if plugins:
            console().print(_table(plugins)) if sys.stdout.isatty() else say(
                "\n".join(rendered(_table(plugins)))
            )
        else:
            say("there are no plugins")
        for problem in problems:
            # The error names the file.
            say(f"no plugin: {one_line(problem['error'])}")
    return all(plugin["health"] != "unhealthy" for plugin in plugins)


async def _plugins(asked: Core, ids: tuple[str, ...]) -> list[dict[str, Any]]:
    from toru.cli.client import plugin_path

    if ids:
        return [await asked.get(plugin_path(id)) for id in ids]
    plugins: list[dict[str, Any]] = await asked.get("/api/plugins")
    return plugins


async def _problems(asked: Core) -> list[dict[str, str]]:
    from toru.cli.failures import NotAllowed

    try:
        problems: list[dict[str, str]] = await asked.get("/api/plugins/problems")
    except NotAllowed:
        return []
    return problems


async def _watch(asked: Core, ids: tuple[str, ...], as_json: bool) -> None:
    """Until the connection cannot be had any more, or Ctrl-C."""
    from rich.live import Live

    from toru.cli.follow import follow
    from toru.cli.output import clean, console, moment, print_json, say

    plugins: dict[str, dict[str, Any]] = {}
    begun = False
    live = (
        Live(console=console(), auto_refresh=False, screen=False)
        if sys.stdout.isatty() and not as_json
        else None
    )

    def show(changed: list[dict[str, Any]]) -> None:
        if live is not None:
            live.update(_table(list(plugins.values())), refresh=True)
            return
        for plugin in changed:
            if as_json:
                print_json(plugin)
            else:
                say(f"{clean(plugin['id'])}: {clean(plugin['state'])}{_because(plugin)}")
        sys.stdout.flush()

    def told(message: Any) -> None:
        """Take in one message of the stream."""
        value = json.loads(message.data)
        if message.event == "usage":
            for id, figures in value["plugins"].items():
                if id in plugins:
                    plugins[id].update(figures, uptime_seconds=_up(plugins[id], value["timestamp"]))
            if live is not None:
                show([])
        elif message.event == "plugin" and (not ids or value["id"] in ids):
            before = plugins.get(value["id"])
            plugins[value["id"]] = value
            if as_json or before is None or before["state"] != value["state"]:
                show([value])
            elif live is not None:
                show([])
        elif value.get("type") == "removed" and plugins.pop(value["plugin"], None):
            if live is not None:
                show([])
            elif not as_json:
                say(f"{clean(value['plugin'])}: removed at {moment(value['timestamp'])}")

    if live is not None:
        live.start()
    try:
        async for message in follow(asked, "/api/events/stream"):
            if message.data:
                told(message)
            else:
                # The beginning, and each time that the connection was lost: what happened meanwhile shows here.
                before = {id: (plugin["state"], plugin.get("pid")) for id, plugin in plugins.items()}
                # One that a core which just started has not found yet is told of when it is; at first it is wrong.
                found = await _plugins(asked, () if begun else ids)
                begun = True
                plugins = {each["id"]: each for each in found if not ids or each["id"] in ids}
                show(
                    [
                        each
                        for id, each in plugins.items()
                        if before.get(id) != (each["state"], each.get("pid"))
                    ]
                )
    finally:
        if live is not None:
            live.stop()


def _table(plugins: list[dict[str, Any]]) -> Table:
    """With as many of the columns as the terminal is wide enough for."""
    from toru.cli.output import console, table

    rows = [_row(plugin) for plugin in plugins]
    room = console().width
    shown = list(_COLUMNS)
    for spared in _SPARED:
        if _width(shown, rows) <= room:
            break
        shown.remove(spared)
    cells = [[row[name] for name in shown] for row in rows]
    return table(shown, cells, right=[name for name in _FIGURES if name in shown])


def _width(columns: list[str], rows: list[dict[str, Any]]) -> int:
    """How wide they are where no cell is broken but a problem."""
    widths = [max(len(name), *(len(str(row[name])) for row in rows), 0) for name in columns]
    widths[-1] = min(widths[-1], _PROBLEM_WIDTH)
    return sum(widths) + 2 * (len(columns) - 1)


def _row(plugin: dict[str, Any]) -> dict[str, Any]:
    from rich.text import Text

    from toru.cli.output import duration, one_line, size

    usage, traffic = plugin.get("usage") or {}, plugin["traffic"]
    cpu = usage.get("cpu_percent")
    return {
        "PLUGIN": plugin["id"],
        "STATE": Text(one_line(plugin["state"]), style=_STYLES.get(plugin["state"], "")),
        "VERSION": plugin["version"],
        "UP": duration(plugin["uptime_seconds"]),
        "RESTARTS": plugin["restarts"],
        "CPU": "" if cpu is None else f"{cpu:.1f}%",
        "MEMORY": size(usage.get("rss_bytes")),
        "REQUESTS": traffic["requests"],
        "PROBLEM": plugin["problem"] or "",
    }


def _up(plugin: dict[str, Any], now: str) -> float | None:
    """For how long it is up, by the core's clock."""
    if plugin["uptime_seconds"] is None or plugin["started_at"] is None:
        return None
    return (datetime.fromisoformat(now) - datetime.fromisoformat(plugin["started_at"])).total_seconds()


def _because(plugin: dict[str, Any]) -> str:
    from toru.cli.output import one_line

    return f" ({one_line(plugin['problem'])})" if plugin.get("problem") else ""
