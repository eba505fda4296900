"""Signing in and out: what is kept, for whom, and what a person is told where it does not work."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.running import Cli
from tests.integration.cores import ADMIN, ADMIN_PASSWORD, Core


def kept(cli: Cli) -> Path:
    return cli.folder / "config" / "toru" / "credentials.json"


def test_with_a_password(stranger: Cli, url: str) -> None:
    """It is kept for this user alone, is good for what follows, also without the address, and ends."""
    done = stranger.ok("login", "--username", ADMIN, stdin=f"{ADMIN_PASSWORD}\n")
    assert done.out == f"signed in at {url} as {ADMIN} (admin)\n"
    assert kept(stranger).stat().st_mode & 0o777 == 0o600
    assert kept(stranger).parent.stat().st_mode & 0o777 == 0o700
    assert ADMIN_PASSWORD not in kept(stranger).read_text()

    elsewhere = Cli(stranger.folder)
    assert elsewhere.ok("status", "--json").json()["plugins"][0]["id"] == "hello"

    cookie = json.loads(kept(stranger).read_text())["credentials"][url]["cookie"]
    assert stranger.ok("logout").out == f"signed out at {url}\n"
    assert "sign in with `toru login`" in elsewhere.run("status").failure(4)
    assert cookie not in kept(stranger).read_text()


def test_with_a_token(stranger: Cli, core: Core, url: str) -> None:
    token = core.authorization("client").removeprefix("Bearer ")
    done = stranger.ok("login", "--token", "--json", stdin=f"{token}\n").json()
    assert (done["url"], done["user"]["role"]) == (url, "client")
    assert kept(stranger).stat().st_mode & 0o777 == 0o600
    assert "no plugin" not in stranger.ok("status").out


def test_the_end_of_a_session_is_told(stranger: Cli, core: Core) -> None:
    stranger.ok("login", "--username", ADMIN, stdin=f"{ADMIN_PASSWORD}\n")
    cookie = next(iter(json.loads(kept(stranger).read_text())["credentials"].values()))["cookie"]
    assert core.request("POST", "/api/auth/logout", headers={"Cookie": cookie}, as_=None).status == 200
    assert "the session is over" in stranger.run("status").failure(4)


def test_what_is_no_token(stranger: Cli) -> None:
    assert "no token" in stranger.run("login", "--token", stdin="toru_nonsense\n").failure(4)
    assert not kept(stranger).exists()


def test_no_password_at_all(stranger: Cli) -> None:
    assert "standard input" in stranger.run("login").failure(1)


def test_nobody(stranger: Cli) -> None:
    assert "nobody is signed in" in stranger.run("status").failure(4)


def test_not_allowed(stranger: Cli, core: Core) -> None:
    stranger.environ["TORU_TOKEN"] = core.authorization("monitor").removeprefix("Bearer ")
    assert stranger.run("logs", "hello").failure(4)


def test_wrong_until_one_has_to_wait(stranger: Cli) -> None:
    for _ in range(3):
        said = stranger.run("login", "--username", "nobody-yet", stdin="Wr0ng-one\n").failure(4)
        assert "wrong" in said
    said = stranger.run("login", "--username", "nobody-yet", stdin="Wr0ng-one\n").failure(4)
    assert "wait for 1m" in said or "wait for 59s" in said


def test_a_damaged_file(stranger: Cli) -> None:
    kept(stranger).parent.mkdir(parents=True)
    kept(stranger).write_text("{")
    assert str(kept(stranger)) in stranger.run("status").failure(1)


def test_a_bad_address(stranger: Cli) -> None:
    assert "http://127.0.0.1:3000" in stranger.run("status", "--url", "ftp://x").failure(1)
    assert "http://127.0.0.1:3000" in stranger.run("status", "--url", "http://x:99999").failure(1)
    assert "http://127.0.0.1:3000" in stranger.run("status", "--url", "http://[::1").failure(1)
