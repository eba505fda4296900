"""What both protocols share: times, excerpts, and what stays out of logs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import pytest
from hypothesis import given, strategies as st
from msgspec import json

from toru.errors import ProtocolError
from toru.wire.messages import EXCERPT_LENGTH, Init, excerpt, read, rfc3339


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)))
def test_times_are_rfc3339_in_utc_with_milliseconds(moment: datetime) -> None:
    text = rfc3339(moment.replace(tzinfo=UTC).timestamp())
    assert len(text) == len("2026-01-13T12:00:00.000Z")
    assert text.endswith("Z")
    read = datetime.fromisoformat(text).replace(tzinfo=None)
    # The float of a time holds microseconds, which are cut and never rounded up.
    assert abs((moment - read).total_seconds() - 0.0005) <= 0.000502


def test_a_known_time() -> None:
    assert rfc3339(1768305600.25) == "2026-01-13T12:00:00.250Z"


@given(st.text(max_size=300))
def test_an_excerpt_is_short_and_harmless(text: str) -> None:
    shown = excerpt(text)
    assert len(shown) <= EXCERPT_LENGTH
    assert shown.isprintable()


def test_a_short_text_is_shown_whole() -> None:
    assert excerpt("hello") == "'hello'"
    assert excerpt("x" * 300).endswith("…")


def test_long_words_in_what_cannot_be_used_are_cut() -> None:
    kinds = json.Decoder(dict[str, Literal["text", "binary"]])
    with pytest.raises(ProtocolError) as caught:
        read(kinds, b'{"kind":"%s"}' % (b"x" * 2**20), "a message")
    assert caught.value.detail.startswith("a message cannot be used: Invalid enum value 'xxx")
    assert caught.value.detail.endswith("xxx' - at `$[...]`")
    assert len(caught.value.detail) < 300


def test_the_token_is_not_shown() -> None:
    init = Init("p", "i", "/s", "/l", "http://127.0.0.1", "toru_secret")
    assert "toru_secret" not in repr(init)
    assert "toru_secret" not in f"{[init]}"
