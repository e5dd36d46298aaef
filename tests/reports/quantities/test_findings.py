"""All numbers of a report are there at once, whatever the study lacks, without a NaN, and soon."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from resource import RUSAGE_SELF, getrusage

import numpy as np
import pytest

from qcqueue.core.states import State
from qcqueue.queue.sessions import accounts_of
from qcqueue.reports.quantities.findings import SERIES, Findings, findings_of
from qcqueue.reports.study import ReportInput
from tests.reports.quantities.answers import SHA256, an_answered_study, some_images
from tests.reports.studies import CLASSES, a_dataset, a_job, a_spec, a_study, epochs_of, some_sessions, the_study


def everything(value: object) -> Iterator[float]:
    """Yield every number within a value."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, np.ndarray):
        yield from map(float, value.ravel())
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from everything(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from everything(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from everything(getattr(value, field.name))


def a_full_study() -> ReportInput:
    sessions = tuple(some_sessions())
    study = an_answered_study()
    return replace(study, sessions=sessions, accounts=accounts_of(sessions), datasets=(a_dataset(),))


def the_same(label: int, *, classes: int = 3) -> ReportInput:
    """One model that is certain that every image is of the first class; all of them are of the one given."""
    dataset = some_images(validation=4, test=4, classes=CLASSES[:classes])
    dataset = replace(dataset, labels=np.full_like(dataset.labels, label))
    answers = dict.fromkeys(
        ("best/validation", "best/test", "last/validation", "last/test"),
        np.eye(classes, dtype=np.float32)[[0] * 4],
    )
    return replace(an_answered_study(["VGG16"]), answers={"six-models/vgg16": answers}, images={SHA256: dataset})


STUDIES = {
    "empty": the_study([]),
    "queued": the_study([a_job(a_spec(), state=State.QUEUED)]),
    "in every state, without answers": the_study(a_study(), sessions=tuple(some_sessions())),
    "one epoch": the_study([a_job(a_spec(epochs=1), epochs_of(1))]),
    "one model": an_answered_study(["VGG16"]),
    "one class": the_same(0, classes=1),
    "one image": an_answered_study(["VGG16", "Xception"], dataset=some_images(validation=1, test=1)),
    "all right": the_same(0),
    "all wrong": the_same(1),
    "full": a_full_study(),
}


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES.keys())
def test_every_study_has_findings_and_none_of_them_is_not_a_number(study: ReportInput) -> None:
    found = findings_of(study)
    assert all(map(math.isfinite, everything(found)))
    assert [model.name for model in found.models] == [detail.line.name for detail in study.details]
    assert (
        set(found.comparisons) == set(found.calibrations) == set(found.severities) == set(found.judged) == set(SERIES)
    )


def test_a_full_study_has_everything() -> None:
    found = findings_of(a_full_study())
    assert found.unread == ()
    for series in SERIES:
        assert len(found.judged[series]) == len(found.comparisons[series].accuracies) == 3
        assert (
            len(found.comparisons[series].pairs)
            == len(found.calibrations[series])
            == len(found.severities[series])
            == 3
        )
        assert {(one.split, one.weights) for one in found.judged[series]} == {series}
    assert len(found.misjudged) == 12
    assert {image.dataset_sha256 for image in found.misjudged} == {SHA256}
    assert list(found.mistakes) == [model.name for model in found.models]
    assert len(found.segments) == len(found.spending) == 3
    assert found.timeline.killed == 1
    assert found.notes


def test_what_could_not_be_read_and_what_does_not_fit_are_told_together() -> None:
    study = an_answered_study()
    name = study.details[0].line.name
    damaged = {**study.answers, name: {**study.answers[name], "best/test": np.full((49, 3), np.nan, np.float32)}}
    found = findings_of(replace(study, answers=damaged, unread=("The store was away.",)))
    assert found.unread[0] == "The store was away."
    assert "no numbers" in found.unread[1]
    assert len(found.judged["test", "best"]) == 2


def test_the_same_study_has_the_same_findings() -> None:
    def said(found: Findings) -> list[float]:
        return list(everything(found))

    assert said(findings_of(a_full_study())) == said(findings_of(a_full_study()))


def test_twelve_models_of_three_hundred_epochs_on_five_thousand_images_take_less_than_three_seconds() -> None:
    names = [f"Model{number:02}" for number in range(12)]
    study = an_answered_study(names, dataset=some_images(validation=5000, test=5000), epochs=300)
    findings_of(an_answered_study())  # what it imports is not counted
    began = getrusage(RUSAGE_SELF).ru_utime  # of this process alone, so that other work on the machine is not counted
    found = findings_of(study)
    assert len(found.comparisons["test", "best"].pairs) == 66
    assert getrusage(RUSAGE_SELF).ru_utime - began < 3
