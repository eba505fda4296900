"""Secrets, and who is known by them."""

from __future__ import annotations

import hashlib

import pytest

from toru.access.secret import Keyring, PluginTokens, Secret, digest, new_secret, own_token
from toru.model import Principal
from toru.store.accounttable import Key

ANN = Principal("client", "1", "ann", "Ann", "session")
BOB = Principal("client", "2", "bob", "Bob", "session")


def key(secret: bytes, principal: Principal = ANN, expires_at: float = 100.0) -> Key:
    return Key(digest(secret), principal, expires_at)


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret!r} {secret} {[secret]}"
    assert secret.reveal() == "hunter2"


def test_secrets_hold_32_random_bytes() -> None:
    made = {new_secret("toru_") for _ in range(100)}
    assert len(made) == 100
    assert {len(secret) for secret in made} == {len("toru_") + 43}


def test_only_the_sha_256_is_kept() -> None:
    assert digest(b"abc") == hashlib.sha256(b"abc").digest()


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (b"Bearer toru_x", b"toru_x"),
        (b"bearer   toru_x ", b"toru_x"),
        (b"BEARER toru_plugin_x", b"toru_plugin_x"),
        (b"Bearer somebody-elses", None),
        (b"Basic toru_x", None),
        (b"toru_x", None),
        (b"Bearer toru_x toru_y", None),
        (b"Bearer", None),
        (b"", None),
        (None, None),
    ],
)
def test_which_tokens_are_ours(header: bytes | None, token: bytes | None) -> None:
    assert own_token(header) == token


def test_a_key_is_found_by_its_secret_until_it_ends() -> None:
    ring = Keyring()
    ring.add(key(b"one"))
    assert ring.find(digest(b"one"), 99.9) == key(b"one")
    assert ring.find(digest(b"one"), 100.0) is None
    assert ring.find(digest(b"two"), 0.0) is None
    assert ring.find(digest(digest(b"one")), 0.0) is None


def test_half_a_digest_opens_nothing() -> None:
    ring = Keyring()
    real = digest(b"one")
    ring.add(Key(real[:16] + bytes(16), ANN, 100.0))
    assert ring.find(digest(b"one"), 0.0) is None


def test_keys_go() -> None:
    ring = Keyring()
    for secret, whose in ((b"1", ANN), (b"2", ANN), (b"3", BOB)):
        ring.add(key(secret, whose))
    ring.remove(digest(b"1"))
    ring.remove(digest(b"unknown"))
    first, second, third = (ring.find(digest(secret), 0.0) for secret in (b"1", b"2", b"3"))
    assert (first, second, third) == (None, key(b"2", ANN), key(b"3", BOB))
    ring.remove_where(lambda each: each.principal == ANN)
    assert [ring.find(digest(secret), 0.0) for secret in (b"1", b"2", b"3")] == [None, None, third]
    ring.replace([key(b"4", ANN)])
    assert [ring.find(digest(secret), 0.0) for secret in (b"3", b"4")] == [None, key(b"4", ANN)]


def test_a_key_that_was_found_is_good_while_it_is_there_as_it_was() -> None:
    ring = Keyring()
    for secret in (b"1", b"2", b"3", b"4"):
        ring.add(key(secret))
    first, second, third, fourth = (ring.find(digest(secret), 0.0) for secret in (b"1", b"2", b"3", b"4"))
    assert first
    assert second
    assert third
    assert fourth
    assert ring.has(first)
    assert ring.has(second)
    ring.remove(digest(b"1"))
    assert [ring.has(each) for each in (first, second)] == [False, True]
    ring.remove_where(lambda each: each.digest == digest(b"2"))
    assert [ring.has(each) for each in (second, third)] == [False, True]
    ring.rename(ANN.id, "Anna")
    assert [ring.has(each) for each in (third, fourth)] == [False, False]
    ring.add(third)
    assert ring.has(third)
    ring.replace([key(b"4")])
    assert not ring.has(third)


def test_somebody_gets_a_new_name() -> None:
    ring = Keyring()
    ring.replace([key(b"1", ANN), key(b"3", BOB)])
    ring.rename("1", "Anna")
    found = ring.find(digest(b"1"), 0.0)
    assert found is not None
    who = found.principal
    assert (who.id, who.name, who.display_name) == ("1", "ann", "Anna")
    assert ring.find(digest(b"3"), 0.0) == key(b"3", BOB)


def test_each_process_has_a_token_of_its_own() -> None:
    tokens = PluginTokens()
    old, new, other = tokens.issue("hello"), tokens.issue("hello"), tokens.issue("other")
    assert len({old, new, other}) == 3
    first, second = tokens.find(digest(old.encode())), tokens.find(digest(new.encode()))
    assert first
    assert second
    assert first.principal == second.principal == Principal("plugin", "hello", "hello", "hello", "plugin")
    tokens.revoke(old)
    tokens.revoke(old)
    assert tokens.find(digest(old.encode())) is None
    assert [tokens.has(each) for each in (first, second)] == [False, True]
    assert tokens.find(digest(new.encode())) == second
    found = tokens.find(digest(other.encode()))
    assert found is not None
    assert found.principal.id == "other"


def test_nothing_shows_a_plugins_token() -> None:
    tokens = PluginTokens()
    token = tokens.issue("hello")
    assert token.startswith("toru_")
    assert token not in f"{tokens!r} {vars(tokens)!r} {tokens._keys.__dict__!r}"
