"""Bringing a run back: the newest state that is whole, with the model of its best epoch, or an honest fall back."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from qcqueue.checkpoints import packs
from qcqueue.checkpoints.format import (
    files_of,
    head_in,
    holds_model,
    read_model,
    read_state,
    write_state,
    write_tensors,
)
from qcqueue.clock import RandomIds, SystemClock
from qcqueue.conformance.stores import HOSTILE_NAMES
from qcqueue.core.records import MODEL
from qcqueue.errors import BlobMissing, StoreBusy, StoreError, UnknownFormat
from qcqueue.queue.values import Checkpoint, StateBlobs
from qcqueue.spool.reader import Spool
from qcqueue.spool.writer import TrainerSpool
from qcqueue.stores.base import Blob
from qcqueue.stores.folder import FolderStore, file_name
from qcqueue.text.canonical_json import canonical_json
from qcqueue.worker.download import Restored, fetch_once, restore_newest
from tests.checkpoints.states import SMALL_PACK_BYTES, assert_same, frozen_snapshot, snapshot
from tests.queue.desk import record


@dataclass
class Shelf:
    """A store with the states of a run, and the spool a restore fills."""

    folder: Path
    store: FolderStore
    states: dict[int, StateBlobs]
    models: dict[int, tuple[Blob, ...]]

    @property
    def spool(self) -> Spool:
        return Spool(self.folder / "spool")

    def checkpoint(self, *val_losses: float, best: tuple[Blob, ...] | None = None) -> Checkpoint:
        """Return the checkpoint after these epochs."""
        so_far = record(val_losses)
        if best is None:
            best = () if so_far.best_epoch is None else self.models[so_far.best_epoch]
        return Checkpoint(
            id=len(val_losses),
            state=self.states[len(val_losses)],
            best=best,
            record_json=canonical_json(so_far.to_json()),
        )

    def restore(self, *checkpoints: Checkpoint) -> Restored:
        return restore_newest(self.store, checkpoints, self.spool)

    def restored(self) -> int:
        """Return after which epoch the state in the spool was taken, having compared all of it."""
        found = read_state(files_of(self.spool.resumed_folder))
        assert_same(found, frozen_snapshot(found.record.epochs_done))
        return found.record.epochs_done

    def holds_best(self, epoch: int) -> bool:
        """Return whether the model of an epoch is in the spool, whole."""
        wanted = {key: it.tobytes() for key, it in frozen_snapshot(epoch).tensors.items() if key.startswith(MODEL)}
        found = TrainerSpool(self.spool.folder).read_best(epoch) if self.spool.best_files(epoch) else {}
        return {key: value.tobytes() for key, value in found.items()} == wanted

    def is_empty(self) -> bool:
        folders = (self.spool.resumed_folder, self.spool.best_folder(1).parent)
        return not [path for folder in folders for path in folder.rglob("*.safetensors")]

    def damage(self, blob: Blob) -> None:
        (self.store.root / "blobs" / file_name(blob)).write_bytes(b"rot")

    def lose(self, blob: Blob) -> None:
        self.store.delete(blob)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr(packs, "PACK_BYTES", SMALL_PACK_BYTES)
    store = FolderStore(tmp_path / "store", SystemClock(), RandomIds())
    store.create()
    stored: dict[str, Blob] = {}
    shelf = Shelf(folder=tmp_path, store=store, states={}, models={})
    for epoch in range(4):
        folder = tmp_path / f"source-{epoch}"
        folder.mkdir()
        write_state(folder, frozen_snapshot(epochs_done=epoch))
        blobs = {path: kept(store, path, stored) for path in files_of(folder)}
        *others, head = blobs.values()
        shelf.states[epoch] = StateBlobs(head=head, packs=tuple(others))
        shelf.models[epoch] = tuple(blob for path, blob in blobs.items() if holds_model(path))
    return shelf


def kept(store: FolderStore, path: Path, stored: dict[str, Blob]) -> Blob:
    """Store the bytes of a file once, as an attempt does."""
    text = path.read_bytes().hex()
    if text not in stored:
        stored[text] = store.put(path)
    return stored[text]


def own(blobs: Iterable[Blob], others: StateBlobs) -> list[Blob]:
    """Return those of `blobs` that are not shared with another state."""
    return [blob for blob in blobs if blob not in others.blobs]


def test_a_fresh_run_restores_nothing(shelf: Shelf) -> None:
    assert shelf.restore() == Restored(chosen=None, damaged=())
    assert shelf.is_empty()


def test_the_newest_state_and_the_model_of_its_best_epoch_are_fetched(shelf: Shelf) -> None:
    newest, older = shelf.checkpoint(0.5, 0.1, 0.4), shelf.checkpoint(0.5, 0.1)
    assert shelf.restore(newest, older) == Restored(chosen=newest, damaged=())
    assert shelf.restored() == 3
    assert shelf.holds_best(2)


def test_a_state_before_the_first_epoch_needs_no_best(shelf: Shelf) -> None:
    first = shelf.checkpoint()
    assert shelf.restore(first).chosen == first
    assert shelf.restored() == 0
    assert not shelf.spool.best_folder(1).parent.exists()


def test_every_file_that_is_fetched_is_told_of(shelf: Shelf) -> None:
    newest, told = shelf.checkpoint(0.5, 0.1, 0.4), list[tuple[int, int]]()
    restore_newest(shelf.store, [newest], shelf.spool, moved=lambda moved, size: told.append((moved, size)))
    sizes = [blob.size_bytes for blob in (*newest.state.packs, newest.state.head, *newest.best)]
    assert told == [(size, size) for size in sizes]


@pytest.mark.parametrize("harm", [Shelf.damage, Shelf.lose])
@pytest.mark.parametrize("which", range(4))
def test_a_state_of_which_any_file_is_not_whole_falls_back_to_the_one_before(
    shelf: Shelf, harm: object, which: int
) -> None:
    newest, older = shelf.checkpoint(0.5, 0.1, 0.4), shelf.checkpoint(0.5, 0.1)
    victim = own(newest.state.blobs, older.state)[which]
    harm(shelf, victim)  # type: ignore[operator]
    restored = shelf.restore(newest, older)
    assert restored.chosen == older
    assert [checkpoint for checkpoint, _ in restored.damaged] == [newest]
    assert victim.sha256[:12] in restored.damaged[0][1]
    assert shelf.restored() == 2
    assert shelf.holds_best(2)


@pytest.mark.parametrize("harm", [Shelf.damage, Shelf.lose])
def test_a_state_whose_best_model_is_not_whole_falls_back_too(shelf: Shelf, harm: object) -> None:
    newest, first = shelf.checkpoint(0.5, 0.1, 0.4), shelf.checkpoint(0.5)
    harm(shelf, own(newest.best, first.state)[0])  # type: ignore[operator]
    restored = shelf.restore(newest, first)
    assert restored.chosen == first
    assert shelf.restored() == 1
    assert shelf.holds_best(1)
    assert not shelf.spool.best_folder(2).exists()


@pytest.mark.parametrize("harm", [Shelf.damage, Shelf.lose])
def test_a_frozen_pack_that_is_not_whole_costs_every_state_that_shares_it(shelf: Shelf, harm: object) -> None:
    newest, older = shelf.checkpoint(0.5, 0.1, 0.4), shelf.checkpoint(0.5, 0.1)
    harm(shelf, newest.state.packs[0])  # type: ignore[operator]
    assert newest.state.packs[0] in older.state.packs
    restored = shelf.restore(newest, older)
    assert restored.chosen is None
    assert [checkpoint for checkpoint, _ in restored.damaged] == [newest, older]
    assert shelf.is_empty()


def test_a_state_whose_best_epoch_is_not_kept_falls_back_and_says_so(shelf: Shelf) -> None:
    newest, first = shelf.checkpoint(0.5, 0.1, 0.4, best=()), shelf.checkpoint(0.5)
    restored = shelf.restore(newest, first)
    assert restored.chosen == first
    assert "best epoch 2 is not kept" in restored.damaged[0][1]


def test_a_whole_blob_that_is_no_state_falls_back(shelf: Shelf) -> None:
    (shelf.folder / "letter").write_bytes(b"a letter")
    shelf.states[3] = StateBlobs(head=shelf.store.put(shelf.folder / "letter"))
    newest, older = shelf.checkpoint(0.5, 0.4, 0.3), shelf.checkpoint(0.5, 0.4)
    assert shelf.restore(newest, older).chosen == older
    assert shelf.restored() == 2


def test_where_nothing_is_whole_the_run_starts_again_and_no_file_is_left(shelf: Shelf) -> None:
    checkpoints = [shelf.checkpoint(0.5, 0.1, 0.4), shelf.checkpoint(0.5, 0.1), shelf.checkpoint(0.5)]
    for checkpoint in checkpoints:
        shelf.damage(checkpoint.state.head)
    restored = shelf.restore(*checkpoints)
    assert restored.chosen is None
    assert [checkpoint for checkpoint, _ in restored.damaged] == checkpoints
    assert shelf.is_empty()


@pytest.mark.parametrize("error", [StoreBusy, StoreError])
def test_a_store_that_does_not_answer_says_nothing_of_the_checkpoints(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, error: type[StoreError]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(shelf.store, "fetch", refuse)
    with pytest.raises(error):
        shelf.restore(shelf.checkpoint(0.5), shelf.checkpoint())


def test_a_restore_that_was_cut_off_goes_on_with_the_files_it_has(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch, fetched = shelf.store.fetch, list[str]()

    def busy_after_three(blob: Blob, target: Path, **others: object) -> None:
        if len(fetched) == 3:
            raise StoreBusy
        fetched.append(blob.sha256)
        fetch(blob, target, **others)  # type: ignore[arg-type]

    checkpoint = shelf.checkpoint(0.5, 0.1, 0.4)
    monkeypatch.setattr(shelf.store, "fetch", busy_after_three)
    with pytest.raises(StoreBusy):
        shelf.restore(checkpoint)
    fetched.append("the store answers again")
    assert shelf.restore(checkpoint).chosen == checkpoint
    assert fetched.count(fetched[0]) == 2  # the frozen pack once for the state and once for the best model
    assert len(fetched) == 1 + len(checkpoint.state.blobs) + len(checkpoint.best)
    assert shelf.restored() == 3


def test_a_state_of_format_1_is_one_file_and_so_is_the_model_of_its_best_epoch(shelf: Shelf) -> None:
    blobs = {}
    for epoch in (2, 3):
        about = {"format": 1, "record": snapshot(epoch).record.to_json(), "paths": dict(snapshot(epoch).paths)}
        write_tensors(shelf.folder / "old", snapshot(epoch).tensors, about)
        blobs[epoch] = shelf.store.put(shelf.folder / "old")
    shelf.states[3], shelf.models[2] = StateBlobs(head=blobs[3]), (blobs[2],)
    newest = shelf.checkpoint(0.5, 0.1, 0.4)
    assert shelf.restore(newest).chosen == newest
    assert_same(read_state(files_of(shelf.spool.resumed_folder)), snapshot(3))
    assert read_model(shelf.spool.best_files(2)).keys() == {key for key in snapshot().tensors if key.startswith(MODEL)}


def test_a_state_of_a_newer_qcqueue_is_not_taken_for_damaged(shelf: Shelf) -> None:
    write_tensors(shelf.folder / "newer", snapshot().tensors, {"format": 99})
    shelf.states[3] = StateBlobs(head=shelf.store.put(shelf.folder / "newer"))
    with pytest.raises(UnknownFormat):
        shelf.restore(shelf.checkpoint(0.5, 0.4, 0.3), shelf.checkpoint(0.5, 0.4))


def test_a_blob_is_fetched_into_the_cache_once(shelf: Shelf) -> None:
    head = shelf.states[1].head
    cached = fetch_once(shelf.store, head, shelf.folder / "cache")
    shelf.lose(head)
    assert fetch_once(shelf.store, head, shelf.folder / "cache") == cached
    assert cached.read_bytes() == head_in(shelf.folder / "source-1").read_bytes()


def test_a_cached_blob_that_rotted_is_fetched_again(shelf: Shelf) -> None:
    head = shelf.states[1].head
    cached = fetch_once(shelf.store, head, shelf.folder / "cache")
    cached.write_bytes(b"rot")
    fetch_once(shelf.store, head, shelf.folder / "cache")
    assert cached.read_bytes() == head_in(shelf.folder / "source-1").read_bytes()


def test_a_blob_that_is_nowhere_is_missing(shelf: Shelf) -> None:
    with pytest.raises(BlobMissing):
        fetch_once(shelf.store, Blob(sha256="0" * 64, size_bytes=1), shelf.folder / "cache")


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
def test_a_blob_with_a_name_that_leads_elsewhere_is_missing_and_nothing_is_opened_for_it(
    shelf: Shelf, name: str
) -> None:
    os.mkfifo(shelf.folder / "x")  # who opened it would wait for ever
    for wrong in (name, "../x", str(shelf.folder / "x")):
        with pytest.raises(BlobMissing):
            fetch_once(shelf.store, Blob(sha256=wrong, size_bytes=1), shelf.folder / "cache")
