"""Secrets that toru hands out: how they are made, what is kept of them, and how they are found again."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Sequence

from msgspec import structs

from toru.model import Principal
from toru.store.accounttable import Key

TOKEN_PREFIX = "toru_"
PLUGIN_TOKEN_PREFIX = "toru_plugin_"

_PREFIX = TOKEN_PREFIX.encode()
# 32 bytes are 43 characters.
_WHOLE = re.compile(rb"toru_[\w-]{43}")
_BEARER = re.compile(rb"bearer +(\S+)\s*", re.IGNORECASE)

# Who keeps a copy of a keyring: the keys that were added, or are others now, and the digests of those that were removed.
Follower = Callable[[Sequence[Key], Sequence[bytes]], None]


class Secret:
    """A secret on its way to the one who may see it; it shows itself to nobody else."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself."""
        return self._text

    def __repr__(self) -> str:
        return "<secret>"


def new_secret(prefix: str = "") -> str:
    """32 random bytes as text for headers and cookies."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: bytes) -> bytes:
    """All that is ever stored of a secret of ours: nobody can guess 32 random bytes, so no salt is needed."""
    return hashlib.sha256(secret).digest()


def own_token(authorization: bytes | None) -> bytes | None:
    """The token in an `Authorization` header where it looks like one of ours, known or not, else None."""
    if authorization is None:
        return None
    match = _BEARER.fullmatch(authorization.strip())
    return match[1] if match and match[1].startswith(_PREFIX) else None


def holds_token(authorization: bytes) -> bool:
    """Whether an `Authorization` header holds what looks like a token of ours, in a form that we take or another."""
    return own_token(authorization) is not None or _WHOLE.search(authorization) is not None


class Keyring:
    """The keys of one kind, in memory."""

    def __init__(self) -> None:
        self._keys: dict[bytes, Key] = {}
        self._follower: Follower | None = None

    def follow(self, follower: Follower) -> None:
        """Tell it of each change from now on."""
        self._follower = follower

    def all(self) -> list[Key]:
        """Those whose time is over, too."""
        return list(self._keys.values())

    def find(self, found: bytes, now: float) -> Key | None:
        """The key whose secret has this digest; None where there is none, or its time is over."""
        key = self._keys.get(_slot(found))
        if key is None or key.expires_at <= now or not hmac.compare_digest(key.digest, found):
            return None
        return key

    def has(self, key: Key) -> bool:
        """Whether a key that was found is still here, just as it was; that its time may be over is not asked."""
        return self._keys.get(_slot(key.digest)) is key

    def add(self, key: Key) -> None:
        self.change([key], [])

    def remove(self, digest: bytes) -> None:
        """Nothing happens where there is no such key."""
        if _slot(digest) in self._keys:
            self.change([], [digest])

    def remove_where(self, unwanted: Callable[[Key], bool]) -> None:
        self.change([], [key.digest for key in self._keys.values() if unwanted(key)])

    def rename(self, id: str, display_name: str) -> None:
        """Give the keys of one principal its new name."""
        named = [
            key._replace(principal=structs.replace(key.principal, display_name=display_name))
            for key in self._keys.values()
            if key.principal.id == id
        ]
        self.change(named, [])

    def replace(self, keys: Iterable[Key]) -> None:
        """Forget all other keys, and know these. One that is known already stays the same object."""
        wanted = {_slot(key.digest): key for key in keys}
        gone = [key.digest for slot, key in self._keys.items() if slot not in wanted]
        self.change([key for slot, key in wanted.items() if self._keys.get(slot) != key], gone)

    def change(self, added: Sequence[Key], removed: Sequence[bytes]) -> None:
        """Know the keys in `added`, and forget those with the digests in `removed`."""
        if not (added or removed):
            return
        for digest in removed:
            self._keys.pop(_slot(digest), None)
        for key in added:
            self._keys[_slot(key.digest)] = key
        if self._follower is not None:
            self._follower(added, removed)


class PluginTokens:
    """One token for each plugin process, worth only the storage of that plugin, and only in memory."""

    def __init__(self) -> None:
        self._keys = Keyring()

    def issue(self, plugin_id: str) -> str:
        """A new token for a process of that plugin; tokens of its other processes stay good."""
        token = new_secret(PLUGIN_TOKEN_PREFIX)
        principal = Principal("plugin", plugin_id, plugin_id, plugin_id, "plugin")
        self._keys.add(Key(digest(token.encode()), principal))
        return token

    def revoke(self, token: str) -> None:
        """The process is gone, and so is what its token was worth. A token that is unknown is none already."""
        self._keys.remove(digest(token.encode()))

    def find(self, found: bytes) -> Key | None:
        """The key of the plugin whose token has this digest."""
        return self._keys.find(found, 0.0)

    def has(self, key: Key) -> bool:
        """Whether a key that was found is still good."""
        return self._keys.has(key)


def _slot(digest: bytes) -> bytes:
    # A dictionary compares in a time that tells of what it compares, so that it gets a half alone;
    # the whole is compared in constant time.
    return digest[:16]
