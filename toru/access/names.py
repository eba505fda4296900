"""What users and tokens may be called: pure."""

from __future__ import annotations

import re

from toru.errors import BadRequest

LONGEST_DISPLAY_NAME = 100
# What is allowed, as ECMA-262 has it. The first two are ASCII, since plugins get these names in a header.
USERNAME = r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$"
TOKEN_NAME = r"^[!-~](?:[ -~]{0,62}[!-~])?$"
DISPLAY_NAME = r"^ *[^\p{C}\p{Z}](?: |[^\p{C}\p{Z}])*$"

_USERNAME = re.compile(USERNAME)
_TOKEN_NAME = re.compile(TOKEN_NAME)

USERNAME_RULE = "has 1 to 64 ASCII letters, digits and any of . _ @ + -, and starts with a letter or a digit"


def is_username(text: str) -> bool:
    return _USERNAME.fullmatch(text) is not None


def check_username(text: str) -> None:
    """Raises BadRequest."""
    if not is_username(text):
        raise BadRequest(f"A username {USERNAME_RULE}.")


def check_display_name(text: str) -> None:
    """Raises BadRequest."""
    if not (text.strip() and len(text) <= LONGEST_DISPLAY_NAME and text.isprintable()):
        raise BadRequest(
            f"A display name has 1 to {LONGEST_DISPLAY_NAME} characters, and no control characters."
        )


def check_token_name(text: str) -> None:
    """Raises BadRequest."""
    if not _TOKEN_NAME.fullmatch(text):
        raise BadRequest("A token's name has 1 to 64 ASCII characters, and no space at its ends.")
