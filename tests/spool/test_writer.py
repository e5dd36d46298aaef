"""What a trainer hands over: whole, in the order of the run, from memory that is used again, and never too late."""

import contextlib
import errno
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcqueue.checkpoints import packs
from qcqueue.checkpoints.format import files_of, read_model, read_state, write_pack, write_state
from qcqueue.checkpoints.packs import Buffer, Pack
from qcqueue.clock import SystemClock
from qcqueue.conformance.processes import kill_now, running
from qcqueue.core.records import Snapshot
from qcqueue.errors import DiskFailed, DiskFull
from qcqueue.spool import writer as writer_module
from qcqueue.spool.files import RESUMED
from qcqueue.spool.reader import Spool, TakenState
from qcqueue.spool.writer import SpoolWriter, TrainerSpool
from tests.checkpoints.runs import (
    a_state,
    an_epoch,
    an_order,
    assert_is_model,
    assert_is_state,
    model_after,
    tensors_after,
)
from tests.checkpoints.states import SMALL_PACK_BYTES
from tests.queue.desk import result

PATIENCE_S = 60.0


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spool:
    """An open spool, whose states have several files of every kind."""
    monkeypatch.setattr(packs, "PACK_BYTES", SMALL_PACK_BYTES)
    spool = Spool(tmp_path / "spool")
    spool.open(an_order(spool))
    return spool


@pytest.fixture(params=[False, True], ids=["at once", "in the background"])
def trainer(spool: Spool, request: pytest.FixtureRequest) -> SpoolWriter:
    return SpoolWriter(TrainerSpool(spool.folder), background=request.param)


@pytest.fixture
def in_the_background(spool: Spool) -> SpoolWriter:
    return SpoolWriter(TrainerSpool(spool.folder), background=True)


def train(trainer: SpoolWriter, epochs: range, *, best: int | None = None) -> None:
    """Hand over whole epochs, every third of which is the best so far."""
    for epoch in epochs:
        number = trainer.state(a_state(epoch, best))
        best = epoch if epoch % 3 == 1 else best
        assert best is not None
        trainer.epoch(an_epoch(epoch, best, state_entry=number), is_best=best == epoch)


def kinds(spool: Spool) -> list[tuple[int, str]]:
    return [(entry.number, entry.kind) for entry in spool.waiting()]


def must_take(spool: Spool) -> TakenState:
    held = spool.take()
    assert held is not None
    return held


@contextmanager
def held_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Let every file wait to be written until the function that is given is called."""
    gate = threading.Event()

    def when_allowed(*arguments: Any) -> Path:
        assert gate.wait(PATIENCE_S)
        return write_pack(*arguments)

    monkeypatch.setattr(writer_module, "write_pack", when_allowed)
    try:
        yield gate.set
    finally:
        gate.set()


# What is written


def test_entries_are_handed_over_in_the_order_of_the_run(spool: Spool, trainer: SpoolWriter) -> None:
    train(trainer, range(1, 4))
    trainer.result(result(), {"last/test": np.zeros((2, 3), np.float32)})
    trainer.close()
    assert kinds(spool) == [(2, "epoch"), (4, "epoch"), (5, "state"), (6, "epoch"), (7, "result")]
    assert assert_is_state(read_state(must_take(spool).files)) == 3


def test_the_model_of_the_best_epoch_is_kept_until_a_newer_state_has_another(
    spool: Spool, trainer: SpoolWriter
) -> None:
    train(trainer, range(1, 4))
    trainer.close()
    assert_is_model(TrainerSpool(spool.folder).read_best(1), 1)
    train(trainer, range(4, 5), best=1)
    trainer.close()
    assert_is_model(
        TrainerSpool(spool.folder).read_best(1), 1
    )  # the newest state was taken before epoch 4 was known to be better
    assert_is_model(TrainerSpool(spool.folder).read_best(4), 4)
    train(trainer, range(5, 6), best=4)
    trainer.close()
    assert spool.best_files(1) == ()
    assert_is_model(TrainerSpool(spool.folder).read_best(4), 4)


def test_the_best_model_survives_the_removal_of_every_entry(spool: Spool, trainer: SpoolWriter) -> None:
    train(trainer, range(1, 3))
    trainer.close()
    for entry in spool.waiting():
        spool.remove(entry)
    assert_is_model(TrainerSpool(spool.folder).read_best(1), 1)


def test_an_epoch_whose_state_was_resumed_from_can_be_the_best(spool: Spool, trainer: SpoolWriter) -> None:
    write_state(spool.resumed_folder, a_state(4, best=1))
    trainer.epoch(an_epoch(4, 4, state_entry=RESUMED), is_best=True)
    trainer.close()
    assert_is_model(TrainerSpool(spool.folder).read_best(4), 4)


def test_the_best_epoch_that_was_not_saved_keeps_its_model(spool: Spool, trainer: SpoolWriter) -> None:
    train(trainer, range(1, 2))
    trainer.model(2, model_after(2))
    trainer.epoch(an_epoch(2, 2, state_entry=None), is_best=True)
    trainer.close()
    assert_is_model(TrainerSpool(spool.folder).read_best(2), 2)
    assert_is_model(TrainerSpool(spool.folder).read_best(1), 1)  # the newest state wants it still
    first = must_take(spool)
    assert assert_is_state(read_state(first.files)) == 1
    spool.release(first)

    trainer.state(a_state(3, best=2))
    trainer.close()
    held = must_take(spool)
    assert assert_is_state(read_state(held.files)) == 3
    assert_is_model(read_model(held.best), 2)
    assert spool.best_files(1) == ()


def test_several_unsaved_epochs_may_each_be_the_best(spool: Spool, trainer: SpoolWriter) -> None:
    train(trainer, range(1, 2))
    for epoch in (2, 3):
        trainer.model(epoch, model_after(epoch))
        trainer.epoch(an_epoch(epoch, epoch, state_entry=None), is_best=True)
    trainer.state(a_state(4, best=3))
    trainer.close()
    assert [spool.best_files(epoch) == () for epoch in (1, 2, 3)] == [True, True, False]
    assert_is_model(read_model(must_take(spool).best), 3)


def test_a_model_does_not_change_a_state_that_was_taken_before(spool: Spool, trainer: SpoolWriter) -> None:
    trainer.state(a_state(1, best=None))
    trainer.model(2, model_after(2))
    trainer.close()
    assert assert_is_state(read_state(must_take(spool).files)) == 1


# Memory and files that are used again


def test_the_memory_is_used_again_for_every_state(
    spool: Spool, trainer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Buffer] = []

    class Counted(Buffer):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(writer_module, "Buffer", Counted)
    train(trainer, range(1, 2))
    moving, fixed = trainer._moving, trainer._fixed
    train(trainer, range(2, 8), best=1)
    trainer.model(8, model_after(8))
    trainer.close()
    assert made == [moving, fixed]
    assert (trainer._moving, trainer._fixed) == (moving, fixed)
    assert moving is not None
    assert fixed is not None
    assert moving.views.keys() == {"m/00001", "m/00002", "o/00000", "o/00001"}
    assert fixed.views.keys() == {"m/00000"}


def test_what_training_cannot_change_is_written_once_and_linked_to(
    spool: Spool, trainer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Counter[str]()

    def counting(folder: Path, pack: Pack, *others: Any) -> Path:
        written[pack.name] += 1
        return write_pack(folder, pack, *others)

    monkeypatch.setattr(writer_module, "write_pack", counting)
    train(trainer, range(1, 5))
    trainer.model(5, model_after(5))
    trainer.close()
    assert written == {"f000": 1, "m000": 5, "m001": 5, "o000": 4, "head": 4}
    frozen = spool.latest_folder / "f000.safetensors"
    for folder in (spool.best_folder(5), must_take(spool).folder):
        assert (folder / frozen.name).samefile(frozen)
    assert assert_is_state(read_state(files_of(spool.latest_folder))) == 4


def test_a_file_system_without_hard_links_costs_copies_and_nothing_else(
    spool: Spool, trainer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    train(trainer, range(1, 4))
    trainer.model(4, model_after(4))
    trainer.epoch(an_epoch(4, 4, state_entry=None), is_best=True)
    trainer.close()
    held = must_take(spool)
    assert assert_is_state(read_state(held.files)) == 3
    assert_is_model(read_model(held.best), 1)
    assert_is_model(TrainerSpool(spool.folder).read_best(4), 4)


def test_a_state_that_was_taken_does_not_change_with_the_arrays_it_was_taken_from(
    spool: Spool, in_the_background: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = {key: value.copy() for key, value in tensors_after(1).items()}
    state = a_state(1, best=None)
    with held_up(monkeypatch) as go_on:
        in_the_background.state(Snapshot(tensors=arrays, record=state.record, paths={}, fixed=state.fixed))
        for value in arrays.values():
            value.fill(77)
        go_on()
        in_the_background.close()
    assert assert_is_state(read_state(must_take(spool).files)) == 1


# The background


def test_training_goes_on_while_a_state_is_written_and_close_waits_for_it(
    spool: Spool, in_the_background: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held_up(monkeypatch) as go_on:
        number = in_the_background.state(a_state(1, best=None))
        in_the_background.epoch(an_epoch(1, 1, state_entry=number), is_best=True)
        assert kinds(spool) == []
        closing = threading.Thread(target=in_the_background.close)
        closing.start()
        closing.join(0.05)
        assert closing.is_alive()
        go_on()
        closing.join(PATIENCE_S)
    assert kinds(spool) == [(1, "state"), (2, "epoch")]
    assert_is_model(TrainerSpool(spool.folder).read_best(1), 1)


@pytest.mark.parametrize(
    "second",
    [lambda it: it.state(a_state(2, best=None)), lambda it: it.model(2, model_after(2))],
    ids=["state", "model"],
)
def test_a_save_that_comes_before_the_last_is_written_waits_for_it(
    spool: Spool, in_the_background: SpoolWriter, monkeypatch: pytest.MonkeyPatch, second: Callable[[SpoolWriter], Any]
) -> None:
    with held_up(monkeypatch) as go_on:
        in_the_background.state(a_state(1, best=None))
        saving = threading.Thread(target=second, args=(in_the_background,))
        saving.start()
        saving.join(0.05)
        assert saving.is_alive()
        assert in_the_background._moving is not None
        assert in_the_background._moving.views["o/00001"] == 1
        go_on()
        saving.join(PATIENCE_S)
    in_the_background.close()
    files = must_take(spool).files
    assert assert_is_state(read_state(files)) in (1, 2)


def test_an_error_in_the_background_is_raised_at_the_next_call_and_at_every_other(
    spool: Spool, in_the_background: SpoolWriter
) -> None:
    spool.entries_folder.rmdir()
    in_the_background.state(a_state(1, best=None))
    with pytest.raises(DiskFailed, match="No such file"):
        in_the_background.close()
    for call in (
        lambda: in_the_background.state(a_state(2, best=None)),
        lambda: in_the_background.model(2, model_after(2)),
        lambda: in_the_background.epoch(an_epoch(1, 1, state_entry=1), is_best=False),
        lambda: in_the_background.result(result(), {}),
        in_the_background.close,
    ):
        with pytest.raises(DiskFailed, match="No such file"):
            call()


def test_nothing_is_handed_over_after_something_that_is_missing(
    spool: Spool, in_the_background: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    def no_room(*_: object) -> Path:
        assert gate.wait(PATIENCE_S)
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(writer_module, "write_pack", no_room)
    number = in_the_background.state(a_state(1, best=None))
    in_the_background.epoch(an_epoch(1, 1, state_entry=number), is_best=False)
    gate.set()
    with pytest.raises(DiskFull, match="no room"):
        in_the_background.close()
    assert kinds(spool) == []


def test_a_handover_that_nobody_used_is_closed_at_once(trainer: SpoolWriter) -> None:
    trainer.close()
    trainer.close()


# Cut anywhere


class Cut(BaseException):
    """The process is gone at this call."""


@contextmanager
def cut_at(call: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Let the process end at its `call`th change to the disk, of those that can be told apart from outside."""
    made = Counter[str]()

    def cutting(name: str, really: Callable[..., Any]) -> Callable[..., Any]:
        def change(*arguments: Any, **others: Any) -> Any:
            made[name] += 1
            if made.total() > call:
                raise Cut
            return really(*arguments, **others)

        return change

    with monkeypatch.context() as patch:
        for owner, name in ((Path, "hardlink_to"), (Path, "rename"), (Path, "replace"), (Path, "mkdir")):
            patch.setattr(owner, name, cutting(name, getattr(owner, name)))
        patch.setattr(writer_module, "write_pack", cutting("write", write_pack))
        yield made


def test_a_trainer_that_is_cut_at_any_change_to_the_disk_leaves_only_whole_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "PACK_BYTES", SMALL_PACK_BYTES)
    for call in itertools.count():
        spool = Spool(tmp_path / f"spool-{call}")
        spool.open(an_order(spool))
        with cut_at(call, monkeypatch) as made, contextlib.suppress(Cut):
            train(SpoolWriter(TrainerSpool(spool.folder)), range(1, 6))
        assert_whole(spool)
        if made.total() <= call:
            break
    assert call > 60
    assert min(made[name] for name in ("write", "hardlink_to", "rename", "replace", "mkdir")) >= 5


def test_a_session_that_is_cut_at_any_change_to_the_disk_takes_the_same_state_after_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "PACK_BYTES", SMALL_PACK_BYTES)
    for call in itertools.count():
        spool = Spool(tmp_path / f"spool-{call}")
        spool.open(an_order(spool))
        train(SpoolWriter(TrainerSpool(spool.folder)), range(1, 3))
        with cut_at(call, monkeypatch) as made, contextlib.suppress(Cut):
            spool.take()
        held = must_take(Spool(spool.folder))
        assert assert_is_state(read_state(held.files)) == 2
        assert_is_model(read_model(held.best), 1)
        if made.total() <= call:
            break
    assert call >= 6


def assert_whole(spool: Spool) -> None:
    """Check what a trainer left that handed over as `train` does: every entry, and the state a session would take."""
    waiting = spool.waiting()
    epochs = [entry for entry in waiting if entry.kind == "epoch"]
    assert [entry.number for entry in epochs] == list(range(2, 2 * len(epochs) + 1, 2))
    for entry in epochs:
        found = spool.read_epoch(entry)
        assert (found.record.epochs_done, found.state_entry) == (entry.number // 2, entry.number - 1)
    for entry in waiting:
        if entry.kind == "state":
            assert assert_is_state(read_state(files_of(entry.path))) == (entry.number + 1) // 2
    newest = spool.take()
    if newest is None:
        assert not epochs
        return
    assert newest.number in (2 * len(epochs) - 1, 2 * len(epochs) + 1)
    assert_has_its_best(newest, spool)
    assert [kind for _, kind in kinds(spool)].count("state") == 1


# Real processes


@pytest.mark.parametrize("background", [False, True])
def test_a_trainer_killed_at_any_instant_leaves_only_whole_entries(tmp_path: Path, background: bool) -> None:
    for count in (1 + background, 3, 5, 8):  # the first may still be on its way in the background
        spool = Spool(tmp_path / f"spool-{count}")
        spool.open(an_order(spool))
        with running(train_for_ever, spool.folder, background, True) as (process, pipe):
            for _ in range(count):
                pipe.recv()
            kill_now(process, pipe)
        assert [kind for _, kind in kinds(spool)].count("epoch") >= count - background
        assert_whole(spool)


@pytest.mark.racing
def test_every_state_a_session_takes_from_a_busy_trainer_is_whole_and_has_its_best_model(tmp_path: Path) -> None:
    spool, clock = Spool(tmp_path / "spool"), SystemClock()
    spool.open(an_order(spool))
    taken: list[int] = []
    with running(train_for_ever, spool.folder, True, False) as (process, _):
        give_up_s = clock.monotonic_s() + PATIENCE_S
        while len(taken) < 60:
            assert clock.monotonic_s() < give_up_s, f"only {len(taken)} states in {PATIENCE_S:.0f} s"
            assert process.is_alive()
            held = spool.take()
            if held is None:
                continue
            if len(taken) % 3 == 0:
                clock.sleep(0.005)  # as a store does; the trainer is several states further then
            assert spool.take() == held
            assert assert_is_state(read_state(held.files)) == (held.number + 1) // 2
            assert held.record == read_state(held.files).record
            assert_has_its_best(held, spool)
            taken.append(held.number)
            spool.release(held)
            assert not held.folder.exists()
    assert taken == sorted(set(taken))
    assert taken[-1] > 2 * len(taken), "the trainer was never ahead, so nothing was raced for"


def assert_has_its_best(held: TakenState, spool: Spool) -> None:
    """A state without it has been overtaken, and gives way to a newer one."""
    if held.best:
        assert held.record.best_epoch is not None
        assert_is_model(read_model(held.best), held.record.best_epoch)
    elif held.record.best_epoch is not None:
        assert any(entry.kind == "state" and entry.number > held.number for entry in spool.waiting())


def train_for_ever(folder: Path, background: bool, tell: bool, pipe: Pipe) -> None:
    trainer = SpoolWriter(TrainerSpool(folder), background=background)
    best: int | None = None
    for epoch in itertools.count(1):
        train(trainer, range(epoch, epoch + 1), best=best)
        best = epoch if epoch % 3 == 1 else best
        if tell:
            pipe.send(epoch)
