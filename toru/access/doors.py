"""Signing in and out, and every change of who somebody is, known at once.

Reads that change nobody's rights (lists of users, of tokens, of tried sign-ins) are the store's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import NamedTuple, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from toru.access._interfaces import Accounts
from toru.access.known import Known
from toru.access.names import check_display_name, check_token_name, check_username
from toru.access.passwords import MOST_WAITING, Passwords, check_password
from toru.access.secret import TOKEN_PREFIX, PluginTokens, Secret, digest, new_secret
from toru.access.throttle import Throttle
from toru.errors import (
    Forbidden,
    SignInBusy,
    TooManyFailures,
    ToruError,
    WrongCredentials,
    WrongPassword,
)
from toru.model import ApiToken, Principal, TokenRole, User
from toru.store.accounttable import Credentials, Key, Keys, principal_of, principal_of_token

T = TypeVar("T")

SESSION_SECONDS = 7 * 86400
# Seconds from one look at the store to the next: with the time that a look takes, memory is at most 10 s old.
REFRESH_SECONDS = 5.0


class SignedIn(NamedTuple):
    """A new session: the value for its cookie, whose it is, and the seconds that it lasts."""

    session: Secret
    principal: Principal
    max_age: int


class NewToken(NamedTuple):
    """A new API token, and what is kept of it."""

    token: Secret
    kept: ApiToken


class Doors(Known):
    """All who can be known, and the way in.

    Cancelling a Deferred ends the wait and gives up a place in a queue; what was begun goes on, so that
    memory never lags behind the store.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, accounts: Accounts, passwords: Passwords, plugin_tokens: PluginTokens
    ) -> None:
        super().__init__(clock)
        self._accounts = accounts
        self._passwords = passwords
        self._plugin_tokens = plugin_tokens
        self._throttle = Throttle()
        # One sign-in after another: the next one is to see how this one ended, or a burst would try as
        # many passwords as it has requests before the first failure counts.
        self._turn = DeferredLock()
        self._refreshing: IDelayedCall | None = None
        self._running = False
        self._stale = False

    def start(self, keys: Keys, failures: Iterable[tuple[str, str, float]]) -> None:
        """Take what the store knows at the start, and look there again from time to time."""
        self._take(keys)
        for failure in failures:
            self._throttle.failed(*failure)
        self._running = True
        self._refresh_later()

    def stop(self) -> None:
        """Look into the store no more."""
        self._running = False
        if self._refreshing is not None and self._refreshing.active():
            self._refreshing.cancel()

    def find(self, session: bytes | None, token: bytes | None) -> Key | None:
        """Plugins are known, too, by the tokens of their processes."""
        plugin = None if token is None else self._plugin_tokens.find(token)
        return plugin or super().find(session, token)

    def open_to(self, key: Key) -> bool:
        return super().open_to(key) or self._plugin_tokens.has(key)

    # -- sessions

    def sign_in(self, username: str, password: str, address: str) -> Deferred[SignedIn]:
        """Fails with TooManyFailures, WrongCredentials or SignInBusy."""
        return Deferred.fromCoroutine(self._sign_in(username, password, address))

    async def _sign_in(self, username: str, password: str, address: str) -> SignedIn:
        self._check_wait(username, address)
        found = await self._accounts.credentials(username)
        wrong = WrongCredentials("The name or the password is wrong.")
        await self._check(found, username, password, address, wrong)
        if found is None:
            raise wrong
        outdated = self._passwords.is_outdated(found.password_hash)
        new_hash = await self._passwords.hash(password) if outdated else None
        session = new_secret()
        key = Key(digest(session.encode()), principal_of(found.user), self._clock.seconds() + SESSION_SECONDS)
        opening = self._accounts.open_session(found, new_hash, key.digest, key.expires_at, address)
        gone = await _shielded(opening.addCallback(self._opened, key))
        if gone is None:
            # Somebody changed the account meanwhile, or a sign-in beside this one renewed its hash.
            return await self._sign_in(username, password, address)
        return SignedIn(Secret(session), key.principal, SESSION_SECONDS)

    def sign_out(self, cookie: bytes) -> Deferred[None]:
        """The session of this cookie is over; where there is none, nothing happens."""
        key = digest(cookie)
        closing = self._accounts.close_session(key)
        return _shielded(closing.addCallback(lambda _: self.sessions.remove(key)))

    def change_password(
        self, principal: Principal, cookie: bytes | None, current: str, new: str, address: str
    ) -> Deferred[None]:
        """A user's own, which ends that user's other sessions.

        Fails with Forbidden for who is no user, WrongPassword, WeakPassword, and as `sign_in` does.
        """
        return Deferred.fromCoroutine(self._change_password(principal, cookie, current, new, address))

    async def _change_password(
        self, principal: Principal, cookie: bytes | None, current: str, new: str, address: str
    ) -> None:
        if principal.via != "session" or cookie is None:
            raise Forbidden("Only somebody who signed in with a password can change it.")
        check_password(new)
        wrong = WrongPassword("The current password is wrong.")
        self._check_wait(principal.name, address)
        found = await self._accounts.credentials(principal.name)
        await self._check(found, principal.name, current, address, wrong)
        if found is None or found.user.id != principal.id:
            raise wrong
        new_hash = await self._passwords.hash(new)
        kept = digest(cookie)

        def changed(done: bool) -> bool:
            if done:
                self.sessions.remove_where(
                    lambda key: key.principal.id == principal.id and key.digest != kept
                )
            return done

        changing = self._accounts.change_password(found.user.id, found.password_hash, new_hash, kept)
        if not await _shielded(changing.addCallback(changed)):
            await self._change_password(principal, cookie, current, new, address)

    # -- client accounts and API tokens

    def add_user(self, username: str, password: str, display_name: str | None = None) -> Deferred[User]:
        """A client account, shown by its username unless it has another name.

        Fails with BadRequest, WeakPassword or UserExists.
        """
        return Deferred.fromCoroutine(self._add_user(username, password, display_name))

    async def _add_user(self, username: str, password: str, display_name: str | None) -> User:
        check_username(username)
        if display_name is not None:
            check_display_name(display_name)
        check_password(password)
        password_hash = await self._passwords.hash(password)
        return await self._accounts.add_user(username, display_name or username, password_hash)

    def change_user(
        self, id: str, display_name: str | None = None, active: bool | None = None
    ) -> Deferred[User]:
        """None leaves a value as it is; who is not active any more is out at once.

        Fails with BadRequest or UserNotFound.
        """
        return Deferred.fromCoroutine(self._change_user(id, display_name, active))

    async def _change_user(self, id: str, display_name: str | None, active: bool | None) -> User:
        if display_name is not None:
            check_display_name(display_name)
        return await _shielded(
            self._accounts.change_user(id, display_name, active).addCallback(self._changed)
        )

    def remove_user(self, id: str) -> Deferred[None]:
        """The account is gone, and who used it is out at once. Fails with UserNotFound."""
        return _shielded(self._accounts.remove_user(id).addCallback(lambda _: self._end_sessions(id)))

    def set_user_password(self, id: str, password: str) -> Deferred[None]:
        """A client's, which ends its sessions. Fails with WeakPassword or UserNotFound."""
        return Deferred.fromCoroutine(self._set_user_password(id, password))

    async def _set_user_password(self, id: str, password: str) -> None:
        check_password(password)
        setting = self._accounts.set_client_password(id, await self._passwords.hash(password))
        await _shielded(setting.addCallback(lambda _: self._end_sessions(id)))

    def add_token(self, name: str, role: TokenRole) -> Deferred[NewToken]:
        """An API token, which is shown this once. Fails with BadRequest."""
        return Deferred.fromCoroutine(self._add_token(name, role))

    async def _add_token(self, name: str, role: TokenRole) -> NewToken:
        check_token_name(name)
        token = new_secret(TOKEN_PREFIX)
        of_token = digest(token.encode())

        def added(kept: ApiToken) -> ApiToken:
            self.tokens.add(Key(of_token, principal_of_token(kept)))
            return kept

        kept = await _shielded(self._accounts.add_token(name, role, of_token).addCallback(added))
        return NewToken(Secret(token), kept)

    def remove_token(self, id: str) -> Deferred[None]:
        """It is worth nothing from now on. Fails with TokenNotFound."""
        return _shielded(self._accounts.remove_token(id).addCallback(self.tokens.remove))

    # -- checking a password

    def _check_wait(self, username: str, address: str) -> None:
        seconds = self._throttle.wait(username, address, self._clock.seconds())
        if seconds > 0:
            retry_after = ceil(seconds)
            raise TooManyFailures(
                f"Too many sign-ins failed. Try again in {retry_after} s.", retry_after=retry_after
            )

    async def _check(
        self, found: Credentials | None, username: str, password: str, address: str, wrong: ToruError
    ) -> None:
        """Raises `wrong`, in the same time for whatever reason, and as `_check_wait` does."""
        if len(self._turn.waiting) >= MOST_WAITING:
            raise SignInBusy("Too many people sign in at this moment.", retry_after=5)
        await self._turn.acquire()
        # Whoever goes away now is still counted.
        checking = self._check_in_turn(found, username, password, address, wrong)
        await _shielded(Deferred.fromCoroutine(checking))

    async def _check_in_turn(
        self, found: Credentials | None, username: str, password: str, address: str, wrong: ToruError
    ) -> None:
        try:
            self._check_wait(username, address)
            hashed = found.password_hash if found is not None else None
            good = await self._passwords.verify(hashed, password)
            if good and found is not None and found.user.active:
                return
            self._throttle.failed(username, address, self._clock.seconds())
        finally:
            self._turn.release()
        try:
            await self._accounts.record_failure(username, address)
        except ToruError as error:
            # Memory has it; that the disk is full is no reason to let somebody try on.
            self._log.warn("a failed sign-in could not be recorded: {error}", error=error)
        raise wrong

    # -- memory

    def _opened(self, gone: list[bytes] | None, key: Key) -> list[bytes] | None:
        if gone is not None:
            self.sessions.add(key)
            for digest in gone:
                self.sessions.remove(digest)
        return gone

    def _changed(self, user: User) -> User:
        if user.active:
            self.sessions.rename(user.id, user.display_name)
        else:
            self._end_sessions(user.id)
        return user

    def _end_sessions(self, id: str) -> None:
        self.sessions.remove_where(lambda key: key.principal.id == id)

    def _take(self, keys: Keys) -> None:
        # Every write of ours that fired before this is in there, and those that fire later change it again.
        self.sessions.replace(keys.sessions)
        self.tokens.replace(keys.tokens)
        self._stale = False

    def _refresh_later(self) -> None:
        if self._running:
            self._refreshing = self._clock.callLater(REFRESH_SECONDS, self._refresh)

    def _refresh(self) -> None:
        refreshing = self._accounts.keys().addCallbacks(self._take, self._not_refreshed)
        refreshing.addBoth(lambda _: self._refresh_later())

    def _not_refreshed(self, failure: Failure) -> None:
        # Who is in stays in: a full disk must not lock out whoever comes to make room.
        if not self._stale:
            self._log.warn("sessions and tokens cannot be read again: {error}", error=failure.value)
        self._stale = True


def _shielded(work: Deferred[T]) -> Deferred[T]:
    """Its result, for a caller who may stop waiting without stopping it."""
    waiting: Deferred[T] = Deferred()
    work.addBoth(waiting.callback)
    return waiting
