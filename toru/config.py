"""One frozen Config, from flags, environment and toru.toml, checked once.

A flag wins over the environment, that over the file, that over the default. Everything here is values:
what a setting means on disk is in `toru.store.folders`.
"""

from __future__ import annotations

import os
import re
import reprlib
import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta, Struct
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpoint

from toru import webhooksettings
from toru.errors import StartError
from toru.model import Protocol
from toru.webhooksettings import Webhook

KIB = 1024
MIB = 1024 * KIB
DEFAULT_FILE = "toru.toml"
DEFAULT_LISTEN = "tcp:3000:interface=127.0.0.1"
SYSTEM_LOGS = Path("/var/log/toru")

# What stands around a body in its message: the envelope and the headers.
MESSAGE_OVERHEAD_BYTES = 64 * KIB

# The upper bound keeps the reactor's wait in range: epoll takes at most 2**31 milliseconds.
Seconds = Annotated[float, Meta(gt=0, le=1_000_000)]
# Protocol 1 gives a length 32 bits, and many a plugin's language reads them as signed.
MessageBytes = Annotated[int, Meta(gt=0, lt=2**31)]
Count = Annotated[int, Meta(gt=0, lt=2**62)]
Workers = Annotated[int, Meta(ge=1, le=64)]
# No control characters: they would tear the lines of logs and errors, and no path has a NUL.
Text = Annotated[str, Meta(pattern=r"\A[^\x00-\x1f\x7f]+\Z")]
Network = IPv4Network | IPv6Network


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Supervision(Struct, frozen=True, kw_only=True):
    """How plugins are kept alive. Durations are seconds; `max_starting` is two a core unless it is set."""

    backoff_first: Seconds = 1.0
    backoff_max: Seconds = 16.0
    max_crashes: Count = 10
    stable_seconds: Seconds = 60.0
    start_timeout: Seconds = 2.0
    ready_timeout: Seconds = 30.0
    max_starting: Count = msgspec.field(default_factory=lambda: 2 * cores())
    stop_grace: Seconds = 5.0
    term_grace: Seconds = 2.0
    health_interval: Seconds = 5.0


class PluginSettings(Struct, frozen=True, kw_only=True):
    """What the operator set for one plugin; None where the plugin or the default has the choice.

    `request_timeout` and `stream_idle_timeout` are in seconds, `memory_max` in bytes.
    """

    env: Mapping[str, str] = {}
    request_timeout: Seconds | None = None
    stream_idle_timeout: Seconds | None = None
    concurrency: Count | None = None
    protocol: Protocol | None = None
    memory_max: Count | None = None
    nofile: Count | None = None
    restart: Literal["overlap", "stop-first"] = "overlap"


class LogLimits(Struct, frozen=True, kw_only=True):
    """What is kept of each plugin's log: records, bytes, and days of age, whichever is reached first."""

    max_records: Count = 100_000
    max_bytes: Count = 64 * MIB
    max_age_days: Annotated[float, Meta(gt=0, le=36_500)] = 30.0


class KvLimits(Struct, frozen=True, kw_only=True):
    """What each plugin may store: bytes of its keys and values together."""

    max_bytes: Count = 64 * MIB


class Config(Struct, frozen=True, kw_only=True):
    """All settings. Paths are absolute; symlinks in them stand as they were written.

    `database` is a URL, whose path is as absolute.
    """

    listen: tuple[str, ...]
    plugins: Path
    data: Path
    logs: Path
    database: str
    request_timeout: float
    stream_idle_timeout: float
    max_streams: int
    max_connections: int
    max_body_bytes: int
    max_message_bytes: int
    workers: int
    trusted_proxies: tuple[Network, ...]
    supervision: Supervision
    plugin: Mapping[str, PluginSettings]
    access_log: Path | None = None
    log_limits: LogLimits = LogLimits()
    kv_limits: KvLimits = KvLimits()
    webhooks: tuple[Webhook, ...] = ()

    @property
    def run(self) -> Path:
        """The folder of the plugins' sockets."""
        return self.data / "run"


_FOLDERS = ("plugins", "data", "logs")
_PATHS = (*_FOLDERS, "access_log")
_SQLITE = "sqlite:///"
_FLAGS = ("listen", *_FOLDERS, "database", "workers")
_VARIABLES = (
    *_FLAGS,
    "request_timeout",
    "stream_idle_timeout",
    "max_streams",
    "max_connections",
    "max_body_bytes",
    "max_message_bytes",
    "trusted_proxies",
    "access_log",
)
_DEFAULTS: Mapping[str, Any] = {
    "listen": (DEFAULT_LISTEN,),
    "request_timeout": 30.0,
    "stream_idle_timeout": 300.0,
    "max_streams": 1000,
    "max_connections": 10_000,
    "max_body_bytes": 8 * MIB,
    "max_message_bytes": 16 * MIB,
    "workers": 1,
    "trusted_proxies": (),
}

# What a value looks like in its source, before paths and networks are made of it.
_TOP: Mapping[str, Any] = {
    "listen": Annotated[tuple[Text, ...], Meta(min_length=1)],
    **dict.fromkeys(_PATHS, Text),
    "database": Annotated[str, Meta(pattern=rf"\A{_SQLITE}[^\x00-\x1f\x7f]+\Z")],
    "request_timeout": Seconds,
    "stream_idle_timeout": Seconds,
    "max_streams": Count,
    "max_connections": Count,
    "max_body_bytes": MessageBytes,
    "max_message_bytes": MessageBytes,
    "workers": Workers,
    "trusted_proxies": tuple[str, ...],
    "supervision": dict[str, Any],
    "plugin": dict[str, dict[str, Any]],
    "kv": dict[str, Any],
    "webhook": list[dict[str, Any]],
}
_SUPERVISION = get_type_hints(Supervision, include_extras=True)
_PLUGIN = get_type_hints(PluginSettings, include_extras=True)
_LOGS = get_type_hints(LogLimits, include_extras=True)
_KV = get_type_hints(KvLimits, include_extras=True)
_NOT_SHOWN = webhooksettings.NOT_SHOWN | {"webhook"}

_A_DURATION = "a number of seconds above 0 and at most 1000000"
_A_COUNT = "a whole number above 0"
_A_SIZE = "a whole number of bytes above 0 and below 2 GiB"
_ALLOWED: Mapping[str, str] = {
    "listen": f"one or more endpoints such as {DEFAULT_LISTEN}",
    **dict.fromkeys(_FOLDERS, "the path of a folder, without control characters"),
    "access_log": "the path of a file, without control characters",
    "database": f"{_SQLITE} and the path of a file, without control characters",
    "kv": "a table",
    "max_body_bytes": _A_SIZE,
    "max_message_bytes": _A_SIZE,
    "workers": "a whole number from 1 to 64",
    "trusted_proxies": "a list of IP addresses or networks such as 10.0.0.0/8",
    "supervision": "a table",
    "plugin": "a table for each plugin, [plugin.<id>]",
    **dict.fromkeys(_SUPERVISION, _A_DURATION),
    "max_crashes": _A_COUNT,
    "max_starting": _A_COUNT,
    "env": "a table of strings",
    "request_timeout": _A_DURATION,
    "stream_idle_timeout": _A_DURATION,
    "max_streams": _A_COUNT,
    "max_connections": _A_COUNT,
    "concurrency": _A_COUNT,
    "protocol": 'the string "1" or "2"',
    "memory_max": 'a whole number of bytes above 0, or a string such as "256M" (K, M or G)',
    "nofile": _A_COUNT,
    "restart": '"overlap" or "stop-first"',
    "max_records": _A_COUNT,
    "max_bytes": 'a whole number of bytes above 0, or a string such as "64M" (K, M or G)',
    "max_age_days": "a number of days above 0 and at most 36500",
    "webhook": "one or more tables, [[webhook]]",
    **webhooksettings.ALLOWED,
}

_PLUGIN_ID = re.compile(r"(?!-)[A-Za-z0-9-]{1,64}(?<!-)")
_SIZE = re.compile(r"([0-9]{1,12})([KMG])")
_UNITS = {"K": KIB, "M": MIB, "G": 1024 * MIB}
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def load(flags: Mapping[str, Any], environ: Mapping[str, str], cwd: Path) -> Config:
    """The settings that hold, of all sources; those that others override are checked as well.

    `flags` has `listen` (a list), `plugins`, `data`, `logs`, `database`, `workers` and `config` (strings), each None, empty or
    absent where it was not given; its other keys are left alone. An empty variable in `environ` counts
    as absent. `cwd` is absolute. Raises StartError: one line that names the setting, its source and what
    is allowed there.
    """
    file = flags.get("config") or environ.get("TORU_CONFIG")
    shown = file or DEFAULT_FILE
    path = Path(os.path.abspath(cwd / shown))
    raw = _read(path, shown, required=bool(file))
    if isinstance(raw.get("listen"), str):
        raw["listen"] = [raw["listen"]]
    log_limits = _log_limits(raw, shown)
    in_file = _table(raw, _TOP, shown)
    webhooks = _webhooks(in_file.pop("webhook", []), shown)
    kv_limits = _kv_limits(in_file.pop("kv", {}), shown)
    supervision = Supervision(**_table(in_file.pop("supervision", {}), _SUPERVISION, shown, "supervision"))
    plugin = {name: _plugin(name, table, shown) for name, table in in_file.pop("plugin", {}).items()}

    variables: dict[str, Any] = {key: text for key in _VARIABLES if (text := environ.get(_variable(key)))}
    for key in variables.keys() & {"listen", "trusted_proxies"}:
        variables[key] = variables[key].split()
    in_environ = _checked(variables, _TOP, _variable, strict=False)

    in_flags = _checked({key: flags[key] for key in _FLAGS if flags.get(key)}, _TOP, _flag, strict=False)

    values = {**_DEFAULTS, "plugins": cwd / "plugins", "data": cwd / "data"}
    names = {key: f"`{key}` (the default)" for key in _DEFAULTS}
    for source, base, name in (
        (in_file, path.parent, partial(_in_file, shown, "")),
        (in_environ, cwd, _variable),
        (in_flags, cwd, _flag),
    ):
        for key, value in source.items():
            names[key] = name(key)
            values[key] = _resolved(key, value, base, names[key])
    values.setdefault("logs", _default_logs(values["data"]))
    _check_sizes(values, names)
    values.setdefault("database", f"{_SQLITE}{values['data'] / 'toru.db'}")
    return Config(
        **values,
        supervision=supervision,
        plugin=plugin,
        log_limits=log_limits,
        kv_limits=kv_limits,
        webhooks=webhooks,
    )


def check_endpoint(description: str, reactor: object) -> IStreamServerEndpoint:
    """The endpoint that `description` (one of `Config.listen`) names on `reactor`, not listening yet.

    Raises StartError where Twisted cannot make one of it: an unknown type, a bad port, no certificate.
    """
    try:
        endpoint: IStreamServerEndpoint = serverFromString(reactor, description)
    # What a parser raises is its own choice: ValueError, TypeError, IndexError, OSError, OpenSSL's errors.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise StartError(
            f"listen: {description!r} is no endpoint that can be used ({reason}); "
            f"it must be one such as {DEFAULT_LISTEN}"
        ) from error
    return endpoint


def _read(path: Path, shown: str, *, required: bool) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        if not required:
            return {}
        raise StartError(f"{shown}: there is no such file") from None
    except OSError as error:
        raise StartError(f"{shown}: the file cannot be read: {error.strerror}") from error
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise StartError(f"{shown}: the file is not UTF-8 (at line {line}, column {column})") from error
    except tomllib.TOMLDecodeError as error:
        raise StartError(f"{shown}: {error}") from error


def _flag(key: str) -> str:
    return f"--{key}"


def _variable(key: str) -> str:
    return f"TORU_{key.upper()}"


def _in_file(shown: str, table: str, key: str) -> str:
    return f"{shown}: `{key}` in [{table}]" if table else f"{shown}: `{key}`"


def _table(raw: Mapping[str, Any], types: Mapping[str, Any], shown: str, table: str = "") -> dict[str, Any]:
    """The checked values of one table of the file; no other keys than those of `types` may be there."""
    for key in raw:
        if key not in types:
            place = f" in [{table}]" if table else ""
            raise StartError(f"{shown}: unknown key `{key}`{place}")
    return _checked(raw, types, partial(_in_file, shown, table))


def _checked(
    raw: Mapping[str, Any], types: Mapping[str, Any], name: Callable[[str], str], *, strict: bool = True
) -> dict[str, Any]:
    """`raw` with each value as its type has it; with `strict` off, numbers may be written in strings."""
    values = {}
    for key, value in raw.items():
        try:
            values[key] = msgspec.convert(value, types[key], strict=strict)
        except (msgspec.ValidationError, UnicodeEncodeError) as error:
            found = "" if key in _NOT_SHOWN else f", not {reprlib.repr(value)}"
            raise StartError(f"{name(key)} must be {_ALLOWED[key]}{found}") from error
    return values


def _resolved(key: str, value: Any, base: Path, name: str) -> Any:
    """A checked value as Config has it: paths under `base` where they are relative, networks parsed."""
    if key in _PATHS:
        return Path(os.path.abspath(base / value))
    if key == "database":
        return _SQLITE + os.path.abspath(base / value.removeprefix(_SQLITE))
    if key == "trusted_proxies":
        try:
            return tuple(ip_network(text) for text in value)
        except ValueError as error:
            raise StartError(f"{name} must be {_ALLOWED[key]}: {error}") from error
    return value


def _plugin(plugin_id: str, raw: dict[str, Any], shown: str) -> PluginSettings:
    table = f"plugin.{plugin_id}"
    if not _PLUGIN_ID.fullmatch(plugin_id):
        raise StartError(
            f"{shown}: [{table}] names no plugin: an id has 1 to 64 ASCII letters, digits and inner hyphens"
        )
    _read_size(raw, "memory_max")
    values = _table(raw, _PLUGIN, shown, table)
    for name, value in values.get("env", {}).items():
        if not _ENV_NAME.fullmatch(name) or name.startswith("TORU_") or "\0" in value:
            raise StartError(
                f"{shown}: `{name}` in [{table}.env] cannot be set: a name has letters, digits and `_`, "
                "does not start with a digit or with `TORU_`, and its value has no NUL"
            )
    return PluginSettings(**values)


def _log_limits(raw: dict[str, Any], shown: str) -> LogLimits:
    """The limits in [logs], whose `folder`, where it has one, takes the place of the path in `logs`."""
    table = raw.get("logs")
    if not isinstance(table, dict):
        return LogLimits()
    del raw["logs"]
    if "folder" in table:
        raw["logs"] = table.pop("folder")
    _read_size(table, "max_bytes")
    return LogLimits(**_table(table, _LOGS, shown, "logs"))


def _kv_limits(table: dict[str, Any], shown: str) -> KvLimits:
    _read_size(table, "max_bytes")
    return KvLimits(**_table(table, _KV, shown, "kv"))


def _webhooks(tables: list[dict[str, Any]], shown: str) -> tuple[Webhook, ...]:
    checked = (_table(raw, webhooksettings.TYPES, shown, "[webhook]") for raw in tables)
    return webhooksettings.webhooks(checked, shown)


def _read_size(raw: dict[str, Any], key: str) -> None:
    """Put the number in place of a size such as "256M"."""
    if isinstance(size := raw.get(key), str) and (match := _SIZE.fullmatch(size)):
        raw[key] = int(match[1]) * _UNITS[match[2]]


def _default_logs(data: Path) -> Path:
    """The system's folder where this process can write there or make it, else one beside the data."""
    there = SYSTEM_LOGS if SYSTEM_LOGS.exists() else SYSTEM_LOGS.parent
    usable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    return SYSTEM_LOGS if usable else data / "logs"


def _check_sizes(values: Mapping[str, Any], names: Mapping[str, str]) -> None:
    body, message = values["max_body_bytes"], values["max_message_bytes"]
    # Base64 makes four bytes of three.
    needed = -(-body * 4 // 3) + MESSAGE_OVERHEAD_BYTES
    if needed > message:
        raise StartError(
            f"{names['max_message_bytes']} must be at least {needed} and is {message}: "
            f"a body of {body} bytes, as {names['max_body_bytes']} allows, would not fit into a message"
        )
