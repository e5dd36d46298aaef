"""A choice of a step is kept with the attempt that asked, and what was measured to its end is shared by its key."""

from dataclasses import replace
from functools import partial

import pytest

from qcqueue.core.step_choice import StepChoice, StepTrial
from qcqueue.queue.attempts import record_seconds
from qcqueue.queue.step_choices import pin_choice, shared_choices
from qcqueue.queue.values import Claim
from tests.queue.desk import Desk, spec

FUSED = StepChoice(
    step="fused",
    origin="measured",
    key="ab" * 32,
    trials=(StepTrial(candidate="graph", step_s=0.2), StepTrial(candidate="fused", step_s=0.1)),
)
MODEL = spec("a").model


def tell(desk: Desk, held: Claim, choice: StepChoice) -> None:
    desk.database.transact(
        lambda tx: record_seconds(tx, held, attempt={}, session={}, step_choice=choice, seen_at_s=5.0)
    )


def test_what_one_job_measured_comes_with_the_claim_on_the_next(desk: Desk) -> None:
    desk.enqueue("a", "b")
    first = desk.must_claim("s1", job="a")
    assert first.step_choices == ()
    tell(desk, first, FUSED)
    assert desk.must_claim("s2", job="b").step_choices == (FUSED,)
    assert desk.detail("a").step_choice == FUSED
    assert desk.detail("b").step_choice is None


def test_the_first_who_measures_is_believed(desk: Desk) -> None:
    desk.enqueue("a")
    held = desk.must_claim("s1", job="a")
    tell(desk, held, FUSED)
    tell(desk, held, replace(FUSED, step="graph"))
    assert desk.ask(partial(shared_choices, model=MODEL)) == (FUSED,)


@pytest.mark.parametrize(
    "choice",
    [
        replace(FUSED, origin="spec"),
        replace(FUSED, origin="short"),
        replace(FUSED, origin="shared"),
        replace(FUSED, key=""),
        replace(FUSED, trials=(*FUSED.trials, StepTrial(candidate="xla", reason="it died", is_cut=True))),
    ],
    ids=["of a spec", "of short work", "of others", "of nobody knows what", "that was cut"],
)
def test_what_was_not_measured_to_its_end_is_shared_with_nobody(choice: StepChoice, desk: Desk) -> None:
    desk.enqueue("a")
    tell(desk, desk.must_claim("s1", job="a"), choice)
    assert desk.ask(partial(shared_choices, model=MODEL)) == ()
    assert desk.detail("a").step_choice == choice


def test_a_step_that_is_pinned_is_taken_however_it_was_chosen(desk: Desk) -> None:
    desk.enqueue("a")
    short = replace(FUSED, origin="short", step="graph", trials=())
    desk.database.transact(lambda tx: pin_choice(tx, short, model=MODEL, now_s=1.0))
    assert desk.must_claim("s1", job="a").step_choices == (short,)


def test_a_session_that_lost_its_job_shares_nothing(desk: Desk) -> None:
    desk.enqueue("a")
    held = desk.must_claim("s1", job="a")
    desk.must_claim("s2", job="a", gone={("study/a", 1): "gone"})
    tell(desk, held, FUSED)
    assert desk.ask(partial(shared_choices, model=MODEL)) == ()
