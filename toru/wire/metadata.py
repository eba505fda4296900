"""What `--metadata` printed, checked field by field."""

from __future__ import annotations

import re
from typing import Any, Final, NoReturn, cast, get_args

from msgspec import DecodeError, json

from toru import model
from toru.errors import InvalidMetadata
from toru.model import Capability, PluginMetadata
from toru.wire.messages import excerpt

MAX_CONCURRENCY: Final = 10_000

# `name` and `author` are shorter than this.
NAME_LENGTH: Final = 100
# Under `/api/plugins/` these are calls of the core's own.
RESERVED_IDS: Final = frozenset({"route", "rescan", "problems"})
CAPABILITIES: Final[tuple[str, ...]] = get_args(Capability)
_PROTOCOLS: Final = frozenset[str](get_args(model.Protocol))

ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?")
ROUTE = re.compile(r"/[A-Za-z0-9._-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_documents = json.Decoder(dict[str, Any])


def parse_metadata(output: bytes) -> PluginMetadata:
    """What a plugin says of itself. Raises InvalidMetadata, which names the field and what it may be."""
    if not output.strip():
        raise InvalidMetadata("`--metadata` printed nothing; it must print one JSON object")
    try:
        fields = _documents.decode(output)
    except RecursionError:
        raise InvalidMetadata("`--metadata` printed JSON that is nested too deeply") from None
    except UnicodeDecodeError:
        raise InvalidMetadata("`--metadata` printed something that is not UTF-8") from None
    except DecodeError as error:
        raise InvalidMetadata(f"`--metadata` must print one JSON object and nothing else: {error}") from None
    return PluginMetadata(
        id=_id(_required(fields, "id")),
        name=_line("name", _named("name", _required(fields, "name"))),
        version=_line("version", _named("version", _required(fields, "version"))),
        route=_route(_required(fields, "route")),
        icon=_optional(fields, "icon"),
        author=_line("author", _optional(fields, "author")),
        description=_optional(fields, "description"),
        protocol=_protocol(fields.get("protocol")),
        capabilities=_capabilities(fields.get("capabilities")),
        concurrency=_concurrency(fields.get("concurrency")),
    )


def _reject(field: str, why: str) -> NoReturn:
    raise InvalidMetadata(f"field `{field}`: {why}")


def _required(fields: dict[str, Any], field: str) -> str:
    if fields.get(field) is None:
        _reject(field, "is missing; it is required, a string")
    return _optional(fields, field)


def _optional(fields: dict[str, Any], field: str) -> str:
    value = fields.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        _reject(field, "must be a string")
    return value


def _id(value: str) -> str:
    if not ID.fullmatch(value):
        _reject(
            "id",
            f"{excerpt(value)} is not allowed; it must be 1 to 64 ASCII letters, digits and `-`, "
            "and not start or end with `-`",
        )
    if value in RESERVED_IDS:
        _reject("id", f"`{value}` is reserved; choose another one")
    return value


def _named(field: str, value: str) -> str:
    if not value.strip():
        _reject(field, "must not be empty")
    return value


def _line(field: str, value: str) -> str:
    """A string that is shown on one line."""
    if field != "version" and len(value) >= NAME_LENGTH:
        _reject(field, f"has {len(value):,} characters; it must have fewer than {NAME_LENGTH}")
    if _CONTROL.search(value):
        _reject(field, "must not hold control characters")
    return value


def _route(value: str) -> str:
    if not value.startswith("/"):
        _reject("route", f"must start with `/`; it is {excerpt(value)}")
    if ".." in value or value == "/.":
        _reject("route", "must not hold `..` nor be `/.`")
    if not ROUTE.fullmatch(value):
        _reject(
            "route",
            f"{excerpt(value)} is not allowed; it must be `/` and one segment of ASCII letters, digits, "
            "`-`, `_` and `.`",
        )
    return value


def _protocol(value: object) -> model.Protocol | None:
    if value is None:
        return None
    if not isinstance(value, str) or value not in _PROTOCOLS:
        _reject("protocol", 'must be the string "1" or "2"')
    return cast(model.Protocol, value)


def _capabilities(value: object) -> tuple[Capability, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        _reject("capabilities", "must be a list of strings")
    known = dict.fromkeys(one for one in value if one in CAPABILITIES)
    return tuple(cast(Capability, one) for one in known)


def _concurrency(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_CONCURRENCY:
        _reject("concurrency", f"must be a whole number from 1 to {MAX_CONCURRENCY:,}")
    return value
