"""The folders: there, writable, large enough, and closed to others. Changes nothing."""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from toru.cli.doctor.finding import Finding, Subject, refused
from toru.config import Config
from toru.errors import StartError
from toru.store.folders import check_sockets_fit

# Left on a disk: too little for one plugin's storage and a rotation of logs; and little enough to say so.
LEAST_BYTES, LITTLE_BYTES = 64 * 2**20, 2**30


def look_at_folders(config: Config) -> Iterator[Finding]:
    """Each folder, and each file of toru's own in them."""
    try:
        check_sockets_fit(config)
    except StartError as error:
        yield refused("folders", error)
    for setting, path in _folders(config).items():
        yield from _folder(setting, path)
    yield from _openness(config)
    yield from _files(config)
    owner = _nearest(config.data).stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        yield Finding(
            "warning",
            "folders",
            "this was looked at as root, who may write everywhere",
            f"run `toru doctor` as {user_name(owner)}, as toru itself runs",
        )


def look_at_disks(config: Config) -> Iterator[Finding]:
    """What is left on the disks."""
    seen = set()
    for setting, path in _folders(config).items():
        there = _nearest(path)
        if (device := there.stat().st_dev) in seen:
            continue
        seen.add(device)
        figures = os.statvfs(there)
        yield judge_disk(
            f"{setting} ({path})",
            figures.f_bavail * figures.f_frsize,
            figures.f_favail if figures.f_files else None,
        )


def judge_disk(what: str, free_bytes: int, free_files: int | None) -> Finding:
    """Whether so much is enough. `free_files` is None where the file system does not count them."""
    shown = f"{free_bytes / 2**20:,.0f} MiB are free for {what}"
    if free_files is not None and free_files < 100:
        return Finding(
            "failure", "disk", f"the disk of {what} takes no more files", "delete what is not needed"
        )
    if free_bytes < LEAST_BYTES:
        return Finding("failure", "disk", shown, "make room: what cannot be written is refused with 507")
    if free_bytes < LITTLE_BYTES:
        return Finding("warning", "disk", shown, "make room before it is full")
    return Finding("ok", "disk", shown)


def user_name(number: int) -> str:
    """A user as people call them."""
    with suppress(KeyError):
        return pwd.getpwuid(number).pw_name
    return f"user {number}"


def why_not_writable(folder: Path) -> str | None:
    """What the system says to a file in `folder`; None where it takes it. It leaves nothing behind."""
    try:
        # Modes tell root nothing, and nobody of a full or read-only disk: only writing does.
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
    except OSError as error:
        return error.strerror
    return None


def may_be_seen(path: Path) -> bool:
    """Whether this user can tell if there is such a path. What cannot be seen is not said to be missing."""
    try:
        path.stat()
    except PermissionError:
        return False
    except OSError:
        return True
    return True


def _folders(config: Config) -> dict[str, Path]:
    return {"plugins": config.plugins, "data": config.data, "logs": config.logs}


def _nearest(path: Path) -> Path:
    """The folder, or the one in which it would be made."""
    while not os.path.exists(path) and path != path.parent:
        path = path.parent
    return path


def _folder(setting: str, path: Path) -> Iterator[Finding]:
    there = _nearest(path)
    elsewhere = f"or set another with --{setting}"
    for each in (path, *path.parents):
        if os.path.islink(each) and not os.path.exists(each) and may_be_seen(each):
            text = f"{setting}: {each} is a link to {os.readlink(each)}, which is not there"
            yield Finding("failure", "folders", text, f"make that, {elsewhere}")
            return
    if not there.is_dir():
        yield Finding("failure", "folders", f"{setting}: {there} is no folder", f"move it away, {elsewhere}")
        return
    if (why := why_not_writable(there)) is not None:
        uid = there.stat().st_uid
        owner = user_name(uid)
        if why != os.strerror(errno.EACCES):
            mend = f"make room there or have the disk mended, {elsewhere}"
        elif uid == os.geteuid():
            mend = f"chmod u+rwx {_quoted(there)}"
        else:
            mend = f"run this as {owner} if that is who runs toru; else chown it to who does, {elsewhere}"
        text = f"{setting}: {there} cannot be written to: {why}; it belongs to {owner}"
        yield Finding("failure", "folders", text, mend)
        return
    if not os.access(there, os.R_OK | os.X_OK):
        yield Finding(
            "failure", "folders", f"{setting}: {there} cannot be read", f"chmod u+rx {_quoted(there)}"
        )
        return
    made = "" if there == path else ", and is made at the start"
    yield Finding("ok", "folders", f"{setting}: {path} can be written to{made}")


def _openness(config: Config) -> Iterator[Finding]:
    """Folders that are open wider than they should be, or not enough."""
    if os.path.isdir(config.plugins):
        if config.plugins.stat().st_mode & 0o002:
            yield Finding(
                "failure",
                "folders",
                f"plugins: everybody can write to {config.plugins}, and so have toru run what they like",
                f"chmod o-w {_quoted(config.plugins)}",
            )
        if os.statvfs(config.plugins).f_flag & os.ST_NOEXEC:
            yield Finding(
                "failure",
                "folders",
                f"plugins: {config.plugins} is on a file system from which nothing can be run (noexec)",
                "mount it with exec, or set another with --plugins",
            )
    for setting, path in (("data", config.data), ("logs", config.logs)):
        if os.path.isdir(path) and path.stat().st_mode & 0o077:
            yield Finding(
                "warning",
                "folders",
                f"{setting}: others can look into {path}",
                f"chmod 700 {_quoted(path)}",
            )


def _files(config: Config) -> Iterator[Finding]:
    """Files and folders that somebody else made, most often root with a command that was to be run as toru's user."""
    ours = (
        config.data / "lock",
        config.data / "instance-id",
        config.data / "discovery.json",
        config.plugins / ".metadata" / "config.json",
        config.logs / "plugin-supervisor.log",
    )
    folders = (config.run, config.plugins / ".metadata", config.logs / "plugins")
    for path in (*ours, *folders):
        if not os.path.lexists(path):
            continue
        if os.path.isdir(path) != (path in folders):
            what = "no folder" if path in folders else "no file"
            yield Finding("failure", "folders", f"{path} is {what}", f"move it away: {_quoted(path)}")
        elif not os.access(path, os.R_OK | os.W_OK):
            yield not_ours("folders", path)
    yield from _instance(config.data / "instance-id")


def _instance(path: Path) -> Iterator[Finding]:
    if not os.path.isfile(path) or not os.access(path, os.R_OK):
        return
    try:
        UUID(path.read_text("ascii").strip())
    except ValueError:
        text = f"{path} holds no UUID, and toru does not start with it"
        yield Finding(
            "failure", "folders", text, "put back that of a backup, or remove it and a new one is made"
        )


def not_ours(subject: Subject, path: Path) -> Finding:
    """What to say of a file or a folder of toru's own that cannot be used."""
    uid = path.stat().st_uid
    return Finding(
        "failure",
        subject,
        f"{path} cannot be written to; it belongs to {user_name(uid)}",
        f"chmod u+rw {_quoted(path)}"
        if uid == os.geteuid()
        else f"chown {user_name(os.geteuid())} {_quoted(path)}",
    )


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
