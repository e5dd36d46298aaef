"""The fakes keep their word: a fake run has one true end, and a fake clock obeys only the world."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from qcqueue.clock import seeded
from qcqueue.conformance.clocks import MachineClock, WorldTime
from qcqueue.spool.files import WorkOrder
from qcqueue.spool.reader import Spool
from qcqueue.spool.whole import link_files
from qcqueue.worker.session_locks import SessionLocks
from tests.support.chance import Fault, Faults
from tests.support.options import JobPlan
from tests.support.runs import identity_of, uninterrupted
from tests.support.sim_machines import make_spec
from tests.support.sim_session import MortalLocks
from tests.support.trainer import FakeTrainer

SPEC = make_spec(1, JobPlan(epochs=3, step_count=2, early_stopping=0, needs_gpu=False))


def train(spool: Spool, *, stop_after: int | None = None, rates: dict[Fault, float] | None = None) -> FakeTrainer:
    """Let a trainer live in `spool` to its end, asking it to stop after so many stretches."""
    trainer = a_trainer(rates)
    trainer.start(spool.folder)
    for stretch in stretches(trainer):
        if stretch == stop_after:
            spool.ask_to_stop()
    return trainer


def a_trainer(rates: dict[Fault, float] | None = None) -> FakeTrainer:
    return FakeTrainer(
        processor="A100",
        step_s=1.0,
        chance=seeded(1),
        faults=Faults(seeded(2), rates or {}, lambda _: None),
        on_end=lambda *_: None,
        on_start=lambda _: None,
        on_take_up=lambda _: None,
    )


def stretches(trainer: FakeTrainer) -> Iterator[int]:
    number = 0
    while trainer.advance() is not None:
        yield number
        number += 1


def open_spool(folder: Path) -> Spool:
    spool = Spool(folder)
    spool.open(WorkOrder(spec=SPEC, attempt=1, dataset_path=folder, weights_path=None, threads=2, max_epochs=None))
    return spool


def hand_over(old: Spool, new: Spool) -> None:
    """Give the newest state, its record and the best model to the next life, as a session does."""
    epochs = [old.read_epoch(entry) for entry in old.waiting() if entry.kind == "epoch"]
    held = old.take()
    if held is None:
        new.record.write(None)
        return
    record = next((epoch.record for epoch in epochs if epoch.state_entry == held.number), held.record)
    link_files(held.files, new.resumed_folder)
    if record.best_epoch is not None:
        link_files(old.best_files(record.best_epoch), new.best_folder(record.best_epoch))
    new.record.write(record)


def test_a_fake_run_ends_as_computed_without_it(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool")
    spool.record.write(None)

    trainer = train(spool)

    assert trainer.exit_code() == 0
    assert spool.read_result(spool.waiting()[-1]) == uninterrupted(SPEC, identity_of("A100", 2)).result


def test_a_fake_run_that_is_stopped_at_any_stretch_ends_the_same(tmp_path: Path) -> None:
    for stop_after in range(12):
        first, second = open_spool(tmp_path / f"first-{stop_after}"), open_spool(tmp_path / f"second-{stop_after}")
        first.record.write(None)
        train(first, stop_after=stop_after)
        hand_over(first, second)

        train(second)

        assert second.read_result(second.waiting()[-1]) == uninterrupted(SPEC, identity_of("A100", 2)).result


def test_a_fake_run_waits_for_its_order_and_for_what_it_is_to_resume_from(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.entries_folder.mkdir(parents=True)
    trainer = a_trainer()
    trainer.start(spool.folder)
    for _ in range(3):
        assert trainer.advance() is not None
    open_spool(spool.folder)
    for _ in range(3):
        assert trainer.advance() is not None
    progress = spool.progress.read()
    assert progress is not None
    assert progress.phase == "waiting"
    spool.record.write(None)

    for _ in stretches(trainer):
        pass

    assert spool.read_result(spool.waiting()[-1]) == uninterrupted(SPEC, identity_of("A100", 2)).result


def test_a_trainer_that_fails_says_why_before_it_ends(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool")

    trainer = train(spool, rates={Fault.TRAINER_FAILED: 1.0})

    failure = spool.failure.read()
    assert trainer.exit_code() == 1
    assert failure is not None
    assert failure.message == "the loss is not a number"


def test_a_machine_clock_can_be_wrong_and_still_moves_only_with_the_world() -> None:
    world = WorldTime()
    right, wrong = MachineClock(world), MachineClock(world, offset_s=100.0, rate=2.0)
    apart_s = wrong.now_s() - right.now_s()

    world.now_s = 10.0

    assert apart_s == 100.0
    assert wrong.now_s() - right.now_s() == 110.0
    with pytest.raises(AssertionError, match="must return the delay"):
        right.sleep(1.0)


def test_a_suspended_machine_loses_monotonic_time_only() -> None:
    world = WorldTime()
    clock = MachineClock(world)
    before_s = clock.now_s()

    world.now_s = 50.0
    clock.was_suspended(50.0)

    assert clock.monotonic_s() == 0.0
    assert clock.now_s() - before_s == 50.0


def test_a_dead_process_leaves_its_lock_file_and_not_its_lock(tmp_path: Path) -> None:
    dying, neighbour = MortalLocks(tmp_path), SessionLocks(tmp_path)
    dying.announce("s1")
    alive = neighbour.inherit()

    dying.die()

    assert alive == set()
    assert neighbour.inherit() == {"s1"}
