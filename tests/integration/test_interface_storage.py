"""A real core's storage as plugins and clients meet it: every limit at its edge, and a database in trouble."""

from __future__ import annotations

import json
import resource
import signal
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.integration.bursts import meanwhile
from tests.integration.cores import PATIENCE, Core, Reply, fresh_core, wait_for

MIB = 2**20
MOST = 5 * MIB
ANN = {"username": "ann", "password": "Battery-5taple"}


class Storage(NamedTuple):
    """A running core with the plugins `hello` and `other`, whose storages are 5 MiB each, and a client."""

    core: Core
    ann: str
    cookie: dict[str, str]

    def call(
        self, action: str, id: str = "hello", headers: dict[str, str] | None = None, **more: Any
    ) -> Reply:
        """By an admin where no headers say who."""
        body = json.dumps({"action": action, **more}).encode()
        as_ = "admin" if headers is None else None
        return self.core.request("POST", f"/api/plugins/{id}/kv", body, headers, as_=as_)

    def done(self, action: str, **more: Any) -> dict[str, Any]:
        """What a call answers that goes well."""
        reply = self.call(action, **more)
        assert reply.status == 200, reply
        answer: dict[str, Any] = reply.json()
        return answer

    def set(self, key: str, value: str, **more: Any) -> int:
        return self.call("set", key=key, value=value, **more).status

    def get(self, key: str) -> str | None:
        answer = self.done("get", key=key)
        assert answer.keys() == {"value"}
        value: str | None = answer["value"]
        return value

    def keys(self, **more: Any) -> list[str]:
        answer = self.done("list", **more)
        assert answer.keys() == {"keys", "next"}
        keys: list[str] = answer["keys"]
        return keys

    def token(self, id: str) -> dict[str, str]:
        """The headers of that plugin's process."""
        pid = self.core.wait_pid(id)
        variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
        (token,) = [each.partition("=")[2] for each in variables if each.startswith("TORU_PLUGIN_TOKEN=")]
        return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with fresh_core(tmp_path_factory.mktemp("s")) as core:
        core.settings(f"[kv]\nmax_bytes = {MOST}\n")
        for id in ("hello", "other"):
            core.plugin(id)
        core.start()
        for id in ("hello", "other"):
            core.wait_pid(id)
        made = core.request("POST", "/api/users", json.dumps(ANN).encode())
        yield Storage(core, made.json()["id"], {"Cookie": core.sign_in(**ANN)})


@pytest.fixture
def kv(running: Storage) -> Storage:
    """With nothing stored."""
    for id in ("hello", "other"):
        for key in json.loads(running.call("list", id=id).body)["keys"]:
            assert running.call("delete", id=id, key=key).status == 200
    return running


# -- keys and values


@pytest.mark.parametrize("key", ["k", "k" * 512, "😀" * 512, "\0", " ", "%_\\'\"", "a/../b", "é", "e\u0301"])
def test_keys_that_may_be(kv: Storage, key: str) -> None:
    assert kv.done("set", key=key, value=key) == {"value": key}
    assert kv.get(key) == key
    assert kv.keys() == kv.keys(prefix=key) == [key]
    assert kv.done("delete", key=key) == {"value": None}
    assert kv.get(key) is None
    assert kv.keys() == []


@pytest.mark.parametrize(
    "value", ["", "\0", "v" * MIB, "é" * (MIB // 2), "\0" * MIB], ids=lambda each: each[:1]
)
def test_values_that_may_be(kv: Storage, value: str) -> None:
    assert kv.set("k", value) == 200
    assert kv.get("k") == value


def test_what_is_too_long(kv: Storage) -> None:
    too_long: tuple[dict[str, Any], ...] = (
        {"key": "k" * 513, "value": ""},
        {"key": "k", "value": "v" * (MIB + 1)},
        {"key": "k", "value": "é" * (MIB // 2) + "v"},
        {"key": "k", "value": "v", "expect": "v" * (MIB + 1)},
    )
    for more in too_long:
        reply = kv.call("set", **more)
        assert (reply.status, reply.json()["code"]) == (413, "too-long")
    for action in ("get", "delete"):
        assert kv.call(action, key="k" * 513).status == 413
    assert kv.keys() == []


def test_what_is_none(kv: Storage) -> None:
    assert kv.set("k", "v") == 200
    for body in (
        b"",
        b"null",
        b"\xff",
        b'{"action": "get", "key": "\xff"}',
        b'{"action": "get", "key": "\\ud800"}',
        b'{"action": "get", "key": ""}',
        b'{"action": "get", "key": null}',
        b'{"action": "GET", "key": "k"}',
        b'{"action": "set", "key": "k", "value": null}',
        b'{"action": "set", "key": "k", "value": "x", "ttl_seconds": 0}',
        b'{"action": "set", "key": "k", "value": "x", "ttl_seconds": -1}',
        b'{"action": "set", "key": "k", "value": "x", "ttl_seconds": NaN}',
        b'{"action": "set", "key": "k", "value": "x", "ttl_seconds": 1e400}',
        b'{"action": "set", "key": "k", "value": "x", "ttl_seconds": 1e300}',
        b'{"action": "set", "key": "k", "value": "x", "ttl_seconds": true}',
        b'{"action": "set", "key": "k", "value": "x", "expect": 1}',
        # It would be taken for a condition.
        b'{"action": "delete", "key": "k", "expect": "x"}',
        b'{"action": "delete", "key": "k", "expect": null}',
        b'{"action": "list", "limit": 0}',
        b'{"action": "list", "limit": 1001}',
        b'{"action": "list", "prefix": 1}',
        b'{"action": "get", "key": "k", "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ):
        reply = kv.core.request("POST", "/api/plugins/hello/kv", body)
        assert (reply.status, reply.json()["code"]) == (400, "bad-request"), body[:80]
    assert (kv.get("k"), kv.keys()) == ("v", ["k"])


# -- time and conditions


def test_a_time_to_live(kv: Storage) -> None:
    for key in ("goes", "stays", "new"):
        assert kv.set(key, "v", ttl_seconds=0.3) == 200
    # What is set again without one lives on.
    assert kv.set("stays", "w") == 200
    assert kv.set("long", "v", ttl_seconds=31_536_000_000) == 200
    wait_for(lambda: kv.get("goes") is None and kv.get("new") is None)
    assert kv.keys() == ["long", "stays"]
    assert kv.set("new", "v", expect="v") == 409
    assert kv.set("new", "x", expect=None) == 200
    assert (kv.get("new"), kv.get("stays")) == ("x", "w")


def test_conditions(kv: Storage) -> None:
    assert kv.set("k", "1", expect="0") == 409, "there is nothing"
    assert kv.set("k", "1", expect=None) == 200
    assert kv.set("k", "2", expect=None) == 409
    assert kv.set("k", "2", expect="") == 409
    assert kv.set("k", "2", expect="1") == 200
    assert kv.set("k", "3") == 200, "without one it is set whatever is there"
    assert kv.set("empty", "", expect=None) == 200
    assert kv.set("empty", "x", expect=None) == 409, "an empty value is one"
    assert kv.set("empty", "x", expect="") == 200
    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(lambda number: kv.set("one", str(number), expect=None), range(24)))
    assert sorted(got) == [200] + [409] * 23
    assert kv.get("one") == str(got.index(200))


def test_listings(kv: Storage) -> None:
    keys = ["%", "%%", "%a", "A", "_", "__", "a", "a%", "a%b", "a_b", "aXb", "b", "é", "\U0001f600"]
    for key in keys:
        assert kv.set(key, key) == 200
    in_order = sorted(keys, key=str.encode)
    assert kv.keys() == in_order
    for prefix in ("%", "_", "a%", "a_", "a", "é", "\U0001f600", "nothing", "\\"):
        assert kv.keys(prefix=prefix) == [key for key in in_order if key.startswith(prefix)]
    for limit in (1, 3, len(keys) - 1, len(keys), 1000):
        found: list[str] = []
        after = None
        while True:
            answer = kv.done("list", limit=limit, after=after)
            found += answer["keys"]
            after = answer["next"]
            if after is None:
                break
            assert len(answer["keys"]) == limit
            assert after == found[-1]
        assert found == in_order
    assert kv.keys(after="a", prefix="a") == ["a%", "a%b", "aXb", "a_b"]
    assert kv.keys(after="b", prefix="a") == kv.keys(after="\U0001f600") == []
    assert kv.keys(after="") == in_order


# -- whose


def test_no_plugin_sees_what_is_anothers(kv: Storage) -> None:
    hello, other = kv.token("hello"), kv.token("other")
    for id, token in (("hello", hello), ("other", other)):
        assert kv.call("set", id=id, headers=token, key="same", value=id).status == 200
    for action in ("get", "list", "set", "delete"):
        reply = kv.call(action, id="hello", headers=other, key="same", value="x")
        assert (reply.status, reply.json()["code"]) == (403, "forbidden")
    for id, token in (("hello", hello), ("other", other)):
        assert kv.call("get", id=id, headers=token, key="same").json() == {"value": id}
    for path in ("/api/plugins/HELLO/kv", "/api/plugins/hell%6f/kv", "/api/plugins/other/../hello/kv"):
        body = b'{"action": "get", "key": "same"}'
        assert kv.core.request("POST", path, body, other, as_=None).status in (403, 404)
    assert kv.call("get", id="nobody", key="k").json()["code"] == "plugin-not-found"


def test_a_client_has_its_own_keys_alone(kv: Storage) -> None:
    own = f"user/{kv.ann}/"
    assert kv.set("secret", "x") == 200
    assert kv.set("user/else/theme", "x") == 200
    for action, more, status in (
        ("set", {"key": f"{own}theme", "value": "dark"}, 200),
        ("get", {"key": f"{own}theme"}, 200),
        ("list", {"prefix": own}, 200),
        # What comes behind is cut off by the prefix.
        ("list", {"prefix": own, "after": "user/zzz"}, 200),
        ("set", {"key": own, "value": "x"}, 200),
        ("delete", {"key": own}, 200),
        ("get", {"key": own[:-1]}, 403),
        ("get", {"key": own.upper()}, 403),
        ("get", {"key": f"/{own}theme"}, 403),
        ("get", {"key": "user/else/theme"}, 403),
        ("get", {"key": "secret"}, 403),
        ("set", {"key": "secret", "value": "y"}, 403),
        ("delete", {"key": "secret"}, 403),
        ("list", {}, 403),
        ("list", {"prefix": "user/"}, 403),
        ("list", {"prefix": "user/%/"}, 403),
    ):
        assert kv.call(action, headers=kv.cookie, **more).status == status, (action, more)
    listed = kv.call("list", headers=kv.cookie, prefix=own)
    assert listed.json() == {"keys": [f"{own}theme"], "next": None}
    assert kv.get("secret") == "x"
    token = {"Authorization": kv.core.authorization("client")}
    assert kv.call("get", headers=token, key=f"{own}theme").status == 403, "a token is no user"


# -- what is full, and what is in trouble


def test_a_full_storage(kv: Storage) -> None:
    value = "v" * (MIB - 1)
    for key in "abcde":
        assert kv.set(key, value) == 200, "key and value together are a MiB"
    full = kv.call("set", key="f", value="")
    assert (full.status, full.json()["code"]) == (507, "quota-exceeded")
    assert kv.set("a", value + "v") == 507
    assert kv.set("a", value) == 200, "what does not grow is no more"
    assert kv.call("set", id="other", key="f", value=value).status == 200
    assert kv.keys() == ["a", "b", "c", "d", "e"]
    assert kv.set("b", "") == 200
    assert kv.set("f", value[1:], ttl_seconds=0.2) == 200
    wait_for(lambda: kv.get("f") is None)
    # What is over gives way.
    assert kv.set("h", value[1:]) == 200
    for key in "ac":
        assert kv.get(key) == value


def test_a_database_that_another_program_holds(kv: Storage) -> None:
    """Whoever writes is told, and everything else goes on."""
    core = kv.core
    assert kv.set("k", "before") == 200
    with closing(sqlite3.connect(core.folder / "data" / "toru.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        writing = meanwhile(lambda: kv.call("set", key="k", value="after"))
        for _ in range(3):
            assert core.get("/api/health").status == 200
            assert core.route("hello").status == 200
            assert kv.get("k") == "before"
            assert core.get("/api/plugins/hello/logs").status == 200
        assert not writing.done(), "all that did not wait for it"
        refused = writing.result(PATIENCE)
        holder.execute("ROLLBACK")
    assert (refused.status, refused.json()["code"]) == (503, "storage-unavailable")
    assert refused.headers["retry-after"] == "1"
    assert kv.get("k") == "before"
    assert kv.set("k", "after") == 200


def test_a_disk_that_is_full(kv: Storage) -> None:
    core = kv.core
    assert core.process is not None
    pid = core.process.pid
    assert kv.set("k", "before") == 200
    assert core.sign_in(**ANN)
    unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    try:
        # No file of the core may grow over that any more.
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
        refused = kv.call("set", key="k", value="x" * 100_000)
        assert (refused.status, refused.json()["code"]) == (507, "storage-full")
        who = core.request("GET", "/api/auth/me", headers=kv.cookie, as_=None).json()
        assert who["authenticated"], "who is in stays in"
        assert core.route("hello").status == 200
        assert core.get("/api/events").status == 200
        assert kv.get("k") == "before"
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
    assert kv.set("k", "after") == 200
    assert core.sign_in(**ANN)
    assert core.said("failed inside toru") == []


def store_until_killed(core: Core, most: int) -> dict[str, str]:
    """Four clients store one value after the other; the core is killed after so many. What was acknowledged."""
    acknowledged: dict[str, str] = {}
    stored = threading.Semaphore(0)
    signed = {"Authorization": core.authorization()}

    def store(client: int) -> None:
        connection = HTTPConnection("127.0.0.1", core.port, timeout=PATIENCE)
        for number in range(100_000):
            key, value = f"{client}/{number % 50}", f"{number:08}"
            body = json.dumps({"action": "set", "key": key, "value": value})
            try:
                connection.request("POST", "/api/plugins/hello/kv", body, signed)
                answer = connection.getresponse()
                assert (answer.status, json.loads(answer.read())) == (200, {"value": value})
            except (OSError, HTTPException):
                return
            acknowledged[key] = value
            stored.release()

    with ThreadPoolExecutor(4) as threads:
        clients = [threads.submit(store, client) for client in range(4)]
        for _ in range(most):
            assert stored.acquire(timeout=PATIENCE)
        assert core.stop(signal.SIGKILL) == -signal.SIGKILL
        for each in clients:
            each.result(PATIENCE)
    return acknowledged


def test_every_acknowledged_write_outlives_a_kill(core: Core) -> None:
    core.plugin("hello")
    core.start()
    core.wait_pid("hello")
    acknowledged = store_until_killed(core, 300)
    core.start()
    core.wait_pid("hello")
    assert len(acknowledged) > 50
    for key, value in acknowledged.items():
        body = json.dumps({"action": "get", "key": key}).encode()
        found = core.request("POST", "/api/plugins/hello/kv", body).json()["value"]
        # One that was not acknowledged any more may be there all the same.
        assert found is not None, key
        assert found >= value, key


# -- starts


def refused(core: Core, *flags: str) -> str:
    """What a toru in that folder says that does not start: the last line, and no traceback."""
    core.start(*flags, wait=False)
    assert core.process is not None
    assert core.process.wait(PATIENCE) == 1
    (line,) = wait_for(lambda: [line for line in core.output if line.startswith("toru: ")])
    assert core.said("Traceback") == []
    return line


def test_a_second_toru_on_the_same_data(kv: Storage, tmp_path: Path) -> None:
    assert kv.set("k", "first") == 200
    with fresh_core(tmp_path) as second:
        line = refused(second, f"--data={kv.core.folder / 'data'}")
        assert "another toru" in line
    with fresh_core(tmp_path) as second:
        line = refused(second, f"--database=sqlite:///{kv.core.folder / 'data' / 'toru.db'}")
        assert "another toru" in line
    assert kv.get("k") == "first"
    assert kv.core.route("hello").status == 200, "its socket is still there"


def test_data_of_a_newer_toru_is_left_alone(core: Core) -> None:
    core.start()
    core.stop()
    path = core.folder / "data" / "toru.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999_from_tomorrow'")
    before = sha256(path.read_bytes()).hexdigest()
    core.output.clear()
    line = refused(core)
    assert "newer toru" in line
    assert "restore an older backup" in line
    assert sha256(path.read_bytes()).hexdigest() == before
