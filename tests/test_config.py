"""Settings: which source wins, what each refuses and with which line, and what they mean on disk."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, strategies as st
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.testing import MemoryReactor

from toru import config as module
from toru.config import DEFAULT_LISTEN, Config, PluginSettings, Supervision, check_endpoint, load
from toru.errors import StartError
from toru.store.files import write_atomically
from toru.store.folders import SOCKET_NAME_MAX, instance_id, lock_data, prepare


@pytest.fixture(autouse=True)
def _no_system_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SYSTEM_LOGS", tmp_path / "var-log-missing" / "toru")


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder for what has sockets, whose paths have a limit that pytest's own folder may come near."""
    with TemporaryDirectory(prefix="toru-") as folder:
        yield Path(folder)


@pytest.fixture
def descriptors() -> Iterator[list[int]]:
    taken: list[int] = []
    yield taken
    for descriptor in taken:
        os.close(descriptor)


def write(folder: Path, text: str, name: str = "toru.toml") -> Path:
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return path


def refusal(folder: Path, flags: dict[str, Any] | None = None, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(StartError) as caught:
        load(flags or {}, environ or {}, folder)
    line = str(caught.value)
    assert line.startswith("toru: ")
    assert "\n" not in line
    return line.removeprefix("toru: ")


def test_defaults(tmp_path: Path) -> None:
    config = load({}, {}, tmp_path)
    assert config == Config(
        listen=(DEFAULT_LISTEN,),
        plugins=tmp_path / "plugins",
        data=tmp_path / "data",
        logs=tmp_path / "data" / "logs",
        database=f"sqlite:///{tmp_path}/data/toru.db",
        request_timeout=30.0,
        stream_idle_timeout=300.0,
        max_streams=1000,
        max_connections=10_000,
        workers=1,
        max_body_bytes=8 * 1024 * 1024,
        max_message_bytes=16 * 1024 * 1024,
        trusted_proxies=(),
        supervision=Supervision(),
        plugin={},
    )
    assert config.run == tmp_path / "data" / "run"
    assert config.supervision.max_starting >= 2


def test_the_database(tmp_path: Path) -> None:
    assert load({"data": "d"}, {}, tmp_path).database == f"sqlite:///{tmp_path}/d/toru.db"
    (tmp_path / "etc").mkdir()
    write(tmp_path / "etc", "database = 'sqlite:///x.db'\n[kv]\nmax_bytes = '2K'\n")
    flags = {"config": "etc/toru.toml"}
    assert load(flags, {}, tmp_path).database == f"sqlite:///{tmp_path}/etc/x.db"
    assert load(flags, {}, tmp_path).kv_limits.max_bytes == 2048
    environ = {"TORU_DATABASE": "sqlite:////var/y.db"}
    assert load(flags, environ, tmp_path).database == "sqlite:////var/y.db"
    flags["database"] = "sqlite:///z.db"
    assert load(flags, environ, tmp_path).database == f"sqlite:///{tmp_path}/z.db"


def test_flag_then_environment_then_file(tmp_path: Path) -> None:
    write(tmp_path, 'listen = "tcp:1"\nplugins = "p1"\ndata = "d1"\nlogs = "l1"\nrequest_timeout = 1\n')
    environ = {"TORU_LISTEN": "tcp:2", "TORU_PLUGINS": "p2", "TORU_DATA": "d2", "TORU_OTHER": "ignored"}
    flags = {"listen": ["tcp:3", "tcp:4"], "plugins": "p3", "data": None, "logs": "", "version": 1}
    config = load(flags, environ, tmp_path)
    assert config.listen == ("tcp:3", "tcp:4")
    assert config.plugins == tmp_path / "p3"
    assert config.data == tmp_path / "d2"
    assert config.logs == tmp_path / "l1"
    assert config.request_timeout == 1.0


@pytest.mark.parametrize(("given", "workers"), [("1", 1), ("2", 2), ("64", 64)])
def test_workers_as_a_flag(tmp_path: Path, given: str, workers: int) -> None:
    assert load({"workers": given}, {"TORU_WORKERS": "9"}, tmp_path).workers == workers


@pytest.mark.parametrize("given", ["0", "65", "-1", "two", "1.5"])
def test_workers_that_cannot_be(tmp_path: Path, given: str) -> None:
    with pytest.raises(StartError, match=r"^toru: --workers must be a whole number from 1 to 64, not "):
        load({"workers": given}, {}, tmp_path)


def test_every_variable(tmp_path: Path) -> None:
    config = load(
        {},
        {
            "TORU_LISTEN": " tcp:1:interface=127.0.0.1  unix:/x ",
            "TORU_PLUGINS": "p",
            "TORU_DATA": "/d/../e",
            "TORU_LOGS": "l",
            "TORU_REQUEST_TIMEOUT": "2.5",
            "TORU_STREAM_IDLE_TIMEOUT": "60",
            "TORU_MAX_STREAMS": "12",
            "TORU_MAX_CONNECTIONS": "34",
            "TORU_WORKERS": "3",
            "TORU_MAX_BODY_BYTES": "3000",
            "TORU_MAX_MESSAGE_BYTES": "70000",
            "TORU_TRUSTED_PROXIES": "127.0.0.1 10.0.0.0/8 ::1",
            "TORU_ACCESS_LOG": "l/access.log",
        },
        tmp_path,
    )
    assert config.listen == ("tcp:1:interface=127.0.0.1", "unix:/x")
    assert (config.plugins, config.data, config.logs) == (tmp_path / "p", Path("/e"), tmp_path / "l")
    assert config.access_log == tmp_path / "l" / "access.log"
    assert (config.request_timeout, config.max_body_bytes, config.max_message_bytes) == (2.5, 3000, 70000)
    assert (config.stream_idle_timeout, config.max_streams, config.max_connections) == (60.0, 12, 34)
    assert config.workers == 3
    assert config.trusted_proxies == (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("::1"))


def test_empty_variable_counts_as_absent(tmp_path: Path) -> None:
    assert load({}, {"TORU_DATA": "", "TORU_CONFIG": "", "TORU_LISTEN": ""}, tmp_path) == load(
        {}, {}, tmp_path
    )


def test_whole_file(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    write(
        folder,
        """
        listen = ["tcp:1", "tcp:2"]
        plugins = "p"
        data = "/srv/data"
        access_log = "access.log"
        max_body_bytes = 1000
        max_message_bytes = 100_000
        trusted_proxies = ["192.168.0.0/16"]

        [supervision]
        backoff_first = 0.5
        backoff_max = 2
        max_crashes = 3
        stable_seconds = 4
        start_timeout = 5
        ready_timeout = 6
        max_starting = 7
        stop_grace = 8
        term_grace = 9
        health_interval = 10

        [plugin.hello]
        env = { GREETING = "hi", empty = "" }
        request_timeout = 1.5
        stream_idle_timeout = 20
        concurrency = 2
        protocol = "1"
        memory_max = "256M"
        nofile = 64
        restart = "stop-first"

        [plugin.other]
        memory_max = 1048576
        """,
        "site.toml",
    )
    config = load({"config": "etc/site.toml"}, {}, tmp_path)
    assert config.plugins == folder / "p"
    assert config.access_log == folder / "access.log"
    assert config.data == Path("/srv/data")
    assert config.logs == Path("/srv/data/logs")
    assert config.listen == ("tcp:1", "tcp:2")
    assert config.trusted_proxies == (ip_network("192.168.0.0/16"),)
    assert config.supervision == Supervision(
        backoff_first=0.5,
        backoff_max=2.0,
        max_crashes=3,
        stable_seconds=4.0,
        start_timeout=5.0,
        ready_timeout=6.0,
        max_starting=7,
        stop_grace=8.0,
        term_grace=9.0,
        health_interval=10.0,
    )
    assert config.plugin == {
        "hello": PluginSettings(
            env={"GREETING": "hi", "empty": ""},
            request_timeout=1.5,
            stream_idle_timeout=20.0,
            concurrency=2,
            protocol="1",
            memory_max=256 * 1024 * 1024,
            nofile=64,
            restart="stop-first",
        ),
        "other": PluginSettings(memory_max=1048576),
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("foo = 1", "toru.toml: unknown key `foo`"),
        (
            "database = 'postgresql://x/y'",
            (
                "toru.toml: `database` must be sqlite:/// and the path of a file, without control characters, "
                "not 'postgresql://x/y'"
            ),
        ),
        ("config = 'x'", "toru.toml: unknown key `config`"),
        ("[logs]\nage = 1", "toru.toml: unknown key `age` in [logs]"),
        ("[kv]\nlimit = 1", "toru.toml: unknown key `limit` in [kv]"),
        (
            "[kv]\nmax_bytes = 0",
            (
                "toru.toml: `max_bytes` in [kv] must be a whole number of bytes above 0, or a string such as "
                '"64M" (K, M or G), not 0'
            ),
        ),
        (
            "[[webhook]]\nurl = 'x'",
            "toru.toml: `secret` is missing in a [[webhook]]; it must be a string that is not empty",
        ),
        ("[supervision]\nfoo = 1", "toru.toml: unknown key `foo` in [supervision]"),
        ("[plugin.hello]\nfoo = 1", "toru.toml: unknown key `foo` in [plugin.hello]"),
        ("supervision = 1", "toru.toml: `supervision` must be a table, not 1"),
        (
            "plugin = {a = 1}",
            "toru.toml: `plugin` must be a table for each plugin, [plugin.<id>], not {'a': 1}",
        ),
        (
            "listen = []",
            f"toru.toml: `listen` must be one or more endpoints such as {DEFAULT_LISTEN}, not []",
        ),
        ("data = 7", "toru.toml: `data` must be the path of a folder, without control characters, not 7"),
        (
            'data = "a\\u0000b"',
            "toru.toml: `data` must be the path of a folder, without control characters, not 'a\\x00b'",
        ),
        (
            "access_log = true",
            "toru.toml: `access_log` must be the path of a file, without control characters, not True",
        ),
        ("data = ''", "toru.toml: `data` must be the path of a folder, without control characters, not ''"),
    ],
)
def test_refused_file(tmp_path: Path, text: str, line: str) -> None:
    write(tmp_path, text)
    assert refusal(tmp_path) == line


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", "true", "'1'", "1e300", "[]"])
@pytest.mark.parametrize("key", ["request_timeout", *Supervision.__struct_fields__])
def test_refused_numbers(tmp_path: Path, key: str, value: str) -> None:
    table = "" if key == "request_timeout" else " in [supervision]"
    write(tmp_path, f"{'[supervision]' if table else ''}\n{key} = {value}")
    assert refusal(tmp_path).startswith(f"toru.toml: `{key}`{table} must be a ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("env", "{ A = 1 }"),
        ("request_timeout", "0"),
        ("stream_idle_timeout", "0"),
        ("concurrency", "1.5"),
        ("protocol", "2"),
        ("protocol", "'3'"),
        ("memory_max", "'256'"),
        ("memory_max", "'256MB'"),
        ("memory_max", "'0K'"),
        ("memory_max", "0"),
        ("nofile", "-1"),
        ("restart", "'never'"),
    ],
)
def test_refused_plugin_settings(tmp_path: Path, key: str, value: str) -> None:
    write(tmp_path, f"[plugin.hello]\n{key} = {value}")
    assert refusal(tmp_path).startswith(f"toru.toml: `{key}` in [plugin.hello] must be ")


@pytest.mark.parametrize("name", ["TORU_PLUGIN_ID", "1A", "A-B", "", "Ä"])
def test_refused_environment_names(tmp_path: Path, name: str) -> None:
    write(tmp_path, f'[plugin.hello.env]\n"{name}" = "x"')
    assert refusal(tmp_path).startswith(f"toru.toml: `{name}` in [plugin.hello.env] cannot be set")


@pytest.mark.parametrize("name", ["-a", "a-", "a_b", "a.b", "ä", "a" * 65, ""])
def test_refused_plugin_ids(tmp_path: Path, name: str) -> None:
    write(tmp_path, f'[plugin."{name}"]')
    assert refusal(tmp_path).startswith(f"toru.toml: [plugin.{name}] names no plugin")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("REQUEST_TIMEOUT", "soon"),
        ("REQUEST_TIMEOUT", "null"),
        ("REQUEST_TIMEOUT", "\udcff"),
        ("MAX_BODY_BYTES", "8M"),
        ("MAX_MESSAGE_BYTES", "0"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "127.0.0.1, ::1"),
        ("LISTEN", " "),
    ],
)
def test_refused_variables(tmp_path: Path, key: str, value: str) -> None:
    line = refusal(tmp_path, environ={f"TORU_{key}": value})
    assert line.startswith(f"TORU_{key} must be ")


def test_a_wrong_value_is_refused_even_where_another_source_wins(tmp_path: Path) -> None:
    write(tmp_path, "data = 7")
    assert "`data`" in refusal(tmp_path, flags={"data": "d"})


def test_a_body_must_fit_into_a_message(tmp_path: Path) -> None:
    assert load({}, {"TORU_MAX_BODY_BYTES": "3000", "TORU_MAX_MESSAGE_BYTES": "69536"}, tmp_path)
    line = refusal(tmp_path, environ={"TORU_MAX_BODY_BYTES": "3001", "TORU_MAX_MESSAGE_BYTES": "69536"})
    assert line.startswith("TORU_MAX_MESSAGE_BYTES must be at least 69538 and is 69536: a body of 3001 bytes")
    write(tmp_path, "max_body_bytes = 100_000_000")
    line = refusal(tmp_path)
    assert line.startswith("`max_message_bytes` (the default) must be at least ")
    assert "toru.toml: `max_body_bytes`" in line


def test_file_that_cannot_be_used(tmp_path: Path) -> None:
    assert refusal(tmp_path, {"config": "none.toml"}) == "none.toml: there is no such file"
    assert refusal(tmp_path, environ={"TORU_CONFIG": "none.toml"}) == "none.toml: there is no such file"
    assert refusal(tmp_path, {"config": "."}) == ".: the file cannot be read: Is a directory"
    (tmp_path / "toru.toml").write_bytes(b"# \xc3\xa4\nname = '\xff'\n")
    assert refusal(tmp_path) == "toru.toml: the file is not UTF-8 (at line 2, column 9)"
    write(tmp_path, "a = 1\nb =\n")
    line = refusal(tmp_path)
    assert line.startswith("toru.toml: ")
    assert "line 2, column 4" in line


def test_system_logs_where_they_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = tmp_path / "log" / "toru"
    monkeypatch.setattr(module, "SYSTEM_LOGS", system)
    own = tmp_path / "data" / "logs"
    assert load({}, {}, tmp_path).logs == own
    system.parent.mkdir()
    assert load({}, {}, tmp_path).logs == system
    system.write_text("a file")
    assert load({}, {}, tmp_path).logs == own
    system.unlink()
    system.mkdir()
    assert load({}, {}, tmp_path).logs == system
    assert load({"logs": "l"}, {}, tmp_path).logs == tmp_path / "l"
    monkeypatch.setattr(os, "access", lambda path, mode: path != system)
    assert load({}, {}, tmp_path).logs == own


def test_endpoints() -> None:
    endpoint = check_endpoint("tcp:3000:interface=127.0.0.1", MemoryReactor())
    assert isinstance(endpoint, TCP4ServerEndpoint)
    for description in (
        "",
        "3000",
        "tcp",
        "tcp:",
        "tcp:many",
        "tcp:1:colour=red",
        "foo:1",
        "ssl:1:privateKey=/no",
    ):
        with pytest.raises(StartError) as caught:
            check_endpoint(description, MemoryReactor())
        assert str(caught.value).startswith(
            f"toru: listen: {description!r} is no endpoint that can be used ("
        )
        assert "\n" not in str(caught.value)


@given(st.text(max_size=40))
def test_any_endpoint_is_used_or_refused(description: str) -> None:
    try:
        check_endpoint(description, MemoryReactor())
    except StartError as error:
        line = str(error)
    else:
        line = "an endpoint"
    assert len(line.splitlines()) == 1


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_prepare_makes_the_folders(short_path: Path) -> None:
    config = load({"data": "x/data", "logs": "x/logs"}, {}, short_path)
    prepare(config)
    assert mode(config.plugins) & 0o700 == 0o700
    assert [mode(path) for path in (config.data, config.run, config.logs)] == [0o700] * 3
    config.run.chmod(0o755)
    config.data.chmod(0o750)
    prepare(config)
    assert mode(config.run) == 0o700
    assert mode(config.data) == 0o750
    assert [path.name for path in short_path.rglob("*") if not path.is_dir()] == []


@pytest.mark.parametrize("setting", ["plugins", "data", "logs"])
def test_prepare_refuses_what_is_no_folder(short_path: Path, setting: str) -> None:
    (short_path / "file").write_text("")
    (short_path / "dangling").symlink_to(short_path / "nowhere" / "deep")
    for name, reason in (
        ("file", "is not a folder"),
        ("file/x", "Not a directory"),
        ("dangling", "is not a folder"),
        ("/proc/toru", "cannot be written to"),
    ):
        with pytest.raises(StartError) as caught:
            prepare(load({setting: name}, {}, short_path))
        assert str(caught.value).startswith(f"toru: {setting}: ")
        assert reason in str(caught.value)
        assert str(caught.value).endswith(f"set another with --{setting}")


def test_prepare_notices_a_folder_that_refuses_files(short_path: Path) -> None:
    # /proc/self/fd is a folder that is there and takes no file, not even root's.
    with pytest.raises(StartError, match="logs: the folder /proc/self/fd cannot be written to"):
        prepare(load({"logs": "/proc/self/fd"}, {}, short_path))


def test_socket_paths_have_a_limit(short_path: Path) -> None:
    room = 107 - 1 - SOCKET_NAME_MAX - len(os.fsencode(short_path)) - len("//run")
    # A letter that takes two bytes: what counts is what the system sees.
    name = "é" * (room // 2) + "x" * (room % 2)
    prepare(load({"data": name, "logs": "logs"}, {}, short_path))
    with pytest.raises(StartError, match=r"paths of 108 bytes, and 107 is .* --data"):
        prepare(load({"data": f"{name}x", "logs": "logs"}, {}, short_path))


def test_one_process_has_the_data_folder(short_path: Path, descriptors: list[int]) -> None:
    config = load({}, {}, short_path)
    prepare(config)
    descriptors.append(lock_data(config))
    assert not os.get_inheritable(descriptors[0])
    with pytest.raises(StartError, match="another toru is using the data folder"):
        lock_data(config)
    os.close(descriptors.pop())
    descriptors.append(lock_data(config))


def test_the_lock_ends_with_its_process(short_path: Path, descriptors: list[int]) -> None:
    config = load({}, {}, short_path)
    prepare(config)
    code = (
        "import sys; from pathlib import Path; from toru.config import load;"
        "from toru.store.folders import lock_data; lock_data(load({}, {}, Path(sys.argv[1])));"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(short_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StartError, match="another toru"):
            lock_data(config)
        holder.kill()
    descriptors.append(lock_data(config))


def test_a_lock_that_cannot_be_opened(short_path: Path) -> None:
    config = load({}, {}, short_path)
    (config.data / "lock").mkdir(parents=True)
    with pytest.raises(StartError, match="cannot be locked: Is a directory"):
        lock_data(config)


def test_instance_id_is_made_once(short_path: Path) -> None:
    config = load({}, {}, short_path)
    prepare(config)
    made = instance_id(config)
    assert str(UUID(made)) == made
    assert instance_id(config) == made
    path = config.data / "instance-id"
    assert mode(path) == 0o600
    for damage in (b"", b"no uuid", b"\xff\xfe"):
        path.write_bytes(damage)
        with pytest.raises(StartError, match="holds no UUID; remove the file"):
            instance_id(config)
    path.unlink()
    path.mkdir()
    with pytest.raises(StartError, match="cannot be used: Is a directory"):
        instance_id(config)


def test_write_atomically(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"one")
    path.chmod(0o644)
    with path.open("rb") as reader:
        write_atomically(path, b"two")
        assert reader.read() == b"one"
    assert path.read_bytes() == b"two"
    assert mode(path) == 0o600
    assert os.listdir(tmp_path) == ["file"]


def test_write_atomically_leaves_nothing_when_it_fails(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "taken", b"x")
    assert os.listdir(tmp_path) == ["taken"]
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "missing" / "file", b"x")
