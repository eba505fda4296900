"""The examples that speak the protocol by hand, under a real core; tests/examples asks each of them more closely."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.bursts import burst
from tests.integration.cores import Core, is_alive, wait_for
from tests.languages.documents import ROOT
from tests.languages.installing import ask, install

# What each of them needs, and Debian's packages that have it.
NEEDS = {
    "hello-go": {"go": "golang-go"},
    "hello-node": {"node": "nodejs"},
    "hello-perl": {"perl": "perl"},
    "hello-python": {"python3": "python3"},
    "hello-shell": {"bash": "bash", "jq": "jq", "socat": "socat"},
}
LARGE = 2**18


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which `make examples` put what it makes."""
    missing = {
        package for needs in NEEDS.values() for name, package in needs.items() if not shutil.which(name)
    }
    if missing:
        pytest.fail(
            f"Not all languages are here; as root: apt-get install {' '.join(missing)}", pytrace=False
        )
    folder = tmp_path_factory.mktemp("examples")
    shutil.copy2(ROOT / "Makefile", folder)
    for source in ROOT.glob("plugins/hello-*"):
        if source.is_dir():
            shutil.copytree(source, folder / "plugins" / source.name)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    # The Makefile looks for sources of toru, which are not needed here.
    for name in ("toru", "twisted", "web"):
        (folder / name).mkdir()
    done = subprocess.run(
        ["make", "examples"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert "left out" not in done.stdout, done.stdout
    return folder / "plugins"


@pytest.fixture(scope="module", params=NEEDS)
def example(request: pytest.FixtureRequest, core: Core, examples: Path) -> str:
    """The id of one, which runs."""
    id: str = request.param
    install(core, examples / f"{id}.binary", id)
    return id


def test_what_it_is(core: Core, example: str) -> None:
    status = core.status(example)
    assert (status["route"], status["protocol"], status["capabilities"]) == (f"/{example}", "2", ["ping"])
    assert ask(core, "GET", f"{example}?name=Zo%C3%AB").body.decode().startswith("Hello, Zoë, from ")
    wait_for(lambda: "GET /?name=Zo%C3%AB" in [record["message"] for record in core.log(example)])


def test_its_view(core: Core, example: str) -> None:
    reply = core.get(f"/api/plugins/{example}/bundle.js")
    assert (reply.status, reply.headers["content-type"].split(";")[0]) == (200, "application/javascript")
    assert b"export function unmount(container)" in reply.body


def test_large_bodies(core: Core, example: str) -> None:
    for body in (os.urandom(LARGE), "grüße\n".encode() * (LARGE // 8)):
        reply = ask(core, "POST", f"{example}/echo", body)
        assert (reply.status, reply.body == body) == (200, True)


def test_many_at_once(core: Core, example: str) -> None:
    pid = core.status(example)["pid"]
    taken = burst(core, [f"/{example}/?name={number}" for number in range(100)])
    assert {(one.status, one.body.split(b",")[1]) for one in taken} == {
        (200, b" %d" % number) for number in range(100)
    }
    assert core.status(example)["pid"] == pid


def test_it_stops_when_it_is_told(core: Core, example: str) -> None:
    pid = core.status(example)["pid"]
    assert core.post(f"/api/plugins/{example}/disable").status == 200
    assert not is_alive(pid)
    assert core.status(example)["last_exit"]["code"] == 0
