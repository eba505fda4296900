"""How the results of a check are told: lines for people, JSON for programs, JUnit's XML for CI."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
from rich.console import Console
from rich.status import Status
from rich.text import Text

from toru.cli.output import one_line, pretty_json
from toru.conformance.checks import Check
from toru.conformance.findings import Outcome, Result

_MARKS: dict[Outcome, tuple[str, str]] = {
    "passed": ("✓", "green"),
    "warning": ("!", "yellow"),
    "failed": ("✗", "bold red"),
    "skipped": ("-", "dim"),
}
_TITLE_WIDTH = 40
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class Report:
    """Tells of one plugin, while it is checked and afterwards."""

    def __init__(self, plugin: Path, *, quiet: bool) -> None:
        """`quiet`: only at the end."""
        self._plugin = plugin
        self._quiet = quiet
        self._console = Console(highlight=False, emoji=False)
        self._status: Status | None = None

    def begun(self, check: Check) -> None:
        """A check begins: what it is stands there while it lasts, where somebody looks."""
        if not self._quiet and self._console.is_terminal:
            self._status = self._console.status(Text(check.title), spinner="dots")
            self._status.start()

    def done(self, result: Result) -> None:
        """A check has ended."""
        if self._status is not None:
            self._status.stop()
            self._status = None
        if self._quiet:
            return
        for number, finding in enumerate(result.findings):
            mark, style = _MARKS[finding.outcome]
            title = "" if number else result.title
            line = Text(f" {mark} ", style).append(
                f"{title:<{_TITLE_WIDTH}}", "dim" if style == "dim" else ""
            )
            self._print(
                line.append(f" {one_line(finding.detail)}", style if finding.outcome != "passed" else "dim")
            )
            if finding.mend:
                self._print(Text(f"{'':{_TITLE_WIDTH + 4}}to mend it: {one_line(finding.mend)}"))

    def sum_up(self, results: Sequence[Result]) -> None:
        """The last line."""
        count = Counter(result.outcome for result in results)
        parts = [
            _counted(count["passed"], "check") + " passed",
            _counted(count["warning"], "warning"),
            _counted(count["failed"], "failure"),
            f"{count['skipped']} not checked",
        ]
        style = "bold red" if count["failed"] else "yellow" if count["warning"] else "green"
        seconds = sum(result.seconds for result in results)
        self._print(Text(f"{one_line(self._plugin)}: {', '.join(parts)}, in {seconds:.1f} s", style))

    def print_json(self, results: Sequence[Result]) -> None:
        """One object: the plugin, the numbers, and every check with its findings."""
        count = Counter(result.outcome for result in results)
        pretty_json(
            {
                "plugin": str(self._plugin),
                "passed": count["passed"],
                "warnings": count["warning"],
                "failures": count["failed"],
                "skipped": count["skipped"],
                "seconds": round(sum(result.seconds for result in results), 3),
                "checks": [_as_json(result) for result in results],
            }
        )

    def _print(self, line: Text) -> None:
        if self._console.is_terminal:
            self._console.print(line)
        else:
            # A file or a pipe has no width at which lines would have to be broken.
            click.echo(line.plain)


def _as_json(result: Result) -> dict[str, Any]:
    return {
        "id": result.check,
        "title": result.title,
        "outcome": result.outcome,
        "seconds": round(result.seconds, 3),
        "findings": [
            {"outcome": each.outcome, "detail": each.detail, "mend": each.mend} for each in result.findings
        ],
    }


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def write_junit(file: Path, plugin: Path, results: Sequence[Result]) -> None:
    """One test case a check. A warning is what a case that passes has to say. Raises OSError."""
    count = Counter(result.outcome for result in results)
    suite = ElementTree.Element(
        "testsuite",
        name=f"toru plugin check {_in_xml(plugin.name)}",
        tests=str(len(results)),
        failures=str(count["failed"]),
        errors="0",
        skipped=str(count["skipped"]),
        time=f"{sum(result.seconds for result in results):.3f}",
    )
    for result in results:
        case = ElementTree.SubElement(
            suite, "testcase", classname="toru.plugin.check", name=result.check, time=f"{result.seconds:.3f}"
        )
        said = [each for each in result.findings if each.outcome == result.outcome]
        text = "\n".join(f"{_in_xml(each.detail)}\nto mend it: {_in_xml(each.mend)}" for each in said)
        match result.outcome:
            case "failed":
                failure = ElementTree.SubElement(case, "failure", message=_in_xml(said[0].detail))
                failure.text = text
            case "skipped":
                ElementTree.SubElement(case, "skipped", message=_in_xml(said[0].detail))
            case "warning":
                ElementTree.SubElement(case, "system-out").text = f"warning: {text}"
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.ElementTree(suites).write(file, encoding="utf-8", xml_declaration=True)


def _in_xml(text: object) -> str:
    """One line, without the characters that XML 1.0 has no way to say."""
    return _NOT_IN_XML.sub("\ufffd", one_line(text))
