"""What state a job is in and which steps lead from one to another. Legality is data; nothing else decides it.

queued     waits for a session. `enqueue` puts it here; `claim` takes it on.
running    has a live attempt. A checkpoint leaves it running; an interruption or a trouble of its machine puts it back,
           spending nothing.
held       a person asked for a pause, or has to decide how it can go on. Keeps every checkpoint; only `release` moves
           it on.
done       its final evaluation is committed. Final.
failed     ended for a reason that trying again would not change. `retry` queues it after the remedy.
cancelled  a person no longer wants it. `retry` brings it back where it was.

`NEXT` is the whole truth: a (state, event) pair that is missing is refused inside the transaction that asks.
"""

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    HELD = "held"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Event(StrEnum):
    CLAIMED = "claimed"
    PROGRESSED = "progressed"
    INTERRUPTED = "interrupted"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"
    HELD = "held"
    RELEASED = "released"
    CANCELLED = "cancelled"
    RETRIED = "retried"


NEXT: Mapping[tuple[State, Event], State] = {
    (State.QUEUED, Event.CLAIMED): State.RUNNING,
    (State.RUNNING, Event.PROGRESSED): State.RUNNING,
    (State.RUNNING, Event.INTERRUPTED): State.QUEUED,
    (State.RUNNING, Event.STOPPED): State.QUEUED,
    (State.RUNNING, Event.FINISHED): State.DONE,
    (State.RUNNING, Event.FAILED): State.FAILED,
    (State.QUEUED, Event.HELD): State.HELD,
    (State.RUNNING, Event.HELD): State.HELD,
    (State.HELD, Event.RELEASED): State.QUEUED,
    (State.QUEUED, Event.CANCELLED): State.CANCELLED,
    (State.RUNNING, Event.CANCELLED): State.CANCELLED,
    (State.HELD, Event.CANCELLED): State.CANCELLED,
    (State.FAILED, Event.CANCELLED): State.CANCELLED,
    (State.FAILED, Event.RETRIED): State.QUEUED,
    (State.CANCELLED, Event.RETRIED): State.QUEUED,
}


def next_state(state: State, event: Event) -> State | None:
    """Return the state after `event`, or None where the event is not allowed."""
    return NEXT.get((state, event))


def allowed_events(state: State) -> tuple[Event, ...]:
    """Return what may happen to a job in `state`, in the order of `Event`."""
    return tuple(event for event in Event if (state, event) in NEXT)
