"""The other proxies, each as its manual has it, with what would only be in its way left out: no access logs, no limits."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.peers.installing import configurable_http_proxy, debian, jupyter_server_proxy, version
from benchmarks.peers.running import Peer, Plugins, free_port, serving

_NGINX = """\
daemon off;
worker_processes auto;
pid {folder}/pid;
error_log {folder}/errors warn;
{user}
events {{ worker_connections 16384; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    client_body_buffer_size 128k;
    keepalive_requests 1000000000;
    proxy_http_version 1.1;
    map $http_upgrade $upgrading {{ "" ""; default upgrade; }}
    {upstreams}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        {locations}
    }}
}}
"""
_NGINX_UPSTREAM = """\
upstream {name} {{ server unix:{socket}; keepalive 256; keepalive_requests 1000000000; }}
"""
# What is streamed is neither kept on a disk on its way up nor on its way down.
_NGINX_LOCATION = """\
location /{name}/ {{
    proxy_pass http://{name};
    proxy_set_header Connection $upgrading;
    proxy_set_header Upgrade $http_upgrade;
    proxy_request_buffering {buffering};
    proxy_max_temp_file_size 0;
    proxy_read_timeout 1h;
}}
"""
_HAPROXY = """\
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    http-reuse always
frontend all
    bind 127.0.0.1:{port} backlog 4096
    use_backend slow if {{ path_beg /slow/ }}
    use_backend streams if {{ path_beg /streams/ }}
    default_backend fast
{backends}
"""
_CADDY = """\
{{
    admin off
    auto_https off
}}
http://:{port} {{
    bind 127.0.0.1
    {handlers}
}}
"""
_JUPYTER = """\
import json
c.ServerProxy.servers = json.loads({servers!r})
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.port = {port}
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.allow_root = True
c.ServerApp.root_dir = {folder!r}
c.IdentityProvider.token = {token!r}
c.Application.log_level = "WARN"
"""


@contextmanager
def direct(plugins: Plugins, scratch: Path) -> Iterator[Peer]:
    """No proxy at all: how fast the plugin and wrk are together."""
    yield Peer("direct", plugins.port, list, plugins.pids)


def nginx(plugins: Plugins, scratch: Path) -> AbstractContextManager[Peer]:
    """From Debian."""
    folder, port = _folder(scratch, "nginx"), free_port()
    text = _NGINX.format(
        folder=folder,
        port=port,
        # Its workers would be another user, whom the sockets are closed to.
        user="user root;" if os.geteuid() == 0 else "",
        upstreams="".join(
            _NGINX_UPSTREAM.format(name=name, socket=at) for name, at in plugins.sockets.items()
        ),
        locations="".join(
            _NGINX_LOCATION.format(name=name, buffering="off" if name == "streams" else "on")
            for name in plugins.sockets
        ),
    )
    config = _written(folder / "nginx.conf", text)
    # It tries its default place for errors before it reads where they go.
    program = debian("nginx", "nginx-light")
    command = [program, "-e", folder / "errors", "-p", folder, "-c", config]
    return serving("nginx", command, folder, port, plugins, version(program, "-v"))


def haproxy(plugins: Plugins, scratch: Path) -> AbstractContextManager[Peer]:
    """From Debian."""
    folder, port = _folder(scratch, "haproxy"), free_port()
    backends = "".join(
        f"backend {name}\n    server only unix@{socket}\n" for name, socket in plugins.sockets.items()
    )
    config = _written(folder / "haproxy.cfg", _HAPROXY.format(port=port, backends=backends))
    program = debian("haproxy", "haproxy")
    command = [program, "-db", "-f", config]
    return serving("haproxy", command, folder, port, plugins, version(program, "-v"))


def caddy(plugins: Plugins, scratch: Path) -> AbstractContextManager[Peer]:
    """From Debian."""
    folder, port = _folder(scratch, "caddy"), free_port()
    handlers = "".join(
        f"handle /{name}/* {{\n        reverse_proxy unix/{socket}\n    }}\n"
        for name, socket in plugins.sockets.items()
    )
    config = _written(folder / "Caddyfile", _CADDY.format(port=port, handlers=handlers))
    program = debian("caddy", "caddy")
    command = [program, "run", "--adapter", "caddyfile", "--config", config]
    # It keeps things at home.
    return serving(
        "caddy", command, folder, port, plugins, version(program, "version"), environ={"HOME": str(folder)}
    )


@contextmanager
def chp(plugins: Plugins, scratch: Path) -> Iterator[Peer]:
    """configurable-http-proxy, from npm; JupyterHub has it in front."""
    folder, port, api = _folder(scratch, "chp"), free_port(), free_port()
    program = configurable_http_proxy()
    command = [
        program,
        "--ip=127.0.0.1",
        f"--port={port}",
        "--api-ip=127.0.0.1",
        f"--api-port={api}",
    ]
    command += ["--log-level=error", f"--default-target={_unix_url(plugins.sockets['fast'])}"]
    token = secrets.token_hex()
    with serving(
        "chp",
        command,
        folder,
        port,
        plugins,
        version(program, "--version"),
        environ={"CONFIGPROXY_AUTH_TOKEN": token},
    ) as peer:
        for name, at in plugins.sockets.items():
            _add_route(api, token, name, _unix_url(at))
        yield peer


def jupyter(plugins: Plugins, scratch: Path) -> AbstractContextManager[Peer]:
    """jupyter-server-proxy, from PyPI; its client is signed in too."""
    folder, port, token = _folder(scratch, "jupyter"), free_port(), secrets.token_hex()
    servers = {name: {"command": [], "unix_socket": str(at)} for name, at in plugins.sockets.items()}
    text = _JUPYTER.format(servers=json.dumps(servers), port=port, folder=str(folder), token=token)
    config = _written(folder / "jupyter_server_config.py", text)
    python = jupyter_server_proxy()
    places = {name: str(folder) for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    return serving(
        "jupyter",
        [python, "-m", "jupyter_server", f"--config={config}"],
        folder,
        port,
        plugins,
        version(python, "-m", "pip", "show", "jupyter-server-proxy"),
        environ=places,
        headers={"Authorization": f"token {token}"},
    )


def _add_route(api: int, token: str, name: str, target: str) -> None:
    connection = HTTPConnection("127.0.0.1", api, timeout=10)
    body = json.dumps({"target": target})
    connection.request("POST", f"/api/routes/{name}", body, {"Authorization": f"token {token}"})
    answer = connection.getresponse()
    assert answer.status == 201, answer.read()
    connection.close()


def _unix_url(socket: Path) -> str:
    return "http+unix://" + str(socket).replace("/", "%2F")


def _folder(scratch: Path, name: str) -> Path:
    folder = scratch / name
    folder.mkdir(exist_ok=True)
    return folder


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
