"""A checkpoint of every released format is still read. `states` says what the files hold.

The files were written by `write_state` of their time and are never written again: format 1 was one file, format 2 is a
folder of packs with a head, here with packs of `SMALL_PACK_BYTES` at most.
"""

import hashlib
from pathlib import Path

import pytest

from qcqueue.checkpoints import packs
from qcqueue.checkpoints.format import HEAD_NAME, files_of, read_about, read_model, read_state, write_state
from qcqueue.core.records import MODEL
from tests.checkpoints.states import SMALL_PACK_BYTES, assert_same, frozen_snapshot, snapshot

GOLDEN = Path(__file__).parents[1] / "golden"
FORMAT_1 = GOLDEN / "checkpoint-1.safetensors"
FORMAT_2 = GOLDEN / "checkpoint-2"

DIGESTS = {
    "f000.safetensors": "d4e99e97427a7c92cebfbc9c9ef0bf6c1112b934af1f1c0f96d0fd0f0cfc1e43",
    "f001.safetensors": "677b718538031333208dc196636dfe4d5524e745ecb6c91c72a986dcc7a38200",
    "head.safetensors": "91d99ec9daa2aa13c97c7b448a9ac8303b56fca398d17a599a895d8297545308",
    "m000.safetensors": "2f29087b87917f2599457772c61d102f843d992a606c5497d7744bdb388d9c6e",
    "m001.safetensors": "81f4f07326ab0a5c5d41819792ceda72d61f6721a9b8c282f07ec60146fa692d",
    "o000.safetensors": "099e50b3d60c8e283219ab093d7698e82dcc2e5ef47416c3afb030e0bdccb97c",
}


def test_a_checkpoint_of_format_1_is_read_to_the_bit() -> None:
    assert_same(read_state([FORMAT_1]), snapshot())


def test_the_model_of_a_best_epoch_of_format_1_is_read_out_of_its_state() -> None:
    model = read_model([FORMAT_1])
    assert {key: value.tobytes() for key, value in model.items()} == {
        key: value.tobytes() for key, value in snapshot().tensors.items() if key.startswith(MODEL)
    }


def test_the_golden_checkpoint_of_format_1_was_not_written_again() -> None:
    assert digest(FORMAT_1) == "dd1eca569290c01a4943f573f34f3f4f32564def1390ef4e8c51664fb5aa55f2"
    assert read_about(FORMAT_1)["format"] == 1


def test_a_checkpoint_of_format_2_is_read_to_the_bit() -> None:
    assert_same(read_state(files_of(FORMAT_2)), frozen_snapshot())


def test_the_golden_checkpoint_of_format_2_was_not_written_again() -> None:
    assert {path.name: digest(path) for path in FORMAT_2.iterdir()} == DIGESTS
    assert read_about(FORMAT_2 / HEAD_NAME)["format"] == 2


def test_packs_of_today_have_the_bytes_of_those_of_then_so_that_both_are_stored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "PACK_BYTES", SMALL_PACK_BYTES)
    write_state(tmp_path, frozen_snapshot())
    assert {path.name: digest(path) for path in files_of(tmp_path)[:-1]} == {
        name: digest for name, digest in DIGESTS.items() if name != HEAD_NAME
    }


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
