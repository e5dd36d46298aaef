"""The first lines say which model validation chooses, and of its test result no more than the images bear."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from qcqueue.core.states import State
from qcqueue.datasets.format import Split
from qcqueue.reports.page.opening import verdicts
from qcqueue.reports.quantities.findings import findings_of
from qcqueue.reports.study import Probabilities, ReportInput
from tests.reports.pages import page_of
from tests.reports.quantities.answers import SHA256, an_answered_job, some_images
from tests.reports.studies import a_dataset, a_job, a_spec, epochs_of, the_study

IMAGES = some_images(validation=500, test=500)


def said(study: ReportInput) -> str:
    return "\n".join(verdicts(findings_of(study)))


def answers_right(validation: float, test: float) -> Mapping[str, Probabilities]:
    """Each image with the same confidence: right about these shares of the images of each split."""

    def given(split: Split, share: float) -> Probabilities:
        labels = IMAGES.part(split)[1].astype(int)
        right = np.arange(len(labels)) < round(share * len(labels))
        sure = np.full((3, 3), 0.05, np.float32) + 0.85 * np.eye(3, dtype=np.float32)
        return np.asarray(sure[np.where(right, labels, (labels + 1) % 3)], np.float32)

    both = {"validation": given(Split.VALIDATION, validation), "test": given(Split.TEST, test)}
    return {f"{weights}/{split}": found for weights in ("best", "last") for split, found in both.items()}


def answering(*shares: tuple[float, float]) -> ReportInput:
    """Models that are right about these shares of the validation and of the test images."""
    answers = {f"six-models/model{place}": answers_right(*share) for place, share in enumerate(shares)}
    details = [
        an_answered_job(f"Model{place}", IMAGES, given, epochs=5) for place, given in enumerate(answers.values())
    ]
    return the_study(details, answers=answers, images={SHA256: IMAGES})


def test_validation_chooses_and_the_test_images_only_report() -> None:
    words = said(answering((0.8, 0.9), (0.9, 0.7), (0.7, 0.95)))
    assert words.startswith("Model1 has the highest validation accuracy of 3 finished models, 90.0 % at its best epoch")
    assert (
        "On the 500 test images its accuracy is 70.0 % (95 % interval 65.8 to 73.9 %) and its macro-F1 0.707." in words
    )
    assert "There Model0 and Model2 are better by more than luck (McNemar's exact test" in words


def test_what_the_test_images_say_cannot_change_the_choice() -> None:
    low, high = (said(answering((0.8, 0.5), (0.79, test))) for test in (0.1, 0.99))
    assert low.startswith("Model0 has the highest validation accuracy")
    assert high.startswith("Model0 has the highest validation accuracy")


def test_a_lead_that_may_be_luck_is_called_so() -> None:
    words = said(answering((0.9, 0.9), (0.85, 0.898), (0.5, 0.5)))
    assert (
        "There it is better than Model2 by more than luck; its difference from Model1 may be luck (McNemar's" in words
    )


def test_of_equals_in_validation_it_says_what_decided() -> None:
    words = said(answering((0.8, 0.7), (0.8, 0.9)))
    assert "has the same; the lower validation loss decides." in words


def test_by_macro_f1_it_says_so_and_may_choose_another() -> None:
    words = said(replace(answering((0.8, 0.8), (0.7, 0.7)), by="macro-f1"))
    assert words.startswith("Model0 has the highest validation macro-F1 of 2 finished models, 0.")


def test_one_model_is_compared_with_nobody() -> None:
    words = said(answering((0.7, 0.75)))
    assert words.startswith("Model0 is the only finished model: validation accuracy 70.0 %. On the 500 test images its")
    assert "McNemar" not in words


def test_a_model_that_never_errs_has_an_interval_of_more_than_a_point() -> None:
    assert "its accuracy is 100.0 % (95 % interval 99.2 to 100.0 %)" in said(answering((1.0, 1.0)))


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.FAILED])
def test_without_a_finished_model_none_is_chosen(state: State) -> None:
    study = the_study([a_job(a_spec(), epochs_of(3) if state is not State.QUEUED else (), state=state)])
    assert said(study) == "No model is finished yet, so none is chosen."


def test_models_on_other_images_are_chosen_apart() -> None:
    study = answering((0.9, 0.9), (0.8, 0.8))
    first, second = study.details
    other = replace(second, dataset_sha256="e" * 64)
    images = {**study.images, "e" * 64: IMAGES}
    words = said(replace(study, details=(first, other), images=images, datasets=(a_dataset(),)))
    assert words.splitlines()[0].startswith("qc-images: Model0 is the only finished model")
    assert words.splitlines()[1].startswith("other images: Model1 is the only finished model")


def test_a_model_whose_predictions_are_missing_is_chosen_all_the_same_and_has_no_interval() -> None:
    words = said(replace(answering((0.9, 0.9), (0.8, 0.8)), answers={}))
    assert "On the test images its accuracy is 90.0 % and its macro-F1 " in words
    assert "There is no interval, because its single predictions could not be read." in words


def test_of_some_finished_models_it_says_that_they_are_some() -> None:
    study = answering((0.9, 0.9), (0.8, 0.8))
    waits = a_job(a_spec("Xception"), state=State.QUEUED)
    assert "of 2 finished models of 3 jobs, " in said(replace(study, details=(*study.details, waits)))


def hidden(monkeypatch: pytest.MonkeyPatch, names: Sequence[str]) -> None:
    """Let these libraries be as good as not installed."""
    import sys

    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize("missing", [["scipy", "scipy.stats"], ["sklearn", "sklearn.metrics"]])
def test_without_the_extra_there_is_a_page_with_tables_and_accuracies_that_says_what_to_install(
    missing: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = answering((0.9, 0.9), (0.8, 0.8))
    hidden(monkeypatch, missing)
    assert said(study).startswith("Model0 has the highest validation accuracy of 2 finished models")
    page = page_of(study)
    assert "pip install &quot;qcqueue[report]&quot;" in page
    assert "Table 1. The models" in page
    assert "90.0 %" in page
