"""Users, sessions, API tokens and tried sign-ins, as they are kept: of secrets only hashes."""

from __future__ import annotations

from functools import partial
from uuid import uuid4

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from toru.model import ApiToken, LoginAttempt, TokenRole, User
from toru.store import accounttable as table
from toru.store.accounttable import Credentials, Keys
from toru.store.database import Database


class Accounts:
    """Calls fail with StorageUnavailable or StorageFull where the database does.

    The admin's account is no client account: it is not listed, and cannot be changed or removed here.
    """

    def __init__(self, database: Database, clock: IReactorTime) -> None:
        self._database = database
        self._clock = clock

    # -- users

    def users(self) -> Deferred[list[User]]:
        """The client accounts, by name."""
        return self._database.read(table.clients)

    def user(self, id: str) -> Deferred[User]:
        """A client account. Fails with UserNotFound."""
        return self._database.read(partial(table.client, id=id))

    def credentials(self, username: str) -> Deferred[Credentials | None]:
        """The account that has exactly this name, the admin's too."""
        return self._database.read(partial(table.credentials_of, username=username))

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
        return self._database.write(partial(table.add_user, values=values))

    def change_user(self, id: str, display_name: str | None, active: bool | None) -> Deferred[User]:
        """None leaves a value as it is; one that is no longer active loses its sessions. Fails with UserNotFound."""
        given = {"display_name": display_name, "active": active}
        changes = {name: value for name, value in given.items() if value is not None}
        return self._database.write(partial(table.change_user, id=id, changes=changes))

    def remove_user(self, id: str) -> Deferred[None]:
        """With its sessions. Fails with UserNotFound."""
        return self._database.write(partial(table.remove_user, id=id))

    def set_client_password(self, id: str, password_hash: str) -> Deferred[None]:
        """Ends all sessions of that client. Fails with UserNotFound."""
        return self._database.write(partial(table.set_client_password, id=id, password_hash=password_hash))

    def change_password(self, id: str, old_hash: str, new_hash: str, keep: bytes) -> Deferred[bool]:
        """Anybody's own: ends that user's sessions but the one with the digest `keep`.

        False where the old hash is not the user's any more, and nothing was done.
        """
        return self._database.write(
            partial(table.change_password, id=id, old_hash=old_hash, new_hash=new_hash, keep=keep)
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
                table.open_session,
                checked=credentials,
                new_hash=new_hash,
                session={
                    "token_hash": digest,
                    "user_id": credentials.user.id,
                    "created_at": now,
                    "expires_at": expires_at,
                },
                address=address,
            )
        )

    def close_session(self, digest: bytes) -> Deferred[None]:
        """Nothing happens where there is no such session."""
        return self._database.write(partial(table.close_session, digest=digest))

    def record_failure(self, username: str, address: str) -> Deferred[None]:
        """A sign-in with that name failed just now."""
        now = self._clock.seconds()
        return self._database.write(
            partial(table.record, username=username, address=address, at=now, success=False)
        )

    def login_history(self, page: int, page_size: int) -> Deferred[tuple[list[LoginAttempt], int]]:
        """One page of the tried sign-ins, newest first (pages from 0), and how many there are in all."""
        return self._database.read(partial(table.history, page=page, page_size=page_size))

    def tokens(self) -> Deferred[list[ApiToken]]:
        """All API tokens, oldest first."""
        return self._database.read(table.api_tokens)

    def add_token(self, name: str, role: TokenRole, digest: bytes) -> Deferred[ApiToken]:
        """Keep a new API token by the digest of it."""
        now = self._clock.seconds()
        values = {"id": uuid4().hex, "name": name, "role": role, "token_hash": digest, "created_at": now}
        return self._database.write(partial(table.add_token, values=values))

    def remove_token(self, id: str) -> Deferred[bytes]:
        """Fires with the digest of the token that is gone. Fails with TokenNotFound."""
        return self._database.write(partial(table.remove_token, id=id))

    def keys(self) -> Deferred[Keys]:
        """All that is good now; sessions and tried sign-ins whose time is over are cleared away.

        It takes its turn with the writes: what it brings holds every one that fires before it and none
        that fires after it.
        """
        return self._database.write(partial(table.read_keys, now=self._clock.seconds()))
