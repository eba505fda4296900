"""`toru completion`, and the ids of plugins that a shell completes."""

from __future__ import annotations

import click

# Seconds that somebody who pressed Tab waits at most.
_SECONDS = 2.0


def plugin_ids(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The ids that begin so; none where the core cannot be asked."""
    from typing import Any

    from toru.cli.client import run
    from toru.cli.options import core

    async def story(reactor: Any) -> list[str]:
        plugins = await core(context.params.get("url"), reactor=reactor, timeout=_SECONDS).get("/api/plugins")
        return [plugin["id"] for plugin in plugins if plugin["id"].startswith(incomplete)]

    try:
        return run(story)
    except click.ClickException:
        return []


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that completes commands, options and plugins in a shell.

    For bash: `toru completion bash >> ~/.bashrc`.
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    root = click.get_current_context().find_root().command
    click.echo(found(root, {}, "toru", "_TORU_COMPLETE").source())
