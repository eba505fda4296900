"""What a person is told where no toru answers: one line each, and exit code 3."""

from __future__ import annotations

import datetime
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.cli.running import Cli
from tests.http.fakes import in_reactor
from tests.integration.cores import wait_for
from toru.cli.client import Core
from toru.cli.credentials import Credential, Remembered
from toru.cli.failures import Unreachable


@pytest.fixture
def lone(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


@contextmanager
def answering(answer: bytes | None, pem: Path | None = None) -> Iterator[str]:
    """Something that answers each connection with that, or never; with TLS where there is a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if pem is not None:
        context.load_cert_chain(pem)
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    plain, _ = server.accept()
                except OSError:
                    return
                with suppress(OSError):
                    connection = plain if pem is None else context.wrap_socket(plain, server_side=True)
                    held.append(connection)
                    if answer is not None:
                        connection.recv(65536)
                        connection.sendall(answer)
                        connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


def certificate(folder: Path, name: str, days: int) -> Path:
    """A certificate that vouches for itself, with its key, valid for so many days from yesterday on."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = (
        [x509.IPAddress(ip_address(name))] if name[0].isdigit() else [x509.DNSName(name)]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1000))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    path.chmod(0o600)
    return path


def test_nothing_there(lone: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    said = lone.run("status", "--url", f"http://127.0.0.1:{port}").failure(3)
    assert f"there is no toru at http://127.0.0.1:{port} (Connection refused)" in said


def test_a_name_that_nobody_knows(lone: Cli) -> None:
    assert "name is not known" in lone.run("status", "--url", "http://nowhere.invalid").failure(3)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nLocation: https://elsewhere/\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["something else", "an error of something else", "a redirect"],
)
def test_something_else_there(lone: Cli, answer: bytes) -> None:
    with answering(answer) as place:
        ended = lone.run("status", "--url", place)
    said = ended.failure(ended.code)
    assert ended.code in (1, 3)
    assert "is no toru" in said
    assert ("https://elsewhere/" in said) == (b"301" in answer)


def test_something_that_is_no_http(lone: Cli) -> None:
    with answering(b"SSH-2.0-x\r\n") as place:
        assert "is it a toru" in lone.run("status", "--url", place).failure(3)


def test_https_where_there_is_none(lone: Cli) -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as place:
        assert "try http://" in lone.run("status", "--url", f"https://{place}").failure(3)


def test_something_that_never_answers(lone: Cli) -> None:
    """The shell's completion has the shortest patience: it gives up, and says nothing."""
    with answering(None) as place:
        ended = lone.run(
            environ={
                "_TORU_COMPLETE": "bash_complete",
                "COMP_WORDS": f"toru status --url http://{place} ",
                "COMP_CWORD": "4",
            }
        )
    assert (ended.code, ended.out.strip(), ended.err) == (0, "", "")


@in_reactor
async def test_one_that_takes_too_long() -> None:
    from twisted.internet import reactor

    with answering(None) as place:
        asked = Core(reactor, f"http://{place}", Credential(), timeout=0.05)
        with pytest.raises(Unreachable, match=r"did not answer within 0\.05 s"):
            await asked.get("/api/plugins")


def test_ctrl_c(lone: Cli) -> None:
    with answering(None) as place:
        following = lone.start("status", "--url", place)
        wait_for(lambda: connected(following.command.pid, place))
        assert following.stop(signal.SIGINT) == 130
    assert following.err == ["toru: interrupted"]


def connected(pid: int, place: str) -> bool:
    """Whether the process has a connection there."""
    import psutil

    port = int(place.rpartition(":")[2])
    return any(each.raddr and each.raddr.port == port for each in psutil.Process(pid).net_connections())


@pytest.mark.parametrize(
    ("name", "days", "trusted", "told"),
    [
        ("127.0.0.1", 9, False, "SSL_CERT_FILE"),
        ("toru.example", 9, True, "for another name"),
        ("127.0.0.1", -1, True, "expired"),
        ("127.0.0.1", 9, True, None),
    ],
    ids=["unknown issuer", "another name", "expired", "good"],
)
def test_certificates(lone: Cli, name: str, days: int, trusted: bool, told: str | None) -> None:
    path = certificate(lone.folder, name, days)
    if trusted:
        lone.environ["SSL_CERT_FILE"] = str(path)
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", path) as place:
        ended = lone.run("user", "list", "--json", "--url", f"https://{place}")
    if told is None:
        assert (ended.code, ended.json()) == (0, [])
    else:
        assert told in ended.failure(3)


def test_a_connection_that_breaks_off(lone: Cli) -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[") as place:
        assert "broke off" in lone.run("status", "--url", place).failure(3)


def test_signing_out_of_a_core_that_is_gone(lone: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    Remembered({"XDG_CONFIG_HOME": str(lone.folder / "config")}).put(url, Credential(cookie="toru_session=x"))
    ended = lone.run("logout")
    assert (ended.code, ended.out) == (0, f"signed out at {url}\n")
    assert ended.err.endswith("; the session there ends by itself within 7 days\n")
    assert not Remembered({"XDG_CONFIG_HOME": str(lone.folder / "config")}).get(url).cookie
