"""What an epoch takes and what is left: measured where it can be, and never called so where it is not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.catalog.models import MODELS, STUDIED_MODELS
from qcqueue.core.goodput import Part, Seconds, add
from qcqueue.planning.cadence import ASSUMED_LAG_S
from qcqueue.planning.estimates import (
    CPU_TIMES_GPU,
    ESTIMATED_EPOCH_S,
    ESTIMATED_START_S,
    EpochCost,
    EpochSeen,
    Known,
    Measurements,
    Overhead,
    Processor,
    Task,
    lag_cost,
    start_cost,
)

T4 = Processor(name="Tesla T4", is_gpu=True)
L4 = Processor(name="NVIDIA L4", is_gpu=True)
XEON = Processor(name="Intel(R) Xeon(R) CPU @ 2.20GHz", is_gpu=False)
EPYC = Processor(name="AMD EPYC 7B12", is_gpu=False)

XCEPTION = Task(job="six/xception", model="Xception", train_samples=2200, image_pixels=75 * 75)
VGG16 = Task(job="six/vgg16", model="VGG16", train_samples=2200, image_pixels=75 * 75)
TWIN = replace(XCEPTION, job="seeds/xception-2")


def epochs(task: Task, processor: Processor, *seconds: float) -> list[EpochSeen]:
    return [EpochSeen(task=task, processor=processor, seconds=it) for it in seconds]


def cost(task: Task, processor: Processor, seen: list[EpochSeen]) -> EpochCost:
    found = Measurements(seen).epoch_cost(task, processor)
    assert found is not None
    return found


def test_a_job_takes_what_it_has_taken_on_this_processor() -> None:
    seen = [*epochs(TWIN, T4, 99), *epochs(XCEPTION, L4, 9), *epochs(XCEPTION, T4, 24, 22, 60)]
    assert cost(XCEPTION, T4, seen) == EpochCost(seconds=24, basis=Known.MEASURED, said="measured")


def test_a_job_that_has_not_begun_takes_what_the_same_work_has_taken() -> None:
    seen = [*epochs(VGG16, T4, 12), *epochs(TWIN, T4, 24, 26), *epochs(XCEPTION, L4, 9)]
    assert cost(XCEPTION, T4, seen) == EpochCost(seconds=25, basis=Known.MEASURED, said="measured in seeds/xception-2")


@pytest.mark.parametrize(
    "other",
    [
        replace(TWIN, model="VGG16"),
        replace(TWIN, train_samples=2201),
        replace(TWIN, image_pixels=150 * 150),
        replace(TWIN, trainable="head"),
    ],
)
def test_other_work_says_nothing_of_a_job(other: Task) -> None:
    assert cost(XCEPTION, T4, epochs(other, T4, 7)).basis is Known.ESTIMATED


def test_the_name_of_a_driver_and_that_of_tensorflow_are_one_processor() -> None:
    seen = epochs(XCEPTION, Processor(name="L4", is_gpu=True), 9)
    assert cost(XCEPTION, L4, seen).basis is Known.MEASURED


def test_what_this_queue_measured_on_both_says_how_much_slower_one_is() -> None:
    # Three times as slow by one work, four times by another, and the middle of them is taken.
    other = replace(VGG16, job="six/dense", model="DenseNet121")
    seen = [*epochs(VGG16, T4, 10), *epochs(VGG16, XEON, 30), *epochs(other, T4, 10), *epochs(other, XEON, 40)]
    assert cost(XCEPTION, XEON, [*seen, *epochs(XCEPTION, T4, 20)]) == EpochCost(
        seconds=70, basis=Known.SCALED, said="measured on Tesla T4"
    )


def test_where_nothing_was_measured_on_both_a_cpu_is_as_much_slower_as_colabs() -> None:
    assert cost(XCEPTION, XEON, epochs(XCEPTION, T4, 20)).seconds == 20 * CPU_TIMES_GPU
    assert cost(XCEPTION, T4, epochs(XCEPTION, XEON, 280)).seconds == 280 / CPU_TIMES_GPU


def test_another_gpu_is_taken_to_be_as_fast_and_is_named() -> None:
    assert cost(XCEPTION, L4, epochs(TWIN, T4, 20)) == EpochCost(
        seconds=20, basis=Known.SCALED, said="measured on Tesla T4"
    )


def test_a_gpu_is_judged_by_a_gpu_and_a_cpu_by_a_cpu_and_the_job_by_itself() -> None:
    seen = [*epochs(XCEPTION, T4, 20), *epochs(XCEPTION, XEON, 200)]
    assert cost(XCEPTION, L4, seen).said == "measured on Tesla T4"
    assert cost(XCEPTION, EPYC, seen).said == "measured on Intel(R) Xeon(R) CPU @ 2.20GHz"
    assert cost(XCEPTION, L4, [*seen, *epochs(TWIN, Processor(name="Tesla P100", is_gpu=True), 5)]).seconds == 20


def test_the_models_of_the_study_have_estimates_and_together_take_under_five_hours() -> None:
    assert set(ESTIMATED_EPOCH_S) == set(STUDIED_MODELS) <= set(MODELS)
    found = [cost(replace(XCEPTION, model=model), T4, []) for model in STUDIED_MODELS]
    assert [it.seconds for it in found] == [ESTIMATED_EPOCH_S[model] for model in STUDIED_MODELS]
    assert 100 * sum(it.seconds for it in found) == pytest.approx(4.5 * 3600, rel=0.01)
    assert {it.basis for it in found} == {Known.ESTIMATED}


def test_an_estimate_says_what_it_comes_from() -> None:
    assert cost(XCEPTION, T4, []).said == "estimated from 20.9 M parameters on Tesla T4"
    on_cpu = cost(XCEPTION, XEON, [])
    assert (on_cpu.seconds, on_cpu.said) == (350, "estimated from 20.9 M parameters on a CPU")


def test_an_estimate_grows_with_images_and_pixels_and_shrinks_where_the_base_is_frozen() -> None:
    big = replace(XCEPTION, train_samples=4400, image_pixels=150 * 150)
    assert cost(big, T4, []).seconds == pytest.approx(8 * 25)
    assert cost(replace(XCEPTION, trainable="head"), T4, []).seconds == pytest.approx(25 / 3)


def test_another_model_is_estimated_from_its_parameters_within_a_factor_of_two_of_those_that_are_known() -> None:
    for model in STUDIED_MODELS:
        own = replace(XCEPTION, model="own", parameters=MODELS[model].base_parameters)
        assert 0.5 < cost(own, T4, []).seconds / ESTIMATED_EPOCH_S[model] < 2
    assert 13 < cost(replace(XCEPTION, model="MobileNetV2"), T4, []).seconds < 15


@pytest.mark.parametrize("model", MODELS)
def test_every_model_of_the_catalogue_has_a_cost(model: str) -> None:
    found = cost(replace(XCEPTION, model=model), T4, [])
    assert found.basis is Known.ESTIMATED
    assert 10 < found.seconds < 300


def test_of_a_model_of_which_nothing_is_known_nothing_is_said() -> None:
    own = replace(XCEPTION, model="own")
    assert Measurements([]).epoch_cost(own, T4) is None
    assert cost(own, T4, epochs(own, L4, 3)).seconds == 3


@given(st.lists(st.tuples(st.sampled_from((XCEPTION, TWIN, VGG16)), st.sampled_from((T4, L4, XEON)))))
def test_only_what_was_measured_here_is_called_so(seen: list[tuple[Task, Processor]]) -> None:
    found = cost(XCEPTION, T4, [EpochSeen(task=task, processor=on, seconds=5) for task, on in seen])
    alike = [on for task, on in seen if task != VGG16]
    assert (found.basis is Known.MEASURED) == (T4 in alike)
    assert (found.basis is Known.ESTIMATED) == (not alike)
    assert found.seconds > 0


def test_the_start_of_a_session_is_what_lay_before_its_first_step() -> None:
    own: Seconds = {Part.BOOT: 20.0, Part.INSTALL: 10.0, Part.IDLE: 500.0, Part.RELEASE: 3.0}
    first: Seconds = {Part.IMPORT: 3.0, Part.DOWNLOAD: 2.0, Part.DATA: 1.0, Part.RESTORE: 1.0, Part.COMPILE: 13.0}
    trained: Seconds = {Part.TRAIN: 3000.0, Part.VALIDATE: 300.0, Part.STALL: 5.0, Part.LOST: 40.0}
    assert start_cost([add(own, first, trained)]) == Overhead(seconds=50.0, basis=Known.MEASURED)


def test_a_session_that_was_taken_in_its_start_does_not_say_how_long_that_is() -> None:
    whole: Seconds = {Part.COMPILE: 40.0, Part.TRAIN: 100.0}
    assert start_cost([{Part.BOOT: 4.0, Part.COMPILE: 1.0}, whole]).seconds == 40.0
    assert start_cost([{Part.COMPILE: 1.0}]) == Overhead(seconds=ESTIMATED_START_S, basis=Known.ESTIMATED)


def test_the_lag_is_what_attempts_have_measured() -> None:
    assert lag_cost([2.0, 90.0, 3.0]) == Overhead(seconds=3.0, basis=Known.MEASURED)
    assert lag_cost([]) == Overhead(seconds=ASSUMED_LAG_S, basis=Known.ESTIMATED)


def test_an_epoch_that_took_no_time_is_none() -> None:
    with pytest.raises(AssertionError):
        EpochSeen(task=XCEPTION, processor=T4, seconds=0)
