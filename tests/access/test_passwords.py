"""What a password must be, and what is kept of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event
from typing import Any, cast

import pytest
from argon2 import profiles
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from tests.http.fakes import in_reactor
from toru.access.passwords import (
    MOST_AT_ONCE,
    MOST_WAITING,
    PARAMETERS,
    Hasher,
    Passwords,
    broken_rules,
    check_password,
    made_up_password,
)
from toru.errors import SignInBusy, WeakPassword

GOOD = "Correct-h0rse"


@pytest.fixture(scope="module")
def hasher() -> Hasher:
    return Hasher(profiles.CHEAPEST)


@pytest.mark.parametrize("password", [GOOD, "Aa1 bcde", "Ünïcode-9x", "A" * 1021 + "b1-"])
def test_good_ones(password: str) -> None:
    assert broken_rules(password) == []
    check_password(password)


@pytest.mark.parametrize(
    ("password", "lacks"),
    [
        ("Aa1-bcd", "8 characters"),
        ("aa1-bcde", "upper-case"),
        ("AA1-BCDE", "lower-case"),
        ("Aaa-bcde", "digit"),
        ("Aa1bcdef", "special"),
        ("Aa1-" * 300, "at most 1024"),
    ],
)
def test_the_error_names_the_rule(password: str, lacks: str) -> None:
    with pytest.raises(WeakPassword) as caught:
        check_password(password)
    assert lacks in caught.value.detail
    assert password not in caught.value.detail
    assert len(broken_rules(password)) == 1


def test_the_error_names_every_rule() -> None:
    assert len(broken_rules("")) == 5


def test_made_up_ones_are_good_and_all_different() -> None:
    made = {made_up_password() for _ in range(100)}
    assert len(made) == 100
    assert not any(broken_rules(password) for password in made)


def test_a_hash_is_of_its_password_alone(hasher: Hasher) -> None:
    hashed = hasher.hash(GOOD)
    assert hashed.startswith("$argon2id$")
    assert GOOD not in hashed
    assert hasher.hash(GOOD) != hashed
    assert hasher.verify(hashed, GOOD)
    assert not hasher.verify(hashed, GOOD + " ")


@pytest.mark.parametrize("hashed", ["", "nonsense", "$argon2id$v=19$m=8,t=1,p=1$c2FsdA"])
def test_a_damaged_hash_is_of_no_password(hasher: Hasher, hashed: str) -> None:
    assert not hasher.verify(hashed, GOOD)


@pytest.mark.parametrize("password", ["\0", "\udcff", "x" * 1_000_000, ""])
def test_any_text_can_be_checked(hasher: Hasher, password: str) -> None:
    assert hasher.verify(hasher.hash(password), password)


def test_nobody_has_no_password(hasher: Hasher) -> None:
    assert not hasher.verify(None, GOOD)


def test_other_parameters_are_outdated(hasher: Hasher) -> None:
    hashed = hasher.hash(GOOD)
    assert not hasher.is_outdated(hashed)
    newer = Hasher()
    assert newer.is_outdated(hashed)
    assert newer.verify(hashed, GOOD)


def test_nobody_takes_as_long_as_anybody() -> None:
    hasher = Hasher()
    hashed = hasher.hash(GOOD)

    def quickest(hashed: str | None) -> float:
        times = []
        for _ in range(5):
            began = time.thread_time()
            hasher.verify(hashed, "wrong")
            times.append(time.thread_time() - began)
        return min(times)

    assert 0.5 < quickest(None) / quickest(hashed) < 2


def test_the_parameters_are_those_that_owasp_asks_for_at_least() -> None:
    assert (PARAMETERS.memory_cost, PARAMETERS.time_cost, PARAMETERS.parallelism) == (19456, 2, 1)


class Gate(Hasher):
    """Hashes that wait until they are let through."""

    def __init__(self) -> None:
        self.opened = Event()
        super().__init__(profiles.CHEAPEST)
        self.under_way = self.most = 0

    def verify(self, hashed: str | None, password: str) -> bool:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.opened.wait(10)
        self.under_way -= 1
        return True


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def passwords(gate: Gate) -> Iterator[Passwords]:
    passwords = Passwords(cast(Any, reactor), gate)
    passwords.start()
    yield passwords
    gate.opened.set()
    passwords.stop()


@in_reactor
async def test_off_the_reactors_thread(passwords: Passwords, gate: Gate) -> None:
    results: list[bool] = []
    checking = passwords.verify(None, GOOD).addCallback(results.append)
    # On this thread it would not have come back before the gate opens.
    assert not results
    gate.opened.set()
    await checking
    assert results == [True]
    assert (await passwords.hash(GOOD)).startswith("$argon2id$")


@in_reactor
async def test_two_at_once_and_no_more(passwords: Passwords, gate: Gate) -> None:
    checking = [passwords.verify(None, GOOD) for _ in range(20)]
    reactor.callLater(0.05, gate.opened.set)
    assert await gatherResults(checking) == [True] * 20
    assert gate.most <= MOST_AT_ONCE


@in_reactor
async def test_the_queue_is_bounded(passwords: Passwords, gate: Gate) -> None:
    checking = [passwords.verify(None, GOOD) for _ in range(MOST_AT_ONCE + MOST_WAITING)]
    with pytest.raises(SignInBusy) as caught:
        await passwords.verify(None, GOOD)
    assert caught.value.retry_after
    given_up: list[object] = []
    checking[-1].addErrback(given_up.append).cancel()
    assert given_up
    last: Deferred[bool] = passwords.verify(None, GOOD)
    gate.opened.set()
    assert await last
    await gatherResults(checking[:-1])
