"""The files of a state: all of a run comes back to the bit, and anything else is refused by name."""

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from qcqueue.checkpoints import packs
from qcqueue.checkpoints.format import (
    FORMAT,
    HEAD_NAME,
    files_of,
    head_in,
    holds_model,
    read_about,
    read_model,
    read_state,
    read_tensors,
    write_state,
    write_tensors,
)
from qcqueue.clock import RandomIds, SystemClock
from qcqueue.core.records import MODEL, EpochMetrics, Snapshot, TrainingRecord
from qcqueue.errors import CheckpointDamaged, CorruptionError, DigestMismatch, UnknownFormat
from qcqueue.stores.folder import FolderStore, file_name
from qcqueue.text.canonical_json import canonical_json, parse_json
from tests.checkpoints.states import SMALL_PACK_BYTES, assert_same, frozen_snapshot, record, snapshot

finite = st.floats(allow_nan=False, allow_infinity=False)

STATES = [snapshot(), frozen_snapshot()]


@pytest.fixture(autouse=True)
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several files of every kind, though the states are small."""
    monkeypatch.setattr(packs, "PACK_BYTES", SMALL_PACK_BYTES)


def written(folder: Path, state: Snapshot | None = None) -> tuple[Path, ...]:
    folder.mkdir(exist_ok=True)
    write_state(folder, state or frozen_snapshot())
    return files_of(folder)


@pytest.mark.parametrize("state", STATES, ids=["plain", "frozen"])
def test_a_state_comes_back_to_the_bit(tmp_path: Path, state: Snapshot) -> None:
    assert_same(read_state(written(tmp_path, state)), state)


def test_equal_states_have_equal_bytes_and_so_one_name(tmp_path: Path) -> None:
    one, other = written(tmp_path / "one"), written(tmp_path / "other")
    assert [path.name for path in one] == [path.name for path in other]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_a_state_that_differs_in_one_number_of_its_record_has_another_name(tmp_path: Path) -> None:
    written(tmp_path / "one", snapshot())
    written(tmp_path / "other", replace(snapshot(), record=record(steps_done=4)))
    assert head_in(tmp_path / "one").read_bytes() != head_in(tmp_path / "other").read_bytes()


def test_the_files_of_a_state_are_its_packs_and_last_its_head(tmp_path: Path) -> None:
    assert [path.stem for path in written(tmp_path)] == ["f000", "f001", "m000", "m001", "o000", "head"]


def test_without_a_head_there_is_no_state(tmp_path: Path) -> None:
    written(tmp_path)
    head_in(tmp_path).unlink()
    assert files_of(tmp_path) == ()
    assert files_of(tmp_path / "nothing") == ()


def test_nothing_but_the_whole_files_is_left(tmp_path: Path) -> None:
    written(tmp_path, frozen_snapshot(2))
    files = written(tmp_path, frozen_snapshot(3))
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert read_state(files).record.epochs_done == 3


def test_other_tensors_are_one_file_that_is_written_under_another_name_until_it_is_whole(tmp_path: Path) -> None:
    for epochs_done in (2, 3):
        write_tensors(tmp_path / "file", snapshot(epochs_done).tensors, {"format": 1, "word": epochs_done})
    tensors, about = read_tensors(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert about == {"format": 1, "word": 3}
    assert_same(replace(snapshot(3), tensors=dict(sorted(tensors.items()))), snapshot(3))


def test_a_record_that_is_not_a_number_is_never_written(tmp_path: Path) -> None:
    history = (replace(record().history[0], loss=float("nan")),)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_state(tmp_path, replace(snapshot(), record=replace(record(), history=history)))
    assert files_of(tmp_path) == ()


def test_what_was_noted_is_read_without_the_tensors(tmp_path: Path) -> None:
    written(tmp_path)
    assert TrainingRecord.from_json(read_about(head_in(tmp_path))["record"]) == record()


def test_the_model_is_read_without_the_rest_from_the_files_that_hold_it(tmp_path: Path) -> None:
    files = written(tmp_path)
    model = [path for path in files if holds_model(path)]
    assert [path.stem for path in model] == ["f000", "f001", "m000", "m001"]
    for given_files in (model, files):
        assert {key: value.tobytes() for key, value in read_model(given_files).items()} == {
            key: value.tobytes() for key, value in frozen_snapshot().tensors.items() if key.startswith(MODEL)
        }


# Damage


@pytest.mark.parametrize("name", ["f001", "m000", "o000"])
def test_a_missing_pack_is_named_as_damage(tmp_path: Path, name: str) -> None:
    files = [path for path in written(tmp_path) if path.stem != name]
    with pytest.raises(CheckpointDamaged, match=r"the state holds \d tensors of 10"):
        read_state(files)


def test_a_pack_of_another_state_is_named_as_damage(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.safetensors"
    save_file({"m/00077": np.zeros(2, np.float32)}, foreign)
    *others, head = written(tmp_path / "state")
    with pytest.raises(CheckpointDamaged, match="the state holds 11 tensors of 10"):
        read_state([*others, foreign, head])


def test_a_pack_that_stands_twice_is_named_as_damage(tmp_path: Path) -> None:
    *others, head = written(tmp_path / "state")
    twin = tmp_path / "twin.safetensors"
    shutil.copy(others[2], twin)
    with pytest.raises(CheckpointDamaged, match=r"twin\.safetensors holds tensor m/00001, which another file"):
        read_state([*others, twin, head])


def test_a_pack_without_a_record_is_not_a_head(tmp_path: Path) -> None:
    pack, *others = written(tmp_path)
    with pytest.raises(CheckpointDamaged, match=r"f000\.safetensors is not a whole state file"):
        read_state([*others[:-1], pack])


def test_no_files_are_damage_too() -> None:
    with pytest.raises(CheckpointDamaged, match=HEAD_NAME):
        read_state([])


@pytest.mark.parametrize("at", range(6))
def test_a_file_cut_at_any_byte_is_damaged(tmp_path: Path, at: int) -> None:
    files = written(tmp_path)
    path = files[at]
    for length in reversed(range(path.stat().st_size)):
        os.truncate(path, length)
        with pytest.raises(CheckpointDamaged, match=f"{path.name} is not a whole state file"):
            read_state(files)


def test_a_flipped_bit_anywhere_never_gets_past_the_digest(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store", SystemClock(), RandomIds())
    store.create()
    for path in written(tmp_path / "state"):
        blob = store.put(path)
        data = bytearray(path.read_bytes())
        for position in range(0, len(data), 13):
            data[position] ^= 1 << position % 8
            (tmp_path / "store" / "blobs" / file_name(blob)).write_bytes(data)
            with pytest.raises(DigestMismatch):
                store.fetch(blob, tmp_path / "fetched")
            data[position] ^= 1 << position % 8
    assert not (tmp_path / "fetched").exists()


@pytest.mark.parametrize("at", range(6))
def test_a_flipped_bit_read_without_its_digest_is_refused_or_readable_but_never_another_error(
    tmp_path: Path, at: int
) -> None:
    files = written(tmp_path)
    with files[at].open("r+b", buffering=0) as file:
        for position, byte in enumerate(files[at].read_bytes()):
            file.seek(position)
            file.write(bytes([byte ^ 1 << position % 8]))
            with contextlib.suppress(CorruptionError):
                assert isinstance(read_state(files).record, TrainingRecord)
            file.seek(position)
            file.write(bytes([byte]))
    assert_same(read_state(files), frozen_snapshot())


def test_a_newer_format_is_refused_as_newer(tmp_path: Path) -> None:
    path = tmp_path / HEAD_NAME
    write_tensors(path, snapshot().tensors, {"format": FORMAT + 1, "something": "new"})
    for read in (read_tensors, read_about):
        with pytest.raises(UnknownFormat, match="written by a newer qcqueue"):
            read(path)
    with pytest.raises(UnknownFormat, match="written by a newer qcqueue"):
        read_state(files_of(tmp_path))


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"qcqueue": "{}"},
        {"qcqueue": "[]"},
        {"qcqueue": "null"},
        {"qcqueue": "not JSON"},
        {"qcqueue": '{"format": "one"}'},
        {"qcqueue": '{"format": 1}'},
        {"qcqueue": '{"format": 1, "record": {}, "paths": {}}'},
        {"qcqueue": '{"format": 1, "record": [], "paths": {}}'},
        {"qcqueue": '{"format": 1, "record": null, "paths": 7}'},
        {"qcqueue": '{"format": 2}'},
        {"qcqueue": '{"format": 2, "tensors": 1, "record": {}, "paths": {}}'},
        {"qcqueue": '{"format": 2, "tensors": "one", "record": {}, "paths": {}}'},
        {"other": "{}"},
    ],
)
def test_a_file_without_a_training_record_is_damaged(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    save_file({"m/00000": np.zeros(2, dtype=np.float32)}, tmp_path / "state", metadata=metadata)
    with pytest.raises(CheckpointDamaged, match="state"):
        read_state([tmp_path / "state"])


@pytest.mark.parametrize(
    "read", [lambda path: read_state([path]), lambda path: read_model([path]), holds_model, read_tensors, read_about]
)
def test_a_missing_file_is_damaged(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    with pytest.raises(CheckpointDamaged):
        read(tmp_path / "nothing")


# The record


@given(st.lists(st.tuples(finite, finite, finite, finite, finite), max_size=4), finite, st.lists(finite, max_size=4))
def test_a_record_keeps_every_float_to_the_bit(
    epochs: list[tuple[float, ...]], loss_sum: float, steps: list[float]
) -> None:
    history = tuple(
        EpochMetrics(
            epoch=epoch, loss=row[0], accuracy=row[1], val_loss=row[2], val_accuracy=row[3], learning_rate=row[4]
        )
        for epoch, row in enumerate(epochs, start=1)
    )
    partial = replace(record().partial, loss_sum=loss_sum, step_times_s=tuple(steps))
    before = replace(record(), history=history, partial=partial)
    text = canonical_json(before.to_json())
    after = TrainingRecord.from_json(parse_json(text))
    assert after == before
    assert canonical_json(after.to_json()) == text
    assert [row.loss.hex() for row in after.history] == [row.loss.hex() for row in history]


def test_the_record_stands_in_the_head_as_plain_json_and_nothing_beside_the_tensors_in_a_pack(tmp_path: Path) -> None:
    *others, head = written(tmp_path)
    header = header_of(head)
    assert list(header["__metadata__"]) == ["qcqueue"]
    about = json.loads(header["__metadata__"]["qcqueue"])
    assert about["format"] == FORMAT
    assert about["record"]["epochs_done"] == 2
    assert about["tensors"] == 10
    for pack in others:
        assert {key[:2] for key in header_of(pack)} <= {"m/", "o/"}


def header_of(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])  # type: ignore[no-any-return]
