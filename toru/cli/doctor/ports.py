"""The ports: free for a toru that is to start, answering where one runs, and not open to eavesdroppers."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from socket import gaierror
from typing import Any, NamedTuple

from cryptography import x509
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory, Protocol

from toru.cli.client import Core
from toru.cli.credentials import Credential
from toru.cli.doctor.finding import Finding, refused
from toru.cli.doctor.sockets import look_at_socket
from toru.cli.failures import Failed
from toru.config import Config, check_endpoint
from toru.errors import StartError

# A certificate that is over so soon should have been renewed by now.
SOON = timedelta(days=14)
# Seconds that a toru that runs has to say that it does.
_ANSWER_SECONDS = 5.0
_TCP = re.compile(r"(tcp6?|ssl|tls):(?:port=)?([0-9]+)(?::|$)")
_INTERFACE = re.compile(r":interface=((?:\\.|[^:\\])*)")
_CERTIFICATE = re.compile(r":certKey=((?:\\.|[^:\\])*)")
_KEY = re.compile(r":privateKey=((?:\\.|[^:\\])*)")


class Address(NamedTuple):
    """Where an endpoint listens. `host` is one that can be asked on this machine."""

    encrypted: bool
    host: str
    port: int
    only_here: bool


async def look_at_ports(reactor: Any, config: Config, cwd: Path, *, running: bool) -> list[Finding]:
    """Every endpoint. `running`: a toru with these settings runs now."""
    found: list[Finding] = []
    # Until all are tried: two endpoints may be in each other's way.
    ports: list[IListeningPort] = []
    for description in config.listen:
        if description.startswith("systemd:"):
            found.append(Finding("ok", "ports", f"{description} is given by systemd"))
            continue
        found += _certificate(description, cwd)
        address = address_of(description)
        if running and address is not None and address.port:
            found.append(await _answering(reactor, description, address))
        elif running and not description.startswith("unix:"):
            found.append(Finding("ok", "ports", f"{description} is in use by the toru that runs"))
        else:
            found.append(await _free(reactor, description, cwd, ports, running=running))
        if address is not None and not address.encrypted and not address.only_here:
            found.append(
                Finding(
                    "warning",
                    "ports",
                    f"{description} is open to other machines without TLS: passwords can be read on their way",
                    "listen on 127.0.0.1 behind a reverse proxy, or with ssl:",
                )
            )
    for port in ports:
        await maybeDeferred(port.stopListening)
    return found


def address_of(description: str) -> Address | None:
    """Where that is; None for what is no TCP port."""
    match = _TCP.match(description)
    if match is None:
        return None
    interface = _INTERFACE.search(description)
    host = interface[1].replace("\\", "") if interface else ""
    six = match[1] == "tcp6" or ":" in host
    try:
        address = ip_address(host) if host else None
    except ValueError:
        return Address(match[1] in ("ssl", "tls"), host, int(match[2]), host == "localhost")
    if address is None or address.is_unspecified:
        host = "::1" if six else "127.0.0.1"
    return Address(
        match[1] in ("ssl", "tls"), host, int(match[2]), address is not None and address.is_loopback
    )


async def _answering(reactor: Any, description: str, address: Address) -> Finding:
    host = f"[{address.host}]" if ":" in address.host else address.host
    url = f"{'https' if address.encrypted else 'http'}://{host}:{address.port}"
    try:
        if address.encrypted:
            # Its certificate is for another name than the one under which this machine knows itself.
            await _connect(reactor, address)
        else:
            await Core(reactor, url, Credential(), timeout=_ANSWER_SECONDS).get("/api/health")
    except Failed as failure:
        return Finding(
            "failure",
            "ports",
            f"a toru uses this data folder, and does not answer on {description}: {failure.message}",
            "look at its log; it may run with other settings than these",
        )
    return Finding("ok", "ports", f"toru answers on {description}")


async def _connect(reactor: Any, address: Address) -> None:
    endpoint = HostnameEndpoint(reactor, address.host, address.port, timeout=_ANSWER_SECONDS)
    try:
        protocol: Any = await endpoint.connect(Factory.forProtocol(Protocol))
    except Exception as error:
        # How a connection fails is Twisted's and the system's choice.
        raise Failed(str(error)) from error
    protocol.transport.loseConnection()


async def _free(
    reactor: Any, description: str, cwd: Path, ports: list[IListeningPort], *, running: bool
) -> Finding:
    try:
        endpoint = check_endpoint(description, reactor)
    except StartError as error:
        return refused("ports", error)
    if description.startswith("unix:"):
        return look_at_socket(description, cwd, running=running)
    if not description.startswith(("tcp", "ssl", "tls")):
        return Finding("ok", "ports", f"{description} can be used")
    try:
        ports.append(await endpoint.listen(Factory()))
    except CannotListenError as error:
        reason = getattr(error.socketError, "strerror", None) or str(error.socketError)
        return Finding(
            "failure", "ports", f"cannot listen on {description}: {reason}", _mend(error.socketError)
        )
    except OSError as error:
        return Finding("failure", "ports", f"cannot listen on {description}: {error.strerror}", _mend(error))
    except OverflowError as error:
        return Finding("failure", "ports", f"cannot listen on {description}: {error}", "choose such a port")
    return Finding("ok", "ports", f"{description} is free")


def _mend(error: object) -> str:
    if isinstance(error, PermissionError):
        return "ports below 1024 are root's: use systemd's socket activation, or a port above"
    if isinstance(error, gaierror):
        return "listen on an address of this machine: its name is not known"
    number = getattr(error, "errno", None)
    if number == 99:  # EADDRNOTAVAIL
        return "no interface of this machine has that address; set another with --listen"
    return "stop what uses it (`ss -ltnp` says what that is), or choose another with --listen"


def _certificate(description: str, cwd: Path) -> Iterator[Finding]:
    """Whether the certificate of an `ssl:` endpoint is still good, and its key kept from others."""
    key, named = _KEY.search(description), _CERTIFICATE.search(description)
    if key is not None:
        path = cwd / key[1].replace("\\", "")
        if os.path.exists(path) and path.stat().st_mode & 0o007:
            yield Finding(
                "failure",
                "ports",
                f"everybody can read the private key {path}",
                f"chmod 600 {shlex.quote(os.fspath(path))}",
            )
    if named is None and key is None:
        return
    path = cwd / (named or key)[1].replace("\\", "")  # type: ignore[index]
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        # That it cannot be used is said when the endpoint is tried.
        return
    yield judge_certificate(
        str(path), certificate.not_valid_before_utc, certificate.not_valid_after_utc, datetime.now(UTC)
    )


def judge_certificate(path: str, begins: datetime, ends: datetime, now: datetime) -> Finding:
    """Whether it is good now, and for a while."""
    if now < begins:
        return Finding(
            "failure", "ports", f"the certificate {path} is not valid before {begins}", "look at the clock"
        )
    if now >= ends:
        return Finding("failure", "ports", f"the certificate {path} was valid until {ends}", "renew it")
    if ends - now < SOON:
        return Finding("warning", "ports", f"the certificate {path} is valid until {ends}", "renew it")
    return Finding("ok", "ports", f"the certificate {path} is valid until {ends}")
