"""HDF5 with wrong bytes in it, which can crash the library that reads it, or keep it busy for ever."""

import os
from pathlib import Path

import numpy as np
import pytest

from qcqueue.clock import seeded
from qcqueue.engines.keras_tf.hdf5_walk import flaw_inside
from qcqueue.engines.keras_tf.weights_file import flaw_throughout

h5py = pytest.importorskip("h5py")


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A file in the older layout of Keras."""
    path = tmp_path / "mine.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"a", b"b"]
        for name in "ab":
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel".encode(), f"{name}/bias".encode()]
            file.create_dataset(f"{name}/kernel", data=np.ones((3, 4), np.float32), compression="gzip")
            file.create_dataset(f"{name}/bias", data=np.ones(4, np.float32))
    return path


def test_a_whole_file_has_no_flaw(whole: Path) -> None:
    assert flaw_throughout(whole) is None


def test_a_file_with_links_out_of_it_and_round_about_is_gone_through(whole: Path) -> None:
    with h5py.File(whole, "r+") as file:
        file["out"] = h5py.ExternalLink("/dev/zero", "/")
        file["soft"] = h5py.SoftLink("/nowhere")
    assert flaw_inside(whole) is None


def test_a_file_that_leads_into_itself_is_damaged(whole: Path) -> None:
    with h5py.File(whole, "r+") as file:
        file["a/round"] = file["/"]
    assert flaw_inside(whole) == "is HDF5 that is damaged"


@pytest.mark.parametrize("seed", [*range(5), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(5, 12))])
def test_wrong_bytes_end_in_one_sentence_or_hurt_nothing(seed: int, whole: Path) -> None:
    chance = seeded(seed)
    content = bytearray(whole.read_bytes())
    for _ in range(chance.choice([1, 3, 20])):
        content[chance.randrange(2000)] = chance.randrange(256)
    whole.write_bytes(content)
    said = flaw_throughout(whole)
    assert said is None or said.startswith("is ")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mine.h5")
    assert flaw_throughout(tmp_path / "mine.h5") == "is no file, but a pipe, a socket or a device"
