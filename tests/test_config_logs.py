"""The settings [logs] and [[webhook]]."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from toru.config import MIB, Config, LogLimits, load
from toru.errors import StartError
from toru.model import EventType
from toru.webhooksettings import Webhook

HOOK = '[[webhook]]\nurl = "https://a.example/?key=hidden"\nsecret = "geheim"\n'


def read(folder: Path, text: str) -> Config:
    (folder / "toru.toml").write_text(text)
    return load({}, {}, folder)


def test_defaults(tmp_path: Path) -> None:
    config = load({}, {}, tmp_path)
    assert config.log_limits == LogLimits(max_records=100_000, max_bytes=64 * MIB, max_age_days=30.0)
    assert config.webhooks == ()


def test_limits_and_the_folder(tmp_path: Path) -> None:
    config = read(tmp_path, '[logs]\nfolder = "l"\nmax_records = 5\nmax_bytes = "2M"\nmax_age_days = 0.5\n')
    assert config.logs == tmp_path / "l"
    assert config.log_limits == LogLimits(max_records=5, max_bytes=2 * MIB, max_age_days=0.5)
    assert read(tmp_path, "[logs]\nmax_records = 7\n").log_limits == LogLimits(max_records=7)
    assert read(tmp_path, 'logs = "other"\n').logs == tmp_path / "other"


def test_webhooks(tmp_path: Path) -> None:
    config = read(tmp_path, HOOK + HOOK.replace("a.example", "b.example") + 'events = ["crashed"]\n')
    assert config.webhooks == (
        Webhook(url="https://a.example/?key=hidden", secret="geheim", events=frozenset(get_args(EventType))),
        Webhook(url="https://b.example/?key=hidden", secret="geheim", events=frozenset({"crashed"})),
    )
    assert "geheim" not in repr(config)
    assert "hidden" not in repr(config)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[logs]\nmax_record = 1\n", "unknown key `max_record` in [logs]"),
        ("[logs]\nmax_records = 0\n", "`max_records` in [logs] must be a whole number above 0, not 0"),
        ('[logs]\nmax_bytes = "2X"\n', "`max_bytes` in [logs] must be a whole number of bytes"),
        ("[logs]\nmax_age_days = -1\n", "`max_age_days` in [logs] must be a number of days"),
        ("[logs]\nfolder = 5\n", "`logs` must be the path of a folder"),
        ('webhook = "geheim"\n', "`webhook` must be one or more tables, [[webhook]]"),
        ("[webhook]\nsecret = 'geheim'\n", "`webhook` must be one or more tables"),
        (HOOK + "name = 1\n", "unknown key `name` in [[webhook]]"),
        (HOOK + 'events = ["burned"]\n', "`events` in [[webhook]] must be a list of types of events"),
        (HOOK + HOOK, "two [[webhook]] have the same `url`"),
        ("[[webhook]]\nurl = 'http://a.example'\n", "`secret` is missing in a [[webhook]]"),
        ("[[webhook]]\nsecret = 'geheim'\n", "`url` is missing in a [[webhook]]"),
        (HOOK.replace('"geheim"', '""'), "`secret` in [[webhook]] must be a string that is not empty"),
        (HOOK.replace('"geheim"', "['geheim']"), "`secret` in [[webhook]] must be"),
        (HOOK.replace("https:", "ftp:"), "`url` in [[webhook]] must be the URL of a receiver"),
        (HOOK.replace("a.example", "user@a.example"), "`url` in [[webhook]] must be"),
        (HOOK.replace("a.example", "my_service"), "`url` in [[webhook]] must be"),
        (HOOK.replace("a.example", "a..example"), "`url` in [[webhook]] must be"),
        (HOOK.replace("a.example", "[::1%25lo]"), "`url` in [[webhook]] must be"),
        (HOOK.replace("a.example", "a.example:x"), "`url` in [[webhook]] must be"),
        (HOOK.replace("//a.example", "//"), "`url` in [[webhook]] must be"),
    ],
)
def test_what_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(StartError) as error:
        read(tmp_path, text)
    assert told in str(error.value)
    assert "geheim" not in str(error.value)
    assert "hidden" not in str(error.value)
