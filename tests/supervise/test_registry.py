"""Which files are plugins, and what changed from one decision to the next."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, strategies as st

from toru.model import PluginMetadata, Problem, Rescan
from toru.supervise.registry import Decision, Found, Stamp, decide, difference


def found(name: str, id: str, route: str | None = None, size: int = 1) -> Found:
    metadata = PluginMetadata(id, id.title(), "1", route or f"/{id}")
    return Found(Path("/plugins") / name, Stamp(size, 1), metadata)


def test_all_different() -> None:
    a, b = found("a.binary", "x"), found("b.binary", "y")
    assert decide({"b.binary": b, "a.binary": a}) == Decision({"x": a, "y": b})


def test_the_first_by_file_name_keeps_the_id() -> None:
    first, second = found("a.binary", "x"), found("b.binary", "x", "/other")
    decision = decide({"b.binary": second, "a.binary": first})
    assert decision.plugins == {"x": first}
    assert decision.problems == (
        Problem(
            "b.binary",
            'b.binary has the id "x" of a.binary, which comes first by file name: remove one of the two '
            "files, or give one of them another id",
        ),
    )
    assert decision.broken == frozenset()


def test_the_first_by_file_name_keeps_the_route() -> None:
    first, second = found("a.binary", "x", "/r"), found("b.binary", "y", "/r")
    (problem,) = decide({"a.binary": first, "b.binary": second}).problems
    assert problem.error.startswith('b.binary has the route "/r" of a.binary')


def test_a_skipped_file_takes_nothing_from_others() -> None:
    a, b, c = found("a.binary", "x"), found("b.binary", "x", "/b"), found("c.binary", "c", "/b")
    assert decide({"a.binary": a, "b.binary": b, "c.binary": c}).plugins == {"x": a, "c": c}


def test_broken_files_are_problems() -> None:
    decision = decide({"b.binary": "b.binary: no", "a.binary": found("a.binary", "x")})
    assert decision.problems == (Problem("b.binary", "b.binary: no"),)
    assert decision.broken == {"b.binary"}


@given(
    st.dictionaries(
        st.sampled_from([f"{letter}.binary" for letter in "abcdef"]),
        st.tuples(st.sampled_from("xyz"), st.sampled_from(["/1", "/2", "/3"])) | st.just("broken"),
    )
)
def test_every_file_is_a_plugin_or_a_problem(files: dict[str, tuple[str, str] | str]) -> None:
    known: dict[str, Found | str] = {
        name: file if isinstance(file, str) else found(name, *file) for name, file in files.items()
    }
    decision = decide(known)
    assert {each.path.name for each in decision.plugins.values()} | {
        p.file for p in decision.problems
    } == set(files)
    assert len(decision.plugins) + len(decision.problems) == len(files)
    routes = [each.metadata.route for each in decision.plugins.values()]
    assert len(set(routes)) == len(routes)
    assert decide(dict(reversed(known.items()))) == decision


def test_difference() -> None:
    before = decide(
        {
            "stays.binary": found("stays.binary", "stays"),
            "new-version.binary": found("new-version.binary", "new-version"),
            "moves.binary": found("moves.binary", "moves"),
            "gone.binary": found("gone.binary", "gone"),
            "breaks.binary": found("breaks.binary", "breaks"),
            "loses.binary": found("loses.binary", "loses"),
        }
    )
    after = decide(
        {
            "stays.binary": found("stays.binary", "stays"),
            "new-version.binary": found("new-version.binary", "new-version", size=2),
            "moved.binary": found("moved.binary", "moves"),
            "breaks.binary": "no",
            "a.binary": found("a.binary", "a", "/loses"),
            "loses.binary": found("loses.binary", "loses"),
        }
    )
    assert difference(before, after) == Rescan(
        added=("a",), removed=("gone", "loses"), changed=("moves", "new-version"), problems=after.problems
    )
    assert [problem.file for problem in after.problems] == ["breaks.binary", "loses.binary"]
