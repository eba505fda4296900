"""Durable KV sets over HTTP beside GET /api/health, and kill -9 under that load, again and again."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time

from benchmarks.harness import a_core, load, request
from tests.integration.cores import Core

CLIENTS = 32
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
        sets = [_set(core, f"key-{number}", "x" * 100) for number in range(CLIENTS)]
        health = [request(core, "GET", "/api/health", signed=False)] * CLIENTS
        for name, requests in (("one client", 1), (f"{CLIENTS} clients", CLIENTS)):
            durable = plain = 0.0
            for _ in range(3):
                plain += load(core, health[:requests], seconds=3.0).rate
                done = load(core, sets[:requests], seconds=3.0)
                assert set(done.statuses) == {200}, done.statuses
                durable += done.rate
            print(
                f"durable KV set, {name}: {durable / 3:,.0f} a second, GET /api/health {plain / 3:,.0f}, "
                f"ratio {durable / plain:.2f}"
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


def _set(core: Core, key: str, value: str) -> bytes:
    body = json.dumps({"action": "set", "key": key, "value": value}).encode()
    return request(core, "POST", "/api/plugins/store/kv", body)


if __name__ == "__main__":
    main()
