"""The folder between a session and its trainer: whole entries, in order, whatever the other side is doing."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, get_args

import numpy as np
import pytest

from qcqueue.checkpoints import packs
from qcqueue.checkpoints.format import files_of, read_model, read_state, read_tensors, write_state
from qcqueue.core.outcomes import Cause
from qcqueue.core.phases import Phase
from qcqueue.errors import CheckpointDamaged, MachineError
from qcqueue.spool import reader as spool_module
from qcqueue.spool.files import RESUMED, Doing, Failure, TrainerProgress, WorkOrder
from qcqueue.spool.reader import Spool
from qcqueue.spool.writer import SpoolWriter, TrainerSpool
from tests.checkpoints.runs import (
    a_record,
    a_state,
    an_epoch,
    an_order,
    assert_is_model,
    assert_is_state,
)
from tests.checkpoints.states import SMALL_PACK_BYTES, assert_same, record, snapshot
from tests.queue.desk import result, spec


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spool:
    """An open spool, whose states have several files of every kind."""
    monkeypatch.setattr(packs, "PACK_BYTES", SMALL_PACK_BYTES)
    spool = Spool(tmp_path / "spool")
    spool.open(an_order(spool))
    return spool


@pytest.fixture
def trainer(spool: Spool) -> SpoolWriter:
    return SpoolWriter(TrainerSpool(spool.folder))


def kinds(spool: Spool) -> list[tuple[int, str]]:
    return [(entry.number, entry.kind) for entry in spool.waiting()]


# Orders


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"weights_path": Path("/cache/weights"), "max_epochs": 2, "spec": spec("b", epochs=7)},
        {"resumes": True, "weights_title": "my best.h5"},
    ],
)
def test_an_order_comes_through_as_it_was_given(spool: Spool, changes: dict[str, Any]) -> None:
    order = an_order(spool, **changes)
    spool.open(order)
    assert Spool(spool.folder).order.read() == order


def test_an_order_of_an_older_qcqueue_has_no_name_of_a_weights_file(spool: Spool) -> None:
    written = an_order(spool).to_json()
    del written["weights_title"]
    assert WorkOrder.from_json(written) == an_order(spool)


def test_a_trainer_that_is_there_first_finds_no_order_yet(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    assert spool.order.read() is None
    spool.open(an_order(spool))
    assert isinstance(spool.order.read(), WorkOrder)


def test_a_new_spool_holds_nothing(spool: Spool) -> None:
    assert (spool.waiting(), spool.take(), spool.progress.read(), spool.failure.read()) == ([], None, None, None)
    assert (spool.newest_record(), spool.stored(), spool.cadence.read()) == (None, {}, None)
    trainer = TrainerSpool(spool.folder)
    assert not any((trainer.should_stop(), trainer.is_ready(), spool.is_writing(), spool.holds_unsaved()))
    assert spool.last_line() == "it printed nothing"


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "nothing")
    assert (spool.waiting(), spool.take(), spool.order.read()) == ([], None, None)
    assert not any((spool.holds_unsaved(), spool.is_writing()))


# The state to resume from


def test_a_fresh_start_is_told_by_a_record_that_is_not_there(spool: Spool) -> None:
    spool.record.write(None)
    trainer = TrainerSpool(spool.folder)
    assert trainer.is_ready()
    assert trainer.resumed() is None


def test_the_state_resumed_from_carries_the_record_that_was_committed_with_it(spool: Spool) -> None:
    write_state(spool.resumed_folder, a_state(3, best=1))
    assert not TrainerSpool(spool.folder).is_ready()
    committed = a_record(3, best=3)
    spool.record.write(committed)
    trainer = TrainerSpool(spool.folder)
    resumed = trainer.resumed()
    assert trainer.is_ready()
    assert resumed is not None
    assert resumed.record == committed
    assert assert_is_state(replace(resumed, record=a_state(3, best=1).record)) == 3


# Entries


def test_entries_wait_in_the_order_they_were_handed_over(spool: Spool, trainer: SpoolWriter) -> None:
    trainer.epoch(an_epoch(1, 1, state_entry=RESUMED), is_best=False)
    assert trainer.state(a_state(2, best=1)) == 2
    trainer.epoch(an_epoch(2, 1, state_entry=2), is_best=False)
    trainer.result(result(), {"last/test": np.zeros((2, 3), dtype=np.float32)})
    assert kinds(spool) == [(1, "epoch"), (2, "state"), (3, "epoch"), (4, "result")]


def test_more_than_nine_entries_still_wait_in_order(spool: Spool, trainer: SpoolWriter) -> None:
    for epoch in range(1, 13):
        trainer.epoch(an_epoch(epoch, 1, state_entry=None), is_best=False)
    assert [entry.number for entry in spool.waiting()] == list(range(1, 13))


def test_a_removed_entry_does_not_give_its_number_to_another(spool: Spool, trainer: SpoolWriter) -> None:
    trainer.state(a_state(1, best=None))
    spool.remove(spool.waiting()[0])
    assert trainer.state(a_state(2, best=None)) == 2
    assert kinds(spool) == [(2, "state")]


def test_what_is_read_from_an_entry_is_what_was_handed_over(spool: Spool, trainer: SpoolWriter) -> None:
    predictions = {"last/test": np.arange(6, dtype=np.float32).reshape(2, 3)}
    trainer.state(snapshot())
    trainer.epoch(replace(an_epoch(2, 2, state_entry=1), record=record()), is_best=True)
    trainer.result(result(), predictions)
    state, epoch, final = spool.waiting()
    assert_same(read_state(files_of(state.path)), snapshot())
    assert spool.read_epoch(epoch) == replace(an_epoch(2, 2, state_entry=1), record=record())
    assert spool.read_result(final) == result()
    assert np.array_equal(read_tensors(final.path)[0]["last/test"], predictions["last/test"])


@pytest.mark.parametrize("state_entry", [None, RESUMED, 7])
def test_an_epoch_names_its_state_or_the_one_resumed_from_or_none(
    spool: Spool, trainer: SpoolWriter, state_entry: int | None
) -> None:
    trainer.epoch(an_epoch(1, 1, state_entry=state_entry), is_best=False)
    assert spool.read_epoch(spool.waiting()[0]).state_entry == state_entry


@pytest.mark.parametrize(
    "name",
    ["000009.state.tmp", "000009.state.trash", "000009.epoch.tmp", "000009.result.tmp", ".hidden", "notes.txt"],
)
def test_unfinished_and_removed_files_are_not_entries(spool: Spool, trainer: SpoolWriter, name: str) -> None:
    trainer.state(a_state(1, best=None))
    (spool.entries_folder / name).write_bytes(b"half")
    assert kinds(spool) == [(1, "state")]


def test_an_epoch_that_is_not_whole_is_damage(spool: Spool) -> None:
    (spool.entries_folder / "000001.epoch").write_bytes(b'{"record"')
    with pytest.raises(CheckpointDamaged, match=r"000001\.epoch is not a whole record"):
        spool.read_epoch(spool.waiting()[0])
    assert spool.newest_record() is None


def test_the_newest_record_is_that_of_the_newest_entry_held_or_not(spool: Spool, trainer: SpoolWriter) -> None:
    trainer.state(a_state(1, best=None))
    assert spool.newest_record() == a_state(1, best=None).record
    spool.take()
    assert spool.newest_record() == a_state(1, best=None).record
    trainer.epoch(an_epoch(1, 1, state_entry=1), is_best=True)
    assert spool.newest_record() == a_record(1, best=1)


# The newest state wins


def test_of_states_that_nobody_took_only_the_newest_remains(spool: Spool, trainer: SpoolWriter) -> None:
    for epoch in (1, 2, 3):
        trainer.state(a_state(epoch, best=None))
    assert kinds(spool) == [(3, "state")]
    held = spool.take()
    assert held is not None
    assert (held.number, held.record, held.best) == (3, a_state(3, best=None).record, ())
    assert assert_is_state(read_state(held.files)) == 3


def test_where_a_killed_trainer_left_two_states_the_newest_is_taken_and_the_other_goes(
    spool: Spool, trainer: SpoolWriter
) -> None:
    trainer.state(a_state(1, best=None))
    shutil.copytree(spool.entries_folder / "000001.state", spool.folder / "aside")
    trainer.state(a_state(2, best=None))
    (spool.folder / "aside").rename(spool.entries_folder / "000001.state")
    assert kinds(spool) == [(1, "state"), (2, "state")]
    held = spool.take()
    assert held is not None
    assert assert_is_state(read_state(held.files)) == 2
    assert kinds(spool) == [(2, "state")]


def test_a_state_that_is_taken_stays_until_it_is_released(spool: Spool, trainer: SpoolWriter) -> None:
    trainer.state(a_state(1, best=None))
    held = spool.take()
    assert held is not None
    for epoch in (2, 3):
        trainer.state(a_state(epoch, best=None))
    assert kinds(spool) == [(1, "state"), (3, "state")]
    assert spool.take() == held
    assert assert_is_state(read_state(held.files)) == 1
    spool.release(held)
    newer = spool.take()
    assert newer is not None
    assert (newer.number, kinds(spool)) == (3, [(3, "state")])


def test_a_state_is_taken_with_the_model_of_its_best_epoch_which_stays_with_it(
    spool: Spool, trainer: SpoolWriter
) -> None:
    number = trainer.state(a_state(1, best=None))
    trainer.epoch(an_epoch(1, 1, state_entry=number), is_best=True)
    trainer.state(a_state(2, best=1))
    held = spool.take()
    assert held is not None
    spool.forget_bests_but(None)
    assert_is_model(read_model(held.best), 1)
    assert spool.best_files(1) == ()
    assert spool.take() == held


def test_a_session_that_was_killed_between_claiming_a_state_and_its_model_gets_both_again(
    spool: Spool, trainer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = trainer.state(a_state(1, best=None))
    trainer.epoch(an_epoch(1, 1, state_entry=number), is_best=True)
    trainer.state(a_state(2, best=1))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(spool_module, "link_files", killed)
        with pytest.raises(KeyboardInterrupt):
            spool.take()
    assert kinds(spool) == [(2, "epoch"), (3, "state")]
    held = Spool(spool.folder).take()
    assert held is not None
    assert assert_is_state(read_state(held.files)) == 2
    assert_is_model(read_model(held.best), 1)


def test_a_session_that_was_killed_while_it_secured_the_model_begins_that_anew(
    spool: Spool, trainer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = trainer.state(a_state(1, best=None))
    trainer.epoch(an_epoch(1, 1, state_entry=number), is_best=True)
    trainer.state(a_state(2, best=1))
    link, links = Path.hardlink_to, list[Path]()

    def killed_at_the_second(self: Path, target: Path) -> None:
        if links:
            raise KeyboardInterrupt
        links.append(self)
        link(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "hardlink_to", killed_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            spool.take()
    held = Spool(spool.folder).take()
    assert held is not None
    assert len(held.best) > 1
    assert_is_model(read_model(held.best), 1)


def test_a_state_whose_best_model_the_trainer_has_forgotten_meanwhile_is_taken_without_it(
    spool: Spool, trainer: SpoolWriter
) -> None:
    trainer.state(a_state(2, best=1))
    spool.waiting()[0].path.rename(spool.folder / "held" / "000001")  # claimed, and then it was slow
    trainer.state(a_state(3, best=2))
    held = spool.take()
    assert held is not None
    assert (held.number, held.best) == (1, ())
    assert kinds(spool) == [(1, "state"), (2, "state")]  # a newer one is there, which it can give way to


def test_a_state_that_the_trainer_replaces_while_it_is_claimed_is_left_to_it(
    spool: Spool, trainer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.state(a_state(1, best=None))
    rename = Path.rename

    def too_late(self: Path, target: Path) -> Path:
        if self.name == "000001.state" and target.parent.name == "held":
            trainer.state(a_state(2, best=None))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", too_late)
    assert spool.take() is None
    held = spool.take()
    assert held is not None
    assert assert_is_state(read_state(held.files)) == 2


# What is unsaved


def test_a_state_or_a_result_is_unsaved_until_it_is_gone(spool: Spool, trainer: SpoolWriter) -> None:
    trainer.state(a_state(1, best=None))
    assert spool.holds_unsaved()
    held = spool.take()
    assert held is not None
    assert spool.holds_unsaved()
    spool.release(held)
    assert not spool.holds_unsaved()
    trainer.result(result(), {})
    assert spool.holds_unsaved()


@pytest.mark.parametrize(("state_entry", "unsaved"), [(1, True), (RESUMED, False), (None, False), (2, False)])
def test_an_epoch_is_unsaved_only_if_its_state_is_in_the_store(
    spool: Spool, trainer: SpoolWriter, state_entry: int | None, unsaved: bool
) -> None:
    spool.note_stored({"states": {1: {}}})
    trainer.epoch(an_epoch(1, 1, state_entry=state_entry), is_best=False)
    assert spool.holds_unsaved() is unsaved


@pytest.mark.parametrize("written", ["", "\0\0", "5", "null", "[1]", "{", '"x"'])
def test_a_note_of_what_is_stored_that_is_none_costs_the_next_session_nothing(spool: Spool, written: str) -> None:
    (spool.folder / "stored.json").write_text(written, encoding="utf-8")
    assert spool.stored() == {}


def test_what_is_stored_is_noted_for_whoever_takes_this_place(spool: Spool) -> None:
    spool.note_stored({"states": {3: {"head": "abc"}}})
    assert Spool(spool.folder).stored() == {"states": {"3": {"head": "abc"}}}
    (spool.folder / "stored.json").write_bytes(b"{half")
    assert spool.stored() == {}


# The rest


def test_the_best_model_that_is_not_here_is_damage(spool: Spool) -> None:
    with pytest.raises(CheckpointDamaged, match="the best epoch 4 is not in the spool"):
        TrainerSpool(spool.folder).read_best(4)


def test_how_often_to_save_is_told_as_it_was_noted(spool: Spool) -> None:
    spool.cadence.write({"epochs_per_save": 3, "saves_per_epoch": 1})
    assert Spool(spool.folder).cadence.read() == {"epochs_per_save": 3, "saves_per_epoch": 1}


def test_progress_is_the_newest_and_exact(spool: Spool) -> None:
    for step in (1, 2):
        spool.progress.write(
            TrainerProgress(phase=Phase.TRAINING, epoch=1, epochs=5, step=step, steps=9, loss=0.1 + 0.2, accuracy=1 / 3)
        )
    assert spool.progress.read() == TrainerProgress(
        phase=Phase.TRAINING, epoch=1, epochs=5, step=2, steps=9, loss=0.1 + 0.2, accuracy=1 / 3
    )


def test_a_failure_tells_its_cause_its_sentence_and_the_detail_for_the_log(spool: Spool) -> None:
    failure = Failure(cause=Cause.NOT_FINITE, message="the loss of epoch 3 is no number", detail="Traceback…")
    spool.failure.write(failure)
    assert spool.failure.read() == failure


def test_a_stop_is_asked_for_once_and_seen_by_the_trainer(spool: Spool) -> None:
    trainer = TrainerSpool(spool.folder)
    assert not trainer.should_stop()
    spool.ask_to_stop()
    spool.ask_to_stop()
    assert trainer.should_stop()


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        (b"", "it printed nothing"),
        (b"\n \n", "it printed nothing"),
        (b"one\ntwo  \n\n", "two"),
        (b"bad \xff byte", "bad � byte"),
    ],
)
def test_the_last_words_are_the_last_line_with_something_on_it(spool: Spool, printed: bytes, words: str) -> None:
    spool.log_path.write_bytes(printed)
    assert spool.last_line() == words


def test_anybody_sees_what_the_session_does_with_a_state(spool: Spool) -> None:
    beside = Spool(spool.folder)
    assert beside.doing() is None
    for doing in get_args(Doing):
        spool.note_doing(doing)
        assert beside.doing() == doing
    spool.note_doing(None)
    assert beside.doing() is None


def test_what_it_does_is_written_only_where_it_changes(spool: Spool) -> None:
    spool.note_doing(None)
    assert not (spool.folder / "doing.json").exists()
    spool.note_doing("hashing")
    written = (spool.folder / "doing.json").stat().st_ino
    spool.note_doing("hashing")
    assert (spool.folder / "doing.json").stat().st_ino == written


def test_a_closed_spool_is_gone_and_may_be_closed_again(spool: Spool, trainer: SpoolWriter) -> None:
    trainer.state(a_state(1, best=None))
    spool.close()
    spool.close()
    assert not spool.folder.exists()


def test_files_that_cannot_be_listed_are_not_told_as_none(
    spool: Spool, trainer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state without its packs would be stored as one, and a best model that is "not there" waited for."""
    trainer.state(a_state(1, best=1))
    (entry,) = spool.waiting()
    whole = files_of(entry.path)

    def refuse(folder: Path | str = ".") -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))

    with monkeypatch.context() as closed:
        closed.setattr(os, "listdir", refuse)
        closed.setattr(os, "scandir", refuse)
        with pytest.raises(PermissionError):
            files_of(entry.path)
        for ask in (spool.is_writing, lambda: spool.best_files(1), spool.take):
            with pytest.raises(MachineError):
                ask()
    assert files_of(entry.path) == whole
