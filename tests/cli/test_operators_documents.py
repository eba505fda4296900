"""Every command and snippet in docs/operators: carried out, or taken by the program that it is for."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.running import TORU, Cli
from tests.cli.test_unreachable import certificate
from tests.integration.cores import ADMIN, ADMIN_PASSWORD, PATIENCE, Core, fresh_core, source, wait_for
from toru.config import load

ROOT = Path(__file__).parents[2]
OPERATORS = ROOT / "docs" / "operators"
PAGES = sorted(OPERATORS.glob("*.md"))
ADA_PASSWORD = "Engine-1843"

# What only an operator's machine has: it is looked at, and not carried out.
_OF_THE_SYSTEM = {
    "/opt/toru/bin/pip", "/opt/toru/bin/twistd", "apt-get", "install", "journalctl", "ln", "python3", "systemctl", "useradd",
}  # fmt: skip
_PACKAGES = {
    "systemd-analyze": "systemd",
    "systemd-socket-activate": "systemd",
    "nginx": "nginx-light",
    "caddy": "caddy",
}


def needs(program: str) -> str:
    """Where a program is that the tests need."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert found, f"{program} is not installed: apt-get install {_PACKAGES.get(program, program)}"
    return found


def blocks(page: str, language: str) -> list[str]:
    text = (OPERATORS / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[str]:
    """The commands of a page, in their order."""
    lines = [line for block in blocks(page, "console") for line in block.splitlines()]
    assert all(line.startswith("$ ") for line in lines)
    return [line.removeprefix("$ ") for line in lines]


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A core with settings in a file, which trusts proxies as the page says, and the plugin `hello`."""
    with fresh_core(tmp_path_factory.mktemp("c")) as core:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        trusted = blocks("tls-and-proxies.md", "toml")[-1]
        core.settings(f'listen = "tcp:{port}:interface=127.0.0.1"\n{trusted}[logs]\nfolder = "logs"\n')
        core.plugin("hello")
        (core.folder / "hello-python.py").write_text(source("hello-python"))
        begin(core)
        yield core


def begin(core: Core) -> None:
    core.start(listen="")
    core.wait_pid("hello")


# -- commands


@pytest.mark.parametrize("page", [page.name for page in PAGES if commands(page.name)])
def test_commands(page: str, core: Core) -> None:
    """Those of toru and of a shell are carried out; of all others the program must be one that we know."""
    url = f"http://127.0.0.1:{core.port}"
    cli = Cli(
        core.folder, {"HOME": str(core.folder), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    )
    cli.ok("login", "--url", url, "--username", ADMIN, stdin=f"{ADMIN_PASSWORD}\n")
    carried_out = 0
    for command in commands(page):
        line = command.removeprefix("sudo -u toru ").replace(
            "/etc/toru/toru.toml", f"{core.folder}/toru.toml"
        )
        line = line.replace("/var/lib/toru/", f"{core.folder}/").replace("http://127.0.0.1:3000", url)
        line = line.replace("--username admin", f"--username {ADMIN}").replace(
            "toru login", f"toru login --username {ADMIN}"
        )
        if line in ("systemctl stop toru", "systemctl start toru"):
            core.stop() if "stop" in line else begin(core)
            continue
        program = line.split()[0]
        if not re.search(r"\btoru ", line.partition(" -- ")[0]) or program in _OF_THE_SYSTEM:
            assert program in _OF_THE_SYSTEM | {"nginx", "caddy"}, command
            continue
        if "SSL_CERT_FILE" in line:
            # The certificate and the name are the reader's own; test_unreachable.py has those of a test.
            continue
        if line == "toru status":
            # What was installed or crashed before may be on its way up, which the exit code tells.
            wait_for(lambda: all(plugin["state"] == "running" for plugin in core.get("/api/plugins").json()))
        carry_out(cli, line, command)
        carried_out += 1
        if "toru logout" in line:
            cli.ok("login", "--url", url, "--username", ADMIN, stdin=f"{ADMIN_PASSWORD}\n")
    assert carried_out or page == "tls-and-proxies.md"


def carry_out(cli: Cli, line: str, command: str) -> None:
    if re.search(r" -f$| --watch$", line):
        following = cli.start(*shlex.split(line)[1:])
        if "logs" in line:
            wait_for(lambda: signal_is_caught(following.command.pid))
        else:
            following.wait_for_lines(1)
        assert following.stop(signal.SIGINT) == 130, (command, following.err)
        return
    passwords = f"{ADA_PASSWORD}\n" if " ada" in line else f"{ADMIN_PASSWORD}\n{ADMIN_PASSWORD}\n"
    if not re.search(r"[>|=]", line):
        said = cli.run(*shlex.split(line)[1:], stdin=passwords)
        assert said.code == 0, (command, said)
        return
    ended = subprocess.run(
        ["bash", "-c", line],
        cwd=cli.folder,
        env=cli.environment(),
        input=passwords,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, (command, ended)


def signal_is_caught(pid: int) -> bool:
    """Whether the process has set up what a SIGINT does."""
    status = Path(f"/proc/{pid}/status").read_text()
    [mask] = re.findall(r"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)
    return bool(int(mask, 16) & 1 << (signal.SIGTERM - 1))


def test_the_first_page(core: Core) -> None:
    """The README's commands print what it says."""
    _, _, tried = (ROOT / "README.md").read_text().partition("## Try it")
    shown = "".join(
        re.findall(r"^```console\n(.*?)^```$", tried.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
    )
    script = "\n".join(re.findall(r"^\$ (.*)$", shown, re.MULTILINE))
    core.file("hello-python.binary", (ROOT / "plugins/hello-python/hello-python.py").read_text())
    core.post("/api/plugins/rescan")
    core.wait_pid("hello-python")
    url = f"http://127.0.0.1:{core.port}"
    cli = Cli(core.folder, {"TORU_URL": url, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"})
    script = script.replace("http://127.0.0.1:3000", url)
    script = script.replace("toru login", f"toru login --username {ADMIN}").replace("curl -H", "curl -s -H")
    ended = subprocess.run(
        ["bash", "-ec", script],
        cwd=cli.folder,
        env=cli.environment(),
        input=f"{ADMIN_PASSWORD}\n",
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    for line in ("Hello, Ada, from Python!", " INFO  GET /?name=Ada", "blue", "hello-python is running"):
        assert line in shown
        assert line in ended.stdout


# -- settings


@pytest.mark.parametrize(
    ("page", "number"),
    [(page, n) for page in ("install.md", "tls-and-proxies.md") for n in range(len(blocks(page, "toml")))],
)
def test_settings(page: str, number: int, tmp_path: Path) -> None:
    (tmp_path / "toru.toml").write_text(blocks(page, "toml")[number])
    load({}, {}, tmp_path)


# -- systemd


def units() -> dict[str, str]:
    """All units by their names, which stand in their first lines."""
    found = {}
    for page in PAGES:
        for block in blocks(page.name, "systemd"):
            name, _, text = block.partition("\n")
            found[name.removeprefix("# ")] = text
    return found


def test_units(tmp_path: Path) -> None:
    """As they are, but for a user and programs that this machine has."""
    folder = tmp_path / "units"
    folder.mkdir()
    assert sorted(units()) == ["toru-backup.service", "toru-backup.timer", "toru.service", "toru.socket"]
    for name, text in units().items():
        text = text.replace("/opt/toru/bin/", f"{Path(sys.executable).parent}/")
        (folder / name).write_text(
            text.replace("User=toru", "User=daemon").replace("Group=toru", "Group=daemon")
        )
    ended = subprocess.run(
        [needs("systemd-analyze"), "verify", *sorted(folder.iterdir())],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"},
    )
    assert (ended.returncode, [line for line in ended.stderr.splitlines() if "toru" in line]) == (0, []), (
        ended.stderr
    )


def test_the_start_in_the_unit(core: Core) -> None:
    """The flags of ExecStart start a toru."""
    [line] = re.findall(r"^ExecStart=(.*)$", units()["toru.service"], re.MULTILINE)
    core.stop()
    program, *flags = line.split()
    assert Path(program).name == "twistd"
    process = subprocess.Popen(
        [
            Path(sys.executable).with_name("twistd"),
            *(flag.replace("/etc/toru/toru.toml", f"{core.folder}/toru.toml") for flag in flags),
        ],
        cwd=core.folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        assert any("toru listens on" in said for said in process.stdout)
        process.terminate()
    assert process.returncode == -signal.SIGTERM
    begin(core)


def test_the_backup_in_the_unit(core: Core) -> None:
    """Twice on one day: the later one takes the place of the earlier one."""
    [line] = re.findall(r"^ExecStart=(.*)$", units()["toru-backup.service"], re.MULTILINE)
    # What systemd makes of the line before it starts it.
    line = line.replace("$$", "$").replace("%%", "%")
    for old, new in (
        ("/opt/toru/bin/toru", str(TORU)),
        ("/etc/toru/toru.toml", f"{core.folder}/toru.toml"),
        ("/var/lib/toru/", f"{core.folder}/"),
    ):
        assert old in line
        line = line.replace(old, new)
    for _ in range(2):
        subprocess.run(
            shlex.split(line),
            cwd=core.folder,
            env=Cli(core.folder).environment(),
            timeout=PATIENCE,
            check=True,
        )
    [backup] = core.folder.glob("backup-*")
    assert re.fullmatch(r"backup-\w+\.db", backup.name)
    failing = line.replace("toru.toml", "absent.toml")
    assert subprocess.run(shlex.split(failing), cwd=core.folder, timeout=PATIENCE, check=False).returncode
    assert list(core.folder.glob("backup-*")) == [backup], "one that fails took the last good one away"


def test_socket_activation(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With the `listen` of the page, toru serves on the port that systemd gives it."""
    [settings] = [block for block in blocks("install.md", "toml") if "systemd:" in block]
    activate = needs("systemd-socket-activate")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with fresh_core(tmp_path_factory.mktemp("c")) as core:
        core.settings(settings)
        process = subprocess.Popen(
            [
                activate, f"--listen=127.0.0.1:{port}",
                # As systemd itself names it.
                "--fdname=toru.socket",
                *(f"--setenv={name}" for name in ("PATH", "PYTHONPATH") if name in os.environ),
                Path(sys.executable).with_name("twistd"), "-n", "--pidfile=", "toru", "--logs=logs",
            ],
            cwd=core.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        try:
            assert process.stderr is not None
            assert "Listening on" in process.stderr.readline()
            core.port = port
            assert core.request("GET", "/api/health").status == 200
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)


# -- proxies


@contextmanager
def running(command: list[str], environ: Mapping[str, str], port: int) -> Iterator[None]:
    """A proxy, once it takes connections."""
    process = subprocess.Popen(
        command, env={**os.environ, **environ}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        wait_for(lambda: process.poll() is not None or accepts(port))
        assert process.poll() is None, process.communicate()
        yield
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True


def proxied(cli: Cli, core: Core) -> None:
    """What has to work through a proxy: signing in, changing, and streams without a delay."""
    cli.ok("login", "--username", ADMIN, stdin=f"{ADMIN_PASSWORD}\n")
    cli.ok("kv", "set", "hello", "large", "-", stdin="x" * 2**20)
    following = cli.start("events", "-f", "--json", "-n", "1")
    following.wait_for_lines(1)
    core.post("/api/plugins/hello/restart")
    wait_for(lambda: any('"upgraded"' in line for line in following.out))
    following.stop(signal.SIGINT)
    body = f'{{"username": "{ADMIN}", "password": "{ADMIN_PASSWORD}"}}'.encode()
    headers = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    assert "Secure" in core.request("POST", "/api/auth/login", body, headers, as_=None).headers["set-cookie"]
    addresses = [each["address"] for each in core.get("/api/auth/login-history").json()["attempts"]]
    assert addresses[0] == "192.0.2.7"


@pytest.fixture
def port() -> int:
    """One that is free."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
        return number


def test_nginx(core: Core, port: int, tmp_path: Path) -> None:
    """The page's server, but for the port, the certificate and where toru is."""
    [snippet] = blocks("tls-and-proxies.md", "nginx")
    pem = certificate(tmp_path, "localhost", 9)
    for old, new in (
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("toru.example;", "localhost;"),
        ("/etc/ssl/toru.example/cert.pem", str(pem)),
        ("/etc/ssl/toru.example/key.pem", str(pem)),
        ("127.0.0.1:3000", f"127.0.0.1:{core.port}"),
    ):
        assert old in snippet
        snippet = snippet.replace(old, new)
    paths = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = tmp_path / "nginx.conf"
    file.write_text(
        f"pid {tmp_path}/pid;\ndaemon off;\nmaster_process off;\nerror_log {tmp_path}/errors;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{paths}{snippet}}}\n"
    )
    command = [needs("nginx"), "-e", f"{tmp_path}/errors", "-c", str(file)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (checked.returncode, "warn" in checked.stderr) == (0, False), checked.stderr
    with running(command, {}, port):
        proxied(Cli(tmp_path, {"TORU_URL": f"https://localhost:{port}", "SSL_CERT_FILE": str(pem)}), core)


def test_caddy(core: Core, port: int, tmp_path: Path) -> None:
    [snippet] = blocks("tls-and-proxies.md", "caddy")
    environ = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    file = tmp_path / "Caddyfile"
    file.write_text(snippet)
    caddy = needs("caddy")
    checked = subprocess.run(
        [caddy, "validate", "--config", file],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr

    pem = certificate(tmp_path, "localhost", 9)
    served = snippet.replace("127.0.0.1:3000", f"127.0.0.1:{core.port}")
    served = served.replace("toru.example {", f"https://localhost:{port} {{\n\ttls {pem} {pem}")
    file.write_text(f"{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{served}")
    with running([caddy, "run", "--config", str(file)], environ, port):
        proxied(Cli(tmp_path, {"TORU_URL": f"https://localhost:{port}", "SSL_CERT_FILE": str(pem)}), core)


# -- what is said in words


def test_every_command_is_described() -> None:
    from toru.cli.main import main

    text = (OPERATORS / "commands.md").read_text()
    for name, command in main.commands.items():
        assert f"toru {name}" in text, name
        for below in getattr(command, "commands", {}):
            assert name == "plugin" or f"toru {name} {below}" in text, (name, below)
