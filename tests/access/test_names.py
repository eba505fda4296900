"""What users and tokens may be called."""

from __future__ import annotations

import pytest

from toru.access.names import check_display_name, check_token_name, check_username
from toru.errors import BadRequest


@pytest.mark.parametrize("text", ["a", "ann", "Ann.Smith+1@example-x.org", "0", "x" * 64])
def test_usernames(text: str) -> None:
    check_username(text)


@pytest.mark.parametrize("text", ["", " ann", "ann ", "a b", "@ann", "änn", "x" * 65, "a\0", "a\n", "a/b"])
def test_no_usernames(text: str) -> None:
    with pytest.raises(BadRequest):
        check_username(text)


@pytest.mark.parametrize("text", ["Ann Smith", "安", "Änn 👋", "x" * 100])
def test_display_names(text: str) -> None:
    check_display_name(text)


@pytest.mark.parametrize("text", ["", " ", "a\n", "x" * 101, "a\0", "\ud800"])
def test_no_display_names(text: str) -> None:
    with pytest.raises(BadRequest):
        check_display_name(text)


@pytest.mark.parametrize("text", ["x", "my script", "CI: deploy/prod", "x" * 64])
def test_token_names(text: str) -> None:
    check_token_name(text)


@pytest.mark.parametrize("text", ["", " x", "x ", "x" * 65, "a\r\nb", "ä"])
def test_no_token_names(text: str) -> None:
    with pytest.raises(BadRequest):
        check_token_name(text)
