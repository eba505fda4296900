"""Users, sessions, tokens and tried sign-ins in a real database."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from twisted.internet.defer import gatherResults
from twisted.internet.task import Clock

from tests.http.fakes import in_reactor
from toru.errors import StartError, TokenNotFound, UserExists, UserNotFound
from toru.model import User
from toru.store import accounttable
from toru.store.accounts import Accounts
from toru.store.accounttable import (
    HISTORY_SECONDS,
    AdminAccount,
    Credentials,
    Key,
    principal_of,
    read_keys,
    recent_failures,
)
from toru.store.database import Database
from toru.store.schema import sessions, users

NOW = 1_800_000_000.0
HERE = "192.0.2.1"


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.advance(NOW)
    return clock


@pytest.fixture
def accounts(database: Database, clock: Clock) -> Accounts:
    return Accounts(database, clock)


async def ann(accounts: Accounts) -> Credentials:
    await accounts.add_user("ann", "Ann", "hash of ann")
    found = await accounts.credentials("ann")
    assert found is not None
    return found


async def signed_in(accounts: Accounts, who: Credentials, number: int, lasts: float = 100.0) -> bytes:
    digest = bytes([number]) * 32
    assert await accounts.open_session(who, None, digest, NOW + lasts, HERE) is not None
    return digest


async def digests(accounts: Accounts) -> list[bytes]:
    return sorted(key.digest for key in (await accounts.keys()).sessions)


@in_reactor
async def test_a_user_comes_changes_and_goes(accounts: Accounts) -> None:
    user = await accounts.add_user("ann", "Ann", "hash")
    assert user == User(user.id, "ann", "Ann", "client", True, "2027-01-15T08:00:00.000Z")
    assert await accounts.user(user.id) == user
    changed = await accounts.change_user(user.id, "Anna", False)
    assert (changed.display_name, changed.active) == ("Anna", False)
    assert await accounts.change_user(user.id, None, None) == changed
    await accounts.remove_user(user.id)
    assert await accounts.users() == []
    assert await accounts.credentials("ann") is None


@in_reactor
async def test_users_stand_by_name(accounts: Accounts) -> None:
    for name in ("cid", "ann", "bob"):
        await accounts.add_user(name, name, "hash")
    assert [user.username for user in await accounts.users()] == ["ann", "bob", "cid"]


@in_reactor
async def test_a_name_is_given_once(accounts: Accounts) -> None:
    await ann(accounts)
    for name in ("ann", "ANN"):
        with pytest.raises(UserExists):
            await accounts.add_user(name, name, "hash")
    both = [accounts.add_user(name, name, "hash").addErrback(lambda _: None) for name in ("bob", "Bob")]
    assert [user is None for user in await gatherResults(both)] == [False, True]


@pytest.mark.parametrize("id", ["", "nobody", "1", "\0", "\ud800", "%", "x" * 10_000])
@in_reactor
async def test_ids_that_nobody_has(accounts: Accounts, id: str) -> None:
    await ann(accounts)
    for call in (
        lambda: accounts.user(id),
        lambda: accounts.change_user(id, "x", False),
        lambda: accounts.remove_user(id),
        lambda: accounts.set_client_password(id, "hash"),
    ):
        with pytest.raises(UserNotFound):
            await call()
    with pytest.raises(TokenNotFound):
        await accounts.remove_token(id)


@in_reactor
async def test_a_session_is_a_key(accounts: Accounts) -> None:
    who = await ann(accounts)
    digest = await signed_in(accounts, who, 1)
    assert (await accounts.keys()).sessions == [Key(digest, principal_of(who.user), NOW + 100)]
    await accounts.close_session(digest)
    await accounts.close_session(digest)
    assert await digests(accounts) == []


@in_reactor
async def test_a_session_needs_the_account_as_it_was_checked(accounts: Accounts) -> None:
    who = await ann(accounts)
    await accounts.change_user(who.user.id, None, False)
    assert await accounts.open_session(who, None, b"1" * 32, NOW + 1, HERE) is None
    await accounts.change_user(who.user.id, None, True)
    await accounts.set_client_password(who.user.id, "another")
    assert await accounts.open_session(who, "renewed", b"1" * 32, NOW + 1, HERE) is None
    await accounts.remove_user(who.user.id)
    assert await accounts.open_session(who, None, b"1" * 32, NOW + 1, HERE) is None
    assert await digests(accounts) == []
    assert (await accounts.login_history(0, 10))[1] == 0


@in_reactor
async def test_a_renewed_hash_takes_the_place_of_the_old_one(accounts: Accounts) -> None:
    who = await ann(accounts)
    await accounts.open_session(who, "renewed", b"1" * 32, NOW + 1, HERE)
    found = await accounts.credentials("ann")
    assert found is not None
    assert found.password_hash == "renewed"


@in_reactor
async def test_sessions_whose_time_is_over_are_cleared_away(
    accounts: Accounts, clock: Clock, database: Database
) -> None:
    who = await ann(accounts)
    await signed_in(accounts, who, 1, lasts=10)
    kept = await signed_in(accounts, who, 2, lasts=11)
    clock.advance(10)
    assert await digests(accounts) == [kept]
    assert await database.read(lambda connection: len(connection.execute(select(sessions)).all())) == 1


@in_reactor
async def test_the_oldest_sessions_of_one_user_give_way(
    accounts: Accounts, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounttable, "MOST_SESSIONS", 3)
    who = await ann(accounts)
    await accounts.add_user("bob", "Bob", "hash")
    bob = await accounts.credentials("bob")
    assert bob is not None
    other = await signed_in(accounts, bob, 9)
    made = []
    for number in range(3):
        clock.advance(1)
        made.append(await signed_in(accounts, who, number))
    clock.advance(1)
    assert await accounts.open_session(who, None, b"\x05" * 32, NOW + 50, HERE) == [made[0]]
    assert await digests(accounts) == [made[1], made[2], b"\x05" * 32, other]


@in_reactor
async def test_who_loses_which_sessions(accounts: Accounts) -> None:
    who = await ann(accounts)
    one, two = await signed_in(accounts, who, 1), await signed_in(accounts, who, 2)
    assert not await accounts.change_password(who.user.id, "another hash", "new", one)
    assert await digests(accounts) == [one, two]
    assert await accounts.change_password(who.user.id, "hash of ann", "new", one)
    assert await digests(accounts) == [one]
    await accounts.set_client_password(who.user.id, "newer")
    assert await digests(accounts) == []


@in_reactor
async def test_who_is_not_active_has_no_keys(accounts: Accounts) -> None:
    who = await ann(accounts)
    await signed_in(accounts, who, 1)
    await accounts.change_user(who.user.id, None, False)
    await accounts.change_user(who.user.id, None, True)
    assert await digests(accounts) == []


@in_reactor
async def test_removing_a_user_leaves_nothing_of_it(accounts: Accounts, database: Database) -> None:
    who = await ann(accounts)
    await signed_in(accounts, who, 1)
    await accounts.remove_user(who.user.id)
    left = await database.read(
        lambda connection: [connection.execute(select(table)).all() for table in (users, sessions)]
    )
    assert left == [[], []]


@in_reactor
async def test_tokens_are_kept_by_their_digest(accounts: Accounts, clock: Clock) -> None:
    first = await accounts.add_token("ci", "client", b"1" * 32)
    clock.advance(1)
    second = await accounts.add_token("ci", "monitor", b"2" * 32)
    assert await accounts.tokens() == [first, second]
    keys = (await accounts.keys()).tokens
    assert {(key.digest, key.principal.id, key.principal.kind, key.principal.via) for key in keys} == {
        (b"1" * 32, first.id, "client", "token"),
        (b"2" * 32, second.id, "monitor", "token"),
    }
    assert await accounts.remove_token(first.id) == b"1" * 32
    assert await accounts.tokens() == [second]


@in_reactor
async def test_the_history_comes_in_pages_newest_first(accounts: Accounts, clock: Clock) -> None:
    for number in range(5):
        clock.advance(1)
        await accounts.record_failure(f"user{number}", HERE)
    who = await ann(accounts)
    await signed_in(accounts, who, 1)
    first, total = await accounts.login_history(0, 4)
    second, _ = await accounts.login_history(1, 4)
    assert total == 6
    assert [each.username for each in [*first, *second]] == [
        "ann",
        "user4",
        "user3",
        "user2",
        "user1",
        "user0",
    ]
    assert [each.success for each in first] == [True, False, False, False]
    assert first[1].timestamp == "2027-01-15T08:00:05.000Z"
    assert await accounts.login_history(9, 4) == ([], 6)


@in_reactor
async def test_the_history_is_kept_by_age_and_number(
    accounts: Accounts, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounttable, "HISTORY_ROWS", 3)
    for number in range(5):
        await accounts.record_failure(f"user{number}", HERE)
    await accounts.keys()
    assert [each.username for each in (await accounts.login_history(0, 9))[0]] == ["user4", "user3", "user2"]
    clock.advance(HISTORY_SECONDS + 1)
    await accounts.record_failure("new", HERE)
    await accounts.keys()
    assert [each.username for each in (await accounts.login_history(0, 9))[0]] == ["new"]


@in_reactor
async def test_the_failures_of_the_last_hour(accounts: Accounts, clock: Clock, database: Database) -> None:
    await accounts.record_failure("old", HERE)
    clock.advance(10)
    await accounts.record_failure("x" * 100, HERE)
    await signed_in(accounts, await ann(accounts), 1)
    await accounts.record_failure("b\0b", "")
    found = await database.read(lambda connection: recent_failures(connection, NOW + 5))
    assert found == [("x" * 64, HERE, NOW + 10), ("b␀b", "", NOW + 10)]


@in_reactor
async def test_the_admins_account(accounts: Accounts, database: Database) -> None:
    def at_first_start(account: AdminAccount) -> Credentials | None:
        assert account.find() is None
        account.create("root", "hash")
        return account.find()

    made = database.at_start(lambda connection: at_first_start(AdminAccount(connection, NOW)))
    assert made is not None
    assert (made.user.username, made.user.role, made.password_hash) == ("root", "admin", "hash")
    assert await accounts.credentials("root") == made
    assert await accounts.users() == []
    with pytest.raises(UserNotFound):
        await accounts.user(made.user.id)
    with pytest.raises(UserExists):
        await accounts.add_user("ROOT", "x", "hash")

    await signed_in(accounts, made, 1)
    database.at_start(lambda connection: AdminAccount(connection, NOW).rename(made.user.id, "Root"))
    assert len(await digests(accounts)) == 1
    database.at_start(lambda connection: AdminAccount(connection, NOW).set_password(made.user.id, "new"))
    assert await digests(accounts) == []
    found = await accounts.credentials("Root")
    assert found is not None
    assert found.password_hash == "new"


@in_reactor
async def test_the_admin_cannot_have_a_clients_name(accounts: Accounts, database: Database) -> None:
    await ann(accounts)
    with pytest.raises(StartError, match="TORU_ADMIN_USERNAME"):
        database.at_start(lambda connection: AdminAccount(connection, NOW).create("Ann", "hash"))
    database.at_start(lambda connection: AdminAccount(connection, NOW).create("root", "hash"))
    root = await accounts.credentials("root")
    assert root is not None
    with pytest.raises(StartError, match="choose another"):
        database.at_start(lambda connection: AdminAccount(connection, NOW).rename(root.user.id, "ann"))


@in_reactor
async def test_nothing_shows_a_hash(accounts: Accounts, database: Database) -> None:
    who = await ann(accounts)
    await signed_in(accounts, who, 1)
    assert "hash of ann" not in repr(who)
    keys = database.at_start(lambda connection: read_keys(connection, NOW))
    assert len(keys.sessions) == 1
