"""The machine as a table: every state with every input, and the stories that run through it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, get_args

import pytest
from hypothesis import given, strategies as st
from twisted.internet.task import Clock

from toru.model import Exit, State
from toru.supervise.backoff import restart_delay
from toru.supervise.lifecycle import Core, Inputs, make_lifecycle

EXIT = Exit(at="1970-01-01T00:00:00.000Z", code=1, signal=None, detail="exited with code 1")
make_life = make_lifecycle()


class Recorder:
    """Effects that only say, in one ordered list, what was done. `delay` is what the next crash costs."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.state: State = "stopped"
        self.delay: float | None = 1.0

    def spawn(self) -> None:
        self.done.append("spawn")

    def stop_process(self) -> None:
        self.done.append("stop_process")

    def adopt(self) -> None:
        self.done.append("adopt")

    def drop_successor(self) -> None:
        self.done.append("drop_successor")

    def crashed(self, exit: Exit) -> float | None:
        assert exit is EXIT
        self.done.append("crashed")
        return self.delay

    def gave_up(self) -> None:
        self.done.append("gave_up")

    def entered(self, state: State) -> None:
        self.done.append(state)
        self.state = state


class Life:
    """One machine, its clock, and what it did."""

    def __init__(self, effects: Recorder | None = None) -> None:
        self.clock = Clock()
        self.effects = effects or Recorder()
        self.core = Core(self.clock, self.effects)
        self.inputs: Any = make_life(self.core)

    @property
    def state(self) -> str:
        """The machine's own, so that one that forgets to tell is found out."""
        name: str = self.inputs.__automat_transitioner__._state.name
        return name

    @property
    def timers(self) -> int:
        return len(self.clock.getDelayedCalls())

    def give(self, *inputs: str) -> list[str]:
        """Put these in, one after the other. Returns what was done upon the last."""
        for name in inputs:
            self.effects.done.clear()
            method: Callable[..., None] = getattr(self.inputs, name)
            method(EXIT) if name in ("exited", "died_in_probe") else method()
        return list(self.effects.done)


INPUTS = tuple(name for name in vars(Inputs) if not name.startswith("_"))

# How each state is come by. A stopping plugin will be what was asked last: those are three states to us.
WAYS = {
    "stopped": (),
    "starting": ("start",),
    "running": ("start", "ready"),
    "stopping": ("start", "ready", "stop"),
    "stopping to disable": ("start", "ready", "disable"),
    "stopping to start": ("start", "ready", "stop", "start"),
    "backoff": ("start", "ready", "exited"),
    "disabled": ("disable",),
}

NOTHING: tuple[str, ...] = ()
UP = ("starting", "spawn")
DOWN = ("stopping", "stop_process")
CRASH = ("crashed", "backoff")
TOO_LATE = ("drop_successor",)

# (what it is in, what happens) -> (what it is in then, what is done, in that order)
TABLE: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("stopped", "start"): ("starting", UP),
    ("stopped", "stop"): ("stopped", NOTHING),
    ("stopped", "disable"): ("disabled", ("disabled",)),
    ("stopped", "ready"): ("stopped", NOTHING),
    ("stopped", "exited"): ("stopped", NOTHING),
    ("stopped", "died_in_probe"): ("stopped", NOTHING),
    ("stopped", "succeeded"): ("stopped", TOO_LATE),
    ("stopped", "elapsed"): ("stopped", NOTHING),
    ("stopped", "give_up"): ("stopped", NOTHING),
    ("starting", "start"): ("starting", NOTHING),
    ("starting", "stop"): ("stopping", DOWN),
    ("starting", "disable"): ("stopping to disable", DOWN),
    ("starting", "ready"): ("running", ("running",)),
    ("starting", "exited"): ("backoff", CRASH),
    ("starting", "died_in_probe"): ("starting", UP),
    ("starting", "succeeded"): ("running", ("adopt", "running")),
    ("starting", "elapsed"): ("starting", NOTHING),
    ("starting", "give_up"): ("starting", NOTHING),
    ("running", "start"): ("running", NOTHING),
    ("running", "stop"): ("stopping", DOWN),
    ("running", "disable"): ("stopping to disable", DOWN),
    ("running", "ready"): ("running", NOTHING),
    ("running", "exited"): ("backoff", CRASH),
    ("running", "died_in_probe"): ("starting", UP),
    ("running", "succeeded"): ("running", ("adopt", "running")),
    ("running", "elapsed"): ("running", NOTHING),
    ("running", "give_up"): ("running", NOTHING),
    ("stopping", "start"): ("stopping to start", NOTHING),
    ("stopping", "stop"): ("stopping", NOTHING),
    ("stopping", "disable"): ("stopping to disable", NOTHING),
    ("stopping", "ready"): ("stopping", NOTHING),
    ("stopping", "exited"): ("stopped", ("stopped",)),
    ("stopping", "died_in_probe"): ("stopped", ("stopped",)),
    ("stopping", "succeeded"): ("stopping", TOO_LATE),
    ("stopping", "elapsed"): ("stopping", NOTHING),
    ("stopping", "give_up"): ("stopping", NOTHING),
    ("stopping to disable", "start"): ("stopping to start", NOTHING),
    ("stopping to disable", "stop"): ("stopping", NOTHING),
    ("stopping to disable", "disable"): ("stopping to disable", NOTHING),
    ("stopping to disable", "ready"): ("stopping to disable", NOTHING),
    ("stopping to disable", "exited"): ("disabled", ("stopped", "disabled")),
    ("stopping to disable", "died_in_probe"): ("disabled", ("stopped", "disabled")),
    ("stopping to disable", "succeeded"): ("stopping to disable", TOO_LATE),
    ("stopping to disable", "elapsed"): ("stopping to disable", NOTHING),
    ("stopping to disable", "give_up"): ("stopping to disable", NOTHING),
    ("stopping to start", "start"): ("stopping to start", NOTHING),
    ("stopping to start", "stop"): ("stopping", NOTHING),
    ("stopping to start", "disable"): ("stopping to disable", NOTHING),
    ("stopping to start", "ready"): ("stopping to start", NOTHING),
    ("stopping to start", "exited"): ("starting", ("stopped", *UP)),
    ("stopping to start", "died_in_probe"): ("starting", ("stopped", *UP)),
    ("stopping to start", "succeeded"): ("stopping to start", TOO_LATE),
    ("stopping to start", "elapsed"): ("stopping to start", NOTHING),
    ("stopping to start", "give_up"): ("stopping to start", NOTHING),
    ("backoff", "start"): ("starting", UP),
    ("backoff", "stop"): ("stopped", ("stopped",)),
    ("backoff", "disable"): ("disabled", ("disabled",)),
    ("backoff", "ready"): ("backoff", NOTHING),
    ("backoff", "exited"): ("backoff", NOTHING),
    ("backoff", "died_in_probe"): ("backoff", NOTHING),
    ("backoff", "succeeded"): ("running", ("adopt", "running")),
    ("backoff", "elapsed"): ("starting", UP),
    ("backoff", "give_up"): ("disabled", ("gave_up", "disabled")),
    ("disabled", "start"): ("starting", UP),
    ("disabled", "stop"): ("disabled", NOTHING),
    ("disabled", "disable"): ("disabled", NOTHING),
    ("disabled", "ready"): ("disabled", NOTHING),
    ("disabled", "exited"): ("disabled", NOTHING),
    ("disabled", "died_in_probe"): ("disabled", NOTHING),
    ("disabled", "succeeded"): ("disabled", TOO_LATE),
    ("disabled", "elapsed"): ("disabled", NOTHING),
    ("disabled", "give_up"): ("disabled", NOTHING),
}


class TestTable:
    def test_every_state_with_every_input(self) -> None:
        assert {way.split()[0] for way in WAYS} == set(get_args(State))
        assert set(TABLE) == set(product(WAYS, INPUTS))
        assert len(INPUTS) == 9

    @pytest.mark.parametrize(("before", "happens"), TABLE)
    def test_row(self, before: str, happens: str) -> None:
        then, done = TABLE[before, happens]
        life = Life()
        life.give(*WAYS[before])
        assert life.give(happens) == list(done)
        assert life.state == then.split()[0]
        assert life.timers == (life.state == "backoff")
        if life.state == "stopping":
            wanted = {
                "stopping": "stopped",
                "stopping to disable": "disabled",
                "stopping to start": "starting",
            }
            life.give("exited")
            assert life.state == wanted[then]

    @pytest.mark.parametrize("before", ["starting", "running"])
    def test_one_crash_too_many(self, before: str) -> None:
        life = Life()
        life.give(*WAYS[before])
        life.effects.delay = None
        # It is disabled before anybody hears of its state: whoever waits for that asks what it is.
        assert life.give("exited") == ["crashed", "gave_up", "disabled"]
        assert (life.state, life.timers) == ("disabled", 0)

    @pytest.mark.parametrize("before", WAYS)
    def test_the_state_told_is_the_machines(self, before: str) -> None:
        life = Life()
        life.give(*WAYS[before])
        assert life.effects.state == life.state

    @given(st.lists(st.tuples(st.sampled_from(INPUTS), st.sampled_from([None, 1.0, 16.0]))))
    def test_any_order_of_inputs(self, inputs: list[tuple[str, float | None]]) -> None:
        life = Life()
        for name, delay in inputs:
            life.effects.delay = delay
            life.give(name)
            assert life.effects.state == life.state
            assert life.timers == (life.state == "backoff")
        life.give("disable")
        life.give("exited")
        life.clock.advance(1000)
        assert (life.state, life.timers) == ("disabled", 0)


class World(Recorder):
    """Effects on a process that exists or does not: there is never a second one."""

    alive = False
    asked_to_end = False

    def spawn(self) -> None:
        assert not self.alive
        self.alive, self.asked_to_end = True, False

    def stop_process(self) -> None:
        assert self.alive
        assert not self.asked_to_end
        self.asked_to_end = True


class TestStories:
    def test_waits_between_crashes(self) -> None:
        life = Life()
        life.give("start")
        for crashes, delay in enumerate((1, 2, 4, 8, 16, 16, 16), 1):
            life.effects.delay = restart_delay(crashes, 1.0, 16.0)
            life.give("ready", "exited")
            life.clock.advance(delay - 0.001)
            assert life.state == "backoff"
            life.clock.advance(0.001)
            assert life.state == "starting"
            assert life.timers == 0

    def test_ten_crashes_disable_it(self) -> None:
        life = Life()
        life.give("start")
        for crashes in range(1, 11):
            life.effects.delay = 1.0 if crashes < 10 else None
            life.give("exited")
            life.clock.advance(1)
        assert life.effects.done == ["crashed", "gave_up", "disabled"]
        life.clock.advance(1000)
        assert life.state == "disabled"

    @pytest.mark.parametrize(("said", "state"), [("stop", "stopped"), ("disable", "disabled")])
    def test_what_was_said_during_the_backoff_stays(self, said: str, state: str) -> None:
        life = Life()
        life.give("start", "exited", said)
        assert life.timers == 0
        life.clock.advance(1000)
        assert life.state == state

    def test_a_start_during_the_backoff_leaves_no_timer_to_start_it_twice(self) -> None:
        life = Life()
        life.give("start", "exited", "start")
        assert life.timers == 0
        life.clock.advance(1000)
        assert life.state == "starting"

    def test_a_successor_during_the_backoff_leaves_no_timer(self) -> None:
        life = Life()
        life.give("start", "ready", "exited", "succeeded")
        life.clock.advance(1000)
        assert (life.state, life.timers) == ("running", 0)

    def test_the_last_word_while_stopping_counts(self) -> None:
        life = Life()
        life.give("start", "ready", "stop", "start", "disable", "exited")
        assert life.state == "disabled"
        life.give("start", "ready", "disable", "stop", "start", "exited")
        assert life.state == "starting"

    def test_an_earlier_last_word_is_forgotten(self) -> None:
        life = Life()
        life.give("start", "ready", "stop", "start", "exited", "ready", "stop", "exited")
        assert life.state == "stopped"

    @given(
        st.lists(st.sampled_from(["start", "stop", "disable", "ready", "exited", "died_in_probe", "time"]))
    )
    def test_at_most_one_process(self, happens: list[str]) -> None:
        world = World()
        life = Life(world)
        for name in happens:
            if name == "time":
                life.clock.advance(1)
            elif name in ("start", "stop", "disable") or world.alive:
                if name in ("exited", "died_in_probe"):
                    world.alive = False
                life.give(name)
            assert world.alive == (life.state in ("starting", "running", "stopping"))
            assert world.asked_to_end == (life.state == "stopping") or not world.alive
