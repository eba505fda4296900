"""Calls that wait on the reactor thread for a thread of their own, and can be cancelled until they get one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from queue import SimpleQueue
from threading import Thread
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

from toru.errors import StorageUnavailable

# More are refused, because memory is not endless.
MOST_WAITING = 10_000

Job = TypeVar("Job")


class _Waiting(Generic[Job]):
    """A job and the Deferred of whoever gave it; compared by identity."""

    __slots__ = ("answer", "job")

    def __init__(self, job: Job, answer: Deferred[Any]) -> None:
        self.job = job
        self.answer = answer


class Lane(Generic[Job]):
    """Runs jobs in the order in which they came, in `threads` threads, `together` at a time in each.

    The threads are its own: Twisted's pool takes several times as long to hand over a call and its result.
    """

    def __init__(
        self,
        reactor: IReactorFromThreads,
        name: str,
        run: Callable[[Sequence[Job]], Sequence[object]],
        *,
        threads: int,
        together: int,
    ) -> None:
        """`run` is called in a thread; it gives a result or a Failure for each job. What it raises, all get."""
        self._reactor = reactor
        self._run = run
        self._together = together
        self._threads = [Thread(target=self._work, name=f"{name}-{number}") for number in range(threads)]
        # What a thread is to call; None ends one.
        self._handed: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        # In order; a dictionary, because a job that is cancelled leaves from the middle.
        self._waiting: dict[_Waiting[Job], None] = {}
        self._active = 0
        self._open = False
        self._idle: list[Deferred[None]] = []

    def __len__(self) -> int:
        """How many wait for a thread."""
        return len(self._waiting)

    def start(self) -> None:
        """Make the threads. Jobs are refused before."""
        for thread in self._threads:
            thread.start()
        self._open = True

    def put(self, job: Job) -> Deferred[Any]:
        """Fires with what `run` gave for it. Cancelled while it waits, it is never run."""
        if not self._open:
            return fail(StorageUnavailable("the database is closed"))
        if len(self._waiting) >= MOST_WAITING:
            return fail(StorageUnavailable("too much waits for the database; try again", retry_after=1))
        answer: Deferred[Any] = Deferred(lambda _: self._waiting.pop(entry, None))
        entry = _Waiting(job, answer)
        self._waiting[entry] = None
        self._next()
        return answer

    def refuse(self) -> None:
        """Take no new jobs."""
        self._open = False

    async def close(self, last: Callable[[], None]) -> None:
        """Refuse new jobs, do those that wait, and `last` in a thread after them; then end the threads."""
        self.refuse()
        if not any(thread.is_alive() for thread in self._threads):
            return
        idle: Deferred[None] = Deferred()
        self._idle.append(idle)
        self._tell_idle()
        await idle
        ended: Deferred[object] = Deferred()
        self._hand_over(last, ended.callback)
        outcome = await ended
        self.give_up()
        if isinstance(outcome, Failure):
            outcome.raiseException()

    def give_up(self) -> None:
        """Blocks until the threads have ended, where nothing is asked of them any more."""
        self.refuse()
        running = [thread for thread in self._threads if thread.is_alive()]
        for _ in running:
            self._handed.put(None)
        for thread in running:
            thread.join()

    def _hand_over(self, call: Callable[[], object], told: Callable[[object], object]) -> None:
        """Call it in a thread; `told` gets what it gives, or the Failure, on the reactor thread."""

        def carry_out() -> None:
            try:
                outcome = call()
            except BaseException:  # noqa: BLE001  a thread that ends would take no more calls
                outcome = Failure()
            self._reactor.callFromThread(told, outcome)

        self._handed.put(carry_out)

    def _work(self) -> None:
        while (call := self._handed.get()) is not None:
            call()
            # Until the next one comes it would keep what the last one was about.
            del call

    def _next(self) -> None:
        while self._waiting and self._active < len(self._threads):
            batch = list(islice(self._waiting, self._together))
            for entry in batch:
                del self._waiting[entry]
            self._active += 1
            jobs = [entry.job for entry in batch]
            self._hand_over(partial(self._run, jobs), partial(self._done, batch))

    def _done(self, batch: Sequence[_Waiting[Job]], outcomes: Any) -> None:
        if isinstance(outcomes, Failure):
            outcomes = [outcomes] * len(batch)
        # Whoever hears of its result and has more to do then gets into the next batch.
        for entry, outcome in zip(batch, outcomes, strict=True):
            # Who was cancelled meanwhile has an answer already.
            if not entry.answer.called:
                entry.answer.callback(outcome)
        self._active -= 1
        self._next()
        self._tell_idle()

    def _tell_idle(self) -> None:
        if self._active or self._waiting:
            return
        idle, self._idle = self._idle, []
        for waiter in idle:
            waiter.callback(None)
