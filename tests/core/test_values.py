"""The small values: leases, causes and remedies, datasets, evaluations, models, specs."""

from dataclasses import replace

import pytest

from qcqueue.catalog.models import MODELS
from qcqueue.core.dataset import DatasetSummary
from qcqueue.core.evaluation import Appraisal, ClassScore, Evaluation, Result
from qcqueue.core.outcomes import Cause, Outcome, cause_of, remedy_for
from qcqueue.core.spec import JobSpec
from qcqueue.core.study import parse_study
from qcqueue.errors import BadData, TrainingError
from qcqueue.stores.base import LeaseRules, has_ended
from qcqueue.text.canonical_json import canonical_json, parse_json

RULES = LeaseRules(beat_every_s=15.0, ttl_s=120.0)


@pytest.mark.parametrize(
    ("age_s", "ended"), [(None, True), (0.0, False), (-5.0, False), (119.9, False), (120.0, False), (120.1, True)]
)
def test_a_lease_ends_with_the_age_of_its_heartbeat(age_s: float | None, ended: bool) -> None:
    assert has_ended(age_s, RULES) is ended


def test_a_session_may_miss_several_beats() -> None:
    assert LeaseRules().ttl_s >= 4 * LeaseRules().beat_every_s


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_a_remedy_that_names_something_to_do(cause: Cause) -> None:
    assert "`qcqueue " in cause.remedy or "enqueue it under another name" in cause.remedy


def test_the_remedy_for_weights_is_true_of_their_kind() -> None:
    online, file = (remedy_for(Cause.WEIGHTS_UNAVAILABLE, weights=kind) for kind in ("imagenet", "file"))
    assert "network" in online
    assert "`qcqueue retry JOB`" in online
    assert "network" not in file
    assert "qcqueue retry JOB --weights FILE" in file  # without it, a retry would end the same way
    assert all(remedy_for(cause, weights="none") == cause.remedy for cause in Cause)


def test_every_training_error_has_a_cause() -> None:
    errors = {error for cause in Cause for error in cause.errors}
    assert errors == set(TrainingError.__subclasses__())
    assert {cause_of(error()) for error in errors} == set(Cause)


def test_an_error_of_the_job_that_nobody_named_is_a_code_error() -> None:
    class Odd(BadData):
        pass

    assert {cause_of(error) for error in (TrainingError(), Odd())} == {Cause.CODE_ERROR}


def test_an_interruption_is_an_outcome_and_no_cause() -> None:
    assert [outcome.value for outcome in Outcome] == ["finished", "stopped", "interrupted", "failed"]
    assert not {outcome.value for outcome in Outcome} & {cause.value for cause in Cause}


def test_a_dataset_comes_back_from_json() -> None:
    summary = DatasetSummary(
        classes=("fair", "good"), image_size=(75, 80), train=4, validation=2, test=1, source="x", note="n"
    )
    assert summary.images == 7
    assert DatasetSummary.from_json(parse_json(canonical_json(summary.to_json()))) == summary
    assert "deep_white" not in summary.to_json()
    deep = replace(summary, deep_white=4095)
    assert DatasetSummary.from_json(parse_json(canonical_json(deep.to_json()))) == deep


def a_result() -> Result:
    score = ClassScore(precision=1 / 3, recall=0.0, f1=0.1 + 0.2, support=3)
    evaluation = Evaluation(
        loss=0.7, accuracy=1.0, per_class={"good": score, "é": score}, confusion_matrix=((3, 0), (1, 2))
    )
    appraisal = Appraisal(
        epoch=3, weights_sha256="a" * 64, predictions_sha256="b" * 64, validation=evaluation, test=evaluation
    )
    return Result(
        last=appraisal,
        best=replace(appraisal, epoch=2),
        history_sha256="c" * 64,
        parameters=10,
        trainable_parameters=4,
    )


def test_a_result_comes_back_from_json() -> None:
    result = a_result()
    assert Result.from_json(parse_json(canonical_json(result.to_json()))) == result


def test_every_model_can_be_trained_at_the_size_of_the_benchmark() -> None:
    assert all(facts.minimum_side_px <= 75 and facts.base_parameters > 0 for facts in MODELS.values())


SPEC = parse_study('study = "s"\ndataset = "d"\n[[job]]\nmodel = "VGG16"\n', file="s.toml").jobs[0]


def test_the_digest_of_a_spec_is_the_one_of_the_first_release() -> None:
    assert SPEC.digest == "474bc13f2634dbddbd0e0ba6cfb237f06be367eb34fdc27c0cd1ac5df7301b30"


@pytest.mark.parametrize("change", [{"seed": 2}, {"image_size": (75, 76)}, {"weights_sha256": "a"}, {"name": "x"}])
def test_any_change_is_another_job(change: dict[str, object]) -> None:
    changed = JobSpec.from_json(SPEC.to_json() | change)
    assert changed.digest != SPEC.digest


def test_a_result_that_was_stored_gets_the_order_of_the_datasets_classes_back() -> None:
    score = ClassScore(precision=1.0, recall=1.0, f1=1.0, support=3)
    evaluation = Evaluation(
        loss=0.7,
        accuracy=1.0,
        per_class={"good": score, "fair": score, "unheard of": score},
        confusion_matrix=((3, 0, 0), (0, 2, 0), (0, 0, 1)),
    )
    appraisal = Appraisal(epoch=1, weights_sha256="a", predictions_sha256="b", validation=evaluation, test=evaluation)
    result = Result(last=appraisal, best=appraisal, history_sha256="c", parameters=1, trainable_parameters=1)
    stored = Result.from_json(parse_json(canonical_json(result.to_json())))
    assert list(stored.best.test.per_class) == ["fair", "good", "unheard of"], "JSON with sorted keys forgets it"
    assert list(stored.in_order(["good", "fair"]).best.test.per_class) == ["good", "fair", "unheard of"]
