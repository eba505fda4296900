"""A real core: the numbers move as things happen, and only those see them who may."""

from __future__ import annotations

import json
import threading
from collections import Counter

from tests.scraped import Scraped

from .cores import Core, wait_for

METRICS = "/api/metrics"

# Answers with the status that the path names, dies of `/die`, and says a few lines at its start.
COUNTED = """
print("as it is", flush=True)
print(json.dumps({"level": "error", "message": "bad"}), flush=True)
note("token", os.environ["TORU_PLUGIN_TOKEN"])
def handle(file, message):
    path = message["payload"].get("path", "")
    if path == "/die":
        os._exit(3)
    if message["type"] == "http":
        answer(file, message, status=int(path.strip("/") or 200))
serve(handle)
"""

# Answers one after the other, once the test says "go".
SLOW = """
def handle(file, message):
    if message["type"] == "http":
        wait_until_there("go")
        answer(file, message)
serve(handle)
"""


def scrape(core: Core) -> Scraped:
    reply = core.request("GET", METRICS, as_="monitor")
    assert reply.status == 200, reply
    return Scraped(reply.body)


def requests(core: Core, id: str) -> dict[str, float]:
    return scrape(core).values("toru_plugin_requests_total", "status", plugin=id)


def test_requests_and_a_crash(core: Core) -> None:
    core.settings("max_body_bytes = 1000\n[supervision]\nbackoff_first = 0.05\n")
    core.plugin("counted", COUNTED)
    core.start()
    core.wait_pid("counted")
    assert requests(core, "counted") == {"2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0}
    paths = ("/200", "/204", "/304", "/404", "/500", "/die", "/200")
    replies = [core.route("counted", path).status for path in paths]
    replies.append(core.request("POST", "/api/plugins/route/counted/200", b"x" * 1001).status)
    assert replies[5] == 502
    assert replies[-1] == 413
    counts = Counter(f"{status // 100}xx" for status in replies)
    assert requests(core, "counted") == {each: counts[each] for each in ("2xx", "3xx", "4xx", "5xx")}
    core.wait_events("restarting", plugin="counted", count=1)
    core.wait_pid("counted")
    found = scrape(core)
    counted = {"plugin": "counted"}
    assert found.value("toru_plugin_restarts_total", **counted) == 1
    assert found.value("toru_plugin_consecutive_crashes", **counted) == 1
    assert found.value("toru_plugin_state", toru_plugin_state="running", **counted) == 1
    assert found.value("toru_plugin_health", toru_plugin_health="healthy", **counted) == 1
    assert found.value("toru_events_total", type="crashed") == 1
    answered = sum(status not in (413, 502, 503) for status in replies)
    assert found.value("toru_plugin_request_duration_seconds_count", **counted) == answered
    assert requests(core, "counted") == {each: counts[each] for each in ("2xx", "3xx", "4xx", "5xx")}


def test_lines_and_storage(core: Core) -> None:
    core.plugin("counted", COUNTED)
    core.start()
    core.wait_pid("counted")

    def lines() -> dict[str, float]:
        return scrape(core).values("toru_plugin_log_lines_total", "level", plugin="counted")

    wait_for(lambda: lines() == {"trace": 0, "debug": 0, "info": 1, "warn": 0, "error": 1})
    for call in (
        {"action": "set", "key": "k", "value": "v"},
        {"action": "set", "key": "k", "value": "w", "expect": None},
        {"action": "get", "key": "k"},
    ):
        core.request("POST", "/api/plugins/counted/kv", json.dumps(call).encode())
    found = scrape(core)
    assert found.values("toru_kv_operations_total", "result", action="set") == {"ok": 1, "error": 1}
    assert found.values("toru_kv_operations_total", "result", action="get") == {"ok": 1, "error": 0}
    calls = found.values("toru_database_call_duration_seconds_count", "kind")
    assert calls["read"] > 0
    assert calls["write"] >= (found.value("toru_database_transaction_duration_seconds_count") or 0) > 0
    assert (found.value("process_resident_memory_bytes") or 0) > 0
    assert found.value("toru_log_lines_lost_total") == found.value("toru_events_lost_total") == 0
    # What a process costs is known from its second sample on.
    wait_for(lambda: scrape(core).value("toru_plugin_resident_memory_bytes", plugin="counted"))


def test_what_waits(core: Core) -> None:
    core.settings("[plugin.slow]\nconcurrency = 1\n")
    core.plugin("slow", SLOW)
    core.start()
    core.wait_pid("slow")
    asking = [threading.Thread(target=core.route, args=("slow",)) for _ in range(3)]
    for each in asking:
        each.start()

    def waiting() -> tuple[float | None, float | None]:
        found = scrape(core)
        return (
            found.value("toru_plugin_requests_in_flight", plugin="slow"),
            found.value("toru_plugin_requests_queued", plugin="slow"),
        )

    try:
        wait_for(lambda: waiting() == (1, 2))
    finally:
        core.tell("go")
        for each in asking:
            each.join()
    assert waiting() == (0, 0)
    assert requests(core, "slow")["2xx"] == 3


def test_a_plugin_that_is_removed_and_one_that_is_disabled(core: Core) -> None:
    core.plugin("counted", COUNTED)
    core.plugin("other")
    core.start()
    core.wait_pid("counted")
    core.wait_pid("other")
    assert scrape(core).labels("plugin") == {"counted", "other"}
    core.route("other")
    assert core.post("/api/plugins/other/disable").status == 200
    (core.plugins / "counted.binary").unlink()
    assert core.post("/api/plugins/rescan").status == 200
    found = scrape(core)
    assert found.labels("plugin") == {"other"}
    assert found.value("toru_plugin_state", toru_plugin_state="disabled", plugin="other") == 1
    assert found.value("toru_plugin_requests_total", status="2xx", plugin="other") == 1


def test_who_may_see_it(core: Core) -> None:
    core.plugin("counted", COUNTED)
    core.start()
    plugin = {"Authorization": f"Bearer {core.wait_notes('token', 1)[0]}"}
    statuses = {who: core.request("GET", METRICS, as_=who).status for who in ("admin", "monitor", "client")}
    assert statuses == {"admin": 200, "monitor": 200, "client": 403}
    assert core.request("GET", METRICS, headers=plugin, as_=None).status == 403
    assert core.request("GET", METRICS, as_=None).status == 401
    assert core.request("POST", METRICS).status == 405


def test_no_label_comes_from_outside(core: Core) -> None:
    """Whatever is asked for, there are no more samples than before."""
    core.plugin("counted", COUNTED)
    core.start()
    core.wait_pid("counted")
    scrape(core)

    def samples() -> set[tuple[str, frozenset[tuple[str, str]]]]:
        return {
            (sample.name, frozenset(sample.labels.items()))
            for family in scrape(core).families.values()
            for sample in family.samples
            if not sample.name.startswith("toru_plugin_cpu") and "memory" not in sample.name
        }

    before = samples()
    for number in range(5):
        core.route("counted", f"/200?{number}")
        core.route(f"unknown-{number}")
        core.get(f"/api/{number}")
        core.request(f"M{number}", "/api/plugins/route/counted/200")
        core.request("POST", f"/api/plugins/p{number}/kv", b'{"action":"get","key":"k"}')
        core.request("POST", "/api/plugins/counted/kv", json.dumps({"action": f"a{number}"}).encode())
    assert samples() == before
