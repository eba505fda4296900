"""`toru enable`, `toru disable` and `toru restart`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from toru.cli.completion import plugin_ids
from toru.cli.options import as_json, core, core_options

if TYPE_CHECKING:
    from toru.cli.client import Core

# Seconds: a plugin may take 30 s to get ready and 7 s to end, and more where the settings say so.
_CALL_SECONDS = 300.0
_LOOK_SECONDS = 0.25


@click.command()
@core_options
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=plugin_ids)
@as_json
def enable(url: str | None, ids: tuple[str, ...], as_json: bool) -> None:
    """Start plugins, also from now on when toru starts.

    The exit code is 6 where one of them does not get up.
    """
    _switch(url, ids, "enable", as_json)


@click.command()
@core_options
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=plugin_ids)
@as_json
def disable(url: str | None, ids: tuple[str, ...], as_json: bool) -> None:
    """Stop plugins, also from now on when toru starts."""
    _switch(url, ids, "disable", as_json)


@click.command()
@core_options
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=plugin_ids)
@as_json
def restart(url: str | None, ids: tuple[str, ...], as_json: bool) -> None:
    """Replace plugins' processes; the old one serves until the new one is ready.

    The exit code is 6 where one of them does not get up.
    """
    _switch(url, ids, "restart", as_json)


def _switch(url: str | None, ids: tuple[str, ...], action: str, as_json: bool) -> None:
    from toru.cli.client import run
    from toru.cli.failures import NOT_RUNNING
    from toru.cli.output import busy, one_line, pretty_json, say

    async def story(reactor: Any) -> list[dict[str, Any]]:
        asked = core(url, reactor=reactor)
        plugins = []
        for id in ids:
            with busy(f"{action} {one_line(id)} …"):
                plugins.append(await _one(asked, id, action))
            if not as_json:
                plugin = plugins[-1]
                why = f": {one_line(plugin['problem'])}" if plugin.get("problem") else ""
                say(f"{one_line(plugin['id'])} is {one_line(plugin['state'])}{why}")
        return plugins

    plugins = run(story)
    if as_json:
        pretty_json(plugins)
    if action != "disable" and any(plugin["state"] != "running" for plugin in plugins):
        click.get_current_context().exit(NOT_RUNNING)


async def _one(asked: Core, id: str, action: str) -> dict[str, Any]:
    """The plugin as it is once it has started or stopped, or failed to."""
    from toru.cli.client import pause, plugin_path

    path = plugin_path(id)
    plugin: dict[str, Any] = await asked.call("POST", f"{path}/{action}", timeout=_CALL_SECONDS)
    while plugin["state"] in ("starting", "stopping"):
        await pause(asked.reactor, _LOOK_SECONDS)
        plugin = await asked.get(path)
    return plugin
