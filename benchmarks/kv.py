"""Durable KV sets over HTTP beside GET /api/health, and kill -9 under that load, again and again."""

from __future__ import annotations

import http.client
import json
import random
import statistics
import threading
import time

from benchmarks.harness import a_core, milliseconds
from benchmarks.peers import wrk
from tests.integration.cores import Core

CLIENTS = 32
_SET = """
local number = 0
request = function()
    number = number + 1
    local set = '{"action":"set","key":"key-' .. number % 64 .. '","value":"' .. string.rep("x", 100) .. '"}'
    return wrk.format("POST", nil, nil, set)
end
"""
KILLS = 50


def main() -> None:
    """Rates, and how many acknowledged writes the kills cost."""
    rates()
    kills()


def rates() -> None:
    """The same number of clients, in turns, so that both see the same machine."""
    with a_core() as core:
        core.plugin("store")
        core.start()
        core.wait_pid("store")
        base = f"http://127.0.0.1:{core.port}/api"
        signed = {"Authorization": core.authorization()}
        for name, connections in (("one client", 1), (f"{CLIENTS} clients", CLIENTS)):
            durable, plain = [], []
            for _ in range(3):
                plain.append(wrk.run(f"{base}/health", {}, connections, 3))
                durable.append(wrk.run(f"{base}/plugins/store/kv", signed, connections, 3, script=_SET))
            rate = statistics.median(each.rate for each in durable)
            health = statistics.median(each.rate for each in plain)
            print(
                f"durable KV set, {name}: {rate:,.0f} a second, "
                f"p50 {milliseconds(statistics.median(each.p50 for each in durable))}; "
                f"GET /api/health {health:,.0f}, ratio {rate / health:.2f}"
            )


def kills() -> None:
    """Writes a growing number under each of several keys until the core is killed, and looks for what was acknowledged."""
    dice = random.Random(1)
    written = lost = 0
    with a_core() as core:
        core.plugin("store")
        for _ in range(KILLS):
            core.start()
            core.wait_pid("store")
            core.authorization()
            acknowledged: dict[str, int] = {}
            writers = [
                threading.Thread(target=_keep_setting, args=(core, f"writer-{number}", acknowledged))
                for number in range(4)
            ]
            for writer in writers:
                writer.start()
            time.sleep(dice.uniform(0.05, 0.5))
            assert core.process is not None
            core.process.kill()
            core.process.wait()
            for writer in writers:
                writer.join()
            core.start()
            core.wait_pid("store")
            for key, number in acknowledged.items():
                found = _call(core, {"action": "get", "key": key})["value"]
                written += number
                lost += found is None or int(found) < number
            core.stop()
    print(f"{KILLS} kills at random moments under load: {written:,} acknowledged writes, {lost} missing")


def _keep_setting(core: Core, key: str, acknowledged: dict[str, int]) -> None:
    number = 0
    try:
        while True:
            _call(core, {"action": "set", "key": key, "value": str(number + 1)})
            number += 1
            acknowledged[key] = number
    except (OSError, http.client.HTTPException):
        return


def _call(core: Core, call: dict[str, str]) -> dict[str, str]:
    reply = core.request("POST", "/api/plugins/store/kv", json.dumps(call).encode())
    assert reply.status == 200, reply
    answer: dict[str, str] = reply.json()
    return answer


if __name__ == "__main__":
    main()
