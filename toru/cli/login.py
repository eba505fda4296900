"""`toru login` and `toru logout`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from toru.cli.options import as_json, core, core_options

if TYPE_CHECKING:
    from toru.cli.credentials import Credential


def ask_secret(prompt: str, *, confirm: bool = False) -> str:
    """A secret, asked for without echo; the next line of standard input where that is no terminal. Raises Failed."""
    from toru.cli.failures import Failed

    if sys.stdin.isatty():
        answer: str = click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
        return answer
    try:
        line = sys.stdin.readline()
    except UnicodeDecodeError:
        raise Failed(f"{prompt.lower()}: what standard input holds is not UTF-8") from None
    secret = line.rstrip("\r\n")
    if not secret:
        raise Failed(f"{prompt.lower()}: there is none on standard input")
    return secret


@click.command()
@core_options
@click.option("--username", default="admin", show_default=True, help="Who signs in.")
@click.option("--token", is_flag=True, help="Ask for an API token in place of a password.")
@as_json
def login(url: str | None, username: str, token: bool, as_json: bool) -> None:
    """Sign in, and remember it for the commands that follow.

    The password or the token is asked for without echo, or read from standard input where that is no
    terminal. What is kept stands in ~/.config/toru/credentials.json, for this user alone.
    """
    from toru.cli.client import run
    from toru.cli.credentials import Credential, Remembered
    from toru.cli.output import clean, print_json, say

    secret = ask_secret("Token" if token else "Password")

    async def story(reactor: Any) -> tuple[str, Credential, dict[str, Any]]:
        asked = core(url, reactor=reactor)
        if token:
            asked.credential = Credential(token=secret)
            return asked.url, asked.credential, await _whose(asked)
        asked.credential = Credential()
        response, answer = await asked.exchange(
            "POST", "/api/auth/login", {"username": username, "password": secret}
        )
        return asked.url, Credential(cookie=_session(response)), answer["user"]

    place, credential, user = run(story)
    Remembered(os.environ).put(place, credential)
    if as_json:
        print_json({"url": place, "user": user})
    else:
        say(f"signed in at {place} as {clean(user['username'])} ({clean(user['role'])})")


@click.command()
@core_options
@as_json
def logout(url: str | None, as_json: bool) -> None:
    """End the session, and forget what `toru login` kept."""
    from toru.cli.client import run
    from toru.cli.credentials import Remembered
    from toru.cli.failures import Unreachable
    from toru.cli.output import print_json, say, warn

    async def story(reactor: Any) -> str:
        asked = core(url, reactor=reactor)
        asked.credential = Remembered(os.environ).get(asked.url)
        try:
            if asked.credential.cookie is not None:
                await asked.call("POST", "/api/auth/logout")
        except Unreachable as unreachable:
            warn(f"{unreachable.message}; the session there ends by itself within 7 days")
        return asked.url

    place = run(story)
    Remembered(os.environ).forget(place)
    if as_json:
        print_json({"url": place})
    else:
        say(f"signed out at {place}")


async def _whose(asked: Any) -> dict[str, Any]:
    """Who the token is. Raises Failed where it is none."""
    from toru.cli.failures import NotAllowed

    answer = await asked.get("/api/auth/me")
    if not answer.get("authenticated"):
        raise NotAllowed(f"that is no token of the toru at {asked.url}")
    user: dict[str, Any] = answer["user"]
    return user


def _session(response: Any) -> str:
    """The session cookie, as it is sent back."""
    from toru.cli.failures import Failed

    for cookie in response.headers.getRawHeaders("set-cookie") or ():
        pair = str(cookie).partition(";")[0].strip()
        if pair.startswith("toru_session="):
            return pair
    raise Failed("the answer has no session in it; is that a toru?")
