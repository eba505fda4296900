"""Accounts and tokens, and that what the command did to them holds."""

from __future__ import annotations

import json

from tests.cli.running import Cli
from tests.integration.cores import ADMIN, ADMIN_PASSWORD, Core

FIRST, SECOND = "First-pass1", "Second-pass2"


def signs_in(core: Core, name: str, password: str) -> bool:
    body = json.dumps({"username": name, "password": password}).encode()
    return core.request("POST", "/api/auth/login", body, as_=None).status == 200


def test_a_client(cli: Cli, core: Core) -> None:
    made = cli.ok("user", "add", "ada", "--display-name", "Ada L.", "--json", stdin=f"{FIRST}\n").json()
    assert (made["username"], made["display_name"]) == ("ada", "Ada L.")
    assert "ada" in cli.run("user", "add", "ada", stdin=f"{FIRST}\n").failure(1)
    assert cli.ok("user", "list").out.splitlines()[1].startswith("ada   Ada L.        yes")

    cli.ok("user", "password", "ada", stdin=f"{SECOND}\n")
    assert not signs_in(core, "ada", FIRST)
    assert signs_in(core, "ada", SECOND)
    assert cli.ok("user", "disable", "ada").out == "disabled ada\n"
    assert not signs_in(core, "ada", SECOND)
    cli.ok("user", "enable", "ada")
    assert signs_in(core, "ada", SECOND)

    cli.ok("user", "remove", "ada")
    assert cli.ok("user", "list", "--json").json() == []
    assert "'ada'" in cli.run("user", "disable", "ada").failure(5)


def test_a_weak_password(cli: Cli) -> None:
    assert "upper-case" in cli.run("user", "add", "weak", stdin="weakling\n").failure(1)


def test_tokens(cli: Cli, stranger: Cli) -> None:
    token = cli.ok("token", "add", "ci", "--role", "client").out.strip()
    stranger.environ["TORU_TOKEN"] = token
    stranger.ok("status")
    rows = [line.split()[:2] for line in cli.ok("token", "list").out.splitlines()[1:]]
    assert ["ci", "client"] in rows

    again = cli.ok("token", "add", "ci", "--role", "monitor", "--json").json()
    assert "say which by the id" in cli.run("token", "revoke", "ci").failure(1)
    cli.ok("token", "revoke", again["id"])
    assert cli.ok("token", "revoke", "ci").out == "revoked ci\n"
    assert stranger.run("status").code == 4
    assert "'ci'" in cli.run("token", "revoke", "ci").failure(5)


def test_ones_own_password(cli: Cli, stranger: Cli) -> None:
    """With a session, in which one stays; a token has none."""
    assert cli.run("user", "password", stdin=f"{ADMIN_PASSWORD}\n{SECOND}\n").code != 0
    stranger.ok("login", "--username", ADMIN, stdin=f"{ADMIN_PASSWORD}\n")
    assert "password" in stranger.run("user", "password", stdin=f"{FIRST}\n{SECOND}\n").failure(4)
    assert (
        stranger.ok("user", "password", stdin=f"{ADMIN_PASSWORD}\n{SECOND}\n").out
        == "changed your password\n"
    )
    stranger.ok("status")
    stranger.ok("login", "--username", ADMIN, stdin=f"{SECOND}\n")
