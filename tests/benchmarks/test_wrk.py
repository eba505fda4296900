"""What wrk says, read."""

from __future__ import annotations

import pytest

from benchmarks.peers.wrk import Rate, WrkError, parse

SAID = """\
Running 2s test @ http://127.0.0.1:3000/api/plugins/route/fast/13
  2 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.31ms    2.19ms  45.02ms   96.14%
    Req/Sec    17.15k     2.36k   22.41k    70.00%
  Latency Distribution
     50%  {p50}
     75%    1.20ms
     90%    1.93ms
     99%  {p99}
  68460 requests in 2.01s, 8.36MB read
{errors}Requests/sec:  34120.55
Transfer/sec:      4.17MB
"""


@pytest.mark.parametrize(
    ("written", "seconds"), [("249.00us", 249e-6), ("12.75ms", 0.01275), ("1.32s", 1.32), ("1.05m", 63.0)]
)
def test_figures_are_read_with_their_units(written: str, seconds: float) -> None:
    found = parse(SAID.format(p50="  1.00ms", p99=written, errors=""))
    assert found == Rate(34120.55, 0.001, found.p99)
    assert found.p99 == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ("  Non-2xx or 3xx responses: 17\n", "17 answers were no success"),
        (
            "  Socket errors: connect 0, read 3, write 0, timeout 1\n",
            "connections failed: connect 0, read 3, write 0, timeout 1",
        ),
    ],
)
def test_what_was_no_answer_makes_the_figures_worthless(errors: str, told: str) -> None:
    with pytest.raises(WrkError, match=told):
        parse(SAID.format(p50="  1.00ms", p99="  2.00ms", errors=errors))


@pytest.mark.parametrize(
    "said", ["", "unable to connect to 127.0.0.1:1 Connection refused", SAID.replace("34120.55", "0.00")]
)
def test_no_answers_are_no_figures(said: str) -> None:
    with pytest.raises(WrkError, match="no answers"):
        parse(said)
