"""The admin's account at a start: from the settings, or made up at the first one."""

from __future__ import annotations

from typing import Protocol

from twisted.logger import Logger

from toru.access.names import USERNAME_RULE, is_username
from toru.access.passwords import Hasher, broken_rules, made_up_password
from toru.access.secret import Secret
from toru.errors import StartError
from toru.store.accounttable import Credentials

DEFAULT_USERNAME = "admin"

_log = Logger()


class AdminAccount(Protocol):
    """The one account with the role admin. Nothing is kept before the transaction that it is in ends."""

    def find(self) -> Credentials | None: ...

    def create(self, username: str, password_hash: str, /) -> None: ...

    def rename(self, id: str, username: str, /) -> None: ...

    def set_password(self, id: str, password_hash: str, /) -> None:
        """Ends the admin's sessions."""


class MadeUp:
    """An admin's name, and the password that was made up for it: to be printed once the account is kept."""

    def __init__(self, username: str, password: Secret) -> None:
        self.username = username
        self.password = password


def settle_admin(
    account: AdminAccount, hasher: Hasher, username: str | None, password: str | None
) -> MadeUp | None:
    """Make the admin's account what TORU_ADMIN_USERNAME and TORU_ADMIN_PASSWORD say. Blocks for some 0.1 s.

    None or empty leaves what is there. A password that is the one already there changes nothing, so
    that sessions stay. Raises StartError for a name or a password that cannot be used.
    """
    if username and not is_username(username):
        raise StartError(f"TORU_ADMIN_USERNAME {USERNAME_RULE}; {username!r} does not")
    if password and not _is_text(password):
        raise StartError("TORU_ADMIN_PASSWORD is not UTF-8, so that nobody could sign in with it")
    if password and broken_rules(password):
        _log.warn("TORU_ADMIN_PASSWORD is weak: it lacks {lacks}", lacks=", ".join(broken_rules(password)))
    found = account.find()
    if found is None:
        name = username or DEFAULT_USERNAME
        if password:
            account.create(name, hasher.hash(password))
            return None
        made_up = made_up_password()
        account.create(name, hasher.hash(made_up))
        return MadeUp(name, Secret(made_up))
    if username and username != found.user.username:
        account.rename(found.user.id, username)
    if password and not hasher.verify(found.password_hash, password):
        account.set_password(found.user.id, hasher.hash(password))
    return None


def _is_text(password: str) -> bool:
    """Whether it can be sent to us: what was no UTF-8 in the environment cannot."""
    try:
        password.encode()
    except UnicodeEncodeError:
        return False
    return True
