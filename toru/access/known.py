"""Who somebody is, from memory alone: by the value of a cookie, or by a token."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from toru.access.secret import Keyring, digest, own_token
from toru.model import Principal
from toru.store.accounttable import Key


class Known:
    """Everybody with a session or an API token. Whoever keeps the two keyrings sees to it that they are true."""

    def __init__(self, clock: IReactorTime) -> None:
        self.sessions = Keyring()
        self.tokens = Keyring()
        self._clock = clock

    def identify(self, cookie: bytes | None, authorization: bytes | None) -> Principal | None:
        """Who sends a request: from the value of the cookie `toru_session`, and the `Authorization` header.

        A token of ours speaks alone, even one that is worth nothing. Any other `Authorization` may be
        meant for a plugin, so that the cookie decides.
        """
        token = own_token(authorization)
        key = self.find(None if cookie is None else digest(cookie), None if token is None else digest(token))
        return None if key is None else key.principal

    def find(self, session: bytes | None, token: bytes | None) -> Key | None:
        """As `identify`, for who keeps the digests of a session and of a token of ours, and the key."""
        if token is not None:
            return self.tokens.find(token, 0.0)
        return None if session is None else self.sessions.find(session, self._clock.seconds())

    def open_to(self, key: Key) -> bool:
        """Whether a key that was found is as good as it was then."""
        if self.sessions.has(key):
            return key.expires_at > self._clock.seconds()
        return self.tokens.has(key)

    def still_knows(self, key: Key) -> bool:
        """Whether whoever came in with that key would be let in by it now, under another name perhaps."""
        if self.open_to(key):
            return True
        now = self.find(key.digest, None) or self.find(None, key.digest)
        return now is not None and (now.principal.kind, now.principal.id) == (
            key.principal.kind,
            key.principal.id,
        )
