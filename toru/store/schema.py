"""All tables, for any database that SQLAlchemy knows: migrations make them, and a test compares the two.

Moments that the program compares with its clock are seconds since 1970, as `IReactorTime.seconds()` has
them; those of logs and events are the RFC 3339 text of the records, of a fixed width, so that their order
as text is their order in time.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

# Constraints have names, because a later migration can only change what it can name.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only in a column of the type INTEGER, which holds 64 bits there.
Id = BigInteger().with_variant(Integer, "sqlite")


class PlainText(TypeDecorator[str]):
    """Text from outside. PostgreSQL has no NUL in a text, and UTF-8 no half of a surrogate pair: `␀` and `?`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or (value.isascii() and "\0" not in value):
            return value
        return value.replace("\0", "␀").encode("utf-8", "replace").decode()


def _table(name: str, *parts: Any) -> Table:
    # Numbers are never given twice, not even those of rows that are gone: streams that resume rely on it.
    return Table(name, metadata, *parts, sqlite_autoincrement=True)


# Keys and values are UTF-8 as bytes: they may hold NUL, and the order and the prefixes of keys are then
# the same in every database, whatever its collation.
plugin_kv = Table(
    "plugin_kv",
    metadata,
    Column("plugin", String(64), primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("expires_at", Double),
    # Elsewhere it holds all rows: to say it to PostgreSQL would load that dialect at every start.
    Index("ix_plugin_kv_expires_at", "expires_at", sqlite_where=text("expires_at IS NOT NULL")),
)

# What each plugin's keys and values take, kept beside them, because adding up a million rows takes long.
plugin_kv_usage = Table(
    "plugin_kv_usage",
    metadata,
    Column("plugin", String(64), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
)

plugin_logs = _table(
    "plugin_logs",
    Column("id", Id, primary_key=True),
    Column("plugin", String(64), nullable=False),
    Column("timestamp", String(24), nullable=False),
    # 0 is trace, 4 is error: a filter for the least severe is a comparison.
    Column("severity", SmallInteger, nullable=False),
    Column("message", PlainText, nullable=False),
    # The message without upper case, for searches; NULL where the database can do that itself.
    Column("folded", PlainText),
    Column("stream", String(8), nullable=False),
    # JSON, or NULL where there are none.
    Column("fields", PlainText),
    Column("pid", BigInteger),
    # What the record counts for where a plugin's log is limited, in bytes.
    Column("size", Integer, nullable=False),
    # All that filters, pages and limits need, so that they read no messages.
    Index("ix_plugin_logs_listing", "plugin", "id", "severity", "timestamp", "size"),
)

plugin_events = _table(
    "plugin_events",
    Column("id", Id, primary_key=True),
    Column("timestamp", String(24), nullable=False),
    # Empty where the event is of no plugin.
    Column("plugin", String(64), nullable=False),
    Column("type", String(64), nullable=False),
    # JSON
    Column("details", PlainText, nullable=False),
    Index("ix_plugin_events_plugin_id", "plugin", "id"),
)

users = Table(
    "users",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("username", PlainText, nullable=False),
    Column("display_name", PlainText, nullable=False),
    Column("role", String(16), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("username"),
)

# Of the secrets of sessions and API tokens only the SHA-256 is here.
sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("user_id", String(32), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", PlainText, nullable=False),
    Column("role", String(16), nullable=False),
    Column("token_hash", LargeBinary(32), nullable=False),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("token_hash"),
)

login_attempts = _table(
    "login_attempts",
    Column("id", Id, primary_key=True),
    Column("at", Double, nullable=False, index=True),
    Column("username", PlainText, nullable=False),
    Column("address", PlainText, nullable=False),
    Column("success", Boolean, nullable=False),
)

webhook_deliveries = _table(
    "webhook_deliveries",
    Column("id", Id, primary_key=True),
    Column("url", PlainText, nullable=False),
    Column("event", String(64), nullable=False),
    Column("body", PlainText, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("last_error", PlainText),
    Index("ix_webhook_deliveries_url_due_at", "url", "due_at"),
)
