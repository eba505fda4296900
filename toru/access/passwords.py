"""Passwords: the rules they follow, and their hashes, made on threads of their own."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from argon2 import Parameters, PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from twisted.internet.defer import Deferred, DeferredSemaphore, fail
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from toru.errors import SignInBusy, WeakPassword

T = TypeVar("T")

MOST_AT_ONCE = 2
MOST_WAITING = 200
SHORTEST = 8
LONGEST = 1024

# What OWASP's Password Storage Cheat Sheet asks for at least: 19 MiB, two passes, one lane. More lanes or
# memory would be taken from the plugins whenever somebody signs in.
PARAMETERS = Parameters(
    type=Type.ID,
    version=19,
    salt_len=16,
    hash_len=32,
    time_cost=2,
    memory_cost=19 * 1024,
    parallelism=1,
)

# Without those that are mistaken for each other.
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"


def broken_rules(password: str) -> list[str]:
    """What a password lacks, each as the end of a sentence; empty where it is good."""
    rules = (
        (len(password) >= SHORTEST, f"at least {SHORTEST} characters"),
        (len(password) <= LONGEST, f"at most {LONGEST} characters"),
        (any(character.isupper() for character in password), "an upper-case letter"),
        (any(character.islower() for character in password), "a lower-case letter"),
        (any(character.isdigit() for character in password), "a digit"),
        (
            any(not character.isalnum() for character in password),
            "a special character (neither letter nor digit)",
        ),
    )
    return [lacking for holds, lacking in rules if not holds]


def check_password(password: str) -> None:
    """Raises WeakPassword, which names every rule that the password breaks."""
    broken = broken_rules(password)
    if broken:
        raise WeakPassword(f"The password needs {', '.join(broken)}.")


def made_up_password() -> str:
    """A password that nobody can guess and anybody can type: four groups of five."""
    while True:
        groups = ["".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4)]
        password = "-".join(groups)
        if not broken_rules(password):
            return password


class Hasher:
    """Argon2id. Every call but `is_outdated` takes tens of milliseconds, without the interpreter's lock."""

    def __init__(self, parameters: Parameters = PARAMETERS) -> None:
        self._hasher = PasswordHasher.from_parameters(parameters)
        self._nobodys = self.hash(secrets.token_urlsafe(32))

    def hash(self, password: str) -> str:
        """What is stored of a password."""
        return self._hasher.hash(_bytes(password))

    def verify(self, hashed: str | None, password: str) -> bool:
        """Whether the hash is that of the password. None stands for nobody's, and takes as long as any."""
        try:
            return self._hasher.verify(hashed or self._nobodys, _bytes(password)) and hashed is not None
        except (VerificationError, InvalidHashError):
            # A damaged hash is of no password either, so that an admin can be given a new one.
            return False

    def is_outdated(self, hashed: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(hashed)


class Passwords:
    """A Hasher for the reactor's thread: two hashes at once and no more, so that nothing else starves.

    Cancelling a Deferred gives up its place in the queue.
    """

    def __init__(self, reactor: IReactorFromThreads, hasher: Hasher) -> None:
        self._reactor = reactor
        self._hasher = hasher
        self._pool = ThreadPool(0, MOST_AT_ONCE, name="toru-passwords")
        self._turns = DeferredSemaphore(MOST_AT_ONCE)

    def start(self) -> None:
        self._pool.start()

    def stop(self) -> None:
        """Blocks until the hashes under way are done."""
        self._pool.stop()

    def hash(self, password: str) -> Deferred[str]:
        """Fails with SignInBusy where too many wait."""
        return self._run(partial(self._hasher.hash, password))

    def verify(self, hashed: str | None, password: str) -> Deferred[bool]:
        """Fails with SignInBusy where too many wait."""
        return self._run(partial(self._hasher.verify, hashed, password))

    def is_outdated(self, hashed: str) -> bool:
        return self._hasher.is_outdated(hashed)

    def _run(self, work: Callable[[], T]) -> Deferred[T]:
        if len(self._turns.waiting) >= MOST_WAITING:
            return fail(SignInBusy("Too many people sign in at this moment.", retry_after=5))
        return self._turns.run(deferToThreadPool, self._reactor, self._pool, work)


def _bytes(password: str) -> bytes:
    # Bytes that were no UTF-8 in the environment are surrogates here.
    return password.encode("utf-8", "surrogatepass")
