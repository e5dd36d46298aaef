"""Times of different processors side by side: as measured and as normalised, and never a guess."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from qcqueue.core.records import Identity
from qcqueue.core.states import State
from qcqueue.queue.values import CheckpointLine, EpochLine, JobDetail
from qcqueue.reports.quantities.normalised import Normalised, Pair, normalised_of
from tests.reports.studies import START_S, T4, a_job, a_spec, an_epoch, epochs_of

L4 = replace(T4, processor="NVIDIA L4")
UNKNOWN = Pair(raw_s=None, normalised_s=None)


def on(identity: Identity, epochs: Sequence[EpochLine], *, attempt: int) -> list[EpochLine]:
    return [replace(it, identity=identity) if it.attempt == attempt else it for it in epochs]


def probed(detail: JobDetail, probes: Mapping[int, float]) -> JobDetail:
    """The job, whose attempts have made these probes."""
    attempts = [
        replace(line, pace={"lag_s": 7.0} | ({"probe_s": probes[line.number]} if line.number in probes else {}))
        for line in detail.attempts
    ]
    return replace(detail, attempts=tuple(attempts))


def saved(*, epochs_done: int, steps_done: int, attempt: int, status: str = "retired") -> CheckpointLine:
    return CheckpointLine(
        attempt=attempt,
        epochs_done=epochs_done,
        steps_done=steps_done,
        lineage=1,
        state_sha256="e" * 64,
        packs=1,
        size_bytes=1,
        status=status,
        recorded_at_s=START_S,
    )


def must(normalised: Normalised | None) -> Normalised:
    assert normalised is not None
    return normalised


@pytest.fixture
def moved() -> JobDetail:
    """Forty epochs: thirty on a T4, ten on an L4 that is four times as fast."""
    return probed(a_job(a_spec(), on(L4, epochs_of(40, cuts=(30,)), attempt=2)), {1: 0.008, 2: 0.002})


def test_where_all_ran_on_one_processor_there_is_nothing_to_normalise(moved: JobDetail) -> None:
    everywhere_a_t4 = probed(a_job(a_spec(), epochs_of(40, cuts=(30,))), {1: 0.008, 2: 0.002})
    assert normalised_of([]) is None
    assert normalised_of([a_job(a_spec(), state=State.QUEUED)]) is None
    assert normalised_of([everywhere_a_t4]) is None
    assert normalised_of([everywhere_a_t4, moved]) is not None


def test_a_normalised_time_is_the_measured_one_times_the_ratio_of_the_probes(moved: JobDetail) -> None:
    found = must(normalised_of([moved]))
    [model] = found.models
    assert (found.reference, found.reference_probe_s, model.name) == ("Tesla T4", 0.008, moved.line.name)
    steps = np.array([it.timing.step_s_p50 or np.nan for it in moved.epochs])
    whole = np.array([it.timing.train_s - (it.timing.first_step_s or 0) + it.timing.val_s for it in moved.epochs])
    for segment, of, factor in zip(model.segments, (slice(0, 30), slice(30, 40)), (1.0, 4.0), strict=True):
        assert segment.step.raw_s == pytest.approx(np.median(steps[of]))
        assert segment.step.normalised_s == pytest.approx(np.median(steps[of]) * factor)
        assert segment.epoch.raw_s == pytest.approx(np.median(whole[of]))
        assert segment.epoch.normalised_s == pytest.approx(np.median(whole[of]) * factor)
    assert [(it.attempt, it.processor, it.probe_s, len(it.epochs)) for it in model.segments] == [
        (1, "Tesla T4", 0.008, 30),
        (2, "NVIDIA L4", 0.002, 10),
    ]
    factors = np.array([1.0] * 30 + [4.0] * 10)
    assert model.step.raw_s == pytest.approx(np.median(steps))
    assert model.step.normalised_s == pytest.approx(np.median(steps * factors))
    assert model.epoch.raw_s == pytest.approx(np.median(whole))
    assert model.epoch.normalised_s == pytest.approx(np.median(whole * factors))


def test_the_reference_is_where_most_epochs_ran_and_its_probe_the_median_of_those_made_there(moved: JobDetail) -> None:
    on_l4 = [replace(it, identity=L4) for it in epochs_of(30, cuts=(10, 20))]
    other = probed(a_job(a_spec("Xception"), on_l4), {1: 0.0021, 2: 0.0029, 3: 0.003})
    found = must(normalised_of([moved, other]))
    assert found.reference == "NVIDIA L4"
    assert found.reference_probe_s == np.median([0.002, 0.0021, 0.0029, 0.003])
    assert [model.name for model in found.models] == ["six-models/vgg16", "six-models/xception"]
    assert must(normalised_of([other, moved])).reference == "NVIDIA L4"


def test_of_processors_with_as_many_epochs_the_one_that_comes_first_is_the_reference() -> None:
    half = a_job(a_spec(), on(L4, epochs_of(40, cuts=(20,)), attempt=2))
    assert must(normalised_of([probed(half, {1: 0.008, 2: 0.002})])).reference == "Tesla T4"


def test_what_has_no_probe_is_not_normalised_and_neither_is_the_job_it_belongs_to(moved: JobDetail) -> None:
    other = probed(a_job(a_spec("Xception"), epochs_of(3)), {1: 0.01})
    found = must(normalised_of([probed(moved, {1: 0.008}), other]))
    old, new = found.models
    assert found.reference_probe_s == pytest.approx(0.009)
    first, second = old.segments
    assert first.step.normalised_s is not None
    assert (second.probe_s, second.step.normalised_s, second.epoch.normalised_s) == (None, None, None)
    assert second.step.raw_s is not None
    assert (old.step.normalised_s, old.epoch.normalised_s) == (None, None)
    assert old.step.raw_s is not None
    assert new.step.normalised_s == pytest.approx((new.step.raw_s or 0) * 0.9)


def test_without_a_probe_of_the_reference_nothing_is_normalised(moved: JobDetail) -> None:
    found = must(normalised_of([probed(moved, {2: 0.002})]))
    assert (found.reference, found.reference_probe_s) == ("Tesla T4", None)
    [model] = found.models
    pairs = [model.step, model.epoch, *(it.step for it in model.segments), *(it.epoch for it in model.segments)]
    assert [pair.normalised_s for pair in pairs] == [None] * 6
    assert None not in [pair.raw_s for pair in pairs]


@pytest.mark.parametrize(
    ("checkpoint", "counts"),
    [
        (saved(epochs_done=30, steps_done=40, attempt=1), False),
        (saved(epochs_done=30, steps_done=40, attempt=1, status="damaged"), True),
        (saved(epochs_done=30, steps_done=0, attempt=1), True),
        (saved(epochs_done=30, steps_done=40, attempt=2), True),
        (saved(epochs_done=29, steps_done=40, attempt=1), True),
    ],
)
def test_an_epoch_that_two_attempts_may_have_trained_is_in_no_median(
    moved: JobDetail, checkpoint: CheckpointLine, counts: bool
) -> None:
    [model] = must(normalised_of([replace(moved, checkpoints=(checkpoint,))])).models
    assert model.segments[0].epochs == tuple(range(1, 31))
    assert model.segments[1].epochs == tuple(range(31 if counts else 32, 41))


def test_only_official_epochs_count(moved: JobDetail) -> None:
    again = replace(an_epoch(5, attempt=1), official=False, timing=replace(moved.epochs[0].timing, step_s_p50=9.0))
    assert normalised_of([replace(moved, epochs=(*moved.epochs, again))]) == normalised_of([moved])


def test_an_epoch_of_a_single_step_has_no_time_without_compiling() -> None:
    timing = replace(an_epoch(1, first=True).timing, train_s=21.5, step_s_p50=None, step_s_p95=None, step_count=1)
    single = a_job(a_spec(epochs=1), [an_epoch(1, first=True, timing=timing)])
    other = a_job(a_spec("Xception"), [replace(it, identity=L4) for it in epochs_of(2)])
    found = must(normalised_of([probed(single, {1: 0.008}), probed(other, {1: 0.002})]))
    [segment] = found.models[0].segments
    assert (segment.epochs, segment.step, segment.epoch) == ((1,), UNKNOWN, UNKNOWN)
