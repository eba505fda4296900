"""The statements about users, sessions, API tokens and tried sign-ins, in a transaction of the caller's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import inf
from typing import Any, NamedTuple
from uuid import uuid4

from msgspec import Struct
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from toru.errors import StartError, TokenNotFound, UserExists, UserNotFound
from toru.model import ApiToken, LoginAttempt, Principal, User
from toru.store.schema import login_attempts, sessions, tokens, users
from toru.wire.messages import rfc3339

# Sessions that one user has at once; a script that signs in for each call would otherwise leave thousands.
MOST_SESSIONS = 1000
# Tried sign-ins that are kept: for how many seconds, and how many at most.
HISTORY_SECONDS = 90 * 86400.0
HISTORY_ROWS = 10_000
# Characters of a tried name that are kept.
MOST_NAME = 64
# What an id looks like; one in a path may be anything, even what PostgreSQL takes for no text.
_ID = re.compile(r"[0-9a-f]{32}")


class Key(NamedTuple):
    """What a secret opens: `digest` of the secret, whose it is, and when it ends (seconds since 1970)."""

    digest: bytes
    principal: Principal
    expires_at: float = inf


class Keys(NamedTuple):
    """Everything by which somebody can be known."""

    sessions: list[Key]
    tokens: list[Key]


class Credentials(Struct, frozen=True):
    """An account and the hash of its password, which it shows to nobody."""

    user: User
    password_hash: str

    def __repr__(self) -> str:
        return f"<credentials of {self.user.username}>"


class AdminAccount:
    """The one account with the role admin, in a transaction of the caller's. Blocks: for the start."""

    def __init__(self, connection: Connection, now: float) -> None:
        self._connection = connection
        self._now = now

    def find(self) -> Credentials | None:
        """None before the first start."""
        row = self._connection.execute(select(users).where(users.c.role == "admin")).first()
        return None if row is None else _with_hash(row)

    def create(self, username: str, password_hash: str) -> None:
        """Raises StartError where a client account has the name."""
        self._refuse_taken(username, "")
        self._connection.execute(
            insert(users).values(
                id=uuid4().hex,
                username=username,
                display_name=username,
                role="admin",
                password_hash=password_hash,
                active=True,
                created_at=self._now,
            )
        )

    def rename(self, id: str, username: str) -> None:
        """Raises StartError where a client account has the name."""
        self._refuse_taken(username, id)
        self._connection.execute(
            update(users).where(users.c.id == id).values(username=username, display_name=username)
        )

    def set_password(self, id: str, password_hash: str) -> None:
        """Ends the admin's sessions."""
        _set_hash(self._connection, id, password_hash)

    def _refuse_taken(self, username: str, id: str) -> None:
        if _is_taken(self._connection, username, id):
            raise StartError(
                f"TORU_ADMIN_USERNAME: a client account has the name {username!r} already; choose another"
            )


def read_keys(connection: Connection, now: float) -> Keys:
    """As `Accounts.keys`, in a transaction of the caller's."""
    connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
    _forget_attempts(connection, now)
    of_sessions = select(sessions.c.token_hash, sessions.c.expires_at, users).join_from(sessions, users)
    return Keys(
        [
            Key(bytes(row.token_hash), principal_of(_user(row)), row.expires_at)
            for row in connection.execute(of_sessions.where(users.c.active))
        ],
        [
            Key(bytes(row.token_hash), principal_of_token(_token(row)))
            for row in connection.execute(select(tokens))
        ],
    )


def recent_failures(connection: Connection, since: float) -> list[tuple[str, str, float]]:
    """The sign-ins that failed after `since` (seconds since 1970), oldest first: name, address, moment."""
    failed = login_attempts.c.success.is_(False) & (login_attempts.c.at > since)
    rows = connection.execute(select(login_attempts).where(failed).order_by(login_attempts.c.id))
    return [(row.username, row.address, row.at) for row in rows]


def principal_of(user: User) -> Principal:
    """Who somebody is that signed in to that account."""
    return Principal(user.role, user.id, user.username, user.display_name, "session")


def principal_of_token(token: ApiToken) -> Principal:
    """Who somebody is that shows that token."""
    return Principal(token.role, token.id, token.name, token.name, "token")


def clients(connection: Connection) -> list[User]:
    clients = select(users).where(users.c.role == "client").order_by(users.c.username)
    return [_user(row) for row in connection.execute(clients)]


def client(connection: Connection, id: str) -> User:
    client = select(users).where(users.c.id == id, users.c.role == "client")
    row = connection.execute(client).first() if _ID.fullmatch(id) else None
    if row is None:
        raise UserNotFound("There is no client account with this id.")
    return _user(row)


def credentials_of(connection: Connection, username: str) -> Credentials | None:
    row = connection.execute(select(users).where(users.c.username == username)).first()
    return None if row is None else _with_hash(row)


def add_user(connection: Connection, values: dict[str, Any]) -> User:
    if _is_taken(connection, values["username"], ""):
        raise UserExists(f"There is an account with the name '{values['username']}' already.")
    connection.execute(insert(users).values(values))
    return client(connection, values["id"])


def change_user(connection: Connection, id: str, changes: dict[str, Any]) -> User:
    client(connection, id)
    if changes:
        connection.execute(update(users).where(users.c.id == id).values(changes))
    if changes.get("active") is False:
        _end_sessions(connection, id)
    return client(connection, id)


def remove_user(connection: Connection, id: str) -> None:
    client(connection, id)
    _end_sessions(connection, id)
    connection.execute(delete(users).where(users.c.id == id))


def set_client_password(connection: Connection, id: str, password_hash: str) -> None:
    client(connection, id)
    _set_hash(connection, id, password_hash)


def change_password(connection: Connection, id: str, old_hash: str, new_hash: str, keep: bytes) -> bool:
    same = (users.c.id == id) & (users.c.password_hash == old_hash) & users.c.active
    changed = connection.execute(update(users).where(same).values(password_hash=new_hash)).rowcount
    if changed:
        connection.execute(delete(sessions).where(sessions.c.user_id == id, sessions.c.token_hash != keep))
    return bool(changed)


def open_session(
    connection: Connection,
    checked: Credentials,
    new_hash: str | None,
    session: dict[str, Any],
    address: str,
) -> list[bytes] | None:
    id = checked.user.id
    row = connection.execute(select(users).where(users.c.id == id).with_for_update()).first()
    if row is None or not row.active or row.password_hash != checked.password_hash:
        return None
    if new_hash is not None:
        connection.execute(update(users).where(users.c.id == id).values(password_hash=new_hash))
    connection.execute(insert(sessions).values(session))
    record(connection, checked.user.username, address, session["created_at"], success=True)
    oldest = select(sessions.c.token_hash).where(sessions.c.user_id == id)
    oldest = oldest.order_by(sessions.c.created_at.desc(), sessions.c.token_hash).offset(MOST_SESSIONS)
    gone: Sequence[bytes] = connection.scalars(oldest).all()
    if gone:
        connection.execute(delete(sessions).where(sessions.c.token_hash.in_(gone)))
    return [bytes(digest) for digest in gone]


def close_session(connection: Connection, digest: bytes) -> None:
    connection.execute(delete(sessions).where(sessions.c.token_hash == digest))


def record(connection: Connection, username: str, address: str, at: float, *, success: bool) -> None:
    values = {"at": at, "username": username[:MOST_NAME], "address": address, "success": success}
    connection.execute(insert(login_attempts).values(values))


def _forget_attempts(connection: Connection, now: float) -> None:
    connection.execute(delete(login_attempts).where(login_attempts.c.at < now - HISTORY_SECONDS))
    id = login_attempts.c.id
    first_too_many = select(id).order_by(id.desc()).offset(HISTORY_ROWS).limit(1).scalar_subquery()
    connection.execute(delete(login_attempts).where(id <= first_too_many))


def history(connection: Connection, page: int, page_size: int) -> tuple[list[LoginAttempt], int]:
    newest = select(login_attempts).order_by(login_attempts.c.id.desc())
    rows = connection.execute(newest.offset(page * page_size).limit(page_size))
    attempts = [LoginAttempt(row.id, rfc3339(row.at), row.username, row.address, row.success) for row in rows]
    return attempts, connection.scalar(select(func.count()).select_from(login_attempts)) or 0


def api_tokens(connection: Connection) -> list[ApiToken]:
    oldest = select(tokens).order_by(tokens.c.created_at, tokens.c.id)
    return [_token(row) for row in connection.execute(oldest)]


def add_token(connection: Connection, values: dict[str, Any]) -> ApiToken:
    connection.execute(insert(tokens).values(values))
    return ApiToken(values["id"], values["name"], values["role"], rfc3339(values["created_at"]))


def remove_token(connection: Connection, id: str) -> bytes:
    of_token = select(tokens.c.token_hash).where(tokens.c.id == id)
    digest = connection.scalar(of_token) if _ID.fullmatch(id) else None
    if digest is None:
        raise TokenNotFound("There is no API token with this id.")
    connection.execute(delete(tokens).where(tokens.c.id == id))
    return bytes(digest)


def _is_taken(connection: Connection, username: str, id: str) -> bool:
    """Whether another account than `id` has this name, or one that looks like it."""
    same = func.lower(users.c.username) == username.lower()
    return connection.execute(select(users.c.id).where(same, users.c.id != id)).first() is not None


def _set_hash(connection: Connection, id: str, password_hash: str) -> None:
    connection.execute(update(users).where(users.c.id == id).values(password_hash=password_hash))
    _end_sessions(connection, id)


def _end_sessions(connection: Connection, id: str) -> None:
    connection.execute(delete(sessions).where(sessions.c.user_id == id))


def _user(row: Row[Any]) -> User:
    return User(row.id, row.username, row.display_name, row.role, row.active, rfc3339(row.created_at))


def _with_hash(row: Row[Any]) -> Credentials:
    return Credentials(_user(row), row.password_hash)


def _token(row: Row[Any]) -> ApiToken:
    return ApiToken(row.id, row.name, row.role, rfc3339(row.created_at))
