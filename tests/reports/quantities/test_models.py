"""The quantities of the report equal a recomputation from the stored rows, and stay unknown where nothing is stored."""

from dataclasses import replace

import numpy as np
import pytest

from qcqueue.core.states import State
from qcqueue.reports.quantities.models import Takeover, figures_of
from tests.reports.studies import T4, a_job, a_spec, an_epoch, epochs_of


def test_times_equal_a_recomputation_from_the_epoch_rows() -> None:
    rows = epochs_of(100, cuts=(17, 41), seed=2)
    [model] = figures_of([a_job(a_spec(), rows)])
    timings = [row.timing for row in rows]
    assert model.times.step_s_p50 == np.median([timing.step_s_p50 or np.nan for timing in timings])
    assert model.times.step_s_p95 == np.median([timing.step_s_p95 or np.nan for timing in timings])
    assert model.times.epoch_s_p50 == np.median([timing.train_s + timing.val_s for timing in timings])
    whole = [timing.train_s + timing.val_s for timing in timings]
    assert [model.times.epoch_s_p5, model.times.epoch_s_p95] == np.percentile(whole, (5, 95)).tolist()
    medians = model.times.step_medians_s
    assert medians is not None
    assert medians.p50 == model.times.step_s_p50
    assert [medians.p5, medians.p95] == np.percentile(
        [timing.step_s_p50 or np.nan for timing in timings], (5, 95)
    ).tolist()
    assert model.times.train_s == pytest.approx(np.sum([timing.train_s for timing in timings]))
    assert model.times.total_s == pytest.approx(
        np.sum([timing.train_s + timing.val_s + timing.checkpoint_s for timing in timings])
    )
    assert (model.times.first_steps_s, model.times.first_steps_epochs) == (3 * 21.5, 3)


def test_a_finished_job_shows_its_final_evaluation() -> None:
    detail = a_job(a_spec(), epochs_of(40))
    [model] = figures_of([detail])
    assert detail.result is not None
    assert model.accuracies.validation_best == detail.result.best.validation.accuracy
    assert model.accuracies.test_best == detail.result.best.test.accuracy
    assert model.accuracies.test_last == detail.result.last.test.accuracy
    assert (model.parameters, model.trainable_parameters) == (14_716_227, 14_700_000)
    assert model.best_epoch == detail.result.best.epoch


def test_an_unfinished_job_shows_what_its_epochs_say_and_leaves_the_rest_unknown() -> None:
    rows = epochs_of(12)
    [model] = figures_of([a_job(a_spec(), rows, state=State.RUNNING)])
    best = min(rows, key=lambda row: row.metrics.val_loss).metrics
    assert model.best_epoch == best.epoch
    assert model.accuracies.validation_best == best.val_accuracy
    assert model.accuracies.validation_last == rows[-1].metrics.val_accuracy
    assert (model.accuracies.test_best, model.accuracies.test_last, model.parameters) == (None, None, None)
    assert model.epochs_shown == 100


def test_a_job_without_epochs_has_no_figures() -> None:
    [model] = figures_of([a_job(a_spec(), state=State.QUEUED)])
    assert (model.best_epoch, model.times.step_s_p50, model.times.epoch_s_p50) == (None, None, None)
    assert (model.times.step_medians_s, model.times.epoch_s_p5, model.times.epoch_s_p95) == (None, None, None)
    assert (model.accuracies.validation_best, model.times.total_s, model.processors) == (None, 0, ())


def test_an_epoch_whose_checkpoint_was_damaged_is_not_called_trained_again_before_it_is() -> None:
    lost = [replace(an_epoch(number), official=False) for number in (4, 5)]
    [model] = figures_of([a_job(a_spec(), [*epochs_of(3), *lost], state=State.RUNNING)])
    assert (model.redone_epochs, model.withdrawn_epochs) == ((), (4, 5))
    assert model.attempts[0].withdrawn == (4, 5)
    [model] = figures_of([a_job(a_spec(), [*epochs_of(4), *lost], state=State.RUNNING)])
    assert (model.redone_epochs, model.withdrawn_epochs) == ((4,), (5,))


def test_an_epoch_that_was_trained_again_counts_once() -> None:
    rows = epochs_of(5)
    again = [replace(an_epoch(4), official=False), replace(an_epoch(5), official=False)]
    [plain] = figures_of([a_job(a_spec(), rows)])
    [model] = figures_of([a_job(a_spec(), [*rows, *again])])
    assert model.times == plain.times
    assert model.curve == plain.curve
    assert model.redone_epochs == (4, 5)
    assert model.replaced_s == pytest.approx(
        sum(row.timing.train_s + row.timing.val_s + row.timing.checkpoint_s for row in again)
    )
    [attempt] = model.attempts
    assert (attempt.official, attempt.redone) == ((1, 2, 3, 4, 5), (4, 5))


def test_seams_stand_where_the_attempt_changes() -> None:
    [model] = figures_of([a_job(a_spec(), epochs_of(10, cuts=(3, 7)))])
    assert model.takeovers == (Takeover(epoch=4, attempt=2), Takeover(epoch=8, attempt=3))
    assert (model.attempt_count, model.interruption_count) == (3, 2)


def test_processors_and_lineages_are_told_in_their_order() -> None:
    other = replace(T4, processor="NVIDIA L4")
    rows = [
        replace(row, identity=other, lineage=2) if row.metrics.epoch > 2 else row for row in epochs_of(4, cuts=(2,))
    ]
    [model] = figures_of([a_job(a_spec(), rows)])
    assert model.processors == ("Tesla T4", "NVIDIA L4")
    [change] = model.lineage_changes
    assert (change.epoch, change.before, change.after) == (3, T4, other)


def test_a_label_is_as_short_as_it_can_be_and_never_shared() -> None:
    specs = [
        a_spec("VGG16"),
        a_spec("Xception", name="xception"),
        a_spec("Xception", name="again"),
        a_spec("Xception", name="xception", study="other"),
    ]
    labels = [model.label for model in figures_of([a_job(spec, epochs_of(2)) for spec in specs])]
    assert labels == ["VGG16", "six-models/xception", "again", "other/xception"]
