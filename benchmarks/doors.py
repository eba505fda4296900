"""Fifty sign-ins at once, and what they do to requests that are proxied meanwhile."""

from __future__ import annotations

import json
import threading

from benchmarks.harness import Load, a_core, load, milliseconds, request
from tests.integration.cores import ADMIN, ADMIN_PASSWORD

SIGN_INS = 50


def main() -> None:
    """The p99 of proxied requests without and beside them."""
    with a_core() as core:
        core.plugin("calm")
        core.start()
        core.wait_pid("calm")
        ask = request(core, "GET", "/api/plugins/route/calm/")
        body = json.dumps({"username": ADMIN, "password": ADMIN_PASSWORD}).encode()
        load(core, [ask], seconds=1.0, pause=0.005)
        quiet = load(core, [ask], seconds=5.0, pause=0.005)
        done: list[Load] = []
        sign_in = request(core, "POST", "/api/auth/login", body, signed=False)
        signing_in = threading.Thread(
            target=lambda: done.append(load(core, [sign_in] * SIGN_INS, seconds=0.0))
        )
        signing_in.start()
        beside = []
        while signing_in.is_alive():
            beside += load(core, [ask], seconds=0.25, pause=0.005).took
        signing_in.join()
        took = Load(0.0, {}, beside)
        print(
            f"{SIGN_INS} sign-ins at once, answered {done[0].statuses} in {max(done[0].took):.2f} s; proxied meanwhile: "
            f"{len(beside)} with p50 {milliseconds(took.p50)}, p99 {milliseconds(took.p99)}, "
            f"without: p50 {milliseconds(quiet.p50)}, p99 {milliseconds(quiet.p99)}"
        )


if __name__ == "__main__":
    main()
