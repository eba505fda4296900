"""`toru doctor` on ports, sockets and certificates."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta

import pytest
from twisted.internet.defer import Deferred

from tests.cli.test_doctor import files, trouble
from tests.cli.test_unreachable import certificate
from tests.http.fakes import in_reactor
from toru.cli.doctor.finding import Finding
from toru.cli.doctor.ports import address_of, judge_certificate, look_at_ports
from toru.config import Config, load


def look(config: Config, *, running: bool = False) -> Deferred[list[Finding]]:
    from twisted.internet import reactor

    return Deferred.fromCoroutine(look_at_ports(reactor, config, config.plugins.parent, running=running))


def listening(config: Config, *endpoints: str) -> Config:
    return load({"logs": "logs", "listen": list(endpoints)}, {}, config.plugins.parent)


@in_reactor
async def test_ports_that_cannot_be_had(config: Config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = f"tcp:{server.getsockname()[1]}:interface=127.0.0.1"
        found = await look(
            listening(
                config,
                taken,
                "tcp:0:interface=192.0.2.1",
                "bogus:1",
                "tcp:65536:interface=127.0.0.1",
                "tcp:0:interface=name.invalid",
            )
        )
    in_use, elsewhere, _, bogus, high, unknown, _ = trouble(found)
    assert "port must be 0-65535" in high.text
    assert "its name is not known" in unknown.mend
    assert "Address already in use" in in_use.text
    assert "stop what uses it" in in_use.mend
    assert "no interface of this machine has that address" in elsewhere.mend
    assert "'bogus:1' is no endpoint" in bogus.text


@in_reactor
async def test_ports_that_can(config: Config) -> None:
    found = await look(
        listening(
            config,
            "tcp:0:interface=127.0.0.1",
            "systemd:domain=INET:index=0",
            "unix:path",
            "tcp6:0:interface=\\:\\:1",
        )
    )
    assert [finding.level for finding in found] == ["ok"] * 4
    assert not (config.plugins.parent / "path").exists()


@in_reactor
async def test_two_endpoints_in_one_place(config: Config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"tcp:{server.getsockname()[1]}:interface=127.0.0.1"
    [found] = trouble(await look(listening(config, endpoint, endpoint)))
    assert "Address already in use" in found.text
    assert trouble(await look(listening(config, endpoint))) == []


@in_reactor
async def test_sockets_that_cannot_be_had(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = config.plugins.parent
    monkeypatch.chdir(folder)
    (folder / "file").touch()
    for name in ("used", "left", "replaced", "locked"):
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(name)
            if name == "used":
                made.listen()
                used = made.dup()
    # No process has such a number.
    (folder / "replaced.lock").symlink_to(str(2**22))
    (folder / "locked.lock").symlink_to(str(os.getpid()))
    (folder / "odd.lock").touch()
    before = files(folder)
    with used:
        names = ("absent/s", "file", "file/s", "used", "left", "replaced", "locked", "odd", "s" * 108)
        found = await look(listening(config, *(f"unix:{name}:mode=660" for name in names)))
        [running] = await look(listening(config, "unix:address=used"), running=True)
    [silent] = await look(listening(config, "unix:used"), running=True)
    assert files(folder) == before
    texts = [each.text.partition(": ")[2] for each in trouble(found)]
    assert texts == [
        f"there is no folder {folder / 'absent'}",
        f"{folder / 'file'} is there, and is no socket",
        f"there is no folder {folder / 'file'}",
        "another program listens there",
        f"{folder / 'left'} was left there by a program that has ended",
        f"{folder / 'locked.lock'} says that it is of process {os.getpid()}, which runs",
        f"{folder / 'odd.lock'} is there, and is no lock",
        "its path has 108 bytes, and 107 is the most that the system takes",
    ]
    assert (running.level, "answers on unix:address=used" in running.text) == ("ok", True)
    assert (silent.level, "does not answer on unix:used" in silent.text) == ("failure", True)


@in_reactor
async def test_a_socket_in_a_folder_that_is_closed(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    [found] = trouble(await look(listening(config, "unix:path")))
    assert f"{config.plugins.parent} cannot be written to: Permission denied" in found.text


@in_reactor
async def test_passwords_in_the_clear(config: Config) -> None:
    [found] = trouble(await look(listening(config, "tcp:0")))
    assert (found.level, "without TLS" in found.text) == ("warning", True)


@in_reactor
async def test_a_port_for_root(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system says it to somebody else than root."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("socket.socket.bind", refuse)
    [found] = trouble(await look(listening(config, "tcp:80:interface=127.0.0.1")))
    assert "systemd's socket activation" in found.mend


@in_reactor
async def test_certificates(config: Config) -> None:
    folder = config.plugins.parent
    over = certificate(folder, "toru.example", -1)
    open_to_all = certificate(folder, "other.example", 300)
    open_to_all.chmod(0o644)
    found = await look(
        listening(
            config,
            *(f"ssl:0:interface=127.0.0.1:privateKey={path}:certKey={path}" for path in (over, open_to_all)),
            "ssl:0:interface=127.0.0.1:privateKey=absent.pem:certKey=absent.pem",
        )
    )
    expired, readable, absent = trouble(found)
    assert f"the certificate {over} was valid until" in expired.text
    assert readable.mend == f"chmod 600 {open_to_all}"
    assert "absent.pem" in absent.text


def test_how_long_a_certificate_is_good() -> None:
    now = datetime.now(UTC)
    day = timedelta(days=1)
    levels = [judge_certificate("x.pem", now - day, now + more * day, now).level for more in (300, 13, -1)]
    assert levels == ["ok", "warning", "failure"]
    assert "not valid before" in judge_certificate("x.pem", now + day, now + 2 * day, now).text


def test_where_endpoints_are() -> None:
    assert address_of("tcp:80") == (False, "127.0.0.1", 80, False)
    assert address_of("tcp:port=80:interface=10.0.0.1") == (False, "10.0.0.1", 80, False)
    assert address_of("ssl:443:interface=\\:\\:") == (True, "::1", 443, False)
    assert address_of("tcp6:80:interface=\\:\\:1") == (False, "::1", 80, True)
    assert address_of("tcp:80:interface=localhost") == (False, "localhost", 80, True)
    assert address_of("unix:/run/x") is None
