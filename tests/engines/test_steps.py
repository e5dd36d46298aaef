"""Which step is taken: by what is left to do, by what each candidate costs, and by who has chosen before."""

from dataclasses import replace
from typing import Any

import pytest

from qcqueue.core.records import Identity
from qcqueue.core.spec import Step
from qcqueue.core.step_choice import StepChoice, StepOrder, StepTrial
from qcqueue.engines.steps import budget_s, choose, inherited, key_of, known, switches
from tests.engines.worlds import a_spec

HERE = Identity(
    processor="Tesla T4", instruction_set="avx2", threads=2, deterministic=True, python="3.13", framework="tensorflow",
    framework_version="2.21.0", library="keras", library_version="3.15.1", numpy="2.3", cuda="12.5", cudnn="9",
    compute_capability="7.5",
)  # fmt: skip
SPEC = a_spec()
KEY = key_of(SPEC, HERE, {})
MEASURED = StepChoice(step="fused", origin="measured", key=KEY, seconds=40.0)


def trial(candidate: Step, compile_s: float, step_s: float | None, **more: Any) -> StepTrial:
    return StepTrial(candidate=candidate, compile_s=compile_s, step_s=step_s, **more)


DENSENET = (trial("graph", 20, 0.155), trial("fused", 12, 0.100), trial("xla", 60, 0.012))


@pytest.mark.parametrize(
    ("trials", "steps_left", "shapes", "sessions", "chosen"),
    [
        ((), 10_000, 2, 1, "graph"),
        (DENSENET, 6_900, 2, 1, "xla"),
        (DENSENET, 1_000, 2, 1, "fused"),  # 120 s of compiling are not won back in 1,000 steps
        (DENSENET, 1_500, 2, 1, "xla"),
        (DENSENET, 1_500, 3, 1, "fused"),  # one more size of a batch
        (DENSENET, 6_900, 2, 8, "fused"),  # each session compiles anew
        (DENSENET, 0, 2, 1, "fused"),
        ((trial("graph", 1, 0.1), trial("fused", 1, 0.1), trial("xla", 1, 0.1)), 100, 2, 1, "graph"),
        ((trial("xla", 1, 0.1), trial("fused", 1, 0.1)), 100, 2, 1, "fused"),
        ((trial("graph", 1, 0.1), trial("xla", 1, 0.01, reason="differs")), 10_000, 2, 1, "graph"),
        ((trial("graph", 1, None, is_cut=True), trial("fused", 1, 0.1)), 10_000, 2, 1, "fused"),
        ((trial("graph", 1, None), trial("fused", 1, None)), 10_000, 2, 1, "graph"),
    ],
)
def test_the_rest_is_done_soonest(
    trials: tuple[StepTrial, ...], steps_left: int, shapes: int, sessions: int, chosen: str
) -> None:
    for order in (trials, trials[::-1]):
        assert choose(order, steps_left=steps_left, shapes=shapes, sessions_left=sessions) == chosen


@pytest.mark.parametrize(("left_s", "budget"), [(0.0, 0.0), (500.0, 10.0), (3000.0, 60.0), (1e6, 60.0)])
def test_measuring_takes_a_minute_or_a_fiftieth_of_what_is_left(left_s: float, budget: float) -> None:
    assert budget_s(left_s) == pytest.approx(budget)


@pytest.mark.parametrize(
    ("spec", "order", "step", "origin"),
    [
        ({"step": "xla"}, StepOrder(left_s=1e6, shared=(MEASURED,)), "xla", "spec"),
        ({}, StepOrder(shared=(MEASURED,)), "fused", "shared"),
        ({}, StepOrder(shared=(replace(MEASURED, key="another"),)), "graph", "short"),
        ({}, StepOrder(left_s=1e6, shared=(replace(MEASURED, origin="short"),)), "fused", "short"),
        ({}, StepOrder(left_s=499.0), "graph", "short"),
        ({}, StepOrder(left_s=501.0), None, None),
    ],
)
def test_nothing_is_measured_that_somebody_knows_or_that_is_not_worth_it(
    spec: dict[str, Any], order: StepOrder, step: str | None, origin: str | None
) -> None:
    choice = known(order, replace(SPEC, **spec), KEY)
    assert (choice and choice.step, choice and choice.origin) == (step, origin)


def test_a_run_goes_on_with_its_step_until_its_lineage_ends() -> None:
    def goes_on(**changes: Any) -> str | None:
        return inherited(StepOrder(begun_on=replace(HERE, step="xla", step_fingerprint="ab", **changes)), SPEC, HERE)

    assert inherited(StepOrder(), SPEC, HERE) is None
    assert goes_on() == goes_on(driver="551", memory_limit=5) == "xla"
    assert goes_on(framework_version="2.20.0") is goes_on(processor="Tesla P100") is None
    assert inherited(StepOrder(begun_on=HERE), SPEC, HERE) == "graph", "a record of before there was a choice"
    refused = replace(SPEC, lineage="refuse")
    assert inherited(StepOrder(begun_on=replace(HERE, cuda="11")), refused, HERE) == "graph", "nothing is measured"


@pytest.mark.parametrize(
    "change",
    [
        *({"model": "Xception"}, {"image_size": (64, 64)}, {"batch_size": 4}, {"trainable": "head"}),
        *({"precision": "mixed_float16"}, {"optimizer": "sgd"}, {"tf32": False}, {"determinism": "relaxed"}),
    ],
)
def test_another_work_is_measured_anew(change: dict[str, Any]) -> None:
    assert key_of(replace(SPEC, **change), HERE, {}) != KEY


def test_what_is_learned_and_whose_run_it_is_do_not_matter() -> None:
    assert key_of(replace(SPEC, seed=9, learning_rate=0.1, epochs=100, name="b", step="xla"), HERE, {}) == KEY


def test_another_machine_version_or_flag_is_measured_anew() -> None:
    others = [replace(HERE, processor="A100"), replace(HERE, framework_version="3"), replace(HERE, threads=4)]
    assert len({KEY, *(key_of(SPEC, it, {}) for it in others), key_of(SPEC, HERE, {"XLA_FLAGS": "--x"})}) == 5
    assert key_of(SPEC, replace(HERE, driver="1", cudnn_loaded="9.3", step="xla", step_fingerprint="a"), {}) == KEY


def test_what_only_prints_or_names_a_folder_is_no_switch() -> None:
    environment = {
        **{"XLA_FLAGS": "--xla_a", "TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "2", "HOME": "/h"},
        **{"CUDA_CACHE_PATH": "/c", "CUDA_VISIBLE_DEVICES": "1", "NVIDIA_TF32_OVERRIDE": "0"},
    }
    assert set(switches(environment)) == {"XLA_FLAGS", "TF_ENABLE_ONEDNN_OPTS", "NVIDIA_TF32_OVERRIDE"}


def test_a_choice_says_what_it_gains_and_why_others_fell_out() -> None:
    trials = (*DENSENET[:2], trial("xla", 1, None, reason="no deterministic gradient of max pooling"))
    choice = StepChoice(step="fused", origin="measured", key=KEY, trials=trials, seconds=41.0)
    assert choice.sentence == (
        "step fused, measured in 41.0 s: 100 ms a step, where graph takes 155 ms (1.55 x); "
        "xla fell out: no deterministic gradient of max pooling"
    )
    assert StepChoice.from_json(choice.to_json()) == choice
    assert replace(choice, origin="shared", trials=()).sentence == "step fused, as measured before on such a machine"


@pytest.mark.parametrize("value", [float("inf"), -1.0, float("nan")])
def test_a_measure_without_end_is_none(value: float) -> None:
    with pytest.raises(ValueError, match="a measure of a step is"):
        StepTrial(candidate="graph", step_s=value)
