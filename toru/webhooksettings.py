"""What an operator sets for a webhook, in a [[webhook]] table of toru.toml, and what is allowed there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, get_args, get_type_hints
from urllib.parse import urlsplit

from hyperlink import EncodedURL
from msgspec import Meta, Struct

from toru.errors import StartError
from toru.model import EventType


class Webhook(Struct, frozen=True, kw_only=True):
    """Where events are sent to: a URL, the types that it wants, and what the deliveries are signed with."""

    # No space and no control character, which no URL has.
    url: Annotated[str, Meta(pattern=r"\A[^\x00-\x20\x7f]+\Z")]
    secret: Annotated[str, Meta(min_length=1)]
    events: frozenset[EventType] = frozenset(get_args(EventType))

    def __repr__(self) -> str:
        # The secret is in no log, and the URLs of many receivers hold one as well.
        return f"Webhook({urlsplit(self.url).hostname!r})"


TYPES: Mapping[str, Any] = get_type_hints(Webhook, include_extras=True)
ALLOWED: Mapping[str, str] = {
    "url": "the URL of a receiver, http or https, without a user, its host named by letters, digits, `-` and `.`",
    "secret": "a string that is not empty",
    "events": f"a list of types of events: {', '.join(get_args(EventType))}",
}
# Their values may hold a secret, and are not repeated where they are wrong.
NOT_SHOWN = frozenset({"url", "secret"})


def webhooks(tables: Iterable[Mapping[str, Any]], shown: str) -> tuple[Webhook, ...]:
    """The webhooks of the tables, whose values are of `TYPES` already; `shown` is the name of their file.

    Raises StartError where a table has no URL or no secret, or two have the same URL.
    """
    by_url: dict[str, Webhook] = {}
    for values in tables:
        for key in ("url", "secret"):
            if key not in values:
                raise StartError(f"{shown}: `{key}` is missing in a [[webhook]]; it must be {ALLOWED[key]}")
        webhook = Webhook(**values)
        if not _is_http(webhook.url):
            raise StartError(f"{shown}: `url` in [[webhook]] must be {ALLOWED['url']}")
        if webhook.url in by_url:
            raise StartError(f"{shown}: two [[webhook]] have the same `url`; make one of them")
        by_url[webhook.url] = webhook
    return tuple(by_url.values())


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        usable = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
    return usable and plain and _is_sendable(url)


def _is_sendable(url: str) -> bool:
    """Whether the HTTP client takes it, which is strict in what a host may be called."""
    try:
        EncodedURL.from_text(url).to_uri().to_text().encode("ascii")
    except ValueError:
        return False
    return True
