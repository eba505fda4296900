"""`toru kv`: what plugins store."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from toru.cli.completion import plugin_ids
from toru.cli.options import as_json, core, core_options

if TYPE_CHECKING:
    from toru.cli.client import Core

# How many calls are under way at once where there are many to make.
_TOGETHER = 8
_LISTED = 100
# As the core has it, toru.store.kv.MOST_TTL: a thousand years.
_MOST_SECONDS = 31_536_000_000


@click.group()
def kv() -> None:
    """Read and change what plugins store."""


_ID = click.argument("id", shell_complete=plugin_ids)


@kv.command()
@core_options
@_ID
@click.argument("key")
@as_json
def get(url: str | None, id: str, key: str, as_json: bool) -> None:
    """Print the value of KEY.

    A terminal gets it without control characters, a file or a pipe exactly as it is. The exit code is 5
    where there is no such key.
    """
    from toru.cli.failures import Missing
    from toru.cli.output import clean, print_json

    [value] = _calls(url, id, [{"action": "get", "key": key}])
    if value["value"] is None:
        raise Missing(f"{id} stores nothing under {key!r}")
    if as_json:
        print_json({"key": key, "value": value["value"]})
    elif sys.stdout.isatty():
        click.echo(clean(value["value"]))
    else:
        sys.stdout.buffer.write(value["value"].encode())
        sys.stdout.buffer.flush()


@kv.command(name="set")
@core_options
@_ID
@click.argument("key")
@click.argument("value")
@click.option(
    "--ttl",
    type=click.FloatRange(0, _MOST_SECONDS, min_open=True),
    metavar="SECONDS",
    help="Forget it after that.",
)
@as_json
def set_(url: str | None, id: str, key: str, value: str, ttl: float | None, as_json: bool) -> None:
    """Store VALUE under KEY; `-` reads the value from standard input."""
    from toru.cli.output import print_json

    call: dict[str, object] = {"action": "set", "key": key, "value": _given(value)}
    # Which is in every range.
    if ttl is not None and isnan(ttl):
        raise click.BadParameter("it must be a number of seconds", param_hint="--ttl")
    if ttl is not None:
        call["ttl_seconds"] = ttl
    [stored] = _calls(url, id, [call])
    if as_json:
        print_json({"key": key, "value": stored["value"]})


@kv.command()
@core_options
@_ID
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@as_json
def delete(url: str | None, id: str, keys: tuple[str, ...], as_json: bool) -> None:
    """Delete keys. One that is not there is no failure."""
    from toru.cli.output import print_json

    _calls(url, id, [{"action": "delete", "key": key} for key in keys])
    if as_json:
        print_json({"deleted": list(keys)})


@kv.command(name="list")
@core_options
@_ID
@click.option("--prefix", default="", help="Only keys that begin so.")
@as_json
def list_(url: str | None, id: str, prefix: str, as_json: bool) -> None:
    """List the keys."""
    from toru.cli.client import run
    from toru.cli.output import clean, print_json, say

    async def story(reactor: Any) -> list[str]:
        return [key async for key in _keys(core(url, reactor=reactor), id, prefix)]

    keys = run(story)
    if as_json:
        print_json(keys)
        return
    for key in keys:
        # A key may have line breaks in it: each takes one line here.
        say(clean(key).replace("\n", "\\n"))


@kv.command()
@core_options
@_ID
@click.argument("file", type=click.Path(allow_dash=True, dir_okay=False), default="-")
@click.option("--prefix", default="", help="Only keys that begin so.")
@as_json
def export(url: str | None, id: str, file: str, prefix: str, as_json: bool) -> None:
    """Write all keys and values to FILE, for this user alone, or to standard output.

    Each is a line of JSON, {"key": …, "value": …}. A FILE that is there is replaced once all is written. What
    changes meanwhile may be in it or not. With --json, which needs a FILE, the count is printed.

    The time to live of keys is not exported, because toru does not tell it: once they are imported they stay
    until somebody deletes them.
    """
    from toru.cli.client import run
    from toru.cli.output import print_json, warn

    if as_json and file == "-":
        raise click.UsageError("--json needs a FILE: standard output is where the values go")

    async def story(reactor: Any, file: IO[str]) -> int:
        asked = core(url, reactor=reactor)
        count = 0
        batch: list[str] = []
        async for key in _keys(asked, id, prefix):
            batch.append(key)
            if len(batch) == _LISTED:
                count += await _write(asked, id, batch, file)
                batch = []
        return count + await _write(asked, id, batch, file)

    from toru.cli.failures import told_as_failure
    from toru.cli.output import busy

    with told_as_failure(), busy(f"exporting what {id} stores …"), _written(file) as opened:
        count = run(lambda reactor: story(reactor, opened))
    if as_json:
        print_json({"exported": count})
    elif count and sys.stderr.isatty():
        warn("the time to live of keys is not in an export: once imported they stay until they are deleted")


@kv.command(name="import")
@core_options
@_ID
@click.argument("file", type=click.File("r", encoding="utf-8"), default="-")
@as_json
def import_(url: str | None, id: str, file: IO[str], as_json: bool) -> None:
    """Store what `toru kv export` wrote to FILE; standard input where there is none.

    Keys that are there already get the value from the file, others stay. All of the file is looked at before
    anything is stored.
    """
    from toru.cli.failures import Failed
    from toru.cli.output import one_line, print_json, say

    # Of a key that comes several times it is the last value, whichever call is answered first.
    entries = dict(_entries(file))
    calls = [{"action": "set", "key": key, "value": value} for key, value in entries.items()]
    answers: dict[int, dict[str, Any]] = {}
    try:
        _calls(url, id, calls, f"importing {len(calls)} keys …", answers)
    except Failed as failure:
        if not answers:
            raise
        far = f"of {len(calls)} keys {len(answers)} or a few more are stored"
        raise type(failure)(f"{failure.message}; {far}") from failure
    if as_json:
        print_json({"imported": len(calls)})
    else:
        say(f"imported {len(calls)} keys into what {one_line(id)} stores")


def _calls(
    url: str | None,
    id: str,
    calls: list[dict[str, Any]],
    what: str = "asking …",
    answers: dict[int, dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """The answers to these calls, in their order. Raises Failed with the first that fails.

    `answers` is filled as they come, by the number of the call.
    """
    from toru.cli.client import run
    from toru.cli.output import busy

    async def story(reactor: Any) -> list[dict[str, Any]]:
        return await _together(core(url, reactor=reactor), id, calls, answers)

    with busy(what):
        return run(story)


async def _together(
    asked: Core,
    id: str,
    calls: Iterable[dict[str, Any]],
    answers: dict[int, dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    from twisted.internet.defer import Deferred, FirstError, gatherResults

    from toru.cli.client import plugin_path

    path = f"{plugin_path(id)}/kv"
    waiting = list(enumerate(calls))[::-1]
    came = {} if answers is None else answers

    async def worker() -> None:
        while waiting:
            number, call = waiting.pop()
            came[number] = await asked.call("POST", path, call)

    try:
        await gatherResults([Deferred.fromCoroutine(worker()) for _ in range(_TOGETHER)], consumeErrors=True)
    except FirstError as failed:
        failed.subFailure.raiseException()
    return [came[number] for number in sorted(came)]


async def _keys(asked: Core, id: str, prefix: str) -> AsyncIterator[str]:
    call: dict[str, Any] = {"action": "list", "prefix": prefix, "limit": _LISTED}
    while True:
        [page] = await _together(asked, id, [call])
        for key in page["keys"]:
            yield key
        if page["next"] is None:
            return
        call["after"] = page["next"]


async def _write(asked: Core, id: str, keys: list[str], file: IO[str]) -> int:
    """Write the values of these keys, as far as they are there still; how many."""
    # A value may be a mebibyte: few are in memory at once.
    count = 0
    for start in range(0, len(keys), _TOGETHER):
        some = keys[start : start + _TOGETHER]
        answers = await _together(asked, id, [{"action": "get", "key": key} for key in some])
        for key, answer in zip(some, answers, strict=True):
            if answer["value"] is not None:
                file.write(json.dumps({"key": key, "value": answer["value"]}) + "\n")
                count += 1
    return count


@contextmanager
def _written(file: str) -> Iterator[IO[str]]:
    """What is to be `file`, for this user alone; what was there stays until all is written. Raises OSError."""
    if file == "-":
        with click.open_file("-", "w", encoding="utf-8") as opened:
            yield opened
        return
    from toru.cli.failures import Failed
    from toru.store.files import replacing

    # Through a link, to what is linked.
    path = Path(os.path.realpath(file))
    if os.path.exists(file) and not path.is_file():
        # A pipe or a device can only be written to.
        with open(file, "w", encoding="utf-8") as opened:
            yield opened
        return
    if not path.parent.is_dir():
        raise Failed(f"there is no folder {path.parent}")
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as opened:
        yield opened


def _entries(file: IO[str]) -> Iterator[tuple[str, str]]:
    from toru.cli.failures import Failed

    try:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
                usable = isinstance(entry["key"], str) and isinstance(entry["value"], str)
            except (ValueError, KeyError, TypeError, RecursionError):
                usable = False
            if not usable:
                raise Failed(
                    f'line {number} of {file.name} is not {{"key": "…", "value": "…"}}; nothing was stored'
                )
            yield entry["key"], entry["value"]
    except UnicodeDecodeError:
        raise Failed(f"{file.name} is not UTF-8; nothing was stored") from None


def _given(value: str) -> str:
    from toru.cli.failures import Failed

    if value != "-":
        return value
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise Failed("what standard input holds is not UTF-8: a value is text") from None
