"""Every rule of what a plugin may say of itself, with the field that the error names."""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from toru.errors import InvalidMetadata
from toru.model import PluginMetadata
from toru.wire.metadata import parse_metadata

GOOD: dict[str, object] = {"id": "hello", "name": "Hello", "version": "1.0.0", "route": "/hello"}


def parse(**fields: object) -> PluginMetadata:
    return parse_metadata(json.dumps({**GOOD, **fields}).encode())


def test_the_least_that_a_plugin_says() -> None:
    assert parse() == PluginMetadata(id="hello", name="Hello", version="1.0.0", route="/hello")


def test_all_that_a_plugin_says() -> None:
    assert parse(
        icon="👋",
        author="Ada",
        description="Two\nlines",
        protocol="1",
        capabilities=["ping", "teleport", "cancel", "ping"],
        concurrency=3,
        unheard_of={"a": 1},
    ) == PluginMetadata(
        id="hello",
        name="Hello",
        version="1.0.0",
        route="/hello",
        icon="👋",
        author="Ada",
        description="Two\nlines",
        protocol="1",
        capabilities=("ping", "cancel"),
        concurrency=3,
    )


def test_null_is_as_good_as_absent() -> None:
    names = ("icon", "author", "description", "protocol", "capabilities", "concurrency")
    assert parse(**dict.fromkeys(names)) == parse()


def test_white_space_around_the_object_is_allowed() -> None:
    assert parse_metadata(b"\r\n\t " + json.dumps(GOOD, indent=2).encode() + b"\n\n") == parse()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "a"),
        ("id", "A-1"),
        ("id", "a--b"),
        ("id", "x" * 64),
        ("id", "routes"),
        ("name", "é" * 99),
        ("name", "a\u200d 👩‍🚀"),
        ("version", "not a number"),
        ("route", "/a"),
        ("route", "/A.b-c_9"),
        ("route", "/.a"),
        ("route", "/a."),
        ("author", "x" * 99),
        ("author", ""),
        ("description", "x" * 10_000),
        ("icon", ""),
        ("protocol", "2"),
        ("capabilities", []),
        ("concurrency", 1),
        ("concurrency", 10_000),
    ],
)
def test_allowed(field: str, value: object) -> None:
    read = getattr(parse(**{field: value}), field)
    assert (list(read) if isinstance(read, tuple) else read) == value


REFUSED: list[tuple[str, str, Sequence[object]]] = [
    *((field, "it is required", [None]) for field in GOOD),
    *(
        (field, "must be a string", [5, ["x"], {}, True])
        for field in (*GOOD, "icon", "author", "description")
    ),
    ("id", "1 to 64", ["", "-a", "a-", "-", "a_b", "a.b", "a b", "é", "٣", "a\n", "x" * 65]),
    ("id", "reserved", ["route", "rescan", "problems"]),
    ("name", "empty", ["", " \u2003"]),
    ("version", "empty", [""]),
    *((field, "fewer than 100", ["x" * 100, "é" * 5000]) for field in ("name", "author")),
    *(
        (field, "control", [f"a{one}b" for one in "\n\0\x1b\x7f\x9b"])
        for field in ("name", "version", "author")
    ),
    ("route", "start with `/`", ["", "hello", "a/b", "http://x"]),
    ("route", r"`\.\.`", ["/..", "/.", "/a..b", "/...", "/../a"]),
    ("route", "one segment", ["/", "//", "/a/b", "/a/", "/é", "/a b", "/a%20", "/a\n", "/a?b"]),
    ("protocol", '"1" or "2"', ["3", "", 2, 1.0, True, ["2"]]),
    ("capabilities", "list of strings", ["ping", {}, [1], ["ping", None], 5]),
    ("concurrency", "1 to 10,000", [0, -1, 10_001, 1.5, 2.0, "4", True, []]),
]


@pytest.mark.parametrize(
    ("field", "why", "value"), [(field, why, value) for field, why, values in REFUSED for value in values]
)
def test_refused_with_the_field_and_the_rule(field: str, why: str, value: object) -> None:
    with pytest.raises(InvalidMetadata, match=f"^field `{field}`: .*{why}"):
        parse(**{field: value})


@pytest.mark.parametrize("field", GOOD)
def test_required_fields(field: str) -> None:
    fields = {name: value for name, value in GOOD.items() if name != field}
    with pytest.raises(InvalidMetadata, match=f"^field `{field}`: is missing"):
        parse_metadata(json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (b"", "nothing"),
        (b" \n", "nothing"),
        (b"hello", "one JSON object"),
        (b"[]", "one JSON object"),
        (b"null", "one JSON object"),
        (b'{"id": "a"', "one JSON object"),
        (b"{} {}", "one JSON object"),
        (b"starting\n{}", "one JSON object"),
        (b'{"id": "\xff"}', "UTF-8"),
        (b'{"id": "\\ud800"}', "one JSON object"),
        (b'{"id": ' + b"[" * 100_000, "nested"),
        (b'{"id": "a", "concurrency": NaN}', "one JSON object"),
    ],
)
def test_refused_as_a_whole(output: bytes, why: str) -> None:
    with pytest.raises(InvalidMetadata, match=why):
        parse_metadata(output)


@pytest.mark.parametrize("field", ["id", "route"])
def test_an_error_repeats_little_and_harmlessly(field: str) -> None:
    with pytest.raises(InvalidMetadata) as caught:
        parse(**{field: "/\x1b" * 100_000})
    assert len(str(caught.value)) < 400
    assert "\x1b" not in str(caught.value)


SEGMENT = string.ascii_letters + string.digits + "-_."


@given(st.text(SEGMENT + "/é\n", max_size=6))
def test_routes_are_one_segment_that_goes_nowhere_else(rest: str) -> None:
    allowed = rest not in ("", ".") and ".." not in rest and set(rest) <= set(SEGMENT)
    if allowed:
        assert parse(route=f"/{rest}").route == f"/{rest}"
    else:
        with pytest.raises(InvalidMetadata, match="route"):
            parse(route=f"/{rest}")


@given(
    st.binary()
    | st.dictionaries(st.sampled_from([*GOOD, "protocol"]), st.text() | st.integers()).map(
        lambda fields: json.dumps(fields).encode()
    )
)
def test_whatever_is_printed_is_metadata_or_refused(output: bytes) -> None:
    with suppress(InvalidMetadata):
        assert parse_metadata(output).route.startswith("/")
