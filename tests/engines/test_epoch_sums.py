"""Sums of an epoch are the same whether it was trained in one life or in three."""

from qcqueue.core.records import PartialEpoch, TrainingRecord
from qcqueue.engines.epoch_sums import Tally
from tests.engines.worlds import a_record

LOSSES = [0.1, 0.7, 0.3, 0.9, 0.2, 0.6]


def add(tally: Tally, losses: list[float]) -> Tally:
    for index, loss in enumerate(losses):
        tally.add_step(loss=loss, correct=3, count=7, seconds=1.0 + index, compiling=index == 0)
    return tally


def test_a_cut_changes_no_sum() -> None:
    partial = add(Tally(PartialEpoch()), LOSSES[:2]).partial()
    record = TrainingRecord.from_json(a_record(partial=partial).to_json())
    cut, uncut = add(Tally(record.partial), LOSSES[2:]), add(Tally(PartialEpoch()), LOSSES)

    assert (cut.loss, cut.accuracy, cut.steps_done) == (uncut.loss, uncut.accuracy, 6)


def test_compiling_steps_are_kept_out_of_the_percentiles() -> None:
    tally = add(Tally(add(Tally(PartialEpoch()), LOSSES[:2]).partial()), LOSSES[2:])
    tally.add_checkpoint(0.5)
    timing = tally.timing(val_s=9.0)

    assert timing.first_step_s == 2.0
    assert (timing.step_s_p50, timing.step_count) == (2.5, 6)
    assert (timing.train_s, timing.val_s, timing.checkpoint_s) == (13.0, 9.0, 0.5)


def test_an_epoch_of_compiling_steps_has_no_percentiles() -> None:
    timing = add(Tally(PartialEpoch()), LOSSES[:1]).timing(val_s=0.0)
    assert (timing.step_s_p50, timing.step_s_p95) == (None, None)
