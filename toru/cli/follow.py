"""Follows a stream of Server-Sent Events through lost connections, each message once and none left out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from toru.cli.client import Core, Lines, pause
from toru.cli.failures import Failed, Missing, Unreachable
from toru.cli.output import warn

# Seconds before another try, and the most of them.
FIRST_WAIT, MOST_WAIT = 0.25, 5.0
# The core says something at least every 15 s; who hears nothing for that long has lost it.
SILENCE_SECONDS = 45.0
# How often in a row a plugin may be unknown before that is believed.
MOST_ABSENT = 8


@dataclass(frozen=True)
class Message:
    """One message: `id` is None for what is not numbered; `data` is empty where it only tells the place."""

    id: int | None
    event: str
    data: str


async def follow(core: Core, path: str, after: int | None = None) -> AsyncIterator[Message]:
    """The messages behind that id, or from now on. Ends only with Failed, where coming back is of no use."""
    connected_once = False
    absent = 0
    wait = FIRST_WAIT
    while True:
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        try:
            lines = await core.lines(path, headers={"Accept": "text/event-stream", **headers})
        except Failed as failure:
            # A core that just started has not looked at its plugins yet.
            absent = absent + 1 if isinstance(failure, Missing) else 0
            if not connected_once or not (_may_heal(failure) or 0 < absent < MOST_ABSENT):
                raise
            await pause(core.reactor, wait)
            wait = min(2 * wait, MOST_WAIT)
            continue
        connected_once, wait, absent = True, FIRST_WAIT, 0
        try:
            async for message in _messages(core, lines):
                if message.id is not None:
                    after = message.id
                yield message
        except Failed as failure:
            if not _may_heal(failure):
                raise
        finally:
            lines.close()
        await pause(core.reactor, wait)
        # Only now: Ctrl-C ends the connection too.
        warn("the connection is lost; trying again")


async def _messages(core: Core, lines: Lines) -> AsyncIterator[Message]:
    id, event, data = None, "message", []
    while (line := await _next(core, lines)) is not None:
        name, _, value = line.decode("utf-8", "replace").rstrip("\r").partition(":")
        value = value.removeprefix(" ")
        if name == "id" and value.isdigit():
            id = int(value)
        elif name == "event":
            event = value
        elif name == "data":
            data.append(value)
        elif not line.strip():
            if data or id is not None:
                yield Message(id, event, "\n".join(data))
            id, event, data = None, "message", []


async def _next(core: Core, lines: Lines) -> bytes | None:
    """The next line; a silence ends the stream."""
    timer = core.reactor.callLater(SILENCE_SECONDS, lines.close)
    try:
        return await lines.next()
    finally:
        if timer.active():
            timer.cancel()


def _may_heal(failure: Failed) -> bool:
    """Whether it is worth coming back: the core is restarted, or something between us and it."""
    return isinstance(failure, Unreachable) or type(failure) is Failed
