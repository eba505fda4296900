"""A request whose body is still on its way to a worker when the process that it was to go to is replaced or lost."""

# What is inherited from Twisted is untyped, and an exclusion by module does not reach it through a subclass.
# mypy: allow-untyped-calls

from __future__ import annotations

import pytest

from tests.http.fakes import parsed
from toru.workers.site import LentConnection, WorkerSite

from . import test_plugins as plugins, test_site as site

PATH = "/api/plugins/route/demo-route/"
HEAD = site.head(PATH, "POST", "Content-Length: 6")


class Bench(plugins.Bench):
    """A worker's site and its plugins, with a client in the middle of a request's body."""

    def __init__(self) -> None:
        super().__init__()
        self.granted()
        self.client = site.Bench()
        self.client.site = WorkerSite(
            self.desk.clock,
            self.client.known,
            self.plugins.find,
            1000,
            (),
            None,
            ended=lambda: None,
            give_back=lambda *given: self.client.given_back.append(given),
        )
        self.client.transport = site.Transport()
        self.client.connection = LentConnection(self.client.site)
        self.client.connection.makeConnection(self.client.transport)
        self.client.hear(HEAD, b"abc")

    def statuses(self) -> list[int]:
        """What the client was told."""
        text = self.client.transport.value()
        return [parsed(text).status] if text else []


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_body_that_comes_behind_a_restart_is_for_the_new_process(bench: Bench) -> None:
    bench.offer(8)
    bench.pong()
    bench.grant(share=8)
    bench.plugins.withdraw(7)
    bench.client.hear(b"def")
    if not bench.client.given_back:
        for request in bench.asked():
            bench.answer(request)
        assert bench.statuses() == [200]
    else:
        assert bench.client.back == HEAD + b"abcdef"


def test_a_body_that_comes_when_its_process_is_withdrawn_is_the_cores(bench: Bench) -> None:
    """As in a restart, too, while the new process has not answered here."""
    bench.plugins.withdraw(7)
    bench.client.hear(b"def")
    assert bench.statuses() == []
    assert bench.client.back == HEAD + b"abcdef"


def test_a_body_that_comes_when_its_connection_was_lost_waits_for_no_other(bench: Bench) -> None:
    bench.wire.end()
    bench.client.hear(b"def")
    bench.desk.clock.pump([1.0] * 20)
    assert bench.client.given_back or bench.statuses(), (
        "it waits, for 30 s, for a process that has not answered"
    )
