"""The admin's account at a start."""

from __future__ import annotations

import pytest
from argon2 import profiles
from msgspec import structs
from twisted.logger import capturedLogs

from toru.access.admin import settle_admin
from toru.access.passwords import Hasher, broken_rules
from toru.errors import StartError
from toru.model import User
from toru.store.accounttable import Credentials

HASHER = Hasher(profiles.CHEAPEST)
GOOD = "Correct-h0rse"


class FakeAccount:
    """An account in memory; what was done to it stands in `calls`."""

    def __init__(self) -> None:
        self.kept: Credentials | None = None
        self.calls: list[str] = []

    def find(self) -> Credentials | None:
        return self.kept

    def create(self, username: str, password_hash: str, /) -> None:
        self.calls.append("create")
        user = User("1", username, username, "admin", True, "2026-01-01T00:00:00.000Z")
        self.kept = Credentials(user, password_hash)

    def rename(self, id: str, username: str, /) -> None:
        self.calls.append("rename")
        assert self.kept is not None
        self.kept = Credentials(structs.replace(self.kept.user, username=username), self.kept.password_hash)

    def set_password(self, id: str, password_hash: str, /) -> None:
        self.calls.append("set_password")
        assert self.kept is not None
        self.kept = Credentials(self.kept.user, password_hash)

    def opens(self, username: str, password: str) -> bool:
        assert self.kept is not None
        return self.kept.user.username == username and HASHER.verify(self.kept.password_hash, password)


@pytest.fixture
def account() -> FakeAccount:
    return FakeAccount()


@pytest.mark.parametrize("nothing", [None, ""])
def test_made_up_at_the_first_start_alone(account: FakeAccount, nothing: str | None) -> None:
    made_up = settle_admin(account, HASHER, nothing, nothing)
    assert made_up is not None
    password = made_up.password.reveal()
    assert made_up.username == "admin"
    assert not broken_rules(password)
    assert account.opens("admin", password)
    assert password not in repr(vars(made_up))
    assert settle_admin(account, HASHER, nothing, nothing) is None
    assert account.calls == ["create"]


def test_from_the_settings(account: FakeAccount) -> None:
    assert settle_admin(account, HASHER, "root", GOOD) is None
    assert account.opens("root", GOOD)


def test_what_is_unchanged_ends_no_session(account: FakeAccount) -> None:
    settle_admin(account, HASHER, "root", GOOD)
    settle_admin(account, HASHER, "root", GOOD)
    assert account.calls == ["create"]


def test_the_settings_win_at_each_start(account: FakeAccount) -> None:
    settle_admin(account, HASHER, None, None)
    settle_admin(account, HASHER, "root", GOOD)
    assert account.opens("root", GOOD)
    assert account.calls == ["create", "rename", "set_password"]


def test_without_settings_all_stays(account: FakeAccount) -> None:
    settle_admin(account, HASHER, "root", GOOD)
    settle_admin(account, HASHER, None, None)
    assert account.opens("root", GOOD)


def test_a_damaged_hash_gives_way(account: FakeAccount) -> None:
    account.create("admin", "nonsense")
    settle_admin(account, HASHER, None, GOOD)
    assert account.opens("admin", GOOD)


def test_a_weak_password_is_told_and_not_shown(account: FakeAccount) -> None:
    with capturedLogs() as logged:
        settle_admin(account, HASHER, None, "hunter2")
    assert account.opens("admin", "hunter2")
    assert len(logged) == 1
    assert "hunter2" not in repr(logged)


@pytest.mark.parametrize("username", ["a b", "-x", "ä", "x" * 65, "a\n", "a:b"])
def test_names_that_cannot_be(account: FakeAccount, username: str) -> None:
    with pytest.raises(StartError, match="TORU_ADMIN_USERNAME"):
        settle_admin(account, HASHER, username, GOOD)
    assert not account.calls


def test_a_password_that_nobody_could_send(account: FakeAccount) -> None:
    with pytest.raises(StartError, match="TORU_ADMIN_PASSWORD") as caught:
        settle_admin(account, HASHER, None, b"Caf\xe9-h0rse".decode(errors="surrogateescape"))
    assert not account.calls
    assert "h0rse" not in str(caught.value)
