"""Where a kill is aimed, where it fell, and when the plug is pulled: without a process to kill."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from qcqueue.clock import seeded
from qcqueue.core.phases import Phase
from qcqueue.drill.kill_points import (
    AFTER_TRAINING,
    MOST_EPOCHS,
    OF_SESSION,
    ON_ITS_WAY,
    WITHOUT_PROGRESS,
    Look,
    Watch,
    draw_aim,
    fell_in,
    moments_in,
)
from qcqueue.drill.kills import MOMENTS, KillPoint
from qcqueue.spool.files import Doing, TrainerProgress
from qcqueue.spool.reader import Spool
from qcqueue.spool.writer import SpoolWriter, TrainerSpool
from tests.checkpoints.runs import STEPS, a_record, a_state, an_epoch, an_order

MANY = 100_000


def seen(phase: str | None = "training", **changes: object) -> Look:
    progress = None if phase is None else TrainerProgress(phase=Phase(phase), epoch=2, epochs=9, step=3, steps=STEPS)
    return replace(Look(progress=progress), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("look", "moments"),
    [
        (seen(None), ("at the start",)),
        (seen("building"), ("at the start",)),
        (seen("waiting"), ("before the first step of a resumed run",)),
        (seen("training"), ("between steps",)),
        (seen("training", doing="hashing", waits={"state"}), ("while hashing", "between steps")),
        (seen("training", waits={"state"}), ("while a state waits", "between steps")),
        (seen("training", waits={"state", "epoch"}), ("between epochs", "between steps")),
        (seen("training", is_writing=True, waits={"state"}), ("inside a checkpoint", "between steps")),
        (seen("training", is_saved_within=True), ("after a save within an epoch", "between steps")),
        (seen("validating", is_saved_within=True), ("in validation",)),
        (seen("evaluating", doing="committing"), ("in evaluation", "inside a commit")),
    ],
)
def test_a_session_is_in_several_moments_at_once(look: Look, moments: tuple[KillPoint, ...]) -> None:
    assert moments_in(look) == moments


def test_a_kill_counts_where_it_was_aimed_at_if_it_fell_there_and_else_where_it_fell() -> None:
    look = seen("validating", doing="uploading", waits=frozenset({"state"}))
    assert fell_in(look, "in validation") == "in validation"
    assert fell_in(look, "while deleting") == "inside an upload"


def test_the_first_kill_is_aimed_at_the_first_state_on_its_way_to_the_store() -> None:
    drawn = {draw_aim(seeded(seed), {}, {}, is_ahead=False, is_trained=False, is_last=False) for seed in range(50)}
    assert drawn == set(ON_ITS_WAY)


def test_every_moment_is_aimed_at_before_any_is_twice_over() -> None:
    hits, aims = Counter[KillPoint](), Counter[KillPoint]()
    for _ in range(len(MOMENTS[:-1])):
        aim = draw_aim(seeded(1), hits, aims, is_ahead=False, is_trained=False, is_last=False)
        hits[aim] += 1
        aims[aim] += 1
    assert set(hits) == set(MOMENTS[:-1])


def test_a_moment_that_was_missed_is_aimed_at_again_before_one_that_was_hit() -> None:
    hits = Counter[KillPoint](dict.fromkeys(MOMENTS, 1))
    aims = Counter[KillPoint](dict.fromkeys(MOMENTS, 1))
    hits["inside a commit"] = 0
    assert draw_aim(seeded(1), hits, aims, is_ahead=False, is_trained=False, is_last=False) == "inside a commit"


def test_the_epochs_last_for_all_kills() -> None:
    def drawn(*, is_ahead: bool, is_trained: bool) -> set[KillPoint]:
        return {
            draw_aim(seeded(seed), {}, {}, is_ahead=is_ahead, is_trained=is_trained, is_last=False)
            for seed in range(200)
        }

    assert drawn(is_ahead=True, is_trained=False) == set(WITHOUT_PROGRESS)
    assert drawn(is_ahead=True, is_trained=True) == set(AFTER_TRAINING)
    assert draw_aim(seeded(1), {}, {}, is_ahead=True, is_trained=False, is_last=True) == "in evaluation"


# What is seen in a spool


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def a_spool(cache: Path, name: str = "s1-1") -> Spool:
    spool = Spool(cache / "spool" / name)
    spool.open(an_order(spool))
    return spool


def a_watch(cache: Path, aim: KillPoint, *, saves_per_epoch: int | None = None, share: float = 0.0) -> Watch:
    return Watch(cache, aim, saves_per_epoch=saves_per_epoch, share=share, begun_s=0.0)


def trains(spool: Spool, *, epoch: int = 1, step: int = 3, phase: str = "training") -> None:
    told = TrainerProgress(phase=Phase(phase), epoch=epoch, epochs=9, step=step, steps=STEPS, step_s=0.01)
    spool.progress.write(told)


def test_a_machine_without_a_session_is_at_the_start(cache: Path) -> None:
    watch = a_watch(cache, "inside a commit")
    assert not watch.is_due(9.0)
    assert moments_in(watch.look()) == ("at the start",)


def test_what_an_earlier_victim_left_is_not_looked_at(cache: Path) -> None:
    a_spool(cache).note_doing("committing")
    watch = a_watch(cache, "inside a commit")
    assert not watch.is_due(1.0)
    a_spool(cache, "s2-2").note_doing("committing")
    assert watch.is_due(2.0)


@pytest.mark.parametrize("doing", OF_SESSION)
def test_what_a_session_does_with_a_state_is_hit_at_once(doing: Doing, cache: Path) -> None:
    watch = a_watch(cache, OF_SESSION[doing], share=1.0)
    spool = a_spool(cache)
    trains(spool)
    assert not watch.is_due(1.0)
    spool.note_doing(doing)
    assert watch.is_due(1.0)
    assert fell_in(watch.look(), OF_SESSION[doing]) == OF_SESSION[doing]


def test_it_looks_closely_while_a_state_is_on_its_way(cache: Path) -> None:
    watch = a_watch(cache, "inside a commit")
    spool = a_spool(cache)
    trains(spool)
    watch.is_due(1.0)
    assert not watch.is_near
    SpoolWriter(TrainerSpool(spool.folder)).state(a_state(1, None))
    watch.is_due(1.0)
    assert watch.is_near


def test_a_moment_that_lasts_is_hit_somewhere_in_it_but_within_an_epoch(cache: Path) -> None:
    watch = a_watch(cache, "between steps", share=0.5)
    trains(a_spool(cache))
    assert not watch.is_due(10.0)
    assert not watch.is_due(10.0 + 0.4 * 0.01 * (STEPS - 3))
    assert watch.is_due(10.0 + 0.6 * 0.01 * (STEPS - 3))


def test_a_session_that_is_about_to_finish_is_killed_whatever_was_aimed_at(cache: Path) -> None:
    watch = a_watch(cache, "while deleting")
    trains(a_spool(cache), phase="evaluating")
    assert watch.is_due(1.0)


def test_a_moment_that_does_not_come_is_not_waited_for(cache: Path) -> None:
    watch = a_watch(cache, "while deleting")
    spool = a_spool(cache)
    for epoch in range(4, 4 + MOST_EPOCHS):
        trains(spool, epoch=epoch)
        assert not watch.is_due(1.0)
    trains(spool, epoch=4 + MOST_EPOCHS)
    assert watch.is_due(1.0)


def test_for_the_evaluation_all_epochs_are_waited_for(cache: Path) -> None:
    watch = a_watch(cache, "in evaluation")
    spool = a_spool(cache)
    for epoch in range(1, 9):
        trains(spool, epoch=epoch)
        assert not watch.is_due(1.0)
    trains(spool, phase="evaluating")
    assert watch.is_due(1.0)


def test_a_trainer_is_told_to_save_within_epochs_again_whenever_the_session_says_otherwise(cache: Path) -> None:
    watch = a_watch(cache, "after a save within an epoch", saves_per_epoch=MANY)
    spool = a_spool(cache)
    watch.is_due(1.0)
    assert spool.cadence.read() == {"epochs_per_save": 1, "saves_per_epoch": MANY}
    spool.cadence.write({"epochs_per_save": 4, "saves_per_epoch": 1})
    watch.is_due(1.0)
    assert spool.cadence.read() == {"epochs_per_save": 1, "saves_per_epoch": MANY}


@pytest.mark.parametrize(("steps_done", "counts"), [(STEPS // 2, True), (STEPS, False)])
def test_a_save_within_an_epoch_counts_once_it_is_let_go_of(steps_done: int, counts: bool, cache: Path) -> None:
    watch = a_watch(cache, "after a save within an epoch")
    spool = a_spool(cache)
    trains(spool)
    SpoolWriter(TrainerSpool(spool.folder)).state(
        replace(a_state(1, None), record=a_record(0, None, steps_done=steps_done))
    )
    held = spool.take()
    assert held is not None
    assert not watch.is_due(1.0)
    spool.release(held)
    assert watch.is_due(1.0) is counts


def test_an_epoch_that_is_not_recorded_yet_lies_between_epochs(cache: Path) -> None:
    watch = a_watch(cache, "between epochs")
    spool = a_spool(cache)
    trains(spool, epoch=2, step=0)
    assert not watch.is_due(1.0)
    SpoolWriter(TrainerSpool(spool.folder)).epoch(an_epoch(1, 1, state_entry=None), is_best=False)
    assert watch.is_due(1.0)
