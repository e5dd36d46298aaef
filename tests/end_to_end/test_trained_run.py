"""A job that TensorFlow trains and a SIGKILL cuts: the bits of an undisturbed run, and weights that predict them.

The weights are loaded by the very lines `fetch` prints. This is what the fast tests stand on that train toys.
"""

import ast
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from qcqueue.app.fetch import load_model
from qcqueue.checkpoints.format import read_about, read_tensors
from qcqueue.datasets.format import Split, load
from qcqueue.errors import DigestMismatch
from qcqueue.queue.blobs import find_blob
from qcqueue.queue.job_detail import job_detail
from tests.cli.queues import House
from tests.end_to_end.machines import (
    LIMIT_S,
    STUDY,
    VGG16,
    a_house,
    command,
    job,
    outcomes,
    wait_until_training,
    working,
)

pytestmark = pytest.mark.tensorflow

LONG_ENOUGH = STUDY.replace("epochs = 3", "epochs = 6") + VGG16
"""To be killed in the middle of it."""

BATCH = 8  # as the study of `machines` says: how many images are computed together decides the last bits
ALONE = 1e-6
"""How far an image that is asked for alone may be from the same one within a batch: some 8 times the smallest step
between two float32 below 1. Matrices of another height are added up in another order."""

# Beside the printed lines: all images of the validation set, in the batches of the trainer.
ALL_OF_THEM = {
    "safetensors": "answers = [model.probabilities(images)]",
    "h5": "floats = images.astype('float32'); "
    "answers = [model(preprocess_input(floats[at : at + {batch}])) for at in range(0, {n}, {batch})]; "
    "import qcqueue; ours = qcqueue.load_model('my weights/vgg16.weights.h5').probabilities(images); "
    "assert ours.tobytes() == numpy.concatenate(answers).tobytes()",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A finished job, the images of its validation set, and what its best epoch answered on them."""

    house: House
    images: npt.NDArray[np.uint8]
    answers: npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The job was killed in an epoch, and another session has ended it."""
    house = a_house(tmp_path_factory.mktemp("trained") / "house", LONG_ENOUGH)
    with working(house) as session:
        wait_until_training(house, epoch=2, step=1)
        os.killpg(session.process.pid, signal.SIGKILL)
    assert command(house, "work").returncode == 0
    place, scratch = house.queue, house.folder / "scratch"
    with place.read() as tx:
        detail = job_detail(tx, "small/vgg16")
        blobs = [find_blob(tx, digest) for digest in (str(detail.predictions_sha256), detail.dataset_sha256)]
    found = []
    for blob in blobs:
        place.store.fetch(blob, scratch)
        found.append(scratch.read_bytes())
    scratch.write_bytes(found[0])
    answers = read_tensors(scratch)[0]["best/validation"]
    scratch.write_bytes(found[1])
    images = load(scratch).part(Split.VALIDATION)[0]
    np.save(house.folder / "images.npy", images)
    Image.fromarray(images[4]).save(house.folder / "photo.jpg", format="PNG")  # no pixel may change on the way
    return Trained(house=house, images=images, answers=answers)


def test_a_run_that_was_killed_ends_with_the_bits_of_one_that_was_not(trained: Trained, tmp_path: Path) -> None:
    undisturbed = a_house(tmp_path / "house", LONG_ENOUGH)
    assert command(undisturbed, "work").returncode == 0
    assert outcomes(trained.house) == ["interrupted", "finished"]
    cut, whole = job(trained.house), job(undisturbed)
    assert cut["result"] == whole["result"]
    assert [epoch["loss"] for epoch in cut["epochs"]] == [epoch["loss"] for epoch in whole["epochs"]]


@pytest.mark.parametrize("kind", [pytest.param("safetensors", marks=pytest.mark.long), "h5"])
def test_the_printed_lines_load_the_weights_and_predict_what_the_trainer_stored(trained: Trained, kind: str) -> None:
    fetched = command(trained.house, "fetch", "vgg16", "--format", kind, "--out", "my weights")
    assert fetched.returncode == 0, fetched.stderr
    lines = fetched.stdout.splitlines()[-3:]
    more = [
        "import numpy; images = numpy.load('images.npy')",
        ALL_OF_THEM[kind].format(n=len(trained.images), batch=BATCH),
        "numpy.save('answers.npy', numpy.concatenate(answers))",
    ]
    child = subprocess.run(
        [sys.executable, "-c", "\n".join([*lines, *more])],
        cwd=trained.house.folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert child.returncode == 0, child.stderr

    named = ast.literal_eval(child.stdout)
    assert list(named) == ["good", "fair", "reject"]
    assert sum(named.values()) == pytest.approx(1)
    assert np.abs(np.array(list(named.values())) - trained.answers[4]).max() <= ALONE
    others = np.abs(trained.answers - trained.answers[4]).max(axis=1)
    assert np.count_nonzero(others > ALONE) > 0  # so that another image would have been noticed
    assert np.load(trained.house.folder / "answers.npy").tobytes() == trained.answers.tobytes()


@pytest.mark.parametrize(
    ("kind", "ending"),
    [("safetensors", ".safetensors"), pytest.param("h5", ".weights.h5", marks=pytest.mark.long)],
)
def test_a_file_says_what_it_is_has_the_digest_of_the_result_and_is_made_alike_each_time(
    trained: Trained, kind: str, ending: str
) -> None:
    asked = ("--format", kind) if kind == "safetensors" else ()  # Keras is installed, so h5 is what is made unasked
    first, again = (command(trained.house, "fetch", "vgg16", "--out", "made", "--json", *asked) for _ in range(2))
    assert (first.returncode, again.returncode) == (0, 0), again.stderr
    found, shown = json.loads(first.stdout), job(trained.house)["result"]["best"]
    assert (found["format"], found["epoch"], found["weights_sha256"]) == (kind, shown["epoch"], shown["weights_sha256"])
    assert json.loads(again.stdout) == found | {"is_new": False}
    about = _about(trained.house.folder / "made" / f"vgg16{ending}")
    assert (about["job"], about["classes"]) == ("small/vgg16", ["good", "fair", "reject"])


@pytest.mark.long
def test_weights_that_are_not_those_the_file_names_are_refused(trained: Trained, tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "vgg16.weights.h5"
    assert command(trained.house, "fetch", "vgg16", "--format", "h5", "--out", str(tmp_path)).returncode == 0
    with h5py.File(path, "r+") as file:
        about = json.loads(file.attrs["qcqueue"])
        file.attrs["qcqueue"] = json.dumps(about | {"weights_sha256": "0" * 64})
    with pytest.raises(DigestMismatch, match="its weights are not those it names"):
        load_model(path)


def _about(path: Path) -> dict[str, Any]:
    import h5py

    if path.suffix == ".safetensors":
        return read_about(path)
    with h5py.File(path) as file:
        about: dict[str, Any] = json.loads(file.attrs["qcqueue"])
    return about
