"""Which checkpoints stay: enough that one damaged file never costs more than the state before it."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from qcqueue.queue.checkpoints import LAST_STATES, KeptCheckpoint, keep_last_two


def saved(number: int, state: str) -> KeptCheckpoint:
    return KeptCheckpoint(id=number, state_sha256=state, epochs_done=number, steps_done=0)


saves = st.lists(st.lists(st.booleans(), min_size=1, max_size=3), min_size=1, max_size=12)
"""For each state how it is committed: before its validation, after it, or both."""


def kept_after(committed: Sequence[Sequence[bool]]) -> list[KeptCheckpoint]:
    """Return what is kept, newest first, after these states, each committed once or several times."""
    kept: list[KeptCheckpoint] = []
    number = 0
    for at, times in enumerate(committed, start=1):
        for _ in times:
            number += 1
            kept = [saved(number, f"state {at}"), *kept]
            wanted = keep_last_two(kept)
            kept = [row for row in kept if row.id in wanted]
    return kept


def test_nothing_kept_is_nothing_wanted() -> None:
    assert keep_last_two([]) == set()


def test_a_single_state_stays() -> None:
    assert keep_last_two([saved(7, "a")]) == {7}


def test_the_last_two_states_stay_under_every_id_they_have() -> None:
    rows = [saved(6, "c"), saved(5, "c"), saved(4, "b"), saved(3, "b"), saved(2, "a"), saved(1, "a")]
    assert keep_last_two(rows) == {6, 5, 4, 3}


def test_a_state_that_comes_back_counts_once_and_is_new_again() -> None:
    rows = [saved(4, "a"), saved(3, "b"), saved(2, "a"), saved(1, "c")]
    assert keep_last_two(rows) == {4, 3, 2}


@given(saves)
def test_the_two_newest_states_are_always_kept_and_no_other(committed: list[list[bool]]) -> None:
    states = list(dict.fromkeys(row.state_sha256 for row in kept_after(committed)))
    assert states == [f"state {at}" for at in range(len(committed), 0, -1)][:LAST_STATES]


@given(saves)
def test_no_row_of_a_kept_state_is_given_up(committed: list[list[bool]]) -> None:
    assert len(kept_after(committed)) == sum(len(times) for times in committed[-LAST_STATES:])
