"""Every second of a session has one name: what they add up to, and what counts once it is saved."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.conformance.clocks import MachineClock, WorldTime
from qcqueue.core.goodput import Part, total
from qcqueue.core.phases import Phase
from qcqueue.core.records import EpochTiming, TrainingRecord
from qcqueue.spool.files import TrainerProgress
from qcqueue.worker.time_ledger import TimeLedger
from tests.engines.worlds import a_record


class Hours:
    """A timeline and the clock it reads, which only the test moves."""

    def __init__(self) -> None:
        self.time = WorldTime()
        self.line = TimeLedger(MachineClock(self.time), {Part.BOOT: 3.0})

    def pass_by(self, seconds: float) -> None:
        self.time.now_s += seconds


@pytest.fixture
def hours() -> Hours:
    return Hours()


def progress(phase: str, **seconds: float) -> TrainerProgress:
    return TrainerProgress(phase=Phase(phase), seconds=seconds)


def timing(train_s: float, val_s: float, first_step_s: float | None = None) -> EpochTiming:
    return EpochTiming(
        train_s=train_s,
        val_s=val_s,
        checkpoint_s=0.0,
        first_step_s=first_step_s,
        step_s_p50=None,
        step_s_p95=None,
        step_count=1,
    )


def after(epochs: int) -> TrainingRecord:
    return a_record(epochs_done=epochs)


def test_what_lies_before_a_claim_is_the_sessions_own(hours: Hours) -> None:
    hours.pass_by(2.0)
    own, attempt = hours.line.ledgers(None)
    assert own == {Part.BOOT: 3.0, Part.CONTENTION: 2.0}
    assert attempt == {}


def test_while_the_trainer_runs_its_own_account_names_the_time(hours: Hours) -> None:
    hours.line.attempt_begins()
    hours.pass_by(1.0)
    hours.line.trainer_starts()
    hours.pass_by(10.0)
    _, attempt = hours.line.ledgers(progress("training", **{"import": 4.0, "compile": 3.0}), all_saved=True)
    assert attempt == {Part.CONTENTION: 1.0, Part.IMPORT: 4.0, Part.COMPILE: 3.0, Part.TRAIN: 3.0}


def test_before_the_trainer_has_said_anything_it_is_starting(hours: Hours) -> None:
    hours.line.attempt_begins()
    hours.line.trainer_starts()
    hours.pass_by(2.0)
    assert hours.line.ledgers(None)[1] == {Part.IMPORT: 2.0}


def test_after_the_trainer_has_ended_bytes_are_on_their_way(hours: Hours) -> None:
    hours.line.attempt_begins()
    hours.line.trainer_starts()
    hours.pass_by(5.0)
    hours.line.trainer_ended(progress("evaluating", validate=5.0))
    hours.pass_by(2.0)
    hours.line.trainer_ended(progress("evaluating", validate=5.0))  # seen again with every step, and said once
    assert hours.line.ledgers(None, all_saved=True)[1] == {Part.VALIDATE: 5.0, Part.UPLOAD_TAIL: 2.0}


def test_what_was_trained_and_not_saved_is_lost(hours: Hours) -> None:
    hours.line.attempt_begins()
    hours.line.trainer_starts()
    hours.line.saved(after(1), [timing(4.0, 1.0)], redone=[])
    hours.pass_by(9.0)
    told = progress("training", train=8.0, validate=1.0)
    assert hours.line.ledgers(told)[1] == {Part.TRAIN: 4.0, Part.VALIDATE: 1.0, Part.LOST: 4.0}
    assert hours.line.ledgers(told, all_saved=True)[1] == {Part.TRAIN: 8.0, Part.VALIDATE: 1.0}


def test_what_is_committed_together_with_the_account_counts_as_saved(hours: Hours) -> None:
    hours.line.attempt_begins()
    hours.line.trainer_starts()
    hours.pass_by(9.0)
    told, saving = progress("training", train=8.0, validate=1.0), (after(1), [timing(4.0, 1.0)])
    assert hours.line.ledgers(told, saving=saving)[1] == {Part.TRAIN: 4.0, Part.VALIDATE: 1.0, Part.LOST: 4.0}
    assert hours.line.ledgers(told)[1] == {Part.LOST: 9.0}  # the commit may not be made


def test_the_compiling_step_of_an_epoch_is_no_training(hours: Hours) -> None:
    hours.line.attempt_begins()
    hours.line.trainer_starts()
    hours.line.saved(after(1), [timing(14.0, 0.0, first_step_s=10.0)], redone=[])
    hours.pass_by(15.0)
    told = progress("training", compile=10.0, train=5.0)
    assert hours.line.ledgers(told)[1] == {Part.COMPILE: 10.0, Part.TRAIN: 4.0, Part.LOST: 1.0}


def test_an_epoch_that_had_been_saved_before_is_redone(hours: Hours) -> None:
    hours.line.attempt_begins()
    hours.line.trainer_starts()
    again = timing(4.0, 1.0)
    hours.line.saved(after(2), [again, timing(3.0, 1.0)], redone=[again])
    hours.pass_by(9.0)
    told = progress("training", train=7.0, validate=2.0)
    assert hours.line.ledgers(told)[1] == {Part.TRAIN: 3.0, Part.VALIDATE: 1.0, Part.REDONE: 5.0}


def test_the_next_attempt_begins_with_nothing(hours: Hours) -> None:
    hours.line.attempt_begins()
    hours.line.trainer_starts()
    hours.pass_by(9.0)
    hours.line.trainer_ended(progress("training", train=9.0))
    hours.line.written(hours.line.ledgers(None)[1])
    hours.line.attempt_ends()
    hours.pass_by(1.0)
    hours.line.attempt_begins()
    assert hours.line.ledgers(None) == ({Part.BOOT: 3.0, Part.CONTENTION: 1.0}, {})


@given(st.lists(st.tuples(st.sampled_from(list(Phase)), st.floats(0.0, 50.0)), max_size=20))
def test_the_parts_add_up_to_the_time_held(stretches: list[tuple[Phase, float]]) -> None:
    hours, told = Hours(), dict[str, float]()
    hours.line.attempt_begins()
    hours.line.trainer_starts()
    for phase, seconds in stretches:
        hours.pass_by(seconds)
        held_s = 3.0 + hours.time.now_s
        own, attempt = hours.line.ledgers(progress(phase, **told))
        assert total(own) + total(attempt) == pytest.approx(held_s)
        told[phase.part] = told.get(phase.part, 0.0) + seconds


def test_a_trainer_that_says_more_than_there_was_is_not_believed(hours: Hours) -> None:
    hours.line.attempt_begins()
    hours.line.trainer_starts()
    hours.pass_by(10.0)
    assert total(hours.line.ledgers(progress("training", train=11.0))[1]) == pytest.approx(10.0)


def test_what_came_after_the_last_word_of_a_lost_attempt_is_the_sessions_loss(hours: Hours) -> None:
    hours.line.attempt_begins()
    hours.pass_by(4.0)
    hours.line.written(hours.line.ledgers(None)[1])
    hours.pass_by(6.0)
    hours.line.attempt_ends(Part.LOST)
    assert hours.line.ledgers(None)[0] == {Part.BOOT: 3.0, Part.LOST: 6.0}
    assert hours.line.whole().held_s == 13.0


def test_the_whole_is_of_every_attempt_and_of_what_lay_between(hours: Hours) -> None:
    has_worked = [hours.line.has_worked]
    for _ in range(2):
        hours.pass_by(1.0)
        hours.line.attempt_begins()
        hours.pass_by(4.0)
        hours.line.written(hours.line.ledgers(None)[1])
        hours.line.attempt_ends()
    assert [*has_worked, hours.line.has_worked] == [False, True]
    assert hours.line.whole().held_s == 3.0 + 2 * 5.0
