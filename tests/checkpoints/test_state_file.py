"""The state file: all of a run comes back to the bit, and anything else is refused by name."""

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from qcqueue.checkpoints.format import FORMAT, read_about, read_state, read_tensors, write_state, write_tensors
from qcqueue.clock import SystemClock
from qcqueue.core.canonical import canonical_json, parse_json
from qcqueue.core.records import EpochMetrics, TrainingRecord
from qcqueue.errors import CheckpointDamaged, CorruptionError, DigestMismatch, UnknownFormat
from qcqueue.storage.folder import FolderStore
from tests.checkpoints.states import assert_same, record, snapshot

finite = st.floats(allow_nan=False, allow_infinity=False)


def test_a_state_comes_back_to_the_bit(tmp_path: Path) -> None:
    write_state(tmp_path / "state", snapshot())
    assert_same(read_state(tmp_path / "state"), snapshot())


def test_equal_states_have_equal_bytes_and_so_one_name(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_state(tmp_path / name, snapshot())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_state_that_differs_in_one_number_of_its_record_has_another_name(tmp_path: Path) -> None:
    write_state(tmp_path / "one", snapshot())
    write_state(tmp_path / "other", replace(snapshot(), record=record(steps_done=4)))
    assert (tmp_path / "one").read_bytes() != (tmp_path / "other").read_bytes()


def test_nothing_but_the_whole_file_is_left(tmp_path: Path) -> None:
    write_state(tmp_path / "state", snapshot())
    write_state(tmp_path / "state", snapshot(epochs_done=3))
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert read_state(tmp_path / "state").record.epochs_done == 3


def test_a_record_that_is_not_a_number_is_never_written(tmp_path: Path) -> None:
    history = (replace(record().history[0], loss=float("nan")),)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_state(tmp_path / "state", replace(snapshot(), record=replace(record(), history=history)))
    assert not (tmp_path / "state").exists()


def test_what_was_noted_is_read_without_the_tensors(tmp_path: Path) -> None:
    write_state(tmp_path / "state", snapshot())
    assert TrainingRecord.from_json(read_about(tmp_path / "state")["record"]) == record()


def test_a_file_cut_at_any_byte_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_state(path, snapshot())
    for length in reversed(range(path.stat().st_size)):
        os.truncate(path, length)
        with pytest.raises(CheckpointDamaged, match="state is not a whole state file"):
            read_state(path)


def test_a_flipped_bit_anywhere_never_gets_past_the_digest(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store", SystemClock())
    store.create()
    write_state(tmp_path / "state", snapshot())
    blob = store.put(tmp_path / "state")
    data = bytearray((tmp_path / "state").read_bytes())
    for position in range(0, len(data), 13):
        data[position] ^= 1 << position % 8
        (tmp_path / "store" / "blobs" / blob.sha256).write_bytes(data)
        with pytest.raises(DigestMismatch):
            store.fetch(blob, tmp_path / "fetched")
        data[position] ^= 1 << position % 8
    assert not (tmp_path / "fetched").exists()


def test_a_flipped_bit_read_without_its_digest_is_refused_or_readable_but_never_another_error(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_state(path, snapshot())
    with path.open("r+b", buffering=0) as file:
        for position, byte in enumerate(path.read_bytes()):
            file.seek(position)
            file.write(bytes([byte ^ 1 << position % 8]))
            with contextlib.suppress(CorruptionError):
                assert isinstance(read_state(path).record, TrainingRecord)
            file.seek(position)
            file.write(bytes([byte]))
    assert_same(read_state(path), snapshot())


def test_a_newer_format_is_refused_as_newer(tmp_path: Path) -> None:
    write_tensors(tmp_path / "state", snapshot().tensors, {"format": FORMAT + 1, "something": "new"})
    for read in (read_state, read_tensors, read_about):
        with pytest.raises(UnknownFormat, match="written by a newer qcqueue"):
            read(tmp_path / "state")


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
        {"other": "{}"},
    ],
)
def test_a_file_without_a_training_record_is_damaged(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    save_file({"m/00000": np.zeros(2, dtype=np.float32)}, tmp_path / "state", metadata=metadata)
    with pytest.raises(CheckpointDamaged, match="state"):
        read_state(tmp_path / "state")


@pytest.mark.parametrize("read", [read_state, read_tensors, read_about])
def test_a_missing_file_is_damaged(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    with pytest.raises(CheckpointDamaged):
        read(tmp_path / "nothing")


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


def test_the_record_stands_in_the_file_as_plain_json(tmp_path: Path) -> None:
    write_state(tmp_path / "state", snapshot())
    data = (tmp_path / "state").read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert list(header["__metadata__"]) == ["qcqueue"]
    about = json.loads(header["__metadata__"]["qcqueue"])
    assert about["format"] == FORMAT
    assert about["record"]["epochs_done"] == 2
