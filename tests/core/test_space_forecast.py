"""The bytes of a study are known before anything runs; the figures are those that were measured."""

from typing import Any

import pytest

from qcqueue.catalog.models import MODELS, STUDIED_MODELS
from qcqueue.core.space_forecast import RECORD_BYTES, VERSIONS_BYTES, Planned, forecast, need_of
from qcqueue.core.study import parse_study
from tests.engines.worlds import a_spec

MB = 1_000_000

# Of one state with Adam and three classes, in MB, and of the weights in it: measured, see the reference.
MEASURED = {
    "Xception": (250.0, 83.5),
    "VGG16": (176.6, 58.9),
    "InceptionV3": (261.4, 87.2),
    "DenseNet121": (83.8, 28.2),
    "InceptionResNetV2": (651.6, 217.4),
    "ResNet50V2": (282.5, 94.3),
}


def planned(stored_bytes: int = 0, *, dataset: str = "d", **changes: Any) -> Planned:
    spec = a_spec(**changes)
    return Planned(spec=spec, classes=3, dataset_sha256=dataset, dataset_bytes=55 * MB, stored_bytes=stored_bytes)


@pytest.mark.parametrize("model", MEASURED)
def test_two_states_and_the_best_model_are_as_large_as_measured(model: str) -> None:
    state_mb, weights_mb = MEASURED[model]
    own = need_of(a_spec(model=model, optimizer="adam"), classes=3).own_bytes
    assert own == pytest.approx((2 * state_mb + weights_mb) * MB, rel=0.002)


def test_the_studied_models_are_the_measured_ones() -> None:
    assert set(MEASURED) == set(STUDIED_MODELS)


@pytest.mark.parametrize("facts", MODELS.values(), ids=MODELS)
def test_no_model_trains_more_than_it_has(facts: Any) -> None:
    assert 0 < facts.base_trainable <= facts.base_parameters
    assert facts.features > 0


def test_an_optimizer_with_fewer_slots_needs_less() -> None:
    adam, rmsprop, sgd = (need_of(a_spec(optimizer=it), classes=3).own_bytes for it in ("adam", "rmsprop", "sgd"))
    moved = 4 * (MODELS["VGG16"].base_trainable + 513 * 3)
    assert adam - rmsprop == rmsprop - sgd == 2 * moved
    assert sgd == 3 * moved + 2 * RECORD_BYTES


def test_frozen_weights_are_kept_once_for_all_jobs_that_begin_with_them() -> None:
    one = planned(name="a", weights="imagenet", trainable="head")
    many = [planned(name=f"j{seed}", weights="imagenet", trainable="head", seed=seed) for seed in range(5)]
    alone, together = forecast([one]).more_bytes, forecast(many).more_bytes
    assert alone > 4 * MODELS["VGG16"].base_parameters
    assert together - alone < 2 * MB


@pytest.mark.parametrize(
    "change", [{"model": "Xception"}, {"weights": "none"}, {"weights": "file", "weights_sha256": "a"}]
)
def test_other_frozen_weights_are_kept_too(change: dict[str, Any]) -> None:
    first = planned(name="a", weights="imagenet", trainable="head")
    other = planned(**{"name": "b", "weights": "imagenet", "trainable": "head", **change})
    both = forecast([first, other]).more_bytes + VERSIONS_BYTES
    assert both == forecast([first]).more_bytes + forecast([other]).more_bytes


def test_weights_drawn_from_two_seeds_are_two() -> None:
    jobs = [planned(name=f"j{seed}", weights="none", trainable="head", seed=seed) for seed in range(2)]
    assert forecast(jobs).more_bytes > 8 * MODELS["VGG16"].base_parameters


def test_what_is_stored_already_needs_no_room() -> None:
    fresh, half, full = (forecast([planned(stored)]).more_bytes for stored in (0, 200 * MB, 10_000 * MB))
    assert fresh - half == 200 * MB
    assert full == VERSIONS_BYTES


def test_who_has_saved_once_has_stored_the_frozen_weights_for_all() -> None:
    backbone = 4 * MODELS["VGG16"].base_parameters
    begun = planned(backbone + MB, name="a", weights="imagenet", trainable="head")
    fresh = planned(name="b", weights="imagenet", trainable="head")
    assert forecast([begun, fresh]).more_bytes < VERSIONS_BYTES + MB
    assert forecast([begun, fresh]).all_bytes > backbone


def test_a_dataset_is_counted_once_and_is_there_already() -> None:
    two = forecast([planned(name="a"), planned(name="b")])
    apart = forecast([planned(name="a"), planned(name="b", dataset="e")])
    assert apart.all_bytes - two.all_bytes == 55 * MB
    assert apart.more_bytes == two.more_bytes


def test_no_job_needs_nothing() -> None:
    none = forecast([])
    assert (none.jobs, none.studies, none.all_bytes, none.more_bytes) == (0, (), 0, 0)


def test_a_model_of_another_version_counts_as_nothing() -> None:
    assert forecast([planned(model="Later7")]).more_bytes == VERSIONS_BYTES


def test_the_six_models_of_the_article_need_about_four_gigabytes() -> None:
    text = 'study = "six-models"\ndataset = "qc-images"\n' + "".join(
        f'[[job]]\nmodel = "{it}"\n' for it in STUDIED_MODELS
    )
    jobs = [
        Planned(spec=spec, classes=3, dataset_sha256="d", dataset_bytes=0)
        for spec in parse_study(text, file="six-models.toml").jobs
    ]
    found = forecast(jobs)
    assert (found.jobs, found.studies) == (6, ("six-models",))
    assert found.more_bytes == pytest.approx(3.98e9, rel=0.01)
