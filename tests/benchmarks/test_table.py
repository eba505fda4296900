"""Figures in tables, and tables in the page."""

from __future__ import annotations

import pytest

from benchmarks import page
from benchmarks.peers import goals, idle, streams
from benchmarks.peers.rates import Case, Measured, median
from benchmarks.peers.table import Row, number, table

RATE = Row(
    "32 connections, 13 bytes: answers a second", {"nginx": 50_000.0, "caddy": 12_500.0, "toru": 20_000.0}
)


def test_each_figure_stands_beside_that_of_nginx() -> None:
    assert list(table([RATE], ["nginx", "toru"])) == [
        "| | nginx | toru |",
        "| --- | ---: | ---: |",
        "| 32 connections, 13 bytes: answers a second | 50,000 | **0.40** (20,000) |",
    ]


def test_without_nginx_there_are_no_ratios() -> None:
    row = Row("answers a second", {"caddy": 12_500.0, "toru": 20_000.0})
    assert list(table([row], ["caddy", "toru"]))[2] == "| answers a second | 12,500 | 20,000 |"


def test_what_is_no_matter_of_ratios_has_none() -> None:
    row = Row("waiting", {"nginx": 1_000.0, "toru": 320.0}, compared=False)
    assert list(table([row], ["nginx", "toru"]))[2] == "| waiting | 1,000 | 320 |"


def test_why_a_figure_is_missing_stands_below() -> None:
    row = Row("1 GiB up", {"nginx": 1_500.0, "toru": "answered 413"})
    assert list(table([row], ["nginx", "toru", "jupyter"])) == [
        "| | nginx | toru | jupyter |",
        "| --- | ---: | ---: | ---: |",
        "| 1 GiB up | 1,500 | - | - |",
        "",
        "Not measured:",
        "",
        "- toru, 1 GiB up: answered 413",
    ]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (34_120.55, "34,121"),
        (100.0, "100"),
        (12.345, "12.3"),
        (0.9512, "0.951"),
        (-2.12, "-2.12"),
        (0.0, "0"),
    ],
)
def test_three_digits_count(value: float, told: str) -> None:
    assert number(value) == told


def test_of_what_was_not_there_nothing_is_a_multiple() -> None:
    assert Row("growth", {"nginx": 0.0, "toru": 1.0}).ratio("toru") is None
    assert Row("growth", {"nginx": "broken", "toru": 1.0}).ratio("toru") is None
    assert Row("growth", {"toru": 1.0}).ratio("toru") is None


def test_each_figure_has_its_own_median() -> None:
    rounds = [Measured(1, 5, 3, 9, 2), Measured(2, 4, 1, 8, 2), Measured(30, 6, 2, 7, 2)]
    assert median(rounds) == Measured(2, 5, 2, 8, 2)


def test_cases_are_told() -> None:
    assert str(Case(1, 13)) == "1 connection, 13 bytes"
    assert str(Case(32, 13, 65536)) == "32 connections, 13 bytes, 64 KiB sent"


def test_goals_hold_or_are_missed_on_one_core_and_on_two() -> None:
    rows = [
        RATE._replace(values={**RATE.values, "toru2": 15_000.0}),
        Row("1 connection, 13 bytes: p50, µs", {"nginx": 100.0, "toru": 310.0, "toru2": 300.0}),
        Row(streams.GREW_UP, {"toru": 15.9}),
        Row(idle.WEBSOCKET_KIB, {"toru": "answered 404"}),
    ]
    assert list(goals.told({row.label: row for row in rows})) == [
        "| goal | wanted | toru | | toru2 | |",
        "| --- | ---: | ---: | --- | ---: | --- |",
        "| 32 connections, 13 bytes: answers a second, times nginx's | at least 0.4 | 0.4 | holds | 0.3 | **missed** |",
        "| 32 connections, 13 bytes: answers a second, times caddy's | at least 1.5 | 1.6 | holds | 1.2 | **missed** |",
        "| 1 connection, 13 bytes: p50, µs, times nginx's | at most 3 | 3.1 | **missed** | 3 | holds |",
        f"| {streams.GREW_UP} | at most 16 | 15.9 | holds | - | |",
    ]


def test_without_figures_there_are_no_goals() -> None:
    assert list(goals.told({})) == []


BEFORE = "# Title\n\nProse.\n\n<!-- peers -->\nold\n\n| table |\n<!-- end of peers -->\n\nMore.\n"
AFTER = "# Title\n\nProse.\n\n<!-- peers -->\n\nnew\n\n<!-- end of peers -->\n\nMore.\n"


def test_the_page_is_written_between_its_marks_only() -> None:
    assert page.with_block(BEFORE, "peers", ["new"]) == AFTER
    assert page.with_block(AFTER, "peers", ["new"]) == AFTER


@pytest.mark.parametrize(
    "broken",
    [
        BEFORE.replace("<!-- peers -->\n", ""),
        BEFORE.replace("<!-- end of peers -->\n", ""),
        BEFORE + BEFORE,
        "<!-- end of peers -->\n<!-- peers -->\n",
    ],
)
def test_a_page_without_the_marks_is_left_alone(broken: str) -> None:
    with pytest.raises(ValueError, match="the page needs <!-- peers -->"):
        page.with_block(broken, "peers", ["new"])


@pytest.mark.parametrize("name", ["peers", "others"])
def test_the_page_has_the_marks(name: str) -> None:
    text = page.PAGE.read_text()
    assert "\n\nwritten\n\n" in page.with_block(text, name, ["written"])
