"""Answers stand beside their images and agree with what training stored; those that do not fit are left out."""

from dataclasses import replace

import numpy as np
import pytest

from qcqueue.core.states import State
from qcqueue.datasets.format import Split
from qcqueue.reports.quantities.models import figures_of
from qcqueue.reports.quantities.predictions import Reading, judged_of
from qcqueue.reports.study import Probabilities, ReportInput
from tests.reports.quantities.answers import SHA256, an_answered_study, some_images
from tests.reports.studies import a_job, a_spec, epochs_of

VGG16 = "six-models/vgg16"


def reading_of(study: ReportInput) -> Reading:
    return judged_of(study, figures_of(study.details))


def with_answer(study: ReportInput, key: str, given: Probabilities) -> ReportInput:
    """The study with one answer of VGG16 replaced."""
    return replace(study, answers={**study.answers, VGG16: {**study.answers[VGG16], key: given}})


def test_every_answer_stands_beside_the_label_of_its_image_and_gives_what_training_stored() -> None:
    from sklearn.metrics import accuracy_score, confusion_matrix

    study = an_answered_study()
    reading = reading_of(study)
    assert reading.unread == ()
    assert len(reading.judged) == 3 * 2 * 2
    for one in reading.judged:
        _, labels = study.images[SHA256].part(Split[one.split.upper()])
        given = study.answers[one.job][f"{one.weights}/{one.split}"]
        assert one.labels.tolist() == labels.tolist()
        assert one.accuracy == accuracy_score(labels, given.argmax(axis=1))
        assert np.array_equal(one.confusion_matrix, confusion_matrix(labels, given.argmax(axis=1), labels=range(3)))
        assert [study.images[SHA256].splits[place] for place in one.places] == [Split[one.split.upper()]] * one.images


def test_the_epoch_is_the_one_whose_weights_answered() -> None:
    study = an_answered_study(["VGG16"])
    [result] = [detail.result for detail in study.details]
    assert result is not None
    epochs = {one.weights: one.epoch for one in reading_of(study).judged}
    assert epochs == {"best": result.best.epoch, "last": result.last.epoch}


def test_of_equally_likely_classes_the_first_is_the_guess_as_in_training() -> None:
    study = an_answered_study(["VGG16"], dataset=some_images(test=4))
    given = np.full((4, 3), 1 / 3, np.float32)
    [one] = [it for it in reading_of(with_answer(study, "best/test", given)).judged if it.split == "test"][:1]
    assert one.guesses.tolist() == [0] * 4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.full((48, 3), 1 / 3, np.float32), "48×3, not one of 49×3"),
        (np.full((49, 2), 1 / 2, np.float32), "49×2, not one of 49×3"),
        (np.ones(49, np.float32), "an array of 49,"),
        (np.array(1, np.float32), "an array of one number, not"),
        (np.full((49, 3), np.nan, np.float32), "no numbers"),
        (np.full((49, 3), np.inf, np.float32), "no numbers"),
        (np.full((49, 3), 0.5, np.float32), "no probabilities"),
        (np.tile(np.array([1.5, -0.5, 0], np.float32), (49, 1)), "no probabilities"),
    ],
)
def test_answers_that_do_not_fit_are_left_out_with_a_sentence(given: Probabilities, said: str) -> None:
    reading = reading_of(with_answer(an_answered_study(), "best/test", given))
    [sentence] = reading.unread
    assert sentence.startswith("The test predictions of six-models/vgg16 with its best weights")
    assert said in sentence
    assert len(reading.judged) == 11
    assert (VGG16, "test", "best") not in {(one.job, one.split, one.weights) for one in reading.judged}


def test_an_answer_that_is_missing_is_said_and_the_other_three_stay() -> None:
    study = an_answered_study(["VGG16"])
    given = {key: value for key, value in study.answers[VGG16].items() if key != "last/validation"}
    reading = reading_of(replace(study, answers={VGG16: given}))
    assert reading.unread == (
        "The validation predictions of six-models/vgg16 with its last weights are missing, so they are in no figure.",
    )
    assert len(reading.judged) == 3


def test_answers_that_contradict_the_stored_evaluation_stay_and_the_contradiction_is_said() -> None:
    study = an_answered_study(["VGG16"])
    turned = np.roll(study.answers[VGG16]["best/test"], 1, axis=1)
    reading = reading_of(with_answer(study, "best/test", turned))
    accuracy, matrix = reading.unread
    assert "have an accuracy of" in accuracy
    assert "is stored of them" in accuracy
    assert "another confusion matrix" in matrix
    assert len(reading.judged) == 4


def test_another_confusion_matrix_is_seen_where_the_accuracy_is_the_same() -> None:
    study = an_answered_study(["VGG16"])
    [one] = [it for it in reading_of(study).judged if (it.split, it.weights) == ("test", "best")]
    changed = one.probabilities.copy()
    index = int(np.flatnonzero(~one.is_right)[0])
    third = ({0, 1, 2} - {int(one.labels[index]), int(one.guesses[index])}).pop()
    changed[index] = np.eye(3, dtype=np.float32)[third]
    [sentence] = reading_of(with_answer(study, "best/test", changed)).unread
    assert "another confusion matrix" in sentence


def test_a_split_without_images_is_said_and_not_divided_by() -> None:
    study = an_answered_study(["VGG16"], dataset=some_images())
    reading = reading_of(replace(study, images={SHA256: some_images(test=0)}))
    assert len([it for it in reading.unread if "a split without images" in it]) == 2
    assert {one.split for one in reading.judged} == {"validation"}


def test_nothing_is_said_twice_of_answers_or_images_that_could_not_be_read() -> None:
    study = an_answered_study()
    for nothing in (replace(study, answers={}), replace(study, images={}), replace(study, details=())):
        assert reading_of(nothing) == Reading(judged=(), unread=())


def test_answers_of_a_job_without_a_final_evaluation_are_not_used() -> None:
    study = an_answered_study(["VGG16"])
    running = a_job(a_spec("VGG16"), epochs_of(5), state=State.RUNNING)
    reading = reading_of(replace(study, details=(running,)))
    assert reading.judged == ()
    assert "no final evaluation" in reading.unread[0]
