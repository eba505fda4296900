"""Remembers where somebody signed in, in a file that nobody else may read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toru.cli.failures import Failed

DEFAULT_URL = "http://127.0.0.1:3000"


@dataclass(frozen=True)
class Credential:
    """What is shown to the core: an API token, or the cookie of a session."""

    token: str | None = None
    cookie: str | None = None

    def header(self) -> tuple[str, str] | None:
        """The header that shows it."""
        if self.token is not None:
            return "Authorization", f"Bearer {self.token}"
        if self.cookie is not None:
            return "Cookie", self.cookie
        return None


class Remembered:
    """`credentials.json` in the user's config folder: the place signed in to last, and a credential for each."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Reads it. Raises Failed where it is there and cannot be used."""
        home = environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
        self.file = Path(home) / "toru" / "credentials.json"
        self._content: dict[str, Any] = {}
        try:
            content = json.loads(self.file.read_bytes())
            content.setdefault("credentials", {}).items()
            self._content = content
        except FileNotFoundError:
            pass
        except OSError as error:
            raise Failed(f"{self.file} cannot be read: {error.strerror}") from error
        except (ValueError, AttributeError) as error:
            raise Failed(f"{self.file} is damaged; remove it and sign in again with `toru login`") from error

    @property
    def url(self) -> str | None:
        """Where somebody signed in last."""
        url = self._content.get("url")
        return url if isinstance(url, str) else None

    def get(self, url: str) -> Credential:
        """The credential for that place; an empty one where there is none."""
        found = self._content.get("credentials", {}).get(url)
        known = found if isinstance(found, dict) else {}
        return Credential(known.get("token"), known.get("cookie"))

    def put(self, url: str, credential: Credential) -> None:
        """Keep it, and `url` as the place to ask from now on. Raises Failed where that cannot be written."""
        kind, value = ("token", credential.token) if credential.token else ("cookie", credential.cookie)
        self._content["url"] = url
        self._content.setdefault("credentials", {})[url] = {kind: value}
        self._save()

    def forget(self, url: str) -> None:
        """Drop the credential for that place."""
        if self._content.get("credentials", {}).pop(url, None) is not None:
            self._save()

    def _save(self) -> None:
        from toru.store.files import write_atomically

        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self.file, json.dumps(self._content, indent=2).encode() + b"\n")
        except OSError as error:
            raise Failed(f"{self.file} cannot be written: {error.strerror}") from error
