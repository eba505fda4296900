"""Users, sessions, API tokens and tried sign-ins, as they are kept: of secrets only hashes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import uuid4

from msgspec import Struct
from sqlalchemy import Connection, Row, delete, func, insert, select, update
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from toru.errors import StartError, TokenNotFound, UserExists, UserNotFound
from toru.model import ApiToken, LoginAttempt, Principal, TokenRole, User
from toru.store.schema import login_attempts, sessions, tokens, users
from toru.wire.messages import rfc3339

T = TypeVar("T")

# Sessions that one user has at once; a script that signs in for each call would otherwise leave thousands.
MOST_SESSIONS = 1000
# Tried sign-ins that are kept: for how many seconds, and how many at most.
HISTORY_SECONDS = 90 * 86400.0
HISTORY_ROWS = 10_000
# Characters of a tried name that are kept.
MOST_NAME = 64


class Database(Protocol):
    """What runs the statements: `toru.store.database`."""

    def write(self, work: Callable[[Connection], T], /) -> Deferred[T]: ...

    def read(self, work: Callable[[Connection], T], /) -> Deferred[T]: ...


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


class Accounts:
    """Every call but `admin` is a Deferred, and fails with StorageUnavailable or StorageFull where the store does.

    A user that another call has removed is a UserNotFound. Where only client accounts are meant, the
    admin's is none.
    """

    def __init__(self, database: Database, clock: IReactorTime) -> None:
        self._database = database
        self._clock = clock

    # -- users

    def users(self) -> Deferred[list[User]]:
        """The client accounts, by name."""
        return self._database.read(_users)

    def user(self, id: str) -> Deferred[User]:
        """A client account. Fails with UserNotFound."""
        return self._database.read(partial(_client, id=id))

    def credentials(self, username: str) -> Deferred[Credentials | None]:
        """The account that has exactly this name, the admin's too."""
        return self._database.read(partial(_credentials, username=username))

    def add_user(self, username: str, display_name: str, password_hash: str) -> Deferred[User]:
        """A new client account. Fails with UserExists."""
        values = {
            "id": uuid4().hex,
            "username": username,
            "display_name": display_name,
            "role": "client",
            "password_hash": password_hash,
            "active": True,
            "created_at": self._clock.seconds(),
        }
        return self._database.write(partial(_add_user, values=values))

    def change_user(self, id: str, display_name: str | None, active: bool | None) -> Deferred[User]:
        """None leaves a value as it is; one that is no longer active loses its sessions. Fails with UserNotFound."""
        given = {"display_name": display_name, "active": active}
        changes = {name: value for name, value in given.items() if value is not None}
        return self._database.write(partial(_change_user, id=id, changes=changes))

    def remove_user(self, id: str) -> Deferred[None]:
        """With its sessions. Fails with UserNotFound."""
        return self._database.write(partial(_remove_user, id=id))

    def set_client_password(self, id: str, password_hash: str) -> Deferred[None]:
        """Ends all sessions of that client. Fails with UserNotFound."""
        return self._database.write(partial(_set_client_password, id=id, password_hash=password_hash))

    def change_password(self, id: str, old_hash: str, new_hash: str, keep: bytes) -> Deferred[bool]:
        """Anybody's own: ends that user's sessions but the one with the digest `keep`.

        False where the old hash is not the user's any more, and nothing was done.
        """
        return self._database.write(
            partial(_change_password, id=id, old_hash=old_hash, new_hash=new_hash, keep=keep)
        )

    # -- sessions, tokens, and signing in

    def open_session(
        self,
        credentials: Credentials,
        new_hash: str | None,
        digest: bytes,
        expires_at: float,
        address: str,
    ) -> Deferred[list[bytes] | None]:
        """A session for somebody whose password was checked; `new_hash` takes the place of the old one.

        Fires with the digests of sessions that had to give way, and with None where the account is not
        as it was when it was checked.
        """
        now = self._clock.seconds()
        return self._database.write(
            partial(
                _open_session,
                checked=credentials,
                new_hash=new_hash,
                session={
                    "token_hash": digest,
                    "user_id": credentials.user.id,
                    "created_at": now,
                    "expires_at": expires_at,
                },
                attempt=_attempt(credentials.user.username, address, now, success=True),
            )
        )

    def close_session(self, digest: bytes) -> Deferred[None]:
        """Nothing happens where there is no such session."""
        return self._database.write(partial(_close_session, digest=digest))

    def record_failure(self, username: str, address: str) -> Deferred[None]:
        """A sign-in with that name failed just now."""
        values = _attempt(username, address, self._clock.seconds(), success=False)
        return self._database.write(partial(_record, values=values))

    def login_history(self, page: int, page_size: int) -> Deferred[tuple[list[LoginAttempt], int]]:
        """One page of the tried sign-ins, newest first (pages from 0), and how many there are in all."""
        return self._database.read(partial(_history, page=page, page_size=page_size))

    def tokens(self) -> Deferred[list[ApiToken]]:
        """All API tokens, oldest first."""
        return self._database.read(_tokens)

    def add_token(self, name: str, role: TokenRole, digest: bytes) -> Deferred[ApiToken]:
        """Keep a new API token by the digest of it."""
        now = self._clock.seconds()
        values = {"id": uuid4().hex, "name": name, "role": role, "token_hash": digest, "created_at": now}
        return self._database.write(partial(_add_token, values=values))

    def remove_token(self, id: str) -> Deferred[bytes]:
        """Fires with the digest of the token that is gone. Fails with TokenNotFound."""
        return self._database.write(partial(_remove_token, id=id))

    def keys(self) -> Deferred[Keys]:
        """All that is good now; sessions and tried sign-ins whose time is over are cleared away.

        It takes its turn with the writes: what it brings holds every one that fires before it and none
        that fires after it.
        """
        return self._database.write(partial(read_keys, now=self._clock.seconds()))


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
            Key(
                bytes(row.token_hash),
                principal_of(_user(row)),
                row.expires_at,
            )
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


def _users(connection: Connection) -> list[User]:
    clients = select(users).where(users.c.role == "client").order_by(users.c.username)
    return [_user(row) for row in connection.execute(clients)]


def _client(connection: Connection, id: str) -> User:
    client = select(users).where(users.c.id == id, users.c.role == "client")
    row = connection.execute(client).first()
    if row is None:
        raise UserNotFound(_NO_USER)
    return _user(row)


def _credentials(connection: Connection, username: str) -> Credentials | None:
    row = connection.execute(select(users).where(users.c.username == username)).first()
    return None if row is None else _with_hash(row)


def _add_user(connection: Connection, values: dict[str, Any]) -> User:
    if _is_taken(connection, values["username"], ""):
        raise UserExists(f"There is an account with the name '{values['username']}' already.")
    connection.execute(insert(users).values(values))
    return _client(connection, values["id"])


def _change_user(connection: Connection, id: str, changes: dict[str, Any]) -> User:
    _client(connection, id)
    if changes:
        connection.execute(update(users).where(users.c.id == id).values(changes))
    if changes.get("active") is False:
        _end_sessions(connection, id)
    return _client(connection, id)


def _remove_user(connection: Connection, id: str) -> None:
    _client(connection, id)
    _end_sessions(connection, id)
    connection.execute(delete(users).where(users.c.id == id))


def _set_client_password(connection: Connection, id: str, password_hash: str) -> None:
    _client(connection, id)
    _set_hash(connection, id, password_hash)


def _change_password(connection: Connection, id: str, old_hash: str, new_hash: str, keep: bytes) -> bool:
    same = (users.c.id == id) & (users.c.password_hash == old_hash) & users.c.active
    changed = connection.execute(update(users).where(same).values(password_hash=new_hash)).rowcount
    if changed:
        connection.execute(delete(sessions).where(sessions.c.user_id == id, sessions.c.token_hash != keep))
    return bool(changed)


def _open_session(
    connection: Connection,
    checked: Credentials,
    new_hash: str | None,
    session: dict[str, Any],
    attempt: dict[str, Any],
) -> list[bytes] | None:
    id = checked.user.id
    row = connection.execute(select(users).where(users.c.id == id).with_for_update()).first()
    if row is None or not row.active or row.password_hash != checked.password_hash:
        return None
    if new_hash is not None:
        connection.execute(update(users).where(users.c.id == id).values(password_hash=new_hash))
    connection.execute(insert(sessions).values(session))
    _record(connection, attempt)
    oldest = select(sessions.c.token_hash).where(sessions.c.user_id == id)
    oldest = oldest.order_by(sessions.c.created_at.desc(), sessions.c.token_hash).offset(MOST_SESSIONS)
    gone: Sequence[bytes] = connection.scalars(oldest).all()
    if gone:
        connection.execute(delete(sessions).where(sessions.c.token_hash.in_(gone)))
    return [bytes(digest) for digest in gone]


def _close_session(connection: Connection, digest: bytes) -> None:
    connection.execute(delete(sessions).where(sessions.c.token_hash == digest))


def _record(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(insert(login_attempts).values(values))


def _forget_attempts(connection: Connection, now: float) -> None:
    connection.execute(delete(login_attempts).where(login_attempts.c.at < now - HISTORY_SECONDS))
    id = login_attempts.c.id
    first_too_many = select(id).order_by(id.desc()).offset(HISTORY_ROWS).limit(1).scalar_subquery()
    connection.execute(delete(login_attempts).where(id <= first_too_many))


def _history(connection: Connection, page: int, page_size: int) -> tuple[list[LoginAttempt], int]:
    newest = select(login_attempts).order_by(login_attempts.c.id.desc())
    rows = connection.execute(newest.offset(page * page_size).limit(page_size))
    attempts = [LoginAttempt(row.id, rfc3339(row.at), row.username, row.address, row.success) for row in rows]
    return attempts, connection.scalar(select(func.count()).select_from(login_attempts)) or 0


def _tokens(connection: Connection) -> list[ApiToken]:
    return [
        _token(row) for row in connection.execute(select(tokens).order_by(tokens.c.created_at, tokens.c.id))
    ]


def _add_token(connection: Connection, values: dict[str, Any]) -> ApiToken:
    connection.execute(insert(tokens).values(values))
    return ApiToken(values["id"], values["name"], values["role"], rfc3339(values["created_at"]))


def _remove_token(connection: Connection, id: str) -> bytes:
    of_token = select(tokens.c.token_hash).where(tokens.c.id == id)
    digest = connection.scalar(of_token)
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


def _attempt(username: str, address: str, at: float, *, success: bool) -> dict[str, Any]:
    return {
        "at": at,
        "username": username[:MOST_NAME],
        "address": address,
        "success": success,
    }


_NO_USER = "There is no client account with this id."
