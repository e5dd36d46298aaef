"""Several steps in one call: the bits of one by one, whatever the block, the cut and the road the images take.

As on a GPU: every step is made in the program of blocks, also a single one, and the next call before the last is read.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcqueue.catalog.models import STUDIED_MODELS
from qcqueue.core.records import Snapshot
from qcqueue.core.spec import JobSpec
from qcqueue.datasets.format import Split
from qcqueue.errors import NotFinite
from tests.engines.test_exact_resume import assert_same_end
from tests.engines.worlds import Memory, a_dataset, a_dataset_file, a_spec, an_assignment, run

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("small_models", "as_on_a_gpu")]

IMAGES = 90  # 22 full batches of 4 an epoch, and one of 2
FULL = 22


def a_job(**changes: Any) -> JobSpec:
    return a_spec(batch_size=4, epochs=2, **changes)


def ran(images: Path, sink: Memory, *, resume_from: Snapshot | None = None, **changes: Any) -> Memory:
    return run(replace(an_assignment(images, spec=a_job(**changes), resume_from=resume_from), step="fused"), sink)


@pytest.fixture(scope="module")
def as_on_a_gpu() -> Iterator[None]:
    from qcqueue.engines.keras_tf import device

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "has_gpu", lambda: True)
        yield


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    counts = {Split.TRAIN: IMAGES, Split.VALIDATION: 9, Split.TEST: 9}
    return a_dataset_file(tmp_path_factory.mktemp("images"), a_dataset(counts=counts))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many steps each call of the program made."""
    from qcqueue.engines.keras_tf.program import KerasProgram

    made, train = list[int](), KerasProgram.train

    def counted(program: KerasProgram, batches: Any) -> Any:
        made.append(len(batches))
        return train(program, batches)

    monkeypatch.setattr(KerasProgram, "train", counted)
    return made


@pytest.fixture(scope="module")
def one_by_one(images: Path, as_on_a_gpu: None, small_models: None) -> Memory:
    with pytest.MonkeyPatch.context() as patch:
        at_most(patch, 1)
        return ran(images, Memory())


def at_most(patch: pytest.MonkeyPatch, steps: int) -> None:
    from qcqueue.engines.keras_tf.program import KerasProgram

    patch.setattr(KerasProgram, "steps_a_call", lambda program, step_s: steps)


@pytest.mark.parametrize("steps", [pytest.param(2, marks=pytest.mark.long), 3, 8])
def test_a_run_in_blocks_has_the_bits_of_one_step_by_step(
    steps: int, images: Path, one_by_one: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_most(monkeypatch, steps)
    assert_same_end(ran(images, Memory()), one_by_one)


def test_an_epoch_is_as_many_calls_as_it_has_blocks_and_one_for_its_short_end(
    images: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_most(monkeypatch, 8)
    ran(images, Memory())
    assert calls[-(ceil(FULL / 8) + 1) :] == [8, 8, 6, 1]


@pytest.mark.parametrize("at", [pytest.param(at, marks=[] if at in (3, 8) else pytest.mark.long) for at in range(1, 9)])
def test_a_run_that_was_cut_within_a_block_goes_on_to_the_same_end(
    at: int, images: Path, one_by_one: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_most(monkeypatch, 8)
    cut = ran(images, Memory(stop_after=8 + at))
    assert cut.snapshots[-1].record.partial.steps_done == 8 + at, "a stop ends a call"
    best = dict(cut.best)
    resumed = ran(images, Memory(best=best), resume_from=cut.snapshots[-1])
    assert_same_end(resumed, one_by_one)


def test_a_save_that_is_wanted_ends_a_call(images: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    at_most(monkeypatch, 8)
    life = ran(images, Memory(when=lambda epoch, step, steps: step % 5 == 0))
    done = [it.record.partial.steps_done for it in life.snapshots]
    assert done[:4] == [5, 10, 15, 20]


def test_a_loss_that_is_no_number_names_its_step_within_a_block(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_most(monkeypatch, 8)
    life = Memory()
    with pytest.raises(NotFinite, match=r"^the loss became (nan|inf) in epoch 1, step \d+; its samples: \d+ "):
        ran(images, life, optimizer="sgd", learning_rate=1e38)
    assert life.snapshots == []


def test_a_call_stays_short_enough_for_whoever_wants_to_stop() -> None:
    from qcqueue.engines.keras_tf.program import KerasProgram

    class Made(KerasProgram):
        def __init__(self, *, in_blocks: bool) -> None:
            self._in_blocks = in_blocks

    asked = {seconds: Made(in_blocks=True).steps_a_call(seconds) for seconds in (0.0, 1e-3, 0.0625, 0.1, 0.3, 2.0)}
    assert asked == {0.0: 1, 1e-3: 8, 0.0625: 8, 0.1: 5, 0.3: 1, 2.0: 1}
    assert Made(in_blocks=False).steps_a_call(1e-3) == 1


def test_what_was_begun_step_by_step_goes_on_so() -> None:
    from qcqueue.engines.keras_tf.program import in_blocks

    assert [in_blocks(step, has_gpu=True) for step in ("graph", "fused", "xla")] == [False, True, True]
    assert [in_blocks(step, has_gpu=False) for step in ("graph", "fused", "xla")] == [False, False, True]


@pytest.mark.parametrize("augment", ["none", "flips"])
def test_images_that_lie_on_the_device_are_those_of_the_host_byte_by_byte(augment: str, images: Path) -> None:
    import tensorflow as tf

    from qcqueue.engines.batches import load_data
    from qcqueue.engines.keras_tf.inputs import Resident, Sent

    data = load_data(images, a_job(augment=augment))
    for epoch in (1, 2):
        batches = [*data.batches(epoch, first_step=0)]
        for block in (batches[:8], batches[8:10], batches[-1:]):
            for inputs in (Resident(data), Sent(data)):
                packed = [tf.constant(it) for it in inputs.pack(block)]
                for row, batch in enumerate(block):
                    shown, labels = inputs.batch(tf.constant(row, tf.int64), *packed)
                    assert np.array_equal(shown.numpy(), batch.images)
                    assert np.array_equal(labels.numpy(), batch.labels)


def test_what_does_not_fit_on_the_device_is_sent_and_ends_the_same(
    images: Path, one_by_one: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qcqueue.engines.keras_tf import inputs

    monkeypatch.setattr(inputs, "RESIDENT_BYTES_MAX", 1000)
    at_most(monkeypatch, 8)
    assert_same_end(ran(images, Memory()), one_by_one)


@pytest.mark.parametrize("bytes_of_gpu", [1 << 34, 1 << 10])
def test_a_gpu_holds_the_images_where_they_leave_room_for_training(bytes_of_gpu: int, images: Path) -> None:
    from qcqueue.engines.batches import load_data
    from qcqueue.engines.keras_tf.inputs import Resident, inputs_for

    found = inputs_for(load_data(images, a_job()), device_bytes=bytes_of_gpu)
    assert isinstance(found, Resident) == (bytes_of_gpu > 1 << 20)


@pytest.mark.long
@pytest.mark.parametrize("model", STUDIED_MODELS)
def test_of_every_model_of_the_study_a_block_has_the_bits_of_single_steps(model: str, tmp_path: Path) -> None:
    asked = {"model": model, "dataset": str(a_dataset_file(tmp_path, a_dataset(side_px=75)))}
    said = subprocess.run(
        [sys.executable, "-m", "tests.engines.test_blocks"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    alone, together = json.loads(said.stdout.splitlines()[-1])
    assert alone == together


def main() -> None:
    """Print the digests of all variables after three steps, made one by one and in one call: [alone, together]."""
    from qcqueue.engines.batches import load_data
    from qcqueue.engines.keras_tf import device
    from qcqueue.engines.keras_tf.models import build_model
    from qcqueue.engines.keras_tf.program import KerasProgram

    device.has_gpu = lambda: True
    asked = json.loads(sys.stdin.read())
    spec = a_job(model=asked["model"], image_size=(75, 75))
    data = load_data(Path(asked["dataset"]), spec)
    model = build_model(spec, classes=3, weights_path=None, fresh=True)
    program = KerasProgram(model, spec, data, threads=2, step="fused")
    batches, first, ends = [*data.batches(1, first_step=0)][:3], program.tensors(), []
    for blocks in ([[it] for it in batches], [batches]):
        program.restore(first)
        losses = [float(step.loss) for block in blocks for step in program.train(block)]
        ends.append([losses, {key: hashlib.sha256(it.tobytes()).hexdigest() for key, it in program.tensors().items()}])
    print(json.dumps(ends))


if __name__ == "__main__":
    main()
