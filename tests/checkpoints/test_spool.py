"""The folder between a session and its trainer: whole entries, in order, whatever the other side is doing."""

import os
from dataclasses import replace
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import numpy as np
import pytest

from qcqueue.checkpoints.format import read_state, read_tensors
from qcqueue.checkpoints.spool import EpochEntry, Failure, Progress, Spool, WorkOrder
from qcqueue.core.outcomes import Cause
from qcqueue.testing.conformance import kill_now, running
from tests.checkpoints.states import assert_same, record, snapshot
from tests.queue.desk import TIMING, result, spec

ORDER = WorkOrder(
    spec=spec("a", learning_rate=0.1 + 0.2),
    attempt=3,
    dataset_path=Path("/cache/blobs/data"),
    weights_path=None,
    threads=2,
    max_epochs=None,
)
EPOCH = EpochEntry(record=record(), timing=TIMING, state_entry=1)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool")
    spool.open(ORDER)
    return spool


@pytest.mark.parametrize(
    "order", [ORDER, replace(ORDER, weights_path=Path("/cache/weights"), max_epochs=2, spec=spec("b", epochs=7))]
)
def test_an_order_comes_through_as_it_was_given(spool: Spool, order: WorkOrder) -> None:
    spool.open(order)
    assert Spool(spool.folder).order() == order


def test_a_new_spool_holds_nothing(spool: Spool) -> None:
    assert (spool.waiting(), spool.progress(), spool.failure(), spool.resumed()) == ([], None, None, None)
    assert not spool.should_stop()
    assert spool.last_words() == "it printed nothing"


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert Spool(tmp_path / "nothing").waiting() == []


def test_entries_wait_in_the_order_they_were_handed_over(spool: Spool) -> None:
    trainer = Spool(spool.folder)
    assert trainer.put_state(snapshot()) == 1
    trainer.put_epoch(EPOCH)
    assert trainer.put_state(snapshot(epochs_done=3)) == 3
    trainer.put_result(result(), {"last/test": np.zeros((2, 3), dtype=np.float32)})
    assert [(entry.number, entry.kind) for entry in spool.waiting()] == [
        (1, "state"),
        (2, "epoch"),
        (3, "state"),
        (4, "result"),
    ]


def test_more_than_nine_entries_still_wait_in_order(spool: Spool) -> None:
    for _ in range(12):
        spool.put_epoch(EPOCH)
    assert [entry.number for entry in spool.waiting()] == list(range(1, 13))


def test_a_removed_entry_does_not_give_its_number_to_another(spool: Spool) -> None:
    trainer = Spool(spool.folder)
    trainer.put_state(snapshot())
    spool.waiting()[0].path.unlink()
    assert trainer.put_state(snapshot()) == 2
    assert [entry.number for entry in spool.waiting()] == [2]


def test_what_is_read_from_an_entry_is_what_was_handed_over(spool: Spool) -> None:
    predictions = {"last/test": np.arange(6, dtype=np.float32).reshape(2, 3)}
    spool.put_state(snapshot())
    spool.put_epoch(EPOCH)
    spool.put_result(result(), predictions)
    state, epoch, final = spool.waiting()
    assert_same(read_state(state.path), snapshot())
    assert spool.read_state_record(state) == record()
    assert spool.read_epoch(epoch) == EPOCH
    assert spool.read_result(final) == result()
    assert np.array_equal(read_tensors(final.path)[0]["last/test"], predictions["last/test"])


def test_an_epoch_after_a_resume_may_belong_to_the_state_resumed_from(spool: Spool) -> None:
    spool.put_epoch(replace(EPOCH, state_entry=None))
    assert spool.read_epoch(spool.waiting()[0]).state_entry is None


@pytest.mark.parametrize("name", ["000009.state.tmp", "000009.epoch.tmp", "000009.result.tmp", ".hidden", "notes.txt"])
def test_unfinished_files_are_not_entries(spool: Spool, name: str) -> None:
    spool.put_state(snapshot())
    (spool.entries_folder / name).write_bytes(b"half")
    assert [entry.number for entry in spool.waiting()] == [1]


def test_a_trainer_killed_at_any_instant_leaves_only_whole_entries(spool: Spool) -> None:
    for entries in (1, 2, 3, 5, 8):
        with running(hand_over_for_ever, spool.folder) as (process, pipe):
            for _ in range(entries):
                pipe.recv()
            kill_now(process, pipe)
        waiting = spool.waiting()
        assert [entry.number for entry in waiting] == list(range(1, len(waiting) + 1))
        assert len(waiting) >= entries
        for entry in waiting:
            if entry.kind == "state":
                assert_same(read_state(entry.path), snapshot())
            else:
                assert spool.read_epoch(entry) == EPOCH
            entry.path.unlink()


def test_the_state_resumed_from_carries_the_record_that_was_committed_with_it(spool: Spool) -> None:
    Spool(spool.folder).put_state(snapshot())
    os.link(spool.waiting()[0].path, spool.state_path)
    committed = record(epochs_done=3, steps_done=0)
    spool.resume_with(committed)
    resumed = Spool(spool.folder).resumed()
    assert resumed is not None
    assert resumed.record == committed
    assert_same(replace(resumed, record=record()), snapshot())


def test_the_best_state_survives_the_removal_of_every_entry(spool: Spool) -> None:
    trainer = Spool(spool.folder)
    trainer.put_state(snapshot(epochs_done=1))
    trainer.keep_as_best()
    trainer.put_state(snapshot(epochs_done=2))
    for entry in spool.waiting():
        entry.path.unlink()
    assert_same(read_state(spool.best_path), snapshot(epochs_done=1))


def test_a_better_state_takes_the_place_of_the_best(spool: Spool) -> None:
    for epochs_done in (1, 2):
        spool.put_state(snapshot(epochs_done=epochs_done))
        spool.keep_as_best()
    assert read_state(spool.best_path).record.epochs_done == 2


def test_the_state_resumed_from_can_be_the_best(spool: Spool) -> None:
    Spool(spool.folder).put_state(snapshot(epochs_done=4))
    spool.waiting()[0].path.rename(spool.state_path)
    (spool.folder / "latest.safetensors").unlink()
    spool.keep_as_best()
    assert read_state(spool.best_path).record.epochs_done == 4


def test_progress_is_the_newest_and_exact(spool: Spool) -> None:
    for step in (1, 2):
        spool.report(Progress(phase="training", epoch=1, epochs=5, step=step, steps=9, loss=0.1 + 0.2, accuracy=1 / 3))
    assert spool.progress() == Progress(
        phase="training", epoch=1, epochs=5, step=2, steps=9, loss=0.1 + 0.2, accuracy=1 / 3
    )


def test_a_failure_tells_its_cause_its_sentence_and_the_detail_for_the_log(spool: Spool) -> None:
    failure = Failure(cause=Cause.NOT_FINITE, message="the loss of epoch 3 is no number", detail="Traceback…")
    spool.fail(failure)
    assert spool.failure() == failure


def test_a_stop_is_asked_for_once_and_seen_by_the_trainer(spool: Spool) -> None:
    trainer = Spool(spool.folder)
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
    assert spool.last_words() == words


def test_a_closed_spool_is_gone_and_may_be_closed_again(spool: Spool) -> None:
    spool.put_state(snapshot())
    spool.close()
    spool.close()
    assert not spool.folder.exists()


def hand_over_for_ever(folder: Path, pipe: Pipe) -> None:
    trainer = Spool(folder)
    while True:
        trainer.put_state(snapshot())
        pipe.send("state")
        trainer.put_epoch(EPOCH)
        pipe.send("epoch")
