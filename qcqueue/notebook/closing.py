"""What the worker cell says when its session has ended: how, what is left, and what to do next.

Pure: from an ending and the queue as it is now to a few sentences. Whether the machine is given back is said by
`cell`, which decides it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qcqueue.core.states import State
from qcqueue.core.words import count
from qcqueue.worker.view import Ending

AGAIN = "run this cell again"
ADOPT = "take the store over as it is, with !qcqueue store adopt --store followed by its URL"
UPGRADE = "run %pip install --upgrade qcqueue in a cell of your own, restart the session, which keeps this disk, and"


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a session left: the states of all jobs, and what there is to say of those it did not take or save."""

    states: Sequence[State]
    reasons: Sequence[str]
    wants_gpu: bool


def closing(ending: Ending, left: Left | None) -> tuple[str, ...]:
    """Return the last sentences; left is None where the queue could not be read any more."""
    if ending is Ending.NEWER_QUEUE:  # from here nobody can say what is left
        return _HOW[ending], f"next: {UPGRADE} {AGAIN}"
    if ending is Ending.PUT_BACK:
        return _HOW[ending], f"next: {ADOPT}, and {AGAIN}"
    return tuple([_HOW[ending], *(_queue(left) if left else [f"next: {AGAIN}"])])


_HOW = {
    Ending.FINISHED: "the session finished its jobs; everything is saved",
    Ending.NOTHING_TO_DO: "there is nothing to do for this machine",
    Ending.JOB_FAILED: "a job failed, for a reason that trying again would not change",
    Ending.JOB_HELD: "a job is held: what it needs is for you to decide",
    Ending.LIMIT: "the session reached its limit; everything is saved",
    Ending.NEAR_END: "the session left before its likely end, which the next save would hardly have met; all is saved",
    Ending.ASKED: "the session was interrupted; everything is saved",
    Ending.UNSAVED: "the session was interrupted while the store took nothing; what is missing lies on this disk",
    Ending.NEWER_QUEUE: "a newer qcqueue has raised the queue to a format that this one cannot read; the session left",
    Ending.PUT_BACK: "an older copy of the queue was put back into the store; the session left",
    Ending.LEASE_LOST: "the job was taken over elsewhere; this session gave it up",
    Ending.WITHDRAWN: "the job was held or cancelled by a person, and no other is to be had",
    Ending.SET_ASIDE: "what remains waits for another machine or session; what was trained is saved",
    Ending.CANNOT_START: "no job can start on this machine; none has failed for it",
    Ending.NOTHING_SAVED: "the store, or this disk, has taken nothing for too long",
}


def _queue(left: Left) -> Iterator[str]:
    yield from left.reasons
    waiting = sum(state in (State.QUEUED, State.RUNNING) for state in left.states)
    failed = sum(state is State.FAILED for state in left.states)
    if failed:
        yield f"{count(failed, 'job')} failed; on your laptop: qcqueue status, then qcqueue why JOB"
    if left.wants_gpu:
        yield f"next: choose a GPU under Runtime > Change runtime type, and {AGAIN}"
    elif waiting:
        yield f"{count(waiting, 'job')} {'remains' if waiting == 1 else 'remain'}; next: {AGAIN}"
    elif left.states:
        yield "no job waits; on your laptop: qcqueue report"
    else:
        yield "the queue is empty; on your laptop: qcqueue enqueue FILE"
