"""Every state meets every event; what `NEXT` does not list is refused."""

import pytest

from qcqueue.core import states
from qcqueue.core.states import NEXT, Event, State, allowed_events, next_state

# Said again, by state and in words, so that a slip in the table is a failing test and not a new rule.
EXPECTED = {
    State.QUEUED: {"claimed": "running", "held": "held", "cancelled": "cancelled"},
    State.RUNNING: {
        "progressed": "running",
        "interrupted": "queued",
        "stopped": "queued",
        "finished": "done",
        "failed": "failed",
        "held": "held",
        "cancelled": "cancelled",
    },
    State.HELD: {"released": "queued", "cancelled": "cancelled"},
    State.DONE: {},
    State.FAILED: {"cancelled": "cancelled", "retried": "queued"},
    State.CANCELLED: {"retried": "queued"},
}


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("state", State)
def test_every_state_answers_every_event(state: State, event: Event) -> None:
    expected = EXPECTED[state].get(event.value)
    assert next_state(state, event) == expected
    assert (event in allowed_events(state)) == (expected is not None)


def test_a_done_job_is_final() -> None:
    assert allowed_events(State.DONE) == ()


def test_every_state_is_reached_and_every_event_is_of_use() -> None:
    assert set(NEXT.values()) == set(State)
    assert {event for _, event in NEXT} == set(Event)


def test_only_work_on_a_running_job_ends_it() -> None:
    assert {state for (state, _), after in NEXT.items() if after in (State.DONE, State.FAILED)} == {State.RUNNING}


def test_an_interruption_never_costs_a_job_its_place() -> None:
    assert next_state(State.RUNNING, Event.INTERRUPTED) is State.QUEUED


def test_the_state_names_are_those_of_the_contract_and_each_is_explained() -> None:
    assert [state.value for state in State] == ["queued", "running", "held", "done", "failed", "cancelled"]
    lines = (states.__doc__ or "").splitlines()
    assert [line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in set(State)] == list(State)
