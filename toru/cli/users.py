"""`toru user` and `toru token`: who may come in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from toru.cli.login import ask_secret
from toru.cli.options import as_json, core, core_options

if TYPE_CHECKING:
    from toru.cli.client import Core

ROLES = ("admin", "client", "monitor")


@click.group()
def user() -> None:
    """Manage the accounts of clients."""


@user.command(name="add")
@core_options
@click.argument("name")
@click.option("--display-name", metavar="TEXT", help="How the dashboard calls them.")
@as_json
def add_user(url: str | None, name: str, display_name: str | None, as_json: bool) -> None:
    """Add a client; asks for the password, or reads it from standard input."""
    password = ask_secret("Password", confirm=True)
    body = {"username": name, "password": password, "display_name": display_name}
    _show(_change(url, "POST", "/api/users", body), f"added {name}", as_json)


@user.command(name="list")
@core_options
@as_json
def list_users(url: str | None, as_json: bool) -> None:
    """List the clients."""
    from toru.cli.output import moment, pretty_json, show_table

    users = _change(url, "GET", "/api/users")
    if as_json:
        pretty_json(users)
        return
    show_table(
        ("NAME", "DISPLAY NAME", "ACTIVE", "SINCE"),
        [
            (
                each["username"],
                each["display_name"],
                "yes" if each["active"] else "no",
                moment(each["created_at"]),
            )
            for each in users
        ],
    )


@user.command()
@core_options
@click.argument("name", required=False)
@as_json
def password(url: str | None, name: str | None, as_json: bool) -> None:
    """Set a client's password, which ends their sessions; without NAME one's own.

    Where standard input is no terminal the new password is its next line, and for one's own the current
    one is the line before.
    """
    if name is None:
        body = {
            "current_password": ask_secret("Current password"),
            "new_password": ask_secret("New password", confirm=True),
        }
        _show(_change(url, "PUT", "/api/me/password", body), "changed your password", as_json)
        return
    body = {"password": ask_secret("New password", confirm=True)}
    _show(_of_user(url, name, "PUT", "/password", body), f"set the password of {name}", as_json)


@user.command()
@core_options
@click.argument("name")
@as_json
def disable(url: str | None, name: str, as_json: bool) -> None:
    """Let a client in no more; who is signed in is out at once."""
    _show(_of_user(url, name, "PUT", "", {"active": False}), f"disabled {name}", as_json)


@user.command()
@core_options
@click.argument("name")
@as_json
def enable(url: str | None, name: str, as_json: bool) -> None:
    """Let a client in again."""
    _show(_of_user(url, name, "PUT", "", {"active": True}), f"enabled {name}", as_json)


@user.command(name="remove")
@core_options
@click.argument("name")
@as_json
def remove_user(url: str | None, name: str, as_json: bool) -> None:
    """Remove a client's account."""
    _show(_of_user(url, name, "DELETE", ""), f"removed {name}", as_json)


@click.group()
def token() -> None:
    """Manage API tokens, with which scripts sign in."""


@token.command(name="add")
@core_options
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What may be done with it.")
@as_json
def add_token(url: str | None, name: str, role: str, as_json: bool) -> None:
    """Make a token, and print it this once."""
    from toru.cli.output import clean, pretty_json, say

    made = _change(url, "POST", "/api/tokens", {"name": name, "role": role})
    if as_json:
        pretty_json(made)
    else:
        say(clean(made["token"]))


@token.command(name="list")
@core_options
@as_json
def list_tokens(url: str | None, as_json: bool) -> None:
    """List the tokens, without themselves."""
    from toru.cli.output import moment, pretty_json, show_table

    tokens = _change(url, "GET", "/api/tokens")
    if as_json:
        pretty_json(tokens)
        return
    show_table(
        ("NAME", "ROLE", "SINCE", "ID"),
        [(each["name"], each["role"], moment(each["created_at"]), each["id"]) for each in tokens],
    )


@token.command()
@core_options
@click.argument("name")
@as_json
def revoke(url: str | None, name: str, as_json: bool) -> None:
    """End a token, by its name or its id."""

    async def story(asked: Core) -> Any:
        from toru.cli.client import segment

        found = await _find(asked, "/api/tokens", ("id", "name"), name, "token")
        return await asked.call("DELETE", f"/api/tokens/{segment(found['id'])}")

    _show(_run(url, story), f"revoked {name}", as_json)


def _of_user(url: str | None, name: str, method: str, rest: str, body: object = None) -> Any:
    """Make a call that is about the client of that name."""

    async def story(asked: Core) -> Any:
        from toru.cli.client import segment

        found = await _find(asked, "/api/users", ("username",), name, "client")
        return await asked.call(method, f"/api/users/{segment(found['id'])}{rest}", body)

    return _run(url, story)


async def _find(asked: Core, path: str, members: tuple[str, ...], name: str, what: str) -> dict[str, Any]:
    """The one that is meant, the first member that fits counting most. Raises Failed where there is none or several."""
    from toru.cli.failures import Failed, Missing

    listed: list[dict[str, Any]] = await asked.get(path)
    for member in members:
        found = [each for each in listed if each[member] == name]
        if len(found) > 1:
            ids = ", ".join(each["id"] for each in found)
            raise Failed(f"{len(found)} {what}s have the name {name!r}; say which by the id: {ids}")
        if found:
            return found[0]
    raise Missing(f"there is no {what} {name!r}")


def _change(url: str | None, method: str, path: str, body: object = None) -> Any:
    async def story(asked: Core) -> Any:
        return await asked.call(method, path, body)

    return _run(url, story)


def _run(url: str | None, story: Any) -> Any:
    from toru.cli.client import run

    async def with_core(reactor: Any) -> Any:
        return await story(core(url, reactor=reactor))

    return run(with_core)


def _show(answer: Any, done: str, as_json: bool) -> None:
    from toru.cli.output import one_line, pretty_json, say

    if as_json:
        pretty_json(answer)
    else:
        say(one_line(done))
