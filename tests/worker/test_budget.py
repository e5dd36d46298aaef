"""What is left of a session's limits."""

import pytest

from qcqueue.worker.budget import Budget, Limits

BEGAN_S = 1000.0


@pytest.mark.parametrize(
    ("limits", "lag_s", "deadline_s"),
    [
        (Limits(), None, None),
        (Limits(max_minutes=10), None, 1600.0),
        (Limits(max_minutes=10), 60.0, 1540.0),
        (Limits(max_minutes=10, promised_minutes=5), None, 1300.0),
        (Limits(promised_minutes=5), 1e9, 1150.0),
    ],
    ids=["no limit", "its minutes", "early enough for a save", "the shorter of both", "half of it at least"],
)
def test_it_leaves_early_enough_for_its_last_save(limits: Limits, lag_s: float | None, deadline_s: float) -> None:
    assert Budget(limits, BEGAN_S).deadline_s(lag_s) == deadline_s


def test_its_time_is_over_at_the_deadline() -> None:
    budget = Budget(Limits(max_minutes=1), BEGAN_S)
    assert [budget.is_over(at_s, lag_s=None) for at_s in (1059.9, 1060.0)] == [False, True]
    assert not Budget(Limits(), BEGAN_S).is_over(1e12, lag_s=None)


def test_it_begins_nothing_once_its_epochs_or_its_time_are_spent() -> None:
    budget = Budget(Limits(max_epochs=3, max_minutes=1), BEGAN_S)
    assert budget.epochs_left(2) == 1
    assert [budget.is_spent(BEGAN_S, epochs_done=done, lag_s=None) for done in (2, 3)] == [False, True]
    assert budget.is_spent(2000.0, epochs_done=0, lag_s=None)


def test_so_many_jobs_are_enough_as_were_asked_for() -> None:
    assert [Budget(Limits(jobs=2), BEGAN_S).are_enough(jobs) for jobs in (1, 2, 3)] == [False, True, True]
    assert not Budget(Limits(jobs=None), BEGAN_S).are_enough(100)
