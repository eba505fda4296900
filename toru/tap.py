"""The one place where the parts are put together: `twistd toru`."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from reprlib import Repr
from types import FrameType
from typing import Any, ClassVar

from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import (
    Deferred,
    DeferredSemaphore,
    TimeoutError as StillUnderWay,
    maybeDeferred,
)
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IListeningPort
from twisted.internet.tcp import Port
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.usage import Options as UsageOptions

from toru.config import Config, PluginSettings, check_endpoint, cores, load
from toru.entrance import Entrance
from toru.errors import StartError
from toru.http.audit import Audit
from toru.http.dashboard import Dashboard, read_built
from toru.http.metrics import Metrics, Sources
from toru.http.records import Records
from toru.http.server.crowd import affordable
from toru.http.site import Site, Stoppable, all_drained, make_site
from toru.http.streams import Streams
from toru.memory import Memory
from toru.model import Event
from toru.store.accesslog import AccessLog
from toru.store.database import Database
from toru.store.enabled import EnabledPlugins
from toru.store.folders import instance_id, lock_data, prepare
from toru.supervise import sessions
from toru.supervise.dial import Dialler, remove_socket
from toru.supervise.discovery import Discovery
from toru.supervise.host import Host
from toru.supervise.logtail import LogTail
from toru.supervise.registry import Decision
from toru.supervise.spawn import Spawner, raise_open_files
from toru.supervise.streampool import Room
from toru.supervise.supervisor import Parts, Supervisor
from toru.supervise.usage import UsageHistory, UsageSampler
from toru.supervise.watch import FolderWatch
from toru.wire.messages import rfc3339
from toru.workers.crew import Crew

# How long requests may take to end once the core stops.
DRAIN_SECONDS = 10.0
# Connections of clients that may wait to be accepted.
_BACKLOG = 1024
_PLAIN_LOOPBACK = ("http://127.", "http://[::1]:")


# What a plugin said of itself may be long; the whole of it is in the supervisor's own log.
_short = Repr()
_short.maxstring = _short.maxother = 300


class Options(UsageOptions):
    """The flags of `twistd toru`. Each can also stand in toru.toml and in the environment."""

    optParameters: ClassVar[list[list[Any]]] = [
        ["plugins", None, None, "Folder of the plugins (default: ./plugins)."],
        ["data", None, None, "Folder of toru's own data and sockets (default: ./data)."],
        [
            "logs",
            None,
            None,
            "Folder of log files (default: /var/log/toru where writable, else <data>/logs).",
        ],
        ["database", None, None, "Database (default: sqlite:///<data>/toru.db)."],
        ["workers", None, None, "Processes that serve clients, this one included (default: 1)."],
        ["config", None, None, "File with settings (default: ./toru.toml where there is one)."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []

    def opt_listen(self, endpoint: str) -> None:
        """Twisted endpoint to listen on, e.g. tcp:3000:interface=127.0.0.1 (the default). Repeatable."""
        self["listen"].append(endpoint)


def makeService(options: Options) -> Toru:
    """The service that twistd runs. Raises StartError where a setting is wrong."""
    from twisted.internet import reactor

    return Toru(reactor, load(options, os.environ, Path.cwd()), os.environ)


class Toru(Service):
    """The whole of toru, from the first folder to the last process."""

    name = "toru"

    def __init__(self, reactor: Any, config: Config, environ: Mapping[str, str]) -> None:
        # Any: it takes a reactor that can do everything, for which Twisted has no one interface.
        self._reactor = reactor
        self._config = config
        self._environ = environ
        self._log = Logger(namespace="toru")
        self._ports: list[IListeningPort] = []
        self._addresses: list[str] = []
        self._api_url = ""
        self._storage_site: Site | None = None
        self._access_log: AccessLog | None = None
        self._cannot_listen: StartError | None = None
        self._crew: Crew | None = None

    # -- the start

    def startService(self) -> None:
        """Raises StartError where a setting, a folder, a port or the system is not as it must be."""
        try:
            self._start()
        except StartError as error:
            self._log.critical("{error}", error=error)
            # twistd has put its log in place of standard error; the line is for whoever typed the command.
            sys.stderr = sys.__stderr__
            raise
        super().startService()
        # What is there by now stays to the end: a collection that goes through all of it takes a tenth of a second.
        gc.freeze()
        # Whoever reads where it listens may send a signal in the next moment, and has to find us ready for it.
        self._reactor.callWhenRunning(self._take_signals)
        self._reactor.callWhenRunning(self._announce)

    def _start(self) -> None:
        config, reactor = self._config, self._reactor
        endpoints = [(check_endpoint(description, reactor), description) for description in config.listen]
        self._spawner = Spawner(reactor, reactor, self._environ, raise_open_files())
        prepare(config)
        self._lock = lock_data(config)
        if config.access_log is not None:
            self._access_log = AccessLog(config.access_log, reactor, deferToThread)
            self._access_log.open()
        self._clear_run_folder()
        self._watch = FolderWatch(reactor, reactor, config.plugins, lambda: self._supervisor.look())
        self._database = Database(config.database, reactor)
        self._entrance = entrance = Entrance(reactor, self._database, self._environ)
        if config.workers > 1:
            self._crew = self._make_crew()
        self._memory = memory = Memory(reactor, config, self._database)
        self._supervisor = self._make_supervisor()
        self._streams = Streams(reactor, self._supervisor, memory.logs, memory.events, memory.feed)
        records = Records(self._supervisor, memory.values, memory.logs, memory.events, self._history)
        sources = Sources(
            plugins=self._supervisor,
            database=self._database,
            logs=memory.logs,
            events=memory.events,
            records=records,
            streams=self._streams,
            webhooks=memory.webhooks,
            deliveries=memory.deliveries,
            connections=lambda: len(self._site.connections),
            lent=lambda: {} if self._crew is None else self._crew.connections,
        )
        self._site = make_site(
            reactor,
            self._supervisor,
            plugins_folder=config.plugins,
            max_body_bytes=config.max_body_bytes,
            max_connections=affordable(config.max_connections),
            trusted_proxies=config.trusted_proxies,
            in_thread=deferToThread,
            doors=entrance.doors,
            accounts=entrance.accounts,
            records=records,
            streams=self._streams,
            audit=Audit(reactor, memory.events),
            dashboard=Dashboard(read_built()),
            metrics=Metrics(sources, reactor, deferToThread),
            access_log=self._access_log,
            lender=self._crew,
        )
        for endpoint, description in endpoints:
            listening = endpoint.listen(self._site)
            listening.addCallback(self._listening, description)
            listening.addErrback(self._not_listening, description)
        if not self._api_url and self._cannot_listen is None:
            self._listen_for_plugins()
        if self._cannot_listen is not None:
            raise self._cannot_listen
        entrance.open()
        memory.start()
        self._streams.start()
        self._watch.start()
        if self._crew is not None:
            self._crew.start()
        self._supervisor.start()

    def _make_crew(self) -> Crew:
        config = self._config
        return Crew(
            self._reactor,
            self._spawner,
            self._entrance.doors,
            lambda: self._site,
            self._access_log,
            processes=config.workers,
            max_body_bytes=config.max_body_bytes,
            max_message_bytes=config.max_message_bytes,
            trusted_proxies=[str(network) for network in config.trusted_proxies],
        )

    def _make_supervisor(self) -> Supervisor:
        config, reactor, spawner = self._config, self._reactor, self._spawner
        identity = instance_id(config)
        try:
            enabled = EnabledPlugins(config.plugins, deferToThread)
        except OSError as error:
            raise StartError(f"plugins: {error.filename} cannot be used: {error.strerror}") from error

        def ask(path: Path) -> Deferred[bytes]:
            return spawner.ask(path, {"TORU_INSTANCE_ID": identity, "TORU_API_URL": self._api_url})

        def make_discovery(publish: Callable[[Decision, Decision], None]) -> Discovery:
            return Discovery(
                folder=config.plugins,
                cache=config.data / "discovery.json",
                clock=reactor,
                ask=ask,
                max_asking=cores(),
                in_thread=deferToThread,
                unsettled=self._watch.unsettled,
                publish=publish,
            )

        host = Host(
            clock=reactor,
            spawner=spawner,
            dial=Dialler(reactor),
            sink=self._memory.logs,
            starting=DeferredSemaphore(config.supervision.max_starting),
            supervision=config.supervision,
            request_timeout=config.request_timeout,
            stream_idle_timeout=config.stream_idle_timeout,
            max_message_bytes=config.max_message_bytes,
            streams=Room(config.max_streams),
            run=config.run,
            instance_id=identity,
            api_url=lambda: self._api_url,
            socket_numbers=count(1),
            tokens=self._entrance.plugin_tokens,
            sharing=self._crew,
            tail=lambda id, pid: LogTail(
                reactor, deferToThread, config.run / f"{id}.log", id, self._memory.logs, pid
            ),
        )
        self._history = UsageHistory()
        usage = UsageSampler(reactor, deferToThread, lambda: self._supervisor.pids(), self._sampled)
        return Supervisor(
            Parts(
                host=host,
                enabled=enabled,
                usage=usage,
                tell=self._tell,
                changed=lambda id: self._streams.tell_plugin(id),
                routed=lambda routes: None if self._crew is None else self._crew.routed(routes),
            ),
            lambda id: config.plugin.get(id, PluginSettings()),
            make_discovery,
        )

    def _clear_run_folder(self) -> None:
        """What an earlier core left that was killed: processes, and the sockets of those."""
        killed = sessions.clear_leftovers(self._config.run)
        if killed:
            self._log.warn("killed what an earlier toru left behind: {pids}", pids=sorted(killed))
        self._remove_sockets()

    def _remove_sockets(self) -> None:
        for path in self._config.run.glob("*.sock"):
            remove_socket(path)

    def _tell(self, event: Event) -> None:
        self._log.info(
            "{plugin}: {type}{details}",
            plugin=event.plugin or "plugins",
            type=event.type,
            details="".join(f" {name}={_short.repr(value)}" for name, value in event.details.items()),
        )
        self._memory.events.append(event)

    def _sampled(self) -> None:
        now = rfc3339(self._reactor.seconds())
        self._streams.tell_usage(now, self._history.add(now, self._supervisor.list()))

    # -- listening

    def _listening(self, port: IListeningPort, description: str) -> None:
        self._ports.append(port)
        if isinstance(port, Port) and "backlog=" not in description:
            # With Twisted's 50 the kernel turns most of a burst away, to try again in a second or three.
            port.socket.listen(_BACKLOG)
        url = _url(port, description)
        # Plugins reach the interface here: in plain HTTP, on this machine.
        if url is not None and url.startswith(_PLAIN_LOOPBACK) and not self._api_url:
            self._api_url = url
        self._addresses.append(url or description)
        if self.running:  # an endpoint that took its time
            self._announce()

    def _listen_for_plugins(self) -> None:
        """A place for plugins to reach their storage, and nothing else: nobody else listens where they could."""
        self._storage_site = self._site.for_plugins()
        listening = TCP4ServerEndpoint(self._reactor, 0, interface="127.0.0.1").listen(self._storage_site)
        listening.addCallback(self._listening_for_plugins)
        listening.addErrback(self._not_listening, "127.0.0.1 for plugins")

    def _listening_for_plugins(self, port: IListeningPort) -> None:
        self._ports.append(port)
        self._api_url = _url(port, "tcp:") or ""

    def _announce(self) -> None:
        """Say where, once it is sure that the start goes well."""
        addresses, self._addresses = self._addresses, []
        for address in addresses:
            self._log.info("toru listens on {address}", address=address)

    def _not_listening(self, failure: Failure, description: str) -> None:
        reason = getattr(failure.value, "socketError", failure.value)
        self._cannot_listen = StartError(
            f"cannot listen on {description}: {getattr(reason, 'strerror', None) or reason}; "
            "stop what uses it, or choose another with --listen"
        )
        if self.running:
            self._log.critical("{error}", error=self._cannot_listen)
            self._reactor.stop()

    # -- the end

    def stopService(self) -> Deferred[None]:
        """Refuse new requests, let others finish, then stop all plugins at once. Leaves no process, no socket."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    def _take_signals(self) -> None:
        """Hand the reactor the first signal alone: of a second Ctrl-C it would make an error."""
        signalled = False

        def first_of(reactors_own: Any) -> Callable[[int, FrameType | None], None]:
            def handle(signum: int, frame: FrameType | None) -> None:
                nonlocal signalled
                if signalled:
                    self._reactor.callFromThread(self._still_stopping)
                else:
                    signalled = True
                    reactors_own(signum, frame)

            return handle

        for signum in (signal.SIGINT, signal.SIGTERM):
            reactors_own = signal.getsignal(signum)
            if callable(reactors_own):
                signal.signal(signum, first_of(reactors_own))

    def _still_stopping(self) -> None:
        supervision = self._config.supervision
        most = DRAIN_SECONDS + supervision.stop_grace + supervision.term_grace
        self._log.info(
            "toru is stopping already: requests and plugins have {most:g} s at most to end", most=most
        )

    async def _stop(self) -> None:
        self._streams.stop()
        sites = [self._site] if self._storage_site is None else [self._site, self._storage_site]
        # What workers give back in their last moments is for the sites to end.
        serving: list[Stoppable] = [*([] if self._crew is None else [self._crew]), *sites]
        for each in serving:
            each.begin_stop()
        try:
            await all_drained(serving, DRAIN_SECONDS, self._reactor)
        except StillUnderWay:
            self._log.warn("requests were still under way after {seconds:g} s", seconds=DRAIN_SECONDS)
        self._watch.stop()
        self._memory.logs.end_soon()
        await self._supervisor.stop()
        if self._crew is not None:
            await self._crew.stop()
        # Only now: until it ends a plugin may store what it must not forget, and all others are told that we stop.
        for port in self._ports:
            await maybeDeferred(port.stopListening)
        self._remove_sockets()
        await self._entrance.close()
        await self._memory.stop()
        if self._access_log is not None:
            await self._access_log.close()
        await self._database.close()
        self._spawner.close()
        os.close(self._lock)


def _url(port: IListeningPort, description: str) -> str | None:
    """Where a client on this machine reaches that port; None where it is no TCP port."""
    host = port.getHost()
    if not isinstance(host, (IPv4Address, IPv6Address)):
        return None
    address = ip_address(host.host)
    if address.is_unspecified:
        name = "127.0.0.1" if address.version == 4 else "[::1]"
    else:
        name = host.host if address.version == 4 else f"[{host.host}]"
    scheme = "https" if description.startswith(("ssl:", "tls:")) else "http"
    return f"{scheme}://{name}:{host.port}"
