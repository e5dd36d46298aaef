"""Other ways to work on a study: orders that are not ours, and what people do with a plain script.

A rival is a `Strategy` of the simulator with another line of the jobs that wait, or other habits around it: how often
it chooses again, when it saves, whether it knows that a session ends.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from qcqueue.errors import UnknownName
from qcqueue.planning.policies import ChoiceContext, Job
from qcqueue.planning.sim_run import ONE_JOB, OURS, Saves, Strategy
from qcqueue.text.humanize import count
from qcqueue.text.suggest import clipped, nearest

SCRIPT = "script-"
SCRIPT_SAVES_EVERY = 10

Order: TypeAlias = Callable[[Sequence[Job]], Sequence[Job]]
"""Puts all jobs in an order, best first; they come in that of the queue."""


class Ranked:
    """A line in any order, which is asked about all jobs each time."""

    def __init__(self, order: Order, jobs: Sequence[Job]) -> None:
        self._order = order
        self._jobs = {job.name: job for job in jobs}

    def __len__(self) -> int:
        return len(self._jobs)

    def first(self, context: ChoiceContext) -> str | None:
        ordered = self._order([*self._jobs.values()])
        return next((job.name for job in ordered if context.has_room_for(job)), None)

    def waits(self, name: str) -> int:
        return self._jobs[name].waits

    def put(self, job: Job) -> None:
        self._jobs[job.name] = job

    def remove(self, name: str) -> None:
        del self._jobs[name]

    def session_over(self, worked_on: Collection[str]) -> None:
        for name, job in self._jobs.items():
            self._jobs[name] = replace(job, waits=0 if name in worked_on else job.waits + 1)


def first_in_first_out(jobs: Sequence[Job]) -> Sequence[Job]:
    return jobs


def longest_first(jobs: Sequence[Job]) -> Sequence[Job]:
    """What is begun first, then the longest."""
    return sorted(jobs, key=lambda job: (not job.begun, -(job.left_s or 0.0)))


def fewest_epochs_first(jobs: Sequence[Job]) -> Sequence[Job]:
    """Asked again after each epoch, all jobs take turns."""
    return sorted(jobs, key=lambda job: job.epochs_done)


IN_ORDER = partial(Ranked, first_in_first_out)


def script(epochs: int = SCRIPT_SAVES_EVERY) -> Strategy:
    """Return a script that trains one model after the other and saves every so many epochs."""
    return Strategy(
        name=f"{SCRIPT}{epochs}",
        says=f"a script that goes on where it was, with a save every {count(epochs, 'epoch')}",
        line=IN_ORDER,
        saves=Saves.SCRIPT,
        script_epochs=epochs,
    )


STRATEGIES: Mapping[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        OURS,
        ONE_JOB,
        Strategy(name="fifo", says="first in first out, each to its end", line=IN_ORDER),
        Strategy(name="longest", says="the longest first, each to its end", line=partial(Ranked, longest_first)),
        Strategy(
            name="round-robin",
            says="one epoch of each in turn",
            line=partial(Ranked, fewest_epochs_first),
            each_epoch=True,
        ),
        Strategy(
            name="day-restart",
            says="a plain script: a model that was cut starts over in the next session",
            line=IN_ORDER,
            saves=Saves.NEVER,
        ),
        script(),
    )
}


def strategies_for(names: Sequence[str]) -> tuple[Strategy, ...]:
    """Return the strategies of these names, all where none is named; script-N is the script that saves every N epochs.

    Raises: UnknownName.
    """
    return tuple(_strategy(name) for name in dict.fromkeys(names or STRATEGIES))


def _strategy(name: str) -> Strategy:
    if name in STRATEGIES:
        return STRATEGIES[name]
    epochs = name.removeprefix(SCRIPT)
    if name.startswith(SCRIPT) and epochs.isascii() and epochs.isdigit() and 0 < len(epochs) < 6 and int(epochs):
        return script(int(epochs))
    close = nearest(name, STRATEGIES)
    raise UnknownName(
        f"there is no policy {clipped(name)!r}; it can be {', '.join(STRATEGIES)} or {SCRIPT}N"
        + (f"; did you mean {close}?" if close else ""),
        hint="scripts/research FILE --policy qcqueue --policy fifo",
    )
