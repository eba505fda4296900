"""Bodies are compressed for those who like that, and as they are for all others."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, strategies as st

from toru.http.answers import as_json, ours
from toru.http.codings import compressed, preferred
from toru.http.messages import Outgoing

LONG = ["figures"] * 1000


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ([], "identity"),
        ([""], "identity"),
        (["gzip, deflate, br, zstd"], "br"),
        (["gzip, deflate"], "gzip"),
        (["GZIP"], "gzip"),
        (["gzip", "br"], "br"),
        (["gzip;q=1.0, br;q=0.9"], "gzip"),
        (["br;q=0.5;x=1, gzip;q=0.1"], "gzip"),
        (["br;q=0, gzip;q=0"], "identity"),
        (["br;q=0.001"], "br"),
        (["identity, br;q=0.5"], "identity"),
        (["identity;q=0.5, br;q=0.5"], "br"),
        (["identity;q=0"], "identity"),
        (["identity;q=0, gzip;q=0.1"], "gzip"),
        (["*"], "br"),
        (["*;q=0"], "identity"),
        (["*;q=0, gzip;q=0.2"], "gzip"),
        (["*;q=0.5, br;q=0.2"], "gzip"),
        (["br; q=0.3 , gzip ;\tQ=0.2"], "br"),
        (["br;q=2, gzip"], "gzip"),
        (["br;q=nan, gzip;q=-1, deflate"], "identity"),
        (["broken"], "identity"),
        ([",;,;;q=,"], "identity"),
    ],
)
def test_preferred(accepted: list[str], expected: str) -> None:
    values = [value.encode() for value in accepted]
    assert preferred(values, [b"br", b"gzip", b"identity"]) == expected.encode()


@given(
    st.lists(st.binary(max_size=60)),
    st.sampled_from([[b"identity"], [b"gzip", b"identity"], [b"br", b"gzip", b"identity"]]),
)
def test_any_header_chooses_one_of_what_there_is(accepted: list[bytes], offered: list[bytes]) -> None:
    assert preferred(accepted, offered) in offered


def test_a_long_answer_is_compressed() -> None:
    plain = as_json(LONG)
    packed = compressed(plain, [b"gzip, deflate, br"])
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 10
    added = [header for header in packed.headers if header not in plain.headers]
    assert added == [(b"vary", b"accept-encoding"), (b"content-encoding", b"gzip")]


def test_caches_hear_that_who_does_not_like_it_gets_another() -> None:
    plain = as_json(LONG)
    assert compressed(plain, []) == Outgoing(200, [*plain.headers, (b"vary", b"accept-encoding")], plain.body)


@pytest.mark.parametrize(
    "answer",
    [
        as_json(["short"]),
        as_json(LONG, status=404),
        as_json(["x" * 300_000]),
        as_json(LONG, headers=((b"etag", b'"1"'),)),
        ours(200, [(b"content-type", b"text/plain")], b"x" * 5000),
    ],
    ids=["short", "failed", "huge", "tagged", "no JSON"],
)
def test_others_stay_as_they_are(answer: Outgoing) -> None:
    assert compressed(answer, [b"gzip"]) is answer
