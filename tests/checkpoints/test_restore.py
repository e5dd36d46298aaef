"""Bringing a run back: the newest state that is whole, with that of its best epoch, or an honest fall back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from qcqueue.checkpoints.format import read_state, write_state, write_tensors
from qcqueue.clock import SystemClock
from qcqueue.core.canonical import canonical_json
from qcqueue.errors import BlobMissing, StoreBusy, StoreError, UnknownFormat
from qcqueue.queue.values import Checkpoint
from qcqueue.storage.base import Blob
from qcqueue.storage.folder import FolderStore
from qcqueue.worker.restore import Restored, fetch_once, restore_newest
from tests.checkpoints.states import snapshot
from tests.queue.desk import record


@dataclass
class Shelf:
    """A store with the states of a run, and the two files a restore fills."""

    folder: Path
    store: FolderStore
    states: dict[int, Blob]

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def best(self) -> Path:
        return self.folder / "best"

    def checkpoint(self, *val_losses: float, states: Mapping[int, Blob] | None = None) -> Checkpoint:
        """Return the checkpoint after these epochs."""
        return Checkpoint(
            id=len(val_losses),
            state=self.states[len(val_losses)],
            record_json=canonical_json(record(val_losses).to_json()),
            epoch_states=self.states if states is None else states,
        )

    def restore(self, *checkpoints: Checkpoint) -> Restored:
        return restore_newest(self.store, checkpoints, state=self.state, best=self.best)

    def damage(self, epoch: int) -> None:
        (self.store.root / "blobs" / self.states[epoch].sha256).write_bytes(b"rot")

    def lose(self, epoch: int) -> None:
        self.store.delete(self.states[epoch])


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    store = FolderStore(tmp_path / "store", SystemClock())
    store.create()
    states = {}
    for epoch in range(4):
        write_state(tmp_path / "source", snapshot(epochs_done=epoch))
        states[epoch] = store.put(tmp_path / "source")
    return Shelf(folder=tmp_path, store=store, states=states)


def test_a_fresh_run_restores_nothing(shelf: Shelf) -> None:
    assert shelf.restore() == Restored(chosen=None, damaged=())
    assert not shelf.state.exists()
    assert not shelf.best.exists()


def test_the_newest_state_and_that_of_its_best_epoch_are_fetched(shelf: Shelf) -> None:
    newest, older = shelf.checkpoint(0.5, 0.1, 0.4), shelf.checkpoint(0.5, 0.1)
    assert shelf.restore(newest, older) == Restored(chosen=newest, damaged=())
    assert read_state(shelf.state).record.epochs_done == 3
    assert read_state(shelf.best).record.epochs_done == 2


def test_a_state_before_the_first_epoch_needs_no_best(shelf: Shelf) -> None:
    first = shelf.checkpoint()
    assert shelf.restore(first).chosen == first
    assert not shelf.best.exists()


@pytest.mark.parametrize("harm", [Shelf.damage, Shelf.lose])
def test_a_state_that_is_not_whole_falls_back_to_the_one_before(shelf: Shelf, harm: object) -> None:
    harm(shelf, 3)  # type: ignore[operator]
    newest, older = shelf.checkpoint(0.5, 0.1, 0.4), shelf.checkpoint(0.5, 0.1)
    restored = shelf.restore(newest, older)
    assert restored.chosen == older
    assert [checkpoint for checkpoint, _ in restored.damaged] == [newest]
    assert shelf.states[3].sha256[:12] in restored.damaged[0][1]
    assert read_state(shelf.state).record.epochs_done == 2


@pytest.mark.parametrize("harm", [Shelf.damage, Shelf.lose])
def test_a_state_whose_best_epoch_is_not_whole_falls_back_too(shelf: Shelf, harm: object) -> None:
    harm(shelf, 2)  # type: ignore[operator]
    newest, first = shelf.checkpoint(0.5, 0.1, 0.4), shelf.checkpoint(0.5)
    restored = shelf.restore(newest, first)
    assert restored.chosen == first
    assert read_state(shelf.state).record.epochs_done == 1
    assert read_state(shelf.best).record.epochs_done == 1


def test_a_state_whose_best_epoch_is_not_kept_falls_back_and_says_so(shelf: Shelf) -> None:
    newest, first = shelf.checkpoint(0.5, 0.1, 0.4, states={3: shelf.states[3]}), shelf.checkpoint(0.5)
    restored = shelf.restore(newest, first)
    assert restored.chosen == first
    assert "best epoch 2 is not kept" in restored.damaged[0][1]


def test_a_whole_blob_that_is_no_state_falls_back(shelf: Shelf) -> None:
    (shelf.folder / "letter").write_bytes(b"a letter")
    shelf.states[3] = shelf.store.put(shelf.folder / "letter")
    newest, older = shelf.checkpoint(0.5, 0.4, 0.3), shelf.checkpoint(0.5, 0.4)
    assert shelf.restore(newest, older).chosen == older


def test_where_nothing_is_whole_the_run_starts_again_and_no_file_is_left(shelf: Shelf) -> None:
    for epoch in (1, 2, 3):
        shelf.damage(epoch)
    checkpoints = [shelf.checkpoint(0.5, 0.1, 0.4), shelf.checkpoint(0.5, 0.1), shelf.checkpoint(0.5)]
    restored = shelf.restore(*checkpoints)
    assert restored.chosen is None
    assert [checkpoint for checkpoint, _ in restored.damaged] == checkpoints
    assert not shelf.state.exists()
    assert not shelf.best.exists()


@pytest.mark.parametrize("error", [StoreBusy, StoreError])
def test_a_store_that_does_not_answer_says_nothing_of_the_checkpoints(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, error: type[StoreError]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(shelf.store, "fetch", refuse)
    with pytest.raises(error):
        shelf.restore(shelf.checkpoint(0.5), shelf.checkpoint())


def test_a_state_of_a_newer_qcqueue_is_not_taken_for_damaged(shelf: Shelf) -> None:
    write_tensors(shelf.folder / "newer", snapshot().tensors, {"format": 99})
    shelf.states[3] = shelf.store.put(shelf.folder / "newer")
    with pytest.raises(UnknownFormat):
        shelf.restore(shelf.checkpoint(0.5, 0.4, 0.3), shelf.checkpoint(0.5, 0.4))


def test_a_checkpoint_knows_the_state_of_its_best_epoch(shelf: Shelf) -> None:
    assert shelf.checkpoint(0.5, 0.1, 0.4).best == shelf.states[2]
    assert shelf.checkpoint().best is None


def test_a_blob_is_fetched_into_the_cache_once(shelf: Shelf) -> None:
    cached = fetch_once(shelf.store, shelf.states[1], shelf.folder / "cache")
    shelf.lose(1)
    assert fetch_once(shelf.store, shelf.states[1], shelf.folder / "cache") == cached
    assert read_state(cached).record.epochs_done == 1


def test_a_cached_blob_that_rotted_is_fetched_again(shelf: Shelf) -> None:
    cached = fetch_once(shelf.store, shelf.states[1], shelf.folder / "cache")
    cached.write_bytes(b"rot")
    fetch_once(shelf.store, shelf.states[1], shelf.folder / "cache")
    assert read_state(cached).record.epochs_done == 1


def test_a_blob_that_is_nowhere_is_missing(shelf: Shelf) -> None:
    with pytest.raises(BlobMissing):
        fetch_once(shelf.store, Blob(sha256="0" * 64, size_bytes=1), shelf.folder / "cache")
