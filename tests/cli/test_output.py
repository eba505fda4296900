"""What others wrote is harmless once it is clean, and figures read well."""

from __future__ import annotations

import io
import unicodedata

import pytest
from hypothesis import given, strategies as st

from tests.integration.cores import wait_for
from toru.cli.failures import Failed
from toru.cli.output import busy, clean, duration, moment, one_line, size


class Terminal(io.StringIO):
    """Takes what is written for a person."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ✓ ö\ttab\nline", "plain ✓ ö\ttab\nline"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPdevice\x1b\\after", "after"),
        ("\x1bcreset", "reset"),
        ("\x1b", "\\x1b"),
        ("a\r\nb\rc", "a\nb\\x0dc"),
        ("bell\x07 back\x08", "bell\\x07 back\\x08"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
    ],
)
def test_clean(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.text(st.characters(categories=["Cc", "Cf", "Cs", "Lu"])) | st.text("\x1b\x9b\x9d[]0;m\x07\\\n x"))
def test_nothing_of_a_terminal_is_left(text: str) -> None:
    shown = clean(text)
    assert not [each for each in shown if unicodedata.category(each) == "Cc" and each not in "\t\n"]
    assert shown.encode().decode() == shown
    assert clean(shown) == shown


def test_one_line() -> None:
    assert one_line("a\n\tb\x1b[2J ") == "a b"


def test_a_failure_is_a_clean_line() -> None:
    """What a plugin said at its end stands in some."""
    assert Failed("exited:\n\x1b[31mno\x1b]0;title\x07 luck\x9b2J").message == "exited: no luck"


def test_what_goes_on_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is no markup, even where it looks so."""
    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setattr("toru.cli.output.PATIENCE", 0.0)
    with busy("packing [/red] …") as told:
        wait_for(lambda: "packing [/red]" in shown.getvalue())
        told.update("packing [bold]x\x1b[2J …")
        wait_for(lambda: "packing [bold]x" in shown.getvalue())
    assert "packing [/red] …" in shown.getvalue()
    assert "packing [bold]x …" in shown.getvalue()


def test_figures() -> None:
    assert [duration(each) for each in (None, 0, 59.9, 61, 3600, 90061)] == [
        "",
        "0s",
        "59s",
        "1m 1s",
        "1h",
        "1d 1h",
    ]
    assert [size(each) for each in (None, 512, 18350080, 5 * 2**40)] == [
        "",
        "512 B",
        "17.5 MiB",
        "5120.0 GiB",
    ]
    assert moment("nonsense\x1b[2J") == "nonsense"
    assert moment("2026-01-31T12:00:00.007Z").endswith(":00.007")
