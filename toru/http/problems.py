"""Errors as `application/problem+json` (RFC 9457), and nothing of the inside in them."""

from __future__ import annotations

from msgspec import Struct, json
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.errors import MethodNotAllowed, ToruError, UpgradeRequired
from toru.http.answers import ours
from toru.http.messages import Outgoing

_log = Logger()


class ProblemDetails(Struct, frozen=True):
    """An error (RFC 9457): `detail` is a sentence for people, and `code` a word that stays as it is."""

    type: str
    title: str
    status: int
    detail: str
    code: str


# RFC 9110, 15.5.22, and RFC 6455, 4.4.
_VERSION = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-version", b"13")]
_INTERNAL = ToruError("Something went wrong inside toru. Its log says what.")


def problem(error: ToruError) -> Outgoing:
    """The answer that tells a client of `error`."""
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"cache-control", b"no-store"),
    ]
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", ", ".join(error.allow).encode("ascii")))
    if isinstance(error, UpgradeRequired):
        headers += _VERSION
    details = ProblemDetails("about:blank", error.title, error.status, error.detail, error.code)
    return ours(error.status, headers, json.encode(details))


def unexpected(failure: Failure) -> Outgoing:
    """Log a fault of our own with its traceback, and give the answer that tells nothing of it."""
    _log.failure("a request failed inside toru", failure)
    return problem(_INTERNAL)
