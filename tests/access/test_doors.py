"""Signing in and out, and who is known, against a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from argon2 import profiles
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, DeferredList, fail, gatherResults
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from tests.http.fakes import in_reactor
from toru.access.admin import settle_admin
from toru.access.doors import REFRESH_SECONDS, SESSION_SECONDS, Doors, SignedIn
from toru.access.passwords import Hasher, Passwords
from toru.access.secret import PluginTokens, digest
from toru.access.throttle import WINDOW
from toru.errors import (
    BadRequest,
    Forbidden,
    StorageFull,
    TokenNotFound,
    TooManyFailures,
    UserExists,
    UserNotFound,
    WeakPassword,
    WrongCredentials,
    WrongPassword,
)
from toru.model import Principal
from toru.store.accounts import Accounts
from toru.store.accounttable import AdminAccount, Keys, read_keys, recent_failures
from toru.store.database import Database

GOOD, BETTER = "Correct-h0rse", "Battery-5taple"
HERE = "192.0.2.1"
NOW = 1_800_000_000.0


class Counting(Hasher):
    """Counts the hashes that are checked."""

    def __init__(self) -> None:
        super().__init__(profiles.CHEAPEST)
        self.checked = 0

    def verify(self, hashed: str | None, password: str) -> bool:
        self.checked += 1
        return super().verify(hashed, password)


class Flaky(Accounts):
    """Accounts whose disk is full at times."""

    failing = False

    def keys(self) -> Deferred[Keys]:
        return fail(StorageFull("the disk takes nothing more")) if self.failing else super().keys()

    def record_failure(self, username: str, address: str) -> Deferred[None]:
        if self.failing:
            return fail(StorageFull("the disk takes nothing more"))
        return super().record_failure(username, address)


class World:
    """Doors, and what is behind them."""

    def __init__(self, folder: Path, hasher: Hasher | None = None, at: float = NOW) -> None:
        self.clock = Clock()
        self.clock.advance(at)
        self.hasher = hasher or Counting()
        self.database = Database(f"sqlite:///{folder / 'toru.db'}", cast(Any, reactor))
        self.accounts = Flaky(self.database, self.clock)
        self.passwords = Passwords(cast(Any, reactor), self.hasher)
        self.plugins = PluginTokens()
        self.doors = Doors(self.clock, self.accounts, self.passwords, self.plugins)

    def start(self) -> None:
        self.database.open()
        now = self.clock.seconds()
        self.database.at_start(
            lambda connection: settle_admin(AdminAccount(connection, now), self.hasher, "root", GOOD)
        )
        keys = self.database.at_start(lambda connection: read_keys(connection, now))
        failures = self.database.at_start(lambda connection: recent_failures(connection, now - WINDOW))
        self.passwords.start()
        self.doors.start(keys, failures)

    async def stop(self) -> None:
        self.doors.stop()
        self.passwords.stop()
        await self.database.close()
        assert not self.clock.getDelayedCalls()

    def who(self, session: SignedIn) -> Principal | None:
        return self.doors.identify(session.session.reveal().encode(), None)

    async def refresh(self) -> None:
        self.clock.advance(REFRESH_SECONDS)
        # It takes its turn behind the one that the doors asked for.
        await self.accounts.keys()

    async def ann(self) -> tuple[str, SignedIn]:
        user = await self.doors.add_user("ann", GOOD, "Ann")
        return user.id, await self.doors.sign_in("ann", GOOD, HERE)


@asynccontextmanager
async def world(folder: Path, hasher: Hasher | None = None, at: float = NOW) -> AsyncIterator[World]:
    world = World(folder, hasher, at)
    try:
        world.start()
        yield world
    finally:
        await world.stop()


@in_reactor
async def test_somebody_signs_in(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        id, session = await here.ann()
        assert session.principal == Principal("client", id, "ann", "Ann", "session")
        assert session.max_age == SESSION_SECONDS == 7 * 24 * 3600
        assert here.who(session) == session.principal
        admin = await here.doors.sign_in("root", GOOD, HERE)
        assert admin.principal.kind == "admin"
        assert here.doors.identify(b"nonsense", None) is None
        assert here.doors.identify(b"", None) is None
        assert here.doors.identify(None, None) is None


@in_reactor
async def test_a_session_is_no_token_and_a_token_no_session(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        session = (await here.doors.sign_in("root", GOOD, HERE)).session.reveal().encode()
        token = (await here.doors.add_token("ci", "admin")).token.reveal().encode()
        assert here.doors.identify(None, b"Bearer " + session) is None
        assert here.doors.identify(token, None) is None


@pytest.mark.parametrize(
    ("username", "password"), [("ann", BETTER), ("nobody", GOOD), ("Ann", GOOD), ("", ""), ("a" * 9999, "\0")]
)
@in_reactor
async def test_the_same_answer_for_a_wrong_name_and_a_wrong_password(
    tmp_path: Path, username: str, password: str
) -> None:
    hasher = Counting()
    async with world(tmp_path, hasher) as here:
        await here.ann()
        before = hasher.checked
        with pytest.raises(WrongCredentials) as caught:
            await here.doors.sign_in(username, password, HERE)
        assert caught.value.detail == "The name or the password is wrong."
        assert hasher.checked == before + 1


@in_reactor
async def test_who_is_not_active_gets_the_same_answer_and_is_out_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        id, session = await here.ann()
        await here.doors.change_user(id, active=False)
        assert here.who(session) is None
        with pytest.raises(WrongCredentials, match="The name or the password is wrong"):
            await here.doors.sign_in("ann", GOOD, HERE)
        await here.doors.change_user(id, active=True)
        assert here.who(session) is None
        assert here.who(await here.doors.sign_in("ann", GOOD, HERE))


@in_reactor
async def test_a_session_lasts_seven_days(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        _, session = await here.ann()
        here.clock.advance(SESSION_SECONDS - 1)
        assert here.who(session)
        here.clock.advance(1)
        assert here.who(session) is None
        await here.refresh()
        assert (await here.accounts.keys()).sessions == []


@in_reactor
async def test_signing_out_ends_that_session_at_once_and_for_good(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        _, session = await here.ann()
        other = await here.doors.sign_in("ann", GOOD, HERE)
        await here.doors.sign_out(session.session.reveal().encode())
        await here.doors.sign_out(b"nonsense")
        assert (here.who(session), here.who(other)) == (None, other.principal)
        await here.refresh()
        assert (here.who(session), here.who(other)) == (None, other.principal)


@in_reactor
async def test_a_new_password_ends_the_other_sessions(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        _, session = await here.ann()
        other = await here.doors.sign_in("ann", GOOD, HERE)
        root = await here.doors.sign_in("root", GOOD, HERE)
        cookie = session.session.reveal().encode()
        await here.doors.change_password(session.principal, cookie, GOOD, BETTER, HERE)
        for _ in range(2):
            assert [here.who(each) for each in (session, other, root)] == [
                session.principal,
                None,
                root.principal,
            ]
            await here.refresh()
        with pytest.raises(WrongCredentials):
            await here.doors.sign_in("ann", GOOD, HERE)
        assert await here.doors.sign_in("ann", BETTER, HERE)


@in_reactor
async def test_a_new_password_needs_the_current_one_and_follows_the_rules(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        _, session = await here.ann()
        cookie = session.session.reveal().encode()
        with pytest.raises(WrongPassword):
            await here.doors.change_password(session.principal, cookie, "wrong", BETTER, HERE)
        with pytest.raises(WeakPassword, match="a digit"):
            await here.doors.change_password(session.principal, cookie, GOOD, "Password-", HERE)
        token = Principal("client", session.principal.id, "ann", "ann", "token")
        with pytest.raises(Forbidden):
            await here.doors.change_password(token, cookie, GOOD, BETTER, HERE)
        assert await here.doors.sign_in("ann", GOOD, HERE)


@in_reactor
async def test_a_stolen_session_cannot_guess_the_password_for_ever(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        _, session = await here.ann()
        cookie = session.session.reveal().encode()
        for _ in range(3):
            with pytest.raises(WrongPassword):
                await here.doors.change_password(session.principal, cookie, "wrong", BETTER, HERE)
        with pytest.raises(TooManyFailures):
            await here.doors.change_password(session.principal, cookie, GOOD, BETTER, HERE)


@in_reactor
async def test_of_two_new_passwords_at_once_one_holds(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        _, session = await here.ann()
        cookie = session.session.reveal().encode()
        new = [f"{BETTER}{number}" for number in range(2)]
        changes = [here.doors.change_password(session.principal, cookie, GOOD, each, HERE) for each in new]
        outcomes = await DeferredList(changes, consumeErrors=True)
        # Which of them comes first is up to the threads.
        assert sorted(good for good, _ in outcomes) == [False, True]
        for password, (good, failure) in zip(new, outcomes, strict=True):
            if good:
                assert await here.doors.sign_in("ann", password, HERE)
            else:
                assert cast(Any, failure).type is WrongPassword


@in_reactor
async def test_an_admin_sets_a_password(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        id, session = await here.ann()
        with pytest.raises(WeakPassword):
            await here.doors.set_user_password(id, "short")
        assert here.who(session)
        await here.doors.set_user_password(id, BETTER)
        assert here.who(session) is None
        assert await here.doors.sign_in("ann", BETTER, HERE)
        with pytest.raises(UserNotFound):
            await here.doors.set_user_password("nobody", BETTER)


@in_reactor
async def test_who_is_removed_is_out_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        id, session = await here.ann()
        root = await here.doors.sign_in("root", GOOD, HERE)
        await here.doors.remove_user(id)
        assert (here.who(session), here.who(root)) == (None, root.principal)
        with pytest.raises(UserNotFound):
            await here.doors.remove_user(id)
        again = await here.doors.add_user("ann", GOOD)
        assert again.id != id  # or the keys of the one would be those of the other


@in_reactor
async def test_a_new_name_is_known_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        id, session = await here.ann()
        assert (await here.doors.change_user(id, display_name="Anna")).display_name == "Anna"
        found = here.who(session)
        assert found is not None
        assert found.display_name == "Anna"
        with pytest.raises(BadRequest):
            await here.doors.change_user(id, display_name="")


@in_reactor
async def test_accounts_that_cannot_be(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.ann()
        for taken in ("ann", "ANN", "root", "Root"):
            with pytest.raises(UserExists):
                await here.doors.add_user(taken, GOOD)
        with pytest.raises(WeakPassword, match="special"):
            await here.doors.add_user("bob", "Passw0rdd")
        with pytest.raises(BadRequest):
            await here.doors.add_user("b b", GOOD)
        with pytest.raises(BadRequest):
            await here.doors.add_user("bob", GOOD, " ")
        assert [user.username for user in await here.accounts.users()] == ["ann"]
        assert (await here.doors.add_user("bob", GOOD)).display_name == "bob"


@in_reactor
async def test_the_admin_is_no_client_account(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        root = await here.doors.sign_in("root", GOOD, HERE)
        id = root.principal.id
        for call in (
            lambda: here.doors.remove_user(id),
            lambda: here.doors.change_user(id, active=False),
            lambda: here.doors.set_user_password(id, BETTER),
        ):
            with pytest.raises(UserNotFound):
                await call()
        assert here.who(root)


@in_reactor
async def test_tokens(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        made = await here.doors.add_token("prometheus", "monitor")
        token = made.token.reveal()
        assert token.startswith("toru_")
        header = b"Bearer " + token.encode()
        expected = Principal("monitor", made.kept.id, "prometheus", "prometheus", "token")
        assert here.doors.identify(None, header) == expected
        await here.refresh()
        assert here.doors.identify(None, header) == expected
        assert token not in repr(made)
        await here.doors.remove_token(made.kept.id)
        assert here.doors.identify(None, header) is None
        with pytest.raises(TokenNotFound):
            await here.doors.remove_token(made.kept.id)
        with pytest.raises(BadRequest):
            await here.doors.add_token("a\nb", "monitor")


@in_reactor
async def test_a_token_speaks_alone_and_any_other_credential_is_left_to_the_cookie(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        session = await here.doors.sign_in("root", GOOD, HERE)
        cookie = session.session.reveal().encode()
        token = here.plugins.issue("hello")
        for header in (b"Bearer toru_nonsense", b"bearer toru_"):
            assert here.doors.identify(cookie, header) is None
        for header in (b"Basic eDp5", b"Bearer of-somebody-else", b""):
            assert here.doors.identify(cookie, header) == session.principal
            assert here.doors.identify(None, header) is None
        plugin = here.doors.identify(cookie, b"Bearer " + token.encode())
        assert plugin is not None
        assert (plugin.kind, plugin.id) == ("plugin", "hello")
        here.plugins.revoke(token)
        assert here.doors.identify(cookie, b"Bearer " + token.encode()) is None


@in_reactor
async def test_a_restart_forgets_no_session_and_no_failure(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        _, session = await here.ann()
        token = (await here.doors.add_token("ci", "client")).token.reveal()
        for _ in range(3):
            with pytest.raises(WrongCredentials):
                await here.doors.sign_in("ann", "wrong", HERE)
    async with world(tmp_path, at=NOW + 20) as here:
        assert here.who(session) == session.principal
        assert here.doors.identify(None, b"Bearer " + token.encode())
        with pytest.raises(TooManyFailures) as caught:
            await here.doors.sign_in("ann", GOOD, HERE)
        assert caught.value.retry_after == 40
        assert await here.doors.sign_in("ann", GOOD, "192.0.2.2")
        here.clock.advance(40)
        assert await here.doors.sign_in("ann", GOOD, HERE)


@in_reactor
async def test_a_burst_tries_no_more_than_three(tmp_path: Path) -> None:
    hasher = Counting()
    async with world(tmp_path, hasher) as here:
        before = hasher.checked
        tries = [here.doors.sign_in("root", f"wrong {number}", HERE) for number in range(40)]
        outcomes = [cast(Any, failure).type for _, failure in await DeferredList(tries, consumeErrors=True)]
        assert outcomes.count(WrongCredentials) == 3
        assert outcomes.count(TooManyFailures) == 37
        assert hasher.checked == before + 3


@in_reactor
async def test_who_fails_waits_longer_each_time_and_then_comes_in(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        told = []
        for _ in range(4):
            for _ in range(3):
                with pytest.raises(WrongCredentials):
                    await here.doors.sign_in("root", "wrong", HERE)
            with pytest.raises(TooManyFailures) as refused:
                await here.doors.sign_in("root", GOOD, HERE)
            told.append(refused.value.retry_after or 0)
            here.clock.advance(told[-1] - 1)
            with pytest.raises(TooManyFailures) as still_refused:
                await here.doors.sign_in("root", GOOD, HERE)
            assert still_refused.value.retry_after == 1
            here.clock.advance(1)
        assert told == [60, 180, 600, 1800]
        assert here.who(await here.doors.sign_in("root", GOOD, HERE))


@in_reactor
async def test_fifty_may_come_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        came = await gatherResults([here.doors.sign_in("root", GOOD, HERE) for _ in range(50)])
        assert len({session.session.reveal() for session in came}) == 50
        assert all(here.who(session) for session in came)


@in_reactor
async def test_who_goes_away_while_waiting_is_not_checked(tmp_path: Path) -> None:
    hasher = Counting()
    async with world(tmp_path, hasher) as here:
        before = hasher.checked
        tries = [here.doors.sign_in("root", GOOD, f"192.0.2.{number}") for number in range(5)]
        for trying in tries[1:]:
            trying.addErrback(lambda failure: failure.trap(CancelledError) and None)
            trying.cancel()
        await tries[0]
        assert await here.doors.sign_in("root", GOOD, HERE)
        assert hasher.checked == before + 2


@in_reactor
async def test_who_goes_away_after_a_guess_is_counted(tmp_path: Path) -> None:
    hasher = Counting()
    async with world(tmp_path, hasher) as here:
        for number in range(3):
            came_so_far = hasher.checked
            guess = here.doors.sign_in("root", f"wrong {number}", HERE)
            guess.addErrback(lambda failure: failure.trap(CancelledError) and None)
            await here.accounts.users()
            await _until(lambda seen=came_so_far: hasher.checked > seen)
            guess.cancel()
        await here.doors.sign_in("root", GOOD, "192.0.2.9")
        with pytest.raises(TooManyFailures):
            await here.doors.sign_in("root", GOOD, HERE)


async def _until(holds: Any) -> None:
    while not holds():
        turn: Deferred[None] = Deferred()
        cast(Any, reactor).callLater(0, turn.callback, None)
        await turn


@in_reactor
async def test_the_history_tells_who_tried(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.ann()
        with pytest.raises(WrongCredentials):
            await here.doors.sign_in("x" * 5000 + "\0", "wrong", "192.0.2.7")
        attempts, total = await here.accounts.login_history(0, 10)
        assert total == 2
        assert [(each.username, each.success, each.address) for each in attempts] == [
            ("x" * 64, False, "192.0.2.7"),
            ("ann", True, "192.0.2.1"),
        ]
        assert "wrong" not in repr(attempts)


@in_reactor
async def test_an_old_hash_is_renewed_at_the_next_sign_in(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.ann()
        old = await here.accounts.credentials("ann")
    newer = Hasher(replace(profiles.CHEAPEST, time_cost=2))
    async with world(tmp_path, newer) as here:
        assert old is not None
        assert newer.is_outdated(old.password_hash)
        # Both see the old hash, and only one of them finds it still there.
        for session in await gatherResults([here.doors.sign_in("ann", GOOD, HERE) for _ in range(2)]):
            assert here.who(session)
        new = await here.accounts.credentials("ann")
        assert new is not None
        assert not newer.is_outdated(new.password_hash)
        assert here.who(await here.doors.sign_in("ann", GOOD, HERE))


@in_reactor
async def test_what_others_change_in_the_database_is_known_in_time(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        id, session = await here.ann()
        made = await here.doors.add_token("ci", "admin")
        # As another program would, past the doors.
        await here.accounts.change_user(id, None, False)
        await here.accounts.remove_token(made.kept.id)
        await here.refresh()
        assert here.who(session) is None
        assert here.doors.identify(None, b"Bearer " + made.token.reveal().encode()) is None


@in_reactor
async def test_where_the_store_fails_who_is_in_stays_in(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        _, session = await here.ann()
        here.accounts.failing = True
        with capturedLogs() as logged:
            here.clock.advance(REFRESH_SECONDS)
            here.clock.advance(REFRESH_SECONDS)
        assert here.who(session)
        assert len(logged) == 1
        here.accounts.failing = False
        await here.accounts.change_user(session.principal.id, None, False)
        await here.refresh()
        assert here.who(session) is None


@in_reactor
async def test_a_failure_counts_where_it_cannot_be_recorded(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.accounts.failing = True
        for _ in range(3):
            with pytest.raises(WrongCredentials):
                await here.doors.sign_in("root", "wrong", HERE)
        with pytest.raises(TooManyFailures):
            await here.doors.sign_in("root", GOOD, HERE)


@in_reactor
async def test_no_secret_shows(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        with capturedLogs() as logged:
            _, session = await here.ann()
            made = await here.doors.add_token("ci", "admin")
            with pytest.raises(WrongCredentials) as caught:
                await here.doors.sign_in("ann", "my wrong password", HERE)
            credentials = await here.accounts.credentials("ann")
        assert credentials is not None
        shown = f"{session!r} {made!r} {caught.value!r} {logged!r} {credentials!r} {vars(here.doors)!r}"
        for secret in (
            session.session.reveal(),
            made.token.reveal(),
            GOOD,
            "my wrong password",
            credentials.password_hash,
        ):
            assert secret not in shown
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert digest(session.session.reveal().encode()) in stored
    for secret in (session.session.reveal(), made.token.reveal(), GOOD):
        assert secret.encode() not in stored
