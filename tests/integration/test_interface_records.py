"""A real core's logs, events and streams: what plugins write in whatever form, and who follows it without a gap."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest

from tests.integration.bursts import meanwhile
from tests.integration.cores import PATIENCE, Core, fresh_core, wait_for

ANN = {"username": "ann", "password": "Battery-5taple"}
# Does what a request's body says, in Python.
OBEDIENT = """
LOG = os.environ["TORU_LOG_PATH"]
def append(data):
    with open(LOG, "ab") as file:
        file.write(data)
def handle(file, message):
    if message["type"] == "http":
        exec(message["payload"]["body"])
        answer(file, message)
serve(handle)
"""


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    with fresh_core(tmp_path_factory.mktemp("l")) as core:
        core.plugin("silent")
        core.start()
        assert core.request("POST", "/api/users", json.dumps(ANN).encode()).status == 201
        yield core


def do(core: Core, id: str, code: str) -> None:
    """Have that plugin do it."""
    assert core.request("POST", f"/api/plugins/route/{id}/", code.encode()).status == 200


def logs(core: Core, id: str, query: str = "page_size=1000") -> list[dict[str, Any]]:
    """Oldest first."""
    found: list[dict[str, Any]] = core.get(f"/api/plugins/{id}/logs?{query}").json()["logs"]
    return found[::-1]


def wait_logs(core: Core, id: str, count: int) -> list[dict[str, Any]]:
    found = wait_for(lambda: found if len(found := logs(core, id)) >= count else None)
    assert len(found) == count, [record["message"][:50] for record in found]
    return found


# -- what a plugin writes


FORMS: list[tuple[bytes, tuple[str, str, dict[str, Any] | None]]] = [
    (b"plain", ("info", "plain", None)),
    (b"", ("info", "", None)),
    (b"  spaces\tand \x1b[31mcolour\r", ("info", "  spaces\tand \x1b[31mcolour", None)),
    (b"caf\xc3\xa9 \xff\xfe", ("info", "café \\xff\\xfe", None)),
    (b"a\0b", ("info", "a\\x00b", None)),
    (b'{"level": "error", "message": "m", "user": 7}', ("error", "m", {"user": 7})),
    (b'{"msg": "m", "timestamp": "2020"}', ("info", "m", {"timestamp": "2020"})),
    (b'{"level": "WARNING", "msg": "m"}', ("warn", "m", None)),
    (b'{"level": "Fatal", "msg": "m"}', ("error", "m", None)),
    (b'{"level": "crit", "msg": "m"}', ("error", "m", None)),
    (b'{"level": "alert", "msg": "m"}', ("error", "m", None)),
    (b'{"level": "emerg", "msg": "m"}', ("error", "m", None)),
    (b'{"level": "notice", "msg": "m"}', ("info", "m", None)),
    (b'{"level": "TRACE", "msg": "m"}', ("trace", "m", None)),
    (b'{"level": "debug", "msg": ""}', ("debug", "", None)),
    # What has another type or no meaning is kept as it is.
    (b'{"level": 30, "msg": "m"}', ("info", "m", {"level": 30})),
    (b'{"level": "loud", "msg": "m"}', ("info", "m", {"level": "loud"})),
    (b'{"level": null, "msg": "m"}', ("info", "m", {"level": None})),
    (b'{"message": {"a": 1}, "msg": "m"}', ("info", "m", {"message": {"a": 1}})),
    (b'{"message": "m", "msg": "n"}', ("info", "m", {"msg": "n"})),
    (b'{"msg": "m", "error": "e"}', ("info", "m", {"error": "e"})),
    (b'{"msg": "m", "error": {"code": 1}}', ("info", "m", {"error": {"code": 1}})),
    (b'{"msg": "nul \\u0000"}', ("info", "nul \\x00", None)),
    # What only looks like an object is a line.
    (b"{}", ("info", "{}", None)),
    (b'["msg", "m"]', ("info", '["msg", "m"]', None)),
    (b'{"msg": "m"', ("info", '{"msg": "m"', None)),
    (b'{"msg": "\\ud800"}', ("info", '{"msg": "\\ud800"}', None)),
    (b'{"big": 1e999}', ("info", '{"big": 1e999}', None)),
]


def test_lines_in_every_form(core: Core) -> None:
    core.up("forms", OBEDIENT)
    written = b"".join(line + b"\n" for line, _ in FORMS)
    do(core, "forms", f"sys.stdout.buffer.write({written!r}); sys.stdout.flush()")
    records = wait_logs(core, "forms", len(FORMS))
    for record, (line, (level, message, fields)) in zip(records, FORMS, strict=True):
        assert (record["level"], record["message"], record["fields"]) == (level, message, fields), line
        assert (record["stream"], record["plugin"]) == ("stdout", "forms")
        assert record["error"] == ("e" if line.endswith(b'"e"}') else None)
        assert record["timestamp"] > "2026"
    # The same lines are what they are wherever they come from, but for the level of those that say none.
    do(core, "forms", f"sys.stderr.buffer.write({written!r}); sys.stderr.flush()")
    do(core, "forms", f"append({written!r})")
    records = wait_logs(core, "forms", 3 * len(FORMS))
    for stream, untold in (("stderr", "warn"), ("file", "info")):
        of_stream = [record for record in records if record["stream"] == stream]
        for record, (line, (level, message, _)) in zip(of_stream, FORMS, strict=True):
            says = b'"level"' in line and level not in ("info",)
            assert record["message"] == message
            assert record["level"] == (level if says or b"notice" in line else untold), line
    copy = wait_for(lambda: found if len(found := core.log("forms")) == 3 * len(FORMS) else None)
    assert {(each["stream"], each["message"]) for each in copy} == {
        (each["stream"], each["message"]) for each in records
    }


def test_a_line_of_a_mebibyte_and_one_without_an_end(core: Core) -> None:
    core.up("long", OBEDIENT)
    for stream in ("stdout", "stderr"):
        do(
            core,
            "long",
            f"{{'stdout': sys.stdout, 'stderr': sys.stderr}}['{stream}'].write('x' * 2**20 + '\\n')",
        )
        do(core, "long", "sys.stdout.flush(); sys.stderr.flush()")
    do(core, "long", "append(b'x' * 2**20 + b'\\n')")
    do(core, "long", "append(b'no end')")
    records = wait_logs(core, "long", 3 * 16)
    for stream in ("stdout", "stderr", "file"):
        parts = [record for record in records if record["stream"] == stream]
        assert "".join(record["message"] for record in parts) == "x" * 2**20
        assert [record["fields"] for record in parts] == [{"part": number} for number in range(1, 17)]
    # It is one once nobody can write on.
    assert core.post("/api/plugins/long/disable").status == 200
    assert wait_logs(core, "long", 3 * 16 + 1)[-1]["message"] == "no end"


def test_a_log_file_that_the_plugin_does_what_it_likes_with(core: Core) -> None:
    core.up("odd", OBEDIENT)

    def expect(*messages: str) -> None:
        """These came, and nothing else."""
        seen.extend(messages)
        assert [record["message"] for record in wait_logs(core, "odd", len(seen))] == seen

    seen: list[str] = []
    do(core, "odd", "append(b'first\\nhalf')")
    expect("first")
    do(core, "odd", "append(b' a line\\n')")
    expect("half a line")
    do(core, "odd", "os.truncate(LOG, 0); append(b'cut\\n')")
    expect("cut")
    do(core, "odd", "os.rename(LOG, LOG + '.1'); append(b'rotated\\n')")
    expect("rotated")
    do(core, "odd", "os.remove(LOG)")
    do(core, "odd", "append(b'made anew\\n')")
    expect("made anew")
    # Neither waits for a writer, nor follows a link to what is not the plugin's.
    do(core, "odd", "os.remove(LOG); os.mkfifo(LOG)")
    wait_for(lambda: core.said("odd", "cannot be read"))
    do(
        core,
        "odd",
        "os.remove(LOG); open('elsewhere', 'w').write('not mine\\n'); os.symlink(os.path.abspath('elsewhere'), LOG)",
    )
    do(core, "odd", "print('still here', flush=True)")
    expect("still here")
    do(core, "odd", "os.remove(LOG); append(b'a file again\\n')")
    expect("a file again")
    do(core, "odd", "os.remove(LOG); os.mkdir(LOG)")
    do(core, "odd", "os.rmdir(LOG); append(b'after a folder\\n')")
    expect("after a folder")
    assert core.status("odd")["running"]
    assert core.get("/api/health").status == 200


# -- finding it again


def test_pages_filters_and_downloads(core: Core) -> None:
    core.up("many", OBEDIENT)
    levels = ["trace", "debug", "info", "warn", "error"]
    print_it = f"print(json.dumps({{'level': {levels}[n % 5], 'msg': f'n{{n}} 100% a_b É'}}))"
    do(core, "many", f"for n in range(250): {print_it}\nsys.stdout.flush()")
    records = wait_logs(core, "many", 250)

    def page(query: str) -> dict[str, Any]:
        found: dict[str, Any] = core.get(f"/api/plugins/many/logs?{query}").json()
        return found

    paged = [page(f"page={number}&page_size=60") for number in range(6)]
    assert [len(each["logs"]) for each in paged] == [60, 60, 60, 60, 10, 0]
    assert [record for each in paged for record in each["logs"]] == records[::-1]
    assert all((each["total"], each["page_size"]) == (250, 60) for each in paged)
    assert page("level=warn")["total"] == 100
    assert {record["level"] for record in page("level=warn&page_size=1000")["logs"]} == {"warn", "error"}
    assert page("level=&q=&since=&until=&page=&page_size=&before=")["logs"] == page("")["logs"]
    for text, count in (
        ("N1", 111),
        ("100%25", 250),
        ("a_b", 250),
        ("aXb", 0),
        ("100%2525", 0),
        ("%C3%A9", 250),
    ):
        found = page(f"q={text}&page_size=1000")
        assert len(found["logs"]) == count, text
        assert found["total"] in (None, count)
    middle = records[100]
    since = page(f"since={middle['timestamp']}&page_size=1000")["logs"]
    until = page(f"until={middle['timestamp']}&page_size=1000")["logs"]
    assert since + until == records[::-1]
    assert middle in since
    # While lines arrive, a page shifts, and what comes before an id does not.
    before = f"before={records[200]['id']}&page_size=10"
    there = page(before)["logs"]
    do(core, "many", "print('one more', flush=True)")
    wait_logs(core, "many", 251)
    assert page(before)["logs"] == there == records[190:200][::-1]
    assert page("page=1&page_size=10")["logs"] != paged[0]["logs"][10:20]
    for accept in ("application/x-ndjson", "text/html, Application/X-NDJSON;q=0.5"):
        headers = {"Accept": accept}
        download = core.request("GET", "/api/plugins/many/logs?level=error", headers=headers)
        assert download.headers["content-type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in download.body.splitlines()]
        assert lines == page("level=error&page_size=1000")["logs"]
        assert len(lines) == 50


@pytest.mark.parametrize(
    "query",
    [
        "page=-1",
        "page=x",
        "page=99999999999999999999",
        "page_size=0",
        "page_size=1001",
        "level=loud",
        "since=yesterday",
        "since=2026-01-01T00:00:00",
        "until=0001-01-01T00:00:00%2B05:00",
        "before=-1",
        "before=99999999999999999999",
        "q=%ff",
        "q=" + "x" * 1001,
    ],
)
def test_queries_that_cannot_be_used(core: Core, query: str) -> None:
    reply = core.get(f"/api/plugins/silent/logs?{query}")
    assert (reply.status, reply.json()["code"]) == (400, "bad-request")


# -- following it


class Following:
    """A client of a stream, in the order of arrival."""

    def __init__(self, core: Core, path: str, last: str | None = None, **headers: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", core.port, timeout=PATIENCE)
        signed = headers or {"Authorization": core.authorization()}
        resumed = {} if last is None else {"Last-Event-ID": last}
        self._connection.request("GET", path, headers={**signed, **resumed})
        self.response: HTTPResponse = self._connection.getresponse()
        assert self.response.status == 200, self.response.read()
        self.last = ""
        self.next()

    def next(self) -> dict[str, Any]:
        """The next message; empty at the end."""
        message: dict[str, Any] = {}
        while (line := self.response.readline()) not in (b"", b"\n"):
            name, _, value = line.decode().rstrip("\n").partition(": ")
            message[name] = json.loads(value) if name == "data" else value
        self.last = message.get("id", self.last)
        return message

    def close(self) -> None:
        self._connection.close()
        self.response.close()


def test_a_stream_across_reconnects_has_no_gap_and_no_double(core: Core) -> None:
    """While the plugin writes as fast as it is read, and the client goes away again and again."""
    core.up("talker", OBEDIENT)
    path = "/api/plugins/talker/logs/stream"
    following = Following(core, path)
    talking = meanwhile(lambda: do(core, "talker", "for n in range(6000): print(n)\nsys.stdout.flush()"))
    seen: list[int] = []
    while len(seen) < 6000:
        # A part of what is sent is lost with each connection, and comes again.
        for _ in range(min(700, 6000 - len(seen))):
            message = following.next()
            assert message["id"] == str(message["data"]["id"])
            seen.append(int(message["data"]["message"]))
        following.close()
        following = Following(core, path, following.last)
    talking.result(PATIENCE)
    following.close()
    assert seen == list(range(6000))
    # Whoever comes back after an older one gets the same again; after none, only what is new.
    first = logs(core, "talker")[0]["id"]
    again = Following(core, path, str(first - 1))
    assert [int(again.next()["data"]["message"]) for _ in range(3)] == [
        int(record["message"]) for record in logs(core, "talker")[:3]
    ]
    again.close()
    future, anew = Following(core, path, "999999999"), Following(core, path)
    do(core, "talker", "print('new', flush=True)")
    for each in (future, anew):
        assert each.next()["data"]["message"] == "new"
        each.close()


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "1 2", "9" * 40])
def test_an_id_that_is_none(core: Core, last: str) -> None:
    for path in ("/api/plugins/silent/logs/stream", "/api/events/stream"):
        reply = core.request("GET", path, headers={"Last-Event-ID": last})
        assert (reply.status, reply.json()["code"]) == (400, "bad-request")


def test_events_plugins_and_figures(core: Core) -> None:
    cookie = core.sign_in(**ANN)
    admin, client = (
        Following(core, "/api/events/stream"),
        Following(core, "/api/events/stream", Cookie=cookie),
    )
    core.up("lively")
    assert core.post("/api/plugins/lively/disable").status == 200

    def until_stopped(following: Following) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        while not messages or messages[-1]["data"].get("type") != "stopped":
            messages.append(following.next())
        return messages

    for_admin, for_client = until_stopped(admin), until_stopped(client)

    def life(messages: list[dict[str, Any]]) -> list[str]:
        return [
            each["data"]["type"]
            for each in messages
            if each["data"].get("plugin") == "lively" and "type" in each["data"]
        ]

    assert [each for each in life(for_admin) if each != "admin-action"] == life(for_client)
    assert life(for_client) == ["discovered", "started", "ready", "disabled", "stopped"]
    assert all(not each["data"]["details"] for each in for_client if "details" in each["data"])
    states = [
        each["data"]
        for each in for_client
        if each.get("event") == "plugin" and each["data"]["id"] == "lively"
    ]
    assert {"starting", "running"} & {each["state"] for each in states}
    whole = json.loads(core.request("GET", "/api/plugins/lively", headers={"Cookie": cookie}, as_=None).body)
    assert all(each.keys() == whole.keys() for each in states)
    usage: dict[str, Any] = {}
    while usage.get("event") != "usage":
        usage = client.next()
    assert usage["data"]["plugins"]["silent"].keys() == {"usage", "traffic"}
    assert "id" not in usage, "nobody can come back to what is kept nowhere"
    admin.close()
    client.close()
    # What was missed meanwhile comes with the id of the last.
    core.post("/api/plugins/lively/enable")
    again = Following(core, "/api/events/stream", client.last, Cookie=cookie)
    assert [again.next()["data"]["type"] for _ in range(2)] == ["enabled", "started"]
    again.close()


def test_a_file_that_becomes_broken_and_whole_again_is_told(core: Core) -> None:
    """By a message with the whole plugin, though nothing of what runs has changed."""
    core.up("spoilt")
    following = Following(core, "/api/events/stream")

    def wait_problem(there: bool) -> None:
        while True:
            message = following.next()
            if message.get("event") == "plugin" and message["data"]["id"] == "spoilt":
                assert message["data"]["state"] == "running"
                if bool(message["data"]["problem"]) == there:
                    return

    whole = (core.plugins / "spoilt.binary").read_text()
    core.file("spoilt.binary", "#!/bin/sh\necho out of order >&2; exit 1\n")
    wait_problem(True)
    core.file("spoilt.binary", whole)
    wait_problem(False)
    following.close()


def test_a_stream_ends_with_what_it_was_opened_with(core: Core) -> None:
    """A token that is taken back, a sign-out, and an account that is closed."""
    made = core.request("POST", "/api/tokens", b'{"name": "fleeting", "role": "admin"}').json()
    bearer = f"Bearer {made['token']}"
    cookie = core.sign_in(**ANN)
    streams = [
        Following(core, "/api/plugins/silent/logs/stream", Authorization=bearer),
        Following(core, "/api/events/stream", Authorization=bearer),
        Following(core, "/api/events/stream", Cookie=cookie),
    ]
    assert core.request("DELETE", f"/api/tokens/{made['id']}").status == 200
    assert core.request("POST", "/api/auth/logout", headers={"Cookie": cookie}, as_=None).status == 200
    for stream in streams:
        # To its end: this returns.
        while stream.next():
            pass
        stream.close()
    for header in ({"Authorization": bearer}, {"Cookie": cookie}):
        assert core.request("GET", "/api/events/stream", headers=header, as_=None).status == 401
