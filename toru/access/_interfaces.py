"""What the doors need of whoever keeps the accounts, and nothing more."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred

from toru.model import ApiToken, TokenRole, User
from toru.store.accounttable import Credentials, Keys


class Accounts(Protocol):
    """As `toru.store.accounts.Accounts`. Cancelling a Deferred ends the wait, not always the work.

    Writes fire in the order in which they took effect.
    """

    def credentials(self, username: str, /) -> Deferred[Credentials | None]: ...

    def add_user(self, username: str, display_name: str, password_hash: str, /) -> Deferred[User]: ...

    def change_user(self, id: str, display_name: str | None, active: bool | None, /) -> Deferred[User]: ...

    def remove_user(self, id: str, /) -> Deferred[None]: ...

    def set_client_password(self, id: str, password_hash: str, /) -> Deferred[None]: ...

    def change_password(self, id: str, old_hash: str, new_hash: str, keep: bytes, /) -> Deferred[bool]: ...

    def open_session(
        self,
        credentials: Credentials,
        new_hash: str | None,
        digest: bytes,
        expires_at: float,
        address: str,
        /,
    ) -> Deferred[list[bytes] | None]: ...

    def close_session(self, digest: bytes, /) -> Deferred[None]: ...

    def record_failure(self, username: str, address: str, /) -> Deferred[None]: ...

    def add_token(self, name: str, role: TokenRole, digest: bytes, /) -> Deferred[ApiToken]: ...

    def remove_token(self, id: str, /) -> Deferred[bytes]: ...

    def keys(self) -> Deferred[Keys]: ...
