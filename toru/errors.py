"""One tree of errors, each with the HTTP status and the stable code that it has at the door.

ToruError
 ├─ BadRequest                400  what the client sent cannot be used
 │   ├─ BadRoute              400  a route segment that tries to leave its place
 │   └─ WeakPassword          400  a new password that breaks the rules
 ├─ Unauthenticated           401  nobody, or a credential that is worth nothing
 │   └─ WrongCredentials      401  a name and a password that do not belong together
 ├─ Forbidden                 403  somebody who may not do that
 │   └─ WrongPassword         403  the current password, asked for again, is not that
 ├─ NotFound                  404
 │   ├─ PluginNotFound        404  no plugin has this id
 │   ├─ RouteNotFound         404  no enabled plugin has this route
 │   ├─ BundleNotFound        404  the plugin has no frontend
 │   ├─ UserNotFound          404  no client account has this id
 │   └─ TokenNotFound         404  no API token has this id
 ├─ MethodNotAllowed          405
 ├─ PluginDisabled            409  the call needs an enabled plugin
 ├─ UserExists                409  another account has this name
 ├─ Conflict                  409  what the caller relied on does not hold (any more)
 ├─ RequestTimeout            408  the request does not come
 ├─ BodyTooLarge              413  the request body is over `max_body_bytes`
 ├─ TooManyFailures           429  after failed sign-ins one has to wait
 ├─ TooLong                   413  a key or a value is longer than it may be
 ├─ ExpectationFailed         417  the client expects what is not known here
 ├─ UpgradeRequired           426  the client speaks another version of WebSocket
 ├─ HeadTooLarge              431  the request's head is longer than may be
 ├─ VersionNotSupported       505  the request is none of HTTP/1.1
 ├─ NoWebSocket               501  no WebSocket is taken there
 ├─ PluginFailure             502  the plugin did not give a usable answer
 │   ├─ LinkLost              502  its connection ended before the answer
 │   ├─ ProtocolError         502  it said something that the protocol forbids
 │   ├─ PluginError           502  it answered with an `error` message
 │   └─ RestartFailed         502  its new process did not get ready
 ├─ PluginUnavailable         503  it is enabled and not up
 ├─ PluginBusy                503  its queue is full
 ├─ SignInBusy                503  as many passwords wait to be checked as may wait
 ├─ TooManyConnections        503  as many clients are connected as may be
 ├─ CoreStopping              503  this core is going down
 ├─ StorageUnavailable        503  the database cannot do it now
 ├─ PluginTimeout             504  no answer in time
 └─ StorageFull               507  the disk is full
     └─ QuotaExceeded         507  the plugin's storage is

InvalidMetadata   what `--metadata` printed, or the file itself, is no usable plugin
StartError        a setting or a condition under which toru cannot start
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class ToruError(Exception):
    """Something that a caller is told about.

    `detail` is a sentence for people. It never holds a path of this machine, a traceback or a
    secret, because it is sent to whoever asked.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, *, retry_after: int | None = None) -> None:
        """`retry_after`: whole seconds after which it is worth trying again, where that is known."""
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after


class BadRequest(ToruError):
    """What the client sent cannot be used."""

    status = 400
    code = "bad-request"
    title = "Bad request"


class BadRoute(BadRequest):
    """A route segment with `..`, a backslash, or an encoded slash."""

    code = "bad-route"
    title = "Bad route"


class WeakPassword(BadRequest):
    """A new password that breaks the rules. The detail names each of them."""

    code = "weak-password"
    title = "Weak password"


class Unauthenticated(ToruError):
    """Nobody, or a credential that is worth nothing."""

    status = 401
    code = "unauthenticated"
    title = "Unauthenticated"


class WrongCredentials(Unauthenticated):
    """A name and a password that do not belong together; which of the two is wrong is not told."""

    code = "wrong-credentials"
    title = "Wrong credentials"


class Forbidden(ToruError):
    """Somebody who may not do that."""

    status = 403
    code = "forbidden"
    title = "Forbidden"


class WrongPassword(Forbidden):
    """The current password, asked for again, is not that."""

    code = "wrong-password"
    title = "Wrong password"


class NotFound(ToruError):
    """There is nothing here."""

    status = 404
    code = "not-found"
    title = "Not found"


class PluginNotFound(NotFound):
    """No plugin has this id."""

    code = "plugin-not-found"
    title = "Plugin not found"


class RouteNotFound(NotFound):
    """No enabled plugin has this route."""

    code = "route-not-found"
    title = "Route not found"


class BundleNotFound(NotFound):
    """The plugin has no frontend, or is disabled."""

    code = "bundle-not-found"
    title = "Bundle not found"


class UserNotFound(NotFound):
    """No client account has this id."""

    code = "user-not-found"
    title = "User not found"


class TokenNotFound(NotFound):
    """No API token has this id."""

    code = "token-not-found"
    title = "Token not found"


class MethodNotAllowed(ToruError):
    """The path exists, the method does not. `allow`: those that do."""

    status = 405
    code = "method-not-allowed"
    title = "Method not allowed"

    def __init__(self, allow: Iterable[str]) -> None:
        super().__init__("This path does not know that method.")
        self.allow = tuple(sorted(allow))


class PluginDisabled(ToruError):
    """The call needs an enabled plugin."""

    status = 409
    code = "plugin-disabled"
    title = "Plugin disabled"


class UserExists(ToruError):
    """Another account has this name, or one that differs only in upper and lower case."""

    status = 409
    code = "user-exists"
    title = "User exists"


class Conflict(ToruError):
    """What the caller relied on does not hold, or not any more."""

    status = 409
    code = "conflict"
    title = "Conflict"


class RequestTimeout(ToruError):
    """The request does not come."""

    status = 408
    code = "request-timeout"
    title = "Request timeout"


class ExpectationFailed(ToruError):
    """The client expects what is not known here."""

    status = 417
    code = "expectation-failed"
    title = "Expectation failed"


class HeadTooLarge(ToruError):
    """The request's head is longer than may be."""

    status = 431
    code = "head-too-large"
    title = "Head too large"


class VersionNotSupported(ToruError):
    """The request is none of HTTP/1.1."""

    status = 505
    code = "version-not-supported"
    title = "Version not supported"


class BodyTooLarge(ToruError):
    """The request body is over `max_body_bytes`."""

    status = 413
    code = "body-too-large"
    title = "Body too large"


class TooManyFailures(ToruError):
    """After failed sign-ins one has to wait."""

    status = 429
    code = "too-many-failures"
    title = "Too many failed sign-ins"


class TooLong(ToruError):
    """A key or a value is longer than it may be."""

    status = 413
    code = "too-long"
    title = "Too long"


class UpgradeRequired(ToruError):
    """The client speaks another version of WebSocket."""

    status = 426
    code = "upgrade-required"
    title = "Upgrade required"


class NoWebSocket(ToruError):
    """No WebSocket is taken there."""

    status = 501
    code = "no-websocket"
    title = "No WebSocket"


class PluginFailure(ToruError):
    """The plugin did not give a usable answer."""

    status = 502
    code = "plugin-failure"
    title = "Plugin failure"


class LinkLost(PluginFailure):
    """The plugin's connection ended before it answered."""

    code = "plugin-connection-lost"
    title = "Plugin connection lost"


class ProtocolError(PluginFailure):
    """The plugin said something that the protocol forbids."""

    code = "plugin-protocol-error"
    title = "Plugin protocol error"


class PluginError(PluginFailure):
    """The plugin answered with an `error` message."""

    code = "plugin-error"
    title = "Plugin error"


class RestartFailed(PluginFailure):
    """The plugin's new process did not get ready."""

    code = "plugin-restart-failed"
    title = "Plugin restart failed"


class PluginUnavailable(ToruError):
    """The plugin is enabled and not up: starting, or waiting to be restarted."""

    status = 503
    code = "plugin-unavailable"
    title = "Plugin unavailable"


class PluginBusy(ToruError):
    """As many requests wait for the plugin as may wait."""

    status = 503
    code = "plugin-busy"
    title = "Plugin busy"


class SignInBusy(ToruError):
    """As many passwords wait to be checked as may wait."""

    status = 503
    code = "sign-in-busy"
    title = "Sign-in busy"


class TooManyConnections(ToruError):
    """As many clients are connected as may be."""

    status = 503
    code = "too-many-connections"
    title = "Too many connections"


class CoreStopping(ToruError):
    """This core is going down and takes nothing new."""

    status = 503
    code = "stopping"
    title = "Stopping"


class StorageUnavailable(ToruError):
    """The database cannot do it now: it is locked, damaged, closed, or too much waits for it."""

    status = 503
    code = "storage-unavailable"
    title = "Storage unavailable"


class StorageFull(ToruError):
    """The disk is full; nothing was changed."""

    status = 507
    code = "storage-full"
    title = "Storage full"


class QuotaExceeded(StorageFull):
    """The plugin's storage is as full as it may be; nothing was changed."""

    code = "quota-exceeded"
    title = "Quota exceeded"


class PluginTimeout(ToruError):
    """The plugin did not answer within its `request_timeout`."""

    status = 504
    code = "plugin-timeout"
    title = "Plugin timeout"


class InvalidMetadata(Exception):
    """A file that is no usable plugin. The message names the field, where one is to blame, and why."""


class StartError(SystemExit, Exception):
    """A setting or a condition under which toru cannot start, in one line.

    It is a SystemExit so that the interpreter prints that line and exits with 1 instead of showing a
    traceback, and an Exception so that twistd, which catches only those, still removes its pid file
    and still tells the waiting parent of a daemon.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(f"toru: {' '.join(detail.split())}")
