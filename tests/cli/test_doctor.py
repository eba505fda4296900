"""`toru doctor` on set-ups that are broken in each way that it looks for, and on one that is not."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred

from tests.cli.running import TORU, Cli
from tests.http.fakes import in_reactor
from tests.integration.cores import Core, source
from tests.store.test_disk import disks, on_small_disk
from toru.cli.doctor.command import _look
from toru.cli.doctor.database import file_system
from toru.cli.doctor.finding import Finding
from toru.cli.doctor.folders import judge_disk, look_at_folders
from toru.cli.doctor.machine import judge_clock, look_at_machine
from toru.cli.doctor.plugins import look_at_plugins
from toru.cli.doctor.settings import look_at_settings
from toru.config import Config, load

ANY = "--listen=tcp:0:interface=127.0.0.1"


def trouble(found: Any) -> list[Finding]:
    """What is not fine, each with what mends it."""
    wrong = [finding for finding in found if finding.level != "ok"]
    assert all(finding.mend for finding in wrong)
    return wrong


def told(finding: dict[str, str]) -> tuple[str, str]:
    return finding["level"], finding["subject"]


def files(folder: Path) -> list[Path]:
    """All but what a core that runs writes when it comes to it."""
    return sorted(
        path for path in folder.rglob("*") if path.name not in ("discovery.json", "plugin-supervisor.log")
    )


def wrong(cli: Cli, *flags: str, environ: dict[str, str] | None = None) -> list[dict[str, str]]:
    """What the command has to say that is not `ok`, having changed nothing."""
    before = files(cli.folder)
    ended = cli.run("doctor", "--json", "--logs=logs", *flags, environ=environ)
    found = [finding for finding in ended.json() if finding["level"] != "ok"]
    assert ended.code == (1 if any(finding["level"] == "failure" for finding in found) else 0), ended
    assert files(cli.folder) == before
    return found


# -- nothing wrong


def test_nothing_there_yet(local: Cli) -> None:
    assert [each for each in wrong(local, ANY) if each["subject"] not in ("clock", "machine", "disk")] == []


def test_a_toru_that_runs(core: Core) -> None:
    shown = Cli(core.folder).run("doctor", "--logs=logs", f"--listen=tcp:{core.port}:interface=127.0.0.1")
    assert shown.code == 0
    assert f"toru answers on tcp:{core.port}" in shown.out
    assert "hello 1 (hello.binary)" in shown.out
    assert "toru.db is whole" in shown.out


def test_a_toru_that_runs_elsewhere(core: Core) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    [found] = wrong(Cli(core.folder), f"--listen=tcp:{port}:interface=127.0.0.1")
    assert told(found) == ("failure", "ports")
    assert "a toru uses this data folder, and does not answer" in found["text"]


# -- settings


def test_settings_that_cannot_be_used(local: Cli) -> None:
    (local.folder / "toru.toml").write_text("requets_timeout = 3\n")
    [found] = [each for each in wrong(local) if each["subject"] != "machine"]
    assert (told(found), found["text"]) == (
        ("failure", "settings"),
        "toru.toml: unknown key `requets_timeout`",
    )


def test_settings_for_people(local: Cli) -> None:
    (local.folder / "toru.toml").write_text("plugins = [\n")
    ended = local.run("doctor")
    assert ended.code == 1
    assert "failure  settings  toru.toml: " in ended.out
    assert ended.out.splitlines()[-1].startswith("1 to mend")


def test_settings_that_give_something_away(local: Cli) -> None:
    file = local.folder / "toru.toml"
    file.write_text('[[webhook]]\nurl = "https://example.com/"\nsecret = "0123456789abcdef"\n')
    file.chmod(0o644)
    _, found = look_at_settings({}, {"TORU_ADMIN_PASSWORD": "x"}, local.folder)
    assert ["TORU_ADMIN_PASSWORD" in trouble(found)[0].text, trouble(found)[1].mend] == [
        True,
        f"chmod 600 {file}",
    ]
    file.chmod(0o600)
    assert trouble(look_at_settings({}, {}, local.folder)[1]) == []


# -- the machine


def test_no_util_linux(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install util-linux" in [finding.mend for finding in trouble(look_at_machine())]


# -- folders


@pytest.mark.parametrize("setting", ["plugins", "data", "logs"])
def test_a_file_where_a_folder_should_be(local: Cli, setting: str) -> None:
    (local.folder / "file").touch()
    config = load({"logs": "logs", setting: "file/below"}, {}, local.folder)
    [found] = [each for each in trouble(look_at_folders(config)) if each.subject == "folders"]
    assert (found.level, f"{setting}: {local.folder / 'file'} is no folder" in found.text) == (
        "failure",
        True,
    )


def test_a_folder_that_cannot_be_written_to(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write everywhere, so that the system's refusal is made up here."""
    config.data.mkdir(mode=0o700)
    real = __import__("tempfile").TemporaryFile

    def refuse(*, dir: Path) -> Any:
        if dir == config.data:
            raise PermissionError(13, "Permission denied", str(dir))
        return real(dir=dir)

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    [found] = trouble(look_at_folders(config))
    assert "cannot be written to: Permission denied; it belongs to" in found.text
    assert found.mend == f"chmod u+rwx {config.data}"
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    [found] = trouble(look_at_folders(config))
    assert "run this as" in found.mend
    assert "--data" in found.mend


@in_reactor
async def test_what_may_not_even_be_looked_at(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by somebody else than the user who runs toru: the rest is looked at all the same."""
    from twisted.internet import reactor

    real = os.stat

    def refuse(path: Any, **more: Any) -> os.stat_result:
        if str(path).startswith((f"{config.data}/", f"{config.plugins}/", f"{config.logs}/", "/closed/")):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **more)

    closed = msgspec.structs.replace(
        config,
        plugins=config.plugins / "below",
        data=config.data / "below",
        logs=config.logs / "below",
        database="sqlite:////closed/toru.db",
        listen=("ssl:0:privateKey=/closed/key.pem:certKey=/closed/cert.pem",),
    )
    monkeypatch.setattr(os, "stat", refuse)
    found = await _look(reactor, closed)
    # What is in them nobody can say: neither that it is fine, nor that it is missing.
    assert {each.subject for each in found} == {"folders", "disk", "clock", "ports", "database"}
    assert {each.level for each in found if each.subject in ("folders", "database")} == {"failure", "ok"}
    assert ["may not look into /closed" in each.text for each in found if each.subject == "database"] == [
        True
    ]


def test_a_file_that_somebody_else_made(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    config.data.mkdir(mode=0o700)
    (config.data / "lock").touch()
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("lock") and may(path, mode))
    [found] = trouble(look_at_folders(config))
    assert f"{config.data / 'lock'} cannot be written to" in found.text
    assert found.mend.startswith("chmod u+rw ")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert trouble(look_at_folders(config))[0].mend.startswith("chown ")


def test_what_is_in_the_way_in_the_folders(config: Config) -> None:
    """Of a start, or of what is written later."""
    for folder in (config.plugins, config.data, config.logs):
        folder.mkdir(mode=0o700)
    (config.run).touch()
    (config.plugins / ".metadata").touch()
    (config.logs / "plugin-supervisor.log").mkdir()
    (config.data / "instance-id").write_text("nonsense\n")
    assert [
        each.text.removeprefix(f"{config.plugins.parent}/") for each in trouble(look_at_folders(config))
    ] == [
        "logs/plugin-supervisor.log is no file",
        "data/run is no folder",
        "plugins/.metadata is no folder",
        "data/instance-id holds no UUID, and toru does not start with it",
    ]


def test_links_to_nowhere(config: Config) -> None:
    folder = config.plugins.parent
    config.data.symlink_to("absent")
    (folder / "toru.toml").symlink_to("absent.toml")
    [found] = trouble(look_at_folders(config))
    assert f"{config.data} is a link to absent, which is not there" in found.text
    [setting] = trouble(look_at_settings({}, {}, folder)[1])
    assert (setting.level, "toru.toml is a link to absent.toml" in setting.text) == ("warning", True)


def test_folders_that_are_open_to_others(config: Config) -> None:
    for path, mode in ((config.plugins, 0o777), (config.data, 0o755), (config.logs, 0o750)):
        path.mkdir()
        path.chmod(mode)
    found = {
        each.text.partition(":")[0]: (each.level, each.mend) for each in trouble(look_at_folders(config))
    }
    assert found == {
        "plugins": ("failure", f"chmod o-w {config.plugins}"),
        "data": ("warning", f"chmod 700 {config.data}"),
        "logs": ("warning", f"chmod 700 {config.logs}"),
    }


def test_plugins_that_the_system_will_not_run(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    config.plugins.mkdir()
    real = os.statvfs(config.plugins)
    mounted = SimpleNamespace(f_flag=real.f_flag | os.ST_NOEXEC)
    monkeypatch.setattr(os, "statvfs", lambda _: mounted)
    [found] = trouble(look_at_folders(config))
    assert (found.level, "noexec" in found.text) == ("failure", True)


def test_a_path_that_is_too_long_for_sockets(local: Cli) -> None:
    found = trouble(look_at_folders(load({"data": "d" * 90, "logs": "logs"}, {}, local.folder)))
    assert "107 is the most" in found[0].text
    assert found[0].mend == "set a shorter folder with --data"


# -- the disk


def test_what_a_disk_has_left() -> None:
    assert judge_disk("data", 2**40, None).level == "ok"
    assert judge_disk("data", 2**29, 10**6).level == "warning"
    assert judge_disk("data", 2**20, 10**6).level == "failure"
    assert "no more files" in judge_disk("data", 2**40, 3).text


@pytest.mark.parametrize("disk", [disk for disk in disks() if disk != "quota"] or ["none"])
def test_a_disk_that_is_full(disk: str, local: Cli) -> None:
    """Where this user may have a small disk of its own; what is made of figures is tested above."""
    command = [str(TORU), "doctor", "--json", "--logs=logs", f"--data={local.folder}/data", ANY]
    if disk == "none":
        ended = subprocess.run(command, cwd=local.folder, capture_output=True, check=False, timeout=60)
    else:
        ended = on_small_disk(
            local.folder, "mkdir -m 700 data; head -c 1G /dev/zero > room 2>/dev/null", command
        )
    found = [finding for finding in json.loads(ended.stdout) if finding["subject"] in ("disk", "folders")]
    failures = [finding["text"] for finding in found if finding["level"] == "failure"]
    assert (ended.returncode, bool(failures)) == ((0, False) if disk == "none" else (1, True)), found
    assert disk == "none" or any("No space left" in text for text in failures)


# -- the clock


def test_clocks() -> None:
    now = time.time()
    assert judge_clock(now, now, True).level == "ok"
    assert judge_clock(now, 0, None).level == "ok"
    assert judge_clock(now, now, False).level == "warning"
    assert "it went back" in judge_clock(now, now + 3600, True).text
    assert "which is over" in judge_clock(86400.0, 0, True).text


def test_a_clock_that_went_back(local: Cli) -> None:
    (local.folder / "data").mkdir(mode=0o700)
    (local.folder / "data" / "instance-id").touch()
    later = time.time() + 10**6
    os.utime(local.folder / "data" / "instance-id", (later, later))
    assert ("failure", "clock") in [told(finding) for finding in wrong(local, ANY)]


# -- the database


@pytest.mark.parametrize(
    ("prepare", "text"),
    [
        (lambda path: path.write_text("no database\n" * 100), "is damaged"),
        (lambda path: path.mkdir(), "toru.db is no file"),
        (lambda path: os.mkfifo(path, 0o600), "toru.db is no file"),
        (lambda path: sql(path, "CREATE TABLE other (x)"), "holds no data of toru"),
        (
            lambda path: sql(
                path, "CREATE TABLE alembic_version (version_num)", "INSERT INTO alembic_version VALUES (9)"
            ),
            "newer toru",
        ),
    ],
    ids=["damaged", "a folder", "a pipe", "another program's", "newer"],
)
def test_databases_that_cannot_be_used(local: Cli, prepare: Any, text: str) -> None:
    data = local.folder / "data"
    data.mkdir(mode=0o700)
    prepare(data / "toru.db")
    [found] = [each for each in wrong(local, ANY) if each["subject"] == "database"]
    assert told(found) == ("failure", "database")
    assert text in found["text"]
    assert found["mend"]


def sql(path: Path, *statements: str) -> None:
    import sqlite3

    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    path.chmod(0o600)


def test_a_database_that_others_can_read(core: Core) -> None:
    path = core.folder / "data" / "toru.db"
    path.chmod(0o644)
    [found] = wrong(Cli(core.folder), f"--listen=tcp:{core.port}:interface=127.0.0.1")
    path.chmod(0o600)
    assert told(found) == ("warning", "database")
    assert found["mend"].startswith("chmod 600 ")


def test_a_database_of_another_toru(core: Core, local: Cli) -> None:
    """In a data folder that is free."""
    found = wrong(local, ANY, f"--database=sqlite:///{core.folder}/data/toru.db")
    assert ["another toru is using" in each["text"] for each in found if each["subject"] == "database"] == [
        True
    ]


def test_file_systems() -> None:
    assert file_system(Path("/proc/self")) == "proc"


# -- plugins


def plugins(config: Config) -> Deferred[list[Finding]]:
    from twisted.internet import reactor

    return Deferred.fromCoroutine(look_at_plugins(reactor, config))


@in_reactor
async def test_plugins_that_cannot_be_used(config: Config) -> None:
    config.plugins.mkdir()
    for name, text, mode in (
        ("a-good", source("good"), 0o755),
        ("b-same", source("good", route="/other"), 0o755),
        ("c-mode", source("mode"), 0o644),
        ("d-exit", "#!/bin/sh\nexit 3\n", 0o755),
        ("e-metadata", "#!/bin/sh\necho '{}'\n", 0o755),
        ("f-open", source("open"), 0o777),
    ):
        path = config.plugins / f"{name}.binary"
        path.write_text(text)
        path.chmod(mode)
    (config.plugins / "g-link.binary").symlink_to("/bin/true")
    (config.plugins / "h-lines.binary").write_text("#!/bin/sh\r\necho '{}'\r\n")
    (config.plugins / "h-lines.binary").chmod(0o755)
    found = await plugins(config)
    assert [each.text for each in found if each.level == "ok"] == [
        "good 1 (a-good.binary)",
        "open 1 (f-open.binary)",
    ]
    same, not_executable, exited, metadata, link, _, is_open = [each.text for each in trouble(found)]
    assert 'b-same.binary has the id "good"' in same
    assert "c-mode.binary: it is not executable" in not_executable
    assert "d-exit.binary: `--metadata` exited with code 3" in exited
    assert "e-metadata.binary: field `id`" in metadata
    assert "g-link.binary: it is a link that leads out" in link
    assert "everybody can write to f-open.binary" in is_open
    assert "its lines end as on Windows" in trouble(found)[-2].mend


@in_reactor
async def test_which_are_to_run(local: Cli) -> None:
    (local.folder / "toru.toml").write_text("[plugin.absent]\nconcurrency = 1\n")
    config = load({"logs": "logs"}, {}, local.folder)
    [unused] = trouble(await plugins(config))
    assert (unused.level, "[plugin.absent]" in unused.text) == ("warning", True)

    enabled = config.plugins / ".metadata" / "config.json"
    enabled.parent.mkdir(parents=True)
    enabled.write_text('{"plugins": {"off": false}}')
    assert "off is disabled" in [each.text for each in await plugins(config)]
    enabled.write_text("{")
    assert "is broken" in trouble(await plugins(config))[0].text
