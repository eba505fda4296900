"""A plugin's life as a state machine: which state follows on which input, and what is done on the way.

State transitions live only in this file. Whatever touches the world goes through `Effects`, so that the
whole table is tested with a `Clock` and a recording fake, and no process.

    stopped ──start──► starting ──ready──► running
       ▲                │    ▲                │
       │          exited│    │elapsed         │exited
       │                ▼    │                │
       │◄────stop─────  backoff ◄─────────────┘
       │                   │ one crash too many
       │                   ▼
       └──disable──►   disabled ──start──► starting

    starting, running ──stop, disable──► stopping ──exited──► stopped, disabled or starting
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol as Interface

from automat import TypeMachineBuilder, pep614
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from toru.model import Exit, State


class Effects(Interface):
    """What the machine does to the world. "The process" is the one that the plugin has at the moment."""

    def spawn(self) -> None:
        """Start a process; `ready` or `exited` follows, not before this returns."""

    def stop_process(self) -> None:
        """Have it end; `exited` follows."""

    def adopt(self) -> None:
        """The successor is the process from now on; the one before ends once it has answered all."""

    def drop_successor(self) -> None:
        """End the successor; nothing follows."""

    def crashed(self, exit: Exit) -> float | None:
        """Count a crash. Returns the seconds until the next start; None where it was one too many."""

    def gave_up(self) -> None:
        """It was one too many, and the plugin is disabled."""

    def entered(self, state: State) -> None:
        """The plugin is in that state now."""


class Inputs(Interface):
    """What can happen. Each is legal in every state; most change nothing in most of them."""

    def start(self) -> None:
        """It shall be up: enabled, restarted by hand, or the core starts."""

    def stop(self) -> None:
        """It shall be down, and stays enabled: the core stops, or the file is gone."""

    def disable(self) -> None:
        """It shall be down until somebody enables it."""

    def ready(self) -> None:
        """The process can be talked to."""

    def exited(self, exit: Exit) -> None:
        """The process is gone, with all that it started."""

    def died_in_probe(self, exit: Exit) -> None:
        """The process is gone because it was asked in a framing that it does not speak: no crash."""

    def succeeded(self) -> None:
        """The successor, started beside the process for a restart without a gap, is ready."""

    def elapsed(self) -> None:
        """The backoff is over."""

    def give_up(self) -> None:
        """That crash was one too many."""


@dataclass
class Core:
    """What the machine remembers besides its state."""

    clock: IReactorTime
    effects: Effects
    after_stopping: Literal["stopped", "disabled", "starting"] = "stopped"
    backoff: IDelayedCall | None = None

    def forget_backoff(self) -> None:
        """A start that comes earlier, or never: the timer goes with its state."""
        if self.backoff is not None and self.backoff.active():
            self.backoff.cancel()
        self.backoff = None


def make_lifecycle() -> Callable[[Core], Inputs]:
    """The machine's table. One serves all plugins; each gets its own instance for its Core."""
    machine = TypeMachineBuilder(Inputs, Core)

    stopped = machine.state("stopped")
    starting = machine.state("starting")
    running = machine.state("running")
    stopping = machine.state("stopping")
    backoff = machine.state("backoff")
    disabled = machine.state("disabled")

    # -- coming up

    @pep614(stopped.upon(Inputs.start).to(starting))
    @pep614(disabled.upon(Inputs.start).to(starting))
    @pep614(backoff.upon(Inputs.start).to(starting))
    @pep614(backoff.upon(Inputs.elapsed).to(starting))
    def spawn(inputs: Inputs, core: Core) -> None:
        core.forget_backoff()
        core.effects.entered("starting")
        core.effects.spawn()

    @pep614(starting.upon(Inputs.died_in_probe).to(starting))
    @pep614(running.upon(Inputs.died_in_probe).to(starting))
    def spawn_again(inputs: Inputs, core: Core, exit: Exit) -> None:
        spawn(inputs, core)

    @pep614(starting.upon(Inputs.ready).to(running))
    def up(inputs: Inputs, core: Core) -> None:
        core.effects.entered("running")

    # -- falling down

    @pep614(starting.upon(Inputs.exited).to(backoff))
    @pep614(running.upon(Inputs.exited).to(backoff))
    def crashed(inputs: Inputs, core: Core, exit: Exit) -> None:
        delay = core.effects.crashed(exit)
        if delay is None:
            inputs.give_up()
        else:
            core.backoff = core.clock.callLater(delay, inputs.elapsed)
            core.effects.entered("backoff")

    @pep614(backoff.upon(Inputs.give_up).to(disabled))
    def give_up(inputs: Inputs, core: Core) -> None:
        core.forget_backoff()
        # In that order: whoever waits for the state asks what it is as soon as it is told.
        core.effects.gave_up()
        core.effects.entered("disabled")

    # -- a restart without a gap

    @pep614(starting.upon(Inputs.succeeded).to(running))
    @pep614(running.upon(Inputs.succeeded).to(running))
    @pep614(backoff.upon(Inputs.succeeded).to(running))
    def adopt(inputs: Inputs, core: Core) -> None:
        core.forget_backoff()
        core.effects.adopt()
        core.effects.entered("running")

    @pep614(stopped.upon(Inputs.succeeded).loop())
    @pep614(stopping.upon(Inputs.succeeded).loop())
    @pep614(disabled.upon(Inputs.succeeded).loop())
    def too_late(inputs: Inputs, core: Core) -> None:
        core.effects.drop_successor()

    # -- going down on purpose

    @pep614(starting.upon(Inputs.stop).to(stopping))
    @pep614(running.upon(Inputs.stop).to(stopping))
    def stop(inputs: Inputs, core: Core) -> None:
        core.after_stopping = "stopped"
        core.effects.entered("stopping")
        core.effects.stop_process()

    @pep614(starting.upon(Inputs.disable).to(stopping))
    @pep614(running.upon(Inputs.disable).to(stopping))
    def stop_to_disable(inputs: Inputs, core: Core) -> None:
        core.after_stopping = "disabled"
        core.effects.entered("stopping")
        core.effects.stop_process()

    @pep614(backoff.upon(Inputs.stop).to(stopped))
    def stop_waiting(inputs: Inputs, core: Core) -> None:
        core.forget_backoff()
        core.effects.entered("stopped")

    @pep614(stopped.upon(Inputs.disable).to(disabled))
    @pep614(backoff.upon(Inputs.disable).to(disabled))
    def disable_at_rest(inputs: Inputs, core: Core) -> None:
        core.forget_backoff()
        core.effects.entered("disabled")

    # The last word counts: while it stops, its end can still be changed.

    @pep614(stopping.upon(Inputs.stop).loop())
    def rest_stopped(inputs: Inputs, core: Core) -> None:
        core.after_stopping = "stopped"

    @pep614(stopping.upon(Inputs.disable).loop())
    def rest_disabled(inputs: Inputs, core: Core) -> None:
        core.after_stopping = "disabled"

    @pep614(stopping.upon(Inputs.start).loop())
    def start_again(inputs: Inputs, core: Core) -> None:
        core.after_stopping = "starting"

    @pep614(stopping.upon(Inputs.exited).to(stopped))
    @pep614(stopping.upon(Inputs.died_in_probe).to(stopped))
    def gone(inputs: Inputs, core: Core, exit: Exit) -> None:
        core.effects.entered("stopped")
        if core.after_stopping == "disabled":
            inputs.disable()
        elif core.after_stopping == "starting":
            inputs.start()

    # -- what changes nothing: said again, or too late

    for state, legal in (
        (stopped, (Inputs.stop, Inputs.ready, Inputs.died_in_probe, Inputs.elapsed, Inputs.give_up)),
        (starting, (Inputs.start, Inputs.elapsed, Inputs.give_up)),
        (running, (Inputs.start, Inputs.ready, Inputs.elapsed, Inputs.give_up)),
        (stopping, (Inputs.ready, Inputs.elapsed, Inputs.give_up)),
        (backoff, (Inputs.ready, Inputs.died_in_probe)),
        (disabled, (Inputs.stop, Inputs.disable, Inputs.ready, Inputs.died_in_probe, Inputs.elapsed)),
    ):
        for input_ in legal:
            state.upon(input_).loop().returns(None)
    for state in (stopped, backoff, disabled):
        state.upon(Inputs.exited).loop().returns(None)
    disabled.upon(Inputs.give_up).loop().returns(None)

    return machine.build()
