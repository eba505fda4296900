"""Makes the folders of a Config usable, and this process the only one that uses its data."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from uuid import UUID, uuid4

from toru.config import Config
from toru.errors import StartError
from toru.store.files import take_lock, write_atomically

# What `sun_path` holds, less its closing NUL.
SOCKET_PATH_MAX = 107
# The longest file name that a socket in the run folder has.
SOCKET_NAME_MAX = 25


def prepare(config: Config) -> None:
    """Makes the folders that are missing and checks that all of them can be written to.

    Data, run and logs are made with mode 0700, and a wider run folder is narrowed, because Twisted and
    most plugins leave their sockets open to everybody. Raises StartError.
    """
    check_sockets_fit(config)
    _prepare_folder(config.plugins, "plugins", 0o755)
    _prepare_folder(config.data, "data", 0o700)
    _prepare_folder(config.run, "data", 0o700, narrow=True)
    _prepare_folder(config.logs, "logs", 0o700)


def check_sockets_fit(config: Config) -> None:
    """Raises StartError where the paths of sockets would be longer than the system takes."""
    length = len(os.fsencode(config.run)) + 1 + SOCKET_NAME_MAX
    if length > SOCKET_PATH_MAX:
        raise StartError(
            f"data: sockets in {config.run} would have paths of {length} bytes, and {SOCKET_PATH_MAX} is the "
            "most that the system takes; set a shorter folder with --data"
        )


def lock_data(config: Config) -> int:
    """Takes the data folder for this process; the lock lasts until the returned descriptor is closed.

    Programs that this process starts do not inherit it. Raises StartError where another holds it.
    """
    path = config.data / "lock"
    try:
        return take_lock(path)
    except BlockingIOError as error:
        raise StartError(
            f"another toru is using the data folder {config.data}; stop it, or set another with --data"
        ) from error
    except OSError as error:
        raise StartError(
            f"data: {path} cannot be locked: {error.strerror}; set another folder with --data"
        ) from error


def instance_id(config: Config) -> str:
    """The UUID of this installation, made at its first start and kept in the data folder.

    Call it with the lock held. Raises StartError where the file is damaged or cannot be used.
    """
    path = config.data / "instance-id"
    try:
        if not path.exists():
            write_atomically(path, f"{uuid4()}\n".encode())
        return str(UUID(path.read_text("ascii").strip()))
    except OSError as error:
        raise StartError(f"data: {path} cannot be used: {error.strerror}") from error
    except ValueError as error:
        raise StartError(f"data: {path} holds no UUID; remove the file and a new one is made") from error


def _prepare_folder(path: Path, setting: str, mode: int, *, narrow: bool = False) -> None:
    try:
        os.makedirs(path, mode, exist_ok=True)
        if narrow and path.stat().st_mode & 0o077:
            path.chmod(mode)
        # Modes tell root nothing, and nobody of a full or read-only disk: only writing does.
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"\0")
    except FileExistsError as error:
        raise StartError(f"{setting}: {path} is not a folder; set another with --{setting}") from error
    except OSError as error:
        raise StartError(
            f"{setting}: the folder {path} cannot be written to: {error.strerror}; "
            f"set another with --{setting}"
        ) from error
