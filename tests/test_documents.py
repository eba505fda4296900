"""What the documents say of settings, events, calls and errors is what there is, and their links lead somewhere."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from toru.access import roles
from toru.config import Config, KvLimits, LogLimits, PluginSettings, Supervision, load
from toru.errors import ToruError
from toru.model import Event, EventType, LogRecord, StoredEvent
from toru.tap import Options
from toru.webhooksettings import Webhook

ROOT = Path(__file__).parents[1]
OPERATING = (ROOT / "docs/operators/reference.md").read_text()
HTTP = (ROOT / "docs/http.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

# What http.md calls who may make a call.
WHO: dict[str, roles.Who] = {
    "open": roles.OPEN,
    "any": roles.ANY,
    "admin": roles.ADMIN,
    "monitor": frozenset({"monitor"}),
    "plugin": frozenset({"plugin"}),
}
# What stands in a table of toru.toml.
TABLES: dict[str, type[msgspec.Struct]] = {
    "supervision": Supervision,
    "plugin": PluginSettings,
    "logs": LogLimits,
    "kv": KvLimits,
    "webhook": Webhook,
}


def rows(text: str, first: str) -> Iterator[list[str]]:
    """The cells of the table whose first column is headed `first`."""
    _, _, behind = text.partition(f"\n| {first} |")
    for row in behind.partition("\n\n")[0].splitlines()[2:]:
        yield [cell.strip() for cell in row.split("|")[1:-1]]


def words(cell: str) -> list[str]:
    """What stands between backquotes."""
    return re.findall(r"`([^`]+)`", cell)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_settings_outside_of_tables() -> None:
    by_name = {words(row[2])[0]: words(row[1]) for row in rows(OPERATING, "flag") if row[2]}
    in_tables = {"supervision", "plugin", "log_limits", "kv_limits", "webhooks"}
    settings = set(Config.__struct_fields__) - in_tables
    assert by_name == {name: [f"TORU_{name.upper()}"] for name in settings}


def test_flags() -> None:
    documented = {words(flag)[0] for flag, *_ in rows(OPERATING, "flag") if flag}
    assert documented == {f"--{name}" for name, *_ in Options.optParameters} | {"--listen"}


def test_settings_in_tables(tmp_path: Path) -> None:
    [text] = blocks(OPERATING, "toml")
    given = tomllib.loads(text)
    assert given.keys() == TABLES.keys()
    given["plugin"], [given["webhook"]] = given["plugin"]["hello"], given["webhook"]
    del given["logs"]["folder"]
    for name, settings in TABLES.items():
        assert given[name].keys() == set(settings.__struct_fields__), name
    (tmp_path / "toru.toml").write_text(text)
    config = load({}, {}, tmp_path)
    # Two for each core, and the document has those of one machine.
    assert msgspec.structs.replace(config.supervision, max_starting=1) == Supervision(max_starting=1)
    assert (config.log_limits, config.kv_limits) == (LogLimits(), KvLimits())


def test_events() -> None:
    documented = [type for row in rows(OPERATING, "type") for type in words(row[0])]
    assert sorted(documented) == sorted(get_args(EventType))


def test_lines_of_log_files() -> None:
    record, event = (msgspec.json.decode(line) for line in blocks(OPERATING, "json"))
    assert [words(row[0]) for row in rows(OPERATING, "member")] == [[name] for name in record]
    assert msgspec.to_builtins(msgspec.convert(record, LogRecord)) == record
    assert msgspec.to_builtins(msgspec.convert(event, Event)) == event


def test_bodies_of_webhooks() -> None:
    [request] = blocks(OPERATING, "http")
    body = msgspec.json.decode(request.splitlines()[-1])
    assert msgspec.to_builtins(msgspec.convert(body, StoredEvent)) == body


def test_calls_and_who_may_make_them() -> None:
    documented: dict[tuple[str, str], frozenset[object]] = {}
    for calls, who, _ in rows(HTTP, "call"):
        for call in words(calls):
            method, _, path = call.rpartition(" ")
            documented[method or roles.EVERY_METHOD, path] = frozenset().union(
                *(WHO[word] for word in who.split(", "))
            )
    assert documented == {(rule.method, rule.path): rule.who for rule in roles.RULES}


def test_codes_of_errors() -> None:
    def below(error: type[ToruError]) -> Iterator[type[ToruError]]:
        yield error
        for each in error.__subclasses__():
            yield from below(each)

    documented = {(int(status), code) for status, codes in rows(HTTP, "status") for code in words(codes)}
    assert documented == {(error.status, error.code) for error in below(ToruError)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links(document: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.is_file(), f"{link} leads nowhere"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            assert anchor in {title.lower().replace(" ", "-") for title in titles}, f"{link} leads nowhere"
