"""A run in its segments: each attempt with its machine, its epochs and its speed, recomputed from the epoch rows."""

from dataclasses import replace

import numpy as np
import pytest

from qcqueue.core.outcomes import Outcome
from qcqueue.core.states import State
from qcqueue.reports.quantities.models import figures_of
from qcqueue.reports.quantities.segments import segments_of
from tests.reports.studies import T4, a_job, a_spec, a_study, an_epoch, epochs_of

L4 = replace(T4, processor="NVIDIA L4", library_version="3.11.0")


def test_each_attempt_brings_its_own_times() -> None:
    rows = epochs_of(100, cuts=(17, 41), seed=2)
    segments = segments_of(figures_of([a_job(a_spec(), rows)]))
    assert [segment.attempt for segment in segments] == [1, 2, 3]
    assert [(segment.epochs[0], segment.epochs[-1]) for segment in segments] == [(1, 17), (18, 41), (42, 100)]
    for segment in segments:
        timings = [row.timing for row in rows if row.attempt == segment.attempt]
        steps, whole = segment.step_s, segment.epoch_s
        assert steps is not None
        assert whole is not None
        medians = [it.step_s_p50 or np.nan for it in timings]
        assert [steps.p5, steps.p50, steps.p95] == pytest.approx(np.percentile(medians, (5, 50, 95)))
        assert segment.step_s_p95 == pytest.approx(np.median([it.step_s_p95 or np.nan for it in timings]))
        expected = np.percentile([it.train_s + it.val_s for it in timings], (5, 50, 95))
        assert [whole.p5, whole.p50, whole.p95] == pytest.approx(expected)
        assert segment.first_steps_s == 21.5
        assert segment.train_s == pytest.approx(sum(it.train_s for it in timings))
        assert segment.val_s == pytest.approx(sum(it.val_s for it in timings))
        assert segment.checkpoint_s == pytest.approx(sum(it.checkpoint_s for it in timings))


def test_the_segments_of_a_run_hold_each_official_epoch_once() -> None:
    models = figures_of(a_study())
    segments = segments_of(models)
    for model in models:
        epochs = [epoch for segment in segments if segment.job == model.name for epoch in segment.epochs]
        assert epochs == [row.epoch for row in model.curve]


def test_a_segment_names_its_machine_and_versions() -> None:
    rows = [replace(row, identity=L4, lineage=2) if row.attempt == 2 else row for row in epochs_of(6, cuts=(4,))]
    first, second = segments_of(figures_of([a_job(a_spec(), rows)]))
    assert (first.identity, first.lineages, first.outcome) == (T4, (1,), Outcome.INTERRUPTED)
    assert (second.identity, second.lineages, second.outcome) == (L4, (2,), Outcome.FINISHED)
    assert (second.host, second.label) == ("colab", "VGG16")


def test_an_attempt_that_brought_nothing_is_there_and_empty() -> None:
    detail = a_job(a_spec(), [replace(an_epoch(1, attempt=1), official=False), an_epoch(1, attempt=2)])
    lost, brought = segments_of(figures_of([detail]))
    assert (lost.epochs, lost.identity, lost.step_s, lost.step_s_p95) == ((), None, None, None)
    assert (lost.epoch_s, lost.first_steps_s, lost.train_s) == (None, None, 0)
    assert brought.epochs == (1,)


def test_epochs_of_a_single_step_leave_the_time_per_step_unknown() -> None:
    timing = replace(an_epoch(1).timing, step_s_p50=None, step_s_p95=None)
    [segment] = segments_of(figures_of([a_job(a_spec(epochs=1), [replace(an_epoch(1), timing=timing)])]))
    assert (segment.step_s, segment.step_s_p95) == (None, None)
    assert segment.epoch_s is not None


def test_a_job_that_never_began_has_no_segment() -> None:
    assert segments_of(figures_of([a_job(a_spec(), state=State.QUEUED)])) == ()
