"""What everybody talks about: frozen values, with no behaviour and no reactor."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

Capability = Literal["ping", "cancel", "stream", "websocket"]
Protocol = Literal["1", "2"]
State = Literal["stopped", "starting", "running", "stopping", "backoff", "disabled"]
Health = Literal["healthy", "unhealthy", "disabled"]
UserRole = Literal["admin", "client"]
TokenRole = Literal["admin", "client", "monitor"]
PrincipalKind = Literal["admin", "client", "monitor", "plugin"]
EventType = Literal[
    "discovered",
    "changed",
    "removed",
    "problem",
    "enabled",
    "disabled",
    "started",
    "ready",
    "stopped",
    "crashed",
    "restarting",
    "unhealthy",
    "disabled-after-crashes",
    "upgraded",
    "admin-action",
]
LogLevel = Literal["trace", "debug", "info", "warn", "error"]
LogStream = Literal["stdout", "stderr", "link", "file"]


class PluginMetadata(Struct, frozen=True):
    """What a plugin says of itself with `--metadata`, checked by `toru.wire.metadata`.

    `protocol` is None where the plugin does not say, and `concurrency` where it leaves the choice to
    its host.
    """

    id: str
    name: str
    version: str
    route: str
    icon: str = ""
    author: str = ""
    description: str = ""
    protocol: Protocol | None = None
    capabilities: tuple[Capability, ...] = ()
    concurrency: int | None = None


class Exit(Struct, frozen=True):
    """How a process ended: `code` where it exited, `signal` (its name) where it was killed.

    `at` is RFC 3339 in UTC. `detail` is a sentence for operators.
    """

    at: str
    code: int | None
    signal: str | None
    detail: str


class Usage(Struct, frozen=True):
    """What a process costs: `cpu_percent` of one core over the last sample, resident memory in bytes."""

    cpu_percent: float
    rss_bytes: int


class Latency(Struct, frozen=True):
    """Quantiles over the latest answers, in milliseconds; None while there are none."""

    p50: float | None
    p99: float | None


class Traffic(Struct, frozen=True):
    """What came through a plugin's link since the core started. `errors` counts requests that got no answer."""

    requests: int
    errors: int
    in_flight: int
    latency_ms: Latency


class Durations(Struct, frozen=True):
    """How long things took: how many in each bucket of `toru.histogram`, and the sum in seconds."""

    buckets: tuple[int, ...]
    seconds: float


class Figures(Struct, frozen=True, gc=False):
    """What a plugin cost and did at one moment. `timestamp` is RFC 3339 in UTC; `usage` is None where nothing runs."""

    timestamp: str
    usage: Usage | None
    traffic: Traffic


class PluginSummary(Struct, frozen=True):
    """A plugin as `GET /api/plugins` shows it to who is no admin. Times are RFC 3339 in UTC, durations seconds."""

    id: str
    name: str
    version: str
    author: str
    description: str
    icon: str
    route: str
    capabilities: tuple[Capability, ...]
    protocol: Protocol | None
    enabled: bool
    state: State
    running: bool
    health: Health
    started_at: str | None
    uptime_seconds: float | None
    restarts: int
    consecutive_crashes: int
    next_restart_at: str | None
    problem: str | None
    traffic: Traffic


class PluginStatus(PluginSummary, frozen=True):
    """A plugin as an admin sees it."""

    pid: int | None
    socket_path: str | None
    last_exit: Exit | None
    usage: Usage | None


class PluginNumbers(Struct, frozen=True):
    """A plugin as metrics show it; what is counted never goes back while the plugin is there.

    `answers` counts what clients of its route got, by status class from 2xx to 5xx; `latency` is that of
    the answers of its processes. `queued` requests wait to be given to it, those `in_flight` were.
    """

    id: str
    state: State
    health: Health
    restarts: int
    consecutive_crashes: int
    answers: tuple[int, ...]
    latency: Durations
    queued: int
    in_flight: int
    usage: Usage | None


class Problem(Struct, frozen=True):
    """A file in the plugins folder that is no usable plugin: its name there, and why."""

    file: str
    error: str


class Rescan(Struct, frozen=True):
    """What a look at the plugins folder found: ids of plugins, and the files that are none."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    problems: tuple[Problem, ...]


class Event(Struct, frozen=True):
    """One thing that happened. `timestamp` is RFC 3339 in UTC; `details` is plain JSON.

    `plugin` is empty where it is about none. Of an `admin-action` the details say `who`, `what` and `from`.
    """

    timestamp: str
    plugin: str
    type: EventType
    details: dict[str, Any]


class LogRecord(Struct, frozen=True):
    """One line that a plugin wrote. `stream` is where it came from."""

    timestamp: str
    plugin: str
    level: LogLevel
    message: str
    stream: LogStream
    fields: dict[str, Any] | None
    pid: int | None


class StoredLog(Struct, frozen=True):
    """A LogRecord as it is kept. Ids grow, over all plugins; `error` is the field of that name where it is text."""

    id: int
    timestamp: str
    level: LogLevel
    plugin: str
    message: str
    stream: LogStream
    fields: dict[str, Any] | None
    error: str | None
    pid: int | None


class LogPage(Struct, frozen=True):
    """A part of a plugin's log, newest first. `total` counts all that match; None where that was not counted."""

    logs: tuple[StoredLog, ...]
    page: int
    page_size: int
    total: int | None


class StoredEvent(Struct, frozen=True):
    """An Event as it is kept. Ids grow in the order of what happened."""

    id: int
    timestamp: str
    plugin: str
    type: EventType
    details: dict[str, Any]


class EventPage(Struct, frozen=True):
    """A part of what happened, newest first. `total` counts all that match."""

    events: tuple[StoredEvent, ...]
    page: int
    page_size: int
    total: int


class Principal(Struct, frozen=True):
    """Who asks: `kind` is the role, which decides what is allowed.

    `via` is what it showed: a user's session, an API token or a plugin's token. `id` is that of the user,
    the token or the plugin. `name` is ASCII, for headers and logs;
    `display_name` is for people.
    """

    kind: PrincipalKind
    id: str
    name: str
    display_name: str
    via: Literal["session", "token", "plugin"]


class User(Struct, frozen=True):
    """An account. `created_at` is RFC 3339 in UTC; one that is not active cannot sign in."""

    id: str
    username: str
    display_name: str
    role: UserRole
    active: bool
    created_at: str


class ApiToken(Struct, frozen=True):
    """A token that an admin made, without the token itself. `created_at` is RFC 3339 in UTC."""

    id: str
    name: str
    role: TokenRole
    created_at: str


class LoginAttempt(Struct, frozen=True):
    """One sign-in that was tried, with the name as it was given. `timestamp` is RFC 3339 in UTC."""

    id: int
    timestamp: str
    username: str
    address: str
    success: bool
