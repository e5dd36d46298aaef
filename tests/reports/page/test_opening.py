"""The first lines say what came out, and no more than the answers bear."""

from dataclasses import replace

import numpy as np
import pytest

from qcqueue.core.states import State
from qcqueue.reports.page.opening import verdicts
from qcqueue.reports.quantities.findings import findings_of
from qcqueue.reports.study import ReportInput
from tests.reports.quantities.answers import an_answered_study, some_images
from tests.reports.studies import a_dataset, a_job, a_spec, epochs_of, the_study

IMAGES = some_images(validation=500, test=500)


def said(study: ReportInput) -> str:
    return "\n".join(verdicts(findings_of(study)))


def answering(*shares: float) -> ReportInput:
    """Models that judge these shares of the test images rightly, each image either surely right or surely wrong."""
    names = [f"Model{place}" for place, _ in enumerate(shares)]
    study = an_answered_study(names, dataset=IMAGES)
    labels = IMAGES.labels[IMAGES.splits == 2].astype(int)
    answers = {}
    for (job, old), share in zip(study.answers.items(), shares, strict=True):
        right = np.arange(len(labels)) < round(share * len(labels))
        guesses = np.where(right, labels, (labels + 1) % 3)
        answers[job] = {**old, "best/test": np.eye(3, dtype=np.float32)[guesses]}
    return replace(study, answers=answers)


def test_it_names_the_best_with_its_error_bar_and_those_it_surely_beats() -> None:
    words = said(answering(0.9, 0.6, 0.61))
    assert words.startswith("Model0 judges the most test images rightly: 90.0 % (95 % interval 87.")
    assert "better than Model1 and Model2 by more than luck would have it" in words
    assert "may be luck" not in words


def test_a_lead_that_may_be_luck_is_called_so() -> None:
    words = said(answering(0.9, 0.898, 0.5))
    assert "better than Model2 by more than luck would have it; its lead over Model1 may be luck" in words


def test_equals_are_said_to_be_equal() -> None:
    words = said(answering(0.8, 0.8))
    assert "Model0 and Model1" in words
    assert "equally many" in words


def test_one_model_is_compared_with_nobody() -> None:
    assert said(answering(0.75)).startswith("Model0 judges 75.0 % of the test images rightly (95 % interval 71.")


def test_a_model_that_never_errs_has_a_bound_and_no_interval_of_width_nothing() -> None:
    assert "(at least 99.4 % with 95 % confidence)" in said(answering(1.0))


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.FAILED])
def test_without_a_finished_model_there_is_no_verdict(state: State) -> None:
    study = the_study([a_job(a_spec(), epochs_of(3) if state is not State.QUEUED else (), state=state)])
    assert said(study) == "No model is finished yet, so there is no verdict."


def test_models_judged_on_other_images_have_a_verdict_each() -> None:
    study = answering(0.9, 0.8)
    first, second = study.details
    other = replace(second, dataset_sha256="e" * 64)
    images = {**study.images, "e" * 64: IMAGES}
    words = said(replace(study, details=(first, other), images=images, datasets=(a_dataset(),)))
    assert words.splitlines()[0].startswith("qc-images: Model0 judges 90.0 % of the test images rightly")
    assert words.splitlines()[1].startswith("other images: Model1 judges 80.0 % of the test images rightly")


def test_a_model_whose_answers_are_missing_is_not_passed_over_in_silence() -> None:
    study = answering(0.9, 0.8, 0.95)
    answers = {name: given for name, given in study.answers.items() if not name.endswith("model2")}
    words = said(replace(study, answers=answers))
    assert (
        "Model0 judges the most test images rightly, of the 2 finished models of 3 whose answers could be read" in words
    )


def test_where_single_answers_are_missing_it_says_why_there_is_no_error_bar() -> None:
    assert "no error bar" in said(replace(answering(0.9, 0.8), answers={}))


def test_of_some_finished_models_it_says_that_they_are_some() -> None:
    study = answering(0.9, 0.8)
    waits = a_job(a_spec("Xception"), state=State.QUEUED)
    assert "rightly of the 2 finished models" in said(replace(study, details=(*study.details, waits)))
